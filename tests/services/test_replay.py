"""A proposed plan over past orders: what it would have come to."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.domain.plan_document import parse_plan
from merchantry.domain.refund import Asked
from merchantry.domain.replay import Compared
from merchantry.services import refund, replay
from merchantry.services.refund import NewRefund
from tenancy.database import Database
from tests.builders import NOON, an_act
from tests.services.sales import DAY, Sales, a_plan, some_sales, tiers
from tests.services.stall import PLAN, Stall, a_stall
from tests.services.test_true_up import lose, win
from tests.services.volume_plans import TAX_BPS, retroactive

MARCH = (date(2026, 3, 1), date(2026, 4, 1))
LINE = {"category": "books", "discount_merchant_minor": 50, "shipping_minor": 777}


async def replayed(
    sales: Sales, plan: dict[str, Any], span: tuple[date, date] = MARCH, **wanted: Any
) -> list[replay.MerchantReplay]:
    merchants = await replay.merchants_to_replay(sales.database, "test", wanted.get("merchants"))
    return [
        each async for each in replay.replay(sales.database, "test", parse_plan(plan), *span, merchants)
    ]  # fmt: skip


PLANS = {
    "flat": a_plan(rate_bps=1234, floor_minor=100, base="goods_and_shipping", commission_tax_bps=1900),
    "marginal": a_plan(tiers=tiers("marginal"), fixed_minor=30, fixed_per="order"),
    "retroactive": a_plan(tiers=tiers("retroactive")),
}


@pytest.mark.parametrize("name", PLANS)
async def test_the_plan_in_force_replayed_gives_what_was_booked(
    database: Database, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CAPTURES", replay.CAPTURES.limit(2))
    monkeypatch.setattr(replay, "PAGE", 2)
    sales = await some_sales(database, PLANS[name])
    for number, minor in enumerate((4_900_001, 4_900_001, 333_333, 99, 12_345_678)):
        await sales.sell(minor, 10_007, lines=[{}, LINE], at=NOON + number * DAY)
    [found] = await replayed(sales, PLANS[name])
    compared = found.by_currency["BRL"]
    assert (compared.orders, compared.change_minor) == (5, 0)
    assert compared.booked_minor == (await sales.balances())["platform_commission"]
    [late] = await replayed(sales, PLANS[name], (date(2026, 3, 4), date(2026, 3, 6)))
    assert (late.by_currency["BRL"].orders, late.by_currency["BRL"].change_minor) == (2, 0)


async def test_another_plan_says_what_each_merchant_gains_or_loses(database: Database) -> None:
    first = await some_sales(database, a_plan(rate_bps=1000), slug="first")
    second = await some_sales(database, a_plan(rate_bps=500), slug="second")
    await first.sell(10_000)
    await first.sell(20_000, at=datetime(2026, 4, 1, tzinfo=UTC))
    await second.sell(10_000, 5_000, lines=[{}, {"category": "books"}])
    proposal = a_plan(rate_bps=800) | {"product_categories": {"books": {"rate_bps": 100}}}
    found = await replayed(first, proposal)
    assert {each.slug: each.by_currency for each in found} == {
        "first": {"BRL": Compared(1, 1_000, 800)},
        "second": {"BRL": Compared(1, 750, 850)},
    }
    assert replay.totals_of(found) == {"BRL": Compared(2, 1_750, 1_650)}
    [only] = await replayed(first, proposal, merchants=[second.merchant.id])
    assert only.slug == "second"


async def test_a_span_without_days_is_refused_and_a_merchant_without_orders_is_empty(database: Database) -> None:
    sales = await some_sales(database, a_plan())
    with pytest.raises(InvalidInput) as refused:
        await replayed(sales, a_plan(), (MARCH[1], MARCH[0]))
    assert refused.value.path == ("to",)
    [found] = await replayed(sales, a_plan())
    assert found.by_currency == {}


async def give_back(stall: Stall, order_id: UUID, goodwill_minor: int) -> None:
    async with stall.database.write("test") as tx:
        new = NewRefund(order_id, "late", Asked(goodwill_minor=goodwill_minor))
        await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=stall.now))


async def compared(stall: Stall, plan: dict[str, Any], span: tuple[date, date] = MARCH) -> Compared:
    [merchant] = await replay.merchants_to_replay(stall.database, "test", [stall.merchant.id])
    found = [each async for each in replay.replay(stall.database, "test", parse_plan(plan), *span, [merchant])]
    return found[0].by_currency["BRL"]


async def test_refunds_return_commission_under_the_policy_of_each_plan(database: Database) -> None:
    stall = await a_stall(database, default={"rate_bps": 1000, "fixed_minor": 100})
    order_id = await stall.sell(2)
    await give_back(stall, order_id, 10_000)
    stall.now += 40 * DAY
    await give_back(stall, order_id, 10_000)
    kept = PLAN | {"default": {"rate_bps": 500, "fixed_minor": 100, "refund_policy": "keep_fixed"}}
    found = await compared(stall, kept)
    assert found == Compared(1, 2_100, 1_100, 1_050, 500)
    assert (found.change_minor, found.net_change_minor) == (-1_000, -450)
    assert await compared(stall, kept, (MARCH[0], date(2026, 6, 1))) == Compared(1, 2_100, 1_100, 2_100, 1_000)


@pytest.mark.parametrize("lowers", [False, True])
@pytest.mark.parametrize("mode", ["retroactive", "marginal"])
@pytest.mark.parametrize("page", [2, 500])
async def test_the_plan_in_force_replayed_gives_what_was_booked_with_its_refunds_too(
    database: Database, lowers: bool, mode: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "CAPTURES", replay.CAPTURES.limit(page))
    monkeypatch.setattr(replay, "PAGE", page)
    default = {"tiers": retroactive(30_000, lowers=lowers) | {"mode": mode}, "commission_tax_bps": TAX_BPS}
    stall = await a_stall(database, 3_331, default=default)
    early = await stall.sell(9)
    stall.now += 31 * DAY
    orders = [await stall.sell(quantity) for quantity in (2, 3)]
    await give_back(stall, orders[0], 1_000)
    await give_back(stall, early, 10_000)
    orders.append(await stall.sell(6))
    lost = await lose(stall, orders[1], 5_000)
    await give_back(stall, orders[2], 4_321)
    await win(stall, lost)
    orders.append(await stall.sell(5))
    await give_back(stall, orders[0], 5_662)
    april = (date(2026, 4, 1), date(2026, 5, 1))
    found = await compared(stall, PLAN | {"default": default}, april)
    assert (found.orders, found.change_minor, found.net_change_minor) == (4, 0, 0)
    assert found.booked_returned_minor > 0
    whole = await compared(stall, PLAN | {"default": default}, (MARCH[0], april[1]))
    assert whole.booked_minor - whole.booked_returned_minor == (await stall.balances())["platform_commission"]
    assert (whole.change_minor, whole.net_change_minor) == (0, 0)
