"""A coupon is used as often as it may be, however many want it at the same moment."""

import asyncio

from merchantry.domain.permission import PlatformRole
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import rows
from tests.graphql_api.documents import a_line
from tests.graphql_api.mall import Mall
from tests.graphql_api.price_documents import create_platform_coupon, kinds, place_cart

USES = """
SELECT c.code, c.uses, count(u.*) FILTER (WHERE u.status = 'used')::int AS used,
       count(u.*) FILTER (WHERE u.status = 'given_back')::int AS given_back
FROM platform.coupon c LEFT JOIN platform.coupon_use u ON u.coupon_id = c.id GROUP BY c.id ORDER BY c.code
"""


async def a_coupon(mall: Mall, code: str, **more: object) -> None:
    await mall.appoint("fay", PlatformRole.FINANCE)
    made = await create_platform_coupon(mall, "fay", code, percentBps=1000, **more)
    assert made["__typename"] == "PlatformCouponCreated", made


async def test_fifty_buyers_of_a_coupon_with_ten_uses_use_it_ten_times(mall: Mall) -> None:
    merchants = [await a_merchant(mall.database) for _ in range(2)]
    kites = [await a_product(mall.database, each, prices={"BRL": 10_000}, on_hand=100) for each in merchants]
    lines = [a_line(merchant, kite) for merchant, kite in zip(merchants, kites, strict=True)]
    await a_coupon(mall, "RUSH", mostUses=10)
    answers = await asyncio.gather(
        *(place_cart(mall, f"buyer-{number}", *lines, couponCodes=["RUSH"]) for number in range(50))
    )
    rejected = [kinds(answer) for answer in answers if answer["__typename"] == "CheckoutRejected"]
    assert rejected == [["CouponUsedUp"]] * 40
    assert len([answer for answer in answers if "checkout" in answer]) == 10
    assert rows(mall.database, USES) == [{"code": "RUSH", "uses": 10, "used": 10, "given_back": 0}]
    placed = rows(
        mall.database, "SELECT count(*)::int AS checkouts, sum(discount_minor)::int AS minor FROM platform.checkout"
    )
    assert placed == [{"checkouts": 10, "minor": 20_000}]


async def test_one_buyer_at_many_doors_uses_a_coupon_once(mall: Mall) -> None:
    merchant = await a_merchant(mall.database)
    line = a_line(merchant, await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100))
    await a_coupon(mall, "WELCOME", mostUsesPerBuyer=1)
    answers = await asyncio.gather(*(place_cart(mall, "bea", line, couponCodes=["WELCOME"]) for _ in range(12)))
    assert sorted(answer["__typename"] for answer in answers) == ["CheckoutPlaced"] + ["CheckoutRejected"] * 11
    assert rows(mall.database, USES) == [{"code": "WELCOME", "uses": 1, "used": 1, "given_back": 0}]


async def test_checkouts_that_name_coupons_crosswise_do_not_stop_each_other_and_the_unpaid_give_back(
    mall: Mall,
) -> None:
    merchants = [await a_merchant(mall.database) for _ in range(2)]
    kites = [await a_product(mall.database, each, prices={"BRL": 10_000}, on_hand=100) for each in merchants]
    lines = [a_line(merchant, kite) for merchant, kite in zip(merchants, kites, strict=True)]
    await a_coupon(mall, "ONE")
    await a_coupon(mall, "TWO", categories=["toys"])
    answers = await asyncio.gather(
        *(
            place_cart(mall, f"buyer-{number}", *lines[:: 1 - 2 * (number % 2)], couponCodes=codes)
            for number in range(12)
            for codes in [["ONE", "TWO"] if number % 3 else ["TWO", "ONE"]]
        ),
        *(place_cart(mall, f"plain-{number}", *lines) for number in range(6)),
    )
    assert {answer["__typename"] for answer in answers} == {"CheckoutPlaced"}
    assert [row["uses"] for row in rows(mall.database, USES)] == [12, 12]
    mall.clock.advance(minutes=31)
    await mall.work()
    assert rows(mall.database, USES) == [
        {"code": code, "uses": 0, "used": 0, "given_back": 12} for code in ("ONE", "TWO")
    ]
