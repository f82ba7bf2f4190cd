"""Reports that are saved, produced by a worker now and then, and the files that were produced.

Whose they are is the ``merchant_id`` of their rows, NOBODY for the platform's; a merchant's session sees only its own,
and a platform's session says whose it is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, func, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.report_kind import ReportFormat
from merchantry.domain.report_request import Choice, ReportRequest, Span
from merchantry.domain.report_schedule import ReportSchedule, last_span, next_due
from merchantry.domain.worded import Worded
from merchantry.services import audit, queue
from merchantry.services.queue import JobKind
from merchantry.tables.platform import mall
from merchantry.tables.report import report_file, saved_report
from tenancy.database import MerchantSession, PlatformSession
from tenancy.writes import Changed, Gone, New, write

KEPT_FOR: Final = timedelta(days=90)
MAX_SAVED: Final = 100
"""Saved reports of one merchant, or of the platform."""

MAX_NAME: Final = 100
SHOWN_FILES: Final = 10
"""The latest files of a report that lists show."""

AnySession = MerchantSession | PlatformSession


@dataclass(frozen=True, slots=True)
class NewReport:
    """A report to be saved: with a span where it has no schedule, without one where it has."""

    name: str
    choice: Choice
    format: ReportFormat
    schedule: ReportSchedule
    span: Span | None = None
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class SavedReport:
    """A saved report. ``failure`` is why it could not be produced when it was last tried."""

    merchant_id: UUID
    id: UUID
    name: str
    choice: Choice
    format: ReportFormat
    schedule: ReportSchedule
    date_from: date | None
    date_to: date | None
    created_at: datetime
    next_due_at: datetime | None
    failure: str | None
    failed_at: datetime | None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.created_at, self.id

    def request(self, at: datetime, zone: ZoneInfo) -> ReportRequest:
        """What it is about at a moment: its own span, or the last that its schedule has completed."""
        if self.date_from is not None and self.date_to is not None:
            span = Span(self.date_from, self.date_to)
        else:
            span = last_span(self.schedule, at, zone)
        return ReportRequest(self.choice, span, self.format)


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A produced file; ``stored_as`` is its name in the directory of reports."""

    merchant_id: UUID
    id: UUID
    report_id: UUID
    name: str
    format: ReportFormat
    date_from: date
    date_to: date
    as_of: datetime
    row_count: int
    size_bytes: int
    sha256: bytes
    stored_as: str
    produced_at: datetime
    expires_at: datetime


SAVED = [saved_report.c[name] for name in SavedReport.__slots__]
FILES = [report_file.c[name] for name in ReportFile.__slots__]


async def mall_zone(session: AnySession) -> ZoneInfo:
    """The platform's zone, in which reports count days."""
    return ZoneInfo(await session.scalar(select(mall.c.time_zone)))


async def save(session: AnySession, merchant_id: UUID, new: NewReport, act: Act) -> SavedReport:
    """Save a report; one with a schedule is produced by itself from its next moment on.

    Raises InvalidInput for a name, a span or a schedule that can't be, and for too many.
    """
    _check(new)
    held = select(func.count()).select_from(saved_report).where(saved_report.c.merchant_id == merchant_id)
    if await session.scalar(held) >= MAX_SAVED:
        raise InvalidInput(
            reason=Worded("There are {most} saved reports already; delete one.", most=MAX_SAVED), path=("name",)
        )
    due = None
    if new.schedule is not ReportSchedule.NONE:
        due = next_due(new.schedule, act.at, await mall_zone(session))
    row = {
        "merchant_id": merchant_id,
        "id": new.id,
        "name": new.name,
        "choice": new.choice.document(),
        "format": new.format.value,
        "schedule": new.schedule.value,
        "date_from": new.span.date_from if new.span else None,
        "date_to": new.span.date_to if new.span else None,
        "created_by": act.actor,
        "created_at": act.booked_at,
        "next_due_at": due,
    }
    after = {"name": new.name, "kind": new.choice.kind.value, "schedule": new.schedule.value}
    await write(
        session,
        New(saved_report, row),
        audit.event(session, merchant_id, act, "report.save", str(new.id), None, after),
        *([queue.asked(merchant_id, JobKind.REPORT_PRODUCE, new.id, due)] if due else []),
    )
    return await find(session, merchant_id, new.id)


def _check(new: NewReport) -> None:
    if not 0 < len(new.name.strip()) <= MAX_NAME or not new.name.isprintable():
        raise InvalidInput(
            reason=Worded("Give the report a name of 1 to {most} characters.", most=MAX_NAME), path=("name",)
        )
    if new.schedule is ReportSchedule.NONE and new.span is None:
        raise InvalidInput(reason="Give the days from and to, or a schedule.", path=("from",))
    if new.schedule is not ReportSchedule.NONE and new.span is not None:
        reason = "A schedule decides the days: give no from and to with it."
        raise InvalidInput(reason=reason, path=("from",))


async def find(session: AnySession, merchant_id: UUID, report_id: UUID, *, locked: bool = False) -> SavedReport:
    """A saved report. Raises NotFound, also for somebody else's."""
    table = saved_report.c
    statement = select(*SAVED).where(table.merchant_id == merchant_id, table.id == report_id)
    row = (await session.execute(statement.with_for_update() if locked else statement)).mappings().one_or_none()
    if row is None:
        raise NotFound(what="saved report", path=("report_id",))
    return _saved(row)


def _saved(row: RowMapping) -> SavedReport:
    made: dict[str, Any] = {
        "choice": Choice.from_document(row["choice"]),
        "format": ReportFormat(row["format"]),
        "schedule": ReportSchedule(row["schedule"]),
    }
    return SavedReport(**{**row, **made})


async def saved(
    session: AnySession, merchant_id: UUID, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[SavedReport]:
    """Saved reports, newest first."""
    table = saved_report.c
    statement = select(*SAVED).where(table.merchant_id == merchant_id)
    if after is not None:
        statement = statement.where(tuple_(table.created_at, table.id) < after)
    rows = await session.execute(statement.order_by(table.created_at.desc(), table.id.desc()).limit(limit))
    return [_saved(row) for row in rows.mappings()]


async def files_of(
    session: AnySession, merchant_id: UUID, report_ids: Sequence[UUID], now: datetime
) -> dict[UUID, list[ReportFile]]:
    """The latest files of several reports that have not expired, newest first."""
    table = report_file.c
    newest = func.row_number().over(partition_by=table.report_id, order_by=(table.produced_at.desc(), table.id))
    ranked = (
        select(*FILES, newest.label("rank"))
        .where(table.merchant_id == merchant_id, table.report_id == func.any(list(report_ids)), table.expires_at > now)
        .subquery()
    )
    columns = [ranked.c[name] for name in ReportFile.__slots__]
    statement = select(*columns).where(ranked.c.rank <= SHOWN_FILES).order_by(ranked.c.report_id, ranked.c.rank)
    found: dict[UUID, list[ReportFile]] = {report_id: [] for report_id in report_ids}
    for row in (await session.execute(statement)).mappings():
        found[row["report_id"]].append(_file(row))
    return found


def _file(row: RowMapping) -> ReportFile:
    return ReportFile(**{**row, "format": ReportFormat(row["format"]), "sha256": bytes(row["sha256"])})


async def file(session: AnySession, merchant_id: UUID, file_id: UUID) -> ReportFile | None:
    """A produced file, whether it has expired or not."""
    table = report_file.c
    statement = select(*FILES).where(table.merchant_id == merchant_id, table.id == file_id)
    row = (await session.execute(statement)).mappings().one_or_none()
    return _file(row) if row else None


async def ask(session: AnySession, merchant_id: UUID, report_id: UUID, act: Act) -> SavedReport:
    """Have it produced now, beside its schedule. Raises NotFound."""
    found = await find(session, merchant_id, report_id, locked=True)
    await queue.enqueue(session, merchant_id, JobKind.REPORT_PRODUCE, report_id, act.at)
    await audit.record(session, merchant_id, act, "report.produce", str(report_id))
    return found


async def delete(session: AnySession, merchant_id: UUID, report_id: UUID, act: Act) -> SavedReport:
    """Forget it; its files expire at once. Raises NotFound."""
    found = await find(session, merchant_id, report_id, locked=True)
    table = report_file.c
    expire = update(report_file).where(table.merchant_id == merchant_id, table.report_id == report_id)
    expired = await session.execute(expire.values(expires_at=act.at).returning(table.id))
    for row in expired.all():
        await queue.enqueue(session, merchant_id, JobKind.REPORT_FORGET, row.id, act.at)
    before = {"name": found.name, "kind": found.choice.kind.value, "schedule": found.schedule.value}
    await write(
        session,
        Gone(saved_report, {"merchant_id": merchant_id, "id": report_id}),
        queue.done(merchant_id, JobKind.REPORT_PRODUCE, report_id),
        audit.event(session, merchant_id, act, "report.delete", str(report_id), before),
    )
    return found


async def produced(session: AnySession, made: ReportFile, due_at: datetime) -> bool:
    """A file is there: remember it, and when the next is due. False where another worker was first, or the report is
    gone: then the file is nobody's.
    """
    saved_now = await _held(session, made.merchant_id, made.report_id)
    if saved_now is None or await file(session, made.merchant_id, made.id) is not None:
        await queue.finished(session, made.merchant_id, JobKind.REPORT_PRODUCE, made.report_id, due_at)
        return False
    row = {name: getattr(made, name) for name in ReportFile.__slots__}
    await write(
        session,
        New(report_file, {**row, "format": made.format.value}),
        queue.asked(made.merchant_id, JobKind.REPORT_FORGET, made.id, made.expires_at),
    )
    await _go_on(session, saved_now, due_at, made.produced_at, failure=None)
    return True


async def failed(
    session: AnySession, merchant_id: UUID, report_id: UUID, due_at: datetime, failure: str, at: datetime, *, last: bool
) -> None:
    """It could not be produced; after the ``last`` attempt it is left until it is due again."""
    saved_now = await _held(session, merchant_id, report_id)
    if saved_now is None:
        await queue.finished(session, merchant_id, JobKind.REPORT_PRODUCE, report_id, due_at)
    elif last:
        await _go_on(session, saved_now, due_at, at, failure=failure)
    else:
        await write(session, _told(saved_now, failure, at))


async def _held(session: AnySession, merchant_id: UUID, report_id: UUID) -> SavedReport | None:
    try:
        return await find(session, merchant_id, report_id, locked=True)
    except NotFound:
        return None


async def _go_on(session: AnySession, found: SavedReport, due_at: datetime, at: datetime, failure: str | None) -> None:
    """This time is over; where it has a schedule, the next comes."""
    await queue.finished(session, found.merchant_id, JobKind.REPORT_PRODUCE, found.id, due_at)
    changed = _told(found, failure, at)
    if found.schedule is ReportSchedule.NONE:
        await write(session, changed)
        return
    due = next_due(found.schedule, at, await mall_zone(session))
    await write(session, Changed(saved_report, changed.where, {**changed.row, "next_due_at": due}))
    await queue.enqueue_unless_asked(session, found.merchant_id, JobKind.REPORT_PRODUCE, found.id, due)


def _told(found: SavedReport, failure: str | None, at: datetime) -> Changed:
    key = {"merchant_id": found.merchant_id, "id": found.id}
    return Changed(saved_report, key, {"failure": failure, "failed_at": at if failure else None})


async def forget(session: AnySession, merchant_id: UUID, file_id: UUID) -> None:
    """The file is gone."""
    key = {"merchant_id": merchant_id, "id": file_id}
    await write(session, Gone(report_file, key), queue.done(merchant_id, JobKind.REPORT_FORGET, file_id))


def path_of(stored_as: str) -> PurePath:
    """Where a file is in the directory of reports: in it, and nowhere else."""
    return PurePath(PurePath(stored_as).name)
