"""How many run at once, who waits, and who is sent away; and what takes too long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from graphql_api.admission import Admission, Busy
from graphql_api.asking import RequestRefused
from graphql_api.door import HEAVY_COST, HELD_SECONDS, Door, Payer, Rules
from tenancy.database import Database
from tenancy.principals import ANONYMOUS, Caller, Machine, Merchant
from tests.graphql_api.a_schema import a_market_schema


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_group_gets_its_share_and_others_the_rest() -> None:
    admission = Admission(places=4, share=2, queue=4)
    done: list[str] = []

    async def work(name: str, group: str, until: asyncio.Event) -> None:
        async with admission.admitted(group):
            done.append(name)
            await until.wait()

    stop = asyncio.Event()
    flood = [asyncio.create_task(work(f"flood {n}", "flood", stop)) for n in range(4)]
    await settle()
    assert done == ["flood 0", "flood 1"]
    with pytest.raises(Busy):
        await work("flood 4", "flood", stop)
    other = asyncio.create_task(work("other", "other", stop))
    await settle()
    assert done == ["flood 0", "flood 1", "other"]
    stop.set()
    await asyncio.gather(*flood, other)
    assert sorted(done) == ["flood 0", "flood 1", "flood 2", "flood 3", "other"]


async def test_who_stops_waiting_leaves_the_queue() -> None:
    admission = Admission(places=1, share=1, queue=2)

    @asynccontextmanager
    async def held() -> AsyncIterator[None]:
        async with admission.admitted("a"):
            yield

    async with held():
        waiting = asyncio.create_task(_enter(admission, "b"))
        await settle()
        waiting.cancel()
        await asyncio.wait({waiting})
        second = asyncio.create_task(_enter(admission, "b"))
        await settle()
    async with asyncio.timeout(5):
        await second
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(5):
            await stack.enter_async_context(held())


async def _enter(admission: Admission, group: str) -> None:
    async with admission.admitted(group):
        pass


async def test_a_free_place_goes_to_who_runs_the_fewest_and_then_round() -> None:
    admission = Admission(places=2, share=1, queue=20)
    order: list[str] = []

    async def work(group: str) -> None:
        async with admission.admitted(group):
            order.append(group)
            await settle()

    async with asyncio.TaskGroup() as tasks:
        for group in ("a", "a", "a", "b", "b", "c"):
            tasks.create_task(work(group))
    assert order == ["a", "b", "c", "a", "b", "a"]


async def test_who_comes_late_displaces_the_last_of_the_longest_queue() -> None:
    admission = Admission(places=1, share=1, queue=4)
    stop = asyncio.Event()
    ends: dict[str, str] = {}

    async def work(name: str, group: str) -> None:
        try:
            async with admission.admitted(group):
                await stop.wait()
            ends[name] = "done"
        except Busy:
            ends[name] = "busy"

    tasks = [asyncio.create_task(work("running", "x"))]
    for name, group in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b"), ("b3", "b"), ("c1", "c"), ("d1", "d")):
        tasks.append(asyncio.create_task(work(name, group)))
        await settle()
    assert ends == {"b3": "busy", "a2": "busy", "b2": "busy"}
    late = asyncio.create_task(work("e1", "e"))
    await late
    assert ends["e1"] == "busy"
    stop.set()
    await asyncio.gather(*tasks)
    assert {name for name, end in ends.items() if end == "done"} == {"running", "a1", "b1", "c1", "d1"}


async def test_heavy_operations_of_one_merchant_leave_places_for_its_light_ones() -> None:
    door = Door(a_market_schema(), Rules(places=8))
    payer = Payer("anna", "tea", anonymous=False)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(door.admitted(payer, HEAVY_COST))
        third = asyncio.create_task(_hold(door, payer, HEAVY_COST))
        await settle()
        assert not third.done()
        for _ in range(2):
            async with asyncio.timeout(5), door.admitted(payer, 1):
                pass
        async with asyncio.timeout(5), door.admitted(replace(payer, merchant="kites"), HEAVY_COST):
            pass
    async with asyncio.timeout(5):
        await third


async def _hold(door: Door, payer: Payer, cost: int) -> None:
    async with door.admitted(payer, cost):
        pass


async def test_only_refusals_that_ask_to_come_later_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(a_market_schema(), Rules())
    waited: list[float] = []

    async def note(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("graphql_api.door.asyncio.sleep", note)
    for status in (400, 413, 429, 503, 504):
        await door.hold_back(RequestRefused(status, "no"))
    assert waited == [HELD_SECONDS] * 2
    monkeypatch.setattr("graphql_api.door.MAX_HELD", 0)
    await door.hold_back(RequestRefused(429, "no"))
    assert len(waited) == 2


async def test_beyond_the_queue_the_answer_is_503() -> None:
    door = Door(a_market_schema(), Rules(places=1, queue=0))
    payer = Payer("anna", None, anonymous=False)
    async with door.admitted(payer, 1):
        with pytest.raises(RequestRefused) as refused:
            async with door.admitted(payer, 1):
                pass
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})


async def test_what_takes_too_long_is_cancelled_in_the_database(database: Database) -> None:
    door = Door(a_market_schema(), Rules(request_seconds=0.2))
    running = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
    asked = asyncio.Event()

    async def sleep() -> None:
        payer = Payer("anna", None, anonymous=False)
        async with door.admitted(payer, 1), database.read("test") as tx, tx.as_platform() as session:
            asked.set()
            await session.execute(text("SELECT pg_sleep(60)"))

    with pytest.raises(RequestRefused) as refused:
        await sleep()
    assert asked.is_set()
    assert (refused.value.status, refused.value.errors[0]["extensions"]["code"]) == (504, "TIMEOUT")
    async with database.read("test") as tx, tx.as_platform() as session:
        assert await session.scalar(running) == 0


def test_a_payer_is_the_account_or_machine_or_the_address() -> None:
    kites = Merchant(UUID(int=2), "kites", "active")
    assert Payer.of(Caller(ANONYMOUS, None), "192.0.2.1").group == "192.0.2.1"
    for principal in (
        replace(ANONYMOUS, account_id=UUID(int=1)),
        replace(ANONYMOUS, machine=Machine(UUID(int=1), "ERP", None)),
    ):
        payer = Payer.of(Caller(principal, kites), "192.0.2.1")
        assert (payer.who, payer.group) == (UUID(int=1), UUID(int=2))
