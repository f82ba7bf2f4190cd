"""A new merchant: schema, role, tables, grants and directory row in one transaction, from one rendered script."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

import psycopg
from psycopg import sql
from sqlalchemy import MetaData, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from tenancy.directory import CHANNEL
from tenancy.schemas import ANALYST, APP, GRANTER, MARK, MERCHANT, parse_schema, schema_of
from tenancy.tables import GRANTEES

OWN_ROWS = "merchant_id = substr(current_user::text, 3)::uuid"
"""The policy of every shared table with a ``merchant_id``: a merchant's role is named after its merchant."""


@dataclass(frozen=True)
class Blueprint:
    """What a merchant's schema is made of: tables (with grants in their ``info``) and SQL that metadata can't say.

    ``extra_sql`` may use the symbolic schema. ``version`` is the newest merchant revision, which the tables equal.
    """

    tables: MetaData
    extra_sql: str
    version: str

    @cached_property
    def script(self) -> str:
        """The SQL text, with the symbolic schema where the merchant's belongs."""
        return "\n".join([*_role(), *definitions(self.tables), self.extra_sql, *grant_statements(self.tables)])


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """A directory row to be."""

    id: UUID
    slug: str
    created_at: datetime


def definitions(tables: MetaData) -> Iterable[str]:
    """CREATE TABLE and CREATE INDEX of all tables, in the order of their references."""
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    for table in tables.sorted_tables:
        yield f"{CreateTable(table).compile(dialect=dialect)};"
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield f"{CreateIndex(index).compile(dialect=dialect)};"


def grant_statements(tables: MetaData) -> Iterable[str]:
    """GRANTs by name from each table's ``info``; never ALL TABLES, never default privileges."""
    for table in tables.sorted_tables:
        for who, rights in table.info.get("grants", {}).items():
            yield f"GRANT {rights} ON {table.schema}.{table.name} TO {_grantee(table, who)};"


def policy_statements(tables: MetaData) -> Iterable[str]:
    """Row-level security of shared tables: a merchant sees and writes its own rows, all others what is granted."""
    for table in tables.sorted_tables:
        grants = table.info.get("grants", {})
        if "merchant" not in grants or "merchant_id" not in table.c:
            continue
        name = f"{table.schema}.{table.name}"
        yield f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;"
        yield f"CREATE POLICY own ON {name} TO {MERCHANT}\n    USING ({OWN_ROWS})\n    WITH CHECK ({OWN_ROWS});"
        others = ", ".join(GRANTEES[who] for who in grants if who != "merchant")
        if others:
            yield f"CREATE POLICY everyone ON {name} TO {others}\n    USING (true) WITH CHECK (true);"


def _grantee(table: Table, who: str) -> str:
    return MARK if who == "merchant" and table.schema == MARK else GRANTEES[who]


def _role() -> Iterable[str]:
    """A role that the program's login may become and doesn't inherit, since that login is NOINHERIT.

    To GRANT it after it is made, or to grant the group as the owner, takes longer with every merchant that there is.
    """
    yield f"CREATE ROLE {MARK} NOLOGIN ROLE {APP};"
    yield f"SET LOCAL ROLE {GRANTER};"
    yield f"GRANT {MERCHANT} TO {MARK} WITH INHERIT TRUE, SET FALSE;"
    yield "RESET ROLE;"
    yield f"CREATE SCHEMA {MARK};"
    yield f"GRANT USAGE ON SCHEMA {MARK} TO {MARK}, {ANALYST};"


class MerchantExists(Exception):
    """A merchant of this slug or id is there already."""


class LoginInherits(Exception):
    """The program's login would have every new merchant's rights without becoming it: run ``merchantry migrate``."""


def provision(
    connection: psycopg.Connection[tuple[object, ...]], blueprint: Blueprint, merchants: Sequence[NewMerchant]
) -> None:
    """Create the merchants inside the caller's transaction (as owner): all or none.

    Raises MerchantExists, and LoginInherits where the logins are not as ``bootstrap.prepare`` leaves them.
    Several at once are cheaper than one by one: each commit that makes a role drops every connection's cache of
    memberships.
    """
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s AND rolinherit", [APP]).fetchone():
        raise LoginInherits
    for merchant in merchants:
        schema = schema_of(merchant.id)
        row = [merchant.id, merchant.slug, blueprint.version, merchant.created_at]
        inserted = connection.execute(
            "INSERT INTO platform.merchant (id, slug, status, version, created_at)"
            " VALUES (%s, %s, 'active', %s, %s) ON CONFLICT DO NOTHING",
            row,
        )
        if inserted.rowcount != 1:
            raise MerchantExists(merchant.slug)
        connection.execute(blueprint.script.replace(MARK, schema).encode())
        connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, f"merchant {merchant.slug}"])


def drop(connection: psycopg.Connection[tuple[object, ...]], schema: str) -> None:
    """Remove a merchant's schema and role, data and all, inside the caller's transaction (as owner)."""
    name = sql.Identifier(parse_schema(schema))
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
    connection.execute(sql.SQL("DROP ROLE {}").format(name))
