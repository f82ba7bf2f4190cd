"""Server-sent events, and requests that another site's page may have caused."""

from collections.abc import AsyncIterator

import httpx
import pytest

from graphql_api.door import Rules
from tests.graphql_api.a_schema import a_client, an_app, an_issuer

EVENTS = "text/event-stream"
ORIGIN = "https://shop.example"


@pytest.fixture
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    rules = Rules(allowed_origins=frozenset({ORIGIN}))
    async with a_client(an_app(an_issuer(tmp_path_factory.mktemp("issuer")), rules=rules)) as client:
        yield client


async def ask(client: httpx.AsyncClient, query: str, accept: str) -> httpx.Response:
    return await client.post("/graphql", json={"query": query}, headers={"accept": accept})


async def test_a_subscription_is_a_stream_of_events(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "subscription { count(to: 2) }", EVENTS)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    events = [each for each in answer.text.split("\n\n") if each and not each.startswith(":")]
    assert events[0] == 'event: next\ndata: {"data":{"count":1}}'
    assert events[2] == "event: complete\ndata:"


async def test_a_fault_in_a_stream_is_masked(client: httpx.AsyncClient) -> None:
    answer = await ask(client, "subscription { collapse }", EVENTS)
    assert "Internal error" in answer.text
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    ("query", "accept", "status"),
    [
        ("{ hello }", EVENTS, 406),
        ("{ hello }", f"application/json, {EVENTS}", 200),
        ("{ hello }", f"{EVENTS}, application/json;q=0.1", 200),
        ("subscription { count(to: 1) }", "application/json", 406),
        ("subscription { missing }", f"{EVENTS}, application/graphql-response+json", 400),
    ],
)
async def test_events_are_for_subscriptions_only(
    client: httpx.AsyncClient, query: str, accept: str, status: int
) -> None:
    answer = await ask(client, query, accept)
    assert answer.status_code == status
    assert not answer.headers["content-type"].startswith(EVENTS)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "x-merchantry-csrf": "1"}, 200),
        ({"sec-fetch-site": "cross-site", "apollo-require-preflight": "1"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ORIGIN}, 200),
        ({"cookie": "a=b"}, 403),
    ],
    ids=repr,
)
async def test_a_get_that_another_site_caused_is_refused(
    client: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    assert (await client.get("/graphql", params={"query": "{ hello }"}, headers=headers)).status_code == status


async def test_pages_of_allowed_origins_may_call(client: httpx.AsyncClient) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, content-type"}
    allowed = await client.options("/graphql", headers={"origin": ORIGIN, **asks})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    refused = await client.options("/graphql", headers={"origin": "https://evil.example", **asks})
    assert "access-control-allow-origin" not in refused.headers
    answer = await client.post("/graphql", json={"query": "{ hello }"}, headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert "Origin" in answer.headers["vary"]
