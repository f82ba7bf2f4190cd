"""Pages of orders and single orders as plain as can be: JSON by PostgreSQL, or psycopg and orjson; bare routes.

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
WITH_ADDRESSES = "addresses"
"""The parameter of a request that asks for addresses too."""
ORDER = (
    "SELECT id, number, status, placed_at, currency, goods_minor + shipping_minor, ship_to FROM {schema}.orders"
    " WHERE id = %s"
)
LINES = (
    "SELECT order_id, title, quantity, unit_price_minor FROM {schema}.order_line WHERE order_id = ANY(%s)"
    " ORDER BY order_id, position"
)


PAGE_AS_JSON = """
SELECT json_build_object('data', json_build_object('merchant', json_build_object('orders', json_build_object('nodes',
    json_agg(json_build_object(
        'id', rtrim(translate(encode(%(prefix)s || uuid_send(o.id), 'base64'), E'+/\\n', '-_'), '='),
        'number', o.number, 'status', upper(o.status), 'placedAt', to_char(o.placed_at, {instant}),
        'total', json_build_object('amount', ((o.goods_minor + o.shipping_minor) / 100.0)::numeric(20, 2)::text,
                                   'currency', o.currency),
        {address}
        'lines', lines.found
    ) ORDER BY o.placed_at DESC, o.id DESC)))))::text
FROM (SELECT * FROM {schema}.orders ORDER BY placed_at DESC, id DESC LIMIT 50) AS o,
    LATERAL (
        SELECT json_agg(json_build_object('title', l.title, 'quantity', l.quantity, 'unitPrice', json_build_object(
            'amount', (l.unit_price_minor / 100.0)::numeric(20, 2)::text, 'currency', o.currency)
        ) ORDER BY l.position) AS found
        FROM {schema}.order_line AS l WHERE l.order_id = o.id
    ) AS lines
"""
ADDRESS = """
'shipTo', json_build_object('name', o.ship_to -> 'name', 'street', o.ship_to -> 'street',
    'city', o.ship_to -> 'city', 'postalCode', o.ship_to -> 'postal_code', 'country', o.ship_to -> 'country'),
"""
INSTANT = '\'YYYY-MM-DD"T"HH24:MI:SS"+00:00"\''


def build(owner_url: str) -> Starlette:
    """The application. It answers what the mall's GraphQL answers to the same questions: a page, which PostgreSQL
    writes as JSON, and a single order; with addresses where the query says so."""
    pool: asyncio.Queue[AsyncConnection[TupleRow]] = asyncio.Queue()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        connections = [await AsyncConnection.connect(owner_url, autocommit=True) for _ in range(CONNECTIONS)]
        for connection in connections:
            pool.put_nowait(connection)
        yield
        for connection in connections:
            await connection.close()

    async def orders_as_json(request: Request) -> Response:
        connection, schema = await pool.get(), request.path_params["schema"]
        try:
            address = ADDRESS if WITH_ADDRESSES in request.query_params else ""
            text = PAGE_AS_JSON.format(schema=schema, instant=INSTANT, address=address).encode()
            prefix = b"Order\0" + UUID(schema.removeprefix("m_")).bytes
            row = await (await connection.execute(text, {"prefix": prefix})).fetchone()
        finally:
            pool.put_nowait(connection)
        return Response((row or ("",))[0], media_type="application/json")

    async def order(request: Request) -> Response:
        connection, schema = await pool.get(), request.path_params["schema"]
        try:
            text = ORDER.format(schema=schema).encode()
            page = await (await connection.execute(text, [UUID(request.path_params["id"])])).fetchall()
            nodes = await _nodes(connection, schema, page)
        finally:
            pool.put_nowait(connection)
        if WITH_ADDRESSES not in request.query_params:
            del nodes[0]["shipTo"]
        return Response(orjson.dumps({"data": {"node": nodes[0]}}), media_type="application/json")

    routes = [
        Route("/orders-as-json/{schema}", orders_as_json, methods=["POST"]),
        Route("/order/{schema}/{id}", order, methods=["POST"]),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _nodes(connection: AsyncConnection[TupleRow], schema: str, page: list[TupleRow]) -> list[dict[str, Any]]:
    found = await connection.execute(LINES.format(schema=schema).encode(), [[row[0] for row in page]])
    currencies = {row[0]: row[4] for row in page}
    lines: dict[UUID, list[dict[str, Any]]] = {order_id: [] for order_id in currencies}
    for order_id, title, quantity, unit_price_minor in await found.fetchall():
        price = _money(unit_price_minor, currencies[order_id])
        lines[order_id].append({"title": title, "quantity": quantity, "unitPrice": price})
    merchant = UUID(schema.removeprefix("m_"))
    return [_node(merchant, row, lines[row[0]]) for row in page]


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
