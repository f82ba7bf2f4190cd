"""Rights on tables, as the metadata declares them and as PostgreSQL grants them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql
from sqlalchemy import Table

from tenancy.logins import Logins

Connection = psycopg.Connection[tuple[object, ...]]
_GRANT = re.compile(r"(SELECT|INSERT|UPDATE|DELETE)(?: \(([^)]*)\))?")


@dataclass(frozen=True, order=True)
class Right:
    """One thing that can be done to a table: by column where PostgreSQL knows columns."""

    table: str
    privilege: str
    column: str = ""


def declared(tables: Iterable[Table], who: str) -> set[Right]:
    """What the metadata grants somebody."""
    return {right for table in tables for right in _of_table(table, table.info.get("grants", {}).get(who, ""))}


def _of_table(table: Table, grants: str) -> Iterator[Right]:
    for privilege, columns in _GRANT.findall(grants):
        if privilege in ("INSERT", "DELETE"):
            assert not columns
            yield Right(table.name, privilege)
        else:
            names = [name.strip() for name in columns.split(",")] if columns else [column.name for column in table.c]
            yield from (Right(table.name, privilege, name) for name in names)


def tried(connection: Connection, tables: Iterable[Table], schema: str) -> set[Right]:
    """What PostgreSQL lets the connection's role do, tried right by right without changing anything."""
    return {right for table in tables for right, command in _commands(table, schema) if _allowed(connection, command)}


def _commands(table: Table, schema: str) -> Iterator[tuple[Right, sql.Composed]]:
    name = sql.Identifier(schema, table.name)
    first = sql.Identifier(next(iter(table.c)).name)
    nothing = sql.SQL("INSERT INTO {} ({}) SELECT NULL WHERE false").format(name, first)
    yield Right(table.name, "INSERT"), nothing
    yield Right(table.name, "DELETE"), sql.SQL("DELETE FROM {} WHERE false").format(name)
    yield Right(table.name, "TRUNCATE"), sql.SQL("TRUNCATE {}").format(name)
    for column in table.c:
        named = sql.Identifier(column.name)
        yield Right(table.name, "SELECT", column.name), sql.SQL("SELECT {} FROM {} LIMIT 0").format(named, name)
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
