"""Rows of reports: they sum to what the rollups say, are of the merchants and days asked for, and none is lost."""

from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.domain.report_forms import FORMS
from merchantry.domain.report_kind import ReportFormat, ReportKind
from merchantry.domain.report_request import ReportRequest, Span, choose
from merchantry.services import refund, report, report_rows
from merchantry.services.report import Dimension
from merchantry.services.report_rows import open_report
from tenancy.database import Database
from tests.builders import NOON, a_merchant, an_act
from tests.services.sales import Sales, a_plan, some_sales, tiers

DAY = timedelta(days=1)
MARCH = Span(date(2026, 3, 1), date(2026, 4, 1))
TAXED = {"tax_jurisdiction": "BR-SP", "tax_rate_bps": 1_000, "tax_minor": 500, "shipping_minor": 120}


async def rows_of(
    database: Database, kind: ReportKind, *, merchant_id: UUID | None = None, span: Span = MARCH, **chosen: Any
) -> list[dict[str, Any]]:
    """All rows with every column, unless columns are chosen."""
    columns = chosen.pop("columns", [column.name for column in FORMS[kind].columns])
    request = ReportRequest(choose(kind, columns, **chosen), span, ReportFormat.CSV)
    opened = await open_report(database, "test", request, merchant_id)
    return [dict(zip(columns, row, strict=True)) async for row in opened.rows]


def sums(rows: list[dict[str, Any]], *names: str) -> tuple[int, ...]:
    return tuple(sum(row[name] for row in rows) for name in names)


async def refund_of(sales: Sales, order_id: UUID) -> None:
    async with sales.database.write("test") as tx:
        await refund.cancel(tx, sales.merchant.id, order_id, "changed my mind", an_act(at=NOON + DAY))


async def a_mall_that_sells(database: Database) -> tuple[Sales, Sales]:
    """Boats, with taxes and volume tiers that are reached, and kites, of which an order is refunded."""
    plan = a_plan(tiers=tiers("retroactive", refunds_lower_volume=False), commission_tax_bps=500)
    boats = await some_sales(database, plan, slug="boats")
    await boats.sell(5_500, 3_000, lines=[TAXED, {"category": "books", "discount_merchant_minor": 300}])
    await boats.sell(9_000_000, at=NOON + DAY)
    await boats.sell(2_000_000, at=NOON + 2 * DAY)
    kites = await some_sales(database, a_plan(), slug="kites")
    await kites.sell(10_000)
    await refund_of(kites, await kites.sell(7_000, at=NOON + DAY))
    return boats, kites


FIGURES = ("goods_minor", "shipping_minor", "discount_minor", "tax_minor", "commission_minor", "commission_tax_minor")


async def test_sales_sum_to_the_commission_report_of_the_same_days(database: Database) -> None:
    boats, _ = await a_mall_that_sells(database)
    found = await report.commission_report(
        database, date_from=MARCH.date_from, date_to=MARCH.date_to, group_by=[Dimension.MERCHANT, Dimension.DAY]
    )
    sales = await rows_of(database, ReportKind.SALES)
    assert len(sales) == 5
    for group in found.rows:
        same = [row for row in sales if (row["merchant"], row["day"]) == (group["merchant"], group["day"])]
        assert len(same) == group["orders"]
        assert sums(same, *FIGURES) == tuple(group[name] for name in FIGURES)
        if not group["refunds_minor"]:
            assert sums(same, "net_minor") == (group["net_to_merchants_minor"],)
    assert any(row["commission_tax_minor"] for row in sales)
    refunds = await rows_of(database, ReportKind.REFUNDS)
    assert sums(refunds, "amount_minor") == (sum(row["refunds_minor"] for row in found.rows),) == (7_000,)
    await boats.verify()


async def test_lines_sum_to_their_orders_but_for_what_a_step_of_tiers_corrects(database: Database) -> None:
    await a_mall_that_sells(database)
    orders, lines = await rows_of(database, ReportKind.SALES), await rows_of(database, ReportKind.SALE_LINES)
    same = ("goods_minor", "shipping_minor", "discount_minor", "tax_minor")
    for order in orders:
        parts = [line for line in lines if line["order_number"] == order["order_number"]]
        assert sums(parts, *same) == tuple(order[name] for name in same)
        assert [line["line"] for line in parts] == list(range(1, len(parts) + 1))
    assert sums(orders, "commission_minor") != sums(lines, "commission_minor")
    first = [line for line in lines if line["order_number"] == orders[0]["order_number"]]
    assert [line["category"] for line in first] == ["toys", "books"]
    assert sums(first, "commission_minor", "net_minor") == (orders[0]["commission_minor"], orders[0]["net_minor"])


@pytest.mark.parametrize("kind", [ReportKind.COMMISSION, ReportKind.SETTLEMENT])
async def test_grouped_reports_say_the_same_for_a_merchant_and_for_the_platform(
    database: Database, kind: ReportKind
) -> None:
    boats, kites = await a_mall_that_sells(database)
    order_id = await kites.sell(4_000, at=NOON)
    await kites.release(order_id, NOON + DAY)
    columns = [*FORMS[kind].usual, "month"]
    of_all = await rows_of(database, kind, columns=columns)
    assert of_all
    assert {type(row[name]) for row in of_all for name in row if name.endswith("_minor")} == {int}
    apart = [
        row
        for each in (boats, kites)
        for row in await rows_of(database, kind, merchant_id=each.merchant.id, columns=columns)
    ]
    assert of_all == apart
    together = await rows_of(database, kind, columns=[name for name in columns if name not in ("merchant", "day")])
    figures = [column.name for column in FORMS[kind].columns if column.is_figure]
    assert sums(together, *figures) == sums(of_all, *figures)
    assert len(together) < len(of_all) or kind is ReportKind.SETTLEMENT


async def test_taxes_are_by_month_jurisdiction_rate_and_remitter(database: Database) -> None:
    sales = await some_sales(database, a_plan(), slug="boats")
    added = {**TAXED, "tax_inclusive": False, "tax_remitted_by": "platform"}
    await sales.sell(5_500, 5_000, lines=[TAXED, added])
    await sales.sell(5_500, lines=[TAXED], at=NOON + DAY)
    rows = await rows_of(database, ReportKind.TAXES)
    shown = [
        (row["in_price"], row["remitted_by"], row["lines"], row["taxable_minor"], row["tax_minor"]) for row in rows
    ]
    assert shown == [("no", "platform", 1, 5_000, 500), ("yes", "merchant", 2, 10_000, 1_000)]
    assert {(row["month"], row["jurisdiction"], row["rate_bps"]) for row in rows} == {("2026-03", "BR-SP", 1_000)}


async def test_pages_lose_no_row_and_repeat_none(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for slug, orders in (("boats", 5), ("empty", 0), ("kites", 3)):
        sales = await some_sales(database, a_plan(), slug=slug)
        for number in range(orders):
            await sales.sell(1_000 + number, 200, 300, at=NOON + DAY * (number // 2))
    whole = [await rows_of(database, kind) for kind in (ReportKind.SALES, ReportKind.SALE_LINES)]
    monkeypatch.setattr(report_rows, "PAGE", 2)
    monkeypatch.setattr(report_rows, "VISITS", 1)
    assert [await rows_of(database, kind) for kind in (ReportKind.SALES, ReportKind.SALE_LINES)] == whole
    assert Counter(row["merchant"] for row in whole[0]) == {"boats": 5, "kites": 3}
    assert [(row["merchant"], row["day"]) for row in whole[0]] == sorted((r["merchant"], r["day"]) for r in whole[0])


async def test_the_days_are_the_platforms_and_the_end_no_longer_counts(database: Database) -> None:
    """The mall of the tests is in UTC; the merchant, in São Paulo, is three hours behind."""
    sales = await some_sales(database, a_plan(), slug="boats")
    await sales.sell(1_000, at=NOON.replace(hour=0, minute=30))
    days = [row["day"] for row in await rows_of(database, ReportKind.SALES)]
    (counted,) = (
        await report.commission_report(
            database, date_from=MARCH.date_from, date_to=MARCH.date_to, group_by=[Dimension.DAY]
        )
    ).rows
    assert days == [counted["day"]]
    (day,) = days
    assert await rows_of(database, ReportKind.SALES, span=Span(day - DAY, day)) == []
    assert len(await rows_of(database, ReportKind.SALES, span=Span(day, day + DAY))) == 1


async def test_rows_are_chosen_by_merchant_currency_and_status(database: Database) -> None:
    _, kites = await a_mall_that_sells(database)
    assert {row["merchant"] for row in await rows_of(database, ReportKind.SALES, merchants=["kites"])} == {"kites"}
    assert len(await rows_of(database, ReportKind.SALES, statuses=["cancelled"])) == 1
    assert await rows_of(database, ReportKind.SALES, currency="EUR") == []
    assert await rows_of(database, ReportKind.COMMISSION, currency="EUR") == []
    assert await rows_of(database, ReportKind.SALES, merchants=[]) == []
    with pytest.raises(InvalidInput, match="no merchant no-such"):
        await rows_of(database, ReportKind.SALES, merchants=["kites", "no-such"])
    with pytest.raises(InvalidInput, match="about one merchant"):
        await rows_of(database, ReportKind.SALES, merchants=["boats"], merchant_id=kites.merchant.id)


async def test_nothing_sold_is_no_row_of_any_kind(database: Database) -> None:
    merchant = await a_merchant(database, "empty")
    for kind in ReportKind:
        assert await rows_of(database, kind) == []
        assert await rows_of(database, kind, merchant_id=merchant.id) == []
