"""Reports over all merchants: commission by any dimensions, and what became available by settlement period."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Date, DateTime, Label, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from merchantry.domain.errors import InvalidInput
from merchantry.tables.merchant import daily_available, daily_total
from tenancy.across import Across, Merged, read_across
from tenancy.database import Database
from tenancy.tables import merchant

Columns = ReadOnlyColumnCollection[str, Column[Any]]

ACTOR = "report"
ALL_CATEGORIES = "*"


class Dimension(StrEnum):
    """What a report's rows are told apart by, besides the currency. The values are the names of their columns."""

    MERCHANT = "merchant"
    CATEGORY = "category"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Report:
    """Rows with the columns that docs and command name, and the moment of the snapshot they were read in."""

    as_of: datetime
    rows: list[dict[str, Any]]
    merchants: Mapping[str, UUID]
    """Those that were read, by slug."""


SHOWN = ("orders", "goods_minor", "shipping_minor", "commission_minor", "refunds_minor")
NET = "net_to_merchants_minor"
FURTHER = ("discount_minor", "tax_minor", "commission_tax_minor", "payment_fee_minor")
"""What rows hold besides, after the net."""

COUNTED = (*SHOWN, *FURTHER, "net_minor")
PERIOD = ("period_start", "period_end")
SETTLED = ("orders", "payable_minor")


async def commission_report(
    database: Database,
    *,
    date_from: date,
    date_to: date,
    group_by: Sequence[Dimension] = (),
    merchants: Sequence[UUID] | None = None,
) -> Report:
    """Captures and refunds with ``date_from <= day < date_to`` in the mall's time zone, always by currency as well.

    Rows are sorted by the dimensions in the order asked for, then by currency. ``day`` and ``week`` (its Monday) are
    dates, ``month`` is ``2018-07``, ``merchant`` a slug. By category an order counts once in each that it touches.
    None for ``merchants`` means all, whatever their status. Raises InvalidInput for an empty span.
    """
    _check_span(date_from, date_to)
    dimensions = list(dict.fromkeys(group_by))
    slugs = await _slugs(database, merchants)
    across = commission_by(dimensions)
    merged = await read_across(database, across, list(slugs), parameters={"date_from": date_from, "date_to": date_to})
    keys = [*dimensions, "currency"]
    figures = {name: name for name in SHOWN} | {NET: "net_minor"} | {name: name for name in FURTHER}
    rows = _named(merged, keys, figures, slugs)
    return Report(merged.as_of, rows, {slug: each for each, slug in slugs.items()})


async def settlement_report(
    database: Database,
    *,
    date_from: date,
    date_to: date,
    group_by: Sequence[Dimension] = (Dimension.MERCHANT,),
    merchants: Sequence[UUID] | None = None,
) -> Report:
    """What became available on days with ``date_from <= day < date_to``, by settlement period and currency.

    ``period_start`` is the period's first day in the merchant's zone, ``period_end`` the next one's; ``group_by`` tells
    what else rows are told apart by. Raises InvalidInput for an empty span, and for CATEGORY: an order becomes
    available as a whole.
    """
    _check_span(date_from, date_to)
    dimensions = list(dict.fromkeys(group_by))
    if Dimension.CATEGORY in dimensions:
        reason = "Money becomes available by order, not by category; group by merchant, day, week or month."
        raise InvalidInput(reason=reason, path=("groupBy",))
    slugs = await _slugs(database, merchants)
    parameters = {"date_from": date_from, "date_to": date_to}
    merged = await read_across(database, settlement_by(dimensions), list(slugs), parameters=parameters)
    keys = [*dimensions, *PERIOD, "currency"]
    rows = _named(merged, keys, {name: name for name in SETTLED}, slugs)
    return Report(merged.as_of, rows, {slug: each for each, slug in slugs.items()})


def _check_span(date_from: date, date_to: date) -> None:
    if date_from >= date_to:
        reason = "The span is empty: its end is the first day that no longer counts, so it must be after its start."
        raise InvalidInput(reason=reason, path=("to",))


async def _slugs(database: Database, merchants: Sequence[UUID] | None) -> dict[UUID, str]:
    """Merchants in the order in which they came, so that a new one changes the last chunk only; unknown ones are left
    out."""
    statement = select(merchant.c.id, merchant.c.slug).order_by(merchant.c.created_at, merchant.c.id)
    if merchants is not None:
        statement = statement.where(merchant.c.id == func.any(list(merchants)))
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        return {row.id: row.slug for row in await session.execute(statement)}


def commission_by(dimensions: Sequence[Dimension]) -> Across:
    """Captures and refunds of days, with the parameters ``date_from`` and ``date_to``."""
    table = daily_total.alias("t").c  # a short name, once for each merchant and column
    columns = [_column(table, dimension) for dimension in dimensions if dimension is not Dimension.MERCHANT]
    one_row_a_day = table.category == literal_column(f"'{ALL_CATEGORIES}'")
    statement = (
        select(*columns, table.currency, *(func.sum(table[name]).label(name) for name in COUNTED))
        .where(_within(table.day), ~one_row_a_day if Dimension.CATEGORY in dimensions else one_row_a_day)
        .group_by(*(column.element for column in columns), table.currency)
    )
    group_by = (*(column.name for column in columns), "currency")
    return Across(statement, group_by, COUNTED, with_merchant=Dimension.MERCHANT in dimensions)


def settlement_by(dimensions: Sequence[Dimension]) -> Across:
    """What became available on days, with the parameters ``date_from`` and ``date_to``."""
    table = daily_available.alias("t").c
    columns = [_column(table, dimension) for dimension in dimensions if dimension is not Dimension.MERCHANT]
    periods = [table[name] for name in (*PERIOD, "currency")]
    statement = (
        select(*columns, *periods, *(func.sum(table[name]).label(name) for name in SETTLED))
        .where(_within(table.day))
        .group_by(*(column.element for column in columns), *periods)
    )
    group_by = (*(column.name for column in columns), *PERIOD, "currency")
    return Across(statement, group_by, SETTLED, with_merchant=Dimension.MERCHANT in dimensions)


def _column(table: Columns, dimension: Dimension) -> Label[Any]:
    """Literals, not parameters, so that SELECT and GROUP BY say the same; timestamps, so that no zone has a say."""
    day = table.day
    midnight = cast(day, DateTime())
    expressions: Mapping[Dimension, ColumnElement[Any]] = {
        Dimension.DAY: day,
        Dimension.WEEK: cast(func.date_trunc(literal_column("'week'"), midnight), Date),
        Dimension.MONTH: cast(func.to_char(midnight, literal_column("'YYYY-MM'")), Text),
    }
    expression = table.category if dimension is Dimension.CATEGORY else expressions[dimension]
    return expression.label(dimension.value)


def _within(day: ColumnElement[date]) -> ColumnElement[bool]:
    return (day >= bindparam("date_from", type_=Date)) & (day < bindparam("date_to", type_=Date))


def _named(
    merged: Merged, keys: Sequence[str], figures: Mapping[str, str], slugs: Mapping[UUID, str]
) -> list[dict[str, Any]]:
    """Rows of dimensions, the merchant by its slug, and figures, whose columns are given; sorted by the dimensions."""
    if not merged.values:
        return []
    sources = {str(key): "merchant_id" if key == "merchant" else str(key) for key in keys}
    sources |= figures
    picked = itemgetter(*map(merged.columns.index, sources.values()))
    named = [dict(zip(sources, picked(row), strict=True)) for row in merged.values]
    if "merchant" in sources:
        for row in named:
            row["merchant"] = slugs[row["merchant"]]
    return sorted(named, key=itemgetter(*keys))
