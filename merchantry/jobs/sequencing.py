"""The public log goes on: whichever worker is first integrates what waits, a few times a second."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import structlog

from merchantry.jobs import resuming
from merchantry.jobs.resuming import WitnessesSilent
from merchantry.jobs.tools import ACTOR
from merchantry.services.log_frontier import Memory
from merchantry.services.log_sequencing import BATCH, Integrated, LogHalted, integrate
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database

POLL_SECONDS = 0.4
"""How long leaves gather: a round costs about the same for few as for many."""

HALTED_SECONDS = 30.0
AWAITING_SECONDS = 5.0

log = structlog.get_logger()


async def sequence_forever(
    database: Database,
    keys: LogKeys,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
    policy: WitnessPolicy | None = None,
    *,
    poll_seconds: float = POLL_SECONDS,
) -> None:
    """Integrate until ``stop`` is set. A database that is away is waited for; a halted log is reported, not forced.

    Before the first round, and before the next one after a halt, witnesses are asked what the log has signed.
    """
    is_checked, memory = False, Memory()
    while not stop.is_set():
        pause = poll_seconds
        try:
            if policy is not None and not is_checked:
                await resuming.check_history(database, keys, policy)
            is_checked = True
            if await sequence(database, keys, clock(), memory) == BATCH:
                continue
        except LogHalted as error:
            log.critical("log.halted", reason=str(error))
            pause, is_checked = HALTED_SECONDS, False
        except WitnessesSilent as error:
            log.error("log.witnesses_awaited", reason=str(error))
            pause = AWAITING_SECONDS
        except Exception as error:  # the next round may go well, and nobody else does the work
            log.exception("log.round_failed", error=type(error).__name__)
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            continue


async def sequence(database: Database, keys: LogKeys, now: datetime, memory: Memory | None = None) -> int:
    """One round. Returns how many leaves were integrated. Raises LogHalted."""
    async with database.write(ACTOR) as tx, tx.as_platform() as session:
        done = await integrate(session, keys, now, memory=memory)
    if done is None:
        return 0
    _report(done)
    return done.leaves


def _report(done: Integrated) -> None:
    for merchant_id in done.gaps:
        log.critical("log.gap", merchant=str(merchant_id), remedy="merchantry verify books")


async def sequence_all(database: Database, keys: LogKeys, now: datetime) -> int:
    """Integrate all that waits. Returns how many leaves there were. Raises LogHalted."""
    total, memory = 0, Memory()
    while done := await sequence(database, keys, now, memory):
        total += done
    return total
