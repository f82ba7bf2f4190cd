"""By when orders are to be shipped, and which of them were not."""

from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import BindParameter, ColumnElement, and_, func

from merchantry.domain.act import Act
from merchantry.domain.category import MOST_DAYS
from merchantry.domain.errors import InvalidInput
from merchantry.domain.event import EventKind
from merchantry.domain.order import OrderStatus
from merchantry.domain.settlement import hold_ends_at
from merchantry.domain.worded import Worded
from merchantry.services import audit, order, outbox, queue
from merchantry.services.order import Order
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import orders
from tenancy.database import MerchantSession
from tenancy.writes import Changed, Write, write

TO_SHIP = (OrderStatus.TO_SHIP, OrderStatus.PARTIALLY_SHIPPED)


def deadline(found: Order, zone: ZoneInfo, act: Act) -> datetime | None:
    """By when an order that is paid now is to be shipped: its days later, at the same time in the merchant's zone. None
    for one that was placed before there were such days.
    """
    return None if found.ship_days is None else hold_ends_at(act.at, found.ship_days, zone)


def watched(session: MerchantSession, order_id: UUID, due: datetime | None) -> list[Write]:
    """What lets somebody look at the order when its time is over."""
    return [] if due is None else [queue.asked(session.merchant_id, JobKind.ORDER_OVERDUE, order_id, due)]


def is_overdue(moment: datetime | BindParameter[datetime]) -> ColumnElement[bool]:
    """Whether an order should have been shipped at a moment, and is not, or not wholly."""
    return and_(orders.c.ship_by <= moment, orders.c.status == func.any([each.value for each in TO_SHIP]))


async def flag(session: MerchantSession, order_id: UUID, act: Act) -> bool:
    """Tell of an order that is overdue at the act's moment, once. Whether it was told now."""
    found = await order.load(session, order_id)
    if found.ship_by is None or found.overdue_at is not None or found.status not in TO_SHIP or found.ship_by > act.at:
        return False
    facts = {"order": order_id, "number": found.number, "status": found.status, "ship_by": found.ship_by}
    before, after = {"overdue_at": None}, {"overdue_at": act.at.isoformat()}
    await write(
        session,
        Changed(orders, {"id": order_id}, {"overdue_at": act.at}),
        audit.event(session, session.merchant_id, act, "order.overdue", str(order_id), before, after),
        *outbox.published(session, EventKind.ORDER_OVERDUE, facts, act),
    )
    return True


async def extend(session: MerchantSession, order_id: UUID, until: datetime, reason: str, act: Act) -> None:
    """The merchant takes more time for an order that waits to be shipped; saying the same again changes nothing.

    One that was overdue is not any more, until this time is over too. Raises NotFound, and InvalidInput for an order
    that has no deadline, and a moment that is past, a year away or earlier than the deadline.
    """
    found = await order.load(session, order_id)
    if found.ship_by is None or found.status not in TO_SHIP:
        raise InvalidInput(reason="This order does not wait to be shipped.", path=("order_id",))
    if until == found.ship_by:
        return
    if not max(found.ship_by, act.at) < until <= act.at + timedelta(days=MOST_DAYS):
        raise InvalidInput(
            reason=Worded("Give a moment after the deadline, within {most} days.", most=MOST_DAYS), path=("ship_by",)
        )
    before, after = {"ship_by": found.ship_by.isoformat()}, {"ship_by": until.isoformat(), "reason": reason}
    seq = found.events + 1
    await write(
        session,
        Changed(orders, {"id": order_id}, {"ship_by": until, "overdue_at": None, "events": seq}),
        order.event(order_id, seq, "extend_ship_by", act, after),
        audit.event(session, session.merchant_id, act, "order.extend_ship_by", str(order_id), before, after),
    )
    await queue.enqueue(session, session.merchant_id, JobKind.ORDER_OVERDUE, order_id, until)
