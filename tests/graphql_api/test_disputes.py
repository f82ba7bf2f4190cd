"""Returns and chargebacks by the public door: a buyer's return, and a bank's two rounds."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from merchantry.domain.permission import MerchantRole, PlatformRole
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, confirm, refund, ship
from tests.graphql_api.mall import Mall

RETURN = "returnRequest { id status lines { quantity } refundId }"
PROBLEM = "... on Problem { code }"
DOCUMENTS = {
    "returnRequest": ("ReturnRequestInput", f"... on ReturnRequested {{ {RETURN} }}"),
    "returnApprove": ("ReturnApproveInput", f"... on ReturnApproved {{ {RETURN} }}"),
    "returnReject": ("ReturnRejectInput", f"... on ReturnRejected {{ {RETURN} }}"),
    "returnWithdraw": ("ReturnWithdrawInput", f"... on ReturnWithdrawn {{ {RETURN} }}"),
    "returnReceive": ("ReturnReceiveInput", f"... on ReturnReceived {{ {RETURN} }}"),
    "chargebackOpen": (
        "ChargebackOpenInput",
        "... on ChargebackOpened { chargeback { id status round held { amount } } }",
    ),
    "chargebackRespond": (
        "ChargebackRespondInput",
        "... on ChargebackResponded { chargeback { respondedAt evidence { name value } } }",
    ),
    "chargebackLose": ("ChargebackEndInput", "... on ChargebackLost { chargeback { status covered { amount } } }"),
    "chargebackWin": ("ChargebackEndInput", "... on ChargebackWon { chargeback { status round } }"),
}


async def do(mall: Mall, name: str, who: str, merchant: Merchant | None = None, **given: Any) -> dict[str, Any]:
    """Whatever a mutation answers to somebody."""
    kind, shown = DOCUMENTS[name]
    document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ __typename {shown} {PROBLEM} }} }}"
    sent = {"idempotencyKey": str(uuid4()), **given}
    slug = merchant.slug if merchant else None
    found: dict[str, Any] = (await mall.ask(document, {"input": sent}, who=who, merchant=slug)).data[name]
    return found


async def a_received_order(mall: Mall) -> tuple[Merchant, Any]:
    """Two kites for 100.00 each and 10.00 of shipping, with the buyer bea since just now."""
    merchant = await a_merchant(mall.database)
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    await mall.appoint("fay", PlatformRole.FINANCE)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    order = (await buy(mall, "bea", a_line(merchant, kite, 2)))["orders"][0]
    await ship(mall, "olga", merchant, order["id"])
    await confirm(mall, "bea", order["id"])
    return merchant, order


async def test_a_buyer_returns_a_piece_and_is_refunded_for_it(mall: Mall) -> None:
    merchant, order = await a_received_order(mall)
    lines = [{"lineId": order["lines"][0]["id"], "quantity": 1}]
    asked = await do(mall, "returnRequest", "bea", orderId=order["id"], lines=lines, reason="too small")
    return_id = asked["returnRequest"]["id"]
    assert (await do(mall, "returnReceive", "olga", merchant, returnId=return_id, restock=True))["code"] == (
        "RETURN_REFUSED"
    )
    await do(mall, "returnApprove", "olga", merchant, returnId=return_id)
    received = await do(mall, "returnReceive", "olga", merchant, returnId=return_id, restock=True)
    assert received["returnRequest"]["status"] == "REFUNDED"
    await mall.work()
    mine = "{ viewer { returns { nodes { status } } orders { nodes { status refunds { kind amount { amount } } } } } }"
    found = (await mall.ask(mine, who="bea")).data["viewer"]
    assert found["returns"]["nodes"] == [{"status": "REFUNDED"}]
    assert found["orders"]["nodes"] == [
        {"status": "COMPLETED", "refunds": [{"kind": "return", "amount": {"amount": "100.00"}}]}
    ]
    theirs = "{ merchant { returns { nodes { status refundId } } } }"
    [seen] = (await mall.ask(theirs, who="olga", merchant=merchant.slug)).data["merchant"]["returns"]["nodes"]
    assert seen == {"status": "REFUNDED", "refundId": received["returnRequest"]["refundId"]}


async def test_a_buyer_withdraws_a_merchant_rejects_and_too_late_is_too_late(mall: Mall) -> None:
    merchant, order = await a_received_order(mall)
    given = {"orderId": order["id"], "lines": [{"lineId": order["lines"][0]["id"], "quantity": 2}], "reason": "worn"}
    first = (await do(mall, "returnRequest", "bea", **given))["returnRequest"]["id"]
    assert (await do(mall, "returnWithdraw", "bob", returnId=first))["code"] == "NOT_FOUND"
    assert (await do(mall, "returnWithdraw", "bea", returnId=first))["returnRequest"]["status"] == "WITHDRAWN"
    second = (await do(mall, "returnRequest", "bea", **given))["returnRequest"]["id"]
    rejected = await do(mall, "returnReject", "olga", merchant, returnId=second, answer="worn indeed")
    assert rejected["returnRequest"]["status"] == "REJECTED"
    mall.clock.advance(days=14)
    assert (await do(mall, "returnRequest", "bea", **given))["code"] == "RETURN_TOO_LATE"


async def test_a_bank_takes_a_payment_back_and_gives_it_again_in_the_second_round(mall: Mall) -> None:
    merchant, order = await a_received_order(mall)
    given = {
        "orderId": order["id"],
        "reference": "CB-1",
        "amount": {"amount": "210.00", "currency": "BRL"},
        "reason": "no",
    }
    mall.clock.advance(days=8)
    opened = (await do(mall, "chargebackOpen", "fay", **given))["chargeback"]
    assert (opened["status"], opened["held"]) == ("opened", {"amount": "186.00"})
    assert (await do(mall, "chargebackOpen", "fay", **given))["code"] == "CHARGEBACK_REFUSED"
    lost = await do(mall, "chargebackLose", "fay", chargebackId=opened["id"])
    assert lost["chargeback"] == {"status": "lost", "covered": {"amount": "0.00"}}
    refused = await refund(mall, "olga", merchant, orderId=order["id"], amount={"amount": "1.00", "currency": "BRL"})
    assert refused["refundable"]["amount"] == "0.00"
    again = (await do(mall, "chargebackOpen", "fay", **given))["chargeback"]
    won = await do(mall, "chargebackWin", "fay", chargebackId=again["id"])
    assert won["chargeback"] == {"status": "won", "round": 2}
    seen = "{ merchant { chargebacks { nodes { round status } } balance { available { amount } } } }"
    found = (await mall.ask(seen, who="olga", merchant=merchant.slug)).data["merchant"]
    assert {(each["round"], each["status"]) for each in found["chargebacks"]["nodes"]} == {(2, "won"), (1, "lost")}
    assert found["balance"] == [{"available": {"amount": "186.00"}}]


CASES = """{ platform { cases(kind: [CHARGEBACK]%s) { nodes {
  id status title dueAt overdue reason subject { id } amount { amount } evidence { name value } events { kind text }
} } } }"""


async def cases(mall: Mall, chosen: str = "") -> list[dict[str, Any]]:
    """Cases about chargebacks, as finance sees them."""
    found: list[dict[str, Any]] = (await mall.ask(CASES % chosen, who="fay")).data["platform"]["cases"]["nodes"]
    return found


async def a_chargeback(mall: Mall) -> tuple[Merchant, str]:
    """A merchant, and a chargeback of 50.00 that its bank wants to hear about within ten days."""
    merchant, order = await a_received_order(mall)
    given = {"orderId": order["id"], "reference": "CB-1", "amount": {"amount": "50.00", "currency": "BRL"}}
    until = (mall.clock() + timedelta(days=10)).isoformat()
    opened = await do(mall, "chargebackOpen", "fay", **given, reason="not received", respondBy=until)
    chargeback_id: str = opened["chargeback"]["id"]
    return merchant, chargeback_id


async def test_a_chargeback_is_a_case_that_is_due_when_the_bank_wants_its_answer(mall: Mall) -> None:
    _, chargeback_id = await a_chargeback(mall)
    (found,) = await cases(mall)
    assert (found["status"], found["overdue"], found["amount"]) == ("OPEN", False, {"amount": "50.00"})
    assert found["subject"]["id"] == chargeback_id
    assert found["dueAt"] == (mall.clock() + timedelta(days=10)).isoformat()
    names = [each["name"] for each in found["evidence"]]
    assert names == ["order", "the bank's reference", "reason", "round", "shipped", "completed"]
    await mall.work()
    assert await cases(mall, ", overdue: true") == []


async def test_after_the_bank_s_deadline_the_case_says_so_and_the_merchant_is_told(mall: Mall) -> None:
    merchant, _ = await a_chargeback(mall)
    mall.clock.advance(days=10, minutes=1)
    for _ in range(2):
        await mall.work()
    (found,) = await cases(mall, ", overdue: true")
    assert [each["kind"] for each in found["events"]] == ["open", "overdue"]
    assert found["events"][1]["text"].startswith("The bank wanted an answer until ")
    ask = "{ merchant { notifications { nodes { kind } } cases { nodes { overdue events { kind } } } } }"
    seen = (await mall.ask(ask, who="olga", merchant=merchant.slug)).data["merchant"]
    assert "chargeback.overdue" in [each["kind"] for each in seen["notifications"]["nodes"]]
    (shown,) = [each for each in seen["cases"]["nodes"] if each["overdue"]]
    assert [each["kind"] for each in shown["events"]] == ["open", "overdue"]


async def test_evidence_that_was_sent_is_with_the_chargeback_and_its_case_and_nothing_is_due_any_more(
    mall: Mall,
) -> None:
    merchant, chargeback_id = await a_chargeback(mall)
    sent = [{"name": "proof of delivery", "value": "signed by the buyer"}]
    assert (await do(mall, "chargebackRespond", "fay", chargebackId=chargeback_id, evidence=[]))["code"]
    for _ in range(2):
        answer = await do(
            mall, "chargebackRespond", "fay", chargebackId=chargeback_id, evidence=sent, idempotencyKey="one answer"
        )
        assert answer["chargeback"]["evidence"] == sent
        assert answer["chargeback"]["respondedAt"]
    mall.clock.advance(days=11)
    await mall.work()
    (found,) = await cases(mall)
    assert (found["dueAt"], found["overdue"]) == (None, False)
    assert [each["kind"] for each in found["events"]] == ["open", "evidence"]
    seen = "{ merchant { chargebacks { nodes { evidence { name value } } } } }"
    shown = (await mall.ask(seen, who="olga", merchant=merchant.slug)).data["merchant"]
    assert shown["chargebacks"]["nodes"] == [{"evidence": sent}]


@pytest.mark.parametrize(("ends", "status"), [("chargebackLose", "lost"), ("chargebackWin", "won")])
async def test_only_the_bank_s_decision_ends_the_case_of_a_chargeback(mall: Mall, ends: str, status: str) -> None:
    _, chargeback_id = await a_chargeback(mall)
    await mall.appoint("flo", PlatformRole.FINANCE)
    decide = """mutation ($input: CaseDecideInput!) { caseDecide(input: $input) {
      __typename ... on Problem { message } } }"""
    given = {"caseId": (await cases(mall))[0]["id"], "vote": "APPROVE", "reason": "yes", "idempotencyKey": "v"}
    voted = (await mall.ask(decide, {"input": given}, who="flo")).data["caseDecide"]
    assert (voted["__typename"], "chargebackWin" in voted["message"]) == ("InvalidInput", True)
    await do(mall, ends, "fay", chargebackId=chargeback_id)
    (found,) = await cases(mall)
    assert (found["status"], found["reason"]) == ("SETTLED", f"The bank has decided: the chargeback was {status}.")
    late = await do(
        mall, "chargebackRespond", "fay", chargebackId=chargeback_id, evidence=[{"name": "a", "value": "b"}]
    )
    assert late["code"] == "CHARGEBACK_REFUSED"
    mall.clock.advance(days=11)
    await mall.work()
    assert await cases(mall, ", overdue: true") == []
