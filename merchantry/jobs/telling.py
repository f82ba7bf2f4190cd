"""Events get their numbers: at once where this process wrote them, a few times a second where another did."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from merchantry.jobs.tools import ACTOR
from merchantry.services import outbox
from merchantry.tables.outbox import WAKES
from tenancy.database import Database

POLL_SECONDS = 0.25
KEPT = timedelta(days=90)
"""How long events can be read; who comes back later reads anew what they need."""
PRUNE_EVERY = timedelta(hours=1)

log = structlog.get_logger()


async def tell_forever(
    database: Database, clock: Callable[[], datetime], stop: asyncio.Event, *, poll_seconds: float = POLL_SECONDS
) -> None:
    """Number events until ``stop`` is set, and forget old ones. A database that is away is waited for."""
    written = asyncio.Event()
    database.woken_by[WAKES] = written.set
    pruned_at = clock()
    ended = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            is_known = written.is_set()
            written.clear()
            try:
                while await tell(database, is_known=is_known) == outbox.BATCH:
                    pass
                if clock() - pruned_at > PRUNE_EVERY:
                    pruned_at = clock()
                    await prune(database, pruned_at)
            except Exception as error:  # the next round may go well, and nobody else does the work
                log.exception("outbox.round_failed", error=type(error).__name__)
            waiting = asyncio.ensure_future(written.wait())
            await asyncio.wait({ended, waiting}, timeout=poll_seconds, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
    finally:
        ended.cancel()
        del database.woken_by[WAKES]


async def tell(database: Database, *, is_known: bool = False) -> int:
    """One round: one round trip where it is known that an event waits. Returns how many events were numbered."""
    async with database.write(ACTOR) as tx, tx.as_platform() as session:
        if not is_known and not await outbox.is_waiting(session):
            return 0
        numbered = await session.finish(*outbox.numbering(session))
    return int(numbered.scalar_one())


async def prune(database: Database, now: datetime) -> int:
    """Forget events that are older than ``KEPT``. Returns how many."""
    total = 0
    while True:
        async with database.write(ACTOR) as tx, tx.as_platform() as session:
            gone = await outbox.prune(session, now - KEPT)
        total += gone
        if not gone:
            return total


async def tell_all(database: Database) -> int:
    """Number all that waits. Returns how many events there were."""
    total = 0
    while done := await tell(database):
        total += done
    return total
