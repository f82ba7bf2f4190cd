"""Runs of settlement: one row each, so that people see how far it is, what failed, and that none was missed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, func, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, MerchantClosed, NotFound, SettlementRunning
from merchantry.services import audit
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY, job, mall
from merchantry.tables.settlement import settlement_run
from tenancy.database import PlatformSession
from tenancy.tables import merchant
from tenancy.writes import Changed, New, write

EVERY = timedelta(hours=1)
"""How often periods are looked for that have ended."""

MISSED_AFTER = timedelta(hours=3)
"""A run over all merchants that is later than this was missed: somebody must know."""

STALE_AFTER = timedelta(minutes=2)
"""A run that has not moved for so long has died; another may begin."""

BEFORE_CLOSING = (JobKind.ORDER_COMPLETE, JobKind.HOLD_RELEASE, JobKind.RESERVE_RELEASE)
"""What must have happened to a merchant's money before its periods are closed."""


@dataclass(frozen=True, slots=True)
class SettlementRun:
    """One go at settling with all merchants, or with one; ``failures`` are a merchant's slug and what went wrong."""

    id: UUID
    actor: str
    merchant_id: UUID | None
    until: datetime
    status: str
    started_at: datetime
    progressed_at: datetime
    finished_at: datetime | None
    merchants: int
    merchants_done: int
    holds_released: int
    statements: int
    payouts: int
    failures: list[list[str]]

    def is_moving(self, at: datetime) -> bool:
        """Whether somebody is at it: it has told how far it is, not long ago."""
        return self.status == "running" and self.started_at < self.progressed_at > at - STALE_AFTER

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.started_at, self.id


COLUMNS = [settlement_run.c[name] for name in SettlementRun.__slots__]


async def begin(
    session: PlatformSession, run_id: UUID, until: datetime, merchant_id: UUID | None, act: Act
) -> list[tuple[UUID, str]]:
    """Write the run; returns the merchants (ids and slugs) to settle with.

    Raises InvalidInput for a moment to come, NotFound, MerchantClosed, and SettlementRunning while another over all is
    under way.
    """
    if until > act.booked_at:
        reason = "Periods can only be closed once they have ended; give a moment that has passed."
        raise InvalidInput(reason=reason, path=("until",))
    await session.execute(select(mall.c.id).with_for_update())  # runs begin one at a time
    if merchant_id is None and (running := await _running(session, act.booked_at)):
        raise SettlementRunning(since=running.started_at)
    merchants = await merchants_of(session, merchant_id)
    if merchant_id is not None and not merchants:
        if await session.scalar(select(merchant.c.id).where(merchant.c.id == merchant_id)):
            raise MerchantClosed
        raise NotFound(what="merchant", path=("merchant",))
    row = {
        "id": run_id,
        "actor": act.actor,
        "merchant_id": merchant_id,
        "until": until,
        "status": "running",
        "started_at": act.booked_at,
        "progressed_at": act.booked_at,
        "merchants": len(merchants),
        "merchants_done": 0,
        "holds_released": 0,
        "statements": 0,
        "payouts": 0,
        "failures": [],
    }
    after = {"until": until.isoformat(), "merchants": len(merchants)}
    concerned = merchant_id or NOBODY
    await write(
        session,
        New(settlement_run, row),
        audit.event(session, concerned, act, "settlement.run", str(run_id), None, after),
    )
    return merchants


NOT_SETTLED = ("closed", "restoring", "quarantined")


async def merchants_of(session: PlatformSession, merchant_id: UUID | None) -> list[tuple[UUID, str]]:
    """Whom a run settles with (ids and slugs): everybody whose books can be written, or the one."""
    chosen = select(merchant.c.id, merchant.c.slug).where(merchant.c.status.not_in(NOT_SETTLED)).order_by(merchant.c.id)
    if merchant_id is not None:
        chosen = chosen.where(merchant.c.id == merchant_id)
    return [(row.id, row.slug) for row in await session.execute(chosen)]


async def progress(session: PlatformSession, run_id: UUID, at: datetime, **figures: Any) -> None:
    """How far a run is."""
    await session.execute(
        update(settlement_run).where(settlement_run.c.id == run_id).values(progressed_at=at, **figures)
    )


async def finish(session: PlatformSession, run_id: UUID, failures: Sequence[tuple[str, str]], at: datetime) -> None:
    """A run is over; ``failed`` where a merchant could not be settled with. Run again, it does what is left."""
    status = "failed" if failures else "done"
    values = {"status": status, "progressed_at": at, "finished_at": at, "failures": [list(each) for each in failures]}
    await write(session, Changed(settlement_run, {"id": run_id}, values))


async def _running(session: PlatformSession, at: datetime) -> Row[Any] | None:
    table = settlement_run.c
    statement = select(table.started_at).where(
        table.status == "running", table.merchant_id.is_(None), table.progressed_at > at - STALE_AFTER
    )
    return (await session.execute(statement)).first()


async def last_until(session: PlatformSession) -> datetime | None:
    """Up to when all merchants have been settled with; None before the first run."""
    table = settlement_run.c
    statement = select(func.max(table.until)).where(table.merchant_id.is_(None), table.status != "running")
    found: datetime | None = await session.scalar(statement)
    return found


async def missed_since(session: PlatformSession, at: datetime) -> datetime | None:
    """Since when a run is overdue, where one is: nothing has been settled since, although it should have been."""
    last = await last_until(session)
    if last is None:
        last = await session.scalar(select(func.min(merchant.c.created_at)))
    return last + EVERY if last is not None and at - last > MISSED_AFTER else None


async def with_due_jobs(session: PlatformSession, until: datetime) -> set[UUID]:
    """The merchants for whom something is to be done before their periods can be closed."""
    statement = select(job.c.merchant_id).distinct().where(job.c.kind.in_(BEFORE_CLOSING), job.c.due_at <= until)
    return set((await session.execute(statement)).scalars())


async def is_waiting(session: PlatformSession, merchant_id: UUID, until: datetime) -> bool:
    """Whether something of the merchant's is still to be done before its periods can be closed."""
    statement = select(
        exists().where(job.c.merchant_id == merchant_id, job.c.kind.in_(BEFORE_CLOSING), job.c.due_at <= until)
    )
    return bool(await session.scalar(statement))


async def page(
    session: PlatformSession, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[SettlementRun]:
    """Runs, the latest first."""
    table = settlement_run.c
    statement = select(*COLUMNS).order_by(table.started_at.desc(), table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(table.started_at, table.id) < tuple_(*after))
    return [SettlementRun(**row._asdict()) for row in await session.execute(statement)]


async def find(session: PlatformSession, run_id: UUID) -> SettlementRun | None:
    """One run."""
    row = (await session.execute(select(*COLUMNS).where(settlement_run.c.id == run_id))).one_or_none()
    return SettlementRun(**row._asdict()) if row else None
