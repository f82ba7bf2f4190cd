"""Orders are to be shipped in the days that their categories say; who is late is told of once, and found."""

import asyncio
from datetime import timedelta
from typing import Any

from merchantry.domain.category import Days
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs import worker
from merchantry.services import category
from tenancy.principals import Merchant
from tests.builders import a_category, a_merchant, a_product, an_act
from tests.concurrency.counting import check_everything, rows
from tests.graphql_api.documents import a_line, buy, ship
from tests.graphql_api.mall import Mall

TOLD = "SELECT merchant_id, facts FROM platform.outbox WHERE kind = 'order.overdue'"
JOBS = "SELECT 1 FROM platform.job WHERE kind = 'order.overdue'"
OWN = "query($overdue: Boolean) { merchant { orders(overdue: $overdue) { nodes { id shipBy overdueAt } } } }"
ALL = """
query($filter: OrderFilterInput) { platform { orders(filter: $filter) { nodes { id merchant shipBy overdueAt } } } }
"""
NEWS = "{ viewer { notifications { nodes { kind text } } } }"


async def say(mall: Mall, code: str, ship_days: int | None) -> None:
    await a_category(mall.database, code)
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await category.set_days(session, code, Days(ship_days=ship_days), an_act())


async def a_paid_order(mall: Mall, who: str = "bea", quantity: int = 1) -> tuple[Merchant, dict[str, Any]]:
    seller = await a_merchant(mall.database)
    await mall.hire(f"clerk-{seller.slug}", seller, MerchantRole.OWNER)
    product = await a_product(mall.database, seller, prices={"BRL": 10000})
    return seller, (await buy(mall, who, a_line(seller, product, quantity)))["orders"][0]


async def own(mall: Mall, seller: Merchant, overdue: bool | None) -> list[dict[str, Any]]:
    answer = await mall.ask(OWN, {"overdue": overdue}, who=f"clerk-{seller.slug}", merchant=seller.slug)
    found: list[dict[str, Any]] = answer.data["merchant"]["orders"]["nodes"]
    return found


async def test_an_order_that_is_not_shipped_in_its_categories_days_is_told_of_once_and_found(mall: Mall) -> None:
    await say(mall, "toys", 3)
    late, order = await a_paid_order(mall)
    prompt, sent = await a_paid_order(mall, "ben")
    await ship(mall, f"clerk-{prompt.slug}", prompt, sent["id"])
    analyst = await mall.appoint("ana", PlatformRole.ADMIN)
    due = mall.clock() + timedelta(days=3)
    assert await own(mall, late, True) == []
    assert [each["shipBy"] for each in await own(mall, late, None)] == [due.isoformat()]
    mall.clock.advance(days=3)
    assert [each["id"] for each in await own(mall, late, True)] == [order["id"]]  # before any worker has looked
    for _ in range(2):
        await mall.work()
    mall.clock.advance(days=1)
    await mall.work()
    assert rows(mall.database, JOBS) == []
    (told,) = rows(mall.database, TOLD)
    assert (told["merchant_id"], told["facts"]["ship_by"]) == (late.id, due.isoformat())
    (found,) = (await mall.ask(ALL, {"filter": {"overdue": True}}, who=analyst)).data["platform"]["orders"]["nodes"]
    assert found == {"id": order["id"], "merchant": late.slug, "shipBy": due.isoformat(), "overdueAt": due.isoformat()}
    everything = (await mall.ask(ALL, {"filter": {"overdue": False}}, who=analyst)).data["platform"]["orders"]["nodes"]
    assert len(everything) == 2
    assert await own(mall, prompt, True) == []
    for who in (f"clerk-{late.slug}", analyst):
        news = (await mall.ask(NEWS, who=who)).data["viewer"]["notifications"]["nodes"]
        assert [each["text"] for each in news if each["kind"] == "order.overdue"] == [
            f"Order {order['number']} was to be shipped by now."
        ]
    await ship(mall, f"clerk-{late.slug}", late, order["id"])
    assert await own(mall, late, True) == []
    assert [each["overdueAt"] for each in await own(mall, late, None)] == [due.isoformat()]
    await check_everything(mall.database)


async def test_buyers_see_by_when_and_not_that_it_is_late(mall: Mall) -> None:
    await a_paid_order(mall)
    due = mall.clock() + timedelta(days=7)
    mall.clock.advance(days=8)
    await mall.work()
    asked = "{ viewer { orders { nodes { shipBy overdueAt } } notifications { nodes { kind } } } }"
    found = (await mall.ask(asked, who="bea")).data["viewer"]
    assert found["orders"]["nodes"] == [{"shipBy": due.isoformat(), "overdueAt": None}]
    assert "order.overdue" not in [each["kind"] for each in found["notifications"]["nodes"]]


async def test_an_order_of_which_a_part_is_missing_is_overdue_and_workers_at_once_tell_of_it_once(mall: Mall) -> None:
    seller, order = await a_paid_order(mall, quantity=2)
    some = [{"lineId": order["lines"][0]["id"], "quantity": 1}]
    await ship(mall, f"clerk-{seller.slug}", seller, order["id"], lines=some)
    mall.clock.advance(days=7)
    await asyncio.gather(*(worker.run_due(mall.tools, mall.clock()) for _ in range(3)))
    assert len(rows(mall.database, TOLD)) == 1


async def test_the_days_of_an_order_are_those_of_its_slowest_line_as_they_were_when_it_was_placed(mall: Mall) -> None:
    seller = await a_merchant(mall.database)
    await say(mall, "made-to-order", 30)
    await say(mall, "toys", 2)
    quick = await a_product(mall.database, seller, prices={"BRL": 10000})
    slow = await a_product(mall.database, seller, prices={"BRL": 10000}, category="made-to-order")
    await buy(mall, "bea", a_line(seller, quick), a_line(seller, slow))
    await say(mall, "made-to-order", 1)
    (found,) = rows(mall.database, "SELECT ship_by, captured_at FROM {schema}.orders", seller.id)
    assert found["ship_by"] - found["captured_at"] == timedelta(days=30)


EXTEND = """
mutation($input: OrderShipByExtendInput!) {
  orderShipByExtend(input: $input) {
    __typename ... on OrderShipByExtended { order { shipBy overdueAt } } ... on Problem { code path }
  }
}
"""


async def extend(mall: Mall, seller: Merchant, order_id: str, days: int, who: str | None = None) -> dict[str, Any]:
    until = (mall.clock() + timedelta(days=days)).isoformat()
    given = {"orderId": order_id, "shipBy": until, "reason": "The glue dries."}
    answer = await mall.ask(EXTEND, {"input": given}, who=who or f"clerk-{seller.slug}", merchant=seller.slug)
    found: dict[str, Any] = answer.data["orderShipByExtend"]
    return found


async def test_a_merchant_takes_more_time_and_is_late_again_when_that_is_over(mall: Mall) -> None:
    seller, order = await a_paid_order(mall)
    others, _ = await a_paid_order(mall, "ben")
    mall.clock.advance(days=7)
    await mall.work()
    refused = [await extend(mall, seller, order["id"], days) for days in (-1, 366)]
    assert [(each["code"], each["path"]) for each in refused] == [("INVALID_INPUT", ["input", "shipBy"])] * 2
    assert (await extend(mall, others, order["id"], 2))["code"] == "NOT_FOUND"
    until = (mall.clock() + timedelta(days=2)).isoformat()
    for _ in range(2):
        assert (await extend(mall, seller, order["id"], 2))["order"] == {"shipBy": until, "overdueAt": None}
    await mall.work()
    assert await own(mall, seller, True) == []
    mall.clock.advance(days=2)
    await mall.work()
    assert [each["overdueAt"] for each in await own(mall, seller, True)] == [until]
    kinds = "SELECT kind FROM {schema}.order_event ORDER BY seq"
    assert [each["kind"] for each in rows(mall.database, kinds, seller.id)] == ["place", "pay", "extend_ship_by"]
    assert len([each for each in rows(mall.database, TOLD) if each["merchant_id"] == seller.id]) == 2
