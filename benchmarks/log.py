"""What the public log costs: entries booked with it, without it, and in one chain under a lock; and how soon one is
signed. 16 writers on 16 connections, rounds of each kind in turn, a sequencer in a process of its own."""

import asyncio
import hashlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from statistics import median, quantiles
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import select, text

from benchmarks.installation import an_act, installed, provisioned
from benchmarks.load import rate
from benchmarks.measuring import Options, facts, ms, parse_options, show, times
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.jobs.sequencing import sequence_forever
from merchantry.services import ledger
from merchantry.tables.log import log_leaf
from merchantry.tables.merchant import balance, ledger_entry
from merchantry.transparency.log_keys import LogKeys
from tenancy.database import Database, MerchantSession
from tenancy.logins import derive
from tenancy.writes import Added, New, write

WRITERS = 16
KEYS = LogKeys.from_seeds("bench.example/log", [bytes(range(32))])
CHAIN = """
CREATE TABLE platform.chain (id int PRIMARY KEY, hash bytea NOT NULL);
INSERT INTO platform.chain VALUES (1, decode(repeat('00', 32), 'hex'));
GRANT SELECT, UPDATE ON platform.chain TO merchantry_merchant;
"""
LAST_IN_CHAIN = text("SELECT hash FROM platform.chain WHERE id = 1 FOR UPDATE")
NEXT_IN_CHAIN = text("UPDATE platform.chain SET hash = :hash WHERE id = 1")
LOOK_SECONDS = 0.02


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


class Bench:
    """Writers, one for each merchant, and the moments at which their entries were committed."""

    def __init__(self, database: Database, merchants: list[UUID]) -> None:
        self.database = database
        self.merchants = merchants
        self.committed: dict[tuple[UUID, int], float] = {}
        self.signed: dict[tuple[UUID, int], float] = {}
        self._caught_up = asyncio.Event()

    async def logged(self, writer: int) -> None:
        """As the program books."""
        merchant_id = self.merchants[writer]
        async with self.database.write("bench") as tx, tx.as_merchant(merchant_id) as session:
            seq = await ledger.book(session, an_entry(), an_act())
        self.committed[merchant_id, seq] = time.perf_counter()

    def with_session(self, work: Callable[[MerchantSession], Awaitable[object]]) -> Callable[[int], Awaitable[None]]:
        """Another way to book."""

        async def one(writer: int) -> None:
            merchant_id = self.merchants[WRITERS + writer]
            async with self.database.write("bench") as tx, tx.as_merchant(merchant_id) as session:
                await work(session)

        return one

    async def watch(self) -> None:
        """See when a head covers which entries."""
        size, table = 0, log_leaf.c
        while True:
            async with self.database.read("bench") as tx, tx.as_platform() as session:
                new = select(table.leaf_index, table.merchant_id, table.seq).where(table.leaf_index >= size)
                rows = (await session.execute(new)).all()
            for row in rows:
                self.signed[row.merchant_id, row.seq] = time.perf_counter()
                size = max(size, row.leaf_index + 1)
            if self.committed.keys() <= self.signed.keys():
                self._caught_up.set()
            await asyncio.sleep(LOOK_SECONDS)

    async def all_signed(self) -> None:
        """Wait until a head covers everything that was booked; the sequencer's own start is waited for likewise."""
        self._caught_up.clear()
        await self._caught_up.wait()

    def latencies(self) -> list[float]:
        """Seconds from commit to signed, of every entry."""
        return [self.signed[key] - at for key, at in self.committed.items()]


async def measured(bench: Bench, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Transactions per second of each kind, round by round."""
    kinds = {
        "without": bench.with_session(unlogged),
        "with": bench.logged,
        "chain": bench.with_session(chained),
    }
    found: dict[str, list[float]] = {name: [] for name in kinds}
    for work in kinds.values():
        await rate(work, WRITERS, seconds / 4)
    await bench.all_signed()
    bench.committed.clear()
    for _ in range(rounds):
        for name, work in kinds.items():
            found[name].append(await rate(work, WRITERS, seconds))
    await bench.all_signed()
    return found


async def run(
    owner_url: str, merchants: list[UUID], seconds: float, rounds: int
) -> tuple[Bench, dict[str, list[float]]]:
    """All of it, with a sequencer beside."""
    database = Database(derive(owner_url), pool_size=WRITERS + 1)
    bench = Bench(database, merchants)
    sequencer = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.log", "sequencer", owner_url)
    watching = asyncio.create_task(bench.watch())
    try:
        return bench, await measured(bench, seconds, rounds)
    finally:
        watching.cancel()
        sequencer.send_signal(signal.SIGTERM)
        await sequencer.wait()
        await database.close()


async def sequencer(owner_url: str) -> None:
    """Sequence until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    database = Database(derive(owner_url), pool_size=1)
    await sequence_forever(database, KEYS, lambda: datetime.now(UTC), stop)
    await database.close()


def report(options: Options) -> None:
    """Measure and print."""
    seconds, rounds = (2.0, 2) if options.quick else (6.0, 5)
    with installed(options) as installation:
        owner = installation.logins.owner
        merchants = [merchant.id for merchant in provisioned(installation.logins, list(range(1, 2 * WRITERS + 1)))]
        with psycopg.connect(owner) as connection:
            connection.execute(CHAIN.encode())
        bench, found = asyncio.run(run(owner, merchants, seconds, rounds))
        line = facts(owner, options)
    middle = {name: median(figures) for name, figures in found.items()}
    rows = [
        [label, f"{middle[name]:,.0f}", times(middle[name], middle["without"]), times(middle[name], middle["chain"])]
        for name, label in (
            ("without", "without a log"),
            ("with", "with the log, a sequencer at work"),
            ("chain", "one hash chain of all ledgers, under a lock"),
        )
    ]
    show("Ledger entries per second, 16 writers", line, ("", "entries/s", "of without", "of the chain"), rows)
    latencies = bench.latencies()
    cuts = quantiles(latencies, n=100)
    figures = [f"{len(latencies):,}", ms(median(latencies)), ms(cuts[94]), ms(cuts[98]), ms(max(latencies))]
    show(
        "From commit to signed", line, ("", "entries", "median", "p95", "p99", "most"), [["under that load", *figures]]
    )


def main() -> int:
    """The benchmark, or its sequencer."""
    if sys.argv[1:2] == ["sequencer"]:
        asyncio.run(sequencer(sys.argv[2]))
        return 0
    report(parse_options())
    return 0


if __name__ == "__main__":
    sys.exit(main())
