"""Claims due jobs and does them; any number of workers at once, and none at all for hours, give the same books."""

import asyncio
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import or_, select, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from merchantry.jobs import lease as leases
from merchantry.jobs import metrics
from merchantry.jobs.handlers import EXPECTED, HANDLERS
from merchantry.jobs.lease import LEASE, Held, Lease
from merchantry.jobs.tools import ACTOR, Job, Tools
from merchantry.services.queue import JobKind
from merchantry.tables.platform import job as job_table
from tenancy.database import CommitLost, CommitUnknown
from tenancy.tables import merchant

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(hours=1)
BATCH = 20
UNWRITABLE = select(merchant.c.id).where(merchant.c.status.in_(("restoring", "quarantined")))
"""Their jobs wait until their books can be written again."""

BESIDE_THE_BOOKS = (JobKind.RESTORE_FINISH, JobKind.REPORT_FORGET)
POLL_SECONDS = 1.0

log = structlog.get_logger()


async def run_forever(tools: Tools, stop: asyncio.Event, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Work until ``stop`` is set; what is under way is finished first. A database that is away is waited for."""
    while not stop.is_set():
        try:
            done = await run_batch(tools, tools.clock())
        except Exception as error:  # whatever it is, the next round may go well, and nobody else does the work
            log.exception("worker.round_failed", error=type(error).__name__)
            done = 0
        if done == 0:
            try:
                async with asyncio.timeout(poll_seconds):
                    await stop.wait()
            except TimeoutError:
                continue


async def run_due(
    tools: Tools,
    until: datetime,
    *,
    kinds: Collection[JobKind] = tuple(HANDLERS),
    merchant_id: UUID | None = None,
    concurrency: int = 2,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Do everything that is due until a moment, in the order in which it fell due; of one merchant, where one is given.

    Returns how many jobs were done.
    """
    total = 0
    while True:
        jobs = await claim(tools, until, BATCH * concurrency, kinds, merchant_id)
        if not jobs:
            return total
        total += await _do_all(tools, jobs, concurrency, LEASE)
        progress(total)


async def run_batch(tools: Tools, until: datetime, *, concurrency: int = 2, lease: Lease = LEASE) -> int:
    """One round. Returns how many jobs were claimed."""
    jobs = await claim(tools, until, BATCH, lease=lease)
    await _do_all(tools, jobs, concurrency, lease)
    return len(jobs)


async def claim(
    tools: Tools,
    until: datetime,
    limit: int,
    kinds: Collection[JobKind] = tuple(HANDLERS),
    merchant_id: UUID | None = None,
    *,
    lease: Lease = LEASE,
) -> list[Job]:
    """Lease due jobs that no other worker holds."""
    now = tools.clock()
    table = job_table.c
    key = tuple_(table.merchant_id, table.kind, table.subject_id)
    free = (
        select(table.merchant_id, table.kind, table.subject_id)
        .where(
            table.due_at <= until,
            table.kind.in_(kinds),
            or_(table.leased_until.is_(None), table.leased_until < now),
        )
        .order_by(table.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    free = free.where(or_(table.kind.in_(BESIDE_THE_BOOKS), table.merchant_id.not_in(UNWRITABLE)))
    if merchant_id is not None:
        free = free.where(table.merchant_id == merchant_id)
    statement = (
        update(job_table)
        .where(key.in_(free))
        .values(leased_until=now + lease.span, attempts=table.attempts + 1)
        .returning(table.merchant_id, table.kind, table.subject_id, table.due_at, table.attempts, table.leased_until)
    )
    async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
        rows = await session.execute(statement)
        jobs = [Job(**{**row._asdict(), "kind": JobKind(row.kind)}) for row in rows]
    return sorted(jobs, key=lambda job: job.due_at)


async def _do_all(tools: Tools, jobs: list[Job], concurrency: int, lease: Lease) -> int:
    async with leases.held(tools, jobs, lease) as held:
        return await _do_held(tools, jobs, concurrency, held)


async def _do_held(tools: Tools, jobs: list[Job], concurrency: int, held: Held) -> int:
    waiting = list(reversed(jobs))
    done = 0

    async def worker() -> None:
        nonlocal done
        while waiting:
            is_done = await _do(tools, waiting.pop(), held)
            done += is_done  # apart from the await, which would lose what others count meanwhile

    async with asyncio.TaskGroup() as group:
        for _ in range(min(concurrency, len(jobs))):
            group.create_task(worker())
    return done


async def _do(tools: Tools, job: Job, held: Held) -> bool:
    """Do one job; what fails is tried again later, further and further apart."""
    metrics.JOBS_CLAIMED.labels(job.kind.value).inc()
    try:
        with metrics.JOB_SECONDS.labels(job.kind.value).time():
            await HANDLERS[job.kind](tools, job)
    except Exception as error:
        expected = isinstance(error, EXPECTED)
        report = log.warning if expected else log.exception
        held.let_go(job)
        metrics.JOBS.labels(job.kind.value, "failed").inc()
        report("job.failed", kind=job.kind, subject=str(job.subject_id), attempts=job.attempts, error=str(error))
        await _postpone(tools, job, f"{type(error).__name__}: {error}"[:500])
        return False
    held.let_go(job)
    metrics.JOBS.labels(job.kind.value, "done").inc()
    return True


async def _postpone(tools: Tools, job: Job, reason: str) -> None:
    wait = min(FIRST_RETRY * 2 ** min(job.attempts - 1, 12), LONGEST_RETRY)
    table = job_table.c
    try:
        async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            await session.execute(
                update(job_table)
                .where(table.merchant_id == job.merchant_id, table.kind == job.kind, table.subject_id == job.subject_id)
                .values(leased_until=tools.clock() + wait, last_error=reason)
            )
    except (SQLAlchemyError, CommitUnknown, CommitLost, OSError) as error:
        log.warning("job.not_postponed", error=type(error).__name__)  # its lease runs out, and it is tried again
