"""A coupon over three merchants, funded by the platform and by them, of whom one refunds.

A coupon takes 30.00 off goods for 200.00; the platform funds 60 % of it. Commission is 12.5 % of the goods less what
their merchant funds of the coupon.

|          | goods  | coupon | funded by merchant | by platform | buyer pays | commission | merchant's |
|----------|-------:|-------:|-------------------:|------------:|-----------:|-----------:|-----------:|
| first    | 100.00 |  15.00 |               6.00 |        9.00 |      85.00 |      11.75 |      82.25 |
| second   |  60.00 |   9.00 |               3.60 |        5.40 |      51.00 |       7.05 |      49.35 |
| third    |  40.00 |   6.00 |               2.40 |        3.60 |      34.00 |       4.70 |      32.90 |
| together | 200.00 |  30.00 |              12.00 |       18.00 |     170.00 |      23.50 |     164.50 |

What buyer and platform pay is what merchant and commission get: 85.00 + 9.00 = 82.25 + 11.75.
"""

from collections import Counter
from uuid import UUID, uuid4

from sqlalchemy import select

from merchantry.domain.checkout import Cart, CartCoupon, CartLine, CartPart
from merchantry.domain.coupon import CouponKind, CouponTerms
from merchantry.domain.new_coupon import NewCoupon
from merchantry.domain.plan_document import parse_plan
from merchantry.gateways.payment import Charge, ChargeStatus, Outcome, Tender
from merchantry.services import checkout, commission, coupon, payment, refund
from merchantry.services.merchant import ShippingOption
from merchantry.services.refund import NewRefund
from merchantry.tables.platform import payment as payment_table
from merchantry.tables.platform import platform_entry
from tenancy.database import Database
from tests.builders import NOON, VAULT, a_buyer, a_merchant, a_product, an_act
from tests.services.stall import ADDRESS, DAY, PLAN, Stall, check_books

GOODS = (10_000, 6_000, 4_000)


async def three_stalls(database: Database) -> list[Stall]:
    """Three merchants under one plan, each with one thing to sell, shipped for nothing."""
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "standard", parse_plan(PLAN), NOON - 30 * DAY, an_act())
    free = (ShippingOption("free", "Free", {"BRL": 0}),)
    stalls = []
    for goods_minor in GOODS:
        merchant = await a_merchant(database, shipping_options=free)
        stalls.append(Stall(database, merchant, await a_product(database, merchant, prices={"BRL": goods_minor})))
    return stalls


async def a_coupon(database: Database, stalls: list[Stall]) -> str:
    """30.00 off; of it 40 % are funded by the merchants, who have agreed. Returns its code."""
    terms = CouponTerms(
        CouponKind.AMOUNT,
        starts_at=NOON - DAY,
        amount_minor={"BRL": 3_000},
        merchant_share_bps=4_000,
        merchants=frozenset(stall.merchant.id for stall in stalls),
    )
    async with database.write("test") as tx, tx.as_platform() as session:
        await coupon.create(session, NewCoupon(uuid4(), None, "THREE", "For three", terms), an_act("platform:test"))
    return "THREE"


async def buy_from_all(stalls: list[Stall], code: str) -> dict[UUID, UUID]:
    """One thing of each in one checkout with the coupon, paid. Returns the orders by merchant."""
    [stall, *_] = stalls
    buyer, checkout_id, payment_id = await a_buyer(stall.database), uuid4(), uuid4()
    parts = [
        CartPart(each.merchant.id, (CartLine(each.product.variants[0].id, 1, goods_minor),), shipping_option="free")
        for each, goods_minor in zip(stalls, GOODS, strict=True)
    ]
    in_order = tuple(sorted(parts, key=lambda part: part.merchant_id.hex))
    cart = Cart("BRL", ADDRESS, in_order, coupons=(CartCoupon(code),))
    async with stall.database.write("test") as tx:
        made = await checkout.place(tx, cart, checkout_id, buyer, an_act(), vault=VAULT)
        tenders = [Tender("sandbox_approve", made.total_minor)]
        async with tx.as_platform() as platform:
            payment.record(platform, made, tenders, payment_id=payment_id, provider="sandbox", act=an_act())
        await payment.settle(tx, payment_id, Outcome(ChargeStatus.CAPTURED, reference=str(payment_id)), an_act())
        async with tx.as_platform() as platform:
            rows = await checkout.orders_of(platform, [checkout_id])
    await stall.gateway.charge(Charge(payment_id, "BRL", made.total_minor, tenders))
    return {row.merchant_id: row.order_id for row in rows}


async def platform_side(stall: Stall) -> dict[str, int]:
    """What the platform's subledger has of a merchant."""
    sums = Counter[str]()
    async with stall.database.read("test") as tx, tx.as_platform() as session:
        own = select(platform_entry).where(platform_entry.c.merchant_id == stall.merchant.id)
        for row in await session.execute(own):
            for account, amount in zip(row.account, row.amount, strict=True):
                sums[account] += amount
    return {account: amount for account, amount in sums.items() if amount}


async def test_a_coupon_over_three_merchants_one_of_which_refunds(database: Database) -> None:
    first, second, third = stalls = await three_stalls(database)
    orders = await buy_from_all(stalls, await a_coupon(database, stalls))

    assert await first.balances() == {
        "buyer_funds": -8_500,
        "platform_expense": -900,
        "merchant_pending": 8_225,
        "platform_commission": 1_175,
    }
    assert await second.balances() == {
        "buyer_funds": -5_100,
        "platform_expense": -540,
        "merchant_pending": 4_935,
        "platform_commission": 705,
    }
    of_the_third = {
        "buyer_funds": -3_400,
        "platform_expense": -360,
        "merchant_pending": 3_290,
        "platform_commission": 470,
    }
    assert await third.balances() == of_the_third
    assert await platform_side(first) == {"commission_pending": 1_175, "expense": -900, "merchant_clearing": -275}
    assert await platform_side(second) == {"commission_pending": 705, "expense": -540, "merchant_clearing": -165}
    assert await platform_side(third) == {"commission_pending": 470, "expense": -360, "merchant_clearing": -110}

    async with database.write("test") as tx:
        new = NewRefund(orders[second.merchant.id], "sent back")
        await refund.create(tx, second.merchant.id, new, an_act("staff:test"))
    # The buyer is owed the 51.00 that were paid, not the goods' 60.00; the platform has its 5.40 of the coupon again.
    assert await second.balances() == {"buyer_funds": -5_100, "refunds": 5_100}
    assert await platform_side(second) == {}

    await second.work()
    assert await second.balances() == {}
    [sent] = await second.refunds()
    assert (sent.status, sent.amount_minor, sent.merchant_minor, sent.commission_minor) == ("sent", 5_100, 4_935, 705)
    async with database.read("test") as tx, tx.as_platform() as session:
        paid = (await session.execute(select(payment_table))).one()
    assert (paid.amount_minor, paid.refunded_minor) == (17_000, 5_100)

    # The others' books are as if nothing had happened.
    assert (await first.balances())["merchant_pending"] == 8_225
    assert await third.balances() == of_the_third
    assert await platform_side(first) == {"commission_pending": 1_175, "expense": -900, "merchant_clearing": -275}
    assert await platform_side(third) == {"commission_pending": 470, "expense": -360, "merchant_clearing": -110}
    await check_books(database)
