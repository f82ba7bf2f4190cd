"""The platform's index of buyers' orders: which orders a buyer has, with which merchants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, tuple_

from merchantry.tables.platform import buyer_order
from tenancy.database import PlatformSession


@dataclass(frozen=True, slots=True)
class IndexedOrder:
    """A line of a buyer's own index of orders."""

    merchant_id: UUID
    order_id: UUID
    checkout_id: UUID
    number: str
    merchant_name: str
    status: str
    currency: str
    total_minor: int
    placed_at: datetime


INDEX = select(*(buyer_order.c[name] for name in IndexedOrder.__slots__))


async def page(
    session: PlatformSession, buyer_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[IndexedOrder]:
    """A buyer's orders of all merchants, newest first."""
    statement = (
        INDEX.where(buyer_order.c.buyer_id == buyer_id)
        .order_by(buyer_order.c.placed_at.desc(), buyer_order.c.order_id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(buyer_order.c.placed_at, buyer_order.c.order_id) < tuple_(*after))
    return [IndexedOrder(**row._asdict()) for row in await session.execute(statement)]


async def of_orders(session: PlatformSession, buyer_id: UUID, order_ids: Sequence[UUID]) -> list[IndexedOrder]:
    """Those of the orders that are the buyer's."""
    mine = INDEX.where(buyer_order.c.buyer_id == buyer_id, buyer_order.c.order_id == func.any(list(order_ids)))
    return [IndexedOrder(**row._asdict()) for row in await session.execute(mine)]


async def of_checkouts(session: PlatformSession, checkout_ids: Sequence[UUID]) -> list[IndexedOrder]:
    """The orders of some checkouts, by merchant."""
    statement = INDEX.where(buyer_order.c.checkout_id == func.any(list(checkout_ids)))
    rows = await session.execute(statement.order_by(buyer_order.c.checkout_id, buyer_order.c.merchant_id))
    return [IndexedOrder(**row._asdict()) for row in rows]
