"""What carriers tell of parcels: each message is carried out once, for whoever named its tracking number first."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import Row, delete, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.errors import MerchantClosed, NotFound, OrderTransitionRefused, QuantityRefused
from merchantry.domain.event import EventKind
from merchantry.domain.parcel import NUMBER_IS_ONES_FOR, ParcelStatus, Timeline, Update
from merchantry.services import order, outbox, winding_up
from merchantry.tables.merchant import shipment
from merchantry.tables.platform import carrier_message, shipment_tracking
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.writes import Changed, write

KEPT_FOR: Final = timedelta(days=30)
"""For longer than any carrier repeats itself; an update that is told again even then changes nothing."""

MOST_PARCELS: Final = 20
"""Orders that one parcel can hold."""

log = structlog.get_logger()


async def hear(tx: Transaction, carrier: str, message_id: str, number: str, update: Update, act: Act) -> bool:
    """Carry a message out, unless it was before. Whether it concerns a parcel that is known here; if not, nothing of it
    is kept. Raises MerchantRestoring or MerchantQuarantined while the merchant's books can't be written.
    """
    async with tx.as_platform() as session:
        named = await _named(session, carrier, number, act)
        if not named:
            return False
        merchant_id = named[0].merchant_id
        try:
            await winding_up.refuse_closed(session, merchant_id)
        except MerchantClosed:
            return False
        if not await _is_new(session, carrier, message_id, act):
            return True
        old = carrier_message.c.received_at < act.booked_at - KEPT_FOR
        await session.execute(delete(carrier_message).where(old))
    async with tx.as_merchant(merchant_id) as merchant:
        for each in named:
            await _update(merchant, each.order_id, each.shipment_id, update, act)
    return True


async def _named(session: PlatformSession, carrier: str, number: str, act: Act) -> Sequence[Row[Any]]:
    """The parcels that bear the number, all of one merchant, in the order of their orders' ids.

    The number is the merchant's who named it first within the days before; nobody else gets what is told of it, so
    that nobody's order arrives with another's parcel. Where nobody did, it is theirs who named it last.
    """
    table = shipment_tracking.c
    bears = (table.carrier == carrier) & (table.tracking_number == number)
    recent = bears & (table.shipped_at > act.at - NUMBER_IS_ONES_FOR)
    first = select(table.merchant_id).where(recent).order_by(table.shipped_at, table.shipment_id).limit(1)
    last = select(table.merchant_id).where(bears).order_by(table.shipped_at.desc(), table.shipment_id).limit(1)
    merchant_id = await session.scalar(first) or await session.scalar(last)
    if merchant_id is None:
        return ()
    own = bears & (table.merchant_id == merchant_id)
    latest = select(shipment_tracking).where(own).order_by(table.shipped_at.desc(), table.shipment_id)
    found = (await session.execute(latest.limit(MOST_PARCELS))).all()
    since = found[0].shipped_at - NUMBER_IS_ONES_FOR
    return sorted((row for row in found if row.shipped_at > since), key=lambda row: (row.order_id, row.shipment_id))


async def _is_new(session: PlatformSession, carrier: str, message_id: str, act: Act) -> bool:
    """Whoever brings the same message at the same moment waits here for the one who came first."""
    row = {"carrier": carrier, "message_id": message_id, "received_at": act.booked_at}
    made = insert(carrier_message).values(row).on_conflict_do_nothing().returning(carrier_message.c.message_id)
    return (await session.execute(made)).first() is not None


async def _update(session: MerchantSession, order_id: UUID, shipment_id: UUID, update: Update, act: Act) -> None:
    """Under the order's lock, so that of two updates, or of one and staff, the second sees what the first has done."""
    columns = (shipment.c.updates, shipment.c.delivered_at)
    try:
        found = await order.load(session, order_id)
    except NotFound:  # a restored schema may be older than the parcel
        return
    row = (await session.execute(select(*columns).where(shipment.c.id == shipment_id))).one_or_none()
    if row is None:
        return
    before = Timeline.of(row.updates)
    after = before.with_update(update)
    if after is not before:
        facts = {
            "order": order_id,
            "number": found.number,
            "shipment": shipment_id,
            "status": after.status,
            "expected_on": after.expected_on.isoformat() if after.expected_on else None,
        }
        await write(
            session,
            Changed(shipment, {"id": shipment_id}, _columns(after)),
            *outbox.published(session, EventKind.SHIPMENT_UPDATED, facts, act),
        )
    if update.status is ParcelStatus.DELIVERED and row.delivered_at is None:
        await _deliver(session, shipment_id, act)


def _columns(timeline: Timeline) -> Mapping[str, Any]:
    return {
        "updates": [each.document() for each in timeline.updates],
        "status": timeline.status,
        "expected_on": timeline.expected_on,
    }


async def _deliver(session: MerchantSession, shipment_id: UUID, act: Act) -> None:
    """What staff would say; an order that has gone on without it stays as it is."""
    try:
        async with session.savepoint():
            await order.deliver(session, shipment_id, act)
    except (OrderTransitionRefused, QuantityRefused) as refused:
        log.info("parcel.not_delivered", shipment=str(shipment_id), reason=type(refused).__name__)
