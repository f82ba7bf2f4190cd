"""The database itself refuses what no role of the program may do, whatever the program says.

Directly in SQL, for every table that the metadata knows: the program's login, a merchant, the platform, the public and
the analyst hold the rights that are declared and no others; another merchant's schema and rows are out of reach;
nobody changes what is append-only; what does not balance is not stored.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio
from psycopg import errors, sql

from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from tenancy.logins import Logins
from tenancy.rights import Right, declared
from tenancy.schemas import PLATFORM, PUBLIC, schema_of
from tests.isolation.rights import analyst, app, tried
from tests.isolation.world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

MERCHANTS = MERCHANT_TABLES.sorted_tables
SHARED = PLATFORM_TABLES.sorted_tables
OWN_ROWS = [table for table in SHARED if "merchant" in table.info["grants"] and "merchant_id" in table.c]
APPEND_ONLY = ["ledger_entry", "order_event", "split_line"]
APPEND_ONLY_SHARED = [
    "platform_entry",
    "log_leaf",
    "log_tile",
    "log_checkpoint",
    "log_cosignature",
    "log_confirmed",
    "log_key",
    "audit_event",
    "idempotency",
    "case_event",
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def logins(world: World) -> AsyncIterator[Logins]:
    """The logins of the world's database."""
    yield world.mall.database.logins


@pytest.fixture(scope="module")
def victim(world: World) -> UUID:
    """Whose data is tried for."""
    return world.victim.merchant.id


@pytest.fixture(scope="module")
def rival(world: World) -> UUID:
    """Who tries."""
    return world.rival.merchant.id


async def test_the_programs_login_by_itself_can_do_nothing(logins: Logins, victim: UUID) -> None:
    with app(logins) as connection:
        assert not tried(connection, MERCHANTS, schema_of(victim))
        assert not tried(connection, SHARED, "platform")


async def test_a_merchant_holds_its_declared_rights_in_its_own_schema(logins: Logins, rival: UUID) -> None:
    with app(logins, schema_of(rival)) as connection:
        assert tried(connection, MERCHANTS, schema_of(rival)) == declared(MERCHANTS, "merchant")
        assert tried(connection, SHARED, "platform") == declared(SHARED, "merchant")


@pytest.mark.parametrize("who", ["rival", PLATFORM, PUBLIC])
async def test_nobody_else_can_touch_a_merchants_schema(logins: Logins, rival: UUID, victim: UUID, who: str) -> None:
    with app(logins, schema_of(rival) if who == "rival" else who) as connection:
        assert not tried(connection, MERCHANTS, schema_of(victim))


@pytest.mark.parametrize(("role", "who"), [(PLATFORM, "platform"), (PUBLIC, "public")])
async def test_platform_and_public_hold_their_declared_rights(logins: Logins, role: str, who: str) -> None:
    with app(logins, role) as connection:
        assert tried(connection, SHARED, "platform") == declared(SHARED, who)


@pytest.mark.parametrize("read_only", [True, False])
async def test_the_analyst_reads_what_is_declared_and_writes_nothing(
    logins: Logins, victim: UUID, read_only: bool
) -> None:
    with analyst(logins, read_only=read_only) as connection:
        own, shared = tried(connection, MERCHANTS, schema_of(victim)), tried(connection, SHARED, "platform")
    assert own == declared(MERCHANTS, "analyst")
    assert shared == declared(SHARED, "analyst")
    assert {right.privilege for right in own | shared} == {"SELECT"}


async def test_neither_analyst_nor_merchant_can_become_anybody(logins: Logins, victim: UUID, rival: UUID) -> None:
    with analyst(logins, read_only=False) as connection:
        for role in (PLATFORM, PUBLIC, schema_of(victim)):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
    with app(logins, schema_of(rival)) as connection:
        for command in ("CREATE TEMPORARY TABLE t (n int)", "CREATE SCHEMA mine", "CREATE TABLE platform.t (n int)"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(command.encode())


@pytest.mark.parametrize("table", [table.name for table in OWN_ROWS])
async def test_a_merchant_sees_and_changes_none_of_anothers_rows(
    logins: Logins, victim: UUID, rival: UUID, table: str
) -> None:
    name, of_victim = sql.Identifier("platform", table), sql.SQL("merchant_id = {}").format(sql.Literal(victim))
    with psycopg.connect(logins.owner) as owner:
        seeded = owner.execute(sql.SQL("SELECT merchant_id FROM {}").format(name)).fetchall()
    held = declared(SHARED, "merchant")
    with app(logins, schema_of(rival)) as connection:
        for merchant_id, expected in ((victim, 0), (rival, seeded.count((rival,)))):
            assert seeded.count((merchant_id,)), f"give both merchants a row in platform.{table}"
            if Right(table, "SELECT", "merchant_id") in held:
                rows = sql.SQL("SELECT 1 FROM {} WHERE merchant_id = {}").format(name, sql.Literal(merchant_id))
                assert len(connection.execute(rows).fetchall()) == expected
        changeable = [right.column for right in held if (right.table, right.privilege) == (table, "UPDATE")]
        for column in changeable:
            change = sql.SQL("UPDATE {} SET {} = {} WHERE {}")
            same = sql.Identifier(column) if Right(table, "SELECT", column) in held else sql.SQL("NULL")
            changed = connection.execute(change.format(name, sql.Identifier(column), same, of_victim))
            assert changed.rowcount == 0
        if Right(table, "DELETE") in held:
            assert connection.execute(sql.SQL("DELETE FROM {} WHERE {}").format(name, of_victim)).rowcount == 0


@pytest.mark.parametrize(
    "table", sorted({right.table for right in declared(OWN_ROWS, "merchant") if right.privilege == "INSERT"})
)
async def test_a_merchant_writes_rows_of_its_own_only(logins: Logins, victim: UUID, rival: UUID, table: str) -> None:
    own = declared(OWN_ROWS, "merchant")
    every = [column.name for column in PLATFORM_TABLES.tables[f"platform.{table}"].c]
    columns = [name for name in every if Right(table, "INSERT", name) in own]
    with psycopg.connect(logins.owner) as owner:
        read = sql.SQL("SELECT {} FROM {} WHERE merchant_id = {} LIMIT 1").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("platform", table), sql.Literal(rival)
        )
        row = owner.execute(read).fetchone()
    assert row
    values: dict[str, Any] = dict(zip(columns, row, strict=True))
    insert = sql.SQL("INSERT INTO {} ({}) SELECT {}").format(
        sql.Identifier("platform", table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() for _ in columns),
    )
    for merchant_id, expected in ((victim, errors.InsufficientPrivilege), (rival, errors.UniqueViolation)):
        given = [_adapted(each) for each in {**values, "merchant_id": merchant_id}.values()]
        with app(logins, schema_of(rival)) as connection, pytest.raises(expected):
            connection.execute(insert, given)


def _adapted(value: Any) -> Any:
    return psycopg.types.json.Jsonb(value) if isinstance(value, dict) or _is_documents(value) else value


def _is_documents(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict | list)


async def test_nobody_but_the_owner_changes_what_is_append_only(logins: Logins, rival: UUID) -> None:
    whole = declared(MERCHANTS, "merchant") | declared(MERCHANTS, "platform") | declared(MERCHANTS, "analyst")
    for who in ("merchant", "platform", "public", "analyst"):
        whole |= declared(SHARED, who)
    for right in whole:
        if right.table in (*APPEND_ONLY, *APPEND_ONLY_SHARED):
            assert right.privilege in ("SELECT", "INSERT"), right
    with app(logins, schema_of(rival)) as connection:
        for table in APPEND_ONLY:
            for command in ("UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}", "SELECT * FROM {} FOR UPDATE"):
                column = MERCHANT_TABLES.tables[f"__merchant__.{table}"].c.keys()[0]
                names = sql.Identifier(schema_of(rival), table), sql.Identifier(column), sql.Identifier(column)
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(sql.SQL(command).format(*names[: command.count("{}")]))
            assert connection.execute(sql.SQL("SELECT 1 FROM {}").format(sql.Identifier(schema_of(rival), table)))


ENTRY = """
INSERT INTO {} (seq, kind, occurred_at, booked_at, account, currency, amount, details, salt)
VALUES (900000, 'capture', now(), now(), %s, %s, %s, '{{}}', decode(repeat('00', 32), 'hex'))
"""
UNBALANCED: list[tuple[str, Sequence[Any], Sequence[Any], Sequence[Any]]] = [
    ("a sum that is not zero", ["a", "b"], ["BRL", "BRL"], [5, -4]),
    ("zero over two currencies only", ["a", "b"], ["BRL", "EUR"], [5, -5]),
    ("one currency of two out", ["a", "b", "c", "d"], ["BRL", "BRL", "EUR", "EUR"], [5, -5, 7, -6]),
    ("one posting", ["a"], ["BRL"], [0]),
    ("no postings", [], [], []),
    ("an amount too few", ["a", "b"], ["BRL", "BRL"], [0]),
    ("an account too few", ["a"], ["BRL", "BRL"], [5, -5]),
    ("a currency too few", ["a", "b"], ["BRL"], [5, -5]),
    ("an account that is null", ["a", None], ["BRL", "BRL"], [5, -5]),
    ("a currency that is null", ["a", "b"], ["BRL", None], [5, -5]),
    ("an amount that is null", ["a", "b", "c"], ["BRL", "BRL", "BRL"], [5, -5, None]),
    ("arrays of two dimensions", [["a", "b"], ["c", "d"]], [["BRL", "BRL"], ["BRL", "BRL"]], [[1, -1], [2, -2]]),
]


@pytest.mark.parametrize(("shape", "account", "currency", "amount"), UNBALANCED, ids=[each[0] for each in UNBALANCED])
async def test_an_entry_that_does_not_balance_is_refused(
    logins: Logins, rival: UUID, shape: str, account: Sequence[Any], currency: Sequence[Any], amount: Sequence[Any]
) -> None:
    statement = sql.SQL(ENTRY).format(sql.Identifier(schema_of(rival), "ledger_entry"))
    with app(logins, schema_of(rival)) as connection:
        with pytest.raises(errors.CheckViolation) as refused:
            connection.execute(statement, [account, currency, amount])
        assert refused.value.diag.constraint_name == "ledger_entry_is_balanced"
    beside = "INSERT INTO platform.platform_entry VALUES (%s, 900000, 'capture', now(), now(), %s, %s, %s)"
    with app(logins, schema_of(rival)) as connection, pytest.raises(errors.CheckViolation):
        connection.execute(beside, [rival, account, currency, amount])


async def test_an_entry_that_balances_is_taken(logins: Logins, rival: UUID) -> None:
    statement = sql.SQL(ENTRY).format(sql.Identifier(schema_of(rival), "ledger_entry"))
    with app(logins, schema_of(rival)) as connection, connection.transaction(force_rollback=True):
        postings = ["a", "b", "c", "d"], ["BRL", "BRL", "EUR", "EUR"], [5, -5, 7, -7]
        assert connection.execute(statement, [*postings]).rowcount == 1


EVERYBODYS = {
    "mall": "one row about the mall itself",
    "category": "the mall's categories, which listings show",
    "log_checkpoint": "heads of the public log",
    "log_confirmed": "which of them witnesses have confirmed",
    "outbox_head": "how many events were told, and how many of them are no longer kept",
    "approval_chain": "how many people of the platform a case needs",
}


async def test_a_shared_table_that_merchants_read_shows_their_own_rows_or_belongs_to_everybody() -> None:
    shared = {table.name for table in SHARED if "merchant" in table.info["grants"] and "merchant_id" not in table.c}
    assert shared == set(EVERYBODYS), "a merchant would read all rows of it"
