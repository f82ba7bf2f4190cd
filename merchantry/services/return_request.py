"""Returns: a buyer wants to send something back; the merchant answers, receives it, and the buyer is refunded.

Silence approves. While a return is open the order's hold stands still (``services.dispute``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, exists, func, insert, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.dispute import (
    DECIDE_DAYS,
    SEND_DAYS,
    ReturnAct,
    ReturnStatus,
    refuse_late,
    returnable_until,
    step,
)
from merchantry.domain.errors import InvalidInput, InvalidQuantity, NotFound, QuantityRefused, ReturnRefused
from merchantry.domain.event import EventKind
from merchantry.domain.order import OrderStatus
from merchantry.domain.refund import Asked, RefundKind
from merchantry.services import audit, dispute, order, outbox, queue, refund
from merchantry.services.order import Order
from merchantry.services.queue import JobKind
from merchantry.services.refund import NewRefund
from merchantry.tables.dispute import return_request
from merchantry.tables.platform import buyer_order
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.writes import Changed, write

OVER = (OrderStatus.AWAITING_PAYMENT, OrderStatus.CANCELLED, OrderStatus.REFUNDED)
OPEN = (ReturnStatus.REQUESTED, ReturnStatus.APPROVED)
JOBS = {ReturnStatus.REQUESTED: JobKind.RETURN_DECIDE, ReturnStatus.APPROVED: JobKind.RETURN_EXPIRE}
"""What the clock does about a return that stands there."""


TOLD = {
    "request": EventKind.RETURN_REQUESTED,
    ReturnAct.APPROVE: EventKind.RETURN_APPROVED,
    ReturnAct.REJECT: EventKind.RETURN_REJECTED,
    ReturnAct.RECEIVE: EventKind.RETURN_RECEIVED,
    ReturnAct.WITHDRAW: EventKind.RETURN_WITHDRAWN,
    ReturnAct.EXPIRE: EventKind.RETURN_EXPIRED,
}

MOST = 50
"""How many returns of an order are shown with it."""


@dataclass(frozen=True, slots=True)
class NewReturn:
    """What a buyer wants to send back, and why; ``note`` is for the merchant."""

    order_id: UUID
    quantities: Mapping[UUID, int]
    reason: str
    note: str = ""
    id: UUID = field(default_factory=uuid4)


@dataclass(frozen=True, slots=True)
class Return:
    """A return as it stands. ``answer`` is the merchant's."""

    merchant_id: UUID
    id: UUID
    order_id: UUID
    status: ReturnStatus
    reason: str
    note: str
    line_ids: Sequence[UUID]
    quantities: Sequence[int]
    requested_at: datetime
    decide_by: datetime
    decided_at: datetime | None
    send_by: datetime | None
    received_at: datetime | None
    answer: str | None
    refund_id: UUID | None

    @property
    def pieces(self) -> dict[UUID, int]:
        """How many of which line."""
        return dict(zip(self.line_ids, self.quantities, strict=True))

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.requested_at, self.id


COLUMNS = [return_request.c[name] for name in Return.__slots__]


async def request(session: MerchantSession, new: NewReturn, act: Act) -> UUID:
    """A buyer asks to return pieces that they have; that the order is theirs is checked by the caller.

    Raises NotFound, ReturnRefused before anything was received and after a refund of everything, ReturnTooLate,
    InvalidInput for no pieces, InvalidQuantity, QuantityRefused for more than they have and other returns leave.
    """
    found = await order.load(session, new.order_id)
    if found.status in OVER or not (found.last_delivered_at or found.completed_at):
        raise ReturnRefused(status=found.status, act="request")
    _refuse_pieces(found, new.quantities, await of_orders(session, [found.id]))
    for line in found.lines:
        if line.id in new.quantities:
            refuse_late(returnable_until(found.last_delivered_at, found.completed_at, line.days_to_return), act.at)
    decide_by = act.at + timedelta(days=DECIDE_DAYS)
    row = {
        "merchant_id": session.merchant_id,
        "id": new.id,
        "order_id": new.order_id,
        "status": ReturnStatus.REQUESTED,
        "reason": new.reason,
        "note": new.note,
        "line_ids": list(new.quantities),
        "quantities": list(new.quantities.values()),
        "requested_at": act.at,
        "decide_by": decide_by,
    }
    await session.execute(insert(return_request).values(row))
    await queue.enqueue(session, session.merchant_id, JobKind.RETURN_DECIDE, new.id, decide_by)
    await dispute.stop_clock(session, found, "return", new.id, act)
    await _tell(session, new.id, new.order_id, "request", act)
    return new.id


async def approve(session: MerchantSession, return_id: UUID, answer: str | None, act: Act) -> None:
    """The merchant, or its silence, agrees; the buyer has some days to send. Raises NotFound, ReturnRefused."""
    found = await _held(session, return_id)
    send_by = act.at + timedelta(days=SEND_DAYS)
    await _step(session, found, ReturnAct.APPROVE, act, decided_at=act.at, answer=answer, send_by=send_by)
    await queue.enqueue(session, session.merchant_id, JobKind.RETURN_EXPIRE, return_id, send_by)


async def reject(session: MerchantSession, return_id: UUID, answer: str, act: Act) -> None:
    """The merchant refuses, and says why. Raises NotFound, ReturnRefused."""
    found = await _held(session, return_id)
    await _step(session, found, ReturnAct.REJECT, act, decided_at=act.at, answer=answer)
    await dispute.resume_clock(session, found.order_id, "return", return_id, act)


async def withdraw(session: MerchantSession, return_id: UUID, act: Act) -> None:
    """The buyer keeps it after all. Raises NotFound, ReturnRefused."""
    found = await _held(session, return_id)
    await _step(session, found, ReturnAct.WITHDRAW, act)
    await dispute.resume_clock(session, found.order_id, "return", return_id, act)


async def expire(session: MerchantSession, return_id: UUID, act: Act) -> None:
    """Nothing was sent in time. Raises NotFound, ReturnRefused."""
    found = await _held(session, return_id)
    await _step(session, found, ReturnAct.EXPIRE, act)
    await dispute.resume_clock(session, found.order_id, "return", return_id, act)


async def receive(tx: Transaction, merchant_id: UUID, return_id: UUID, *, restock: bool, act: Act) -> UUID:
    """The merchant has the pieces: the buyer is refunded for them. Returns the refund's id.

    Raises NotFound, ReturnRefused unless it was approved, and what `refund.create` raises.
    """
    async with tx.as_merchant(merchant_id) as session:
        known = await find(session, merchant_id, return_id)
    if known is None:
        raise NotFound(what="return", path=("return_id",))
    step(known.status, ReturnAct.RECEIVE)
    asked = Asked(known.pieces, are_back=True)
    new = NewRefund(known.order_id, known.reason, asked, kind=RefundKind.RETURN, restock=restock, return_id=return_id)
    refund_id = await refund.create(tx, merchant_id, new, act)
    async with tx.as_merchant(merchant_id) as session:
        found = await _held(session, return_id)
        await _step(session, found, ReturnAct.RECEIVE, act, received_at=act.at, refund_id=refund_id)
        await dispute.resume_clock(session, found.order_id, "return", return_id, act)
    return refund_id


def _refuse_pieces(found: Order, quantities: Mapping[UUID, int], others: Sequence[Return]) -> None:
    if not quantities:
        raise InvalidInput(reason="Name at least one line and how many of it.", path=("lines",))
    states = {line.id: line for line in found.state.lines}
    for line_id, quantity in quantities.items():
        if line_id not in states:
            raise NotFound(what="order line")
        if quantity < 1:
            raise InvalidQuantity(quantity=quantity)
        asked_before = sum(each.pieces.get(line_id, 0) for each in others if each.status in OPEN)
        most = states[line_id].with_buyer - asked_before
        if quantity > most:
            raise QuantityRefused(line_id=line_id, asked=quantity, open=most)


async def _held(session: MerchantSession, return_id: UUID) -> Return:
    """The return; its order is locked first, as everywhere."""
    known = await find(session, session.merchant_id, return_id)
    if known is None:
        raise NotFound(what="return", path=("return_id",))
    await order.load(session, known.order_id)
    found = await find(session, session.merchant_id, return_id, is_held=True)
    if found is None:
        raise NotFound(what="return", path=("return_id",))
    return found


async def _step(session: MerchantSession, found: Return, did: ReturnAct, act: Act, **changes: Any) -> None:
    status = step(found.status, did)
    done = [queue.done(session.merchant_id, JOBS[found.status], found.id)] if found.status in JOBS else []
    key = {"merchant_id": found.merchant_id, "id": found.id}
    await write(session, Changed(return_request, key, {"status": status, **changes}), *done)
    await _tell(session, found.id, found.order_id, did, act)


async def _tell(session: MerchantSession, return_id: UUID, order_id: UUID, did: str, act: Act) -> None:
    after = {"order": str(order_id)}
    await write(
        session,
        audit.event(session, session.merchant_id, act, f"return.{did}", str(return_id), None, after),
        *outbox.published(session, TOLD[did], {"return": return_id, **after}, act),
    )


async def find(
    session: MerchantSession | PlatformSession, merchant_id: UUID, return_id: UUID, *, is_held: bool = False
) -> Return | None:
    """One return; a merchant's session finds only its own."""
    statement = select(*COLUMNS).where(return_request.c.merchant_id == merchant_id, return_request.c.id == return_id)
    row = (await session.execute(statement.with_for_update() if is_held else statement)).one_or_none()
    return from_row(row._asdict()) if row else None


async def of_orders(session: MerchantSession | PlatformSession, order_ids: Sequence[UUID]) -> list[Return]:
    """The returns of some orders, oldest first, of each the latest ``MOST``; a merchant's session sees its own."""
    table = return_request.c
    latest = func.row_number().over(
        partition_by=(table.merchant_id, table.order_id), order_by=(table.requested_at.desc(), table.id.desc())
    )
    chosen = select(*COLUMNS, latest.label("latest")).where(table.order_id == func.any(list(order_ids))).subquery()
    statement = select(*(chosen.c[column.name] for column in COLUMNS)).where(chosen.c.latest <= MOST)
    rows = await session.execute(statement.order_by(chosen.c.requested_at, chosen.c.id))
    return [from_row(row._asdict()) for row in rows]


def is_of_buyer(buyer_id: UUID) -> ColumnElement[bool]:
    """For the platform's session: returns of this buyer's orders."""
    index, table = buyer_order.c, return_request.c
    return exists().where(
        index.merchant_id == table.merchant_id, index.order_id == table.order_id, index.buyer_id == buyer_id
    )


async def page(
    session: MerchantSession | PlatformSession,
    *conditions: ColumnElement[bool],
    limit: int,
    after: tuple[datetime, UUID] | None,
) -> list[Return]:
    """Returns, newest first; a merchant's session sees its own."""
    table = return_request.c
    statement = select(*COLUMNS).where(*conditions).order_by(table.requested_at.desc(), table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(table.requested_at, table.id) < tuple_(*after))
    return [from_row(row._asdict()) for row in await session.execute(statement)]


def from_row(row: Mapping[str, Any]) -> Return:
    """A return from a row of ``COLUMNS``."""
    return Return(**{**row, "status": ReturnStatus(row["status"])})
