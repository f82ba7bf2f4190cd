"""A page of orders and of refunds across all merchants: by the platform's index, and by asking every schema."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

import psycopg

from benchmarks.installation import Installation, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, show
from merchantry.domain.order import OrderStatus
from merchantry.domain.order_search import OrderFilter, OrderSort, RefundFilter
from merchantry.services import order_search
from tenancy.across import read_across
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.schemas import MARK, schema_of

SIZES, QUICK_SIZES = (10, 100, 1_000), (10, 100)
ORDERS = 200
PAGE = 20
ORDER_ROWS = f"""
INSERT INTO __merchant__.orders (id, number, checkout_id, status, currency, goods_minor, shipping_minor,
    shipping_option, legal_name, placed_at, events, external_ref)
SELECT gen_random_uuid(), %(number)s || '-' || n, gen_random_uuid(),
    CASE n %% 10 WHEN 0 THEN 'completed' ELSE 'awaiting_payment' END, 'BRL', 1000 + n, 500, 'standard', 'Shop',
    timestamptz '2026-01-01 00:00:00+00' + n * interval '97 minutes' + %(number)s::int * interval '1 second', 1,
    'ERP-' || %(number)s || '-' || n
FROM generate_series(1, {ORDERS}) AS n;
"""  # noqa: S608 (constants only)
INDEX_ROWS = """
INSERT INTO platform.buyer_order (merchant_id, order_id, buyer_id, checkout_id, number, merchant_name, status, currency,
    total_minor, placed_at)
SELECT %(merchant)s, id, gen_random_uuid(), checkout_id, number, 'Shop', status, currency,
    goods_minor + shipping_minor, placed_at
FROM __merchant__.orders
"""
REFUND_ROWS = """
INSERT INTO __merchant__.refund (id, order_id, currency, amount_minor, commission_minor, reason, status, entry_seq,
    occurred_at)
SELECT gen_random_uuid(), id, currency, 100, 0, 'broken', 'sent', 1, placed_at + interval '1 day'
FROM __merchant__.orders WHERE status = 'completed'
"""
COLUMNS = ("page of 20", "merchants", "orders", "cold", "warm", "statements", "connections")

Way = Callable[[Database], Awaitable[int]]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        merchants: list[Merchant] = []
        rows: list[tuple[str, ...]] = []
        for size in options.sizes(SIZES, QUICK_SIZES):
            more = provisioned(installation.logins, range(len(merchants) + 1, size + 1))
            _fill(installation.logins.owner, more, len(merchants) + 1)
            merchants += more
            rows += asyncio.run(_measure(installation, merchants, options))
        show(
            f"Search across merchants, {ORDERS} orders and {ORDERS // 10} refunds each",
            facts(installation.logins.owner, options),
            COLUMNS,
            sorted(rows, key=lambda row: list(WAYS).index(row[0])),
            "Statements sent, transactions' beginnings and settings among them. Cold: on new connections, connecting"
            " included. The last row asks every schema for what the first finds by the index; both answers are alike.",
        )


def _fill(owner_url: str, merchants: list[Merchant], number: int) -> None:
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for at, merchant in enumerate(merchants, start=number):
            schema = schema_of(merchant.id)
            connection.execute(ORDER_ROWS.replace(MARK, schema).encode(), {"number": str(at)})
            connection.execute(INDEX_ROWS.replace(MARK, schema).encode(), {"merchant": merchant.id})
            connection.execute(REFUND_ROWS.replace(MARK, schema).encode())
            connection.execute(f"ANALYZE {schema}.orders, {schema}.refund".encode())
        connection.execute("VACUUM ANALYZE platform.buyer_order")


async def _found(database: Database, wanted: OrderFilter, sort: OrderSort = OrderSort.PLACED_AT) -> int:
    return len(await order_search.find_orders(database, "bench", wanted, sort, limit=PAGE + 1, after=None))


async def _refunds(database: Database) -> int:
    return len(await order_search.find_refunds(database, "bench", RefundFilter(), limit=PAGE + 1, after=None))


async def _across(database: Database, merchants: list[Merchant]) -> list[Any]:
    asked = order_search.across(OrderFilter(), OrderSort.PLACED_AT, limit=PAGE + 1, after=None)
    merged = await read_across(database, asked, [each.id for each in merchants])
    return [row["id"] for row in merged.rows]


NEWEST = "newest, by the index"
EVERY_SCHEMA = "newest, every schema asked"
WAYS: dict[str, Way | None] = {
    NEWEST: lambda database: _found(database, OrderFilter()),
    "newest completed, by the index": lambda database: _found(database, OrderFilter(statuses=(OrderStatus.COMPLETED,))),
    "one external reference": lambda database: _found(database, OrderFilter(external_ref="ERP-3-7")),
    "with an open refund": lambda database: _found(database, OrderFilter(has_open_refund=True)),
    "greatest total": lambda database: _found(database, OrderFilter(currency="BRL"), OrderSort.TOTAL),
    "newest refunds": _refunds,
    EVERY_SCHEMA: None,
}


async def _measure(installation: Installation, merchants: list[Merchant], options: Options) -> list[tuple[str, ...]]:
    database = Database(installation.logins)
    rows: list[tuple[str, ...]] = []
    try:
        page = await order_search.find_orders(
            database, "bench", OrderFilter(), OrderSort.PLACED_AT, limit=PAGE + 1, after=None
        )
        if [each.order.id for each in page] != await _across(database, merchants):
            raise RuntimeError("the index and the schemas answer differently")
        for name, way in WAYS.items():
            work = way or (lambda each: _counted(_across(each, merchants)))
            cold, warm = [], []
            for _ in range(3 if options.quick else 7):
                await database.close()  # its pools open anew
                cold.append(await _seconds(work, database))
                warm += [await _seconds(work, database) for _ in range(3)]
            with _sent() as sent:
                await work(database)
            count = f"{len(merchants):,}", f"{len(merchants) * ORDERS:,}"
            rows.append((name, *count, ms(median(cold)), ms(median(warm)), str(len(sent)), str(len(set(sent)))))
    finally:
        await database.close()
    return rows


async def _counted(found: Awaitable[list[Any]]) -> int:
    return len(await found)


async def _seconds(work: Way, database: Database) -> float:
    started = time.perf_counter()
    await work(database)
    return time.perf_counter() - started


@contextmanager
def _sent() -> Iterator[list[int]]:
    """For each statement that is sent meanwhile, its connection."""
    sent: list[int] = []
    execute = psycopg.AsyncCursor.execute

    async def counting(self: Any, *given: Any, **named: Any) -> Any:
        sent.append(id(self.connection))
        return await execute(self, *given, **named)

    psycopg.AsyncCursor.execute = counting  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        psycopg.AsyncCursor.execute = execute  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
