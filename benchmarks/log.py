"""What the public log costs: entries booked with it, without it, and in one chain under a lock; and how soon one is
signed. 16 writers in four processes, rounds of each kind in turn, a sequencer in a process of its own."""

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from statistics import median, quantiles
from uuid import UUID

import psycopg
from sqlalchemy import select

from benchmarks.installation import installed, provisioned
from benchmarks.log_writers import KINDS, WRITERS, Committed, Processes, processes
from benchmarks.measuring import Options, facts, ms, parse_options, show, times
from merchantry.jobs.sequencing import sequence_forever
from merchantry.tables.log import log_leaf
from merchantry.transparency.log_keys import LogKeys
from tenancy.database import Database
from tenancy.logins import derive

KEYS = LogKeys.from_seeds("bench.example/log", [bytes(range(32))])
CHAIN = """
CREATE TABLE platform.chain (id int PRIMARY KEY, hash bytea NOT NULL);
INSERT INTO platform.chain VALUES (1, decode(repeat('00', 32), 'hex'));
GRANT SELECT, UPDATE ON platform.chain TO merchantry_merchant;
"""
LOOK_SECONDS = 0.02


class Bench:
    """When entries were committed, and when a head covered them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.committed: Committed = {}
        self.signed: Committed = {}
        self._caught_up = asyncio.Event()

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


async def measured(bench: Bench, writers: Processes, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Transactions per second of each kind, round by round."""
    found: dict[str, list[float]] = {name: [] for name in KINDS}
    for name in KINDS:
        _, committed = await writers.rate(name, seconds / 4)
        bench.committed |= committed
    await bench.all_signed()
    bench.committed = {}
    for _ in range(rounds):
        for name in KINDS:
            figure, committed = await writers.rate(name, seconds)
            found[name].append(figure)
            bench.committed |= committed
    await bench.all_signed()
    return found


async def run(
    owner_url: str, merchants: list[UUID], seconds: float, rounds: int
) -> tuple[Bench, dict[str, list[float]]]:
    """All of it, with a sequencer beside."""
    database = Database(derive(owner_url), pool_size=2)
    bench = Bench(database)
    sequencer = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.log", "sequencer", owner_url)
    watching = asyncio.create_task(bench.watch())
    try:
        with processes(owner_url, merchants) as writers:
            return bench, await measured(bench, writers, seconds, rounds)
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
