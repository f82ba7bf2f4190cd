"""Nobody works for a client that has left: not the program, and not the database."""

import asyncio

import httpx
import psycopg
import pytest

from tests.graphql_api.a_schema import served
from tests.graphql_api.mall import Mall

ASKED = {"query": "{ listings { nodes { title } } }"}
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'platform.listing'::regclass"


async def until_waiting(connection: psycopg.AsyncConnection[tuple[int]], count: int) -> None:
    """Until so many statements wait for a lock."""
    async with asyncio.timeout(10):
        while (await (await connection.execute(WAITING)).fetchone()) != (count,):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_query_ends_in_the_database_once_its_client_has_left(mall: Mall) -> None:
    async with (
        served(mall.app) as address,
        await psycopg.AsyncConnection[tuple[int]].connect(mall.database.logins.owner) as owner,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        await owner.execute("LOCK TABLE platform.listing")
        asking = asyncio.create_task(client.post("/graphql", json=ASKED))
        await until_waiting(owner, 1)
        asking.cancel()
        await until_waiting(owner, 0)
        with pytest.raises(asyncio.CancelledError):
            await asking
        await owner.rollback()
        answer = await client.post("/graphql", json=ASKED)
        assert answer.json() == {"data": {"listings": {"nodes": []}}}
