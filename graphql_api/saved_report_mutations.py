"""Saving reports, producing them at once, and forgetting them."""

from collections.abc import Awaitable, Callable
from datetime import date
from typing import TypeVar
from uuid import UUID

import strawberry

from graphql_api import access, saved_report
from graphql_api.context import Context, Info
from graphql_api.enums import ReportFormat, ReportKind, ReportSchedule
from graphql_api.problems import mutation
from graphql_api.relay import take_id
from graphql_api.saved_report import Allowed, SavedReport, owner_of, session_of
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.domain.report_request import Choice, Span, choose
from merchantry.domain.worded import Worded
from merchantry.services import saved_report as reports
from merchantry.services.idempotency import Request, claim
from merchantry.services.saved_report import AnySession, NewReport
from tenancy.database import Transaction

T = TypeVar("T")

MOST_COLUMNS = 50


@strawberry.input(description="A report about the selected merchant. Days are given, or decided by the schedule.")
class ReportSaveInput:
    name: str
    kind: ReportKind
    format: ReportFormat
    columns: list[str] = strawberry.field(
        default_factory=list, description="Names in the order wanted; without any, the usual ones."
    )
    currency: str | None = None
    statuses: list[str] = strawberry.field(default_factory=list)
    date_from: date | None = strawberry.field(default=None, name="from")
    date_to: date | None = strawberry.field(default=None, name="to", description="The first day that no longer counts.")
    schedule: ReportSchedule = ReportSchedule.NONE
    idempotency_key: str


@strawberry.input(description="A report about all merchants, or some.")
class PlatformReportSaveInput(ReportSaveInput):
    merchants: list[str] | None = strawberry.field(default=None, description="Slugs; all where it is left out.")


@strawberry.input(description="A saved report.")
class ReportProduceInput:
    report_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A saved report that is no longer wanted.")
class ReportDeleteInput:
    report_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="The report is saved; one with a schedule is produced by itself.")
class ReportSaved:
    report: SavedReport


@strawberry.type(description="The platform's report is saved; one with a schedule is produced by itself.")
class PlatformReportSaved:
    report: SavedReport


@strawberry.type(description="A worker produces it in a moment; its files will tell.")
class ReportProducing:
    report: SavedReport


@strawberry.type(description="The report is gone, and its files.")
class ReportDeleted:
    report_id: strawberry.ID


EXPECTED: list[type[MarketError]] = [NotFound, NotPermitted, InvalidInput, IdempotencyConflict, IdempotencyInProgress]
EXPECTED_NEW: list[type[MarketError]] = [
    NotPermitted,
    InvalidInput,
    UnknownCurrency,
    IdempotencyConflict,
    IdempotencyInProgress,
]


@strawberry.type
class SavedReportMutations:
    @mutation(problems=EXPECTED_NEW)
    async def report_save(self, info: Info, input: ReportSaveInput) -> ReportSaved:
        """Save a report about the selected merchant. Needs report.read."""
        allowed = access.of_merchant(info.context, Permission.REPORT_READ)
        request = access.request("reportSave", input)
        return ReportSaved(report=await _save(info.context, allowed, _new(input, None), request))

    @mutation(problems=EXPECTED_NEW)
    async def platform_report_save(self, info: Info, input: PlatformReportSaveInput) -> PlatformReportSaved:
        """Save a report over all merchants, or some. Needs platform.report.read."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_REPORT_READ)
        request = access.request("platformReportSave", input)
        return PlatformReportSaved(report=await _save(info.context, allowed, _new(input, input.merchants), request))

    @mutation(problems=EXPECTED)
    async def report_produce(self, info: Info, input: ReportProduceInput) -> ReportProducing:
        """Produce a saved report now. Needs report.read for one's own, platform.report.read for the platform's."""
        context = info.context

        async def produce(session: AnySession, allowed: Allowed, report_id: UUID) -> SavedReport:
            found = await reports.ask(session, owner_of(allowed), report_id, allowed.act)
            return await saved_report.shown(session, found, context.clock())

        async def again(session: AnySession, allowed: Allowed, report_id: UUID) -> SavedReport:
            found = await reports.find(session, owner_of(allowed), report_id)
            return await saved_report.shown(session, found, context.clock())

        request = access.request("reportProduce", input)
        return ReportProducing(report=await _change(context, input.report_id, request, produce, again))

    @mutation(problems=EXPECTED)
    async def report_delete(self, info: Info, input: ReportDeleteInput) -> ReportDeleted:
        """Forget a saved report and its files. Needs what producing it needs."""

        async def delete(session: AnySession, allowed: Allowed, report_id: UUID) -> None:
            await reports.delete(session, owner_of(allowed), report_id, allowed.act)

        async def again(session: AnySession, allowed: Allowed, report_id: UUID) -> None:
            return None

        await _change(info.context, input.report_id, access.request("reportDelete", input), delete, again)
        return ReportDeleted(report_id=input.report_id)


def _new(given: ReportSaveInput, merchants: list[str] | None) -> NewReport:
    if len(given.columns) > MOST_COLUMNS:
        raise InvalidInput(reason=Worded("Choose at most {most} columns.", most=MOST_COLUMNS), path=("columns",))
    choice: Choice = choose(
        given.kind, given.columns, merchants=merchants, currency=given.currency, statuses=given.statuses
    )
    span = None
    if given.date_from is not None or given.date_to is not None:
        if given.date_from is None or given.date_to is None:
            missing = "from" if given.date_from is None else "to"
            raise InvalidInput(reason="Give both days, from and to, or neither.", path=(missing,))
        span = Span(given.date_from, given.date_to)
    return NewReport(given.name, choice, given.format, given.schedule, span)


async def _save(context: Context, allowed: Allowed, new: NewReport, request: Request) -> SavedReport:
    owner = owner_of(allowed)

    async def work(tx: Transaction) -> SavedReport:
        async with session_of(tx, allowed) as session:
            first = await claim(session, owner, allowed.act, request, new.id)
            if first is None:
                found = await reports.save(session, owner, new, allowed.act)
            else:
                found = await reports.find(session, owner, first)
            return await saved_report.shown(session, found, context.clock())

    return await context.database.run(allowed.act.actor, work)


async def _change(
    context: Context,
    id: strawberry.ID,
    request: Request,
    change: Callable[[AnySession, Allowed, UUID], Awaitable[T]],
    again: Callable[[AnySession, Allowed, UUID], Awaitable[T]],
) -> T:
    """Change a saved report once for each key; ``again`` answers whoever repeats the request."""
    path = ("input", "reportId")
    owner, report_id = take_id(context, id, "SavedReport", 2, path)
    allowed = saved_report.allowed_for(context, owner)
    if owner_of(allowed) != owner:
        raise NotFound(what="saved report", path=path)

    async def work(tx: Transaction) -> T:
        async with session_of(tx, allowed) as session:
            first = await claim(session, owner, allowed.act, request, report_id)
            return await (change if first is None else again)(session, allowed, report_id)

    return await context.database.run(allowed.act.actor, work)
