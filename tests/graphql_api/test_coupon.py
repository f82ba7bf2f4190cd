"""Coupons by the public door: created, quoted, placed, refused, given back."""

from datetime import timedelta
from typing import Any

import pytest

from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import order_view, tracking
from merchantry.services.catalogue import Product
from merchantry.services.merchant import ShippingOption
from merchantry.services.order_head import Wanted
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything
from tests.graphql_api.documents import CANCEL, a_line, pay
from tests.graphql_api.mall import Mall
from tests.graphql_api.price_documents import (
    amounts,
    change_coupon,
    create_coupon,
    create_platform_coupon,
    kinds,
    place_cart,
    place_quote,
    quote,
    record_id,
    set_tax,
)

Stall = tuple[Merchant, Product]


@pytest.fixture
async def three(mall: Mall) -> list[Stall]:
    """Three merchants with a kite each, olga who owns them, and finance."""
    stalls = []
    for name in ("first", "second", "third"):
        merchant = await a_merchant(mall.database, name)
        await mall.hire("olga", merchant, MerchantRole.OWNER)
        stalls.append((merchant, await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100)))
    await mall.appoint("fay", PlatformRole.FINANCE)
    return stalls


def lines_of(stalls: list[Stall]) -> list[Any]:
    """One kite of each."""
    return [a_line(merchant, kite) for merchant, kite in stalls]


async def uses_of(mall: Mall, merchant: str | None = None) -> dict[str, int]:
    """The uses of all coupons, by code."""
    where, who = ("merchant", "olga") if merchant else ("platform", "fay")
    shown = f"{{ {where} {{ coupons {{ nodes {{ code uses }} }} }} }}"
    found = (await mall.ask(shown, who=who, merchant=merchant)).data[where]["coupons"]["nodes"]
    return {each["code"]: each["uses"] for each in found}


async def test_a_coupon_over_three_merchants_is_divided_exactly_and_frozen_with_their_lines(
    mall: Mall, three: list[Stall]
) -> None:
    ten_off = {"amounts": [{"amount": "10.00", "currency": "BRL"}], "mostUsesPerBuyer": 1}
    made = await create_platform_coupon(mall, "fay", "TEN-OFF", **ten_off)
    assert made["__typename"] == "PlatformCouponCreated", made
    quoted = await quote(mall, "bea", *lines_of(three), couponCodes=["ten-off"])
    assert amounts(quoted) == ("300.00", "30.00", "10.00", "0.00", "320.00")
    assert quoted["coupons"] == [{"code": "TEN-OFF", "title": "Ten-Off", "discount": {"amount": "10.00"}}]
    assert await uses_of(mall) == {"TEN-OFF": 0}
    placed = (await place_quote(mall, "bea", quoted))["checkout"]
    assert amounts(placed) == amounts(quoted)
    assert placed["coupons"] == quoted["coupons"]
    discounts = [order["lines"][0]["discount"]["amount"] for order in placed["orders"]]
    assert discounts == ["3.34", "3.33", "3.33"]  # the orders come as merchants are locked: the first has the rest
    assert [order["total"]["amount"] for order in placed["orders"]] == ["106.66", "106.67", "106.67"]
    assert await uses_of(mall) == {"TEN-OFF": 1}
    again = await place_cart(mall, "bea", *lines_of(three), couponCodes=["TEN-OFF"])
    assert kinds(again) == ["CouponUsedUp"]
    assert again["problems"][0]["path"] == ["input", "cart", "couponCodes", "0"]


async def test_a_merchants_coupon_lowers_its_own_lines_only(mall: Mall, three: list[Stall]) -> None:
    (first, _), _, _ = three
    made = await create_coupon(mall, "olga", first, "half", percentBps=5000)
    assert made["coupon"]["merchants"] == [encode_id("Shop", first.id)]
    assert (made["coupon"]["code"], made["coupon"]["merchantShareBps"]) == ("HALF", 10_000)
    quoted = await quote(mall, "bea", *lines_of(three), couponCodes=["HALF"])
    by_merchant = {part["merchantName"]: part["discount"]["amount"] for part in quoted["parts"]}
    assert by_merchant == {"First": "50.00", "Second": "0.00", "Third": "0.00"}
    elsewhere = await quote(mall, "bea", *lines_of(three)[1:], couponCodes=["HALF"])
    nothing = await quote(mall, "bea", *lines_of(three)[1:], couponCodes=["NONE"])
    assert kinds(elsewhere) == kinds(nothing) == ["CouponUnknown"]
    assert elsewhere["problems"][0]["message"] == nothing["problems"][0]["message"].replace("NONE", "HALF")


async def test_a_coupon_for_a_category_or_product_asks_what_the_lines_are(mall: Mall, three: list[Stall]) -> None:
    (first, kite), _, _ = three
    book = await a_product(mall.database, first, title="Book", category="books", prices={"BRL": 4_000})
    products = [encode_id("Product", first.id, kite.id)]
    await create_coupon(mall, "olga", first, "KITES", percentBps=1000, products=products)
    await create_platform_coupon(mall, "fay", "BOOKS", percentBps=5000, categories=["books"])
    lines = [*lines_of(three), a_line(first, book, 1, "40.00")]
    placed = (await place_cart(mall, "bea", *lines, couponCodes=["KITES", "BOOKS"]))["checkout"]
    found = [line["discount"]["amount"] for order in placed["orders"] for line in order["lines"]]
    assert sorted(found) == ["0.00", "0.00", "10.00", "20.00"]
    only_books = await quote(mall, "bea", *lines_of(three)[1:], couponCodes=["BOOKS"])
    assert only_books["problems"][0]["reason"] == "It is for other goods than these."


async def test_platform_and_merchants_share_a_coupon_by_ratio_and_buyers_are_not_told(
    mall: Mall, three: list[Stall]
) -> None:
    shared = {"percentBps": 1000, "merchantShareBps": 2500}
    refused = await create_platform_coupon(mall, "fay", "SHARED", **shared)
    assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", "merchants"])
    agreed = [record_id(merchant) for merchant, _ in three[:2]]
    await create_platform_coupon(mall, "fay", "SHARED", merchants=agreed, **shared)
    placed = (await place_cart(mall, "bea", *lines_of(three), couponCodes=["SHARED"]))["checkout"]
    assert placed["discount"]["amount"] == "20.00"
    frozen = []
    for merchant, _ in three:
        async with mall.database.read("test") as tx, tx.as_merchant(merchant.id) as session:
            (view,) = await tracking.page(session, Wanted(5), order_view.Parts())
        frozen.append((view.order.discount_merchant_minor, view.order.discount_platform_minor))
    assert frozen == [(250, 750), (250, 750), (0, 0)]


async def test_a_total_that_is_no_longer_the_one_shown_is_refused(mall: Mall, three: list[Stall]) -> None:
    (first, _), _, _ = three
    made = await create_coupon(mall, "olga", first, "HALF", percentBps=5000)
    quoted = await quote(mall, "bea", *lines_of(three), couponCodes=["HALF"])
    await change_coupon(mall, "olga", "couponPause", made["coupon"]["id"], "first")
    paused = await place_quote(mall, "bea", quoted)
    assert kinds(paused) == ["CouponNotApplicable"]
    shown = {"amount": "330.00", "currency": "BRL"}
    await change_coupon(mall, "olga", "couponResume", made["coupon"]["id"], "first")
    other = await place_cart(mall, "bea", *lines_of(three), couponCodes=["HALF"], total=shown)
    assert kinds(other) == ["TotalChanged"]
    (problem,) = other["problems"]
    assert (problem["seen"]["amount"], problem["now"]["amount"]) == ("330.00", "280.00")
    assert problem["path"] == ["input", "cart", "total"]
    assert await uses_of(mall, "first") == {"HALF": 0}
    assert (await place_quote(mall, "bea", quoted))["__typename"] == "CheckoutPlaced"


async def test_what_is_not_paid_gives_its_use_back_and_what_is_cancelled_later_does_not(
    mall: Mall, three: list[Stall]
) -> None:
    await create_platform_coupon(mall, "fay", "ONCE", percentBps=1000, mostUses=1)
    lines = lines_of(three)[:1]
    assert (await place_cart(mall, "bea", *lines, couponCodes=["ONCE"]))["__typename"] == "CheckoutPlaced"
    assert kinds(await place_cart(mall, "cem", *lines, couponCodes=["ONCE"])) == ["CouponUsedUp"]
    mall.clock.advance(minutes=31)
    await mall.work()
    assert await uses_of(mall) == {"ONCE": 0}
    second = (await place_cart(mall, "cem", *lines, couponCodes=["ONCE"]))["checkout"]
    cancel = "mutation ($i: CheckoutCancelInput!) { checkoutCancel(input: $i) { __typename } }"
    await mall.ask(cancel, {"i": {"checkoutId": second["id"], "idempotencyKey": "1"}}, who="cem")
    assert await uses_of(mall) == {"ONCE": 0}
    third = (await place_cart(mall, "dan", *lines, couponCodes=["ONCE"]))["checkout"]
    assert (await pay(mall, "dan", third))["__typename"] == "CheckoutPaid"
    given = {"orderId": third["orders"][0]["id"], "reason": "no longer", "idempotencyKey": "2"}
    await mall.ask(CANCEL, {"input": given}, who="dan")
    assert await uses_of(mall) == {"ONCE": 1}


async def test_a_coupon_is_paused_resumed_and_ended_by_whose_it_is_and_by_the_platform(
    mall: Mall, three: list[Stall]
) -> None:
    (first, _), (second, _), _ = three
    await mall.hire("otto", second, MerchantRole.OWNER)
    made = await create_coupon(mall, "olga", first, "HALF", percentBps=5000)
    coupon_id = made["coupon"]["id"]
    steps = [
        ("olga", "couponPause", "first", "CouponPaused"),
        ("otto", "couponResume", "second", "NotPermitted"),
        ("fay", "couponResume", None, "CouponResumed"),
        ("olga", "couponEnd", "first", "CouponWasEnded"),
        ("olga", "couponEnd", "first", "CouponWasEnded"),
        ("olga", "couponResume", "first", "CouponEnded"),
    ]
    for who, what, merchant, expected in steps:
        assert (await change_coupon(mall, who, what, coupon_id, merchant))["__typename"] == expected
    quoted = await quote(mall, "bea", *lines_of(three), couponCodes=["HALF"])
    assert quoted["problems"][0]["reason"] == "It has ended."


async def test_a_coupon_is_valid_from_its_start_until_before_its_end(mall: Mall, three: list[Stall]) -> None:
    (first, _), _, _ = three
    start = mall.clock() + timedelta(hours=1)
    span = {"startsAt": start.isoformat(), "endsAt": (start + timedelta(hours=1)).isoformat()}
    await create_coupon(mall, "olga", first, "HOUR", percentBps=5000, **span)
    found = []
    for _ in range(3):
        quoted = await quote(mall, "bea", *lines_of(three), couponCodes=["HOUR"])
        found.append(kinds(quoted) if "problems" in quoted else quoted["discount"]["amount"])
        mall.clock.advance(hours=1)
    assert found == [["CouponUnknown"], "50.00", ["CouponNotApplicable"]]


async def test_a_code_is_taken_once_in_the_mall_and_a_key_makes_one_coupon(mall: Mall, three: list[Stall]) -> None:
    (first, _), (second, _), _ = three
    made = await create_coupon(mall, "olga", first, "HALF", percentBps=5000, idempotencyKey="k")
    assert await create_coupon(mall, "olga", first, "HALF", percentBps=5000, idempotencyKey="k") == made
    taken = await create_coupon(mall, "olga", second, "half", percentBps=5000)
    assert (taken["__typename"], taken["path"]) == ("CouponCodeTaken", ["input", "code"])
    assert await uses_of(mall, "second") == {}


@pytest.mark.parametrize(
    ("given", "path"),
    [
        pytest.param({"categories": ["no-such"], "percentBps": 1}, ["input", "categories"], id="category"),
        pytest.param({"products": ["nonsense"], "percentBps": 1}, ["input", "products", "0"], id="product"),
        pytest.param({}, ["input", "amounts"], id="nothing"),
        pytest.param(
            {"amounts": [{"amount": "1.00", "currency": "BRL"}] * 2},
            ["input", "amounts", "1", "currency"],
            id="an amount twice",
        ),
        pytest.param({"percentBps": 1, "most": [{"amount": "1", "currency": "XXX"}]}, None, id="currency"),
    ],
)
async def test_a_coupon_that_can_not_be_is_refused_with_its_field(
    mall: Mall, three: list[Stall], given: dict[str, Any], path: list[str] | None
) -> None:
    refused = await create_coupon(mall, "olga", three[0][0], "HALF", **given)
    assert refused["__typename"] != "CouponCreated"
    assert path is None or refused["path"] == path


@pytest.mark.parametrize("code", ["", "x" * 500, "A B", "' OR 1=1", "ÄÖÜ"])
async def test_nonsense_for_a_code_is_an_unknown_coupon(mall: Mall, three: list[Stall], code: str) -> None:
    assert kinds(await quote(mall, "bea", *lines_of(three), couponCodes=[code])) == ["CouponUnknown"]
    negative = {**lines_of(three)[0], "price": {"amount": "-5.00", "currency": "BRL"}}
    assert kinds(await quote(mall, "bea", negative, couponCodes=[code])) == ["CouponUnknown", "PriceChanged"]


async def test_what_is_paid_with_coupons_and_taxes_is_in_the_books(mall: Mall, three: list[Stall]) -> None:
    agreed = [record_id(merchant) for merchant, _ in three[:2]]
    shared = {"merchantShareBps": 2500, "merchants": agreed, "percentBps": 1000}
    await create_platform_coupon(mall, "fay", "SHARED", **shared)
    await create_coupon(mall, "olga", three[0][0], "HALF", percentBps=5000)
    await set_tax(mall, "fay", "BR", 733, inclusive=False, remittedBy="PLATFORM", coversShipping=True)
    placed = (await place_cart(mall, "bea", *lines_of(three), couponCodes=["HALF", "SHARED"]))["checkout"]
    # Off 150.00 that are left SHARED takes 15.00, of which the merchants pay 3.75: 58.75, 107.50 and 110.00 are taxed.
    assert amounts(placed) == ("300.00", "30.00", "65.00", "20.25", "285.25")
    assert (await pay(mall, "bea", placed))["__typename"] == "CheckoutPaid"
    await check_everything(mall.database)


@pytest.mark.parametrize("shipping_minor", [0, 1000])
async def test_a_checkout_whose_goods_are_free_can_be_paid(mall: Mall, shipping_minor: int) -> None:
    options = (ShippingOption("flat", "Flat", {"BRL": shipping_minor}),)
    merchant = await a_merchant(mall.database, "first", shipping_options=options)
    await mall.appoint("fay", PlatformRole.FINANCE)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    await create_platform_coupon(mall, "fay", "FREE", percentBps=10_000)
    placed = (await place_cart(mall, "bea", a_line(merchant, kite), couponCodes=["FREE"]))["checkout"]
    assert placed["total"]["amount"] == f"{shipping_minor // 100}.00"
    assert (await pay(mall, "bea", placed))["__typename"] == "CheckoutPaid"
    await check_everything(mall.database)
