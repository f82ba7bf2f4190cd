"""The application's pool: who is idle is taken at once, and who is old, broken or suspect is replaced."""

import asyncio

import psycopg
import pytest

from tenancy import connections
from tenancy.connections import Lease, Pool
from tenancy.logins import Logins
from tenancy.metrics import POOL_IN_USE


async def number(lease: Lease) -> int:
    """Which of the server's processes the connection is to."""
    row = await (await lease.driver.execute("SELECT pg_backend_pid()")).fetchone()
    assert row is not None
    return int(row[0])


async def used(pool: Pool) -> int:
    """Take a connection, use it and give it back."""
    lease = await pool.take()
    try:
        return await number(lease)
    finally:
        lease.give_back()


def end(logins: Logins, backend: int) -> None:
    with psycopg.connect(logins.listen, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 1000)", [backend])


async def test_an_idle_connection_is_taken_again_until_it_is_old(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(logins.app, 2, "aging")
    first = await used(pool)
    assert [await used(pool) for _ in range(3)] == [first] * 3
    monkeypatch.setattr(connections, "LIFETIME", 0.2)
    await asyncio.sleep(0.2)
    assert await used(pool) != first
    await pool.close()


async def test_where_one_is_broken_the_others_that_are_idle_are_not_used_any_more(logins: Logins) -> None:
    pool = Pool(logins.app, 3, "breaking")
    leases = [await pool.take() for _ in range(3)]
    before = [await number(lease) for lease in leases]
    for lease in leases:
        lease.give_back()
    for backend in before:
        end(logins, backend)
    with pytest.raises(psycopg.OperationalError):
        await used(pool)
    assert set(await asyncio.gather(*(used(pool) for _ in range(3)))).isdisjoint(before)
    await pool.close()


async def test_whoever_waits_gets_none_that_was_made_before_one_broke(logins: Logins) -> None:
    pool = Pool(logins.app, 2, "broken")
    leases = [await pool.take() for _ in range(2)]
    before = [await number(lease) for lease in leases]
    waiting = [asyncio.create_task(used(pool)) for _ in range(2)]
    await asyncio.sleep(0.02)
    for backend in before:
        end(logins, backend)
    with pytest.raises(psycopg.OperationalError):
        await number(leases[0])
    for lease in leases:
        lease.give_back()
    assert set(await asyncio.gather(*waiting)).isdisjoint(before)
    await pool.close()


async def test_whoever_waits_gets_one_though_others_take_them_again_and_again(logins: Logins) -> None:
    pool = Pool(logins.app, 1, "busy")
    waited = asyncio.Event()

    async def wait() -> None:
        await used(pool)
        waited.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        await used(pool)
        group.create_task(wait())
        while not waited.is_set():
            await used(pool)
    await pool.close()


async def test_what_is_given_back_after_the_pool_was_closed_is_closed_too(logins: Logins) -> None:
    pool = Pool(logins.app, 2, "closed")
    lease = await pool.take()
    await pool.close()
    lease.give_back()
    assert lease.driver.closed
    assert await used(pool)
    await pool.close()


async def test_a_connection_with_a_transaction_is_closed_and_its_place_is_taken_by_another(logins: Logins) -> None:
    pool = Pool(logins.app, 1, "left open")
    lease = await pool.take()
    before = await number(lease)
    await lease.driver.execute("BEGIN")
    waiting = asyncio.create_task(used(pool))
    await asyncio.sleep(0.02)
    lease.give_back()
    assert await waiting != before
    await pool.close()


async def test_of_many_who_wait_and_some_who_give_up_all_others_get_one(logins: Logins) -> None:
    pool = Pool(logins.app, 2, "waiting")
    tasks = [asyncio.create_task(used(pool)) for _ in range(40)]
    for task in tasks[::3]:
        await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    got = {result for result in results if not isinstance(result, asyncio.CancelledError)}
    assert 1 <= len({backend for backend in got if isinstance(backend, int)}) <= 40
    assert all(isinstance(each, int) for each in got), got
    held = [await pool.take() for _ in range(2)]
    assert POOL_IN_USE.labels("waiting")._value.get() == 2
    for lease in held:
        lease.give_back()
    assert POOL_IN_USE.labels("waiting")._value.get() == 0
    await pool.close()
