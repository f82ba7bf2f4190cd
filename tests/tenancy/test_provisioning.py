"""A merchant's schema is made from the tables, equals what the revisions make, and is its own role's only."""

from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import MetaData, make_url

from merchantry.tables.blueprint import HERE, MERCHANT_TABLES, PLATFORM_TABLES, blueprint, merchant_revisions
from tenancy.logins import Logins
from tenancy.migrations import migrate_merchants
from tenancy.provisioning import (
    Blueprint,
    LoginInherits,
    MerchantExists,
    NewMerchant,
    definitions,
    drop,
    grant_statements,
    policy_statements,
    provision,
)
from tenancy.schemas import schema_of
from tests.tenancy.catalogue import Connection, facts
from tests.tenancy.stalls import AT, BLUEPRINT, some_stalls, take

NOTHING = Blueprint(MetaData(), "", "base")
"""A schema and a role, and nothing in them: where revisions begin."""

APPEND_ONLY = {"ledger_entry", "order_event", "split_line"}
TABLE_BUDGET = 20


def new(slug: str) -> NewMerchant:
    return NewMerchant(uuid4(), slug, AT)


def test_a_fresh_schema_equals_one_that_the_revisions_made(logins: Logins) -> None:
    fresh, migrated = new("fresh"), new("migrated")
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [fresh])
        provision(connection, NOTHING, [migrated])
    assert migrate_merchants(logins.owner, merchant_revisions()).migrated == 1
    with psycopg.connect(logins.owner) as connection:
        left, right = (facts(connection, schema_of(merchant.id)) for merchant in (fresh, migrated))
        versions = connection.execute("SELECT DISTINCT version FROM platform.merchant").fetchall()
    assert left == right
    assert versions == [(merchant_revisions().head,)]
    kinds = {kind for kind, _, _ in left}
    assert kinds >= {"relation", "column", "constraint", "index", "view", "grant"}


def test_a_fresh_platform_equals_the_migrated_one(logins: Logins, empty_logins: Logins) -> None:
    script = [
        (HERE / "platform_extra.sql").read_text(),
        *definitions(PLATFORM_TABLES),
        *policy_statements(PLATFORM_TABLES),
        *grant_statements(PLATFORM_TABLES),
    ]
    with psycopg.connect(empty_logins.owner) as connection:
        connection.execute("\n".join(script).encode())
        fresh = facts(connection, "platform")
    with psycopg.connect(logins.owner) as connection:
        migrated = facts(connection, "platform")
    assert fresh == [fact for fact in migrated if "schema_version" not in fact[1]]
    assert {kind for kind, _, _ in fresh} >= {
        "relation",
        "column",
        "constraint",
        "index",
        "policy",
        "grant",
        "function",
    }


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE {}.product DROP CONSTRAINT product_status_is_known",
        "ALTER TABLE {}.product ALTER title DROP NOT NULL",
        "ALTER TABLE {}.variant ALTER on_hand SET DEFAULT 0",
        "ALTER TABLE {}.variant ALTER on_hand TYPE bigint",
        "DROP INDEX {}.variant_product_id_idx",
        "GRANT DELETE ON {}.product TO {}",
        "GRANT UPDATE (sku) ON {}.order_line TO {}",
        "ALTER VIEW {}.posting RESET (security_invoker)",
        "ALTER TABLE {}.product ENABLE ROW LEVEL SECURITY",
    ],
)
def test_the_comparison_sees_what_differs(logins: Logins, change: str) -> None:
    merchant = new("changed")
    schema = schema_of(merchant.id)
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [merchant])
        before = facts(connection, schema)
        connection.execute(change.replace("{}", schema).encode())
        assert facts(connection, schema) != before


def test_a_merchants_schema_keeps_its_budget_and_has_no_trigger(logins: Logins) -> None:
    merchant = new("kites")
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [merchant])
        found = facts(connection, schema_of(merchant.id))
    tables = [name for kind, name, fact in found if kind == "relation" and fact.startswith("r ")]
    assert len(tables) == len(MERCHANT_TABLES.tables) <= TABLE_BUDGET
    assert not [fact for fact in found if fact[0] in ("trigger", "default grant")]


def test_nobody_but_the_owner_may_change_what_is_append_only(logins: Logins) -> None:
    merchant = new("kites")
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [merchant])
        found = facts(connection, schema_of(merchant.id))
        platform = facts(connection, "platform")
    shared = {"platform_entry", "log_leaf", "audit_event", "idempotency"}
    for name, granted in ((name, fact) for kind, name, fact in (*found, *platform) if kind == "grant"):
        right, _, grantee = granted.split()[:3]
        if name.split(".")[0] in APPEND_ONLY | shared and grantee != "merchantry_owner":
            assert right in ("SELECT", "INSERT"), (name, granted)


def test_rights_in_a_schema_go_to_its_own_role_and_the_analyst_only(logins: Logins) -> None:
    merchant = new("kites")
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [merchant])
        found = facts(connection, schema_of(merchant.id))
        grantees = {fact.split()[2] for kind, _, fact in found if kind == "grant"}
        assert grantees == {"merchantry_owner", "__merchant__", "merchantry_analyst"}
        role = schema_of(merchant.id)
        pairs = connection.execute(
            "SELECT roleid::regrole::text, member::regrole::text, admin_option, inherit_option, set_option"
            " FROM pg_auth_members WHERE %(role)s::regrole IN (roleid, member)",
            {"role": role},
        ).fetchall()
    assert set(pairs) == {
        (role, "merchantry_app", False, False, True),
        (role, "merchantry_owner", True, False, False),
        ("merchantry_merchant", role, False, True, False),
    }


def test_no_merchant_is_made_for_a_login_that_would_inherit_its_rights(logins: Logins) -> None:
    with psycopg.connect(logins.owner) as connection:
        connection.execute("ALTER ROLE merchantry_app INHERIT")
        with pytest.raises(LoginInherits):
            provision(connection, BLUEPRINT, [new("kites")])
        connection.rollback()  # the role is that of all tests
        provision(connection, BLUEPRINT, [new("kites")])


def test_the_analyst_reads_reporting_tables_and_neither_products_nor_people(logins: Logins) -> None:
    merchant = new("kites")
    schema = schema_of(merchant.id)
    with psycopg.connect(logins.owner) as connection:
        provision(connection, blueprint(), [merchant])
    url = make_url(logins.analyst).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(f"TABLE {schema}.daily_total".encode()).fetchall() == []
        assert connection.execute(f"TABLE {schema}.orders".encode()).fetchall() == []
        for table in (
            f"{schema}.product",
            f"{schema}.posting",
            f"{schema}.ledger_entry",
            "platform.account",
            "platform.checkout",
            "platform.audit_event",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(f"TABLE {table}".encode())
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE mine (n int)")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(f"SET ROLE {schema}".encode())


def test_a_failure_leaves_neither_schema_nor_role_nor_row(logins: Logins) -> None:
    first, broken = new("kites"), Blueprint(BLUEPRINT.tables, "SELECT 1/0;", "0001")
    with psycopg.connect(logins.owner) as connection, pytest.raises(errors.DivisionByZero):
        provision(connection, broken, [first])
    with psycopg.connect(logins.owner) as connection:
        assert remains(connection, first.id) == (0, 0, 0)
        provision(connection, BLUEPRINT, [first])
        assert remains(connection, first.id) == (1, 1, 1)


@pytest.mark.parametrize("twin", ["slug", "id"])
def test_a_merchant_that_is_there_already_is_refused(logins: Logins, twin: str) -> None:
    first = new("kites")
    second = NewMerchant(first.id if twin == "id" else uuid4(), first.slug if twin == "slug" else "boats", AT)
    with psycopg.connect(logins.owner) as connection:
        provision(connection, BLUEPRINT, [first])
    with psycopg.connect(logins.owner) as connection, pytest.raises(MerchantExists):
        provision(connection, BLUEPRINT, [second])


def test_dropping_a_merchant_takes_its_data_and_role_and_nobody_elses(logins: Logins) -> None:
    gone, kept = some_stalls(logins, 2)
    for stall in (gone, kept):
        take(logins, stall, 1, 100)
    with psycopg.connect(logins.owner) as connection:
        drop(connection, schema_of(gone))
        assert remains(connection, gone) == (0, 0, 1)
        assert remains(connection, kept) == (1, 1, 1)
        for name in ("platform", "m_1; DROP SCHEMA platform", schema_of(kept).upper()):
            with pytest.raises(ValueError, match="not the name"):
                drop(connection, name)


def remains(connection: Connection, merchant_id: UUID) -> tuple[object, ...]:
    """How many schemas, roles and directory rows the merchant has."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %(schema)s),"
        " (SELECT count(*) FROM pg_roles WHERE rolname = %(schema)s),"
        " (SELECT count(*) FROM platform.merchant WHERE id = %(id)s)",
        {"schema": schema_of(merchant_id), "id": merchant_id},
    ).fetchone()
    return row or ()
