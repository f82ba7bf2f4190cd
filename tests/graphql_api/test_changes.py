"""What an ERP follows: every change once, oldest first, whoever writes meanwhile, and only what its rights reach."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from graphql_api.relay import encode_cursor, encode_id
from merchantry.domain.event import MIRRORED, EventKind
from merchantry.domain.permission import MerchantRole
from merchantry.jobs.telling import KEPT, prune, tell_all
from merchantry.services import catalogue, outbox, staff
from merchantry.services import merchant as merchants
from merchantry.services.catalogue import Product
from tenancy.principals import Merchant
from tests.builders import NOON, a_product, a_shop, an_act, some_merchants
from tests.graphql_api.counting import counted
from tests.graphql_api.documents import a_line, buy, refund
from tests.graphql_api.mall import Answer, Mall
from tests.graphql_api.test_machine_tokens import ask_by, create

CHANGES = """query ($kinds: [String!], $first: Int, $after: String) { merchant { changes(
  kinds: $kinds, first: $first, after: $after
) {
  nodes { cursor id kind version actor occurredAt facts
          order { id number status } product { id title variants { id onHand } }
          refund { id amount { amount } parties { merchant { amount } } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
} } }"""
BRIEF = """query ($kinds: [String!], $first: Int, $after: String) { merchant { changes(
  kinds: $kinds, first: $first, after: $after
) { nodes { kind facts } pageInfo { hasNextPage endCursor } } } }"""
STOCK = "stock.adjusted"


@pytest.fixture
async def kites(mall: Mall) -> Merchant:
    """A merchant with an owner and a viewer, beside another one."""
    kites, books = await some_merchants(mall.database, a_shop("kites"), a_shop("books"))
    await mall.hire("olga", kites, MerchantRole.OWNER)
    await mall.hire("vera", kites, MerchantRole.VIEWER)
    await mall.hire("berta", books, MerchantRole.OWNER)
    return kites


async def told(mall: Mall) -> None:
    await tell_all(mall.database)


async def page(mall: Mall, who: str = "olga", merchant: str = "kites", document: str = CHANGES, **given: Any) -> Any:
    await told(mall)
    return (await mall.ask(document, given, who=who, merchant=merchant)).data["merchant"]["changes"]


async def adjust(mall: Mall, merchant: Merchant, *numbers: int) -> None:
    """As many transactions, one after the other."""
    for number in numbers:
        async with mall.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
            facts = {"variant": uuid4(), "on_hand": number}
            await outbox.publish(session, EventKind.STOCK_ADJUSTED, facts, an_act())


def numbers(found: Any) -> list[int]:
    return [each["facts"]["on_hand"] for each in found["nodes"]]


async def a_kite(mall: Mall, merchant: Merchant) -> Product:
    return await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100)


async def test_changes_say_what_happened_and_show_how_things_stand(mall: Mall, kites: Merchant) -> None:
    kite = await a_kite(mall, kites)
    order = (await buy(mall, "bea", a_line(kites, kite)))["orders"][0]
    await refund(mall, "olga", kites, orderId=order["id"], amount={"amount": "1.00", "currency": "BRL"})
    async with mall.database.write("test") as tx, tx.as_merchant(kites.id) as session:
        await catalogue.update_product(session, kite.id, act=an_act(), title="Box kite")
    found = (await page(mall))["nodes"]
    kinds = [each["kind"] for each in found]
    assert kinds[:2] == ["product.created", "product.published"]
    assert kinds[-1] == "product.changed"
    assert {"order.created", "order.paid", "split.recorded", "order.refunded", "refund.requested"} <= set(kinds)
    product = encode_id("Product", kites.id, kite.id)
    for each in found:
        facts = each["facts"]
        assert (each["version"], each["order"] is None) == (1, "order" not in facts), each
        assert (each["product"] is None) is ("product" not in facts), each
        assert (each["refund"] is None) is ("refund" not in facts), each
    assert {each["product"]["title"] for each in found if each["product"]} == {"Box kite"}
    assert {each["facts"]["product"] for each in found if each["product"]} == {product}
    assert {each["order"]["id"] for each in found if each["order"]} == {order["id"]}
    refunds = [each for each in found if each["refund"]]
    assert {each["refund"]["id"] for each in refunds} == {each["facts"]["refund"] for each in refunds}
    assert all(each["refund"]["parties"]["merchant"]["amount"] for each in refunds)


async def test_pages_go_from_the_oldest_to_the_newest_and_on_from_an_empty_one(mall: Mall, kites: Merchant) -> None:
    first = await page(mall)
    assert (first["nodes"], first["pageInfo"]["endCursor"]) == ([], None)
    await adjust(mall, kites, *range(5))
    seen: list[int] = []
    after = None
    for _ in range(3):
        found = await page(mall, first=2, after=after)
        seen += numbers(found)
        assert found["pageInfo"]["hasNextPage"] is (len(seen) < 5)
        assert found["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert found["nodes"][-1]["cursor"] == found["pageInfo"]["endCursor"]
        after = found["pageInfo"]["endCursor"]
    assert seen == [0, 1, 2, 3, 4]
    for _ in range(2):
        empty = await page(mall, after=after)
        assert (empty["nodes"], empty["pageInfo"]["endCursor"]) == ([], after)
    await adjust(mall, kites, 5)
    assert numbers(await page(mall, after=after)) == [5]


async def test_kinds_narrow_and_those_that_tell_of_something_else_are_refused(mall: Mall, kites: Merchant) -> None:
    await a_kite(mall, kites)
    await adjust(mall, kites, 7)
    assert numbers(await page(mall, kinds=[STOCK])) == [7]
    assert (await page(mall, kinds=[]))["nodes"] == []
    for kind in ("order.eaten", "payout.sent", "merchant.created", "", "\u2603" * 5_000):
        answer = await mall.ask(CHANGES, {"kinds": [kind]}, who="olga", merchant="kites")
        assert (answer.codes, answer.body["data"]) == (["INVALID_INPUT"], {"merchant": {"changes": None}}), kind
        assert len(answer.body["errors"][0]["message"]) < 200


@pytest.mark.parametrize(
    "after",
    ["", "nonsense", "\u2603", encode_cursor("orders", (1,)), encode_cursor("events", ("1",)), "x" * 5_000],
    ids=["empty", "nonsense", "snowman", "of orders", "no number", "long"],
)
async def test_a_cursor_of_nothing_is_refused(mall: Mall, kites: Merchant, after: str) -> None:
    answer = await mall.ask(CHANGES, {"after": after}, who="olga", merchant="kites")
    assert answer.codes == ["INVALID_INPUT"]


async def test_numbers_out_of_all_range_are_only_cursors_too(mall: Mall, kites: Merchant) -> None:
    await adjust(mall, kites, 1)
    for seq, expected in ((-(2**63), [1]), (2**63 - 1, [])):
        assert numbers(await page(mall, after=encode_cursor("events", (seq,)))) == expected


async def test_a_cursor_from_before_what_is_kept_is_refused_as_subscriptions_do(mall: Mall, kites: Merchant) -> None:
    await adjust(mall, kites, 1, 2)
    cursor = (await page(mall, first=1))["pageInfo"]["endCursor"]
    assert await prune(mall.database, NOON + KEPT + timedelta(seconds=1))
    answer = await mall.ask(CHANGES, {"after": cursor}, who="olga", merchant="kites")
    assert answer.codes == ["CURSOR_EXPIRED"]
    await adjust(mall, kites, 3)
    assert numbers(await page(mall)) == [3]


async def test_another_merchants_changes_are_shown_to_nobody_else(mall: Mall, kites: Merchant) -> None:
    kite = await a_kite(mall, kites)
    await buy(mall, "bea", a_line(kites, kite))
    own = await page(mall)
    theirs = await page(mall, "berta", "books", after=None)
    assert theirs["nodes"] == []
    cursor = own["nodes"][0]["cursor"]
    assert (await page(mall, "berta", "books", after=cursor))["nodes"] == []
    for who in ("berta", "bea"):
        refused = await mall.ask(CHANGES, who=who, merchant="kites")
        missing = await mall.ask(CHANGES, who=who, merchant="no-such")
        assert (refused.status, refused.body) == (403, missing.body)


async def test_removed_staff_and_a_suspended_merchants_are_refused(mall: Mall, kites: Merchant) -> None:
    await adjust(mall, kites, 1)
    assert numbers(await page(mall, "vera")) == [1]
    account = await mall.account("vera")
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account, kites.id, MerchantRole.VIEWER, an_act())
    assert await until_refused(mall, "vera") == 403
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await merchants.set_status(session, "kites", "suspended", an_act("platform:adam"))
    assert await until_refused(mall, "olga") == 403


async def until_refused(mall: Mall, who: str) -> int:
    """The status, once it is another than 200."""
    async with asyncio.timeout(10):
        while (answer := await mall.ask(CHANGES, who=who, merchant="kites")).status == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return answer.status


async def test_a_machine_sees_what_its_scopes_reach(mall: Mall, kites: Merchant) -> None:
    kite = await a_kite(mall, kites)
    await buy(mall, "bea", a_line(kites, kite))
    await told(mall)

    async def seen(*scopes: str) -> Answer:
        made = await create(mall, "olga", "kites", *scopes)
        return await ask_by(mall, made["secret"], CHANGES, "kites")

    def nouns(answer: Answer) -> set[str]:
        return {each["kind"].partition(".")[0] for each in answer.data["merchant"]["changes"]["nodes"]}

    assert (await seen("ORDER_READ", "PRODUCT_READ")).codes == ["NOT_PERMITTED"]
    assert nouns(await seen("NOTIFICATION_READ")) == set()
    assert nouns(await seen("NOTIFICATION_READ", "PRODUCT_READ")) == {"product"}
    assert nouns(await seen("NOTIFICATION_READ", "ORDER_READ")) == {"order"}
    ledger = await seen("NOTIFICATION_READ", "LEDGER_READ")
    assert nouns(ledger) == {"split"}
    assert [each["order"] for each in ledger.data["merchant"]["changes"]["nodes"]] == [None]


async def test_a_thousand_changes_are_paged_with_none_missing_while_others_write(mall: Mall, kites: Merchant) -> None:
    """Four write at once, and another merchant's beside them."""
    [books] = await some_merchants(mall.database, a_shop("boats"))
    written = asyncio.Event()

    async def write_all() -> None:
        await asyncio.gather(
            *(adjust(mall, kites, *range(part * 250, part * 250 + 250)) for part in range(4)),
            adjust(mall, books, *range(100)),
        )
        written.set()

    async def read_all() -> list[int]:
        seen: list[int] = []
        after, is_last = None, False
        while True:
            is_last = written.is_set()
            if is_last:
                await told(mall)
            found = (await mall.ask(BRIEF, {"first": 100, "after": after}, who="olga", merchant="kites")).data[
                "merchant"
            ]["changes"]
            seen += numbers(found)
            after = found["pageInfo"]["endCursor"]
            if is_last and not found["pageInfo"]["hasNextPage"]:
                return seen

    writing = asyncio.create_task(write_all())
    async with asyncio.timeout(120):
        seen = await read_all()
        await writing
    assert sorted(seen) == list(range(1_000))
    for part in range(4):
        assert [each for each in seen if each // 250 == part] == list(range(part * 250, part * 250 + 250))


async def test_a_page_costs_the_same_statements_for_ten_changes_and_for_a_hundred(
    mall: Mall, kites: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(10):
        kite = await a_kite(mall, kites)
        order = (await buy(mall, "bea", a_line(kites, kite)))["orders"][0]
        await refund(mall, "olga", kites, orderId=order["id"], amount={"amount": "1.00", "currency": "BRL"})
    assert len((await page(mall, first=100))["nodes"]) >= 70
    document = CHANGES.replace(
        "order { id number status }",
        "order { id lines { id } shipments { id } events { kind } refunds { id } returns { id } chargebacks { id }"
        " split { id } reviewTrail { __typename } shipTo { city } }",
    )
    counts = []
    for first in (10, 100):
        await mall.ask(document, {"first": first}, who="olga", merchant="kites")
        with counted(monkeypatch) as sent:
            found = await mall.ask(document, {"first": first}, who="olga", merchant="kites")
        nodes = found.data["merchant"]["changes"]["nodes"]
        assert {"order", "product", "refund"} <= {name for each in nodes for name in each if each[name]}
        counts.append(len(sent))
    assert counts[0] == counts[1] < 40, counts


def test_what_is_mirrored_is_told_to_staff_and_names_a_product_or_an_order() -> None:
    assert {EventKind.PRODUCT_CHANGED, EventKind.STOCK_ADJUSTED, EventKind.ORDER_PAID, EventKind.RETURN_RECEIVED} < (
        MIRRORED
    )
    assert not {EventKind.PAYOUT_SENT, EventKind.MERCHANT_CREATED, EventKind.CASE_OPENED} & MIRRORED
