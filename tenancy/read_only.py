"""A merchant's schema that can only be read any more, by privilege; and one that can be written again. As the owner."""

import psycopg
from psycopg import sql
from sqlalchemy import MetaData

from tenancy.provisioning import grant_statements
from tenancy.schemas import MARK, SchemaName

Connection = psycopg.Connection[tuple[object, ...]]


def hold_still(connection: Connection, schema: SchemaName) -> None:
    """Wait for whoever is writing in the schema, and let nobody begin, until the transaction ends. Reading goes on."""
    for name in _tables(connection, schema):
        connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(schema, name)))


def make_read_only(connection: Connection, schema: SchemaName) -> None:
    """Take the merchant's role everything but reading. Repeating it changes nothing."""
    for name in _tables(connection, schema):
        table, role = sql.Identifier(schema, name), sql.Identifier(schema)
        connection.execute(sql.SQL("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON {} FROM {}").format(table, role))


def make_writable(connection: Connection, schema: SchemaName, tables: MetaData) -> None:
    """Give the merchant's role again what the tables say."""
    for statement in grant_statements(tables):
        connection.execute(statement.replace(MARK, schema).encode())


def _tables(connection: Connection, schema: SchemaName) -> list[str]:
    """The names of the schema's tables, as they are: a schema may be older than the program."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' ORDER BY relname",
        [schema],
    )
    return [str(row[0]) for row in found]
