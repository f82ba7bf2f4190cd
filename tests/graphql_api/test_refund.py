"""Refunds by the public door: what staff give back, what is too much, and what others must approve."""

from typing import Any
from uuid import uuid4

from merchantry.domain.permission import MerchantRole, PlatformRole
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, refund, ship
from tests.graphql_api.mall import Mall

ORDER = """query ($number: String!) { merchant { order(number: $number) {
  status refunded { amount } lines { refundable { amount } refundableQuantity cancelledQuantity }
  refunds { status parties { merchant { amount } } }
} } }"""
MINE = (
    "{ viewer { orders { nodes { refunds { status failure amount { amount } parties { merchant { amount } } } } } } }"
)
DECIDE = """mutation ($input: CaseDecideInput!) { caseDecide(input: $input) {
  __typename ... on CaseDecided { case { status } } ... on Problem { code }
} }"""


def brl(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "BRL"}


async def a_sale(mall: Mall, price: int = 10_000, quantity: int = 1) -> tuple[Merchant, Any]:
    """A paid order of a merchant whose owner is olga; shipping is 10.00, commission 12 % of the goods."""
    merchant = await a_merchant(mall.database)
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    kite = await a_product(mall.database, merchant, prices={"BRL": price})
    shown = f"{price // 100}.{price % 100:02d}"
    return merchant, (await buy(mall, "bea", a_line(merchant, kite, quantity, shown)))["orders"][0]


async def test_staff_give_back_pieces_and_shipping_and_see_whom_it_was_taken_from(mall: Mall) -> None:
    merchant, order = await a_sale(mall, quantity=2)
    lines = [{"lineId": order["lines"][0]["id"], "quantity": 1}]
    made = await refund(mall, "olga", merchant, orderId=order["id"], lines=lines, shipping=brl("4.00"))
    assert made["refund"] | {"id": "", "lines": []} == {
        "id": "",
        "status": "pending",
        "kind": "refund",
        "amount": {"amount": "104.00"},
        "restocked": False,
        "lines": [],
        "parties": {"merchant": {"amount": "92.00"}, "commission": {"amount": "12.00"}},
    }
    await mall.work()
    found = (await mall.ask(ORDER, {"number": order["number"]}, who="olga", merchant=merchant.slug)).data
    assert found["merchant"]["order"] == {
        "status": "TO_SHIP",
        "refunded": {"amount": "104.00"},
        "lines": [{"refundable": {"amount": "106.00"}, "refundableQuantity": 1, "cancelledQuantity": 1}],
        "refunds": [{"status": "sent", "parties": {"merchant": {"amount": "92.00"}}}],
    }
    [mine] = (await mall.ask(MINE, who="bea")).data["viewer"]["orders"]["nodes"]
    assert mine["refunds"] == [{"status": "sent", "failure": None, "amount": {"amount": "104.00"}, "parties": None}]


async def test_more_than_is_left_is_a_problem_that_says_what_is_left(mall: Mall) -> None:
    merchant, order = await a_sale(mall)
    await refund(mall, "olga", merchant, orderId=order["id"], amount=brl("60.00"))
    refused = await refund(mall, "olga", merchant, orderId=order["id"], amount=brl("60.00"))
    assert (refused["__typename"], refused["refundable"]) == ("RefundTooLarge", brl("50.00"))
    wrong = await refund(mall, "olga", merchant, orderId=order["id"], amount={"amount": "1.00", "currency": "EUR"})
    assert wrong["code"] == "MIXED_CURRENCIES"


async def test_the_same_key_gives_back_once(mall: Mall) -> None:
    merchant, order = await a_sale(mall)
    given = {"orderId": order["id"], "amount": brl("60.00"), "idempotencyKey": str(uuid4())}
    first, second = [await refund(mall, "olga", merchant, **given) for _ in range(2)]
    assert first == second


async def test_a_refund_above_ones_limit_waits_for_other_people_and_is_made_when_they_approve(mall: Mall) -> None:
    merchant, order = await a_sale(mall, price=600_000)
    await mall.hire("max", merchant, MerchantRole.MANAGER)
    await mall.appoint("fay", PlatformRole.FINANCE)
    asked = await refund(mall, "max", merchant, orderId=order["id"])
    assert asked["refund"] is None
    given = {"caseId": asked["approvalCaseId"], "vote": "APPROVE", "reason": "seen", "idempotencyKey": str(uuid4())}
    decided = (await mall.ask(DECIDE, {"input": given}, who="fay")).data["caseDecide"]
    assert decided["case"]["status"] == "APPROVED"
    await mall.work()
    found = (await mall.ask(ORDER, {"number": order["number"]}, who="olga", merchant=merchant.slug)).data
    assert found["merchant"]["order"]["status"] == "REFUNDED"
    assert found["merchant"]["order"]["refunds"][0]["status"] == "sent"


async def test_approving_what_is_no_longer_left_is_refused_and_the_case_stays_open(mall: Mall) -> None:
    merchant, order = await a_sale(mall, price=600_000)
    await mall.hire("max", merchant, MerchantRole.MANAGER)
    await mall.appoint("fay", PlatformRole.FINANCE)
    asked = await refund(mall, "max", merchant, orderId=order["id"], amount=brl("6000.00"))
    await refund(mall, "olga", merchant, orderId=order["id"], amount=brl("100.00"))
    given = {"caseId": asked["approvalCaseId"], "vote": "APPROVE", "reason": "seen", "idempotencyKey": str(uuid4())}
    assert (await mall.ask(DECIDE, {"input": given}, who="fay")).data["caseDecide"]["code"] == "REFUND_TOO_LARGE"


async def test_the_platforms_finance_refunds_for_any_merchant_and_its_admin_does_not(mall: Mall) -> None:
    merchant, order = await a_sale(mall)
    await ship(mall, "olga", merchant, order["id"])
    await mall.appoint("fay", PlatformRole.FINANCE)
    made = await refund(mall, "fay", None, orderId=order["id"], amount=brl("1.00"))
    assert made["refund"]["amount"] == {"amount": "1.00"}
