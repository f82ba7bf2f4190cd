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
from graphql_api.door import Door, Payer, Rules
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


async def test_beyond_the_queue_the_answer_is_503() -> None:
    door = Door(a_market_schema(), Rules(places=1, queue=0))
    payer = Payer("anna", None, anonymous=False)
    async with door.admitted(payer):
        with pytest.raises(RequestRefused) as refused:
            async with door.admitted(payer):
                pass
    assert (refused.value.status, refused.value.headers) == (503, {"retry-after": "1"})


async def test_what_takes_too_long_is_cancelled_in_the_database(database: Database) -> None:
    door = Door(a_market_schema(), Rules(request_seconds=0.2))
    running = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'")
    asked = asyncio.Event()

    async def sleep() -> None:
        payer = Payer("anna", None, anonymous=False)
        async with door.admitted(payer), database.read("test") as tx, tx.as_platform() as session:
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
