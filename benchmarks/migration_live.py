"""What others notice of a migration, and what is left of one that is killed."""

import asyncio
import math
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import psycopg

from benchmarks.installation import Installation, provisioned
from benchmarks.load import Client
from benchmarks.measuring import Options, ms, seconds, told
from benchmarks.memory import fill, somebody_everywhere
from benchmarks.orders import ADDRESS, PAGE, SELECTED
from benchmarks.serving import serving
from tenancy.migrations import Revisions, migrate_merchants
from tenancy.principals import Merchant

UNDISTURBED_SECONDS, QUICK_SECONDS = 20.0, 3.0
KILLS, QUICK_KILLS = 50, 10
SEED = 1
KINDS = """
WITH part AS (
    SELECT relnamespace AS schema, relname || '.' || attname || ' ' || format_type(atttypid, atttypmod)
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END AS word
    FROM pg_attribute JOIN pg_class AS relation ON relation.oid = attrelid
    WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT relnamespace, replace(pg_get_indexdef(indexrelid), relnamespace::regnamespace::text, '')
    FROM pg_index JOIN pg_class AS relation ON relation.oid = indexrelid
    UNION ALL
    SELECT connamespace, conname || ' ' || replace(pg_get_constraintdef(oid), connamespace::regnamespace::text, '')
    FROM pg_constraint
)
SELECT count(*) FROM (
    SELECT DISTINCT md5(string_agg(word, chr(10) ORDER BY word)) FROM part
    JOIN pg_namespace ON pg_namespace.oid = schema AND nspname LIKE 'm\\_%' GROUP BY schema
) AS kind
"""

Waits = list[tuple[float, float]]
"""When requests began, and how many seconds they took."""


def disturbed(
    installation: Installation,
    merchants: Sequence[Merchant],
    directory: Path,
    grow: Callable[[], object],
    options: Options,
) -> list[tuple[str, ...]]:
    """Rows of how long orders pages of random merchants take, without and during a migration of all."""
    fill(installation.logins.owner, merchants)
    token = asyncio.run(somebody_everywhere(installation, merchants))
    with serving(installation, "mall") as mall:
        told("requests without a migration")
        length = QUICK_SECONDS if options.quick else UNDISTURBED_SECONDS
        calm = asyncio.run(_asked(mall, token, merchants, time.perf_counter() + length))
        grow()
        ours, its = multiprocessing.Pipe()
        spawned = multiprocessing.get_context("spawn")
        process = spawned.Process(target=_told_migration, args=(installation.logins.owner, directory, its))
        told("requests during a migration")
        process.start()
        all_waits = asyncio.run(_asked(mall, token, merchants, None, ours))
        began, ended = ours.recv()
        process.join()
    during = [(at, took) for at, took in all_waits if at + took > began and at < ended]
    return [_row("without a migration", calm), _row(f"during one of {ms(ended - began)}", during)]


def _told_migration(owner_url: str, directory: Path, tell: Connection) -> None:
    revisions = Revisions(directory)
    began = time.perf_counter()
    migrate_merchants(owner_url, revisions)
    tell.send((began, time.perf_counter()))


async def _asked(
    mall: Path, token: str, merchants: Sequence[Merchant], until: float | None, told_by: Connection | None = None
) -> Waits:
    """One request after the other, until a moment or until somebody says that it has ended."""
    chance, waits = random.Random(SEED), Waits()
    while (until is None or time.perf_counter() < until) and (told_by is None or not told_by.poll()):
        merchant = chance.choice(merchants)
        async with Client(mall, {"authorization": f"Bearer {token}", "x-merchant": merchant.slug}) as client:
            began = time.perf_counter()
            await client.ask(PAGE % (SELECTED + ADDRESS), {})
            waits.append((began, time.perf_counter() - began))
    return waits


def _row(name: str, waits: Waits) -> tuple[str, ...]:
    took = sorted(took for _, took in waits)
    return name, f"{len(took):,}", ms(_quantile(took, 0.5)), ms(_quantile(took, 0.99)), ms(took[-1])


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def killed(
    installation: Installation, directory: Path, grow: Callable[[], object], usual_seconds: float, options: Options
) -> list[tuple[str, ...]]:
    """Kill a migration at random moments and run it again each time. Raises RuntimeError where one is left behind."""
    owner, chance = installation.logins.owner, random.Random(SEED)
    left, again = [], []
    for number in range(QUICK_KILLS if options.quick else KILLS):
        grow()
        forked = multiprocessing.get_context("fork")
        process = forked.Process(target=migrate_merchants, args=(owner, Revisions(directory)))
        process.start()
        process.join(chance.uniform(0, usual_seconds))
        process.kill()
        process.join()
        left.append(_behind(owner, directory))
        again.append(seconds(lambda: migrate_merchants(owner, Revisions(directory))))
        if _behind(owner, directory):
            raise RuntimeError("merchants were left behind")
        told(f"killed {number + 1} times; {left[-1]:,} merchants were left")
    provisioned(installation.logins, [10**6])
    migrate_merchants(owner, Revisions(directory))
    with psycopg.connect(owner) as connection:
        row = connection.execute(KINDS).fetchone()
    if row != (1,):
        raise RuntimeError(f"schemas differ: {row}")
    midway = sum(0 < each < max(left) for each in left)
    return [
        (str(len(left)), str(midway), f"{min(left):,} to {max(left):,}", ms(max(again)), "0", "equal to a fresh one")
    ]


def _behind(owner_url: str, directory: Path) -> int:
    """How many merchants are not at the newest version."""
    with psycopg.connect(owner_url) as connection:
        statement = "SELECT count(*) FROM platform.merchant WHERE version <> %s"
        row = connection.execute(statement, [Revisions(directory).head]).fetchone()
    return int(row[0]) if row else 0
