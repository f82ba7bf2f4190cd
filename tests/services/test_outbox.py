"""The outbox over a real database: nothing lost, nothing untrue, nothing out of order."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import ProgrammingError

from merchantry.domain.event import EventKind
from merchantry.jobs.telling import KEPT, prune, tell, tell_all, tell_forever
from merchantry.services import outbox
from merchantry.services.outbox import CursorExpired, Event
from merchantry.tables.merchant import counter
from merchantry.tables.outbox import outbox as table
from merchantry.tables.platform import NOBODY
from tenancy.database import Database, MerchantSession, sqlstate
from tenancy.logins import Logins
from tests.builders import NOON, a_buyer, a_merchant, a_product, an_act

STOCK = EventKind.STOCK_ADJUSTED


async def say(session: MerchantSession, number: int) -> None:
    await outbox.publish(session, STOCK, {"variant": uuid4(), "on_hand": number}, an_act("staff:x"))


async def said(database: Database, *merchant_ids: UUID, first: int = 0) -> None:
    for number, merchant_id in enumerate(merchant_ids, start=first):
        async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
            await say(session, number)


async def read_all(database: Database, after: int = 0, merchant_id: UUID | None = None) -> list[Event]:
    async with database.read("test") as tx, tx.as_platform() as session:
        return await outbox.read(session, after, 1_000, merchant_id=merchant_id)


@pytest.fixture
async def merchants(database: Database) -> tuple[UUID, UUID]:
    """Two merchants; that they joined is told and read."""
    return (await a_merchant(database)).id, (await a_merchant(database)).id


@pytest.fixture
async def begin(database: Database, merchants: tuple[UUID, UUID]) -> int:
    """The cursor after what the fixtures did."""
    await tell_all(database)
    async with database.read("test") as tx, tx.as_platform() as session:
        return await outbox.newest(session)


def numbers(events: list[Event]) -> list[Any]:
    return [each.facts["on_hand"] for each in events]


async def test_events_are_read_in_order_by_page_once_they_have_numbers(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    one, two = merchants
    await said(database, one, two, one, two, one)
    assert await read_all(database, begin) == []
    assert await tell_all(database) == 5
    found = await read_all(database, begin)
    assert numbers(found) == [0, 1, 2, 3, 4]
    assert [each.seq for each in found] == list(range(begin + 1, begin + 6))
    assert numbers(await read_all(database, found[2].seq)) == [3, 4]
    assert numbers(await read_all(database, begin, merchant_id=two)) == [1, 3]
    assert {each.actor for each in found} == {"staff"}


async def test_a_merchant_reads_its_own_events_only_and_writes_only_them(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    one, two = merchants
    await said(database, one, two, one)
    await tell_all(database)
    async with database.read("test") as tx, tx.as_merchant(two) as session:
        assert numbers(await outbox.read(session, begin)) == [1]
        assert {row.merchant_id for row in await session.execute(select(table.c.merchant_id))} == {two}
    row = outbox._row(one, STOCK, {"variant": uuid4(), "on_hand": 1}, an_act())
    with pytest.raises(ProgrammingError) as refused:
        async with database.write("test") as tx, tx.as_merchant(two) as session:
            await session.execute(insert(table), row)
    assert sqlstate(refused.value) == "42501"


@pytest.mark.parametrize("change", [{"seq": 1}, {"kind": "x"}, {"facts": {}}], ids=str)
async def test_a_merchant_changes_no_event(
    database: Database, merchants: tuple[UUID, UUID], change: dict[str, Any]
) -> None:
    await said(database, merchants[0])
    with pytest.raises(ProgrammingError) as refused:
        async with database.write("test") as tx, tx.as_merchant(merchants[0]) as session:
            await session.execute(update(table).values(**change))
    assert sqlstate(refused.value) == "42501"


async def test_what_is_rolled_back_is_never_told(database: Database, merchants: tuple[UUID, UUID], begin: int) -> None:
    async with database.write("test") as tx, tx.as_merchant(merchants[0]) as session:
        with suppress(RuntimeError):
            async with session.savepoint():
                await say(session, 1)
                raise RuntimeError
    assert await tell_all(database) == 0
    assert await read_all(database, begin) == []


async def test_a_transaction_that_commits_late_is_not_passed_by(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    one, two = merchants
    async with database.write("test") as tx, tx.as_merchant(one) as session:
        await say(session, 0)
        await said(database, two, first=1)
        await tell_all(database)
        seen = await read_all(database, begin)
    await tell_all(database)
    later = await read_all(database, seen[-1].seq)
    assert (numbers(seen), numbers(later)) == ([1], [0])


async def test_of_two_acts_the_one_that_waited_is_told_second_whichever_began_first(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    """The first to begin has its transaction id first, and waits for the other's row."""
    one = merchants[0]
    lock = update(counter).where(counter.c.name == "entry").values(value=counter.c.value)
    has_begun, may_commit = asyncio.Event(), asyncio.Event()

    async def early() -> None:
        async with database.write("test") as tx, tx.as_merchant(one) as session:
            await session.execute(update(counter).where(counter.c.name == "order").values(value=counter.c.value))
            has_begun.set()
            await may_commit.wait()
            await session.execute(lock)
            await say(session, 2)

    async def late() -> None:
        await has_begun.wait()
        async with database.write("test") as tx, tx.as_merchant(one) as session:
            await session.execute(lock)
            may_commit.set()
            await asyncio.sleep(0.05)
            await say(session, 1)

    await asyncio.gather(early(), late())
    await tell_all(database)
    assert numbers(await read_all(database, begin)) == [1, 2]


async def test_whoever_is_told_of_an_event_that_another_has_numbered_numbers_and_tells_nothing(
    logins: Logins, database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    async with await psycopg.AsyncConnection.connect(logins.listen, autocommit=True) as listening:
        await listening.execute(f"LISTEN {outbox.CHANNEL}")
        await said(database, *merchants)
        assert [await tell(database, is_known=True) for _ in range(2)] == [2, 0]
        await said(database, merchants[0])
        assert await tell(database, is_known=True) == 1
        async with asyncio.timeout(20):
            heard = [notice.payload async for notice in listening.notifies(stop_after=2)]
    assert heard == [str(begin + 2), str(begin + 3)]


@pytest.mark.parametrize("is_known", [False, True], ids=["looking", "woken"])
async def test_many_writers_and_several_tellers_lose_and_double_nothing(
    database: Database, merchants: tuple[UUID, UUID], begin: int, is_known: bool
) -> None:
    """A reader follows while it happens, and never has to look back."""
    done = asyncio.Event()
    seen: list[Event] = []

    async def write(merchant_id: UUID, first: int) -> None:
        await said(database, *[merchant_id] * 25, first=first)

    async def tellers() -> None:
        while not done.is_set():
            await tell(database, is_known=is_known)

    async def follow() -> None:
        while len(seen) < 100:
            seen.extend(await read_all(database, seen[-1].seq if seen else begin))

    async def writers() -> None:
        await asyncio.gather(*(write(merchants[each % 2], each * 25) for each in range(4)))

    async with asyncio.timeout(60):
        tasks = [asyncio.ensure_future(tellers()) for _ in range(2)]
        await asyncio.gather(writers(), follow())
        done.set()
        await asyncio.gather(*tasks)
    assert [each.seq for each in seen] == list(range(begin + 1, begin + 101))
    assert sorted(numbers(seen)) == list(range(100))
    for writer in range(4):
        own = [number for number in numbers(seen) if number // 25 == writer]
        assert own == sorted(own)


async def test_the_process_that_wrote_numbers_at_once_and_notifies(
    logins: Logins, database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    stop = asyncio.Event()
    telling = asyncio.ensure_future(tell_forever(database, lambda: NOON, stop, poll_seconds=3600))
    async with await psycopg.AsyncConnection.connect(logins.listen, autocommit=True) as listening:
        await listening.execute(f"LISTEN {outbox.CHANNEL}")
        await asyncio.sleep(0.1)
        await said(database, merchants[0])
        async with asyncio.timeout(20):
            heard = [notice.payload async for notice in listening.notifies(stop_after=1)]
    assert heard == [str(begin + 1)]
    stop.set()
    await telling


async def test_consumers_resume_where_they_were(database: Database, merchants: tuple[UUID, UUID], begin: int) -> None:
    await said(database, *merchants, *merchants)
    await tell_all(database)
    seen = []
    for _ in range(4):
        async with database.write("test") as tx, tx.as_platform() as session:
            after = await outbox.position(session, "mail")
            [event] = await outbox.read(session, max(after, begin), 1)
            seen.append(event)
            await outbox.read_up_to(session, "mail", event.seq, NOON)
    assert numbers(seen) == [0, 1, 2, 3]
    async with database.write("test") as tx, tx.as_platform() as session:
        assert await outbox.position(session, "webhooks") == outbox.OLDEST
        assert await outbox.position(session, "mail", merchants[0]) == outbox.OLDEST


async def test_old_events_go_and_cursors_before_them_are_refused(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    await said(database, *merchants)
    await tell_all(database)
    assert await prune(database, NOON + KEPT) == 0
    gone = begin + 2
    assert await prune(database, NOON + KEPT + timedelta(seconds=1)) == gone
    await said(database, *merchants)
    await tell_all(database)
    assert [each.seq for each in await read_all(database, gone)] == [gone + 1, gone + 2]
    with pytest.raises(CursorExpired):
        await read_all(database, gone - 1)


async def test_a_cursor_of_a_quiet_merchant_is_good_for_as_long_as_nothing_of_its_own_is_gone(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    quiet, lively = merchants

    async def read(merchant_id: UUID, after: int) -> list[Event]:
        async with database.read("test") as tx, tx.as_merchant(merchant_id) as session:
            return await outbox.read(session, after)

    await said(database, quiet, lively)
    await tell_all(database)
    [own] = await read(quiet, begin)
    assert await prune(database, NOON + KEPT + timedelta(seconds=1))
    assert await read(quiet, own.seq) == []
    for merchant_id, after in ((quiet, own.seq - 1), (lively, own.seq)):
        with pytest.raises(CursorExpired):
            await read(merchant_id, max(after, 1))


async def test_publishing_a_product_is_told_with_its_id(database: Database, merchants: tuple[UUID, UUID]) -> None:
    await tell_all(database)
    async with database.read("test") as tx, tx.as_platform() as session:
        begin = await outbox.newest(session)
    merchant = await a_merchant(database)
    product = await a_product(database, merchant)
    await tell_all(database)
    joined, made, shown = await read_all(database, begin)
    assert (joined.kind, joined.facts["slug"]) == (EventKind.MERCHANT_CREATED, merchant.slug)
    assert (made.kind, shown.kind) == (EventKind.PRODUCT_CREATED, EventKind.PRODUCT_PUBLISHED)
    for each in (made, shown):
        assert (each.facts, each.merchant_id) == ({"product": str(product.id)}, merchant.id)


async def test_what_nobody_but_the_platform_is_told_has_no_merchant(
    database: Database, merchants: tuple[UUID, UUID], begin: int
) -> None:
    await a_buyer(database)
    facts = {"case": uuid4(), "kind": "review", "status": "open", "merchant": merchants[0]}
    async with database.write("test") as tx, tx.as_platform() as session:
        await outbox.publish(session, EventKind.CASE_OPENED, facts, an_act())
    await tell_all(database)
    [event] = await read_all(database, begin)
    assert event.merchant_id == NOBODY
    async with database.read("test") as tx, tx.as_merchant(merchants[0]) as session:
        assert await outbox.read(session, begin) == []
