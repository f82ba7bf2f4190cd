"""Orders and refunds of all merchants, searched as the platform's analysts may: no buyer is in what they read.

Orders come from the platform's own index where it knows all that is asked for: then only the schemas that have rows on
the page are read. Everything else is asked of every merchant's schema (``tenancy.across``), as refunds always are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select, tuple_

from merchantry.domain.errors import InvalidInput
from merchantry.domain.order import OrderStatus
from merchantry.domain.order_search import (
    Amounts,
    Moments,
    OrderFilter,
    OrderSort,
    RefundFilter,
    check_orders,
    check_refunds,
)
from merchantry.domain.settlement import period_on
from merchantry.services.mall import mall_zone
from merchantry.services.order import ORDER_COLUMNS, Line, Order
from merchantry.services.order_head import WHOLE
from merchantry.services.order_view import RELATIONS, Refund
from merchantry.services.schedule import schedules_of
from merchantry.services.ship_by import is_overdue
from merchantry.tables.merchant import order_line, orders, refund
from merchantry.tables.platform import buyer_order, merchant_profile
from tenancy.across import Across, Top, read_across, read_few_across
from tenancy.database import Database, PlatformSession
from tenancy.tables import merchant

OPEN_REFUNDS = ("pending", "failed", "unknown")
TOTAL = (
    orders.c.goods_minor
    + orders.c.shipping_minor
    + orders.c.added_tax_minor
    - orders.c.discount_merchant_minor
    - orders.c.discount_platform_minor
).label("total_minor")
REFUND_COLUMNS = [refund.c[name] for name in Refund.__slots__]
KEYS = {OrderSort.PLACED_AT: (orders.c.placed_at, orders.c.id), OrderSort.TOTAL: (TOTAL.element, orders.c.id)}
KEY_NAMES = {OrderSort.PLACED_AT: ("placed_at", "id"), OrderSort.TOTAL: ("total_minor", "id")}

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class FoundOrder:
    """An order without its lines, and whose it is."""

    merchant_id: UUID
    slug: str
    order: Order

    def key(self, sort: OrderSort) -> Key:
        """Where it stands in a list sorted so."""
        first = self.order.placed_at if sort is OrderSort.PLACED_AT else self.order.total_minor
        return first, self.order.id


@dataclass(frozen=True, slots=True)
class FoundRefund:
    """A refund, whose it is, and of which order."""

    merchant_id: UUID
    slug: str
    order_number: str
    refund: Refund

    @property
    def key(self) -> Key:
        """Where it stands in the list."""
        return self.refund.occurred_at, self.refund.id


async def find_orders(
    database: Database,
    actor: str,
    wanted: OrderFilter,
    sort: OrderSort,
    *,
    limit: int,
    after: Key | None,
    with_lines: bool = False,
) -> list[FoundOrder]:
    """The orders that fit, greatest first by ``sort``, after the row with this key; at most ``limit``.

    Raises what ``domain.order_search.check_orders`` raises.
    """
    check_orders(wanted, sort)
    wanted = await _with_moments(database, actor, wanted)
    slugs = await _slugs(database, actor, wanted.merchants, wanted.number)
    if wanted.is_indexed and sort is OrderSort.PLACED_AT:
        rows = await _by_index(database, actor, wanted, slugs, limit=limit, after=after)
    elif wanted.buyer_id is not None:
        rows = await _of_buyer(database, actor, wanted, slugs, sort, limit=limit, after=after)
    else:
        merged = await read_across(database, across(wanted, sort, limit=limit, after=after), list(slugs))
        rows = merged.rows
    lines = await _lines(database, rows) if with_lines and rows else {}
    return [
        FoundOrder(row["merchant_id"], slugs[row["merchant_id"]], _order(row, lines.get(row["id"], ()))) for row in rows
    ]


async def find_refunds(
    database: Database, actor: str, wanted: RefundFilter, *, limit: int, after: Key | None
) -> list[FoundRefund]:
    """The refunds that fit, newest first, after the row with this key; at most ``limit``.

    Raises what ``domain.order_search.check_refunds`` raises.
    """
    check_refunds(wanted)
    slugs = await _slugs(database, actor, wanted.merchants, wanted.order_number)
    merged = await read_across(database, _refunds(wanted, limit=limit, after=after), list(slugs))
    return [
        FoundRefund(
            row["merchant_id"],
            slugs[row["merchant_id"]],
            row["order_number"],
            Refund(**{name: row[name] for name in Refund.__slots__}),
        )
        for row in merged.rows
    ]


async def _with_moments(database: Database, actor: str, wanted: OrderFilter) -> OrderFilter:
    """Days of a report are days of the mall, periods those of the merchant's schedules."""
    if wanted.captured_days is None and wanted.available_days is None and wanted.period is None:
        return wanted
    captured, available = wanted.captured, wanted.available
    async with database.read(actor) as tx, tx.as_platform() as session:
        zone = await mall_zone(session)
        if wanted.captured_days is not None:
            captured = captured.between(*wanted.captured_days.instants(zone))
        if wanted.available_days is not None:
            available = available.between(*wanted.available_days.instants(zone))
        if wanted.period is not None:
            available = await _within_period(session, available, wanted.period, wanted.merchants or ())
    moments = replace(wanted, captured=captured, available=available)
    return replace(moments, captured_days=None, available_days=None, period=None)


async def _within_period(
    session: PlatformSession, available: Moments, days: tuple[date, date], merchants: Sequence[UUID]
) -> Moments:
    """Raises InvalidInput where no merchant with such a period is named."""
    schedules = await schedules_of(session, merchants)
    period = period_on(*days, schedules[merchants[0]]) if len(merchants) == 1 and schedules else None
    if period is None:
        raise InvalidInput(reason="The row counts no such orders.", path=("filter", "of"))
    return available.between(period.starts_at, period.ends_at)


async def _slugs(
    database: Database, actor: str, merchants: Sequence[UUID] | None, number: str | None
) -> dict[UUID, str]:
    """The merchants to ask, in the order of their ids; an order's number says whose it is."""
    statement = select(merchant.c.id, merchant.c.slug).order_by(merchant.c.id)
    if merchants is not None:
        statement = statement.where(merchant.c.id == func.any(list(merchants)))
    if number is not None:
        head = number.partition("-")[0]
        whose = int(head) if head.isascii() and head.isdigit() and len(head) < 10 else -1
        statement = statement.join(merchant_profile, merchant_profile.c.merchant_id == merchant.c.id)
        statement = statement.where(merchant_profile.c.number == whose)
    async with database.read(actor) as tx, tx.as_platform() as session:
        return {row.id: row.slug for row in await session.execute(statement)}


def across(
    wanted: OrderFilter,
    sort: OrderSort,
    *,
    limit: int,
    after: Key | None,
    order_ids: Sequence[UUID] | None = None,
) -> Across:
    """The page of orders over all schemas; ``order_ids`` narrows it to some."""
    key = KEYS[sort]
    statement = select(*ORDER_COLUMNS, TOTAL).order_by(*(each.desc() for each in key)).limit(limit)
    conditions = _conditions(wanted)
    if order_ids is not None:
        conditions.append(orders.c.id == func.any(list(order_ids)))
    if after is not None:
        conditions.append(tuple_(*key) < tuple_(*after))
    return Across(statement.where(*conditions), top=Top(KEY_NAMES[sort], limit))


def _conditions(wanted: OrderFilter) -> list[ColumnElement[bool]]:
    of = orders.c
    conditions = [*_within(of.placed_at, wanted.placed), *_within(of.captured_at, wanted.captured)]
    conditions += _within(of.available_at, wanted.available)
    conditions += _between(TOTAL.element, wanted.total)
    for column, value in ((of.number, wanted.number), (of.external_ref, wanted.external_ref)):
        conditions += [] if value is None else [column == value]
    if wanted.currency is not None:
        conditions.append(of.currency == wanted.currency)
    if wanted.statuses:
        conditions.append(of.status == func.any([each.value for each in wanted.statuses]))
    if wanted.overdue_at is not None:
        conditions.append(is_overdue(wanted.overdue_at))
    if wanted.category is not None:
        line = order_line.c
        conditions.append(exists().where(line.order_id == of.id, line.category == wanted.category))
    if wanted.has_open_refund is not None:
        is_open = exists().where(refund.c.order_id == of.id, refund.c.status == func.any(list(OPEN_REFUNDS)))
        conditions.append(is_open if wanted.has_open_refund else ~is_open)
    return conditions


def _refunds(wanted: RefundFilter, *, limit: int, after: Key | None) -> Across:
    of, key = refund.c, (refund.c.occurred_at, refund.c.id)
    statement = select(*REFUND_COLUMNS, orders.c.number.label("order_number")).join(orders, orders.c.id == of.order_id)
    conditions = [*_within(of.occurred_at, wanted.occurred), *_between(of.amount_minor, wanted.amount)]
    for column, values in ((of.status, wanted.statuses), (of.kind, wanted.kinds)):
        conditions += [column == func.any(list(values))] if values else []
    for named, value in ((orders.c.number, wanted.order_number), (of.currency, wanted.currency)):
        conditions += [] if value is None else [named == value]
    if after is not None:
        conditions.append(tuple_(*key) < tuple_(*after))
    statement = statement.where(*conditions).order_by(*(each.desc() for each in key)).limit(limit)
    return Across(statement, top=Top(("occurred_at", "id"), limit))


def _within(column: ColumnElement[Any], moments: Moments) -> list[ColumnElement[bool]]:
    conditions = []
    if moments.starts_at is not None:
        conditions.append(column >= moments.starts_at)
    if moments.ends_at is not None:
        conditions.append(column < moments.ends_at)
    return conditions


def _between(column: ColumnElement[Any], amounts: Amounts) -> list[ColumnElement[bool]]:
    conditions = []
    if amounts.least_minor is not None:
        conditions.append(column >= amounts.least_minor)
    if amounts.most_minor is not None:
        conditions.append(column <= amounts.most_minor)
    return conditions


async def _by_index(
    database: Database,
    actor: str,
    wanted: OrderFilter,
    slugs: Mapping[UUID, str],
    *,
    limit: int,
    after: Key | None,
) -> list[dict[str, Any]]:
    """The page from the platform's index, its rows from the schemas that have them.

    The index and the schemas are two snapshots: what changed in between shows its newer state. What a restored schema
    no longer has is left out.
    """
    key = (buyer_order.c.placed_at, buyer_order.c.order_id)
    statement = _indexed(wanted, slugs, buyer_order.c.merchant_id, *key)
    page: list[dict[str, Any]] = []
    while len(page) < limit:
        asked = statement if after is None else statement.where(tuple_(*key) < tuple_(*after))
        async with database.read(actor) as tx, tx.as_platform() as session:
            found = (await session.execute(asked.order_by(*(each.desc() for each in key)).limit(limit))).all()
        whose = _distinct(row.merchant_id for row in found)
        given = {"order_ids": [row.order_id for row in found]}
        (rows,) = await read_few_across(database, [WHOLE.across], whose, parameters=given)
        by_id = {row["id"]: row for row in rows}
        page += [by_id[row.order_id] for row in found if row.order_id in by_id]
        if len(found) < limit:
            break
        after = (found[-1].placed_at, found[-1].order_id)
    return page[:limit]


async def _of_buyer(
    database: Database,
    actor: str,
    wanted: OrderFilter,
    slugs: Mapping[UUID, str],
    sort: OrderSort,
    *,
    limit: int,
    after: Key | None,
) -> list[dict[str, Any]]:
    """The index alone knows whose orders are a buyer's; the rest is asked of the schemas that have some."""
    statement = _indexed(wanted, slugs, buyer_order.c.merchant_id, buyer_order.c.order_id)
    async with database.read(actor) as tx, tx.as_platform() as session:
        found = (await session.execute(statement)).all()
    whose = _distinct(row.merchant_id for row in found)
    asked = across(wanted, sort, limit=limit, after=after, order_ids=[row.order_id for row in found])
    return (await read_across(database, asked, whose)).rows


def _distinct(merchants: Iterable[UUID]) -> list[UUID]:
    return sorted(set(merchants), key=lambda each: each.hex)


def _indexed(wanted: OrderFilter, slugs: Mapping[UUID, str], *columns: ColumnElement[Any]) -> Select[Any]:
    of = buyer_order.c
    conditions = [*_within(of.placed_at, wanted.placed), *_between(of.total_minor, wanted.total)]
    if wanted.merchants is not None or wanted.number is not None:
        conditions.append(of.merchant_id == func.any(list(slugs)))
    for column, value in ((of.number, wanted.number), (of.buyer_id, wanted.buyer_id), (of.currency, wanted.currency)):
        conditions += [] if value is None else [column == value]
    if wanted.statuses:
        conditions.append(of.status == func.any([each.value for each in wanted.statuses]))
    return select(*columns).where(*conditions)


async def _lines(database: Database, rows: Sequence[Mapping[str, Any]]) -> dict[UUID, list[Line]]:
    given = {"order_ids": [row["id"] for row in rows]}
    whose = _distinct(row["merchant_id"] for row in rows)
    (found,) = await read_few_across(database, [RELATIONS["lines"].across], whose, parameters=given)
    by_order: dict[UUID, list[Line]] = {}
    for row in found:
        by_order.setdefault(row["order_id"], []).append(Line(**{name: row[name] for name in Line.__slots__}))
    return by_order


def _order(row: Mapping[str, Any], lines: Iterable[Line]) -> Order:
    values = {column.name: row[column.name] for column in ORDER_COLUMNS}
    return Order(**{**values, "status": OrderStatus(values["status"])}, lines=tuple(lines))
