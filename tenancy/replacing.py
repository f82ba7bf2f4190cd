"""A merchant's schema replaced by another content, as the owner: the old one stands aside until the new one is proven.

``m_<hex>`` becomes ``aside_<hex>`` and a new ``m_<hex>`` is made and filled, in one transaction. Nobody can write in
either until it is said which of them stays.
"""

from collections.abc import Iterable
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg import sql

from tenancy.read_only import hold_still, make_read_only
from tenancy.schemas import ANALYST, APP, MARK, MERCHANT, SchemaName
from tenancy.snapshot import TEXT_FORM, TableShape

Connection = psycopg.Connection[tuple[Any, ...]]


def aside_of(schema: SchemaName) -> str:
    """Where the old content stands meanwhile."""
    return f"aside_{schema[2:]}"


def prior_of(schema: SchemaName) -> str:
    """Where a content stands that is replaced while another stands aside already."""
    return f"prior_{schema[2:]}"


def set_aside(connection: Connection, schema: SchemaName, name: str) -> None:
    """Wait for whoever writes, and put the content aside under a name; it remembers the merchant's version."""
    drop(connection, name)
    hold_still(connection, schema)
    _run(connection, "ALTER SCHEMA {} RENAME TO {}", schema, name)
    _run(connection, "REVOKE ALL ON SCHEMA {} FROM {}, {}", name, schema, ANALYST)
    version = connection.execute("SELECT version FROM platform.merchant WHERE id = %s", [UUID(schema[2:])]).fetchone()
    comment = sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(name), sql.Literal(version and version[0]))
    connection.execute(comment)


def put_back(connection: Connection, schema: SchemaName, name: str | None = None) -> bool:
    """The old content stands where it stood, and the new one is gone. False where nothing stands aside."""
    name = name or aside_of(schema)
    if not stands(connection, name):
        return False
    drop(connection, schema)
    _run(connection, "ALTER SCHEMA {} RENAME TO {}", name, schema)
    _run(connection, "GRANT USAGE ON SCHEMA {} TO {}, {}", schema, schema, ANALYST)
    connection.execute(
        "UPDATE platform.merchant SET version = obj_description(to_regnamespace(%s), 'pg_namespace') WHERE id = %s",
        [schema, UUID(schema[2:])],
    )
    _run(connection, "COMMENT ON SCHEMA {} IS NULL", schema)
    return True


def drop(connection: Connection, name: str) -> None:
    """A content is gone for good."""
    _run(connection, "DROP SCHEMA IF EXISTS {} CASCADE", name)


def stands_aside(connection: Connection, schema: SchemaName) -> bool:
    """Whether a replacement was begun and not ended."""
    return stands(connection, aside_of(schema))


def stands(connection: Connection, name: str) -> bool:
    """Whether there is a schema of this name."""
    row = connection.execute("SELECT to_regnamespace(%s) IS NOT NULL", [name]).fetchone()
    return bool(row and row[0])


def make_schema(connection: Connection, schema: SchemaName, script: str) -> None:
    """An empty schema by this script (revisions for the symbolic schema), with its role where that is missing.

    What the script inserts is taken out again: everything comes from elsewhere.
    """
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [schema]).fetchone() is None:
        _run(connection, "CREATE ROLE {} NOLOGIN", schema)
        _run(connection, "GRANT {} TO {} WITH INHERIT TRUE, SET FALSE", MERCHANT, schema)
        _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE", schema, APP)
    _run(connection, "CREATE SCHEMA {}", schema)
    _run(connection, "GRANT USAGE ON SCHEMA {} TO {}, {}", schema, schema, ANALYST)
    connection.execute(script.replace(MARK, schema).encode())
    for name in table_names(connection, schema):
        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(schema, name)))
    make_read_only(connection, schema)


def table_names(connection: Connection, schema: str) -> list[str]:
    """The tables that a schema has."""
    found = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) AND relkind = 'r' ORDER BY relname",
        [schema],
    )
    return [str(row[0]) for row in found]


def columns_of(connection: Connection, schema: str, table: str) -> set[str]:
    """The columns that a table has; empty where there is no such table."""
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        [f'"{schema}"."{table}"'],
    )
    return {str(row[0]) for row in found}


def load(
    connection: Connection, schema: str, table: TableShape, content: Iterable[bytes], *, is_new: bool = False
) -> int:
    """Fill a table with what COPY wrote. Returns the number of rows. Raises psycopg.Error for what does not fit.

    A table that ``is_new`` in this transaction is filled frozen: a report whose snapshot is older sees the rows too,
    and not an empty table.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN{}").format(
        sql.Identifier(schema, table.name),
        sql.SQL(", ").join(map(sql.Identifier, table.columns)),
        sql.SQL(" (FREEZE)" if is_new else ""),
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in content:
                copy.write(chunk)
        return cursor.rowcount


def read_text_form(connection: Connection) -> None:
    """Until the transaction ends, texts are read as a snapshot wrote them, however long it takes."""
    connection.execute(TEXT_FORM)


def analyze(connection: Connection, schema: str) -> None:
    """Let the planner know what a schema holds now."""
    for name in table_names(connection, schema):
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, name)))


def _run(connection: Connection, statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
