"""Witnesses that run beside a real log."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import httpx

from merchantry.jobs.sequencing import sequence_all
from merchantry.jobs.witnessing import Desk
from merchantry.services import log
from merchantry.transparency import witness_key
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_client import WitnessClient, WitnessFailed
from merchantry.transparency.witness_policy import PolicyWitness, WitnessPolicy
from merchantry.witness.running import running
from merchantry.witness.store import Store
from merchantry.witness.witness import Witness
from tenancy.database import Database
from tests.services.test_log import queue

KEYS = LogKeys.from_seeds("mall.example/log", [bytes(range(32))])


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Auditor:
    """A witness: its books, and where it is asked."""

    witness: Witness
    url: str

    @property
    def seat(self) -> PolicyWitness:
        """As a policy names it."""
        return PolicyWitness(self.witness.verifier, self.url)

    def size(self) -> int | None:
        with self.witness.store.reading() as store:
            latest = store.latest(KEYS.origin)
        return latest.checkpoint.size if latest else None


@contextmanager
def auditors(directory: Path, *names: str) -> Iterator[list[Auditor]]:
    """Witnesses that trust the log's key."""
    with ExitStack() as stack:
        found = []
        for name in names:
            home = directory / name
            home.mkdir(exist_ok=True)
            witness = Witness(witness_key.make(home, f"{name}.example/witness"), Store(home), now)
            witness.trust(KEYS.verifiers)
            found.append(Auditor(witness, stack.enter_context(running(witness))))
        yield found


def a_policy(quorum: int, *seats: PolicyWitness) -> WitnessPolicy:
    return WitnessPolicy(seats, quorum, {})


async def grow(database: Database, merchant_id: UUID, *seqs: int, keys: LogKeys = KEYS) -> int:
    """Integrate so many entries; the size of the head."""
    await queue(database, merchant_id, *seqs)
    await sequence_all(database, keys, now())
    async with database.read("test") as tx, tx.as_public() as session:
        head = await log.head(session)
    assert head is not None
    return head.size


async def ask_all(database: Database, policy: WitnessPolicy) -> list[str]:
    """Ask every witness once; what went wrong."""
    failures = []
    async with httpx.AsyncClient(timeout=2) as http:
        for each in policy.witnesses:
            try:
                await Desk(database, policy, WitnessClient(http, each), now).ask()
            except WitnessFailed as error:
                failures.append(str(error))
    return failures


async def confirmed(database: Database) -> int | None:
    async with database.read("test") as tx, tx.as_public() as session:
        return await log.confirmed_size(session)
