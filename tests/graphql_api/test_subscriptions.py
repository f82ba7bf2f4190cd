"""Subscriptions over a real port and a real database: who gets what, once, in order, and for how long."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import httpx
import psycopg
import pytest
from graphql import GraphQLObjectType
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from graphql_api import hub
from graphql_api.relay import encode_id
from graphql_api.schema import schema
from merchantry.domain.event import EventKind
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import merchant as merchants
from merchantry.services import outbox, staff
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_product, a_shop, an_act, some_merchants
from tests.graphql_api.a_schema import served
from tests.graphql_api.documents import a_line, buy
from tests.graphql_api.mall import Mall, open_mall

PROTOCOL = Subprotocol("graphql-transport-ws")
EVENTS = "subscription($after: String) { merchantEvents(after: $after) { cursor id kind facts } }"
STOCK = 'subscription($after: String) { merchantEvents(kinds: ["stock.adjusted"], after: $after) { cursor facts } }'
WAIT_SECONDS = 20


@dataclass
class Scene:
    """A mall behind a port, with two merchants."""

    mall: Mall
    address: str
    kites: Merchant
    books: Merchant

    @asynccontextmanager
    async def socket(
        self, who: str | None, merchant: str | None = None, seconds: int = 3600
    ) -> AsyncIterator[ClientConnection]:
        """Somebody's connection, with a token of so many seconds."""
        payload = {"merchant": merchant} if merchant else {}
        if who:
            payload["authorization"] = f"Bearer {self.mall.issuer.issue(who, f'{who}@example.test', seconds)}"
        async with connect(f"ws://{self.address}/graphql", subprotocols=[PROTOCOL]) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            yield socket

    async def adjust(self, merchant: Merchant, *numbers: int) -> None:
        """Something happens at the merchant."""
        for number in numbers:
            async with self.mall.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
                facts = {"variant": uuid4(), "on_hand": number}
                await outbox.publish(session, EventKind.STOCK_ADJUSTED, facts, an_act())

    async def listening(self, number: int) -> None:
        """Until so many subscribers are there; whoever comes has its cursor by then."""
        where = self.mall.app.state.hub  # type: ignore[attr-defined]
        async with asyncio.timeout(WAIT_SECONDS):
            while len(where) != number:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture
async def scene(database: Database, tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_mall(database, tmp_path) as mall:
        kites, books = await some_merchants(database, a_shop("kites"), a_shop("books"))
        await mall.hire("olga", kites, MerchantRole.OWNER)
        await mall.hire("berta", books, MerchantRole.OWNER)
        await mall.hire("vera", kites, MerchantRole.VIEWER)
        await mall.appoint("adam", PlatformRole.ADMIN)
        async with served(cast(Starlette, mall.app)) as address:
            yield Scene(mall, address, kites, books)


async def subscribe(socket: ClientConnection, query: str, name: str = "1", **variables: Any) -> None:
    payload = {"query": query, "variables": variables}
    await socket.send(json.dumps({"id": name, "type": "subscribe", "payload": payload}))


async def hear(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(WAIT_SECONDS):
        message: dict[str, Any] = json.loads(await socket.recv())
    return message


async def told(socket: ClientConnection, count: int = 1) -> list[dict[str, Any]]:
    """What the next results hold, under whatever field."""
    found = []
    for _ in range(count):
        message = await hear(socket)
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        found += message["payload"]["data"].values()
    return found


async def closed_with(socket: ClientConnection) -> tuple[int, str]:
    async with asyncio.timeout(WAIT_SECONDS):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code or 0, socket.close_reason or ""


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return [each["facts"]["on_hand"] for each in events]


async def test_events_come_as_they_happen_and_a_cursor_goes_on_behind_them(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as socket:
        await subscribe(socket, STOCK)
        await scene.listening(1)
        await scene.adjust(scene.kites, 1, 2, 3)
        first = await told(socket, 3)
        assert numbers(first) == [1, 2, 3]
    await scene.listening(0)
    await scene.adjust(scene.kites, 4)
    async with scene.socket("olga", "kites") as socket:
        await subscribe(socket, STOCK, after=first[1]["cursor"])
        assert numbers(await told(socket, 2)) == [3, 4]
        await scene.adjust(scene.kites, 5)
        assert numbers(await told(socket)) == [5]


async def test_other_merchants_events_are_nobody_elses(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as olga, scene.socket("berta", "books") as berta:
        for socket in (olga, berta):
            await subscribe(socket, STOCK)
        await scene.listening(2)
        await scene.adjust(scene.books, 7)
        await scene.adjust(scene.kites, 8)
        mine, theirs = await told(olga), await told(berta)
    assert (numbers(mine), numbers(theirs)) == ([8], [7])
    async with scene.socket("berta", "books") as berta:
        await subscribe(berta, STOCK, after=mine[0]["cursor"])
        await scene.listening(1)
        await scene.adjust(scene.books, 9)
        assert numbers(await told(berta)) == [9]


REFUSED_TO_VIEWERS = {"splitRecorded", "payoutChanged", "platformEvents", "orderChanged"}
"""The last because the order is nobody's."""


async def test_every_subscription_is_refused_to_whoever_it_is_not_for(scene: Scene) -> None:
    fields = cast(GraphQLObjectType, schema.graphql_schema.subscription_type).fields
    given = {name: f'(id: "{encode_id("Order", scene.books.id, uuid4())}")' for name in ("orderChanged",)}
    asked = {name: f"subscription {{ {name}{given.get(name, '')} {{ kind }} }}" for name in fields}
    asked["notificationCount"] = "subscription { notificationCount }"
    own = {"myOrders", "notificationCount"}
    allowed = {None: set[str](), "berta": own, "vera": set(fields) - REFUSED_TO_VIEWERS}
    for who, free in allowed.items():
        async with scene.socket(who, "kites" if who == "vera" else None) as socket:
            for name in sorted(set(asked) - free):
                await subscribe(socket, asked[name], name)
                assert await refused(socket), (who, name)
            for name in sorted(free):
                await subscribe(socket, asked[name], name)
            await scene.listening(len(free - {"notificationCount"}))
        await scene.listening(0)


async def test_staff_of_another_merchant_are_not_let_in(scene: Scene) -> None:
    token = f"Bearer {scene.mall.token('berta')}"
    async with connect(f"ws://{scene.address}/graphql", subprotocols=[PROTOCOL]) as socket:
        payload = {"authorization": token, "merchant": "kites"}
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert await closed_with(socket) == (4403, "Forbidden")
    async with httpx.AsyncClient(base_url=f"http://{scene.address}") as client:
        headers = {"authorization": token, "x-merchant": "kites", "accept": "text/event-stream"}
        assert (await client.post("/graphql", json={"query": STOCK}, headers=headers)).status_code == 403


async def test_what_is_rolled_back_never_shows(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as socket:
        await subscribe(socket, STOCK)
        await scene.listening(1)
        with suppress(RuntimeError):
            async with scene.mall.database.write("test") as tx, tx.as_merchant(scene.kites.id) as session:
                facts = {"variant": uuid4(), "on_hand": 1}
                await outbox.publish(session, EventKind.STOCK_ADJUSTED, facts, an_act())
                raise RuntimeError
        await scene.adjust(scene.kites, 2)
        assert numbers(await told(socket)) == [2]


async def test_buyers_follow_their_orders_and_nobody_elses(scene: Scene) -> None:
    product = await a_product(scene.mall.database, scene.kites, prices={"BRL": 10_000})
    query = "subscription { myOrders { kind facts order { id status } } }"
    async with scene.socket("bea") as bea, scene.socket("carl") as carl:
        await subscribe(bea, query)
        await subscribe(carl, query)
        await scene.listening(2)
        order_id = await bought(scene, "bea", product)
        placed, paid = await told(bea, 2)
        assert (placed["kind"], placed["order"]["id"]) == ("order.created", order_id)
        assert (paid["kind"], paid["order"]) == ("order.paid", {"id": order_id, "status": "TO_SHIP"})
        assert paid["facts"]["order"] == order_id
        other = await bought(scene, "carl", product)
        assert (await told(carl))[0]["order"]["id"] == other
        one = "subscription($id: ID!) { orderChanged(id: $id) { kind } }"
        await subscribe(carl, one, "2", id=order_id)
        missing = await refused(carl)
        await subscribe(carl, one, "3", id=encode_id("Order", scene.kites.id, uuid4()))
        assert missing == await refused(carl)


async def refused(socket: ClientConnection) -> Any:
    """The errors of a subscription that is none, past whatever else is told."""
    while True:
        message = await hear(socket)
        errors = message["payload"] if message["type"] == "error" else message["payload"].get("errors")
        if errors:
            return [(each["message"], each["extensions"]["code"]) for each in errors]


async def bought(scene: Scene, who: str, product: Any) -> str:
    found = await buy(scene.mall, who, a_line(scene.kites, product))
    return str(found["orders"][0]["id"])


async def test_staff_see_what_their_role_may(scene: Scene) -> None:
    product = await a_product(scene.mall.database, scene.kites, prices={"BRL": 10_000})
    async with scene.socket("olga", "kites") as olga, scene.socket("vera", "kites") as vera:
        await subscribe(olga, "subscription { splitRecorded { kind split { merchantShare { amount } } } }")
        await subscribe(vera, "subscription { merchantEvents { kind } }")
        await scene.listening(2)
        await subscribe(vera, "subscription { splitRecorded { kind } }", "2")
        assert [code for _, code in await refused(vera)] == ["NOT_PERMITTED"]
        await bought(scene, "bea", product)
        [split] = await told(olga)
        assert (split["kind"], bool(split["split"]["merchantShare"]["amount"])) == ("split.recorded", True)
        seen = []
        while "order.paid" not in seen:
            message = await hear(vera)
            seen += [message["payload"]["data"]["merchantEvents"]["kind"]] if message["type"] == "next" else []
    assert set(seen) - {"product.created", "product.published"} == {"order.created", "order.paid"}


async def test_the_platform_follows_all_merchants_and_buyers_follow_none(scene: Scene) -> None:
    query = 'subscription { platformEvents(kinds: ["stock.adjusted"]) { facts merchant } }'
    async with scene.socket("adam") as adam, scene.socket("bea") as bea:
        await subscribe(adam, query)
        await subscribe(bea, query)
        assert [code for _, code in await refused(bea)] == ["NOT_PERMITTED"]
        await scene.listening(1)
        await scene.adjust(scene.kites, 1)
        await scene.adjust(scene.books, 2)
        found = await told(adam, 2)
    assert numbers(found) == [1, 2]
    assert [each["merchant"] for each in found] == [
        encode_id("MerchantRecord", each.id) for each in (scene.kites, scene.books)
    ]


async def test_removed_staff_are_closed_out_at_once_and_their_colleagues_are_not(scene: Scene) -> None:
    async with scene.socket("vera", "kites") as vera, scene.socket("olga", "kites") as olga:
        await subscribe(vera, STOCK)
        await subscribe(olga, STOCK)
        await scene.listening(2)
        account = await scene.mall.account("vera")
        async with scene.mall.database.write("test") as tx, tx.as_platform() as session:
            await staff.revoke_role(session, account, scene.kites.id, MerchantRole.VIEWER, an_act())
        assert await closed_with(vera) == (4403, "Forbidden")
        await scene.listening(1)
        await scene.adjust(scene.kites, 1)
        assert numbers(await told(olga)) == [1]


async def test_a_suspended_merchants_people_are_closed_out(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as olga:
        await subscribe(olga, STOCK)
        await scene.listening(1)
        async with scene.mall.database.write("test") as tx, tx.as_platform() as session:
            await merchants.set_status(session, "kites", "suspended", an_act("platform:adam"))
        assert await closed_with(olga) == (4403, "Forbidden")
    await scene.listening(0)


async def test_a_socket_ends_with_its_token(scene: Scene) -> None:
    async with scene.socket("olga", "kites", seconds=2) as olga:
        await subscribe(olga, STOCK)
        assert await closed_with(olga) == (4403, "Token expired")
    await scene.listening(0)


async def test_who_subscribes_again_and_completes_leaves_nothing_behind(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as olga:
        for _ in range(3):
            await subscribe(olga, STOCK)
            await scene.listening(1)
            await olga.send(json.dumps({"id": "1", "type": "complete"}))
            await scene.listening(0)


async def test_a_slow_consumer_holds_a_bounded_queue_and_gets_everything(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_QUEUED", 5)
    monkeypatch.setattr(hub, "PAGE", 7)
    where = scene.mall.app.state.hub  # type: ignore[attr-defined]
    async with scene.socket("olga", "kites") as olga:
        await subscribe(olga, STOCK)
        await scene.listening(1)
        async with scene.mall.database.write("test") as tx, tx.as_merchant(scene.kites.id) as session:
            for number in range(100):
                facts = {"variant": uuid4(), "on_hand": number}
                await outbox.publish(session, EventKind.STOCK_ADJUSTED, facts, an_act())
        found = await told(olga, 100)
        assert all(len(place.queue) <= 5 for places in where._places.values() for place in places)
    assert sorted(numbers(found)) == list(range(100))


async def test_a_thousand_idle_subscribers_hold_no_connection(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as one:
        await subscribe(one, STOCK)
        await scene.listening(1)
        before = await connections(scene)
    async with asyncio.timeout(120):
        sockets = [await opened(scene) for _ in range(10)]
        for socket in sockets:
            for name in range(100):
                await subscribe(socket, STOCK, str(name))
        await scene.listening(1_000)
        assert await connections(scene) <= before + 1
        await scene.adjust(scene.kites, 5)
        for socket in sockets:
            assert numbers(await told(socket, 100)) == [5] * 100
        for socket in sockets:
            await socket.close()
    await scene.listening(0)


async def opened(scene: Scene) -> ClientConnection:
    socket = await connect(f"ws://{scene.address}/graphql", subprotocols=[PROTOCOL])
    name = await scene.mall.hire(f"owner-{uuid4().hex[:8]}", scene.kites, MerchantRole.OWNER)
    payload = {"merchant": "kites", "authorization": f"Bearer {scene.mall.token(name)}"}
    await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    return socket


async def connections(scene: Scene) -> int:
    """Of the server: those that hold a transaction, and the one that listens."""
    async with await psycopg.AsyncConnection.connect(scene.mall.database.logins.owner) as connection:
        cursor = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND (xact_start IS NOT NULL OR query LIKE '%pg_notify%')"
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_cursor_of_another_list_and_an_unknown_kind_are_refused(scene: Scene) -> None:
    async with scene.socket("olga", "kites") as olga:
        for given in ('after: "nonsense"', 'kinds: ["order.eaten"]'):
            await subscribe(olga, f"subscription {{ merchantEvents({given}) {{ id }} }}", given)
            assert [code for _, code in await refused(olga)] == ["INVALID_INPUT"]


async def test_a_stream_of_events_resumes_and_ends_with_its_right(scene: Scene) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=f"http://{scene.address}", timeout=30) as client:
        async with stream(scene, client, {"after": None}) as lines:
            await scene.listening(1)
            await scene.adjust(scene.kites, 3)
            first = await next_event(lines)
            assert numbers([first]) == [3]
        await scene.adjust(scene.kites, 4)
        async with stream(scene, client, {"after": first["cursor"]}) as lines:
            assert numbers([await next_event(lines)]) == [4]
            async with scene.mall.database.write("test") as tx, tx.as_platform() as session:
                await merchants.set_status(session, "kites", "suspended", an_act("platform:adam"))
            rest = [line async for line in lines if line and not line.startswith(":")]
    assert json.loads(rest[1].removeprefix("data: "))["errors"][0]["message"] == "Forbidden"
    assert rest[2] == "event: complete"


@asynccontextmanager
async def stream(
    scene: Scene, client: httpx.AsyncClient, variables: dict[str, Any]
) -> AsyncIterator[AsyncIterator[str]]:
    headers = {
        "authorization": f"Bearer {scene.mall.token('olga')}",
        "x-merchant": "kites",
        "accept": "text/event-stream",
    }
    body = {"query": STOCK, "variables": variables}
    async with client.stream("POST", "/graphql", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        yield answer.aiter_lines()


async def next_event(lines: AsyncIterator[str]) -> dict[str, Any]:
    async for line in lines:
        if line.startswith("data: {"):
            found: dict[str, Any] = json.loads(line.removeprefix("data: "))["data"]["merchantEvents"]
            return found
    raise AssertionError("the stream ended")
