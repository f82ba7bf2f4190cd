"""The clock of an order's hold: it stands still while a return or a chargeback is open."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.dispute import moved_hold
from merchantry.services import order, queue
from merchantry.services.order import Order
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import orders
from merchantry.tables.platform import merchant_profile
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write


async def stop_clock(session: MerchantSession, found: Order, kind: str, dispute_id: UUID, act: Act) -> None:
    """One more dispute is open about an order that the caller has locked; it is released only after the last."""
    seq = found.events + 1
    changes: dict[str, Any] = {"open_disputes": found.open_disputes + 1, "events": seq}
    if found.hold_ends_at is not None and found.available_at is None and found.hold_stopped_at is None:
        changes["hold_stopped_at"] = act.at
    await write(
        session,
        Changed(orders, {"id": found.id}, changes),
        order.event(found.id, seq, f"{kind}.open", act, {kind: str(dispute_id)}),
        queue.done(session.merchant_id, JobKind.HOLD_RELEASE, found.id),
    )


async def resume_clock(session: MerchantSession, order_id: UUID, kind: str, dispute_id: UUID, act: Act) -> None:
    """A dispute is over. After the last the hold goes on, and ends later by as long as it stood still."""
    found = await order.load(session, order_id)
    seq, left = found.events + 1, found.open_disputes - 1
    changes: dict[str, Any] = {"open_disputes": left, "events": seq}
    if not left and found.hold_stopped_at is not None and found.hold_ends_at is not None:
        zone: str = await session.scalar(
            select(merchant_profile.c.time_zone).where(merchant_profile.c.merchant_id == session.merchant_id)
        )
        ends_at = moved_hold(found.hold_ends_at, found.hold_stopped_at, act.at, ZoneInfo(zone))
        changes |= {"hold_ends_at": ends_at, "hold_stopped_at": None}
        if found.available_at is None:
            await queue.enqueue(session, session.merchant_id, JobKind.HOLD_RELEASE, found.id, ends_at)
    await write(
        session,
        Changed(orders, {"id": found.id}, changes),
        order.event(found.id, seq, f"{kind}.end", act, {kind: str(dispute_id)}),
    )
