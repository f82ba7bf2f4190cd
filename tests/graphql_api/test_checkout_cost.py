"""What a checkout costs in statements and round trips; what it answers without reading is what is there to be read."""

from typing import Any
from uuid import uuid4

import pytest

from merchantry.domain.permission import PlatformRole
from tests.builders import a_merchant, a_product
from tests.graphql_api.counting import counted
from tests.graphql_api.documents import PROBLEM, a_cart, a_line, buy
from tests.graphql_api.mall import Mall
from tests.graphql_api.price_documents import create_platform_coupon, set_tax, to

PLACED = """status total { amount } orders { id number status }"""
PAID = """status orders { id status total { amount } lines { id title } }"""
ADDRESS = "name street city postalCode country region"
LINE = """id variantId sku title category quantity shippedQuantity deliveredQuantity unitPrice { amount }
    cancelledQuantity refundedQuantity goods { amount } shipping { amount } discount { amount }
    tax { amount { amount } } refunded { amount } refundable { amount } refundableQuantity returnDays"""
ORDER = f"""id number externalRef checkoutId merchantName sellerName sellerOfRecord status collectedBy
    goods {{ amount }} shipping {{ amount }} discount {{ amount }} addedTax {{ amount }} total {{ amount currency }}
    shippingOption placedAt paidAt shipBy overdueAt shippedAt deliveredAt completedAt cancelledAt lines {{ {LINE} }}
    shipments {{ id }} expectedOn refunds {{ id }} returns {{ id }} chargebacks {{ id }} refunded {{ amount }}
    split {{ id }} reviewStatus"""
CHECKOUT = """id status goods { amount } shipping { amount } discount { amount } addedTax { amount }
    total { amount currency } placedAt expiresAt paidAt"""
WHOLE = f"""{CHECKOUT} coupons {{ code title discount {{ amount }} }} shipTo {{ {ADDRESS} }} payments {{ id status }}
    orders {{
        {ORDER} events {{ kind actor occurredAt }} timeline {{ at kind actor }} shipTo {{ {ADDRESS} }} contact
    }}"""


async def placed(mall: Mall, shown: str, *lines: Any, **cart: Any) -> dict[str, Any]:
    """A checkout of these lines, with what is to be shown of it."""
    document = f"""mutation ($input: CheckoutPlaceInput!) {{ checkoutPlace(input: $input) {{
        __typename ... on CheckoutPlaced {{ checkout {{ id {shown} payable: total {{ amount currency }} }} }}
        {PROBLEM} }} }}"""
    given = {"idempotencyKey": str(uuid4()), "cart": a_cart(*lines, **cart)}
    answer = (await mall.ask(document, {"input": given}, who="bea")).data["checkoutPlace"]
    assert answer["__typename"] == "CheckoutPlaced", answer
    checkout: dict[str, Any] = answer["checkout"]
    return checkout


async def paid(mall: Mall, shown: str, checkout: dict[str, Any]) -> dict[str, Any]:
    """The checkout once it is paid, with what is to be shown of it."""
    document = f"""mutation ($input: CheckoutPayInput!) {{ checkoutPay(input: $input) {{
        __typename ... on CheckoutPaid {{ checkout {{ {shown} }} }} {PROBLEM} }} }}"""
    tenders = [{"method": "sandbox_approve", "amount": checkout["payable"]}]
    given = {"checkoutId": checkout["id"], "tenders": tenders, "idempotencyKey": str(uuid4())}
    answer = (await mall.ask(document, {"input": given}, who="bea")).data["checkoutPay"]
    assert answer["__typename"] == "CheckoutPaid", answer
    found: dict[str, Any] = answer["checkout"]
    return found


async def read(mall: Mall, shown: str, checkout: dict[str, Any]) -> dict[str, Any]:
    """The same, read by its id."""
    document = f"query ($id: ID!) {{ node(id: $id) {{ ... on Checkout {{ {shown} }} }} }}"
    found: dict[str, Any] = (await mall.ask(document, {"id": checkout["id"]}, who="bea")).data["node"]
    return found


@pytest.mark.parametrize("merchants", [1, 3])
async def test_a_checkout_costs_three_statements_for_each_merchant_to_place_and_three_to_pay(
    mall: Mall, merchants: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = []
    for number in range(merchants):
        merchant = await a_merchant(mall.database, f"shop-{number}")
        for title in ("Kite", "Ball"):
            product = await a_product(mall.database, merchant, title=title, prices={"BRL": 10_000}, on_hand=50)
            lines.append(a_line(merchant, product))
    await buy(mall, "bea", *lines)  # keys are made, and accounts get their balances
    with counted(monkeypatch) as placing:
        checkout = await placed(mall, PLACED, *lines)
    with counted(monkeypatch) as paying:
        assert (await paid(mall, PAID, checkout))["status"] == "paid"
    assert (len(placing), len(paying)) == (6 + 3 * merchants, 12 + 3 * merchants), (placing, paying)
    assert (placing.round_trips, paying.round_trips) == (3 + merchants, 6 + merchants)


async def test_what_placing_and_paying_answer_is_what_is_read_afterwards(mall: Mall) -> None:
    first, second = [await a_merchant(mall.database, f"shop-{number}") for number in range(2)]
    kite = await a_product(mall.database, first, prices={"BRL": 10_000})
    ball = await a_product(mall.database, second, title="Ball", prices={"BRL": 3_333})
    pat = await mall.appoint("pat", PlatformRole.ADMIN)
    made = await create_platform_coupon(mall, pat, "SPRING-1", percentBps=1_000)
    assert made["__typename"] == "PlatformCouponCreated", made
    mall.clock.advance(minutes=1)
    assert (await set_tax(mall, pat, "BR", 700, inclusive=False))["__typename"] == "TaxRateWasSet"
    mall.clock.advance(minutes=1)
    lines = (a_line(first, kite, 2), a_line(second, ball, 1, "33.33"))
    checkout = await placed(mall, WHOLE, *lines, couponCodes=["SPRING-1"], shipTo=to("BR", "PE"))
    payable = checkout.pop("payable")
    assert checkout["discount"]["amount"] != "0.00" != checkout["addedTax"]["amount"]
    assert checkout == await read(mall, WHOLE, checkout)
    shown = f"{CHECKOUT} orders {{ {ORDER} }}"
    after = await paid(mall, shown, checkout | {"payable": payable})
    assert after == await read(mall, shown, checkout)
    assert after["paidAt"]
    assert after["orders"][0]["shipBy"]
