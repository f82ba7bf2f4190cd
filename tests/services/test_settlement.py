"""Periods are closed once, in order, into statements that add up; payouts are planned from them."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from merchantry.domain.errors import InvalidInput
from merchantry.domain.payee import PayeeKind
from merchantry.domain.settlement import Cycle, Schedule
from merchantry.services import payee
from merchantry.services import schedule as schedules
from merchantry.services.payee_details import NewAccount
from merchantry.tables.payout import payout
from merchantry.tables.settlement import commission_invoice
from tenancy.database import Database
from tests.builders import NOON, a_vault, an_act
from tests.services.books import Shelf, a_shelf

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def local(*figures: int) -> datetime:
    return datetime(*figures, tzinfo=SAO_PAULO)  # type: ignore[arg-type,misc]


async def payouts(shelf: Shelf) -> list[Any]:
    async with shelf.database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        return list(await session.execute(select(payout).order_by(payout.c.number)))


async def test_a_week_is_closed_into_a_statement_that_adds_up_and_a_payout(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(8_750, local(2026, 3, 3, 10), 1_250)
    await shelf.sell(4_375, local(2026, 3, 8, 23, 59, 59), 625)
    await shelf.sell(1_000, local(2026, 3, 9))  # Monday, midnight: the next week's
    await shelf.take(125, local(2026, 3, 5, 12))

    closed = await shelf.close(local(2026, 3, 9, 0, 5))

    [statement] = await shelf.statements()
    assert closed.statements == [statement.id]
    assert (statement.opening_minor, statement.closing_minor, statement.entries) == (0, 13_000, 3)
    assert statement.kinds == {"release": [2, 13_125], "adjustment": [1, -125]}
    assert (statement.starts_at, statement.ends_at) == (local(2026, 3, 2), local(2026, 3, 9))
    assert statement.number.endswith("-S00001")
    assert sum(line.amount_minor for line in await shelf.lines(statement.id)) == 13_000
    [planned] = await payouts(shelf)
    assert (planned.amount_minor, planned.status, planned.statement_id) == (13_000, "planned", statement.id)
    balances = await shelf.balances()
    assert (balances["merchant_available"], balances["in_payout"]) == (1_000, 13_000)


async def test_closing_again_changes_nothing(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    before = (await shelf.statements(), await payouts(shelf), await shelf.balances())

    again = await shelf.close(local(2026, 3, 15))

    assert (again.statements, again.payouts) == ([], [])
    assert before == (await shelf.statements(), await payouts(shelf), await shelf.balances())


async def test_ten_runs_at_once_close_a_period_once(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    closed = await asyncio.gather(*(shelf.close(local(2026, 3, 10)) for _ in range(10)))
    assert sum(len(each.statements) for each in closed) == 1
    assert len(await shelf.statements()) == len(await payouts(shelf)) == 1


async def test_a_late_run_closes_the_same_periods_as_runs_in_time(database: Database) -> None:
    in_time, late = await a_shelf(database, "in-time"), await a_shelf(database, "late")
    for shelf in (in_time, late):
        await shelf.add_account()
        for days, amount in ((1, 900), (2, 50), (8, 300), (23, 70)):
            await shelf.sell(amount, local(2026, 3, 2) + timedelta(days=days))
    for week in range(1, 6):
        await in_time.close(local(2026, 3, 2) + week * WEEK)
    await late.close(local(2026, 3, 2) + 5 * WEEK)

    def figures(row: Any) -> tuple[Any, ...]:
        return row.starts_at, row.ends_at, row.opening_minor, row.closing_minor, row.kinds, row.entries

    assert [figures(row) for row in await late.statements()] == [figures(row) for row in await in_time.statements()]
    assert [row.amount_minor for row in await payouts(late)] == [950, 300, 70]
    assert await late.balances() == await in_time.balances()


async def test_what_is_booked_after_its_period_was_closed_belongs_to_the_open_one(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    late = await shelf.take(200, local(2026, 3, 5), booked_at=local(2026, 3, 11))
    await shelf.close(local(2026, 3, 16))
    first, second = await shelf.statements()
    assert (first.closing_minor, second.opening_minor, second.closing_minor) == (500, 500, 300)
    assert second.starts_at == first.ends_at
    assert [line.entry_seq for line in await shelf.lines(second.id)] == [late]


async def test_a_payout_is_a_line_of_the_next_statement(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    await shelf.sell(40, local(2026, 3, 10))
    await shelf.close(local(2026, 3, 16))
    second = (await shelf.statements())[1]
    assert (second.opening_minor, second.closing_minor) == (500, 40)
    assert second.kinds == {"payout": [1, -500], "release": [1, 40]}


async def test_a_debt_is_carried_and_netted_before_anything_is_paid(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.take(300, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    assert await payouts(shelf) == []
    await shelf.sell(500, local(2026, 3, 10))
    await shelf.close(local(2026, 3, 16))
    assert [row.closing_minor for row in await shelf.statements()] == [-300, 200]
    assert [row.amount_minor for row in await payouts(shelf)] == [200]


async def test_money_taken_back_since_the_period_ended_is_not_paid_out(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.take(450, local(2026, 3, 9, 8))
    await shelf.close(local(2026, 3, 9, 9))
    assert [row.closing_minor for row in await shelf.statements()] == [500]
    assert [row.amount_minor for row in await payouts(shelf)] == [50]


async def test_less_than_the_minimum_is_carried(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.set_terms(minimum_minor={"BRL": 600})
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    assert await payouts(shelf) == []
    await shelf.sell(100, local(2026, 3, 10))
    await shelf.close(local(2026, 3, 16))
    assert [row.amount_minor for row in await payouts(shelf)] == [600]


async def test_without_a_usable_account_the_balance_is_carried(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account(usable_from=local(2026, 3, 12))
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    assert await payouts(shelf) == []
    await shelf.sell(1, local(2026, 3, 13))
    await shelf.close(local(2026, 3, 16))
    assert [row.amount_minor for row in await payouts(shelf)] == [501]


async def test_what_was_carried_is_paid_with_the_next_period_that_ends_whatever_it_holds(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 16))
    assert (len(await shelf.statements()), await payouts(shelf)) == (1, [])
    await shelf.add_account(usable_from=local(2026, 3, 17))
    await shelf.close(local(2026, 3, 22))
    assert len(await shelf.statements()) == 2
    assert [row.amount_minor for row in await payouts(shelf)] == [500]
    await shelf.close(local(2026, 3, 23))
    first, second, third = await shelf.statements()
    assert (second.entries, second.opening_minor, second.closing_minor) == (0, 500, 500)
    assert (first.ends_at, second.ends_at) == (local(2026, 3, 9), local(2026, 3, 16))
    assert (third.opening_minor, third.closing_minor) == (500, 0)


async def test_the_risk_reserve_is_a_share_of_sales_kept_apart(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.set_terms(reserve_bps=1_000, reserve_days=30)
    await shelf.sell(1_005, local(2026, 3, 3))
    await shelf.close(local(2026, 3, 9))
    [statement] = await shelf.statements()
    assert statement.closing_minor == 1_005
    assert [row.amount_minor for row in await payouts(shelf)] == [904]
    balances = await shelf.balances()
    assert (balances["merchant_reserved"], balances["in_payout"]) == (101, 904)
    assert balances.get("merchant_available", 0) == 0


async def test_currencies_have_statements_of_their_own(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    await shelf.sell(700, local(2026, 3, 4), currency="EUR")
    await shelf.close(local(2026, 3, 9))
    assert {(row.currency, row.closing_minor) for row in await shelf.statements()} == {("BRL", 500), ("EUR", 700)}
    assert {(row.currency, row.amount_minor) for row in await payouts(shelf)} == {("BRL", 500)}


async def test_commission_is_invoiced_by_period_in_numbers_without_gaps(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.sell(8_750, local(2026, 3, 3), 1_250)
    await shelf.sell(875, local(2026, 3, 4), 125)
    await shelf.sell(500, local(2026, 3, 10), 0)
    await shelf.sell(7, local(2026, 3, 17), 1)
    await shelf.close(local(2026, 3, 23))
    async with database.read("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        rows = list(await session.execute(select(commission_invoice).order_by(commission_invoice.c.number)))
    assert [(row.kind, row.number[-7:], row.net_minor, row.tax_minor) for row in rows] == [
        ("invoice", "-C00001", 1_375, 0),
        ("invoice", "-C00002", 1, 0),
    ]


async def test_a_month_that_starts_on_the_31st_ends_on_the_last_day_and_has_the_clock_changes_hours(
    database: Database,
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    shelf = await a_shelf(database, time_zone="Europe/Berlin", settlement_cycle="monthly")
    first = Schedule(berlin, Cycle.MONTHLY, anchor_day=31)
    async with database.write("test") as tx, tx.as_platform() as session:
        changed = await schedules.change(session, shelf.merchant.id, first, an_act(at=NOON))
    assert changed.effective_at == datetime(2026, 4, 1, tzinfo=berlin)
    # 30 April: clamped from the 31st. The month before has 29 days and, in autumn, one 25-hour day.
    await shelf.sell(100, datetime(2026, 4, 29, 23, 59, tzinfo=berlin))
    await shelf.sell(10, datetime(2026, 4, 30, 0, 0, tzinfo=berlin))
    await shelf.sell(1, datetime(2026, 10, 24, 22, 0, tzinfo=UTC))
    await shelf.close(datetime(2026, 12, 1, tzinfo=berlin))
    april, may, october = await shelf.statements()
    assert (april.starts_on.isoformat(), april.ends_on.isoformat(), april.closing_minor) == (
        "2026-04-01",
        "2026-04-30",
        100,
    )
    assert (may.starts_on.isoformat(), may.ends_on.isoformat()) == ("2026-04-30", "2026-05-31")
    assert (october.starts_on.isoformat(), october.ends_on.isoformat()) == ("2026-09-30", "2026-10-31")
    assert october.ends_at - october.starts_at == timedelta(days=31, hours=1)


async def test_a_second_change_of_schedule_waits_for_the_first(database: Database) -> None:
    shelf = await a_shelf(database)
    daily = Schedule(SAO_PAULO, Cycle.DAILY)
    async with database.write("test") as tx, tx.as_platform() as session:
        await schedules.change(session, shelf.merchant.id, daily, an_act(at=NOON))
        with pytest.raises(InvalidInput, match="takes effect at 2026-03-09"):
            await schedules.change(session, shelf.merchant.id, daily, an_act(at=NOON))


async def test_a_changed_schedule_leaves_no_gap_in_the_statements(database: Database) -> None:
    shelf = await a_shelf(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        tokyo = Schedule(ZoneInfo("Asia/Tokyo"), Cycle.DAILY)
        await schedules.change(session, shelf.merchant.id, tokyo, an_act(at=NOON))
    for hours in range(0, 240, 5):
        await shelf.sell(1, local(2026, 3, 5) + timedelta(hours=hours))
    await shelf.close(local(2026, 3, 20))
    rows = await shelf.statements()
    assert all(later.starts_at == earlier.ends_at for earlier, later in pairwise(rows))
    assert rows[0].ends_at == rows[1].starts_at == local(2026, 3, 9)
    assert rows[-1].closing_minor == 48


async def test_while_a_changed_account_cools_off_the_balance_is_carried(database: Database) -> None:
    shelf, vault = await a_shelf(database), a_vault()
    await shelf.add_account()
    await shelf.sell(500, local(2026, 3, 3))
    new = NewAccount(kind=PayeeKind.WALLET, currency="BRL", holder="Ana Souza", wallet_id="ana@wallet")
    added_at = local(2026, 3, 7)
    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        added = await payee.add_account(session, vault, new, uuid4(), an_act("staff:olga", added_at))
        await payee.verify_account(session, added.id, an_act("platform:fina", added_at))
    await shelf.close(local(2026, 3, 9))
    assert await payouts(shelf) == []
    assert (await shelf.balances())["merchant_available"] == 500
    await shelf.sell(70, local(2026, 3, 10))
    await shelf.close(local(2026, 3, 16))
    assert [(row.payee_account_id, row.amount_minor) for row in await payouts(shelf)] == [(added.id, 570)]
