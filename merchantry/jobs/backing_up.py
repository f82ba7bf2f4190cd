"""Backups that come round: every merchant once a day, into a directory, of which each merchant's latest are kept."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.jobs import backup, restore
from merchantry.jobs.backup import Taking
from merchantry.jobs.tools import ACTOR, Job, StillOpen, Tools
from merchantry.services import backup as backups
from merchantry.services import queue
from merchantry.services.backup import Backup
from merchantry.services.queue import JobKind
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database, Transaction
from tenancy.tables import merchant

LOOK_EVERY_SECONDS: Final = 60.0
AT_ONCE: Final = 200
"""Merchants that one look asks backups for."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Failure:
    """A merchant that could not be backed up, and why."""

    slug: str
    reason: str


async def take(database: Database, what: Taking, to: Path, progress: backup.Progress = backup.no_progress) -> Backup:
    """Write a backup and let the platform know of it."""
    made = await asyncio.to_thread(backup.take, what, to, progress)

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await backups.record(session, made)

    await database.run(what.made_by, work)
    return made


async def take_all(
    database: Database,
    to: Path,
    ring: MasterKeys | None,
    made_by: str,
    *,
    younger_than: timedelta,
    at_once: int = 2,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[int, list[Failure]]:
    """Back up every merchant that has no backup of this age in an absolute directory. Stopped, it is run again.

    Returns how many were made, and who could not be.
    """
    async with database.read(made_by) as tx, tx.as_platform() as session:
        rows = await session.execute(
            select(merchant.c.id, merchant.c.slug, merchant.c.status).order_by(merchant.c.slug)
        )
        waiting = [(row.id, row.slug) for row in rows if row.status != "restoring"]
        done = {row.merchant_id for row in await backups.made_since(session, younger_than, str(to))}
    left = [each for each in reversed(waiting) if each[0] not in done]
    total, made, failures = len(waiting), 0, list[Failure]()

    async def desk() -> None:
        nonlocal made
        while left:
            merchant_id, slug = left.pop()
            try:
                await take(database, Taking(database.logins, merchant_id, slug, ring, made_by), to)
            except Exception as error:  # whatever it is, the others are backed up, and it is told
                failures.append(Failure(slug, f"{type(error).__name__}: {error}"[:500]))
            else:
                made += 1
            progress(len(done) + made + len(failures), total)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(desk())
    return made, failures


async def keep_latest(database: Database, merchant_id: UUID, kept: int, directory: Path, actor: str) -> None:
    """Delete a merchant's older files in an absolute directory, and what is known of them."""
    async with database.read(actor) as tx, tx.as_platform() as session:
        found = await backups.of_merchant(session, merchant_id, limit=1_000)
    here = [each for each in found if Path(each.stored_as).parent == directory]
    await asyncio.to_thread(_unlink, here[kept:])

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await backups.forget(session, here[kept:])

    await database.run(actor, work)


def _unlink(made: Sequence[Backup]) -> None:
    for each in made:
        Path(each.stored_as).unlink(missing_ok=True)


async def back_up(tools: Tools, job: Job) -> None:
    """A merchant's daily backup. Raises StillOpen where this worker has no directory for it."""
    if tools.backups is None:
        raise StillOpen("this worker makes no backups; another one does")
    directory = tools.backups.directory
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        slug: str = await session.scalar(select(merchant.c.slug).where(merchant.c.id == job.merchant_id))
    await take(tools.database, Taking(tools.database.logins, job.merchant_id, slug, tools.vault.ring, ACTOR), directory)
    await keep_latest(tools.database, job.merchant_id, tools.backups.kept, directory, ACTOR)

    async def done(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await queue.finished(session, job.merchant_id, job.kind, job.subject_id, job.due_at)

    await tools.database.run(ACTOR, done)


async def restore_finish(tools: Tools, job: Job) -> None:
    """Two people have written off what a restore lacks: the quarantine ends."""
    now = tools.clock()
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        slug: str = await session.scalar(select(merchant.c.slug).where(merchant.c.id == job.merchant_id))
    await restore.settle(tools.database, job.merchant_id, slug, Act(ACTOR, now, now))

    async def done(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await queue.finished(session, job.merchant_id, job.kind, job.subject_id, job.due_at)

    await tools.database.run(ACTOR, done)


async def ask_forever(tools: Tools, stop: asyncio.Event, *, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
    """Ask for the backups that are due until ``stop`` is set; at once over where this worker makes none."""
    if tools.backups is None:
        return
    while not stop.is_set():
        try:
            await ask_for_due(tools)
        except Exception as error:  # the next look may go well
            log.exception("backup.look_failed", error=type(error).__name__)
        try:
            async with asyncio.timeout(look_every_seconds):
                await stop.wait()
        except TimeoutError:
            continue


async def ask_for_due(tools: Tools) -> int:
    """Ask for a backup of each merchant whose latest is a day old. Returns how many."""
    now = tools.clock()

    async def work(tx: Transaction) -> int:
        async with tx.as_platform() as session:
            due = await backups.too_old(session, now, backups.EVERY, AT_ONCE)
            for each in due:
                await queue.enqueue_unless_asked(session, each.merchant_id, JobKind.BACKUP_TAKE, each.merchant_id, now)
            return len(due)

    return await tools.database.run(ACTOR, work)
