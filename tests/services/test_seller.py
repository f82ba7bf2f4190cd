"""A merchant whose goods the platform sells in its own name: from the order to the documents, and back."""

from typing import Any

import pytest
from sqlalchemy import select, update

from merchantry.domain.errors import InvalidInput
from merchantry.domain.seller import SellerOfRecord
from merchantry.services import merchant as merchants
from merchantry.services.books import Law
from merchantry.services.verification import merchants_to_verify, verify_books
from merchantry.tables.merchant import orders
from merchantry.tables.platform import mall, platform_entry
from tenancy.database import Database
from tests.builders import an_act
from tests.services.books import Shelf
from tests.services.sales import DAY, a_plan, some_sales, tiers
from tests.services.stall import Stall, a_stall, check_books
from tests.services.test_chargeback import give_back, lose, open_, win

PRINCIPAL = SellerOfRecord.PRINCIPAL


async def sells_itself(database: Database, slug: str, seller: SellerOfRecord = PRINCIPAL) -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchants.change(session, slug, an_act(), seller_of_record=seller)


async def a_supplier(database: Database, **plan: Any) -> Stall:
    stall = await a_stall(database, **plan)
    await sells_itself(database, stall.merchant.slug)
    return stall


async def subledger(stall: Stall) -> dict[str, int]:
    """The platform's own accounts that are not zero."""
    sums: dict[str, int] = {}
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        for row in await session.execute(select(platform_entry)):
            for account, amount in zip(row.account, row.amount, strict=True):
                sums[account] = sums.get(account, 0) + amount
    return {account: amount for account, amount in sums.items() if amount}


async def test_the_platform_shows_revenue_and_cost_and_owes_the_supplier_its_part(database: Database) -> None:
    stall = await a_supplier(database, commission_tax_bps=1900)
    order_id = await stall.sell()
    found = await stall.order(order_id)
    async with database.read("test") as tx, tx.as_platform() as session:
        name = await session.scalar(select(mall.c.name))
    assert (found.seller, found.seller_name, found.sold_by) == (PRINCIPAL, name, name)
    assert found.legal_name != name
    assert await stall.balances() == {"buyer_funds": -10_000, "merchant_pending": 8_750, "platform_margin": 1_250}
    assert await subledger(stall) == {
        "merchant_clearing": -1_250,
        "sales_pending": 10_000,
        "cost_of_goods_pending": -8_750,
    }
    await stall.release(order_id)
    assert await subledger(stall) == {"merchant_clearing": -1_250, "sales": 10_000, "cost_of_goods": -8_750}
    await check_books(database)


async def test_what_was_bought_is_self_billed_and_what_came_back_credited_without_a_commission_invoice(
    database: Database,
) -> None:
    stall = await a_supplier(database)
    orders_ = [await stall.sell() for _ in range(3)]
    for order_id in orders_:
        await stall.release(order_id)
    await give_back(stall, orders_[0], 4_000)
    await sells_itself(database, stall.merchant.slug, SellerOfRecord.AGENT)
    await stall.release(await stall.sell())
    shelf = Shelf(database, stall.merchant)
    await shelf.close(stall.now + 14 * DAY)
    sums: dict[str, int] = {}
    series: dict[str, list[str]] = {}
    for row in await shelf.invoices():
        sums[row.kind] = sums.get(row.kind, 0) + row.net_minor
        series.setdefault(row.kind, []).append(row.number.split("-")[1])

        assert ("on behalf of" in row.issuer) == (row.kind != "invoice")
    assert sums == {"self_billed": 3 * 8_750, "self_billed_credit": 3_500, "invoice": 1_250}
    assert all(int(number[1:]) == at for numbers in series.values() for at, number in enumerate(numbers, start=1))
    lines = [line for each in await shelf.statements() for line in await shelf.lines(each.id)]
    assert sum(line.amount_minor for line in lines if line.kind in ("release", "refund")) == 4 * 8_750 - 3_500
    await check_books(database)


@pytest.mark.parametrize("is_released", [False, True], ids=["pending", "released"])
async def test_a_refund_of_everything_reverses_sale_and_purchase(database: Database, is_released: bool) -> None:
    stall = await a_supplier(database)
    order_id = await stall.sell(3)
    if is_released:
        await stall.release(order_id)
    for amount in (10_000, 3_333, 16_667):
        await give_back(stall, order_id, amount)
    await stall.work()
    assert await stall.balances() == {}
    assert await subledger(stall) == {}
    await check_books(database)


@pytest.mark.parametrize("borne_by", ["merchant", "platform"])
async def test_a_chargeback_reverses_the_sale_and_a_later_win_books_it_again(database: Database, borne_by: str) -> None:
    stall = await a_supplier(database)
    order_id = await stall.sell()
    await stall.release(order_id)
    before = await subledger(stall)
    await lose(stall, await open_(stall, order_id, 12_000, fee_minor=700, fee_borne_by=borne_by))
    found = await subledger(stall)
    assert ("sales" in found, "cost_of_goods" in found) == (False, False)
    await win(stall, await open_(stall, order_id, 12_000, fee_minor=0, fee_borne_by=borne_by))
    after = await subledger(stall)
    assert (after["sales"], after["cost_of_goods"]) == (before["sales"], before["cost_of_goods"])
    await check_books(database)


async def test_a_change_holds_for_orders_that_are_placed_after_it(database: Database) -> None:
    stall = await a_stall(database)
    first = await stall.sell()
    await sells_itself(database, stall.merchant.slug)
    second = await stall.sell()
    await sells_itself(database, stall.merchant.slug, SellerOfRecord.AGENT)
    await stall.release(first)
    await give_back(stall, second, 10_000)
    assert [(await stall.order(each)).seller.value for each in (first, second)] == ["agent", "principal"]
    balances = await stall.balances()
    assert (balances["platform_commission"], balances.get("platform_margin", 0)) == (1_250, 0)
    await check_books(database)


async def test_a_discount_of_the_platforms_lowers_its_revenue_and_not_the_price_of_the_goods(
    database: Database,
) -> None:
    sales = await some_sales(database, a_plan())
    cheaper = [{"discount_platform_minor": 2_000}]
    facts = {"seller_of_record": "principal", "sold_by": "Mall"}
    order_id = await sales.place(10_000, lines=cheaper, **facts)
    await sales.capture(order_id)
    [(_, postings)] = await sales.postings(order_id)
    assert postings == {"buyer_funds": -8_000, "merchant_pending": 9_000, "platform_margin": -1_000}
    [captured] = await sales.entries(order_id)
    assert captured.entry.details["sales_minor"] == 8_000
    await sales.verify()


async def test_what_was_bought_and_what_the_merchant_sold_are_counted_in_volumes_of_their_own(
    database: Database,
) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("retroactive"), commission_tax_bps=1000))
    facts: dict[str, Any] = {"seller_of_record": "principal", "sold_by": "Mall"}
    await sales.sell(9_900_000)
    bought = [await sales.sell(9_900_000, **facts)]
    bought.append(await sales.sell(300_000, **facts))
    kind, postings = (await sales.postings(bought[1]))[1]
    assert (kind, postings) == ("tier_true_up", {"merchant_available": 198_000, "platform_margin": -198_000})
    assert sorted(counted for _, counted, _ in await sales.volumes()) == [9_900_000, 10_200_000]
    for order_id in bought:
        await sales.release(order_id, sales_at := (await sales.entries(order_id))[0].entry.occurred_at + DAY)
    shelf = Shelf(database, sales.merchant)
    await shelf.close(sales_at + 14 * DAY)
    [row] = await shelf.invoices()
    assert (row.kind, row.net_minor, row.tax_minor) == ("self_billed", 10_200_000 - 816_000, 0)
    await sales.verify()


async def test_what_the_platform_sells_is_paid_to_the_platform(database: Database) -> None:
    stall = await a_supplier(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        with pytest.raises(InvalidInput, match="no cash"):
            await merchants.change(session, stall.merchant.slug, an_act(), accepts_cash=True)


async def test_verification_finds_an_order_whose_seller_was_changed_afterwards(database: Database) -> None:
    stall = await a_supplier(database)
    order_id = await stall.sell()
    async with database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        await session.execute(
            update(orders).where(orders.c.id == order_id).values(seller_of_record="agent", sold_by=None)
        )
    laws = set()
    async for verified in verify_books(database, await merchants_to_verify(database)):
        laws |= {each.law for each in verified.broken}
    assert {Law.SALES, Law.ORDER_COMMISSION} <= laws
