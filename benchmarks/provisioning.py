"""A new merchant at a growing number of them: our provisioning, its script by plain psycopg, and bare CREATE TABLEs."""

import time
from collections.abc import Callable, Sequence
from itertools import count
from statistics import median
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from benchmarks.installation import BATCH, Owner, a_shop, an_act, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, show, times
from merchantry.services import merchant as merchants
from merchantry.tables.blueprint import MERCHANT_TABLES, blueprint
from tenancy.provisioning import drop
from tenancy.schemas import MARK, schema_of

LEVELS, QUICK_LEVELS = (0, 100, 1_000, 5_000), (0, 100)
DROPPED_AT_ONCE = 25
_numbers = count(1)

Make = Callable[[int], list[str]]
"""Makes so many merchants in one transaction; the names of their schemas."""


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        owner = installation.logins.owner
        rows: list[tuple[str, ...]] = []
        existing = 0
        for level in options.sizes(LEVELS, QUICK_LEVELS):
            provisioned(installation.logins, [next(_numbers) for _ in range(level - existing)])
            existing = level
            rows += _measure(owner, level, options)
        show(
            f"Provisioning a merchant: {len(MERCHANT_TABLES.tables)} tables (each figure is per merchant)",
            facts(owner, options),
            ("existing", "", "ours", "the script by psycopg", "CREATE TABLE only", "ours / script", "ours / tables"),
            rows,
            "Ours connects anew, writes profile, directory and audit rows beside the script and tells the processes;\n"
            "the script has schema, role, tables, indexes, view and grants; CREATE TABLE only makes schema, tables\n"
            "and constraints.",
        )


def _measure(owner: str, level: int, options: Options) -> list[tuple[str, ...]]:
    runs = {1: 5 if options.quick else 21, BATCH: 1 if options.quick else 3}
    rows: list[tuple[str, ...]] = []
    with psycopg.connect(owner) as connection:
        ways: Sequence[Make] = (
            lambda size: _ours(owner, size),
            lambda size: _by_script(connection, size),
            lambda size: _tables_only(connection, size),
        )
        for size, name in ((1, "one by one"), (BATCH, f"batch of {BATCH}")):
            found: list[list[float]] = [[] for _ in ways]
            made: list[str] = []
            for _ in range(runs[size]):
                for figures, way in zip(found, ways, strict=True):
                    started = time.perf_counter()
                    made += way(size)
                    figures.append((time.perf_counter() - started) / size)
            ours, script, tables = map(median, found)
            figures_shown = ms(ours), ms(script), ms(tables), times(ours, script), times(ours, tables)
            rows.append((f"{level:,}", name, *figures_shown))
            _remove(connection, made)
    return rows


def _ours(owner: str, size: int) -> list[str]:
    shops = [a_shop(next(_numbers)) for _ in range(size)]
    return [schema_of(merchant.id) for merchant in merchants.create(owner, blueprint(), shops, an_act())]


def _by_script(connection: Owner, size: int) -> list[str]:
    schemas = [schema_of(uuid4()) for _ in range(size)]
    for schema in schemas:
        connection.execute(blueprint().script.replace(MARK, schema).encode())
    connection.commit()
    return [str(schema) for schema in schemas]


def _tables_only(connection: Owner, size: int) -> list[str]:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    script = "".join(f"{CreateTable(table).compile(dialect=dialect)};" for table in MERCHANT_TABLES.sorted_tables)
    schemas = [schema_of(uuid4()) for _ in range(size)]
    for schema in schemas:
        connection.execute(f"CREATE SCHEMA {MARK};{script}".replace(MARK, schema).encode())
    connection.commit()
    return [str(schema) for schema in schemas]


def _remove(connection: Owner, schemas: Sequence[str]) -> None:
    """Back to the level: what was measured goes again, roles and rows too."""
    known = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'm\\_%'").fetchall()}
    for at in range(0, len(schemas), DROPPED_AT_ONCE):
        for schema in schemas[at : at + DROPPED_AT_ONCE]:
            if schema in known:
                drop(connection, schema)
            else:
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())
        connection.commit()
    ids = [schema.removeprefix("m_") for schema in schemas]
    for table, key in (("audit_event", "merchant_id"), ("merchant_profile", "merchant_id"), ("merchant", "id")):
        statement = sql.SQL("DELETE FROM platform.{} WHERE {} = ANY(%s::uuid[])")
        connection.execute(statement.format(sql.Identifier(table), sql.Identifier(key)), [ids])
    connection.commit()


if __name__ == "__main__":
    main()
