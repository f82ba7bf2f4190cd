"""Figures over all merchants, or some."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Dimension
from graphql_api.money import Money
from graphql_api.order_search import drill_down, drill_down_settled
from graphql_api.relay import PageInfo, decode_id, encode_cursor, page
from merchantry.domain.permission import Permission
from merchantry.domain.report_request import Span
from merchantry.services import report


@strawberry.type(description="Captures and refunds of one group, in one currency.")
class CommissionRow:
    merchant: str | None = strawberry.field(description="The merchant's slug, where grouped by MERCHANT.")
    category: str | None
    day: date | None
    week: date | None = strawberry.field(description="The week's Monday.")
    month: str | None = strawberry.field(description="Such as 2018-07.")
    currency: str
    orders: int
    goods: Money
    shipping: Money
    commission: Money = strawberry.field(description="What merchants are charged, whoever gets it; gross of refunds.")
    refunds: Money
    net_to_merchants: Money = strawberry.field(description="What is left to the merchants of everything.")
    discount: Money = strawberry.field(description="What merchants and platform gave, gross of refunds.")
    tax: Money = strawberry.field(description="Sales tax, in prices or on top, whoever remits it; gross of refunds.")
    commission_tax: Money = strawberry.field(description="The tax on the commission, gross of refunds.")
    payment_fee: Money = strawberry.field(description="What merchants bear of it, gross of refunds.")
    drill_down: str = strawberry.field(
        description="For `platform { orders(filter: {of}) }`: exactly the orders whose captures the row counts."
    )


@strawberry.type(description="What became available to a merchant in one settlement period and currency.")
class SettlementRow:
    merchant: str | None = strawberry.field(description="The merchant's slug, where grouped by MERCHANT.")
    day: date | None
    week: date | None
    month: str | None
    period_start: date
    period_end: date = strawberry.field(description="The first day of the next period.")
    currency: str
    orders: int
    payable: Money
    drill_down: str | None = strawberry.field(
        description="For `platform { orders(filter: {of}) }`: exactly the orders that the row counts. Null unless"
        " grouped by MERCHANT, for each merchant's periods begin and end by a clock of its own."
    )


@strawberry.type(description="Commission by group, read in one snapshot.")
class CommissionReport:
    as_of: datetime
    rows: list[CommissionRow]
    page_info: PageInfo


@strawberry.type(description="Settlement by merchant and period, read in one snapshot.")
class SettlementReport:
    as_of: datetime
    rows: list[SettlementRow]
    page_info: PageInfo


async def commission_report(
    info: Info,
    date_from: date,
    date_to: date,
    group_by: list[Dimension],
    merchants: list[strawberry.ID] | None,
    first: int | None,
    after: str | None,
) -> CommissionReport:
    """Captures with ``from <= day < to`` in the platform's time zone."""
    access.of_platform(info.context, Permission.PLATFORM_REPORT_READ)
    found = await report.commission_report(
        info.context.database,
        date_from=date_from,
        date_to=date_to,
        group_by=group_by,
        merchants=_merchant_ids(merchants),
    )
    keys = [each.value for each in Dimension if each in group_by] + ["currency"]
    rows, page_info = _paged(found.rows, "commissionReport", keys, first, after)
    span = Span(date_from, date_to)
    shown = [_commission_row(row, _orders_of(row, span, found.merchants)) for row in rows]
    return CommissionReport(as_of=found.as_of, rows=shown, page_info=page_info)


async def settlement_report(
    info: Info,
    date_from: date,
    date_to: date,
    group_by: list[Dimension],
    merchants: list[strawberry.ID] | None,
    first: int | None,
    after: str | None,
) -> SettlementReport:
    """What became available on days with ``from <= day < to``, by settlement period."""
    access.of_platform(info.context, Permission.PLATFORM_REPORT_READ)
    found = await report.settlement_report(
        info.context.database,
        date_from=date_from,
        date_to=date_to,
        group_by=group_by,
        merchants=_merchant_ids(merchants),
    )
    keys = [each.value for each in Dimension if each in group_by] + ["period_start", "period_end", "currency"]
    rows, page_info = _paged(found.rows, "settlementReport", keys, first, after)
    span = Span(date_from, date_to)
    shown = [_settlement_row(row, _settled_orders_of(row, span, found.merchants)) for row in rows]
    return SettlementReport(as_of=found.as_of, rows=shown, page_info=page_info)


def _merchant_ids(given: Sequence[str] | None) -> list[UUID] | None:
    if given is None:
        return None
    return [decode_id(text, "MerchantRecord", 1, ("merchants", position))[0] for position, text in enumerate(given)]


def _paged(
    rows: list[dict[str, Any]], name: str, keys: Sequence[str], first: int | None, after: str | None
) -> tuple[list[dict[str, Any]], PageInfo]:
    """Rows by their keys, after a cursor's; each currency is a row of its own, so keys are unique."""

    def key_of(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[each]) for each in keys)

    asked = page(name, (str,) * len(keys), first, after)
    ordered = sorted(rows, key=key_of)
    left = [row for row in ordered if asked.after is None or key_of(row) > asked.after]
    shown = left[: asked.first]
    cursor: Callable[[dict[str, Any]], str] = lambda row: encode_cursor(name, key_of(row))  # noqa: E731
    return shown, PageInfo(
        has_next_page=len(left) > asked.first,
        has_previous_page=asked.after is not None,
        start_cursor=cursor(shown[0]) if shown else None,
        end_cursor=cursor(shown[-1]) if shown else None,
    )


def _orders_of(row: dict[str, Any], span: Span, merchants: Mapping[str, UUID]) -> str:
    """The orders that a row counts."""
    days = span.within(day=row.get("day"), week=row.get("week"), month=row.get("month"))
    merchant = merchants[row["merchant"]] if "merchant" in row else None
    return drill_down(days, row["currency"], merchant=merchant, category=row.get("category"))


def _settled_orders_of(row: dict[str, Any], span: Span, merchants: Mapping[str, UUID]) -> str | None:
    """The orders that a merchant's row counts."""
    if "merchant" not in row:
        return None
    days = span.within(day=row.get("day"), week=row.get("week"), month=row.get("month"))
    period = (row["period_start"], row["period_end"])
    return drill_down_settled(days, row["currency"], merchant=merchants[row["merchant"]], period=period)


def _commission_row(row: dict[str, Any], of: str) -> CommissionRow:
    def amount(name: str) -> Money:
        return Money.of(row[f"{name}_minor"], row["currency"])

    return CommissionRow(
        **{each.value: row.get(each.value) for each in Dimension},
        currency=row["currency"],
        orders=row["orders"],
        goods=amount("goods"),
        shipping=amount("shipping"),
        commission=amount("commission"),
        refunds=amount("refunds"),
        net_to_merchants=amount("net_to_merchants"),
        discount=amount("discount"),
        tax=amount("tax"),
        commission_tax=amount("commission_tax"),
        payment_fee=amount("payment_fee"),
        drill_down=of,
    )


def _settlement_row(row: dict[str, Any], of: str | None) -> SettlementRow:
    return SettlementRow(
        merchant=row.get("merchant"),
        day=row.get("day"),
        week=row.get("week"),
        month=row.get("month"),
        period_start=row["period_start"],
        period_end=row["period_end"],
        currency=row["currency"],
        orders=row["orders"],
        payable=Money.of(row["payable_minor"], row["currency"]),
        drill_down=of,
    )
