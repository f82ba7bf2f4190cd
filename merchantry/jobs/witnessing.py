"""Has witnesses cosign the log's heads: about once a second, each for itself, so that nobody waits for a slow one."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from merchantry.domain.add_checkpoint import AddCheckpoint
from merchantry.jobs.tools import ACTOR
from merchantry.services import log as logs
from merchantry.services import log_witnessing
from merchantry.services.log import Head
from merchantry.transparency.witness_client import Answered, Conflict, WitnessClient, WitnessFailed, new_client
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database

EVERY_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 60.0

log = structlog.get_logger()


async def witness_forever(
    database: Database,
    policy: WitnessPolicy,
    clock: Callable[[], datetime],
    stop: asyncio.Event,
    *,
    every_seconds: float = EVERY_SECONDS,
) -> None:
    """Ask every witness of the policy until ``stop`` is set. Any number of workers may."""
    async with new_client() as http, asyncio.TaskGroup() as group:
        for each in policy.reachable:
            desk = Desk(database, policy, WitnessClient(http, each), clock)
            group.create_task(_ask_forever(desk, stop, every_seconds))


async def _ask_forever(desk: "Desk", stop: asyncio.Event, every_seconds: float) -> None:
    failures = 0
    while not stop.is_set():
        try:
            await desk.ask()
            failures = 0
        except WitnessFailed as error:
            failures += 1
            log.warning("log.witness_failed", witness=desk.client.name, failures=failures, reason=str(error))
        except Exception as error:  # the next time may go well, and nobody else asks
            failures += 1
            log.exception("log.witnessing_failed", witness=desk.client.name, error=type(error).__name__)
        pause = min(every_seconds * 2 ** min(failures, 10), LONGEST_SECONDS)
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            continue


@dataclass
class Desk:
    """One witness, and the size that it has cosigned last, as far as we know."""

    database: Database
    policy: WitnessPolicy
    client: WitnessClient
    clock: Callable[[], datetime]
    size: int | None = None

    async def ask(self) -> None:
        """Have the witness cosign the head that is wanted, if it has not yet. Raises WitnessFailed."""
        head, origin = await self._wanted()
        if head is None or origin is None:
            return
        answer = await self._add(head, origin)
        if isinstance(answer, Conflict):
            await self._check_possible(answer, head)
            self.size = answer.size
            if answer.size > head.size:
                return  # another worker asked it about a later head meanwhile; we do so the next time
            answer = await self._add(head, origin)
        if isinstance(answer, Conflict):
            log.critical(
                "log.witness_disagrees", witness=self.client.name, size=head.size, remedy="merchantry log check"
            )
            raise WitnessFailed(f"{self.client.name} has cosigned another head of {answer.size} leaves")
        self.size = head.size
        await self._store(head, answer)

    async def _check_possible(self, conflict: Conflict, head: Head) -> None:
        """Raises WitnessFailed for a size that the log has never had."""
        if conflict.size <= head.size:
            return
        async with self.database.read(ACTOR) as tx, tx.as_platform() as session:
            newest = await logs.head(session)
        if newest is None or conflict.size > newest.size:
            raise WitnessFailed(
                f"{self.client.name} says that it cosigned {conflict.size} leaves, which the log has not"
            )

    async def _wanted(self) -> tuple[Head | None, str | None]:
        async with self.database.read(ACTOR) as tx, tx.as_platform() as session:
            if self.size is None:
                self.size = await log_witnessing.last_of(session, self.client.name)
            head, origin = await log_witnessing.wanted(session, self.clock()), await logs.origin(session)
            if head is None or head.size < self.size:
                return None, origin
            is_done = any(each.name == self.client.name for each in await logs.cosignatures(session, head.size))
            return (None if is_done else head), origin

    async def _add(self, head: Head, origin: str) -> Answered | Conflict:
        old = self.size or 0
        async with self.database.read(ACTOR) as tx, tx.as_platform() as session:
            path = await logs.consistency(session, old, head.size)
        return await self.client.add_checkpoint(AddCheckpoint(old, tuple(path), head.note(origin)))

    async def _store(self, head: Head, answer: Answered) -> None:
        async with self.database.write(ACTOR) as tx, tx.as_platform() as session:
            is_new = await log_witnessing.add_cosignature(
                session, head.size, answer.signature, answer.cosigned.at, self.policy.is_met, self.clock()
            )
        if is_new:
            log.info("log.confirmed", size=head.size)
