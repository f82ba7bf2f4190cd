"""Reports that are saved: what they show, when they are produced, and the files to download."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.access import MerchantAccess, PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.enums import ColumnType, ReportFormat, ReportKind, ReportSchedule
from graphql_api.relay import Connection, Node, Page, Parts, connection_of, encode_id, node, page
from graphql_api.report_routes import PATH
from merchantry.domain.permission import Permission
from merchantry.domain.report_forms import FORMS
from merchantry.services import saved_report
from merchantry.services.saved_report import AnySession
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

Allowed = MerchantAccess | PlatformAccess


@strawberry.type(description="A column that a report can have.")
class ReportColumn:
    name: str = strawberry.field(description="In files and in `columns`; amounts end in _minor and are minor units.")
    title: str = strawberry.field(description="At the head of a spreadsheet, where amounts are in their currency.")
    type: ColumnType
    is_usual: bool = strawberry.field(description="Whether it is there where no columns are chosen.")


@strawberry.type(description="A kind of report, for merchants about themselves and for the platform about all.")
class ReportForm:
    kind: ReportKind
    title: str
    row: str = strawberry.field(description="What there is a row for.")
    counted_on: str = strawberry.field(description="Which day decides whether a row is in the span.")
    has_status: bool = strawberry.field(description="Whether rows can be chosen by status.")
    sorted_by: list[str]
    columns: list[ReportColumn]


@strawberry.type(description="A produced file.")
class ReportFile:
    name: str
    format: ReportFormat
    date_from: date = strawberry.field(name="from")
    date_to: date = strawberry.field(name="to", description="The first day that no longer counts.")
    as_of: datetime
    rows: int
    size_bytes: int
    sha256: str = strawberry.field(description="Of its bytes, in hexadecimal digits.")
    produced_at: datetime
    expires_at: datetime = strawberry.field(description="It is deleted then.")
    url: str = strawberry.field(
        description="Where on this server it is downloaded, with the same Authorization and X-Merchant."
    )


@strawberry.type(description="A report that is kept to be produced again.")
class SavedReport(Node):
    id: strawberry.ID
    name: str
    kind: ReportKind
    format: ReportFormat
    columns: list[str]
    merchants: list[str] | None = strawberry.field(description="Slugs; null for all, or for the merchant's own.")
    currency: str | None
    statuses: list[str]
    date_from: date | None = strawberry.field(name="from", description="Null where a schedule decides the days.")
    date_to: date | None = strawberry.field(name="to")
    schedule: ReportSchedule
    created_at: datetime
    next_due_at: datetime | None = strawberry.field(description="When it is produced by itself next.")
    failure: str | None = strawberry.field(description="Why it could not be produced when it was last tried.")
    failed_at: datetime | None
    files: list[ReportFile] = strawberry.field(description="The ten latest, newest first.")

    @staticmethod
    def of(found: saved_report.SavedReport, files: Sequence[saved_report.ReportFile]) -> "SavedReport":
        """The report as it is stored, with its files."""
        choice = found.choice
        return SavedReport(
            id=encode_id("SavedReport", found.merchant_id, found.id),
            name=found.name,
            kind=choice.kind,
            format=found.format,
            columns=list(choice.columns),
            merchants=None if choice.merchants is None else list(choice.merchants),
            currency=choice.currency,
            statuses=list(choice.statuses),
            date_from=found.date_from,
            date_to=found.date_to,
            schedule=found.schedule,
            created_at=found.created_at,
            next_due_at=found.next_due_at,
            failure=found.failure,
            failed_at=found.failed_at,
            files=[_file(each) for each in files],
        )


def _file(found: saved_report.ReportFile) -> ReportFile:
    return ReportFile(
        name=found.name,
        format=found.format,
        date_from=found.date_from,
        date_to=found.date_to,
        as_of=found.as_of,
        rows=found.row_count,
        size_bytes=found.size_bytes,
        sha256=found.sha256.hex(),
        produced_at=found.produced_at,
        expires_at=found.expires_at,
        url=f"{PATH}/files/{encode_id('ReportFile', found.merchant_id, found.id)}",
    )


def owner_of(allowed: Allowed) -> UUID:
    """Whose reports somebody may see and save."""
    return allowed.merchant_id if isinstance(allowed, MerchantAccess) else NOBODY


@asynccontextmanager
async def session_of(tx: Transaction, allowed: Allowed) -> AsyncIterator[AnySession]:
    """The session that sees them."""
    if isinstance(allowed, MerchantAccess):
        async with tx.as_merchant(allowed.merchant_id) as session:
            yield session
    else:
        async with tx.as_platform() as platform:
            yield platform


def allowed_for(context: Context, owner: UUID) -> Allowed:
    """Whoever names a saved report: staff where it is the selected merchant's, else the platform's people.

    Raises NotAuthenticated, NotPermitted.
    """
    selected = context.caller.merchant
    if selected is not None and selected.id == owner:
        return access.of_merchant(context, Permission.REPORT_READ)
    return access.of_platform(context, Permission.PLATFORM_REPORT_READ)


async def shown(session: AnySession, found: saved_report.SavedReport, now: datetime) -> SavedReport:
    """A report with its files."""
    files = await saved_report.files_of(session, found.merchant_id, [found.id], now)
    return SavedReport.of(found, files[found.id])


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[SavedReport]:
    """The selected merchant's saved reports."""
    allowed = access.of_merchant(info.context, Permission.REPORT_READ)
    return await _listed(info.context, allowed, page("savedReports", (datetime, UUID), first, after))


async def of_platform(info: Info, first: int | None, after: str | None) -> Connection[SavedReport]:
    """The platform's saved reports; not those of merchants."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_REPORT_READ)
    return await _listed(info.context, allowed, page("platformSavedReports", (datetime, UUID), first, after))


async def _listed(context: Context, allowed: Allowed, asked: Page) -> Connection[SavedReport]:
    owner = owner_of(allowed)
    async with context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        after = (asked.after[0], asked.after[1]) if asked.after else None
        found = await saved_report.saved(session, owner, asked.limit, after)
        files = await saved_report.files_of(session, owner, [each.id for each in found], context.clock())
    return connection_of(
        found, asked, cursor_of=lambda each: each.cursor, node_of=lambda each: SavedReport.of(each, files[each.id])
    )


@node("SavedReport", parts=2)
async def load_saved_report(info: Info, parts: Parts) -> SavedReport | None:
    """The report, for whose it is."""
    owner, report_id = parts
    allowed = allowed_for(info.context, owner)
    if owner_of(allowed) != owner:
        return None
    async with info.context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        found = await saved_report.find(session, owner, report_id)
        return await shown(session, found, info.context.clock())


def forms() -> list[ReportForm]:
    """Every kind of report with its columns."""
    return [
        ReportForm(
            kind=form.kind,
            title=form.title,
            row=form.row,
            counted_on=form.counted_on,
            has_status=form.has_status,
            sorted_by=list(form.sorted_by),
            columns=[
                ReportColumn(name=each.name, title=each.title, type=each.type, is_usual=each.is_usual)
                for each in form.columns
            ],
        )
        for form in FORMS.values()
    ]
