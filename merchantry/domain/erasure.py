"""Whether an order's contact data can be erased yet, and if not, why and until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from merchantry.domain.order import OrderStatus

ENDED: Final = (OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.REFUNDED)


class KeptFor(StrEnum):
    """Why contact data has to stay for now."""

    OPEN_ORDER = "open_order"
    OPEN_DISPUTE = "open_dispute"
    RETENTION = "retention"
    CLOSED_MERCHANT = "closed_merchant"


@dataclass(frozen=True, slots=True)
class Kept:
    """Contact data that stays until a moment; None: until what keeps it has ended, whenever that is."""

    merchant_id: UUID
    order_id: UUID
    why: KeptFor
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """An order that holds contact data. ``ended_at`` is the last that happened to it, once it is over."""

    merchant_id: UUID
    order_id: UUID
    status: OrderStatus
    open_disputes: int
    ended_at: datetime


def kept(order: Holder, keep_days: int, now: datetime) -> Kept | None:
    """Why the order keeps its contact data; None where it can go. ``keep_days`` is what the law asks for after the end.

    Returns and chargebacks that are open are disputes.
    """
    if order.status not in ENDED:
        return Kept(order.merchant_id, order.order_id, KeptFor.OPEN_ORDER)
    if order.open_disputes:
        return Kept(order.merchant_id, order.order_id, KeptFor.OPEN_DISPUTE)
    until = order.ended_at + timedelta(days=keep_days)
    return Kept(order.merchant_id, order.order_id, KeptFor.RETENTION, until) if until > now else None
