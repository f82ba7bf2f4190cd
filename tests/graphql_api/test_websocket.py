"""`graphql-transport-ws` through the whole application, as clients and attackers speak it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from graphql_api.door import Rules
from graphql_api.websocket import SocketEndpoint
from tenancy.tokens import DevelopmentIssuer
from tests.graphql_api.a_schema import LISTENERS, an_app, an_issuer, served

PROTOCOL = Subprotocol("graphql-transport-ws")
INIT = {"type": "connection_init"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    return an_issuer(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
async def address(issuer: DevelopmentIssuer) -> AsyncIterator[str]:
    rules = Rules(allowed_origins=frozenset({"https://shop.example"}))
    async with served(an_app(issuer, rules=rules)) as address:
        yield f"ws://{address}/graphql"


@asynccontextmanager
async def talk(address: str, *, init: bool = True, **payload: str) -> AsyncIterator[ClientConnection]:
    async with connect(address, subprotocols=[PROTOCOL]) as socket:
        if init:
            await say(socket, {**INIT, "payload": payload})
            assert await hear(socket) == {"type": "connection_ack"}
        yield socket


async def say(socket: ClientConnection, message: object) -> None:
    await socket.send(json.dumps(message))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def closed_with(socket: ClientConnection) -> tuple[int, str]:
    """Close code and reason, whatever was said before."""
    with suppress(ConnectionClosed):
        while True:
            async with asyncio.timeout(5):
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


def subscribe(query: str, name: str = "1", **payload: object) -> dict[str, object]:
    return {"id": name, "type": "subscribe", "payload": {"query": query, **payload}}


async def test_a_subscription_is_answered_result_by_result(address: str) -> None:
    async with talk(address) as socket:
        await say(socket, subscribe("subscription($to: Int!) { count(to: $to) }", variables={"to": 2}))
        heard = [await hear(socket) for _ in range(3)]
    results = [{"id": "1", "type": "next", "payload": {"data": {"count": number}}} for number in (1, 2)]
    assert heard == [*results, {"id": "1", "type": "complete"}]


async def test_a_query_is_answered_once_and_its_id_is_free_again(address: str) -> None:
    async with talk(address) as socket:
        for _ in range(2):
            await say(socket, subscribe("{ hello }"))
            assert (await hear(socket))["payload"] == {"data": {"hello": "hello you"}}
            assert await hear(socket) == {"id": "1", "type": "complete"}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ missing }", "Cannot query field"),
        ("{", "Syntax Error"),
        ("query A { hello } query B { hello }", "several operations"),
        ("subscription($to: Int!) { count(to: $to) }", "$to"),
    ],
)
async def test_what_cant_be_run_is_an_error_message(address: str, query: str, said: str) -> None:
    async with talk(address) as socket:
        await say(socket, subscribe(query))
        heard = await hear(socket)
        assert (heard["id"], heard["type"]) == ("1", "error")
        assert said in heard["payload"][0]["message"]
        await say(socket, subscribe("{ hello }"))
        assert (await hear(socket))["type"] == "next"


async def test_faults_are_masked(address: str) -> None:
    async with talk(address) as socket:
        await say(socket, subscribe("subscription { collapse }"))
        heard = [await hear(socket) for _ in range(2)]
    assert heard[0]["payload"] == {"data": {"collapse": 1}}
    assert "Internal error" in json.dumps(heard[1])
    assert "hunter2" not in json.dumps(heard)


async def test_who_asks_may_be_said_in_the_payload(address: str, issuer: DevelopmentIssuer) -> None:
    token = f"Bearer {issuer.issue('owner', None, 60)}"
    async with talk(address, authorization=token, merchant="tea-house") as socket:
        await say(socket, subscribe("{ who }"))
        assert (await hear(socket))["payload"] == {"data": {"who": "somebody tea-house"}}


@pytest.mark.parametrize(
    "payload",
    [{"authorization": "Bearer x"}, {"merchant": "tea-house"}, {"Authorization": "Basic eA=="}, {"merchant": "\0"}],
    ids=repr,
)
async def test_who_may_not_is_forbidden(address: str, payload: dict[str, str]) -> None:
    async with talk(address, init=False) as socket:
        await say(socket, {**INIT, "payload": payload})
        assert await closed_with(socket) == (4403, "Forbidden")


@pytest.mark.parametrize("subprotocols", [None, [Subprotocol("graphql-ws")]], ids=["none", "the old one"])
async def test_other_subprotocols_are_not_acceptable(address: str, subprotocols: list[Subprotocol] | None) -> None:
    async with connect(address) if subprotocols is None else _insisting(address, subprotocols) as socket:
        assert await closed_with(socket) == (4406, "Subprotocol not acceptable")


def _insisting(address: str, subprotocols: list[Subprotocol]) -> connect:
    """A client that names protocols and, unlike browsers, doesn't mind that none of them is chosen."""
    return connect(address, additional_headers={"Sec-WebSocket-Protocol": ", ".join(subprotocols)})


async def test_who_says_nothing_is_sent_away(issuer: DevelopmentIssuer) -> None:
    app = an_app(issuer)
    for route in app.routes:
        if isinstance(route, WebSocketRoute) and isinstance(route.endpoint, SocketEndpoint):
            route.endpoint._init_seconds = 0.05
    async with served(app) as address, talk(f"ws://{address}/graphql", init=False) as socket:
        await say(socket, {"type": "ping"})
        assert await closed_with(socket) == (4408, "Connection initialisation timeout")


async def test_nothing_is_answered_before_the_connection_is_acknowledged(address: str) -> None:
    async with talk(address, init=False) as socket:
        await say(socket, subscribe("{ hello }"))
        assert await closed_with(socket) == (4401, "Unauthorized")


async def test_a_second_initialisation_is_one_too_many(address: str) -> None:
    async with talk(address) as socket:
        await say(socket, INIT)
        assert await closed_with(socket) == (4429, "Too many initialisation requests")


async def test_an_id_in_use_is_refused(address: str) -> None:
    async with talk(address) as socket:
        for _ in range(2):
            await say(socket, subscribe("subscription { silence }", "same"))
        assert await closed_with(socket) == (4409, "Subscriber for same already exists")
    await _listening(False)


BROKEN: dict[str, str | bytes] = {
    "null": "null",
    "a list": "[]",
    "a text": '"ping"',
    "no JSON": "{",
    "nothing": "",
    "binary": b"\x00\xff",
    "a number as type": '{"type": 5}',
    "an unknown type": '{"type": "start"}',
    "no type": "{}",
    "payload null": '{"type": "subscribe", "id": "1", "payload": null}',
    "payload a list": '{"type": "subscribe", "id": "1", "payload": []}',
    "no payload": '{"type": "subscribe", "id": "1"}',
    "a number as id": '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
    "no id": '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
    "an empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
    "a long id": json.dumps(subscribe("{ hello }", "x" * 101)),
    "a number as query": '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
    "a list as variables": json.dumps(subscribe("{ hello }", variables=[1])),
    "deep nesting": '{"type": "subscribe", "payload": ' + "[" * 5000 + "]" * 5000 + "}",
    "a ping with a list": '{"type": "ping", "payload": []}',
    "complete without id": '{"type": "complete"}',
    "what only servers say": '{"type": "next", "id": "1", "payload": {}}',
}


@pytest.mark.parametrize("case", BROKEN)
async def test_broken_messages_end_the_connection(address: str, case: str) -> None:
    async with talk(address) as socket:
        await socket.send(BROKEN[case])
        assert await closed_with(socket) == (4400, "Invalid message received")


async def test_a_message_longer_than_a_body_may_be_ends_the_connection(address: str) -> None:
    async with talk(address) as socket:
        await socket.send(json.dumps({"type": "ping", "payload": {"x": "x" * 1_100_000}}))
        assert (await closed_with(socket))[0] == 1009


async def test_pings_are_answered_at_any_time(address: str) -> None:
    async with talk(address, init=False) as socket:
        await say(socket, {"type": "ping", "payload": {"at": 1}})
        assert await hear(socket) == {"type": "pong"}
        await say(socket, {"type": "pong"})
        await say(socket, INIT)
        assert await hear(socket) == {"type": "connection_ack"}


async def test_what_the_client_completes_ends(address: str) -> None:
    async with talk(address) as socket:
        await say(socket, subscribe("subscription { silence }"))
        await _listening(True)
        await say(socket, {"type": "complete", "id": "1"})
        await say(socket, {"type": "complete", "id": "unknown"})
        await _listening(False)
        await say(socket, subscribe("{ hello }"))
        assert (await hear(socket))["type"] == "next"


async def test_operations_end_with_the_connection(address: str) -> None:
    async with talk(address) as socket:
        await say(socket, subscribe("subscription { silence }"))
        await _listening(True)
    await _listening(False)


async def _listening(expected: bool) -> None:
    """Wait until somebody listens to the silence, or nobody."""
    async with asyncio.timeout(5):
        while bool(LISTENERS) is not expected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("origin", "welcome"), [("https://shop.example", True), ("https://evil.example", False)])
async def test_pages_of_other_origins_are_refused(address: str, origin: str, welcome: bool) -> None:
    if welcome:
        async with connect(address, subprotocols=[PROTOCOL], origin=Origin(origin)) as socket:
            assert socket.subprotocol == PROTOCOL
    else:
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, subprotocols=[PROTOCOL], origin=Origin(origin))
        assert refused.value.response.status_code == 403


async def test_a_storm_of_operations_is_charged_like_one_over_http(issuer: DevelopmentIssuer) -> None:
    app = an_app(issuer, rules=Rules(budget_per_second=8))
    async with served(app) as address, talk(f"ws://{address}/graphql") as socket:
        codes = []
        for number in range(4):
            await say(socket, subscribe("{ hello }", str(number)))
            heard = await hear(socket)
            codes.append(heard["payload"][0]["extensions"]["code"] if heard["type"] == "error" else "answered")
            if heard["type"] == "next":
                await hear(socket)
    assert codes == ["answered", "answered", "BUDGET_SPENT", "BUDGET_SPENT"]
