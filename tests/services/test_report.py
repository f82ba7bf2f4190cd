"""Reports count what merchants' daily totals say, across schemas, by any dimensions."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Table, insert

from merchantry.domain.errors import InvalidInput
from merchantry.services import merchant, report
from merchantry.services.report import Dimension
from merchantry.tables.merchant import daily_available, daily_total
from tenancy.database import Database
from tests.builders import a_merchant, a_shop, an_act, some_merchants

FIGURES = ("orders", "goods_minor", "shipping_minor", "commission_minor", "refunds_minor", "commission_returned_minor")


def a_day(day: str, category: str, figures: Sequence[int], currency: str = "BRL") -> dict[str, Any]:
    _, goods, shipping, commission, refunds, returned = figures
    return {
        "net_minor": goods + shipping - commission - refunds + returned,
        "day": date.fromisoformat(day),
        "currency": currency,
        "category": category,
        **dict(zip(FIGURES, figures, strict=True)),
    }


async def write(database: Database, merchant_id: UUID, table: Table, rows: list[dict[str, Any]]) -> None:
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        await session.execute(insert(table).values(rows))


async def a_mall_with_two_weeks_of_sales(database: Database) -> dict[str, UUID]:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    rows = [
        a_day("2018-07-01", "*", (2, 1000, 200, 120, 0, 0)),  # a Sunday
        a_day("2018-07-01", "toys", (2, 700, 150, 84, 0, 0)),
        a_day("2018-07-01", "sport", (1, 300, 50, 36, 0, 0)),
        a_day("2018-07-02", "*", (1, 500, 0, 60, 300, 36)),
        a_day("2018-07-02", "toys", (1, 500, 0, 60, 300, 36)),
        a_day("2018-07-02", "*", (1, 77, 0, 7, 0, 0), "EUR"),
        a_day("2018-07-02", "toys", (1, 77, 0, 7, 0, 0), "EUR"),
        a_day("2018-08-01", "*", (9, 9, 9, 9, 9, 9)),
    ]
    await write(database, kites.id, daily_total, rows)
    await write(database, boats.id, daily_total, [a_day("2018-07-01", c, (4, 40, 4, 4, 0, 0)) for c in ("*", "sport")])
    return {"kites": kites.id, "boats": boats.id}


async def july(database: Database, *group_by: Dimension, **wanted: Any) -> list[tuple[Any, ...]]:
    span = {"date_from": date(2018, 7, 1), "date_to": date(2018, 8, 1)}
    found = await report.commission_report(database, group_by=group_by, **{**span, **wanted})
    return [tuple(amount for name, amount in row.items() if name not in report.FURTHER) for row in found.rows]


async def test_without_dimensions_there_is_one_row_for_each_currency(database: Database) -> None:
    await a_mall_with_two_weeks_of_sales(database)
    found = await report.commission_report(database, date_from=date(2018, 7, 1), date_to=date(2018, 8, 1), group_by=[])
    assert found.rows[0] == {
        "currency": "BRL",
        "orders": 7,
        "goods_minor": 1540,
        "shipping_minor": 204,
        "commission_minor": 184,
        "refunds_minor": 300,
        "net_to_merchants_minor": 1540 + 204 - 184 - 300 + 36,
        **dict.fromkeys(report.FURTHER, 0),
    }
    assert [row["currency"] for row in found.rows] == ["BRL", "EUR"]
    assert abs((found.as_of - datetime.now(UTC)).total_seconds()) < 60


async def test_every_dimension_tells_its_rows_apart(database: Database) -> None:
    await a_mall_with_two_weeks_of_sales(database)
    assert await july(database, Dimension.MERCHANT) == [
        ("boats", "BRL", 4, 40, 4, 4, 0, 40),
        ("kites", "BRL", 3, 1500, 200, 180, 300, 1256),
        ("kites", "EUR", 1, 77, 0, 7, 0, 70),
    ]
    assert await july(database, Dimension.CATEGORY) == [
        ("sport", "BRL", 5, 340, 54, 40, 0, 354),
        ("toys", "BRL", 3, 1200, 150, 144, 300, 942),
        ("toys", "EUR", 1, 77, 0, 7, 0, 70),
    ]
    assert [row[:3] for row in await july(database, Dimension.DAY)] == [
        (date(2018, 7, 1), "BRL", 6),
        (date(2018, 7, 2), "BRL", 1),
        (date(2018, 7, 2), "EUR", 1),
    ]
    assert [row[:3] for row in await july(database, Dimension.WEEK)] == [
        (date(2018, 6, 25), "BRL", 6),
        (date(2018, 7, 2), "BRL", 1),
        (date(2018, 7, 2), "EUR", 1),
    ]
    by_month = await july(database, Dimension.MONTH, date_to=date(2018, 9, 1))
    assert [row[:3] for row in by_month] == [("2018-07", "BRL", 7), ("2018-07", "EUR", 1), ("2018-08", "BRL", 9)]


async def test_dimensions_combine_and_rows_are_sorted_in_the_order_asked_for(database: Database) -> None:
    await a_mall_with_two_weeks_of_sales(database)
    dimensions = (Dimension.DAY, Dimension.MERCHANT, Dimension.CATEGORY, Dimension.DAY)
    assert [row[:5] for row in await july(database, *dimensions)] == [
        (date(2018, 7, 1), "boats", "sport", "BRL", 4),
        (date(2018, 7, 1), "kites", "sport", "BRL", 1),
        (date(2018, 7, 1), "kites", "toys", "BRL", 2),
        (date(2018, 7, 2), "kites", "toys", "BRL", 1),
        (date(2018, 7, 2), "kites", "toys", "EUR", 1),
    ]


async def test_the_end_of_the_span_no_longer_counts(database: Database) -> None:
    await a_mall_with_two_weeks_of_sales(database)
    assert [row[:2] for row in await july(database, date_to=date(2018, 7, 2))] == [("BRL", 6)]
    assert await july(database, date_from=date(2018, 7, 3)) == []
    for date_to in (date(2018, 7, 1), date(2018, 6, 1)):
        with pytest.raises(InvalidInput) as refusal:
            await july(database, date_to=date_to)
        assert refusal.value.path == ("to",)


async def test_merchants_can_be_chosen_and_suspended_ones_still_count(database: Database) -> None:
    ids = await a_mall_with_two_weeks_of_sales(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchant.set_status(session, "boats", "suspended", an_act())
    assert [row[0] for row in await july(database, Dimension.MERCHANT)] == ["boats", "kites", "kites"]
    assert [row[0] for row in await july(database, Dimension.MERCHANT, merchants=[ids["boats"]])] == ["boats"]
    assert await july(database, merchants=[uuid4()]) == []
    assert await july(database, merchants=[]) == []


async def test_settlement_rows_are_by_merchant_and_its_period(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))

    def available(day: str, start: str, end: str, orders: int, payable_minor: int) -> dict[str, Any]:
        dates = {"day": day, "period_start": start, "period_end": end}
        parsed = {name: date.fromisoformat(text) for name, text in dates.items()}
        return {**parsed, "currency": "BRL", "orders": orders, "payable_minor": payable_minor}

    week = ("2018-07-02", "2018-07-09")
    rows = [available("2018-07-03", *week, 1, 100), available("2018-07-04", *week, 2, -30)]
    await write(database, kites.id, daily_available, [*rows, available("2018-07-09", "2018-07-09", "2018-07-16", 5, 5)])
    await write(database, boats.id, daily_available, [available("2018-07-04", "2018-07-01", "2018-08-01", 1, 7)])
    found = await report.settlement_report(database, date_from=date(2018, 7, 1), date_to=date(2018, 7, 9))
    assert [list(row.values()) for row in found.rows] == [
        ["boats", date(2018, 7, 1), date(2018, 8, 1), "BRL", 1, 7],
        ["kites", date(2018, 7, 2), date(2018, 7, 9), "BRL", 3, 70],
    ]
    assert list(found.rows[0]) == ["merchant", "period_start", "period_end", "currency", "orders", "payable_minor"]
    chosen = await report.settlement_report(
        database, date_from=date(2018, 7, 1), date_to=date(2018, 7, 9), merchants=[kites.id]
    )
    assert [row["merchant"] for row in chosen.rows] == ["kites"]


async def test_a_mall_without_merchants_or_sales_reports_nothing(database: Database) -> None:
    assert await july(database, *Dimension) == []
    await a_merchant(database)
    assert await july(database, *Dimension) == []
