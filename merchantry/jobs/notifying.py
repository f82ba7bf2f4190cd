"""People are told of events: whichever worker is first reads on, a few times a second."""

import asyncio
from collections.abc import Callable
from datetime import datetime, time

import structlog

from merchantry.jobs.telling import KEPT, PRUNE_EVERY
from merchantry.jobs.tools import ACTOR
from merchantry.services import notification_delivery
from tenancy.database import Database

POLL_SECONDS = 0.5

log = structlog.get_logger()


async def notify_forever(
    database: Database,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
    digest_at: time | None = None,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Notify until ``stop`` is set, and forget what is old. A database that is away is waited for.

    ``digest_at`` is when digests are sent, in the mall's zone; None: there is no mail.
    """
    pruned_at = clock()
    while not stop.is_set():
        try:
            if await notify(database, clock(), digest_at):
                continue
            if clock() - pruned_at > PRUNE_EVERY:
                pruned_at = clock()
                await prune(database, pruned_at)
        except Exception as error:  # the next round may go well, and nobody else does the work
            log.exception("notification.round_failed", error=type(error).__name__)
        try:
            async with asyncio.timeout(poll_seconds):
                await stop.wait()
        except TimeoutError:
            continue


async def notify(database: Database, now: datetime, digest_at: time | None = None) -> int:
    """One round. Returns how many events were read."""
    async with database.write(ACTOR) as tx, tx.as_platform() as session:
        return await notification_delivery.deliver(session, now, digest_at)


async def prune(database: Database, now: datetime) -> int:
    """Forget notifications of forgotten events. Returns how many."""
    total = 0
    while True:
        async with database.write(ACTOR) as tx, tx.as_platform() as session:
            gone = await notification_delivery.prune(session, now - KEPT)
        total += gone
        if not gone:
            return total


async def notify_all(database: Database, now: datetime, digest_at: time | None = None) -> int:
    """Tell whom it concerns of all that has a number. Returns how many events there were."""
    total = 0
    while done := await notify(database, now, digest_at):
        total += done
    return total
