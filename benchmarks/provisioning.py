"""A new merchant at a growing number of them: our provisioning, its script by plain psycopg, and bare CREATE TABLEs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from statistics import median
from uuid import uuid4

import psycopg
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from benchmarks.installation import BATCH, Owner, a_shop, an_act, installed
from benchmarks.measuring import Options, facts, ms, parse_options, seconds, show, times, told
from merchantry.services import merchant as merchants
from merchantry.services.provisioner import Provisioner
from merchantry.tables.blueprint import MERCHANT_TABLES, blueprint
from tenancy.schemas import MARK, schema_of

LEVELS, QUICK_LEVELS = (0, 1_000, 5_000), (0, 200)
AT_ONCE = 100
"""Merchants in a transaction of those that only have to exist."""

_numbers = count(1)

Make = Callable[[int], None]
"""Makes so many merchants in one transaction."""


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        owner = installation.logins.owner
        rows: list[tuple[str, ...]] = []
        for level in options.sizes(LEVELS, QUICK_LEVELS):
            _fill_up(owner, level)
            rows += _measure(owner, options)
        show(
            f"Provisioning a merchant: {len(MERCHANT_TABLES.tables)} tables (each figure is per merchant)",
            facts(owner, options),
            ("existing", "", "ours", "the script by psycopg", "CREATE TABLE only", "ours / script", "ours / tables"),
            rows,
            "Ours is the server's way: it writes profile, directory and audit rows beside the script and tells the\n"
            "processes; the script has schema, role, tables, indexes, view and grants; CREATE TABLE only makes\n"
            "schema, tables and constraints. Nothing is removed in between: a file system that deleted many files\n"
            "lately makes new ones slowly (ext4: some minutes long), which is to be minded of whatever ran before.",
        )


def _fill_up(owner: str, level: int) -> None:
    """Make schemas until there are so many."""
    started = time.perf_counter()
    while (missing := level - _existing(owner)) > 0:
        _ours(owner, min(missing, AT_ONCE))
        told(f"{_existing(owner):,} merchants after {time.perf_counter() - started:,.0f} s")


def _existing(owner: str) -> int:
    with psycopg.connect(owner) as connection:
        row = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'm\\_%'").fetchone()
    return int(str(row and row[0]))


def _measure(owner: str, options: Options) -> list[tuple[str, ...]]:
    runs = {1: 5 if options.quick else 21, BATCH: 1 if options.quick else 3}
    rows: list[tuple[str, ...]] = []
    existing = _existing(owner)
    with psycopg.connect(owner) as connection, asyncio.Runner() as runner:
        provisioner = Provisioner(owner, blueprint)
        ways: Sequence[Make] = (
            lambda size: runner.run(_by_server(provisioner, size)),
            lambda size: _by_script(connection, size),
            lambda size: _tables_only(connection, size),
        )
        for size, name in ((1, "one by one"), (BATCH, f"batch of {BATCH}")):
            found: list[list[float]] = [[] for _ in ways]
            for _ in range(runs[size]):
                for figures, way in zip(found, ways, strict=True):
                    figures.append(seconds(partial(way, size)) / size)
            ours, script, tables = map(median, found)
            figures_shown = ms(ours), ms(script), ms(tables), times(ours, script), times(ours, tables)
            rows.append((f"{existing:,}", name, *figures_shown))
            told(" ".join(rows[-1]))
        provisioner.close()
    return rows


def _ours(owner: str, size: int) -> None:
    merchants.create(owner, blueprint(), [a_shop(next(_numbers)) for _ in range(size)], an_act())


async def _by_server(provisioner: Provisioner, size: int) -> None:
    await provisioner.create([a_shop(next(_numbers)) for _ in range(size)], an_act())


def _by_script(connection: Owner, size: int) -> None:
    for _ in range(size):
        connection.execute(blueprint().script.replace(MARK, schema_of(uuid4())).encode())
    connection.commit()


def _tables_only(connection: Owner, size: int) -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    script = "".join(f"{CreateTable(table).compile(dialect=dialect)};" for table in MERCHANT_TABLES.sorted_tables)
    for _ in range(size):
        connection.execute(f"CREATE SCHEMA {MARK};{script}".replace(MARK, schema_of(uuid4())).encode())
    connection.commit()


if __name__ == "__main__":
    main()
