"""One statement over many schemas: the same answer as asking each, from one moment, leaving nothing behind."""

import asyncio
import random
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import func, literal, select

from tenancy.across import CHUNK, Across, read_across
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tests.tenancy.stalls import some_stalls, takings

BY_DAY = Across(
    select(takings.c.day, func.sum(takings.c.amount_minor).label("amount_minor")).group_by(takings.c.day),
    group_by=("day",),
    sums=("amount_minor",),
    with_merchant=False,
)
ALL = Across(select(takings.c.day, takings.c.amount_minor))
MANY = 2 * CHUNK + 3


def fill(logins: Logins, stalls: list[UUID], days: int) -> dict[tuple[UUID, int], int]:
    """Random takings for each stall and day."""
    chance = random.Random(1)
    amounts = {(stall, day): chance.randint(-500, 10**12) for stall in stalls for day in range(days)}
    with psycopg.connect(logins.owner) as connection, connection.cursor() as cursor:
        for stall in stalls:
            table = sql.Identifier(schema_of(stall), takings.name)
            rows = [(day, amounts[stall, day]) for day in range(days)]
            cursor.executemany(sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(table), rows)
    return amounts


async def test_sums_over_several_chunks_are_those_of_all_rows(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    amounts = fill(database.logins, stalls, days=2)
    started = datetime.now(UTC)
    merged = await read_across(database, BY_DAY, stalls)
    assert {row["day"]: row["amount_minor"] for row in merged.rows} == {
        day: sum(amount for (_, at), amount in amounts.items() if at == day) for day in range(2)
    }
    assert all(type(row["amount_minor"]) is int for row in merged.rows)
    assert abs((merged.as_of - started).total_seconds()) < 5


async def test_rows_can_be_told_apart_by_merchant_and_narrowed_by_parameters(database: Database) -> None:
    stalls = some_stalls(database.logins, 3)
    amounts = fill(database.logins, stalls, days=3)
    one_day = Across(ALL.statement.where(takings.c.day == literal(2), literal("100%") != "x"))
    merged = await read_across(database, one_day, stalls[:2])
    assert {(row["merchant_id"], row["day"]): row["amount_minor"] for row in merged.rows} == {
        (stall, 2): amounts[stall, 2] for stall in stalls[:2]
    }


async def test_groups_of_each_merchant_are_summed_over_all_of_its_rows(database: Database) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)
    amounts = fill(database.logins, stalls, days=3)
    each = Across(select(func.sum(takings.c.amount_minor).label("amount_minor")), sums=("amount_minor",))
    merged = await read_across(database, each, stalls)
    assert {row["merchant_id"]: row["amount_minor"] for row in merged.rows} == {
        stall: sum(amounts[stall, day] for day in range(3)) for stall in stalls
    }


async def test_nothing_but_sums_is_summed_across_schemas(database: Database) -> None:
    greatest = func.max(takings.c.amount_minor).label("amount_minor")
    for statement in (select(greatest), BY_DAY.statement.having(func.count() > 1)):
        with pytest.raises(TypeError, match="summed across schemas"):
            await read_across(database, Across(statement, sums=("amount_minor",)), [])


async def test_of_no_merchants_there_is_nothing(database: Database) -> None:
    merged = await read_across(database, BY_DAY, [])
    assert merged.rows == []


async def test_all_chunks_are_read_in_one_snapshot_while_money_moves_between_merchants(database: Database) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)
    fill(database.logins, stalls, days=1)
    first = (await read_across(database, BY_DAY, stalls)).rows
    moves: list[None] = []

    async def move() -> None:
        while len(moves) < 20:
            async with database.write("mover") as tx:
                for stall, amount in ((stalls[0], -7), (stalls[-1], 7)):
                    async with tx.as_merchant(stall) as session:
                        change = takings.update().values(amount_minor=takings.c.amount_minor + amount)
                        await session.execute(change)
            moves.append(None)

    moving = asyncio.create_task(move())
    while not moving.done():
        assert (await read_across(database, BY_DAY, stalls)).rows == first
    await moving


async def test_an_error_in_one_schema_fails_the_whole_and_gives_the_connections_back(database: Database) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema_of(stalls[-1]), "takings")))
    with pytest.raises(errors.UndefinedTable):
        await read_across(database, BY_DAY, stalls)
    assert await is_idle(database)
    assert (await read_across(database, BY_DAY, stalls[:-1])).rows == []


async def test_a_read_that_takes_too_long_or_is_cancelled_leaves_nothing_running(database: Database) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)
    fill(database.logins, stalls, days=1)
    slow = Across(select(func.pg_sleep(2).label("x")))
    with pytest.raises(errors.QueryCanceled):
        await read_across(database, slow, stalls, statement_timeout_ms=20)
    assert await is_idle(database)
    task = asyncio.create_task(read_across(database, slow, stalls))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_idle(database)


async def test_many_reads_at_once_wait_for_each_other_and_all_answer(database: Database) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)
    fill(database.logins, stalls, days=1)
    answers = await asyncio.gather(*(read_across(database, BY_DAY, stalls) for _ in range(8)))
    assert len({row["amount_minor"] for answer in answers for row in answer.rows}) == 1


async def test_the_analyst_reads_only_what_is_granted_and_writes_nothing(database: Database) -> None:
    stalls = some_stalls(database.logins, 1)
    with psycopg.connect(database.logins.owner) as connection:
        table = sql.Identifier(schema_of(stalls[0]), "takings")
        connection.execute(sql.SQL("REVOKE SELECT ON {} FROM merchantry_analyst").format(table))
    with pytest.raises(errors.InsufficientPrivilege):
        await read_across(database, ALL, stalls)
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute(sql.SQL("GRANT SELECT ON {} TO merchantry_analyst").format(table))
    assert (await read_across(database, ALL, stalls)).rows == []


async def is_idle(database: Database) -> bool:
    """Whether the analyst's connections are back in the pool and none runs a statement or holds a transaction."""
    analyst = database.logins.analyst.replace("+psycopg", "")
    with psycopg.connect(analyst, autocommit=True) as connection:  # others' states are hidden from anybody else
        for _ in range(100):
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE state <> 'idle'), count(state) = count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND usename = 'merchantry_analyst' AND pid <> pg_backend_pid()"
            ).fetchone()
            if row == (0, True) and database.analyst.in_use._value.get() == 0:
                return True
            await asyncio.sleep(0.01)
    return False
