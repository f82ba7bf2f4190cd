"""Volume tiers: orders of one merchant are counted one at a time, in the order of capture."""

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from merchantry.services.books import Law
from merchantry.services.verification import verify_books
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tests.builders import NOON
from tests.services.books import Shelf
from tests.services.sales import DAY, a_plan, some_sales, tiers
from tests.statements import sent_to

WITHOUT_TIERS = 9
"""Statements of a capture: merchant's terms (2), who acts (2), order and lines, booking (3), and the order's change;
daily totals are sent as one batch."""


async def test_a_tier_crossed_by_one_order(database: Database) -> None:
    """Volume so far 99,000.00; an order of 3,000.00 is 1,000.00 at 10 % and 2,000.00 at 8 %: 260.00."""
    sales = await some_sales(database, a_plan(tiers=tiers("marginal")))
    before = await sales.sell(9_900_000)
    crossing = await sales.sell(300_000, at=NOON + DAY)
    assert await sales.commissions(before, crossing) == [990_000, 26_000]
    assert await sales.volumes() == [("default", 10_200_000, 10_200_000)]
    assert [kind for kind, _ in await sales.postings(crossing)] == ["capture"]
    await sales.verify()


async def test_lines_of_an_order_are_counted_one_after_the_other(database: Database) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("marginal")))
    await sales.sell(9_900_000)
    assert await sales.commissions(await sales.sell(50_000, 150_000, 100_000)) == [26_000]
    await sales.verify()


async def test_a_step_reached_by_all_is_one_true_up_of_the_window_so_far(database: Database) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("retroactive"), commission_tax_bps=1000))
    earlier = [await sales.sell(4_950_000), await sales.sell(4_950_000, at=NOON + DAY)]
    await sales.release(earlier[0])
    crossing = await sales.sell(300_000, at=NOON + 2 * DAY)
    assert await sales.commissions(*earlier, crossing) == [495_000, 495_000, 24_000]
    capture, (kind, postings) = await sales.postings(crossing)
    assert (capture[0], kind) == ("capture", "tier_true_up")
    assert postings == {"merchant_available": 217_800, "platform_commission": -198_000, "commission_tax": -19_800}
    booked = (await sales.entries(crossing))[1].entry
    assert booked.available_at == booked.occurred_at == NOON + 2 * DAY
    facts = ("rule", "volume_minor", "booked_minor", "rate_bps", "window_starts_at", "commission_tax_bps")
    assert [booked.details[name] for name in facts] == [
        "default", 9_900_000, 990_000, 800, "2026-03-01T03:00:00.000000Z", 1000
    ]  # fmt: skip
    for order_id in (earlier[1], crossing):
        await sales.release(order_id, NOON + 3 * DAY)
    balances = await sales.balances()
    assert balances["platform_commission"] == 8 * 10_200_000 // 100
    assert balances["merchant_available"] == 10_200_000 - 816_000 - 81_600
    await sales.verify()


async def test_a_true_up_is_a_line_of_the_statement_and_credited_with_its_tax(database: Database) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("retroactive"), commission_tax_bps=1000))
    earlier = await sales.sell(9_900_000)
    crossing = await sales.sell(300_000, at=NOON + DAY)
    for order_id in (earlier, crossing):
        await sales.release(order_id, NOON + DAY)
    shelf = Shelf(database, sales.merchant)
    await shelf.close(NOON + 14 * DAY)
    [statement] = await shelf.statements()
    assert statement.kinds == {"release": [2, 8_811_000 + 273_600], "tier_true_up": [1, 217_800]}
    assert [(row.kind, row.net_minor, row.tax_minor) for row in await shelf.invoices()] == [
        ("credit_note", 198_000, 19_800),
        ("invoice", 1_014_000, 101_400),
    ]


async def test_only_a_plan_with_tiers_costs_a_capture_statements_of_its_own(database: Database) -> None:
    counts = []
    for plan in (a_plan(), a_plan(tiers=tiers("marginal"))):
        sales = await some_sales(database, plan)
        order_id = await sales.place(1_000, 2_000)
        with sent_to(database) as sent:
            await sales.capture(order_id)
        counts.append(len(sent))
    assert counts[1] == counts[0] + 3  # the order, its lines, the volumes and the ledger, each held before the next
    assert counts[0] <= WITHOUT_TIERS


async def test_each_window_counts_from_nothing(database: Database) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("marginal")))
    march_ends = datetime(2026, 4, 1, 3, tzinfo=UTC)
    orders = [await sales.sell(12_000_000, at=at) for at in (NOON, march_ends - timedelta(microseconds=1), march_ends)]
    assert await sales.commissions(*orders) == [1_160_000, 960_000, 1_160_000]
    assert [counted for _, counted, _ in await sales.volumes()] == [24_000_000, 12_000_000]
    await sales.verify()


async def test_a_settlement_period_is_the_merchants_own(database: Database) -> None:
    week = tiers("marginal", window="settlement_period")
    del week["time_zone"]
    sales = await some_sales(database, a_plan(tiers=week))
    orders = [await sales.sell(12_000_000, at=NOON + days * DAY) for days in (0, 6, 7)]
    assert await sales.commissions(*orders) == [1_160_000, 960_000, 1_160_000]
    await sales.verify()


@pytest.mark.parametrize("mode", ["marginal", "retroactive"])
async def test_orders_captured_at_once_come_to_what_they_come_to_one_after_the_other(
    database: Database, mode: str
) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers(mode)))
    await sales.sell(9_900_000)
    amounts = (150_007, 120_003, 99_999, 50_001)
    orders = [await sales.place(minor) for minor in amounts]
    await asyncio.gather(*(sales.capture(order_id, NOON + DAY) for order_id in orders))
    assert await sales.volumes() == [("default", 9_900_000 + sum(amounts), 9_900_000 + sum(amounts))]
    seqs = {order_id: (await sales.entries(order_id))[0].seq for order_id in orders}
    by_capture = sorted(zip(orders, amounts, strict=True), key=lambda each: seqs[each[0]])
    again = await some_sales(database, a_plan(tiers=tiers(mode)))
    await again.sell(9_900_000)
    one_by_one = [await again.sell(minor, at=NOON + DAY) for _, minor in by_capture]
    assert await sales.balances() == await again.balances()
    assert await sales.commissions(*(order_id for order_id, _ in by_capture)) == await again.commissions(*one_by_one)
    await sales.verify()


@pytest.mark.parametrize(
    ("change", "row"),
    [("UPDATE {m}.volume SET counted_minor = counted_minor - 1", "volume"), ("DELETE FROM {m}.volume", "volume")],
    ids=["changed", "gone"],
)
async def test_a_tampered_volume_is_named(database: Database, logins: Logins, change: str, row: str) -> None:
    sales = await some_sales(database, a_plan(tiers=tiers("marginal")))
    await sales.sell(9_900_000)
    with psycopg.connect(logins.owner) as connection:
        connection.execute(change.format(m=schema_of(sales.merchant.id)).encode())
    [found] = [each async for each in verify_books(database, [(sales.merchant.id, "m")])]
    assert [(broken.law, broken.row.split()[0]) for broken in found.broken] == [(Law.VOLUME, row)]
