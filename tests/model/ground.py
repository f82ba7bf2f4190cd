"""What stories begin on: one mall, made once; after each story every table is as it was."""

from collections.abc import Iterable

import psycopg
from psycopg import sql

from merchantry.tables.blueprint import MERCHANT_TABLES
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tenancy.tables import platform_metadata
from tests.model.world import World

KEPT = "kept"
"""The schema of the copies: one for each table that had rows at the beginning."""


class Ground:
    """A mall as it was made, and the way back to it. Works as the owner of the tables."""

    def __init__(self, logins: Logins, world: World) -> None:
        self._connection = psycopg.connect(logins.owner, autocommit=True)
        self._connection.execute("SET timezone TO 'UTC'")
        self._connection.execute(f"CREATE SCHEMA {KEPT}")
        self._schemas = ["platform", *(schema_of(merchant.id) for merchant in world.merchants)]
        self._reset = self._script([each for each in self._tables() if self._is_filled(each)])

    @property
    def connection(self) -> psycopg.Connection[tuple[object, ...]]:
        """Reads every schema."""
        return self._connection

    def reset(self) -> None:
        """Everything that happened since is gone."""
        self._connection.execute(self._reset)

    def close(self) -> None:
        """The last story is over."""
        self._connection.close()

    def _tables(self) -> Iterable[sql.Identifier]:
        """In an order in which rows can be put back."""
        for schema in self._schemas:
            metadata = platform_metadata if schema == "platform" else MERCHANT_TABLES
            for table in metadata.sorted_tables:
                yield sql.Identifier(schema, table.name)

    def _is_filled(self, table: sql.Identifier) -> bool:
        found = self._connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(table)).fetchone()
        return found == (True,)

    def _script(self, filled: list[sql.Identifier]) -> sql.Composed:
        copies = [sql.Identifier(KEPT, f"t_{number}") for number in range(len(filled))]
        for copy, table in zip(copies, filled, strict=True):
            self._connection.execute(sql.SQL("CREATE TABLE {} AS TABLE {}").format(copy, table))
        emptied = sql.SQL("TRUNCATE {};").format(sql.SQL(", ").join(self._tables()))
        back = [
            sql.SQL("INSERT INTO {} OVERRIDING SYSTEM VALUE TABLE {};").format(table, copy)
            for copy, table in zip(copies, filled, strict=True)
        ]
        return sql.SQL("BEGIN;") + emptied + sql.Composed(back) + sql.SQL("COMMIT")
