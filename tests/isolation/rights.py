"""Rights on tables as PostgreSQL grants them, tried one by one."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors, sql
from sqlalchemy import Table

from tenancy.logins import Logins
from tenancy.rights import Right

Connection = psycopg.Connection[tuple[object, ...]]


def tried(connection: Connection, tables: Iterable[Table], schema: str) -> set[Right]:
    """What PostgreSQL lets the connection's role do, tried right by right without changing anything."""
    return {right for table in tables for right, command in _commands(table, schema) if _allowed(connection, command)}


def _commands(table: Table, schema: str) -> Iterator[tuple[Right, sql.Composed]]:
    name = sql.Identifier(schema, table.name)
    yield Right(table.name, "DELETE"), sql.SQL("DELETE FROM {} WHERE false").format(name)
    yield Right(table.name, "TRUNCATE"), sql.SQL("TRUNCATE {}").format(name)
    for column in table.c:
        named = sql.Identifier(column.name)
        yield Right(table.name, "SELECT", column.name), sql.SQL("SELECT {} FROM {} LIMIT 0").format(named, name)
        nothing = sql.SQL("INSERT INTO {} ({}) SELECT NULL WHERE false").format(name, named)
        yield Right(table.name, "INSERT", column.name), nothing
        change = sql.SQL("UPDATE {} SET {} = NULL WHERE false").format(name, named)
        yield Right(table.name, "UPDATE", column.name), change


def _allowed(connection: Connection, command: sql.Composed) -> bool:
    try:
        connection.execute(command)
    except (errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction):
        return False
    return True


@contextmanager
def app(logins: Logins, role: str | None = None) -> Iterator[Connection]:
    """A connection of the program's login, which became a role."""
    with psycopg.connect(logins.listen, autocommit=True) as connection:
        if role:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        yield connection


@contextmanager
def analyst(logins: Logins, *, read_only: bool) -> Iterator[Connection]:
    """A connection of the analyst's login; without its own setting, only privileges hold it back."""
    with psycopg.connect(logins.analyst.replace("+psycopg", ""), autocommit=True) as connection:
        if not read_only:
            connection.execute("SET default_transaction_read_only = off")
        yield connection
