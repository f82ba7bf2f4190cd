"""Merchants and accounts are answered from a cache that is never older than the last commit somebody announced."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import repeat
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select

from merchantry.domain.permission import MerchantRole
from merchantry.services import merchant, staff
from tenancy.database import Database
from tenancy.directory import Directory
from tenancy.logins import Logins
from tenancy.principals import ANONYMOUS
from tenancy.tables import account
from tests.builders import ISSUER, a_merchant, an_act
from tests.statements import sent_to

END_LISTENER = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE query LIKE 'SELECT pg_notify(%' AND datname = current_database()"
)


async def until(happened: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        for delay in repeat(0.005):
            if await happened():
                return
            await asyncio.sleep(delay)


async def set_status(database: Database, slug: str, status: str) -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchant.set_status(session, slug, status, an_act())


async def cached(database: Database, directory: Directory, slug: str) -> bool:
    """Whether the directory answers without asking the database."""
    with sent_to(database) as sent:
        await directory.merchant_by_slug(slug)
    return not sent


async def test_without_a_listener_every_look_up_sees_the_last_commit(database: Database) -> None:
    made = await a_merchant(database, "kites")
    directory = Directory(database)
    assert await directory.merchant_by_slug("kites") == made
    assert await directory.merchant_by_slug("boats") is None
    await set_status(database, "kites", "suspended")
    found = await directory.merchant_by_slug("kites")
    assert found is not None
    assert not found.is_active


async def test_a_listening_directory_asks_once_and_learns_of_every_change(database: Database) -> None:
    await a_merchant(database, "kites")
    directory = Directory(database)

    async def is_suspended() -> bool:
        found = await directory.merchant_by_slug("kites")
        return found is not None and not found.is_active

    async def knows_boats() -> bool:
        return await directory.merchant_by_slug("boats") is not None

    async with directory.listening():
        await until(lambda: cached(database, directory, "kites"))
        assert not await is_suspended()
        assert not await knows_boats()
        await set_status(database, "kites", "suspended")
        await until(is_suspended)
        await a_merchant(database, "boats")
        await until(knows_boats)
        await until(lambda: cached(database, directory, "boats"))


async def test_rights_that_are_taken_away_are_gone_for_a_listening_directory(database: Database) -> None:
    kites, boats = await a_merchant(database, "kites"), await a_merchant(database, "boats")
    directory = Directory(database)

    async def roles() -> frozenset[str]:
        principal = await directory.principal(ISSUER, "clerk", "clerk@kites.test")
        assert principal.roles_in(boats.id) == frozenset()
        return principal.roles_in(kites.id)

    clerk = (await directory.principal(ISSUER, "clerk", None)).account_id
    assert clerk is not None
    async with directory.listening():
        await until(lambda: cached(database, directory, "kites"))
        assert await roles() == frozenset()
        async with database.write("test") as tx, tx.as_platform() as session:
            await staff.grant_role(session, clerk, kites.id, MerchantRole.MANAGER, an_act())
        await until(lambda: _equals(roles(), {"manager"}))
        async with database.write("test") as tx, tx.as_platform() as session:
            await staff.revoke_role(session, clerk, kites.id, MerchantRole.MANAGER, an_act())
        await until(lambda: _equals(roles(), set()))


async def test_a_directory_whose_listener_is_lost_asks_the_database_until_it_listens_again(database: Database) -> None:
    await a_merchant(database, "kites")
    directory = Directory(database)
    async with directory.listening():
        await until(lambda: cached(database, directory, "kites"))
        with psycopg.connect(database.logins.listen, autocommit=True) as connection:
            assert connection.execute(END_LISTENER).fetchall() == [(True,)]
        await until(lambda: _is_not(cached(database, directory, "kites")))
        await set_status(database, "kites", "suspended")
        found = await directory.merchant_by_slug("kites")
        assert found is not None
        assert not found.is_active
        await until(lambda: cached(database, directory, "kites"))
        found = await directory.merchant_by_slug("kites")
        assert found is not None
        assert not found.is_active


async def test_an_account_is_made_once_however_many_requests_see_it_first(database: Database) -> None:
    directory = Directory(database)
    seen = await asyncio.gather(*(directory.principal(ISSUER, "buyer", None) for _ in range(8)))
    assert len({principal.account_id for principal in seen}) == 1
    other = await directory.principal("https://other.test", "buyer", None)
    assert other.account_id != seen[0].account_id
    async with database.read("test") as tx, tx.as_platform() as session:
        assert await session.scalar(select(func.count()).select_from(account)) == 2


@pytest.mark.parametrize("slug", ["", "a" * 500, "'; DROP SCHEMA platform", "kites%", "Kites"])
async def test_odd_slugs_are_simply_unknown(database: Database, slug: str) -> None:
    await a_merchant(database, "kites")
    assert await Directory(database).merchant_by_slug(slug) is None
    assert await Directory(database).merchant_by_slug("kites") is not None


async def _equals(answer: Awaitable[Any], wanted: Any) -> bool:
    return bool(await answer == wanted)


async def _is_not(answer: Awaitable[bool]) -> bool:
    return not await answer


async def test_whoever_watches_is_woken_by_what_concerns_them_in_every_process(logins: Logins) -> None:
    ours, theirs = Database(logins, pool_size=2), Database(logins, pool_size=2)
    try:
        kites, boats = await a_merchant(ours, "kites"), await a_merchant(ours, "boats")
        first, second = Directory(ours), Directory(theirs)
        clerk = await first.principal(ISSUER, "clerk", None)
        async with first.listening(), second.listening():
            await until(lambda: cached(ours, first, "kites"))
            await until(lambda: cached(theirs, second, "kites"))
            with (
                first.watching(clerk, kites) as here,
                second.watching(clerk, kites) as there,
                second.watching(ANONYMOUS, boats) as elsewhere,
            ):
                assert not any(event.is_set() for event in (here, there, elsewhere))
                await set_status(ours, "kites", "suspended")
                async with asyncio.timeout(10):
                    await asyncio.gather(here.wait(), there.wait())
                assert not elsewhere.is_set()
                here.clear()
                assert clerk.account_id is not None
                async with ours.write("test") as tx, tx.as_platform() as session:
                    await staff.grant_role(session, clerk.account_id, boats.id, MerchantRole.VIEWER, an_act())
                async with asyncio.timeout(10):
                    await here.wait()
                assert not elsewhere.is_set()
    finally:
        await ours.close()
        await theirs.close()


async def test_whoever_watches_is_woken_while_nothing_can_be_heard(database: Database) -> None:
    kites = await a_merchant(database, "kites")
    directory = Directory(database)
    async with directory.listening():
        await until(lambda: cached(database, directory, "kites"))
        with directory.watching(ANONYMOUS, kites) as woken:
            with psycopg.connect(database.logins.listen, autocommit=True) as connection:
                assert connection.execute(END_LISTENER).fetchall() == [(True,)]
            async with asyncio.timeout(10):
                await woken.wait()
                woken.clear()
                await woken.wait()  # again, once it is heard anew: something may have been missed
