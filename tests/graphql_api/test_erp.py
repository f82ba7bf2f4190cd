"""What ERPs and analysts ask for, by the public door."""

import random
from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from graphql_api.relay import encode_cursor, encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, ship
from tests.graphql_api.mall import Mall

ORDERS = """query ($filter: OrderFilterInput, $first: Int, $after: String) {
  platform { orders(filter: $filter, first: $first, after: $after) {
    nodes { merchant number total { amount currency } goods { amount }
            lines { category goods { amount } } }
    pageInfo { hasNextPage endCursor }
  } }
}"""
REPORT = """query ($by: [ReportDimension!]!) {
  platform { commissionReport(from: "2026-01-01", to: "2027-01-01", groupBy: $by, first: 100) {
    rows { merchant category orders goods { amount currency } drillDown }
  } }
}"""
SETTLED = """query ($by: [ReportDimension!]!) {
  platform { settlementReport(from: "2026-01-01", to: "2027-01-01", groupBy: $by, first: 100) {
    rows { merchant day periodStart periodEnd orders drillDown }
  } }
}"""
CUSTOMERS = """{ merchant { customers {
  nodes { id orders totals { amount currency } firstOrderAt lastOrderAt contact shipTo { name } }
} } }"""


async def two_shops(mall: Mall, time_zones: Sequence[str] = ("UTC", "UTC")) -> list[Merchant]:
    """Two merchants with a toy and a book each, and eight orders of two days."""
    chance = random.Random(3)
    merchants, goods = [], []
    for slug, time_zone in zip(("kites", "boats"), time_zones, strict=True):
        merchant = await a_merchant(mall.database, slug, time_zone=time_zone)
        merchants.append(merchant)
        goods += [
            (
                merchant,
                await a_product(mall.database, merchant, category=category, prices={"BRL": price}),
                f"{price}"[:-2] + ".00",
            )
            for category, price in (("toys", 1_000), ("books", 2_500))
        ]
        await mall.hire(f"owner-of-{slug}", merchant, MerchantRole.OWNER)
        await mall.hire(f"viewer-of-{slug}", merchant, MerchantRole.VIEWER)
    await mall.appoint("ann", PlatformRole.ANALYST)
    await mall.appoint("fin", PlatformRole.FINANCE)
    for number in range(8):
        chosen = chance.sample(goods, chance.randint(1, 3))
        await buy(
            mall,
            f"buyer-{number % 2}",
            *(a_line(merchant, product, price=price) for merchant, product, price in chosen),
        )
        mall.clock.advance(hours=9)
    return merchants


async def found(mall: Mall, filter: dict[str, Any], first: int = 3) -> list[dict[str, Any]]:
    """All orders that fit, page by page."""
    nodes: list[dict[str, Any]] = []
    after = None
    while True:
        variables = {"filter": filter, "first": first, "after": after}
        page = (await mall.ask(ORDERS, variables, who="ann")).data["platform"]["orders"]
        nodes += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return nodes


def minor(money: dict[str, str]) -> int:
    return int(money["amount"].replace(".", ""))


@pytest.mark.parametrize(
    "by", [[], ["MERCHANT"], ["DAY"], ["MONTH", "CATEGORY"], ["WEEK", "MERCHANT", "CATEGORY"]], ids="-".join
)
async def test_the_orders_below_a_figure_make_the_figure(mall: Mall, by: list[str]) -> None:
    await two_shops(mall)
    rows = (await mall.ask(REPORT, {"by": by}, who="ann")).data["platform"]["commissionReport"]["rows"]
    assert rows
    for row in rows:
        orders = await found(mall, {"of": row["drillDown"]})
        lines = [line for order in orders for line in order["lines"] if row["category"] in (None, line["category"])]
        assert len(orders) == row["orders"]
        assert sum(minor(line["goods"]) for line in lines) == minor(row["goods"])
        if row["merchant"] is not None:
            assert {order["merchant"] for order in orders} == {row["merchant"]}


@pytest.mark.parametrize("by", [["MERCHANT"], ["MERCHANT", "DAY"], ["MONTH", "MERCHANT"]], ids="-".join)
async def test_the_orders_below_a_settled_figure_are_those_that_became_available(mall: Mall, by: list[str]) -> None:
    kites, boats = await two_shops(mall, time_zones=("Asia/Tokyo", "America/Sao_Paulo"))
    for merchant in (kites, boats):
        owner = f"owner-of-{merchant.slug}"
        answer = await mall.ask("{ merchant { orders { nodes { id } } } }", who=owner, merchant=merchant.slug)
        for order in answer.data["merchant"]["orders"]["nodes"]:
            await ship(mall, owner, merchant, order["id"])
            mall.clock.advance(hours=11)
    mall.clock.advance(days=60)
    await mall.work()
    mall.clock.advance(days=30)
    await mall.work()
    rows = (await mall.ask(SETTLED, {"by": by}, who="ann")).data["platform"]["settlementReport"]["rows"]
    assert len({row["periodStart"] for row in rows}) > 1
    seen: Counter[str] = Counter()
    for row in rows:
        orders = await found(mall, {"of": row["drillDown"]})
        assert (len(orders), {order["merchant"] for order in orders}) == (row["orders"], {row["merchant"]})
        seen.update(order["number"] for order in orders)
    assert set(seen.values()) == {1}
    assert len(seen) == len(await found(mall, {}))
    contradicting = {"of": rows[0]["drillDown"], "currency": "EUR"}
    assert (await mall.ask(ORDERS, {"filter": contradicting}, who="ann")).codes == ["INVALID_INPUT"]


async def test_a_settled_figure_over_all_merchants_leads_nowhere_and_made_up_rows_are_refused(mall: Mall) -> None:
    await two_shops(mall)
    assert (await mall.ask(SETTLED, {"by": []}, who="ann")).data["platform"]["settlementReport"]["rows"] == []
    whose, day = UUID(int=5), date(2026, 1, 5)
    for period in ((day, date(2026, 1, 12)), (date.min, date.max), (day, day)):
        of = encode_cursor("settlementReportRow", (day, date(2026, 2, 1), "BRL", whose, *period))
        assert (await mall.ask(ORDERS, {"filter": {"of": of}}, who="ann")).codes == ["INVALID_INPUT"]


async def test_an_analyst_finds_orders_and_learns_of_no_buyer(mall: Mall) -> None:
    await two_shops(mall)
    everything = await found(mall, {})
    assert len(everything) > 8
    assert Counter(order["merchant"] for order in everything).keys() == {"kites", "boats"}
    number = everything[0]["number"]
    assert await found(mall, {"number": number}) == everything[:1]
    assert await found(mall, {"totalFrom": {"amount": "0.01", "currency": "BRL"}}) == everything
    account = await mall.account("buyer-0")
    given = {"filter": {"buyer": encode_id("Account", account)}, "first": 100}
    assert (await mall.ask(ORDERS, given, who="ann")).codes == ["NOT_PERMITTED"]
    of_buyer = (await mall.ask(ORDERS, given, who="fin")).data["platform"]["orders"]["nodes"]
    assert 0 < len(of_buyer) < len(everything)
    assert (await mall.ask(ORDERS, {}, who="owner-of-kites")).data == {"platform": None}


@pytest.mark.parametrize(
    "filter",
    [
        {"of": "nonsense"},
        {"totalFrom": {"amount": "1.00", "currency": "BRL"}, "currency": "EUR"},
        {"placedFrom": "2026-01-02T00:00:00Z", "placedTo": "2026-01-01T00:00:00Z"},
        {"externalRef": ""},
    ],
    ids=["of", "currencies", "span", "reference"],
)
async def test_a_filter_that_says_nothing_is_refused(mall: Mall, filter: dict[str, Any]) -> None:
    await mall.appoint("ann", PlatformRole.ANALYST)
    assert (await mall.ask(ORDERS, {"filter": filter}, who="ann")).codes == ["INVALID_INPUT"]


async def test_a_merchant_knows_its_customers_by_ids_of_its_own(mall: Mall) -> None:
    await two_shops(mall)
    seen: dict[str, list[dict[str, Any]]] = {}
    for slug in ("kites", "boats"):
        answer = await mall.ask(CUSTOMERS, who=f"owner-of-{slug}", merchant=slug)
        seen[slug] = answer.data["merchant"]["customers"]["nodes"]
    assert all(len(nodes) == 2 for nodes in seen.values())
    assert not {node["id"] for node in seen["kites"]} & {node["id"] for node in seen["boats"]}
    assert all(node["contact"] == "SHOWN" and node["shipTo"]["name"] for node in seen["kites"])
    assert sum(node["orders"] for nodes in seen.values() for node in nodes) == len(await found(mall, {}))
    viewer = await mall.ask(CUSTOMERS, who="viewer-of-kites", merchant="kites")
    withheld = viewer.data["merchant"]["customers"]["nodes"]
    assert [(node["contact"], node["shipTo"]) for node in withheld] == [("WITHHELD", None)] * 2
