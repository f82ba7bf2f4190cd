"""gql by HTTP and WebSocket, checking documents against the schema that it asks the server for."""

import asyncio
import os

from gql import Client, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXTransport
from gql.transport.websockets import WebsocketsTransport

URL = os.environ["MALL_URL"]
HEADERS = {"Authorization": f"Bearer {os.environ['MALL_TOKEN']}", "X-Merchant": os.environ["MALL_MERCHANT"]}
ORDERS = "query Orders($first: Int!) { merchant { orders(first: $first) { nodes { id total { amount } } } } }"
ADJUST = "mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) { __typename ... on Problem { code } } }"


def check(name: str, holds: bool) -> None:
    """Say that it holds, or end."""
    if not holds:
        raise SystemExit(f"  failed  {name}")
    print(f"  ok  {name}")


async def over_aiohttp() -> None:
    transport = AIOHTTPTransport(url=URL, headers=HEADERS)
    async with Client(transport=transport, fetch_schema_from_transport=True) as session:
        asked = await session.execute(gql(ORDERS), variable_values={"first": 2})
        check("a query, checked against the schema asked for", len(asked["merchant"]["orders"]["nodes"]) == 2)
        given = {"variantId": "unknown", "change": 1, "idempotencyKey": "conformance"}
        refused = await session.execute(gql(ADJUST), variable_values={"i": given})
        check("a mutation answers a problem", refused["stockAdjust"]["code"] == "NOT_FOUND")
    async with Client(transport=AIOHTTPTransport(url=URL, headers=HEADERS)) as session:
        try:
            await session.execute(gql("{ merchnt { id } }"))
            check("a mistake is told", False)
        except TransportQueryError as error:
            check("a mistake is told", "merchnt" in str(error))


def over_httpx() -> None:
    with Client(transport=HTTPXTransport(url=URL, headers=HEADERS)) as session:
        asked = session.execute(gql(ORDERS), variable_values={"first": 3})
        check("a query by httpx", len(asked["merchant"]["orders"]["nodes"]) == 3)


async def over_websockets() -> None:
    payload = {"authorization": HEADERS["Authorization"], "merchant": HEADERS["X-Merchant"]}
    transport = WebsocketsTransport(
        url=URL.replace("http", "ws", 1), init_payload=payload, subprotocols=["graphql-transport-ws"]
    )
    async with Client(transport=transport) as session:
        asked = await session.execute(gql(ORDERS), variable_values={"first": 1})
        check("a query over a WebSocket", len(asked["merchant"]["orders"]["nodes"]) == 1)


asyncio.run(over_aiohttp())
over_httpx()
asyncio.run(over_websockets())
