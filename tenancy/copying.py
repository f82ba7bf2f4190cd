"""A merchant's tables as CSV, in one snapshot, as that merchant: the database writes them, and nothing is kept in
memory."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import BinaryIO
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import MetaData, Table

from tenancy.logins import Logins
from tenancy.schemas import schema_of


class Copier:
    """Reads one merchant's tables while its transaction lasts."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]], schema: str, tables: MetaData) -> None:
        self._connection = connection
        self._schema = schema
        self._tables = tables

    def tables(self) -> Iterator[Table]:
        """The merchant's tables, by name."""
        yield from sorted(self._tables.sorted_tables, key=lambda table: table.name)

    async def write(self, table: Table, out: BinaryIO) -> None:
        """RFC 4180 with a header of column names, by primary key; NULL is an empty field, bytes are hexadecimal."""
        statement = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT (FORMAT csv, HEADER)").format(
            sql.Identifier(self._schema, table.name),
            sql.SQL(", ").join(sql.Identifier(column.name) for column in table.primary_key),
        )
        async with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            async for chunk in copy:
                out.write(chunk)


@asynccontextmanager
async def copying(logins: Logins, merchant_id: UUID, tables: MetaData) -> AsyncIterator[Copier]:
    """One REPEATABLE READ, READ ONLY transaction as the merchant, without a limit of time."""
    schema = schema_of(merchant_id)
    connection = await psycopg.AsyncConnection.connect(logins.listen)
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        await connection.execute("SELECT set_config('role', %s, true)", [schema])
        yield Copier(connection, schema, tables)
