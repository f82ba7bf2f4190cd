"""Whoever loosens a guard is found, with the statement that mends it; a fresh installation has nothing to mend."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tenancy.security import Connection, Deviation, deviations
from tests.builders import a_merchant

LOOSENED = [
    "GRANT UPDATE ON {m}.ledger_entry TO {m}",
    "GRANT UPDATE (salt) ON {m}.ledger_entry TO {m}",
    "GRANT SELECT ON {m}.ledger_entry TO merchantry_analyst",
    "GRANT SELECT ON {m}.orders TO {n}",
    "GRANT SELECT ON {m}.orders TO PUBLIC",
    "GRANT SELECT ON {m}.orders TO {m} WITH GRANT OPTION",
    "REVOKE INSERT ON {m}.ledger_entry FROM {m}",
    "GRANT DELETE ON platform.log_leaf TO merchantry_platform",
    "GRANT UPDATE ON platform.log_checkpoint TO merchantry_public",
    "REVOKE SELECT (leaf) ON platform.log_leaf FROM merchantry_public",
    "GRANT TRUNCATE ON platform.audit_event TO merchantry_app",
    "GRANT USAGE ON SCHEMA {m} TO {n}",
    "GRANT CREATE ON SCHEMA platform TO merchantry_platform",
    "GRANT TEMPORARY ON DATABASE {db} TO PUBLIC",
    "ALTER TABLE platform.log_leaf DISABLE ROW LEVEL SECURITY",
    "DROP POLICY own ON platform.payout",
    "ALTER POLICY own ON platform.payout USING (true)",
    "CREATE POLICY extra ON platform.payout TO merchantry_merchant USING (true)",
    "CREATE FUNCTION platform.peek() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'",
    "CREATE FUNCTION platform.noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
    "CREATE TRIGGER quiet BEFORE INSERT ON {m}.ledger_entry FOR EACH ROW EXECUTE FUNCTION platform.noop()",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA platform GRANT SELECT ON TABLES TO merchantry_app",
]


@pytest.fixture
async def owner(database: Database, logins: Logins) -> AsyncIterator[tuple[Connection, dict[str, str]]]:
    """The owner's connection, and the names of two merchants' schemas."""
    names = {key: schema_of((await a_merchant(database)).id) for key in "mn"}
    with psycopg.connect(logins.owner) as connection:
        yield connection, {**names, "db": connection.info.dbname}


def found(connection: Connection) -> list[Deviation]:
    return list(deviations(connection, PLATFORM_TABLES, MERCHANT_TABLES))


@pytest.mark.parametrize("statement", LOOSENED)
async def test_a_loosened_guard_is_found_and_mended(owner: tuple[Connection, dict[str, str]], statement: str) -> None:
    connection, names = owner
    assert found(connection) == []
    connection.execute(statement.format(**names).encode())
    loosened = found(connection)
    assert loosened
    for each in sorted(loosened, key=lambda each: "TRIGGER" not in each.repair):
        connection.execute(each.repair.encode())
    assert found(connection) == []
    connection.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "GRANT {m} TO {n}",
        "GRANT {m} TO merchantry_analyst",
        "GRANT {m} TO merchantry_app WITH INHERIT TRUE",
        "REVOKE merchantry_merchant FROM {m} GRANTED BY merchantry_granter",
        "GRANT merchantry_merchant TO {m} WITH SET TRUE GRANTED BY merchantry_granter",
        "REVOKE merchantry_merchant FROM merchantry_granter CASCADE",
        "ALTER ROLE merchantry_app INHERIT",
        "ALTER ROLE {m} LOGIN",
        "ALTER ROLE {m} SET search_path = public",
    ],
)
async def test_a_role_that_may_more_is_found_and_mended(
    owner: tuple[Connection, dict[str, str]], statement: str
) -> None:
    connection, names = owner
    connection.execute(statement.format(**names).encode())
    loosened = found(connection)
    assert loosened
    for each in loosened:
        connection.execute(each.repair.encode())
    assert found(connection) == []
    connection.rollback()


async def test_a_closed_merchants_schema_is_read_only(owner: tuple[Connection, dict[str, str]]) -> None:
    connection, names = owner
    change = "UPDATE platform.merchant SET status = 'closed' WHERE 'm_' || replace(id::text, '-', '') = %s"
    connection.execute(change, [names["m"]])
    assert {each.where.split(".")[0] for each in found(connection)} == {names["m"]}
    for each in found(connection):
        connection.execute(each.repair.encode())
    assert found(connection) == []
    connection.rollback()
