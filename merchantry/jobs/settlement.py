"""Settling with merchants: for each, first everything that is due happens to its money, then its periods are closed.

Every step is a transaction that finds its work done when it is repeated; so a run that was killed is simply run again.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from merchantry.domain.act import Act
from merchantry.jobs import worker
from merchantry.jobs.heartbeat import heartbeat
from merchantry.jobs.tools import Tools
from merchantry.services import queue, review_case, settlement, settlement_run
from merchantry.services.queue import JobKind
from merchantry.services.settlement import Closed
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

ACTOR = "system:settlement"
TELL_EVERY_SECONDS = 10.0
"""How often a run writes how far it is, however long a merchant takes: who is silent for longer is taken for dead."""

log = structlog.get_logger()


@dataclass(slots=True)
class Tally:
    """What a run has come to so far; ``failures`` are a merchant's slug and what went wrong."""

    merchants: int
    merchants_done: int = 0
    holds_released: int = 0
    statements: int = 0
    payouts: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class NotReady(Exception):
    """Something must happen to a merchant's money first, and could not be done yet."""


async def run(
    tools: Tools,
    until: datetime,
    act: Act,
    *,
    merchant_id: UUID | None = None,
    run_id: UUID | None = None,
    concurrency: int = 4,
    tell_every_seconds: float = TELL_EVERY_SECONDS,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Settle with all merchants, or with one, up to a moment. One merchant's failure does not stop the others.

    Raises what ``settlement_run.begin`` raises.
    """
    run_id = run_id or uuid4()
    merchants = await tools.database.run(act.actor, lambda tx: _begin(tx, run_id, until, merchant_id, act))
    return await _carry_out(
        tools,
        run_id,
        until,
        merchants,
        act,
        concurrency=concurrency,
        tell_every_seconds=tell_every_seconds,
        progress=progress,
    )


async def resume(tools: Tools, run_id: UUID) -> Tally | None:
    """Carry out a run that has begun, as whoever began it; None where it is over."""
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        found = await settlement_run.find(session, run_id)
        if found is None or found.status != "running":
            return None
        merchants = await settlement_run.merchants_of(session, found.merchant_id)
    now = tools.clock()
    return await _carry_out(tools, run_id, found.until, merchants, Act(found.actor, now, now))


async def _carry_out(
    tools: Tools,
    run_id: UUID,
    until: datetime,
    merchants: Sequence[tuple[UUID, str]],
    act: Act,
    *,
    concurrency: int = 4,
    tell_every_seconds: float = TELL_EVERY_SECONDS,
    progress: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    async with tools.database.read(act.actor) as tx, tx.as_platform() as session:
        waiting = await settlement_run.with_due_jobs(session, until)
    tally, left = Tally(len(merchants)), list(reversed(merchants))

    async def desk() -> None:
        while left:
            chosen, slug = left.pop()
            try:
                await _settle(tools, chosen, until, act, tally, is_waiting=chosen in waiting)
            except Exception as error:  # whatever it is, the others are settled with, and the run tells of it
                log.exception("settlement.merchant_failed", merchant=slug, error=type(error).__name__)
                tally.failures.append((slug, f"{type(error).__name__}: {error}"[:500]))
            tally.merchants_done += 1
            progress(tally)

    async def tell() -> None:
        await tools.database.run(act.actor, lambda tx: _tell(tx, run_id, tally, tools.clock()))

    async with heartbeat(tell_every_seconds, tell), asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(merchants))):
            group.create_task(desk())
    await tools.database.run(act.actor, lambda tx: _finish(tx, run_id, tally, tools.clock()))
    return tally


async def _settle(
    tools: Tools, merchant_id: UUID, until: datetime, act: Act, tally: Tally, *, is_waiting: bool
) -> None:
    if is_waiting:
        kinds = settlement_run.BEFORE_CLOSING
        done = await worker.run_due(tools, until, kinds=kinds, merchant_id=merchant_id, concurrency=1)
        tally.holds_released += done  # apart from the await, which would lose what others count meanwhile
        async with tools.database.read(act.actor) as tx, tx.as_platform() as session:
            if await settlement_run.is_waiting(session, merchant_id, until):
                raise NotReady("orders are still to be completed or released; run again when the worker has done it")
    closed = await tools.database.run(act.actor, lambda tx: _close(tx, merchant_id, until, act))
    tally.statements += len(closed.statements)
    tally.payouts += len(closed.payouts)
    if closed.waits_for_log:
        raise NotReady("entries are not yet as far in the public log as the mall asks; run again when they are")


async def _begin(
    tx: Transaction, run_id: UUID, until: datetime, merchant_id: UUID | None, act: Act
) -> list[tuple[UUID, str]]:
    async with tx.as_platform() as session:
        return await settlement_run.begin(session, run_id, until, merchant_id, act)


async def _close(tx: Transaction, merchant_id: UUID, until: datetime, act: Act) -> Closed:
    async with tx.as_platform() as platform:
        conditions = await settlement.conditions_of(platform, merchant_id, act.booked_at)
    async with tx.as_merchant(merchant_id) as session:
        closed = await settlement.close(session, conditions, until, act)
    await review_case.ask_people_of(tx, closed.reviewed, act)
    return closed


async def _tell(tx: Transaction, run_id: UUID, tally: Tally, at: datetime) -> None:
    async with tx.as_platform() as session:
        await settlement_run.progress(session, run_id, at, **_figures(tally))


async def _finish(tx: Transaction, run_id: UUID, tally: Tally, at: datetime) -> None:
    async with tx.as_platform() as session:
        await settlement_run.progress(session, run_id, at, **_figures(tally))
        await settlement_run.finish(session, run_id, tally.failures, at)
        await queue.dequeue(session, NOBODY, JobKind.SETTLEMENT_RUN, run_id)


def _figures(tally: Tally) -> dict[str, int]:
    names = ("merchants_done", "holds_released", "statements", "payouts")
    return {name: getattr(tally, name) for name in names}
