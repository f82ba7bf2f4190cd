"""The server's way of making merchants: one connection is kept for those that come soon, and it does no harm."""

import asyncio

import psycopg
import pytest

from merchantry.domain.errors import SlugTaken
from merchantry.services import provisioner
from merchantry.services.provisioner import Provisioner
from merchantry.tables.blueprint import blueprint
from tenancy.logins import Logins
from tests.builders import a_shop, an_act

OTHERS = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def backends(logins: Logins) -> set[int]:
    """Who is connected."""
    with psycopg.connect(logins.owner) as connection:
        return {int(str(row[0])) for row in connection.execute(OTHERS)}


async def make(server: Provisioner, *slugs: str) -> list[str]:
    return [each.slug for each in await server.create([a_shop(slug) for slug in slugs], an_act())]


async def until_left(logins: Logins, most: int) -> None:
    async with asyncio.timeout(10):
        while len(backends(logins)) > most:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_connection_is_kept_for_a_while_and_ended_after_so_many_merchants(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Provisioner(logins.owner, blueprint)
    assert await make(server, "one") == ["one"]
    kept = backends(logins)
    assert len(kept) == 1
    await make(server, "two", "three")
    assert backends(logins) == kept
    monkeypatch.setattr(provisioner, "WORN", 3)
    await make(server, "four")
    assert not backends(logins) & kept
    monkeypatch.setattr(provisioner, "KEPT_SECONDS", 0.05)
    await make(server, "five")
    await until_left(logins, 0)
    server.close()


async def test_what_fails_leaves_nothing_and_a_lost_connection_is_replaced(logins: Logins) -> None:
    server = Provisioner(logins.owner, blueprint)
    await make(server, "one")
    with pytest.raises(SlugTaken):
        await make(server, "two", "one")
    await make(server, "two")
    (lost,) = backends(logins)
    with psycopg.connect(logins.owner, autocommit=True) as killer:
        killer.execute("SELECT pg_terminate_backend(%s, 1000)", [lost])
    assert await make(server, "three") == ["three"]
    server.close()


async def test_of_many_at_once_each_is_made_and_one_connection_is_kept(logins: Logins) -> None:
    server = Provisioner(logins.owner, blueprint)
    made = await asyncio.gather(*(make(server, f"shop-{number}") for number in range(4)))
    assert made == [[f"shop-{number}"] for number in range(4)]
    await until_left(logins, 1)
    server.close()


async def test_who_is_cancelled_meanwhile_leaves_the_connection_in_order(logins: Logins) -> None:
    server = Provisioner(logins.owner, blueprint)
    making = asyncio.create_task(make(server, "one"))
    await asyncio.sleep(0.01)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert await make(server, "two") == ["two"]
    with pytest.raises(SlugTaken):
        await make(server, "one")
    server.close()


async def test_what_ends_after_the_server_was_closed_leaves_no_connection(logins: Logins) -> None:
    server = Provisioner(logins.owner, blueprint)
    making = asyncio.create_task(make(server, "one"))
    await asyncio.sleep(0)
    server.close()
    assert await making == ["one"]
    await until_left(logins, 0)
