"""Everything that one merchant has, as PostgreSQL's COPY writes it: one snapshot, nothing kept in memory.

It is read as the merchant and as the platform, whose roles have no more rights here than anywhere else; tables and
columns are those of the catalogue, for the schema may be older or newer than the program.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from tenancy.logins import Logins
from tenancy.schemas import PLATFORM, schema_of

Connection = psycopg.Connection[tuple[Any, ...]]

TEXT_FORM = (
    "SELECT set_config('datestyle', 'ISO, YMD', true), set_config('intervalstyle', 'iso_8601', true),"
    " set_config('timezone', 'UTC', true), set_config('bytea_output', 'hex', true),"
    " set_config('extra_float_digits', '1', true), set_config('statement_timeout', '0', true)"
)
"""So that what is written means the same to every server that reads it."""

_TABLES = """
SELECT relation.relname,
       array(SELECT attname::text FROM pg_attribute
             WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum),
       array(SELECT parent.relname::text FROM pg_constraint JOIN pg_class AS parent ON parent.oid = confrelid
             WHERE conrelid = relation.oid AND contype = 'f')
FROM pg_class AS relation
WHERE relation.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND relation.relkind = 'r'
ORDER BY relation.relname
"""


@dataclass(frozen=True, slots=True)
class TableShape:
    """A table as it is stored: its name and its columns."""

    name: str
    columns: tuple[str, ...]


class Snapshot:
    """Reads while its transaction lasts, always the same state."""

    def __init__(self, connection: Connection, merchant_id: UUID) -> None:
        self._connection = connection
        self._schema = schema_of(merchant_id)

    @property
    def schema(self) -> str:
        """The merchant's schema."""
        return self._schema

    def as_merchant(self) -> None:
        """Read as the merchant from now on."""
        self._connection.execute("SELECT set_config('role', %s, true)", [self._schema])

    def as_platform(self) -> None:
        """Read as the platform from now on."""
        self._connection.execute("SELECT set_config('role', %s, true)", [PLATFORM])

    def tables(self) -> list[TableShape]:
        """The merchant's tables, those that others refer to first."""
        found = {row[0]: row for row in self._connection.execute(_TABLES, [self._schema])}
        order = TopologicalSorter({name: set(row[2]) - {name} for name, row in found.items()}).static_order()
        return [TableShape(name, tuple(found[name][1])) for name in order if name in found]

    def shared_table(self, name: str) -> TableShape:
        """A table of ``platform``, with the columns that it has."""
        found = self._connection.execute(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum",
            [f"platform.{name}"],
        )
        return TableShape(name, tuple(str(row[0]) for row in found))

    def one(self, query: sql.Composed, parameters: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a query, as whoever is read as."""
        return self._connection.execute(query, parameters).fetchone()

    def copy_own(self, table: TableShape, write: Callable[[bytes], None]) -> int:
        """Give out the merchant's table in COPY's text form. Returns the number of rows."""
        statement = sql.SQL("COPY {} ({}) TO STDOUT").format(
            sql.Identifier(self._schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.columns))
        )
        return self.copy(statement, write)

    def copy(self, statement: sql.Composed, write: Callable[[bytes], None]) -> int:
        """Give out what a COPY … TO STDOUT writes. Returns the number of rows."""
        with self._connection.cursor() as cursor:
            with cursor.copy(statement) as copy:
                for chunk in copy:
                    write(bytes(chunk))
            return cursor.rowcount


@contextmanager
def snapshot(logins: Logins, merchant_id: UUID) -> Iterator[Snapshot]:
    """One REPEATABLE READ, READ ONLY transaction, without a limit of time."""
    with psycopg.connect(logins.listen) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute(TEXT_FORM)
        yield Snapshot(connection, merchant_id)
