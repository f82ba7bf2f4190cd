"""Stock of many variants at once: a result for each row, few statements, and never less than is reserved."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from merchantry.domain.errors import InvalidInput, MarketError
from merchantry.domain.stock import Stock, StockMode
from merchantry.services import stock, variant
from merchantry.services.bulk import Refused
from merchantry.services.catalogue import Product
from merchantry.services.stock import Counted, StockRow
from merchantry.services.variant import NewVariant
from merchantry.tables import merchant as tables
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.statements import sent_to

SET, ADJUST = StockMode


@given(st.integers(0, 50), st.integers(0, 50), st.sampled_from(StockMode), st.integers(-120, 120))
def test_a_stock_is_what_was_counted_and_never_less_than_is_reserved(
    free: int, reserved: int, mode: StockMode, quantity: int
) -> None:
    held = Stock(UUID(int=1), free + reserved, reserved)
    wanted = quantity if mode is SET else held.on_hand + quantity
    if wanted < reserved:
        with pytest.raises(MarketError):
            held.after(mode, quantity)
    else:
        assert held.after(mode, quantity) == Stock(held.variant_id, wanted, reserved)


async def a_shelf(database: Database, count: int = 3) -> tuple[Merchant, Product]:
    merchant = await a_merchant(database)
    variants = [NewVariant(f"SKU-{n}", "", {"BRL": 100}, 10, f"REF-{n}") for n in range(count)]
    return merchant, await a_product(database, merchant, variants=variants)


async def set_many(database: Database, merchant: Merchant, rows: Sequence[StockRow]) -> list[stock.Outcome]:
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await stock.set_many(session, rows, uuid4(), an_act())


def shown(outcomes: list[stock.Outcome]) -> list[int | str]:
    return [each.stock.on_hand if isinstance(each, Counted) else each.code for each in outcomes]


async def on_hand(database: Database, merchant: Merchant, product: Product) -> list[int]:
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        found = await variant.variants_by_product(session, [product.id])
    return [each.on_hand for each in found[product.id]]


async def test_each_row_has_its_result_and_a_bad_one_hinders_no_other(database: Database) -> None:
    merchant, shelf = await a_shelf(database)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await session.execute(update(tables.variant).where(tables.variant.c.sku == "SKU-1").values(reserved=4))
    rows = [
        StockRow(7, sku="SKU-0"),
        StockRow(-3, ADJUST, external_ref="REF-0"),
        StockRow(3, sku="SKU-1"),
        StockRow(4, sku="SKU-1"),
        StockRow(5, variant_id=shelf.variants[2].id),
        StockRow(5, sku="SKU-9"),
        StockRow(5),
        StockRow(5, sku="SKU-0", external_ref="REF-0"),
        StockRow(2_000_000_000, sku="SKU-0"),
    ]
    outcomes = await set_many(database, merchant, rows)
    problems: list[int | str] = ["NOT_FOUND", "INVALID_INPUT", "INVALID_INPUT", "INVALID_INPUT"]
    assert shown(outcomes) == [7, 4, "STOCK_REFUSED", 4, 5, *problems]
    assert [each.path for each in outcomes if isinstance(each, Refused)][1] == ("sku",)
    assert await on_hand(database, merchant, shelf) == [4, 4, 5]


async def test_a_repetition_answers_the_same_and_changes_nothing(database: Database) -> None:
    merchant, shelf = await a_shelf(database)
    rows, batch = [StockRow(-4, ADJUST, sku="SKU-0"), StockRow(-40, ADJUST, sku="SKU-1")], uuid4()
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        first = await stock.set_many(session, rows, batch, an_act())
        assert await stock.set_before(session, rows, batch) == first
    assert await on_hand(database, merchant, shelf) == [6, 10, 10]


async def test_thousands_of_rows_take_as_many_statements_as_ten(database: Database) -> None:
    merchant, shelf = await a_shelf(database, count=100)
    counts = []
    for number in (10, stock.MAX_ROWS):
        rows = [StockRow(n // 100 + 1, sku=f"SKU-{n % 100}") for n in range(number)]
        with sent_to(database) as sent:
            outcomes = await set_many(database, merchant, rows)
        counts.append(len(sent))
        assert all(isinstance(each, Counted) for each in outcomes)
    assert counts[0] == counts[1] < 9
    assert await on_hand(database, merchant, shelf) == [50] * 100
    with pytest.raises(InvalidInput):
        await set_many(database, merchant, [StockRow(1, sku="SKU-0")] * (stock.MAX_ROWS + 1))


async def test_two_who_count_the_same_shelf_in_other_orders_wait_for_each_other(database: Database) -> None:
    merchant, shelf = await a_shelf(database, count=50)
    rows = [StockRow(1, ADJUST, sku=f"SKU-{n}") for n in range(50)]
    await asyncio.gather(*(set_many(database, merchant, each) for each in (rows, rows[::-1]) * 4))
    assert await on_hand(database, merchant, shelf) == [18] * 50


async def test_nobody_counts_anothers_shelf(database: Database) -> None:
    _, shelf = await a_shelf(database)
    other = await a_merchant(database)
    outcomes = await set_many(database, other, [StockRow(1, variant_id=shelf.variants[0].id), StockRow(1, sku="SKU-0")])
    assert shown(outcomes) == ["NOT_FOUND", "NOT_FOUND"]
