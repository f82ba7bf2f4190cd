"""Who buys without an account: the token opens one checkout and nothing else, until it ends or an account takes it."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from graphql_api.door import Payer
from graphql_api.logging import configure_logging
from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from tenancy.database import Database
from tenancy.machine_tokens import GUEST_PREFIX, new_token
from tenancy.principals import ANONYMOUS, Caller, Guest, Merchant, Principal
from tenancy.wire import Answers, Message, Wire
from tests.builders import NOON, a_merchant, a_product
from tests.concurrency.counting import check_everything, rows
from tests.graphql_api.documents import CANCEL, a_line, buy, confirm, pay, place, ship
from tests.graphql_api.guests import BEGIN, a_guest, claim
from tests.graphql_api.mall import Answer, Mall, open_mall
from tests.graphql_api.price_documents import create_platform_coupon, kinds, place_cart
from tests.graphql_api.test_disputes import do

VIEWER = """
{ viewer {
    accountId memberships { merchantSlug } platformRoles guest { email }
    checkouts { nodes { id status shipTo { name } } }
    orders { nodes { id number status events { kind } } }
    returns { nodes { id } }
} }
"""
RECEIPTS = "query ($order: ID!) { viewer { receipts(orderId: $order) { __typename } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"


async def a_sale(mall: Mall, who: str) -> tuple[Merchant, dict[str, Any]]:
    merchant = await a_merchant(mall.database)
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    product = await a_product(mall.database, merchant, prices={"BRL": 10000})
    return merchant, await buy(mall, who, a_line(merchant, product, 2))


async def asked_with(mall: Mall, token: str, document: str = VIEWER, **variables: Any) -> Answer:
    return await mall.ask(document, variables, headers={"authorization": f"Bearer {token}"})


async def test_a_guest_buys_follows_confirms_and_returns(mall: Mall) -> None:
    merchant, checkout = await a_sale(mall, await a_guest(mall))
    order = checkout["orders"][0]
    await ship(mall, "olga", merchant, order["id"])
    assert (await confirm(mall, "guest", order["id"]))["__typename"] == "OrderReceiptConfirmed"
    lines = [{"lineId": order["lines"][0]["id"], "quantity": 1}]
    returned = await do(mall, "returnRequest", "guest", orderId=order["id"], lines=lines, reason="too small")
    assert returned["__typename"] == "ReturnRequested"
    seen = (await mall.ask(VIEWER, who="guest")).data["viewer"]
    assert (seen["accountId"], seen["memberships"], seen["platformRoles"]) == (None, [], [])
    assert seen["guest"] == {"email": "gus@example.test"}
    assert [(each["id"], each["shipTo"]) for each in seen["checkouts"]["nodes"]] == [(checkout["id"], {"name": "Ana"})]
    (shown,) = seen["orders"]["nodes"]
    assert [each["kind"] for each in shown["events"]][:2] == ["place", "pay"]
    assert len(seen["returns"]["nodes"]) == 1
    receipts = await mall.ask(RECEIPTS, {"order": order["id"]}, who="guest")
    assert receipts.data["viewer"]["receipts"] is not None
    await check_everything(mall.database)


async def test_a_guest_cancels_what_is_not_shipped_yet(mall: Mall) -> None:
    _, checkout = await a_sale(mall, await a_guest(mall))
    given = {"orderId": checkout["orders"][0]["id"], "reason": "no longer", "idempotencyKey": "one"}
    cancelled = await mall.ask(CANCEL, {"input": given}, who="guest")
    assert cancelled.data["orderCancel"]["__typename"] == "OrderCancelled"


async def test_a_guest_has_one_checkout_however_many_are_placed_at_once(mall: Mall) -> None:
    merchant = await a_merchant(mall.database)
    product = await a_product(mall.database, merchant, prices={"BRL": 10000})
    line, who = a_line(merchant, product), await a_guest(mall)
    answers = await asyncio.gather(*(place(mall, who, line) for _ in range(4)))
    assert sorted(each["__typename"] for each in answers) == ["CheckoutPlaced"] + ["InvalidInput"] * 3
    once = await place(mall, await a_guest(mall, "other"), line, key="same")
    assert (await place(mall, "other", line, key="same"))["checkout"]["id"] == once["checkout"]["id"]


async def test_a_guests_token_opens_nothing_of_anybody_else(mall: Mall) -> None:
    await a_guest(mall)
    await a_guest(mall, "other")
    merchant, own = await a_sale(mall, "guest")
    _, others = await a_sale(mall, "other")
    _, beas = await a_sale(mall, "bea")
    await mall.appoint("ada", PlatformRole.ADMIN)
    for who in ("other", "bea", "olga", "ada"):
        for checkout in (own, {"id": encode_id("Checkout", uuid4()), "total": own["total"]}):
            if who == "olga":
                continue  # her orders are those of her merchants
            found = await mall.ask(NODES, {"ids": [checkout["id"]]}, who=who)
            assert found.data["nodes"] == [None], who
            refused = await pay(mall, who, checkout)
            assert (refused["__typename"], refused["message"]) == (
                "NotFound",
                "There is no such checkout; check the id.",
            )
    for checkout in (others, beas):
        order = checkout["orders"][0]
        unknown = encode_id("Order", merchant.id, uuid4())
        for order_id in (order["id"], unknown):
            assert (await mall.ask(NODES, {"ids": [order_id]}, who="guest")).data["nodes"] == [None]
            given = {"orderId": order_id, "reason": "no longer", "idempotencyKey": str(uuid4())}
            cancelled = (await mall.ask(CANCEL, {"input": given}, who="guest")).data["orderCancel"]
            lines = [{"lineId": order["lines"][0]["id"], "quantity": 1}]
            returned = await do(mall, "returnRequest", "guest", orderId=order_id, lines=lines, reason="mine")
            assert {cancelled["__typename"], returned["__typename"]} == {"NotFound"}
            receipts = await mall.ask(RECEIPTS, {"order": order_id}, who="guest")
            assert receipts.codes == ["NOT_FOUND"]
    for document in ("{ platform { __typename } }", "{ merchant { __typename } }"):
        assert list((await mall.ask(document, who="guest")).data.values()) == [None]
    by_merchant = await mall.ask("{ merchant { __typename } }", who="guest", merchant=merchant.slug)
    assert (by_merchant.status, by_merchant.codes) == (403, ["MERCHANT_REFUSED"])


async def test_a_token_that_is_wrong_ended_or_claimed_is_refused_like_one_that_never_was(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, checkout = await a_sale(mall, await a_guest(mall))
    token = mall.token("guest")
    await a_sale(mall, await a_guest(mall, "claimed"))
    claimed = mall.guests["claimed"]
    assert (await claim(mall, "bea", claimed))["__typename"] == "GuestCheckoutClaimed"
    known = UUID(token[len(GUEST_PREFIX) :][:32])
    wrong = [
        new_token(known, GUEST_PREFIX)[0],
        new_token(uuid4(), GUEST_PREFIX)[0],
        new_token(known)[0],
        claimed,
        token[:-1],
        token + "x",
        GUEST_PREFIX,
    ]
    statements = _statements(monkeypatch)
    answers, costs = [], []
    for each in wrong:
        statements.clear()
        answers.append(await asked_with(mall, each))
        costs.append([text for text in statements if "platform.guest" in text])
        assert (await claim(mall, "bea", each))["__typename"] == "NotFound"
    assert {(each.status, str(each.body)) for each in answers} == {(401, str(answers[0].body))}
    assert costs[0] == costs[1] == costs[3]
    assert len(costs[0]) == 1
    assert (await asked_with(mall, token)).data["viewer"]["checkouts"]["nodes"][0]["id"] == checkout["id"]
    mall.clock.advance(days=91)
    assert (await asked_with(mall, token)).status == 401
    assert (await claim(mall, "bea", token))["__typename"] == "NotFound"


def _statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is sent from now on, the directory's look-ups too."""
    sent: list[str] = []
    exchange = Wire.exchange

    async def exchanged(self: Wire, messages: Sequence[Message]) -> Answers:
        sent.extend(each.text for each in messages)
        return await exchange(self, messages)

    monkeypatch.setattr(Wire, "exchange", exchanged)
    return sent


async def test_an_account_takes_a_guests_checkout_once_and_the_token_ends(mall: Mall) -> None:
    merchant, checkout = await a_sale(mall, await a_guest(mall))
    token = mall.guests["guest"]
    asking = [claim(mall, who, token, key="take") for who in ("bea", "carl")]
    answers = dict(zip(("bea", "carl"), await asyncio.gather(*asking), strict=True))
    assert sorted(each["__typename"] for each in answers.values()) == ["GuestCheckoutClaimed", "NotFound"]
    (winner,) = [who for who, each in answers.items() if each["__typename"] == "GuestCheckoutClaimed"]
    assert answers[winner]["checkout"]["id"] == checkout["id"]
    assert await claim(mall, winner, token, key="take") == answers[winner]
    assert (await asked_with(mall, token)).status == 401
    seen = (await mall.ask(VIEWER, who=winner)).data["viewer"]
    assert [each["id"] for each in seen["orders"]["nodes"]] == [checkout["orders"][0]["id"]]
    await ship(mall, "olga", merchant, checkout["orders"][0]["id"])
    assert (await confirm(mall, winner, checkout["orders"][0]["id"]))["__typename"] == "OrderReceiptConfirmed"
    assert rows(mall.database, "SELECT contact FROM platform.guest") == [{"contact": None}]


async def test_neither_nobody_nor_a_guest_nor_a_guest_without_a_checkout_can_be_part_of_a_claim(mall: Mall) -> None:
    await a_sale(mall, await a_guest(mall))
    await a_guest(mall, "other")
    assert (await claim(mall, "bea", mall.guests["other"]))["__typename"] == "NotFound"
    document = BEGIN.replace("GuestCheckoutBeginInput", "GuestCheckoutClaimInput")
    document = document.replace("guestCheckoutBegin", "guestCheckoutClaim").replace(
        "... on GuestCheckoutBegun { token expiresAt }", ""
    )
    given = {"input": {"token": mall.guests["guest"], "idempotencyKey": "k"}}
    for who in (None, "other"):
        assert (await mall.ask(document, given, who=who)).codes == ["UNAUTHENTICATED"]


async def test_a_guest_who_is_erased_is_forgotten(mall: Mall) -> None:
    _, checkout = await a_sale(mall, await a_guest(mall))
    given = {"orderId": checkout["orders"][0]["id"], "reason": "no longer", "idempotencyKey": "one"}
    await mall.ask(CANCEL, {"input": given}, who="guest")
    erase = 'mutation { viewerErase(input: { reason: "mine" }) { __typename ... on Problem { message } } }'
    assert (await mall.ask(erase, who="guest")).data["viewerErase"]["__typename"] == "BuyerErased"
    mall.clock.advance(days=1)
    await mall.work()
    seen = (await mall.ask(VIEWER, who="guest")).data["viewer"]
    assert seen["guest"] == {"email": None}
    assert seen["checkouts"]["nodes"][0]["shipTo"] is None


async def test_guests_who_place_nothing_are_forgotten(mall: Mall) -> None:
    await a_guest(mall)
    mall.clock.advance(days=1, seconds=1)
    assert (await mall.ask(VIEWER, who="guest")).status == 401
    await a_guest(mall, "other")
    assert len(rows(mall.database, "SELECT id FROM platform.guest")) == 1
    assert len(rows(mall.database, "SELECT subject_id FROM platform.contact_key")) == 1


@pytest.mark.parametrize("email", ["", "gus", "gus@", "@x.y", "a b@x.y", "gus@x", "g@x.y" * 60, "g\u202e@x.y"])
async def test_what_is_no_mail_address_is_refused(shops: Any, email: str) -> None:
    answer = (await shops.mall.ask(BEGIN, {"input": {"email": email}})).data["guestCheckoutBegin"]
    assert (answer["__typename"], answer["path"]) == ("InvalidInput", ["input", "email"])


async def test_a_coupon_that_counts_its_buyers_is_not_for_guests(mall: Mall) -> None:
    await mall.appoint("fay", PlatformRole.FINANCE)
    merchant = await a_merchant(mall.database)
    product = await a_product(mall.database, merchant, prices={"BRL": 10000})
    await create_platform_coupon(mall, "fay", "ONCE", percentBps=1000, mostUsesPerBuyer=1)
    await create_platform_coupon(mall, "fay", "ALWAYS", percentBps=1000)
    line, who = a_line(merchant, product), await a_guest(mall)
    refused = await place_cart(mall, who, line, couponCodes=["ONCE"])
    assert kinds(refused) == ["CouponNotApplicable"]
    taken = await place_cart(mall, who, line, couponCodes=["ALWAYS"])
    assert taken["__typename"] == "CheckoutPlaced"


def test_guests_are_charged_by_their_address_like_nobody() -> None:
    guest = Guest(uuid4(), NOON)
    asked = Caller(Principal(guest.id, {}, frozenset(), guest=guest), None)
    assert Payer.of(asked, "192.0.2.7") == Payer.of(Caller(ANONYMOUS, None), "192.0.2.7")


async def test_no_log_line_holds_a_guests_token_or_address(
    database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging(development=True)
    async with open_mall(database, tmp_path) as mall:
        token = mall.guests[await a_guest(mall, email="gus.secret@example.test")]
        await a_sale(mall, "guest")
        await mall.ask(VIEWER, who="guest")
        await claim(mall, "bea", token)
        await claim(mall, "bea", token)
        await mall.ask(VIEWER, who="guest")
        kept = rows(database, "SELECT a::text AS text FROM platform.audit_event a")
        kept += rows(database, "SELECT g::text AS text FROM platform.guest g")
    logged = "".join(capfd.readouterr()) + "".join(row["text"] for row in kept)
    assert "request" in logged
    assert token not in logged
    assert token[-49:-6] not in logged
    assert "gus.secret" not in logged
