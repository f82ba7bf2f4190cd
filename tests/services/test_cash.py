"""Cash on delivery: the merchant has the money, owes the commission, and it is netted; never paid out."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from merchantry.domain.checkout import Cart, CartLine, CartPart
from merchantry.domain.errors import CashNotAccepted, InvalidInput, MarketError, PaymentNotPossible, TendersMismatch
from merchantry.domain.order import OrderStatus
from merchantry.domain.refund import Asked
from merchantry.gateways.payment import Tender
from merchantry.services import buyer_index, cash, checkout, refund
from merchantry.services import merchant as merchants
from merchantry.services.order import Order
from merchantry.services.refund import NewRefund
from merchantry.tables.platform import job, payment
from tenancy.database import Database
from tests.builders import VAULT, a_buyer, an_act
from tests.services.books import Shelf
from tests.services.stall import ADDRESS, DAY, Stall, a_stall, check_books
from tests.services.test_settlement import payouts

CASH = cash.METHOD


@dataclass
class Door:
    """A stall that takes cash, unless told otherwise."""

    stall: Stall
    shelf: Shelf

    async def place(self, buyer: UUID, quantity: int = 1) -> UUID:
        """An unpaid checkout of 100.00 a piece."""
        checkout_id, [variant] = uuid4(), self.stall.product.variants
        line = CartLine(variant.id, quantity, variant.prices["BRL"])
        cart = Cart("BRL", ADDRESS, (CartPart(self.stall.merchant.id, (line,), shipping_option="free"),))
        async with self.stall.database.write("test") as tx:
            await checkout.place(tx, cart, checkout_id, buyer, an_act(at=self.stall.now), vault=VAULT)
        return checkout_id

    async def pay(self, checkout_id: UUID, buyer: UUID, *tenders: Tender) -> Order:
        """Its order, paid at the door."""
        async with self.stall.database.write("test") as tx:
            act = an_act(at=self.stall.now)
            paid = await cash.pay(tx, checkout_id, buyer, tenders, currencies=["BRL"], payment_id=uuid4(), act=act)
            assert (paid.status, paid.provider) == ("captured", "merchant")
            async with tx.as_platform() as platform:
                [placed] = await buyer_index.of_checkouts(platform, [checkout_id])
        return await self.stall.order(placed.order_id)

    async def sell(self, quantity: int = 1) -> Order:
        """An order to be paid at the door."""
        buyer = await a_buyer(self.stall.database)
        return await self.pay(await self.place(buyer, quantity), buyer, Tender(CASH, 10_000 * quantity))


async def a_door(database: Database, *, accepts_cash: bool = True) -> Door:
    stall = await a_stall(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchants.change(session, stall.merchant.slug, an_act(), accepts_cash=accepts_cash)
    return Door(stall, Shelf(database, stall.merchant))


async def test_a_cash_order_can_be_shipped_at_once_and_its_commission_is_a_debt(database: Database) -> None:
    door = await a_door(database)
    sold = await door.sell()
    assert (sold.status, sold.collected_by) == (OrderStatus.TO_SHIP, "merchant")
    assert await door.stall.balances() == {"merchant_receivable": -1_250, "platform_commission": 1_250}
    async with database.read("test") as tx, tx.as_platform() as session:
        kinds = [row.kind for row in await session.execute(select(job))]
    assert kinds == ["order.overdue"], "no provider is asked"
    await check_books(database)


async def test_what_cash_orders_owe_is_netted_against_the_next_online_sale_and_never_paid_out(
    database: Database,
) -> None:
    door = await a_door(database)
    stall, shelf = door.stall, door.shelf
    await shelf.add_account()
    for _ in range(2):
        await stall.release((await door.sell()).id)
    stall.now += 7 * DAY
    await shelf.close(stall.now)
    assert [each.closing_minor for each in await shelf.statements()][-1] == -2_500
    assert await payouts(shelf) == []
    assert (await shelf.balances())["merchant_available"] == -2_500

    await stall.release(await stall.sell())
    stall.now += 7 * DAY
    await shelf.close(stall.now)

    last = (await shelf.statements())[-1]
    assert (last.opening_minor, last.closing_minor, last.kinds) == (-2_500, 6_250, {"release": [1, 8_750]})
    [planned] = await payouts(shelf)
    assert planned.amount_minor == 6_250
    assert [each.net_minor for each in await shelf.invoices()] == [1_250, 1_250, 1_250]
    await check_books(database)


async def test_a_cash_order_that_is_called_off_owes_nothing_and_nothing_is_sent(database: Database) -> None:
    door = await a_door(database)
    sold = await door.sell()
    async with database.write("test") as tx:
        await refund.cancel(tx, door.stall.merchant.id, sold.id, "not at home", an_act(at=door.stall.now))
    assert (await door.stall.order(sold.id)).status is OrderStatus.CANCELLED
    assert await door.stall.balances() == {}
    assert [(each.status, each.amount_minor) for each in await door.stall.refunds()] == [("offline", 10_000)]
    assert await door.stall.refunded(sold.id) == (10_000, 10_000, [10_000])
    assert await door.stall.work() == 0
    assert await door.stall.stock() == (100, 0)
    await check_books(database)


async def test_a_refund_of_a_released_cash_order_gives_its_commission_back(database: Database) -> None:
    door = await a_door(database)
    sold = await door.sell(2)
    await door.stall.release(sold.id)
    assert (await door.stall.balances())["merchant_available"] == -2_500
    line_id = await door.stall.line_id(sold.id)
    new = NewRefund(sold.id, "broken", Asked({line_id: 1}, are_back=True))
    async with database.write("test") as tx:
        await refund.create(tx, door.stall.merchant.id, new, an_act(at=door.stall.now))
    assert (await door.stall.balances())["merchant_available"] == -1_250
    assert [each.status for each in await door.stall.refunds()] == ["offline"]
    assert await door.stall.work() == 0
    await check_books(database)


@pytest.mark.parametrize(
    ("tenders", "problem"),
    [
        pytest.param((Tender(CASH, 9_999),), TendersMismatch, id="too-little"),
        pytest.param((Tender(CASH, 5_000), Tender("sandbox_approve", 5_000)), InvalidInput, id="beside-a-card"),
        pytest.param((Tender(CASH, 5_000), Tender(CASH, 5_000)), InvalidInput, id="twice"),
    ],
)
async def test_cash_pays_a_whole_checkout_alone(
    database: Database, tenders: tuple[Tender, ...], problem: type[MarketError]
) -> None:
    door, buyer = await a_door(database), await a_buyer(database)
    with pytest.raises(problem):
        await door.pay(await door.place(buyer), buyer, *tenders)


async def test_cash_is_refused_where_the_merchant_does_not_take_it(database: Database) -> None:
    door, buyer = await a_door(database, accepts_cash=False), await a_buyer(database)
    with pytest.raises(CashNotAccepted) as refused:
        await door.pay(await door.place(buyer), buyer, Tender(CASH, 10_000))
    assert refused.value.merchants == (door.stall.merchant.slug.title(),)
    async with database.read("test") as tx, tx.as_platform() as session:
        assert (await session.execute(select(payment))).all() == []


async def test_a_checkout_is_paid_in_cash_once(database: Database) -> None:
    door, buyer = await a_door(database), await a_buyer(database)
    checkout_id = await door.place(buyer)
    await door.pay(checkout_id, buyer, Tender(CASH, 10_000))
    with pytest.raises(PaymentNotPossible):
        await door.pay(checkout_id, buyer, Tender(CASH, 10_000))


async def test_an_order_that_is_refused_at_the_door_is_sold_again_and_bears_no_commission(database: Database) -> None:
    door = await a_door(database)
    stock, found = await door.stall.stock(), await door.sell()
    await door.stall.ship(found.id)
    async with database.write("test") as tx:
        act = an_act("staff:test", at=door.stall.now)
        await refund.create(tx, door.stall.merchant.id, NewRefund(found.id, "refused", restock=True), act)
    assert (await door.stall.order(found.id)).status is OrderStatus.REFUNDED
    assert await door.stall.balances() == {}
    assert await door.stall.stock() == stock
    await check_books(database)
