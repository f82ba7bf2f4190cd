"""A transaction is one merchant at a time, reaches that merchant only, and leaves nothing behind."""

import asyncio
import random
from collections.abc import Callable
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import func, insert, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from merchantry.tables import merchant as tables
from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from merchantry.tables.notification import notification
from tenancy.database import (
    CommitLost,
    CommitUnknown,
    Database,
    MerchantSession,
    Session,
    StaleSession,
    Transaction,
    sqlstate,
)
from tenancy.schemas import MARK, schema_of
from tests.builders import NOON, a_merchant, a_shop, some_merchants

REFUSED = "42501"
NO_SUCH_TABLE = "42P01"
NO_SUCH_ROLE = "22023"
READ_ONLY = "25006"
DIVISION_BY_ZERO = "22012"
WHO = text(
    "SELECT current_user, current_setting('statement_timeout') AS timeout, current_setting('application_name') AS actor"
)


async def two(database: Database) -> tuple[UUID, UUID]:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    return kites.id, boats.id


async def count(session: MerchantSession, name: str = "x") -> int:
    """Bump a counter of the merchant."""
    statement = (
        tables.counter.update()
        .where(tables.counter.c.name == "order")
        .values(value=tables.counter.c.value + 1)
        .returning(tables.counter.c.value)
    )
    return int(await session.scalar(statement))


async def counted(database: Database, merchant_id: UUID) -> int:
    async with database.read("test") as tx, tx.as_merchant(merchant_id) as session:
        return int(await session.scalar(select(tables.counter.c.value).where(tables.counter.c.name == "order")))


async def state_of(error: Callable[[], object]) -> str | None:
    with pytest.raises(DBAPIError) as refusal:
        await error()  # type: ignore[misc]
    return sqlstate(refusal.value)


def in_schema(merchant_id: UUID, table: str) -> str:
    return f"TABLE {schema_of(merchant_id)}.{table} LIMIT 1"


async def test_a_merchants_session_reads_its_own_tables_and_is_refused_on_every_table_of_another(
    database: Database,
) -> None:
    kites, boats = await two(database)
    async with database.write("test") as tx, tx.as_merchant(kites) as session:
        for table in MERCHANT_TABLES.tables.values():
            await session.execute(text(in_schema(kites, table.name)))
            with pytest.raises(DBAPIError) as refusal:
                async with session.savepoint():
                    await session.execute(text(in_schema(boats, table.name)))
            assert sqlstate(refusal.value) == REFUSED, table.name


async def test_the_platform_and_the_public_reach_no_merchants_tables(database: Database) -> None:
    kites, _ = await two(database)
    for become in (Transaction.as_platform, Transaction.as_public):
        async with database.write("test") as tx, become(tx) as session:
            for table in MERCHANT_TABLES.tables.values():
                with pytest.raises(DBAPIError) as refusal:
                    async with session.savepoint():
                        await session.execute(text(in_schema(kites, table.name)))
                assert sqlstate(refusal.value) == REFUSED, table.name
            assert await session.scalar(text("SELECT count(*) FROM platform.merchant")) == 2


async def test_a_statement_that_is_bound_to_no_merchant_finds_no_table(database: Database) -> None:
    await two(database)
    for become in (Transaction.as_platform, Transaction.as_public):

        async def ask(become: Callable[[Transaction], object] = become) -> None:
            async with database.write("test") as tx, become(tx) as session:  # type: ignore[attr-defined]
                await session.execute(select(tables.product))

        assert await state_of(ask) == NO_SUCH_TABLE


async def test_a_merchant_without_a_role_is_refused_by_the_database(database: Database) -> None:
    async def ask() -> None:
        async with database.write("test") as tx, tx.as_merchant(uuid4()) as session:
            await session.execute(WHO)

    assert await state_of(ask) == NO_SUCH_ROLE


async def test_the_login_by_itself_reads_no_table_at_all(database: Database) -> None:
    kites, _ = await two(database)
    platform = [f"platform.{table.name}" for table in PLATFORM_TABLES.tables.values()]
    merchants = [f"{schema_of(kites)}.{table.name}" for table in MERCHANT_TABLES.tables.values()]
    with psycopg.connect(database.logins.listen, autocommit=True) as connection:
        for name in (*platform, *merchants, f"{schema_of(kites)}.posting"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.SQL(name)))
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(schema_of(kites))))
        assert connection.execute(in_schema(kites, "counter").encode()).fetchone() == ("order", 0)


async def test_a_merchant_may_make_and_empty_nothing(database: Database) -> None:
    kites, _ = await two(database)
    for statement in (
        "CREATE TEMP TABLE mine (n int)",
        "CREATE TABLE __merchant__.mine (n int)",
        "CREATE TABLE platform.mine (n int)",
        "CREATE TABLE public.mine (n int)",
        "DROP TABLE __merchant__.product",
        "TRUNCATE __merchant__.ledger_entry",
        "DELETE FROM __merchant__.ledger_entry",
        "UPDATE __merchant__.ledger_entry SET kind = 'x'",
        "SELECT * FROM __merchant__.ledger_entry FOR UPDATE",
        "UPDATE __merchant__.order_event SET kind = 'x'",
        "DELETE FROM __merchant__.split_line",
        "SELECT * FROM platform.account",
        "SELECT * FROM platform.checkout",
    ):

        async def attempt(statement: str = statement) -> None:
            async with database.write("test") as tx, tx.as_merchant(kites) as session:
                await session.execute(text(statement.replace(MARK, schema_of(kites))))

        assert await state_of(attempt) == REFUSED, statement


async def test_every_shared_table_shows_a_merchant_its_own_rows_only(database: Database) -> None:
    kites, boats = await two(database)
    async with database.write("test") as tx:
        for merchant_id in (kites, boats):
            async with tx.as_merchant(merchant_id) as session:
                row = {
                    "merchant_id": merchant_id,
                    "id": uuid4(),
                    "kind": "order.placed",
                    "subject": {},
                    "created_at": NOON,
                }
                await session.execute(insert(notification), row)
    shared = [
        table.name
        for table in PLATFORM_TABLES.tables.values()
        if "merchant" in table.info["grants"] and "merchant_id" in table.c
    ]
    with psycopg.connect(database.logins.owner) as connection:
        rows = connection.execute(
            "SELECT relname, relrowsecurity FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid AND polname = 'own'"
        ).fetchall()
    assert sorted(rows) == [(name, True) for name in sorted(shared)]
    async with database.read("test") as tx, tx.as_merchant(kites) as session:
        for name in ("notification", "audit_event", "merchant_profile"):
            table = PLATFORM_TABLES.tables[f"platform.{name}"]
            owners = set((await session.execute(select(table.c.merchant_id))).scalars())
            assert owners == {kites}, name


async def test_one_transaction_visits_several_merchants_all_or_nothing(database: Database) -> None:
    kites, boats = await two(database)

    async def visit(is_failing: bool) -> None:
        async with database.write("test") as tx:
            for merchant_id in (kites, boats):
                async with tx.as_merchant(merchant_id) as session:
                    await count(session)
            if is_failing:
                raise RuntimeError

    await visit(is_failing=False)
    with pytest.raises(RuntimeError):
        await visit(is_failing=True)
    assert (await counted(database, kites), await counted(database, boats)) == (1, 1)


async def test_a_session_is_dead_once_its_transaction_is_somebody_else_or_over(database: Database) -> None:
    kites, boats = await two(database)
    dead: list[Session] = []
    async with database.write("test") as tx:
        async with tx.as_merchant(kites) as outer:
            assert await count(outer) == 1
            async with tx.as_merchant(boats) as inner:
                assert await count(inner) == 1
                with pytest.raises(StaleSession):
                    await count(outer)
            for over in (outer, inner):
                with pytest.raises(StaleSession):
                    await count(over)
        async with tx.as_platform() as platform:
            assert await platform.scalar(text("SELECT current_user")) == "merchantry_platform"
        dead = [outer, inner, platform]
    for session in dead:
        with pytest.raises(StaleSession):
            await session.execute(text("SELECT 1"))
    assert (await counted(database, kites), await counted(database, boats)) == (1, 1)


async def test_a_transaction_belongs_to_the_task_that_began_it(database: Database) -> None:
    kites, boats = await two(database)
    async with database.write("test") as tx, tx.as_merchant(kites) as session:

        async def become() -> None:
            async with tx.as_merchant(boats):
                pass

        for stranger in (count(session), become()):
            with pytest.raises(StaleSession):
                await asyncio.create_task(stranger)
        assert await count(session) == 1


async def test_tasks_at_once_are_each_their_own_merchant(database: Database) -> None:
    merchants = await two(database)

    async def visit(number: int) -> None:
        mine = merchants[number % 2]
        async with database.write(f"task {number}") as tx, tx.as_merchant(mine) as session:
            await session.execute(text("SELECT pg_sleep(0.002)"))
            row = (await session.execute(WHO)).one()
            assert (row.current_user, row.actor) == (schema_of(mine), f"task {number}")
            await count(session)

    await asyncio.gather(*(visit(number) for number in range(30)))
    assert [await counted(database, merchant_id) for merchant_id in merchants] == [15, 15]


async def test_a_swallowed_database_error_is_not_committed_in_silence(database: Database) -> None:
    kites, _ = await two(database)

    async def swallow() -> None:
        async with database.write("test") as tx, tx.as_merchant(kites) as session:
            await count(session)
            with pytest.raises(DBAPIError):
                await session.scalar(select(1 / literal_column("0")))

    with pytest.raises(CommitLost):
        await swallow()
    assert await counted(database, kites) == 0


async def test_behind_a_savepoint_a_database_error_is_an_answer(database: Database) -> None:
    kites, _ = await two(database)
    async with database.write("test") as tx, tx.as_merchant(kites) as session:
        await count(session)

        async def fail() -> None:
            async with session.savepoint():
                await count(session)
                await session.scalar(select(1 / literal_column("0")))

        with pytest.raises(DBAPIError) as refusal:
            await fail()
        assert sqlstate(refusal.value) == DIVISION_BY_ZERO
        assert (await session.execute(WHO)).scalar_one() == schema_of(kites)
    assert await counted(database, kites) == 1


async def test_a_connection_that_breaks_at_commit_leaves_the_outcome_unknown(database: Database) -> None:
    kites, _ = await two(database)

    async def break_off() -> None:
        async with database.write("test") as tx, tx.as_merchant(kites) as session:
            pid = await session.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(database.logins.listen, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s)", [pid])
            await asyncio.sleep(0.05)

    with pytest.raises(CommitUnknown):
        await break_off()
    assert await counted(database, kites) == 0


async def test_reading_sees_one_snapshot_and_writes_nothing(database: Database) -> None:
    kites, _ = await two(database)
    async with database.read("test") as reading, reading.as_merchant(kites) as reader:
        value = select(func.sum(tables.counter.c.value))
        assert await reader.scalar(value) == 0
        async with database.write("test") as writing, writing.as_merchant(kites) as writer:
            await count(writer)
        assert await reader.scalar(value) == 0

    async def write() -> None:
        async with database.read("test") as tx, tx.as_merchant(kites) as session:
            await session.execute(insert(tables.counter).values(name="x", value=1))

    assert await state_of(write) == READ_ONLY
    assert await counted(database, kites) == 1


async def test_conflicts_run_the_whole_transaction_again_and_other_errors_do_not(database: Database) -> None:
    kites, _ = await two(database)
    tries: list[str] = []

    async def work(tx: Transaction, state: str) -> int:
        tries.append(state)
        async with tx.as_merchant(kites) as session:
            value = await count(session)
            if tries.count(state) < 3:
                await session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING errcode = '{state}'; END $$"))
        return value

    assert await database.run("test", lambda tx: work(tx, "40001")) == 1
    assert await database.run("test", lambda tx: work(tx, "40P01")) == 2
    assert len(tries) == 6
    with pytest.raises(DBAPIError):
        await database.run("test", lambda tx: work(tx, "23505"))
    assert len(tries) == 7


async def test_a_pooled_connection_carries_nothing_over_whenever_it_was_cancelled(database: Database) -> None:
    kites, boats = await two(database)
    narrow = Database(database.logins, pool_size=1, statement_timeout_ms=1_234)
    chance = random.Random(7)

    async def work(merchant_id: UUID) -> None:
        async with narrow.write("victim") as tx, tx.as_merchant(merchant_id) as session:
            await count(session)
            await session.execute(text("SELECT pg_sleep(0.01)"))

    hit = 0
    for number in range(25):
        task = asyncio.create_task(work((kites, boats)[number % 2]))
        await asyncio.sleep(chance.uniform(0, 0.012))
        task.cancel()
        hit += isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)
        lease = await narrow.pool.take()
        row = await (await lease.driver.execute(str(WHO))).fetchone()
        assert row is not None
        assert row[:2] == ("merchantry_app", "0")
        assert row[2] != "victim"
        lease.give_back()
    await narrow.close()
    assert hit > 5
    # A cancel that meets COMMIT may come too late to undo it; every other one undoes everything.
    assert 25 - hit <= await counted(database, kites) + await counted(database, boats) <= 25


async def test_a_lock_held_by_somebody_else_is_waited_for_no_longer_than_allowed(database: Database) -> None:
    kites = (await a_merchant(database)).id
    hasty = Database(database.logins, pool_size=2, lock_timeout_ms=20)

    async def wait() -> None:
        async with hasty.write("second") as tx, tx.as_merchant(kites) as session:
            await count(session)

    async with hasty.write("first") as tx, tx.as_merchant(kites) as session:
        await count(session)
        assert await state_of(wait) == "55P03"
    await wait()
    await hasty.close()
    assert await counted(database, kites) == 2
