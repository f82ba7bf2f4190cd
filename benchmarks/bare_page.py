"""The orders page as plain as it can be: two statements by psycopg, dictionaries, JSON by orjson, one bare route.

It signs nobody in, checks no right, limits no document, logs nothing, and reads as the tables' owner.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

CONNECTIONS = 8
ORDERS = (
    "SELECT id, number, status, placed_at, currency, goods_minor + shipping_minor, ship_to FROM {schema}.orders"
    " ORDER BY placed_at DESC, id DESC LIMIT 50"
)
LINES = (
    "SELECT order_id, title, quantity, unit_price_minor FROM {schema}.order_line WHERE order_id = ANY(%s)"
    " ORDER BY order_id, position"
)


def build(owner_url: str) -> Starlette:
    """The application; ``POST /orders/m_…`` answers what the mall's GraphQL answers to the same question."""
    pool: asyncio.Queue[AsyncConnection[TupleRow]] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        connections = [await AsyncConnection.connect(owner_url, autocommit=True) for _ in range(CONNECTIONS)]
        for connection in connections:
            pool.put_nowait(connection)
        yield
        for connection in connections:
            await connection.close()

    async def orders(request: Request) -> Response:
        connection = await pool.get()
        try:
            answer = await _page(connection, request.path_params["schema"])
        finally:
            pool.put_nowait(connection)
        return Response(orjson.dumps(answer), media_type="application/json")

    return Starlette(routes=[Route("/orders/{schema}", orders, methods=["POST"])], lifespan=lifespan)


async def _page(connection: AsyncConnection[TupleRow], schema: str) -> dict[str, Any]:
    page = await (await connection.execute(ORDERS.format(schema=schema).encode())).fetchall()
    found = await connection.execute(LINES.format(schema=schema).encode(), [[row[0] for row in page]])
    currencies = {row[0]: row[4] for row in page}
    lines: dict[UUID, list[dict[str, Any]]] = {order_id: [] for order_id in currencies}
    for order_id, title, quantity, unit_price_minor in await found.fetchall():
        price = _money(unit_price_minor, currencies[order_id])
        lines[order_id].append({"title": title, "quantity": quantity, "unitPrice": price})
    merchant = UUID(schema.removeprefix("m_"))
    return {"data": {"merchant": {"orders": {"nodes": [_node(merchant, row, lines[row[0]]) for row in page]}}}}


def _node(merchant: UUID, row: TupleRow, lines: list[dict[str, Any]]) -> dict[str, Any]:
    order_id, number, status, placed_at, currency, total_minor, to = row
    key = b"Order\0" + merchant.bytes + order_id.bytes
    instant: datetime = placed_at
    return {
        "id": base64.urlsafe_b64encode(key).rstrip(b"=").decode(),
        "number": number,
        "status": status.upper(),
        "placedAt": instant.isoformat(),
        "total": _money(total_minor, currency),
        "shipTo": {
            "name": to["name"],
            "street": to["street"],
            "city": to["city"],
            "postalCode": to["postal_code"],
            "country": to["country"],
        },
        "lines": lines,
    }


def _money(amount_minor: int, currency: str) -> dict[str, str]:
    """Of a currency with two digits and an amount that is not negative, as all amounts of this benchmark are."""
    return {"amount": f"{amount_minor // 100}.{amount_minor % 100:02}", "currency": currency}
