"""A merchant's customers: whoever ordered from it, known to it by nothing but what they ordered here.

A customer's id is that of their first order at this merchant: it tells two merchants nothing about having one in
common, needs no secret, and never changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by

from merchantry.domain.order import OrderStatus
from merchantry.tables.platform import buyer_order
from tenancy.database import PlatformSession

NOT_BOUGHT = (OrderStatus.AWAITING_PAYMENT.value, OrderStatus.CANCELLED.value)


@dataclass(frozen=True, slots=True)
class Customer:
    """``orders`` were paid for and not called off; ``totals`` is what they cost, by currency, gross of refunds."""

    first_order_id: UUID
    last_order_id: UUID
    first_order_at: datetime
    last_order_at: datetime
    orders: int
    totals: Sequence[tuple[str, int]]

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.last_order_at, self.last_order_id


async def customers(
    session: PlatformSession,
    merchant_id: UUID,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None,
    order_number: str | None = None,
) -> list[Customer]:
    """Who ordered last comes first; ``order_number`` finds whose order that is. Two statements."""
    of = buyer_order.c
    newest = aggregate_order_by(of.order_id, of.placed_at.desc(), of.order_id.desc())
    oldest = aggregate_order_by(of.order_id, of.placed_at, of.order_id)
    last_id, first_id = func.array_agg(newest)[1], func.array_agg(oldest)[1]
    key = (func.max(of.placed_at), last_id)
    statement = (
        select(
            of.buyer_id,
            first_id.label("first_id"),
            last_id.label("last_id"),
            func.min(of.placed_at).label("first_at"),
            func.max(of.placed_at).label("last_at"),
            func.count().filter(of.status.not_in(NOT_BOUGHT)).label("orders"),
        )
        .where(of.merchant_id == merchant_id)
        .group_by(of.buyer_id)
        .order_by(*(each.desc() for each in key))
        .limit(limit)
    )
    if order_number is not None:
        whose = select(of.buyer_id).where(of.merchant_id == merchant_id, of.number == order_number)
        statement = statement.where(of.buyer_id.in_(whose))
    if after is not None:
        statement = statement.having(tuple_(*key) < tuple_(*after))
    rows = (await session.execute(statement)).all()
    totals = await _totals(session, merchant_id, [row.buyer_id for row in rows])
    return [
        Customer(row.first_id, row.last_id, row.first_at, row.last_at, row.orders, totals.get(row.buyer_id, ()))
        for row in rows
    ]


async def _totals(
    session: PlatformSession, merchant_id: UUID, buyers: Sequence[UUID]
) -> dict[UUID, list[tuple[str, int]]]:
    of = buyer_order.c
    statement = (
        select(of.buyer_id, of.currency, func.sum(of.total_minor).label("total_minor"))
        .where(of.merchant_id == merchant_id, of.buyer_id == func.any(list(buyers)), of.status.not_in(NOT_BOUGHT))
        .group_by(of.buyer_id, of.currency)
        .order_by(of.buyer_id, of.currency)
    )
    found: dict[UUID, list[tuple[str, int]]] = {}
    for row in await session.execute(statement):
        found.setdefault(row.buyer_id, []).append((row.currency, int(row.total_minor)))
    return found
