"""Statements that are sent together: in order, all or nothing, each error its own; and those that are prepared."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import ARRAY, BigInteger, Date, DateTime, LargeBinary, Text, Uuid, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError

from merchantry.tables.merchant import counter, variant
from merchantry.tables.notification import notification
from merchantry.tables.platform import NOBODY, job
from tenancy import wire
from tenancy.database import CommitUnknown, Database, StaleSession, Transaction, sqlstate
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tenancy.wire import Answers, Message, Wire
from tenancy.writes import New, later, write
from tests.builders import NOON, a_merchant, a_shop, some_merchants
from tests.tenancy.pooler import behind_a_pooler
from tests.tenancy.test_database import DIVISION_BY_ZERO, WHO, count, counted, state_of

UNIQUE_VIOLATION = "23505"
BROKEN = text("SELECT 1 / 0")
JOBS = select(func.count()).select_from(job)


def a_job(subject_id: UUID) -> New:
    return New(job, {"merchant_id": NOBODY, "kind": "x", "subject_id": subject_id, "due_at": NOON, "attempts": 0})


@contextmanager
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[list[str]]]:
    """What is sent together while the block runs."""
    sent: list[list[str]] = []
    exchange = Wire.exchange

    async def noted(self: Wire, messages: Sequence[Message]) -> Answers:
        sent.append([each.text for each in messages])
        return await exchange(self, messages)

    with monkeypatch.context() as patched:
        patched.setattr(Wire, "exchange", noted)
        yield sent


async def test_what_waits_goes_with_the_next_statement_and_with_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    bump = counter.update().where(counter.c.name == "order").values(value=counter.c.value + 1)
    with round_trips(monkeypatch) as sent:
        async with database.write("test") as tx:
            async with tx.as_merchant(kites.id) as session:
                session.later(bump)
            async with tx.as_merchant(boats.id) as session:
                assert (await session.execute(WHO)).scalar_one() == schema_of(boats.id)
                session.later(bump)
    assert [[each.split()[0] for each in together] for together in sent] == [
        ["BEGIN", "SELECT", "UPDATE", "SELECT", "SELECT"],
        ["UPDATE", "COMMIT"],
    ]
    assert [await counted(database, each.id) for each in (kites, boats)] == [1, 1]


async def test_a_transaction_that_only_waited_is_one_round_trip_and_one_that_did_nothing_none(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = uuid4()
    with round_trips(monkeypatch) as sent:
        async with database.write("test") as tx, tx.as_platform() as session:
            later(session, a_job(subject))
        async with database.write("test") as tx, tx.as_platform():
            pass
        async with database.read("test") as tx, tx.as_platform() as session:
            assert (await session.finish(select(job.c.subject_id))).scalar_one() == subject
    assert len(sent) == 2


async def test_an_error_of_what_waited_undoes_all_and_says_which_statement_it_was(database: Database) -> None:
    kites = await a_merchant(database)

    async def fail(at_commit: bool) -> None:
        async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
            await count(session)
            session.later(BROKEN)
            if not at_commit:
                await session.execute(WHO)

    for at_commit in (True, False):
        with pytest.raises(DBAPIError) as refusal:
            await fail(at_commit)
        assert (sqlstate(refusal.value), refusal.value.statement) == (DIVISION_BY_ZERO, str(BROKEN))
    assert await counted(database, kites.id) == 0
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session:  # the connection is as good as new
        assert (await session.execute(WHO)).scalar_one() == schema_of(kites.id)


async def test_a_refusal_that_is_expected_is_raised_for_its_own_statement_alone(database: Database) -> None:
    class Taken(Exception):
        """There is one."""

    subject = uuid4()
    async with database.write("test") as tx, tx.as_platform() as session:
        await write(session, a_job(subject))
    with pytest.raises(Taken):
        async with database.write("test") as tx, tx.as_platform() as session:
            later(session, a_job(subject), refused={UNIQUE_VIOLATION: Taken()})

    async def fail_after() -> None:
        async with database.write("test") as tx, tx.as_platform() as session:
            later(session, a_job(uuid4()), refused={UNIQUE_VIOLATION: Taken()})
            await write(session, a_job(subject))

    assert await state_of(fail_after) == UNIQUE_VIOLATION


async def test_an_error_of_what_waited_in_a_savepoint_stays_in_it(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        with pytest.raises(DBAPIError):
            async with session.savepoint():
                session.later(BROKEN)
        assert await count(session) == 1
    assert await counted(database, kites.id) == 1


async def test_the_last_statement_commits_and_ends_its_session(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    kites = await a_merchant(database)
    bump = counter.update().where(counter.c.name == "order").values(value=7).returning(counter.c.value)
    with round_trips(monkeypatch) as sent:
        async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
            assert (await session.finish(bump)).scalar_one() == 7
            with pytest.raises(StaleSession):
                await session.execute(WHO)
    assert len(sent) == 1

    async def fail() -> None:
        async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
            await count(session)
            await session.finish(BROKEN)

    assert await state_of(fail) == DIVISION_BY_ZERO
    assert await counted(database, kites.id) == 7


@pytest.mark.parametrize("is_committed", [True, False], ids=["by its last statement", "by its end"])
async def test_a_transaction_that_is_over_becomes_nobody(database: Database, is_committed: bool) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    async with database.write("test") as tx:
        async with tx.as_merchant(kites.id) as session:
            await session.finish(WHO) if is_committed else await session.execute(WHO)
        if is_committed:
            with pytest.raises(StaleSession):
                async with tx.as_merchant(boats.id):
                    pass
    with pytest.raises(StaleSession):
        async with tx.as_merchant(boats.id):
            pass


async def test_rows_of_values_of_several_types_are_sent_as_often_as_one_likes(database: Database) -> None:
    echo = text("SELECT set_config('merchantry.echo', CAST(:given AS text), true)")
    rows: list[dict[str, Any]] = [{"given": 7}, {"given": 70_000}, {"given": "x"}]
    narrow = Database(database.logins, pool_size=1)
    for _ in range(wire.OFTEN + 2):
        async with narrow.read("test") as tx, tx.as_platform() as session:
            assert list((await session.execute(echo, rows)).scalars()) == ["7", "70000", "x"]
    await narrow.close()


async def test_a_connection_that_breaks_under_the_last_statement_leaves_the_outcome_unknown(
    database: Database,
) -> None:
    kites = await a_merchant(database)

    async def break_off() -> None:
        async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
            await count(session)
            with psycopg.connect(database.logins.listen, autocommit=True) as killer:
                killer.execute("SELECT pg_terminate_backend(%s, 1000)", [tx.connection.info.backend_pid])
            await session.finish(WHO)

    with pytest.raises(CommitUnknown):
        await break_off()
    assert await counted(database, kites.id) == 0


async def test_what_one_merchant_prepared_shows_another_its_own_rows(database: Database) -> None:
    narrow = Database(database.logins, pool_size=1)
    merchants = [each.id for each in await some_merchants(database, a_shop(), a_shop())]
    for merchant_id in merchants:
        row = {"merchant_id": merchant_id, "id": uuid4(), "kind": "x", "subject": {}, "created_at": NOON}
        async with narrow.write("test") as tx, tx.as_merchant(merchant_id) as session:
            await session.execute(insert(notification), row)
    owners = select(notification.c.merchant_id)
    for merchant_id in merchants * 10:
        async with narrow.read("test") as tx, tx.as_merchant(merchant_id) as session:
            assert list((await session.execute(owners)).scalars()) == [merchant_id]
    async with narrow.read("test") as tx, tx.as_merchant(merchants[0]) as session:
        names = await session.execute(text("SELECT statement FROM pg_prepared_statements"))
        assert sum("notification" in each for each in names.scalars()) == 2
    await narrow.close()


@pytest.mark.parametrize("is_pooled", [False, True], ids=["direct", "through a pooler"])
async def test_through_a_pooler_nothing_is_prepared(logins: Logins, tmp_path: Path, is_pooled: bool) -> None:
    names = text("SELECT name FROM pg_prepared_statements")
    async with behind_a_pooler(logins, tmp_path) as pooled:
        database = Database(pooled if is_pooled else logins, pool_size=1)
        for _ in range(5):
            async with database.read("test") as tx, tx.as_platform() as session:
                assert await session.scalar(JOBS) == 0
        async with database.read("test") as tx, tx.as_platform() as session:
            assert bool((await session.execute(names)).all()) is not is_pooled
        await database.close()


async def test_no_more_than_so_many_are_prepared_and_one_that_the_server_has_lost_fails_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "PREPARED", 4)
    narrow = Database(database.logins, pool_size=1)
    statements = [select(func.pg_backend_pid().label(f"n{number}")) for number in range(9)]
    prepared = text("SELECT count(*) FROM pg_prepared_statements")
    async with narrow.write("test") as tx, tx.as_platform() as session:
        for statement in statements * 5:
            await session.execute(statement)
        assert await session.scalar(prepared) == 4
        await session.execute(text("DEALLOCATE ALL"))

    async def ask() -> None:
        async with narrow.write("test") as tx, tx.as_platform() as session:
            await session.execute(statements[-1])

    assert await state_of(ask) in wire.OUTDATED
    await ask()
    async with narrow.write("test") as tx, tx.as_platform() as session:
        for statement in statements * 4:
            await session.execute(statement)
        await session.execute(text("DEALLOCATE ALL"))

    async def all_of_them(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            for statement in statements:
                await session.execute(statement)

    await narrow.run("test", all_of_them)
    await narrow.close()


YEARS = (datetime(2, 1, 1), datetime(9998, 1, 1))  # noqa: DTZ001 -- Hypothesis adds the zone


def _zone(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes, seconds=7))


VALUES = {
    BigInteger: some.integers(-(2**63), 2**63 - 1),
    Text: some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    Uuid: some.uuids(),
    DateTime(timezone=True): some.datetimes(*YEARS, timezones=some.integers(-900, 900).map(_zone)),
    Date: some.dates(),
    LargeBinary: some.binary(),
    JSONB: some.recursive(
        some.booleans() | some.integers(-(2**40), 2**40) | some.sampled_from(["", "null", '"\\', "ü"]),
        lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from("abc"), inner, max_size=3),
        max_leaves=5,
    ),
}


@pytest.mark.parametrize("type_", VALUES, ids=lambda type_: getattr(type_, "__name__", type(type_).__name__))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
async def test_a_value_and_a_list_of_values_come_back_as_they_went(
    database: Database, type_: Any, data: some.DataObject
) -> None:
    items = data.draw(some.lists(some.none() | VALUES[type_], max_size=4))
    one = data.draw(VALUES[type_])
    asked = select(
        bindparam("one", one, type_).label("one"), bindparam("items", items, ARRAY(type_, dimensions=1)).label("items")
    )
    async with database.read("test") as tx, tx.as_platform() as session:
        row = (await session.execute(asked)).one()
    assert (row.one, row.items) == (one, items)


async def test_text_that_postgresql_cannot_hold_is_refused_and_not_cut_off(database: Database) -> None:
    async with database.read("test") as tx, tx.as_platform() as session:
        for given_ in (select(bindparam("x", "a\0b", Text)), select(variant.c.id).where(variant.c.sku.in_(["\0"]))):
            with pytest.raises(DBAPIError):
                await session.execute(given_)
