"""Payments that wait for their buyers, and what providers tell of them by webhooks: each has one effect, or none."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from graphql_api.relay import parse_id
from graphql_api.signed_messages import MAX_BODY_BYTES
from merchantry.domain.act import Act
from merchantry.domain.permission import PlatformRole
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.gateways.sandbox import message
from merchantry.gateways.webhook_signature import Secrets, new_secret
from merchantry.services import late_payment
from tests.builders import a_merchant, a_product
from tests.concurrency.counting import check_everything, rows, stock_of
from tests.graphql_api.documents import a_line, pay, place
from tests.graphql_api.mall import WEBHOOK_SECRETS, Mall

PATH = "/webhooks/payments/sandbox"
PAYMENTS = """
{ viewer { checkouts { nodes { status payments { status lateAt givenBackAt action { kind url qrPayload } } } } } }
"""
CASES = """
{ platform { cases(kind: [GIVE_BACK_FAILED]) {
  nodes { id status title reason amount { amount } merchant evidence { name value } } } } }
"""
DECIDE = """
mutation ($input: CaseDecideInput!) { caseDecide(input: $input) {
  __typename ... on CaseDecided { case { status } } ... on Problem { code message } } }
"""
BACK = "SELECT amount_minor FROM platform.sandbox_refund"


async def an_open_payment(mall: Mall, method: str = "sandbox_redirect") -> dict[str, Any]:
    seller = await a_merchant(mall.database)
    product = await a_product(mall.database, seller, prices={"BRL": 10000})
    placed = (await place(mall, "bea", a_line(seller, product)))["checkout"]
    asked = await pay(mall, "bea", placed, method=method)
    assert asked["__typename"] == "CheckoutPayNeedsAction", asked
    return asked | {"placed": placed, "merchant": seller}


def key_of(asked: dict[str, Any]) -> UUID:
    _, (key,) = parse_id(asked["payment"]["id"]) or ("", (uuid4(),))
    return key


async def tell(
    mall: Mall,
    key: UUID,
    status: ChargeStatus,
    *,
    message_id: str = "",
    secrets: Secrets = WEBHOOK_SECRETS,
    minutes_ago: int = 0,
    path: str = PATH,
) -> httpx.Response:
    """What the provider posts about a charge."""
    at = mall.clock() - timedelta(minutes=minutes_ago)
    body = message(key, Outcome(status), at)
    headers = secrets.sign(message_id or f"msg_{uuid4()}", at, body)
    return await mall.http.post(path, content=body, headers=headers)


async def payments(mall: Mall) -> list[dict[str, Any]]:
    (checkout,) = (await mall.ask(PAYMENTS, who="bea")).data["viewer"]["checkouts"]["nodes"]
    return [{"checkout": checkout["status"]} | each for each in checkout["payments"]]


@pytest.mark.parametrize(("method", "kind"), [("sandbox_redirect", "REDIRECT"), ("sandbox_qr", "QR_CODE")])
async def test_a_payment_that_needs_an_action_says_which_and_until_when(mall: Mall, method: str, kind: str) -> None:
    asked = await an_open_payment(mall, method)
    page = f"http://mall.test/sandbox/pay/{key_of(asked)}"
    shown = {"REDIRECT": (page, None), "QR_CODE": (None, page)}[kind]
    action = asked["action"]
    assert (action["kind"], action["url"], action["qrPayload"]) == (kind, *shown)
    assert action["expiresAt"] == asked["expiresAt"] == (mall.clock() + timedelta(minutes=15)).isoformat()
    assert asked["checkout"]["status"] == "awaiting_payment"
    assert stock_of(mall.database, asked["merchant"].id)[0][1] == 1


@pytest.mark.parametrize(
    ("answer", "expected"), [("approve", ("paid", "captured")), ("decline", ("awaiting_payment", "failed"))]
)
async def test_the_sandbox_tells_by_a_signed_webhook_what_its_buyer_answered(
    mall: Mall, answer: str, expected: tuple[str, str]
) -> None:
    asked = await an_open_payment(mall, "sandbox_qr")
    assert (await mall.http.post(f"{asked['action']['qrPayload']}/{answer}")).status_code == 303
    (found,) = await payments(mall)
    assert (found["checkout"], found["status"], found["action"]) == (*expected, None)
    assert len(rows(mall.database, "SELECT message_id FROM platform.payment_message")) == 1
    await check_everything(mall.database)


async def test_an_action_that_nobody_takes_expires_and_the_checkout_can_be_paid_by_other_means(mall: Mall) -> None:
    asked = await an_open_payment(mall)
    mall.clock.advance(minutes=16)
    await mall.work()
    assert [each["status"] for each in await payments(mall)] == ["expired"]
    assert (await pay(mall, "bea", asked["placed"]))["__typename"] == "CheckoutPaid"


async def test_a_lost_webhook_is_made_good_by_asking(mall: Mall) -> None:
    asked = await an_open_payment(mall)
    await mall.tools.gateway.resolve(key_of(asked), ChargeStatus.CAPTURED)  # type: ignore[attr-defined]
    mall.clock.advance(seconds=11)
    await mall.work()
    assert [(each["checkout"], each["status"]) for each in await payments(mall)] == [("paid", "captured")]


async def test_a_message_told_twice_and_contradicted_afterwards_has_one_effect(mall: Mall) -> None:
    key = key_of(await an_open_payment(mall))
    told = [
        await tell(mall, key, ChargeStatus.CAPTURED, message_id="one"),
        await tell(mall, key, ChargeStatus.CAPTURED, message_id="one"),
        await tell(mall, key, ChargeStatus.DECLINED, message_id="one"),
        await tell(mall, key, ChargeStatus.CAPTURED, message_id="two"),
        await tell(mall, key, ChargeStatus.DECLINED, message_id="three"),
    ]
    assert {each.status_code for each in told} == {200}
    (found,) = await payments(mall)
    assert (found["checkout"], found["status"], found["lateAt"]) == ("paid", "captured", None)
    assert [row["n"] for row in rows(mall.database, "SELECT count(*) AS n FROM platform.payment_message")] == [3]


@pytest.mark.parametrize("how", ["declined", "cancelled", "expired"])
async def test_money_that_comes_in_for_a_payment_that_has_ended_goes_back_once(mall: Mall, how: str) -> None:
    asked = await an_open_payment(mall)
    key = key_of(asked)
    if how == "expired":
        mall.clock.advance(minutes=31)
        await mall.work()
    else:
        await tell(mall, key, ChargeStatus(how))
    (ended,) = await payments(mall)
    assert ended["status"] == ("failed" if how == "declined" else "expired")
    for _ in range(2):
        await mall.http.post(f"/sandbox/pay/{key}/late")
        assert (await tell(mall, key, ChargeStatus.CAPTURED)).status_code == 200
    mall.clock.advance(seconds=1)
    await mall.work()
    (found,) = await payments(mall)
    assert found == ended | {"lateAt": found["lateAt"], "givenBackAt": found["givenBackAt"]}
    assert found["lateAt"]
    assert found["givenBackAt"]
    assert [row["amount_minor"] for row in rows(mall.database, BACK)] == [11_000]


async def test_late_money_goes_back_and_another_payment_of_the_checkout_stays(mall: Mall) -> None:
    asked = await an_open_payment(mall)
    key = key_of(asked)
    await mall.http.post(f"{asked['action']['url']}/decline")
    assert (await pay(mall, "bea", asked["placed"]))["__typename"] == "CheckoutPaid"
    await mall.http.post(f"/sandbox/pay/{key}/late")
    mall.clock.advance(seconds=1)
    await mall.work()
    found = {each["status"]: bool(each["givenBackAt"]) for each in await payments(mall)}
    assert found == {"failed": True, "captured": False}


async def test_a_provider_that_declines_to_give_back_is_asked_again_under_another_key(mall: Mall) -> None:
    key = key_of(await an_open_payment(mall))
    await tell(mall, key, ChargeStatus.CANCELLED)
    await tell(mall, key, ChargeStatus.CAPTURED)  # though the sandbox has captured nothing yet
    await mall.work()
    state = "SELECT p.give_back_attempt, j.attempts, j.last_error FROM platform.payment p, platform.job j"
    (row,) = rows(mall.database, f"{state} WHERE j.kind = 'payment.give_back'")
    assert row["give_back_attempt"] == 2
    assert "not given back: declined" in row["last_error"]
    await mall.tools.gateway.pay_anyway(key)  # type: ignore[attr-defined]
    mall.clock.advance(hours=2)
    await mall.work()
    assert [row["amount_minor"] for row in rows(mall.database, BACK)] == [11_000]


async def declined_give_back(mall: Mall, times: int) -> UUID:
    """Late money that its provider has refused to give back so often: it has captured nothing yet."""
    await mall.appoint("fin", PlatformRole.FINANCE)
    key = key_of(await an_open_payment(mall))
    await tell(mall, key, ChargeStatus.CANCELLED)
    await tell(mall, key, ChargeStatus.CAPTURED)
    for _ in range(times):
        await mall.work()
        mall.clock.advance(hours=2)
    return key


async def cases(mall: Mall) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await mall.ask(CASES, who="fin")).data["platform"]["cases"]["nodes"]
    return found


async def gave_back_by_hand(mall: Mall) -> None:
    (opened,) = await cases(mall)
    given = {"caseId": opened["id"], "vote": "APPROVE", "reason": "Paid by hand.", "idempotencyKey": str(uuid4())}
    answer = await mall.ask(DECIDE, {"input": given}, who="fin")
    assert answer.data["caseDecide"] == {"__typename": "CaseDecided", "case": {"status": "APPROVED"}}


async def test_a_provider_that_declines_for_ever_to_give_back_is_a_case_until_it_gives(mall: Mall) -> None:
    key = await declined_give_back(mall, 2)
    assert await cases(mall) == []
    await mall.work()
    (opened,) = await cases(mall)
    assert (opened["status"], opened["amount"], opened["merchant"]) == ("OPEN", {"amount": "110.00"}, None)
    assert {each["name"] for each in opened["evidence"]} >= {"provider", "key at the provider"}
    await mall.tools.gateway.pay_anyway(key)  # type: ignore[attr-defined]
    mall.clock.advance(hours=2)
    await mall.work()
    (settled,) = await cases(mall)
    assert (settled["status"], settled["reason"]) == ("SETTLED", "The payment provider has given the money back.")
    assert [row["amount_minor"] for row in rows(mall.database, BACK)] == [11_000]


async def test_what_people_gave_back_by_other_means_is_asked_for_no_more(mall: Mall) -> None:
    key = await declined_give_back(mall, 3)
    await gave_back_by_hand(mall)
    (found,) = await payments(mall)
    assert found["givenBackAt"]
    await mall.tools.gateway.pay_anyway(key)  # type: ignore[attr-defined]
    await mall.work()
    assert rows(mall.database, BACK) == []
    assert rows(mall.database, "SELECT 1 FROM platform.job WHERE kind = 'payment.give_back'") == []


async def test_money_that_went_back_by_hand_and_by_its_provider_is_asked_about(mall: Mall) -> None:
    key = await declined_give_back(mall, 3)
    asked = await late_payment.to_give_back(mall.database, "test", key)
    await gave_back_by_hand(mall)
    act = Act("system:worker", mall.clock(), mall.clock())
    captured = Outcome(ChargeStatus.CAPTURED)
    for _ in range(2):
        assert asked
        assert await mall.database.run(
            "test", partial(late_payment.hear, payment_id=key, asked=asked, outcome=captured, act=act)
        )
    assert sorted((each["status"], each["title"][:26]) for each in await cases(mall)) == [
        ("APPROVED", "The payment provider refus"),
        ("OPEN", "Late money may have gone b"),
    ]


async def test_who_is_not_the_provider_is_refused_alike_whatever_there_is(mall: Mall) -> None:
    key, other = key_of(await an_open_payment(mall)), Secrets([new_secret(b"x" * 32)])
    answers = [
        await tell(mall, key, ChargeStatus.CAPTURED, secrets=other),
        await tell(mall, uuid4(), ChargeStatus.CAPTURED, secrets=other),
        await tell(mall, key, ChargeStatus.CAPTURED, minutes_ago=6),
        await tell(mall, key, ChargeStatus.CAPTURED, minutes_ago=-6),
        await tell(mall, key, ChargeStatus.CAPTURED, path="/webhooks/payments/merchant"),
        await tell(mall, key, ChargeStatus.CAPTURED, path="/webhooks/payments/%00"),
        await mall.http.post(PATH),
    ]
    assert {(each.status_code, each.text) for each in answers} == {(401, answers[0].text)}
    assert [each["status"] for each in await payments(mall)] == ["action_required"]


async def test_a_message_about_nothing_known_here_is_taken_and_not_remembered(mall: Mall) -> None:
    for _ in range(2):
        assert (await tell(mall, uuid4(), ChargeStatus.CAPTURED, message_id="one")).status_code == 202
    assert rows(mall.database, "SELECT 1 FROM platform.payment_message") == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"null", 422),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"type": 1}', 422),
        (b'{"type": "payment.captured", "data": null}', 422),
        (b'{"type": "payment.captured", "data": {"payment": 1}}', 422),
        (b'{"type": "payment.captured", "data": {"payment": "\\u0000"}}', 422),
        (b'{"type": "payment.unknown", "data": {"payment": "%s"}}', 422),
        (b'{"type": "payment.declined", "data": {"payment": "%s", "reason": 1}}', 422),
        (b'{"type": "payment.declined", "data": {"payment": "%s", "reason": "\\u0000\\ud83d\\ude00"}}', 200),
        (b'{"type": "dispute.opened", "data": {}}', 202),
        (b'{"type": ' + b"[" * 3000, 422),
        (b"x" * (MAX_BODY_BYTES + 1), 413),
    ],
    ids=range(14),
)
async def test_whatever_a_message_holds_it_is_answered(mall: Mall, body: bytes, status: int) -> None:
    key = key_of(await an_open_payment(mall))
    sent = body.replace(b"%s", str(key).encode())
    answer = await mall.http.post(PATH, content=sent, headers=WEBHOOK_SECRETS.sign("m", mall.clock(), sent))
    assert answer.status_code == status, answer.text
