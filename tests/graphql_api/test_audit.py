"""What requests leave in the audit trail: refusals, reads of others' data, and erasure, as auditors find it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services.refusal import PER_MINUTE
from tenancy.database import Database
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import ADDRESS, a_line, buy
from tests.graphql_api.mall import Mall, open_mall

TRAIL = """
query ($filter: AuditFilterInput, $first: Int, $after: String) {
  platform { auditEvents(filter: $filter, first: $first, after: $after) {
    nodes { actor onBehalfOf client requestId act subject outcome after } pageInfo { endCursor hasNextPage } } } }
"""
OWN_TRAIL = "query ($filter: AuditFilterInput) { merchant { auditEvents(filter: $filter) { nodes { actor act } } } }"
ORDERS = "{ merchant { orders { nodes { id number contact shipTo { name street phone } } } } }"
MINE = "{ viewer { orders { nodes { contact shipTo { street } } } checkouts { nodes { shipTo { street } } } } }"
SHIP = """mutation ($i: OrderShipInput!) { orderShip(input: $i) { __typename ... on Problem { code message } } }"""
ERASE = """
mutation { viewerErase(input: {}) { __typename ... on BuyerErased { doneAt erasedOrders kept { reason until } } } }
"""


class Shop:
    """A merchant that sold something to Bea, its people, and an auditor of the platform."""

    def __init__(self, mall: Mall) -> None:
        self.mall = mall
        self.order: dict[str, Any] = {}

    async def open(self) -> None:
        self.kites = await a_merchant(self.mall.database, "kites")
        self.boats = await a_merchant(self.mall.database, "boats")
        kite = await a_product(self.mall.database, self.kites, prices={"BRL": 10000})
        for role in MerchantRole:
            await self.mall.hire(f"kites-{role}", self.kites, role)
        await self.mall.hire("boats-owner", self.boats, MerchantRole.OWNER)
        await self.mall.appoint("auditor", PlatformRole.AUDITOR)
        self.order = (await buy(self.mall, "bea", a_line(self.kites, kite)))["orders"][0]

    async def trail(self, **filter: Any) -> list[dict[str, Any]]:
        found = await self.mall.ask(TRAIL, {"filter": filter, "first": 100}, who="auditor")
        nodes: list[dict[str, Any]] = found.data["platform"]["auditEvents"]["nodes"]
        return nodes


@pytest.fixture
async def shop(database: Database, tmp_path: Path) -> AsyncIterator[Shop]:
    async with open_mall(database, tmp_path) as mall:
        made = Shop(mall)
        await made.open()
        yield made


@pytest.mark.parametrize("role", list(MerchantRole))
async def test_an_address_is_shown_to_those_who_ship_and_opening_it_is_in_the_trail(
    shop: Shop, role: MerchantRole
) -> None:
    answer = await shop.mall.ask(ORDERS, who=f"kites-{role}", merchant="kites")
    [order] = answer.data["merchant"]["orders"]["nodes"]
    opened = await shop.trail(act="contact.read")
    if role in (MerchantRole.OWNER, MerchantRole.MANAGER, MerchantRole.FULFILMENT):
        assert (order["contact"], order["shipTo"]["street"]) == ("SHOWN", ADDRESS["street"])
        [event] = opened
        assert event["actor"] == f"staff:{await shop.mall.account(f'kites-{role}')}"
        assert event["after"]["fields"] == ["merchant", "merchant.orders"]
        assert event["after"]["count"] == 1
    else:
        assert (order["contact"], order["shipTo"], opened) == ("WITHHELD", None, [])


async def test_a_page_without_addresses_opens_none(shop: Shop) -> None:
    await shop.mall.ask("{ merchant { orders { nodes { id } } } }", who="kites-owner", merchant="kites")
    assert await shop.trail(act="contact.read") == []


async def test_buyers_see_their_own_address_and_leave_no_event(shop: Shop) -> None:
    mine = (await shop.mall.ask(MINE, who="bea")).data["viewer"]
    assert mine["orders"]["nodes"] == [{"contact": "SHOWN", "shipTo": {"street": ADDRESS["street"]}}]
    assert mine["checkouts"]["nodes"] == [{"shipTo": {"street": ADDRESS["street"]}}]
    assert await shop.trail(act="contact.read") == []


async def test_reads_across_merchants_are_one_event_for_each_request(shop: Shop) -> None:
    both = (
        "{ platform { payouts { nodes { number } } again: payouts { nodes { number } } merchants { nodes { id } } } }"
    )
    await shop.mall.appoint("finance", PlatformRole.FINANCE)
    merchants = (await shop.mall.ask(both, who="finance")).data["platform"]["merchants"]["nodes"]
    [event] = await shop.trail(act="platform.read", actor=f"platform:{await shop.mall.account('finance')}")
    assert event["after"]["fields"] == ["platform", "platform.merchants", "platform.payouts"]
    assert event["after"]["merchants"] == "all"
    one = "query ($id: ID!) { platform { payouts(merchant: $id) { nodes { number } } } }"
    await shop.mall.ask(one, {"id": merchants[0]["id"]}, who="finance")
    events = await shop.trail(act="platform.read", merchants=[merchants[0]["id"]])
    assert [len(each["after"]["merchants"]) for each in events] == [1]


async def test_refused_attempts_are_in_the_trail_foreign_and_missing_alike(shop: Shop) -> None:
    given = {"orderId": shop.order["id"], "carrier": "c", "trackingNumber": "t", "idempotencyKey": "k"}
    viewer = await shop.mall.ask(SHIP, {"i": given}, who="kites-viewer", merchant="kites")
    foreign = await shop.mall.ask(SHIP, {"i": given}, who="boats-owner", merchant="boats")
    codes = [each.data["orderShip"]["code"] for each in (viewer, foreign)]
    assert codes == ["NOT_PERMITTED", "NOT_FOUND"]
    events = await shop.trail(outcome="REFUSED")
    assert sorted((each["act"], each["after"]["problem"]) for each in events) == [
        ("orderShip", "NOT_FOUND"),
        ("orderShip", "NOT_PERMITTED"),
    ]
    assert all(each["requestId"] and each["client"] == "token" for each in events)
    own = await shop.mall.ask(OWN_TRAIL, {"filter": {"outcome": "REFUSED"}}, who="kites-owner", merchant="kites")
    [event] = own.data["merchant"]["auditEvents"]["nodes"]
    assert event["actor"] == f"staff:{await shop.mall.account('kites-viewer')}"


async def test_a_storm_of_refusals_does_not_fill_the_trail(shop: Shop) -> None:
    given = {"orderId": shop.order["id"], "carrier": "c", "trackingNumber": "t", "idempotencyKey": "k"}
    for _ in range(PER_MINUTE + 3):
        await shop.mall.ask(SHIP, {"i": given}, who="kites-viewer", merchant="kites")
    assert len(await shop.trail(outcome="REFUSED")) == PER_MINUTE
    shop.mall.clock.advance(minutes=2)
    await shop.mall.ask(SHIP, {"i": given}, who="kites-viewer", merchant="kites")
    assert len(await shop.trail(outcome="REFUSED")) == PER_MINUTE + 1


async def test_the_trail_is_searched_by_what_is_known(shop: Shop) -> None:
    everything = await shop.trail()
    for name in ("actor", "act", "subject", "requestId"):
        for value in {each[name] for each in everything if each[name]}:
            found = await shop.trail(**{name: value})
            assert {each[name] for each in found} == {value}
    assert await shop.trail(act="order.*") != []
    assert {each["act"].split(".")[0] for each in await shop.trail(act="order.*")} == {"order"}
    assert await shop.trail(**{"from": "2026-03-02T12:00:00Z", "text": "KITES"}) != []
    assert await shop.trail(**{"from": "2030-01-01T00:00:00Z"}) == []
    refused = await shop.mall.ask(TRAIL, {"filter": {"text": "kites"}}, who="auditor")
    assert refused.codes == ["INVALID_INPUT"]
    pages, after = [], None
    while True:
        page = (await shop.mall.ask(TRAIL, {"first": 3, "after": after}, who="auditor")).data["platform"]["auditEvents"]
        pages += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"] or len(pages) > 100:
            break
    assert len(pages) >= len(everything)


async def test_a_merchant_sees_what_concerns_it_and_not_who_at_the_platform_it_was(shop: Shop) -> None:
    own = await shop.mall.ask(OWN_TRAIL, who="kites-owner", merchant="kites")
    actors = {each["actor"] for each in own.data["merchant"]["auditEvents"]["nodes"]}
    assert "buyer" in actors
    assert not [actor for actor in actors if actor.startswith(("buyer:", "platform:"))]
    foreign: list[dict[str, Any]] = [{"actor": "platform:x"}, {"merchants": []}]
    for given in foreign:
        asked = await shop.mall.ask(OWN_TRAIL, {"filter": given}, who="kites-owner", merchant="kites")
        assert asked.codes == ["INVALID_INPUT"]


async def test_a_buyer_is_erased_on_request_and_the_answer_says_what_is_kept(shop: Shop) -> None:
    first = (await shop.mall.ask(ERASE, who="bea")).data["viewerErase"]
    assert first == {
        "__typename": "BuyerErased",
        "doneAt": None,
        "erasedOrders": 0,
        "kept": [{"reason": "OPEN_ORDER", "until": None}],
    }
    assert (await shop.mall.ask(ERASE, who="boats-owner")).data["viewerErase"]["kept"] == []
    answer = await shop.mall.ask(ORDERS, who="kites-owner", merchant="kites")
    assert answer.data["merchant"]["orders"]["nodes"][0]["contact"] == "SHOWN"


async def test_whoever_names_another_merchant_is_in_the_trail_whether_it_is_there_or_not(shop: Shop) -> None:
    for slug in ("kites", "no-such"):
        refused = await shop.mall.ask("{ merchant { id } }", who="boats-owner", merchant=slug)
        assert refused.status == 403
    found = await shop.trail(act="door")
    assert sorted(each["subject"] for each in found) == ["kites", "no-such"]
    assert {(each["outcome"], each["actor"]) for each in found} == {
        ("REFUSED", f"staff:{await shop.mall.account('boats-owner')}")
    }
    own = await shop.mall.ask(OWN_TRAIL, {"filter": {"act": "door"}}, who="kites-owner", merchant="kites")
    assert own.data["merchant"]["auditEvents"]["nodes"] == []
