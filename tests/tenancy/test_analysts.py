"""What the analyst's connections keep planned: no answer is older for it, it is bounded, and a pooler forbids it."""

import asyncio
from collections import Counter
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import Integer, Text, bindparam, cast, func, select

from tenancy import analysts
from tenancy.across import CHUNK, CONNECTIONS, Across, read_across, read_few_across
from tenancy.analysts import Chunk, Kept, Shared
from tenancy.database import ANALYST_READS, Database
from tenancy.logins import Logins
from tenancy.metrics import Ended
from tenancy.provisioning import drop
from tenancy.schemas import schema_of
from tests.tenancy.pooler import behind_a_pooler
from tests.tenancy.stalls import BLUEPRINT, some_stalls, take, takings

TAKEN = Across(select(func.sum(takings.c.amount_minor).label("taken")), sums=("taken",))
TAKEN_BY_DAY = Across(
    select(takings.c.day, func.sum(takings.c.amount_minor).label("taken")).group_by(takings.c.day),
    group_by=("day",),
    sums=("taken",),
)
_asleep = func.length(cast(func.pg_sleep(0.2), Text))
SLOWLY_TAKEN = Across(select(func.sum(takings.c.amount_minor + _asleep).label("taken")), sums=("taken",))
MANY = 2 * CHUNK + 3


async def taken(database: Database, stalls: list[UUID], across: Across = TAKEN, **options: Any) -> dict[UUID, int]:
    return {row["merchant_id"]: row["taken"] for row in (await read_across(database, across, stalls, **options)).rows}


async def prepared(database: Database) -> list[tuple[str, int, int]]:
    """What the analyst's connections keep: its name, how often it ran with a plan for any values, and whose it is."""
    every = [await database.analyst.take() for _ in range(ANALYST_READS * (CONNECTIONS + 1))]
    found: list[tuple[str, int, int]] = []
    for each in every:
        cursor = await each.driver.execute(
            "SELECT name, generic_plans, pg_backend_pid() FROM pg_prepared_statements WHERE custom_plans = 0"
        )
        found += await cursor.fetchall()
    for each in every:
        each.give_back()
    return found


async def test_what_is_summed_is_planned_once_for_all_values(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    take(database.logins, stalls[0], 1, 5)
    since = Across(TAKEN.statement.where(takings.c.day >= bindparam("since", type_=Integer)), sums=("taken",))
    for day, expected in ((0, {stalls[0]: 5}), (2, {}), (1, {stalls[0]: 5})):
        assert await taken(database, stalls, since, parameters={"since": day}) == expected
    found = await prepared(database)
    assert len({each[0] for each in found}) == 3
    assert sum(times for _, times, _ in found) == 9


@pytest.mark.parametrize("text", ["100% of 'it'", "\\'; SELECT 1/0; --", "$1 %s %(x)s {} é 店", ""], ids=range(4))
async def test_whatever_a_value_is_it_stays_a_value(database: Database, text: str) -> None:
    stalls = some_stalls(database.logins, MANY)
    take(database.logins, stalls[0], 1, 5)
    same = TAKEN.statement.where(func.md5(bindparam("text", type_=Text)) == bindparam("digest", type_=Text))
    digest = md5(text.encode(), usedforsecurity=False).hexdigest()
    for _ in range(2):
        parameters = {"text": text, "digest": digest}
        assert await taken(database, stalls, Across(same, sums=("taken",)), parameters=parameters) == {stalls[0]: 5}


async def test_merchants_who_come_and_go_are_seen_at_once_and_other_chunks_stay_planned(
    database: Database,
) -> None:
    stalls = some_stalls(database.logins, MANY)
    for stall in stalls:
        take(database.logins, stall, 1, 7)
    assert await taken(database, stalls[:-1]) == dict.fromkeys(stalls[:-1], 7)
    before = {name for name, *_ in await prepared(database)}
    assert await taken(database, stalls) == dict.fromkeys(stalls, 7)
    assert len({name for name, *_ in await prepared(database)} - before) == 1
    with psycopg.connect(database.logins.owner) as connection:
        drop(connection, schema_of(stalls[-1]))
    with pytest.raises(errors.UndefinedTable):
        await taken(database, stalls)
    assert await taken(database, stalls[:-1]) == dict.fromkeys(stalls[:-1], 7)


async def test_a_schema_that_is_made_anew_is_read_anew(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    take(database.logins, stalls[3], 1, 7)
    assert await taken(database, stalls) == {stalls[3]: 7}
    script = BLUEPRINT.script.replace("__merchant__", schema_of(stalls[3]))
    with psycopg.connect(database.logins.owner) as connection:
        drop(connection, schema_of(stalls[3]))
        connection.execute(script.encode())
    take(database.logins, stalls[3], 1, 8)
    assert await taken(database, stalls) == {stalls[3]: 8}


async def test_a_table_that_changes_its_form_is_planned_anew(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    take(database.logins, stalls[3], 1, 7)
    assert await taken(database, stalls) == {stalls[3]: 7}
    with psycopg.connect(database.logins.owner) as connection:
        table = sql.Identifier(schema_of(stalls[3]), "takings")
        connection.execute(sql.SQL("ALTER TABLE {} ADD COLUMN note text, DROP CONSTRAINT takings_pkey").format(table))
        connection.execute(sql.SQL("CREATE INDEX ON {} (amount_minor)").format(table))
    take_more = sql.SQL("INSERT INTO {} (day, amount_minor) VALUES (1, 2)").format(table)
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute(take_more)
    assert await taken(database, stalls) == {stalls[3]: 9}


async def test_a_right_that_is_taken_away_is_missed_by_what_is_planned(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    take(database.logins, stalls[3], 1, 7)
    assert await taken(database, stalls) == {stalls[3]: 7}
    table = sql.Identifier(schema_of(stalls[3]), "takings")
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute(sql.SQL("REVOKE SELECT ON {} FROM merchantry_analyst").format(table))
    with pytest.raises(errors.InsufficientPrivilege):
        await taken(database, stalls)
    assert await taken(database, stalls[4:]) == {}


async def test_what_takes_too_long_or_is_cancelled_is_asked_again_without_harm(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    of_each_chunk = stalls[::CHUNK]
    for stall in of_each_chunk:
        take(database.logins, stall, 1, 7)
    with pytest.raises(errors.QueryCanceled):
        await taken(database, stalls, SLOWLY_TAKEN, statement_timeout_ms=20)
    assert await prepared(database) == []
    for seconds in (0.02, 0.05, 0.1):
        task = asyncio.create_task(taken(database, stalls, SLOWLY_TAKEN))
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await taken(database, stalls, SLOWLY_TAKEN) == dict.fromkeys(of_each_chunk, 7)


async def test_what_was_raised_is_raised_though_the_connection_is_lost_as_well(database: Database) -> None:
    async def time_out() -> None:
        async with analysts.analyst(database.pages, 10) as found:
            found.driver.pgconn.finish()
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await time_out()
    assert await read_few_across(database, [TAKEN], some_stalls(database.logins, 1), parameters={}) == [[]]


async def test_what_an_analyst_sends_is_told_with_its_end(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    told: list[tuple[str, BaseException | None]] = []

    def begun(text: str) -> Ended:
        return lambda error: told.append((text, error))

    database.analyst.watchers.append(begun)
    await taken(database, stalls)
    await taken(database, stalls[:2])
    assert [error for _, error in told] == [None] * 4
    assert sorted(text.split()[0] for text, _ in told) == ["EXECUTE", "EXECUTE", "EXECUTE", "SELECT"]
    with pytest.raises(errors.QueryCanceled):
        await taken(database, stalls, SLOWLY_TAKEN, statement_timeout_ms=1)
    assert all(error for _, error in told[4:])


async def test_no_transaction_locks_the_tables_of_more_than_a_chunk(database: Database) -> None:
    stalls = some_stalls(database.logins, MANY)
    for stall in stalls[::CHUNK]:
        take(database.logins, stall, 1, 7)
    await taken(database, stalls)
    most = 0
    with psycopg.connect(database.logins.owner, autocommit=True) as connection:
        task = asyncio.create_task(taken(database, stalls, SLOWLY_TAKEN))
        while not task.done():
            row = connection.execute(
                "SELECT coalesce(max(held), 0) FROM (SELECT count(*) AS held FROM pg_locks JOIN pg_class"
                " ON pg_class.oid = relation WHERE relname = 'takings' GROUP BY pid) AS found"
            ).fetchone()
            most = max(most, int(str(row and row[0])))
            await asyncio.sleep(0.02)
    assert len(task.result()) == 3
    assert 0 < most <= CHUNK


async def test_no_more_is_kept_than_the_bound_and_what_another_statement_kept_goes_first(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls = some_stalls(database.logins, 4 * CHUNK)
    for stall in stalls:
        take(database.logins, stall, 1, 7)
    monkeypatch.setattr(analysts, "KEPT", CHUNK)
    for across in (TAKEN, TAKEN_BY_DAY, TAKEN):
        own = {across.chunk(stalls[at : at + CHUNK]).name for at in range(0, len(stalls), CHUNK)}
        for _ in range(2):
            assert await taken(database, stalls, across) == dict.fromkeys(stalls, 7)
            kept = await prepared(database)
            assert max(Counter(backend for *_, backend in kept).values()) == 1
            assert own & {name for name, *_ in kept}


async def test_behind_a_pooler_nothing_is_kept(logins: Logins, tmp_path: Path) -> None:
    stalls = some_stalls(logins, MANY)
    take(logins, stalls[0], 1, 7)
    async with behind_a_pooler(logins, tmp_path) as pooled:
        database = Database(pooled)
        for _ in range(2):
            assert await taken(database, stalls) == {stalls[0]: 7}
        assert await prepared(database) == []
        await database.close()


def test_the_connection_that_keeps_a_chunk_takes_it_and_the_others_go_to_whoever_is_free() -> None:
    chunks = [Chunk(str(number), str, [], (), is_kept=True) for number in range(8)]
    shared = Shared(chunks)
    mine, others = an_analyst("1", "3"), an_analyst("0", "2", "4", "5", "6")
    own = shared.claimed_by(mine)
    assert set(shared.claimed_by(others)) == {"0", "2", "4", "5", "6"}
    names = []
    while chunk := shared.take(own):
        names.append(chunk.name)
    assert set(names[:2]) == {"1", "3"}
    assert names[2] == "7"
    assert names[3:] == ["6", "5"], "of what another keeps only as much as would wait for long"


def test_room_is_made_by_what_was_used_the_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysts, "KEPT", 100)
    kept = Kept()
    for name in ("first", "second"):
        kept.add(name, 50)
    kept.add("first", 50)
    assert kept.make_room(50, spared=["first", "second"]) is None
    assert kept.make_room(101, spared=[]) is None
    assert kept.make_room(20, spared=[]) == ["second"]
    assert [name in kept for name in ("first", "second")] == [True, False]
    assert kept.make_room(50, spared=[]) == []


def an_analyst(*names: str) -> analysts.Analyst:
    """One that keeps these chunks and is never asked."""
    kept = Kept()
    for name in names:
        kept.add(name, CHUNK)
    return analysts.Analyst(None, set(), kept, [])  # type: ignore[arg-type]
