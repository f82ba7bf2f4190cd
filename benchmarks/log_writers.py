"""Writers of the log's benchmark: a process of its own, which books in one way or another for as long as it is told."""

import asyncio
import hashlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from sqlalchemy import text

from benchmarks.installation import an_act
from benchmarks.load import rate
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.services import ledger
from merchantry.tables.merchant import balance, ledger_entry
from tenancy.database import Database, MerchantSession
from tenancy.logins import derive
from tenancy.writes import Added, New, write

PROCESSES = 4
WRITERS = 16
EACH = WRITERS // PROCESSES
LAST_IN_CHAIN = text("SELECT hash FROM platform.chain WHERE id = 1 FOR UPDATE")
NEXT_IN_CHAIN = text("UPDATE platform.chain SET hash = :hash WHERE id = 1")

Committed = dict[tuple[UUID, int], float]
"""Entries, and the moments at which their commits had returned."""


def an_entry() -> Entry:
    """A capture of three postings."""
    at = datetime.now(UTC)
    postings = (
        Posting(Account.BUYER_FUNDS, "BRL", -10_000),
        Posting(Account.MERCHANT_PENDING, "BRL", 8_750),
        Posting(Account.PLATFORM_COMMISSION, "BRL", 1_250),
    )
    details: dict[str, Json] = {"number": "100001-000001", "commission_minor": 1250, "commission_tax_minor": 0}
    return Entry(EntryKind.CAPTURE, uuid4(), at, None, None, postings, details)


async def unlogged(session: MerchantSession) -> bytes:
    """What booking was without the log: the same statements but the queue's row, and nothing hashed."""
    entry, act = an_entry(), an_act()
    books, sums = await ledger.hold(session), ledger._sums(entry.postings)
    after = [books.balances.get((each.account, each.currency), 0) + each.amount_minor for each in entry.postings]
    row = {
        "seq": books.seq,
        "kind": entry.kind,
        "order_id": entry.order_id,
        "occurred_at": entry.occurred_at,
        "booked_at": act.booked_at,
        "available_at": entry.available_at,
        "reverses": entry.reverses,
        "details": dict(entry.details),
        "salt": bytes(32),
        "balance_after": after,
        "balance_salt": bytes(32),
        **ledger._arrays(entry.postings),
    }
    added = [
        Added(balance, dict(zip(("account", "currency"), key, strict=True)), {"amount_minor": sums[key]})
        for key in sums
    ]
    await write(session, New(ledger_entry, row), *added)
    return str(row).encode()


async def chained(session: MerchantSession) -> None:
    """A hash over the entry and the one before it, all ledgers in one chain: each waits for the one before."""
    last = bytes(await session.scalar(LAST_IN_CHAIN))
    booked = await unlogged(session)
    await session.execute(NEXT_IN_CHAIN, {"hash": hashlib.sha256(last + booked).digest()})


async def logged(session: MerchantSession) -> int:
    """As the program books."""
    return await ledger.book(session, an_entry(), an_act())


KINDS: dict[str, Callable[[MerchantSession], Awaitable[object]]] = {
    "without": unlogged,
    "with": logged,
    "chain": chained,
}


class Processes:
    """The writers' processes. Of the merchants the first half is booked with the log, the other half without."""

    def __init__(self, running: Sequence["subprocess.Popen[bytes]"]) -> None:
        self._running = running

    async def rate(self, kind: str, seconds: float) -> tuple[float, Committed]:
        """Entries per second of all writers together, and what was committed of those that are logged."""
        for each in self._running:
            assert each.stdin
            each.stdin.write(orjson.dumps([kind, seconds]) + b"\n")
            each.stdin.flush()
        answers = [await asyncio.to_thread(_answer, each) for each in self._running]
        committed = {(UUID(merchant), seq): at for _, rows in answers for merchant, seq, at in rows}
        return sum(found for found, _ in answers), committed


def _answer(process: "subprocess.Popen[bytes]") -> Any:
    assert process.stdout
    return orjson.loads(process.stdout.readline())


@contextmanager
def processes(owner_url: str, merchants: Sequence[UUID]) -> Iterator[Processes]:
    """Started, each with its part of the merchants; they end with the block."""
    with ExitStack() as stack:
        running = []
        for at in range(PROCESSES):
            own = [*merchants[at * EACH :][:EACH], *merchants[WRITERS + at * EACH :][:EACH]]
            command = [sys.executable, "-m", "benchmarks.log_writers", owner_url, *map(str, own)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            running.append(stack.enter_context(process))
        yield Processes(running)
        for process in running:
            assert process.stdin
            process.stdin.close()


async def serve(owner_url: str, merchants: Sequence[UUID]) -> None:
    """Book as the lines of standard input say, and answer each with a line."""
    database = Database(derive(owner_url), pool_size=EACH)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        kind, seconds = orjson.loads(line)
        own = merchants[:EACH] if kind == "with" else merchants[EACH:]
        sys.stdout.buffer.write(orjson.dumps(await _booked(database, own, kind, seconds)) + b"\n")
        sys.stdout.buffer.flush()
    await database.close()


async def _booked(
    database: Database, merchants: Sequence[UUID], kind: str, seconds: float
) -> tuple[float, list[tuple[UUID, object, float]]]:
    """Entries per second, and each that is logged with the moment of its commit."""
    work = KINDS[kind]
    committed: list[tuple[UUID, object, float]] = []

    async def one(writer: int) -> None:
        async with database.write("bench") as tx, tx.as_merchant(merchants[writer]) as session:
            seq = await work(session)
        if kind == "with":
            committed.append((merchants[writer], seq, time.perf_counter()))

    return await rate(one, EACH, seconds), committed


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], [UUID(each) for each in sys.argv[2:]]))
