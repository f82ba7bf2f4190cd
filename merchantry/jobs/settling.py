"""Jobs of settlement: silence that accepts a statement, reserves whose time is over, and the run that comes round."""

import asyncio

import structlog

from merchantry.domain.act import Act
from merchantry.domain.errors import SettlementRunning, StatementDecided
from merchantry.jobs import settlement
from merchantry.jobs.tools import ACTOR, Job, StillOpen, Tools
from merchantry.services import queue, settlement_run, statement
from tenancy.database import Transaction

LOOK_EVERY_SECONDS = 60.0

log = structlog.get_logger()


async def statement_accept(tools: Tools, job: Job) -> None:
    """The merchant has said nothing until the deadline."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(job.merchant_id) as session:
            try:
                await statement.accept(session, job.subject_id, act)
            except StatementDecided:
                await queue.dequeue(session, job.merchant_id, job.kind, job.subject_id)

    await tools.database.run(ACTOR, work)


async def reserve_release(tools: Tools, job: Job) -> None:
    """The reserve of a statement is available again."""
    act = Act(ACTOR, job.due_at, tools.clock())

    async def work(tx: Transaction) -> None:
        async with tx.as_merchant(job.merchant_id) as session:
            await statement.release_reserve(session, job.subject_id, act)

    await tools.database.run(ACTOR, work)


async def run_asked_for(tools: Tools, job: Job) -> None:
    """A run that a person began. Raises StillOpen while another is at it, who may yet die."""
    now = tools.clock()
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        found = await settlement_run.find(session, job.subject_id)
    if found is not None and found.is_moving(now):
        raise StillOpen(f"settlement run {found.id} is under way")
    await settlement.resume(tools, job.subject_id)

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as platform:
            await queue.finished(platform, job.merchant_id, job.kind, job.subject_id, job.due_at)

    await tools.database.run(ACTOR, work)


async def settle_forever(tools: Tools, stop: asyncio.Event, *, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
    """Settle with all merchants every hour until ``stop`` is set; of several workers one does it at a time."""
    while not stop.is_set():
        try:
            await settle_if_due(tools)
        except SettlementRunning:
            log.info("settlement.another_runs")
        except Exception as error:  # the next look may go well, and nobody else settles
            log.exception("settlement.run_failed", error=type(error).__name__)
        try:
            async with asyncio.timeout(look_every_seconds):
                await stop.wait()
        except TimeoutError:
            continue


async def settle_if_due(tools: Tools) -> bool:
    """Run where the last run is an hour ago. Says so where runs were missed. False where nothing was due."""
    now = tools.clock()
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        last = await settlement_run.last_until(session)
        missed = await settlement_run.missed_since(session, now)
    if last is not None and now - last < settlement_run.EVERY:
        return False
    if missed is not None:
        log.error("settlement.missed", since=missed.isoformat())
    await settlement.run(tools, now, Act(settlement.ACTOR, now, now))
    return True
