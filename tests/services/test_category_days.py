"""Holds and returns by category: inherited in the tree, frozen with the line, the longest of an order's lines."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from merchantry.domain.category import Days
from merchantry.domain.errors import InvalidInput, NotFound, ReturnTooLate
from merchantry.services import category, return_request
from merchantry.services.return_request import NewReturn
from tenancy.database import Database
from tests.builders import a_merchant, a_product, an_act
from tests.services.stall import DAY, FREE, Stall, a_stall


async def say(database: Database, code: str, hold_days: int | None, return_days: int | None = None) -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        await category.set_days(session, code, Days(hold_days, return_days), an_act())


async def below(database: Database, parent: str) -> str:
    code = f"below-{uuid4().hex}"
    async with database.write("test") as tx, tx.as_platform() as session:
        await category.create_category(session, code, "Below", an_act(), parent=parent)
    return code


async def a_category(database: Database) -> str:
    code = f"new-{uuid4().hex}"
    async with database.write("test") as tx, tx.as_platform() as session:
        await category.create_category(session, code, "New", an_act())
    return code


async def ask_back(stall: Stall, order_id: UUID, line_id: UUID) -> UUID:
    new = NewReturn(order_id, {line_id: 1}, "too small")
    async with stall.database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        return await return_request.request(session, new, an_act("buyer:test", at=stall.now))


async def test_an_order_is_held_as_long_as_the_longest_of_its_categories_and_each_line_returns_in_its_own_days(
    database: Database,
) -> None:
    stall = await a_stall(database)
    slow = await a_category(database)
    await say(database, slow, 20, 3)
    late = await a_product(database, stall.merchant, category=await below(database, slow), prices={"BRL": 5_000})
    order_id = await stall.sell_all([stall.product, late])
    await say(database, slow, 1, 30)  # what was placed keeps its days
    await stall.complete(order_id)
    found = await stall.order(order_id)
    assert (found.hold_days, found.hold_ends_at) == (20, stall.now + 20 * DAY)
    assert [(line.hold_days, line.days_to_return) for line in found.lines] == [(None, 14), (20, 3)]
    usual, short = (line.id for line in found.lines)
    stall.now += 3 * DAY
    with pytest.raises(ReturnTooLate) as refused:
        await ask_back(stall, order_id, short)
    assert refused.value.until == stall.now
    await ask_back(stall, order_id, usual)


async def test_the_hold_of_a_category_ends_at_the_same_wall_clock_time_where_the_clocks_change(
    database: Database,
) -> None:
    await a_stall(database)
    merchant = await a_merchant(database, shipping_options=FREE, time_zone="Europe/Berlin")
    slow = await a_category(database)
    await say(database, slow, 30)
    product = await a_product(database, merchant, category=slow, prices={"BRL": 5_000})
    berlin = Stall(database, merchant, product, now=datetime(2026, 3, 5, 12, tzinfo=ZoneInfo("UTC")))
    order_id = await berlin.sell()
    await berlin.complete(order_id)
    ends = (await berlin.order(order_id)).hold_ends_at
    assert ends == berlin.now + 30 * DAY - timedelta(hours=1)


async def test_a_category_that_says_nothing_has_the_plans_hold_and_may_say_that_nothing_returns(
    database: Database,
) -> None:
    stall = await a_stall(database)
    food = await a_category(database)
    await say(database, food, None, 0)
    apple = await a_product(database, stall.merchant, category=food, prices={"BRL": 5_000})
    order_id = await stall.sell_all([apple])
    await stall.complete(order_id)
    found = await stall.order(order_id)
    assert found.hold_days == 7
    with pytest.raises(ReturnTooLate):
        await ask_back(stall, order_id, found.lines[0].id)


async def test_days_are_refused_out_of_range_and_for_what_is_no_category(database: Database) -> None:
    with pytest.raises(InvalidInput):
        await say(database, await a_category(database), 366)
    with pytest.raises(NotFound):
        await say(database, "no-such", 3)
