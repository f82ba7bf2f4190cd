"""A merchant's page of 50 orders with five lines each, through the whole application, beside the barest server."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import orjson
import psycopg

from benchmarks.installation import installed, provisioned
from benchmarks.load import Client, rate
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.people import Person, hired
from benchmarks.serving import serving
from merchantry.domain.permission import MerchantRole
from tenancy.principals import Merchant
from tenancy.schemas import MARK, schema_of

CLIENTS = (1, 8)
ADDRESS = "shipTo { name street city postalCode country }"
SELECTED = """
id number status placedAt total { amount currency } lines { title quantity unitPrice { amount currency } }
"""
PAGE = "query OrdersPage { merchant { orders(first: 50) { nodes { %s } } } }"
"""For what is selected of an order. Whoever opens an address is written down before it is answered."""
ORDERS = """
INSERT INTO __merchant__.orders (id, number, checkout_id, status, currency, goods_minor, shipping_minor,
    shipping_option, legal_name, ship_to, placed_at, events)
SELECT gen_random_uuid(), '100001-' || lpad(n::text, 6, '0'), gen_random_uuid(), 'awaiting_payment', 'BRL',
    5 * (1000 + n) * 2, 1000, 'standard', 'Shop 1 Ltda',
    jsonb_build_object('name', 'Buyer ' || n, 'street', 'Rua A ' || n, 'city', 'Recife', 'postal_code', '50000-000',
                       'country', 'BR', 'phone', NULL),
    timestamptz '2026-01-01 00:00:00+00' + n * interval '97 seconds', 1
FROM generate_series(1, {orders}) AS n
"""
LINES = """
INSERT INTO __merchant__.order_line (id, order_id, position, product_id, variant_id, sku, title, category,
    unit_price_minor, quantity, goods_minor, shipping_minor, shipped, delivered)
SELECT gen_random_uuid(), id, position, gen_random_uuid(), gen_random_uuid(), 'SKU-' || position,
    'Product ' || position || ', one size', 'toys', goods_minor / 10, 2, goods_minor / 5, 200, 0, 0
FROM __merchant__.orders, generate_series(0, 4) AS position
"""


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        (merchant,) = provisioned(installation.logins, [1])
        count = 500 if options.quick else 5_000
        fill(installation.logins.owner, merchant, count)
        owner = asyncio.run(hired(installation, "owner", merchant, MerchantRole.OWNER))
        with serving(installation, "mall", profile=options.profile) as mall, serving(installation, "bare_page") as bare:
            rows, fields = asyncio.run(_measure(mall, bare, owner, merchant, options))
        show(
            f"Orders page: 50 orders × 5 lines, {fields:,} fields, of a merchant with {count:,} orders (requests/s)",
            facts(installation.logins.owner, options),
            ("clients", "GraphQL", "2 statements by psycopg, bare route", "GraphQL / bare"),
            rows,
            "Both over HTTP on a Unix socket from uvicorn (one process, no uvloop). The same answer, compared first.",
        )


def fill(owner_url: str, merchant: Merchant, orders: int) -> None:
    """Give a merchant so many orders, of five lines each."""
    schema = schema_of(merchant.id)
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(ORDERS.replace(MARK, schema).format(orders=orders).encode())
        connection.execute(LINES.replace(MARK, schema).encode())
        connection.execute(f"VACUUM ANALYZE {schema}.orders, {schema}.order_line".encode())


async def _measure(
    mall: Path, bare: Path, owner: Person, merchant: Merchant, options: Options
) -> tuple[list[tuple[str, str, str, str]], int]:
    question = orjson.dumps({"query": PAGE % (SELECTED + ADDRESS)})
    path = f"/orders/{schema_of(merchant.id)}"
    runs, length = (3, 1.0) if options.quick else (7, 3.0)
    async with AsyncExitStack() as stack:
        signed_in = {"authorization": f"Bearer {owner.token}", "x-merchant": merchant.slug}
        malls = [await stack.enter_async_context(Client(mall, signed_in)) for _ in range(max(CLIENTS))]
        bares = [await stack.enter_async_context(Client(bare)) for _ in range(max(CLIENTS))]

        async def ask_mall(client: int) -> bytes:
            return await malls[client].post("/graphql", question)

        async def ask_bare(client: int) -> bytes:
            return await bares[client].post(path, b"")

        fields = await _compared(ask_mall, ask_bare)
        rows = []
        for clients in CLIENTS:
            found: dict[str, list[float]] = {"mall": [], "bare": []}
            for _ in range(runs):
                found["mall"].append(await rate(ask_mall, clients, length))
                found["bare"].append(await rate(ask_bare, clients, length))
            ours, theirs = median(found["mall"]), median(found["bare"])
            rows.append((str(clients), f"{ours:,.1f}", f"{theirs:,.1f}", times(ours, theirs)))
    return rows, fields


async def _compared(ask_mall: Callable[[int], Awaitable[bytes]], ask_bare: Callable[[int], Awaitable[bytes]]) -> int:
    """How many fields both answer. Raises RuntimeError where they differ."""
    ours, theirs = orjson.loads(await ask_mall(0)), orjson.loads(await ask_bare(0))
    if ours != theirs or len(ours["data"]["merchant"]["orders"]["nodes"]) != 50:
        raise RuntimeError(f"the two servers answer differently:\n{str(ours)[:600]}\n{str(theirs)[:600]}")
    return _fields(ours["data"])


def _fields(value: object) -> int:
    if isinstance(value, list):
        return sum(map(_fields, value))
    return len(value) + sum(map(_fields, value.values())) if isinstance(value, dict) else 0


if __name__ == "__main__":
    main()
