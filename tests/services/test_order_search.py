"""Orders and refunds of all merchants: every way of finding them finds the same rows, in one order, page by page."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import insert

from merchantry.domain.errors import InvalidInput, UnknownCurrency
from merchantry.domain.order import OrderStatus
from merchantry.domain.order_search import Amounts, Moments, OrderFilter, OrderSort, RefundFilter
from merchantry.services import order_search
from merchantry.tables.merchant import order_line, orders, refund
from merchantry.tables.platform import buyer_order
from tenancy.across import read_across
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_buyer, a_shop, some_merchants

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Street:
    """Some merchants and the orders that they have, as they were made up."""

    database: Database
    merchants: list[Merchant]
    orders: list[dict[str, Any]]
    refunds: list[dict[str, Any]]
    buyers: list[UUID]

    async def find(self, wanted: OrderFilter, sort: OrderSort = OrderSort.PLACED_AT, limit: int = 100) -> list[UUID]:
        """All ids, page by page."""
        found: list[UUID] = []
        after = None
        while True:
            page = await order_search.find_orders(self.database, "test", wanted, sort, limit=limit, after=after)
            found += [each.order.id for each in page]
            if len(page) < limit:
                return found
            after = page[-1].key(sort)

    def expected(self, fits: Callable[[dict[str, Any]], bool], sort: OrderSort = OrderSort.PLACED_AT) -> list[UUID]:
        """The same, reckoned in memory."""
        name = "placed_at" if sort is OrderSort.PLACED_AT else "total_minor"
        rows = sorted((row for row in self.orders if fits(row)), key=lambda row: (row[name], row["id"]), reverse=True)
        return [row["id"] for row in rows]


async def a_street(database: Database, shops: int = 3, count: int = 40) -> Street:
    chance = random.Random(7)
    merchants = await some_merchants(database, *(a_shop(f"shop-{n}") for n in range(shops)))
    buyers = [await a_buyer(database) for _ in range(2)]
    made = [_an_order(chance, number, chance.choice(merchants), chance.choice(buyers)) for number in range(count)]
    refunds = [_a_refund(chance, row) for row in made if row["refunded_minor"]]
    for merchant in merchants:
        own = [row for row in made if row["merchant_id"] == merchant.id]
        async with database.write("test") as tx:
            async with tx.as_merchant(merchant.id) as session:
                await session.execute(insert(orders), [_columns(orders, row) for row in own])
                await session.execute(insert(order_line), [_a_line(row) for row in own])
                await session.execute(
                    insert(refund), [_columns(refund, row) for row in refunds if row["merchant_id"] == merchant.id]
                )
            async with tx.as_platform() as platform:
                await platform.execute(insert(buyer_order), [_columns(buyer_order, row) for row in own])
    return Street(database, merchants, made, refunds, buyers)


def _columns(table: Any, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in table.c}


def _an_order(chance: random.Random, number: int, merchant: Merchant, buyer: UUID) -> dict[str, Any]:
    goods, order_id = chance.randint(1, 9) * 1000, uuid4()
    return {
        "merchant_id": merchant.id,
        "buyer_id": buyer,
        "merchant_name": merchant.slug,
        "id": order_id,
        "order_id": order_id,
        "number": f"{merchant.id.hex[:6]}-{number}",
        "checkout_id": uuid4(),
        "status": chance.choice(["to_ship", "completed", "awaiting_payment"]),
        "currency": chance.choice(["BRL", "EUR"]),
        "goods_minor": goods,
        "shipping_minor": 100,
        "discount_merchant_minor": 50,
        "discount_platform_minor": 50,
        "refunded_minor": chance.choice([0, 500]),
        "total_minor": goods,
        "category": chance.choice(["toys", "books"]),
        "shipping_option": "standard",
        "legal_name": "Shop",
        "placed_at": NOON + chance.randint(0, 12) * HOUR,
        "external_ref": f"ERP-{number}" if number % 2 else None,
        "events": 1,
    }


def _a_line(row: dict[str, Any]) -> dict[str, Any]:
    names = ("sku", "title")
    amounts = {"unit_price_minor": row["goods_minor"], "goods_minor": row["goods_minor"], "shipping_minor": 100}
    ids = {name: uuid4() for name in ("id", "product_id", "variant_id")}
    counts = {"position": 0, "quantity": 1, "shipped": 0, "delivered": 0}
    return {**ids, **counts, **amounts, **dict.fromkeys(names, "X"), "order_id": row["id"], "category": row["category"]}


def _a_refund(chance: random.Random, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "merchant_id": row["merchant_id"],
        "id": uuid4(),
        "order_id": row["id"],
        "kind": chance.choice(["refund", "return"]),
        "currency": row["currency"],
        "amount_minor": row["refunded_minor"],
        "commission_minor": 0,
        "reason": "broken",
        "status": chance.choice(["sent", "pending"]),
        "entry_seq": 1,
        "occurred_at": row["placed_at"] + HOUR,
    }


async def test_every_filter_finds_what_fits_in_order_and_page_by_page(database: Database) -> None:
    street = await a_street(database)
    first, buyer = street.merchants[0], street.buyers[0]
    early = Moments(NOON + 2 * HOUR, NOON + 8 * HOUR)
    open_refunds = {row["order_id"] for row in street.refunds if row["status"] == "pending"}
    for limit in (100, 3):
        for wanted, fits in (
            (OrderFilter(), lambda row: True),
            (OrderFilter(merchants=(first.id,)), lambda row: row["merchant_id"] == first.id),
            (OrderFilter(merchants=()), lambda row: False),
            (OrderFilter(statuses=(OrderStatus.TO_SHIP,)), lambda row: row["status"] == "to_ship"),
            (OrderFilter(placed=early), lambda row: 2 <= (row["placed_at"] - NOON) / HOUR < 8),
            (OrderFilter(currency="EUR"), lambda row: row["currency"] == "EUR"),
            (OrderFilter(buyer_id=buyer), lambda row: row["buyer_id"] == buyer),
            (
                OrderFilter(buyer_id=buyer, category="toys"),
                lambda row: row["buyer_id"] == buyer and row["category"] == "toys",
            ),
            (OrderFilter(external_ref="ERP-7"), lambda row: row["external_ref"] == "ERP-7"),
            (OrderFilter(category="books"), lambda row: row["category"] == "books"),
            (OrderFilter(has_open_refund=True), lambda row: row["id"] in open_refunds),
            (OrderFilter(has_open_refund=False), lambda row: row["id"] not in open_refunds),
            (
                OrderFilter(currency="BRL", total=Amounts(3000, 6000)),
                lambda row: row["currency"] == "BRL" and 3000 <= row["total_minor"] <= 6000,
            ),
        ):
            assert await street.find(wanted, limit=limit) == street.expected(fits), wanted


async def test_totals_of_one_currency_have_an_order(database: Database) -> None:
    street = await a_street(database)
    brl = OrderFilter(currency="BRL")
    expected = street.expected(lambda row: row["currency"] == "BRL", OrderSort.TOTAL)
    assert await street.find(brl, OrderSort.TOTAL, limit=3) == expected
    with pytest.raises(InvalidInput, match="currency"):
        await street.find(OrderFilter(), OrderSort.TOTAL)
    with pytest.raises(UnknownCurrency):
        await street.find(OrderFilter(currency="XXY"))


async def test_the_index_and_the_schemas_answer_alike(database: Database) -> None:
    street = await a_street(database)
    wanted = OrderFilter(statuses=(OrderStatus.COMPLETED,))
    assert wanted.is_indexed
    merchants = [each.id for each in street.merchants]
    asked = order_search.across(wanted, OrderSort.PLACED_AT, limit=100, after=None)
    merged = await read_across(database, asked, merchants)
    assert [row["id"] for row in merged.rows] == await street.find(wanted)


async def test_what_a_restored_schema_lacks_is_left_out_and_pages_stay_full(database: Database) -> None:
    street = await a_street(database, shops=1, count=10)
    lost = {**_an_order(random.Random(1), 99, street.merchants[0], street.buyers[0]), "placed_at": NOON + 30 * HOUR}
    async with database.write("test") as tx, tx.as_platform() as platform:
        await platform.execute(insert(buyer_order).values(_columns(buyer_order, lost)))
    expected = street.expected(lambda row: True)
    page = await order_search.find_orders(
        database, "test", OrderFilter(), OrderSort.PLACED_AT, limit=4, after=None, with_lines=True
    )
    assert [each.order.id for each in page] == expected[:4]
    assert all(len(each.order.lines) == 1 for each in page)


async def test_refunds_are_found_as_orders_are(database: Database) -> None:
    street = await a_street(database)
    merchants = (street.merchants[1].id,)
    for wanted, fits in (
        (RefundFilter(), lambda row: True),
        (RefundFilter(statuses=("pending",)), lambda row: row["status"] == "pending"),
        (RefundFilter(kinds=("return",)), lambda row: row["kind"] == "return"),
        (RefundFilter(merchants=merchants), lambda row: row["merchant_id"] == merchants[0]),
        (RefundFilter(occurred=Moments(NOON + 6 * HOUR)), lambda row: row["occurred_at"] >= NOON + 6 * HOUR),
    ):
        rows = sorted((row for row in street.refunds if fits(row)), key=lambda row: (row["occurred_at"], row["id"]))
        found: list[UUID] = []
        after = None
        while page := await order_search.find_refunds(database, "test", wanted, limit=3, after=after):
            found += [each.refund.id for each in page]
            after = page[-1].key
        assert found == [row["id"] for row in reversed(rows)], wanted
