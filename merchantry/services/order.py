"""An order's life in its merchant's schema. Each change: the state machine decides, then rows, event and audit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Row, Uuid, bindparam, func, select, update
from sqlalchemy.exc import DBAPIError

from merchantry.domain import order as rules
from merchantry.domain.act import Act
from merchantry.domain.dispute import RETURN_DAYS
from merchantry.domain.entries import Collector
from merchantry.domain.errors import CashNotAccepted, NotFound, OrderTransitionRefused, ReferenceTaken
from merchantry.domain.event import EventKind
from merchantry.domain.order import LineState, OrderAct, OrderState, OrderStatus
from merchantry.domain.parcel import carrier_key, number_key
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import hold_ends_at
from merchantry.domain.tax import LineTax, Remitter
from merchantry.services import audit, listing_stock, outbox, queue
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import order_event, order_line, orders, shipment, variant
from merchantry.tables.platform import buyer_order, merchant_profile, shipment_tracking
from tenancy.database import MerchantSession, sqlstate
from tenancy.writes import Changed, New, Raised, Write, later, write


@dataclass(frozen=True, slots=True)
class Line:
    """A line as it was frozen when the order was placed, and how far it has come."""

    id: UUID
    order_id: UUID
    position: int
    product_id: UUID
    variant_id: UUID
    sku: str
    title: str
    category: str
    unit_price_minor: int
    quantity: int
    goods_minor: int
    shipping_minor: int
    discount_merchant_minor: int
    discount_platform_minor: int
    tax_minor: int
    tax_rate_bps: int
    tax_jurisdiction: str | None
    tax_inclusive: bool
    tax_covers_shipping: bool
    tax_remitted_by: str
    shipped: int
    delivered: int
    cancelled: int
    refunded: int
    refunded_goods_minor: int
    refunded_shipping_minor: int
    hold_days: int | None
    return_days: int | None

    @property
    def discount_minor(self) -> int:
        """What the buyer saves on it, whoever pays for that."""
        return self.discount_merchant_minor + self.discount_platform_minor

    @property
    def days_to_return(self) -> int:
        """In how many days a return can be asked for; the mall's usual where its category said none."""
        return RETURN_DAYS if self.return_days is None else self.return_days

    @property
    def tax(self) -> LineTax | None:
        """Its sales tax; None where there is none."""
        if self.tax_jurisdiction is None:
            return None
        return LineTax(
            self.tax_rate_bps,
            self.tax_jurisdiction,
            self.tax_inclusive,
            Remitter(self.tax_remitted_by),
            self.tax_minor,
            self.tax_covers_shipping,
        )


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its lines."""

    id: UUID
    number: str
    checkout_id: UUID
    status: OrderStatus
    currency: str
    goods_minor: int
    shipping_minor: int
    discount_merchant_minor: int
    discount_platform_minor: int
    added_tax_minor: int
    refunded_minor: int
    collected_by: str
    shipping_option: str
    legal_name: str
    seller_of_record: str
    sold_by: str | None
    placed_at: datetime
    captured_at: datetime | None
    last_shipped_at: datetime | None
    last_delivered_at: datetime | None
    completed_at: datetime | None
    cancelled_at: datetime | None
    hold_days: int | None
    hold_ends_at: datetime | None
    hold_stopped_at: datetime | None
    open_disputes: int
    available_at: datetime | None
    commission_minor: int | None
    review_status: str | None
    capture_seq: int | None
    events: int
    external_ref: str | None
    ship_days: int | None
    ship_by: datetime | None
    overdue_at: datetime | None
    lines: tuple[Line, ...]

    @property
    def discount_minor(self) -> int:
        """What the buyer saves, whoever pays for that."""
        return self.discount_merchant_minor + self.discount_platform_minor

    @property
    def seller(self) -> SellerOfRecord:
        """Whose sale it is, frozen when the order was placed."""
        return SellerOfRecord(self.seller_of_record)

    @property
    def seller_name(self) -> str:
        """The legal name of whoever sells to the buyer."""
        return self.sold_by or self.legal_name

    @property
    def total_minor(self) -> int:
        """What the buyer pays for this order."""
        return self.goods_minor + self.shipping_minor + self.added_tax_minor - self.discount_minor

    @property
    def state(self) -> OrderState:
        """What the rules need to know."""
        return OrderState(
            self.status,
            tuple(
                LineState(line.id, line.quantity, line.shipped, line.delivered, line.cancelled, line.refunded)
                for line in self.lines
            ),
        )


LINE_COLUMNS = [order_line.c[name] for name in Line.__slots__]
ORDER_COLUMNS = [orders.c[name] for name in Order.__slots__ if name != "lines"]

LOCK = select(*ORDER_COLUMNS).where(orders.c.id == bindparam("order")).with_for_update()
LINES = (
    select(*LINE_COLUMNS)
    .where(order_line.c.order_id == func.any(bindparam("orders", type_=ARRAY(Uuid))))
    .order_by(order_line.c.order_id, order_line.c.position)
)
LOCK_VARIANTS = (
    select(variant.c.id)
    .where(variant.c.id == func.any(bindparam("variants", type_=ARRAY(Uuid))))
    .order_by(variant.c.id)
    .with_for_update()
)
UNIQUE_VIOLATION = "23505"
SOLD_BY = select(orders.c.sold_by, orders.c.legal_name).where(orders.c.id == bindparam("order"))
TOLD = {
    OrderAct.PAY: EventKind.ORDER_PAID,
    OrderAct.SHIP: EventKind.ORDER_SHIPPED,
    OrderAct.DELIVER: EventKind.ORDER_DELIVERED,
    OrderAct.CONFIRM_RECEIPT: EventKind.ORDER_COMPLETED,
    OrderAct.COMPLETE: EventKind.ORDER_COMPLETED,
    OrderAct.CANCEL: EventKind.ORDER_CANCELLED,
    OrderAct.EXPIRE: EventKind.ORDER_CANCELLED,
    OrderAct.REFUND: EventKind.ORDER_REFUNDED,
}
PIECES = ("shipped", "delivered", "cancelled", "refunded")
_pieces_of = attrgetter(*PIECES)
PROFILE = select(
    merchant_profile.c.time_zone,
    merchant_profile.c.complete_days_after_delivery,
    merchant_profile.c.complete_days_after_shipping,
).where(merchant_profile.c.merchant_id == bindparam("merchant"))


async def load(session: MerchantSession, order_id: UUID) -> Order:
    """The order, locked until the transaction ends. Raises NotFound."""
    row = (await session.execute(LOCK, {"order": order_id})).one_or_none()
    if row is None:
        raise NotFound(what="order", path=("order_id",))
    lines = await lines_of(session, [order_id])
    return from_row(row, lines.get(order_id, ()))


async def currency_of(session: MerchantSession, order_id: UUID) -> str:
    """The order's currency. Raises NotFound."""
    found: str | None = await session.scalar(select(orders.c.currency).where(orders.c.id == order_id))
    if found is None:
        raise NotFound(what="order", path=("order_id",))
    return found


async def held(session: MerchantSession, order: UUID | Order) -> Order:
    """The order, locked until the transaction ends; one that this very transaction changed last is taken as it is.

    Raises NotFound.
    """
    return order if isinstance(order, Order) else await load(session, order)


async def lines_of(session: MerchantSession, order_ids: Sequence[UUID]) -> dict[UUID, tuple[Line, ...]]:
    """The lines of several orders, in their positions."""
    rows = await session.execute(LINES, {"orders": list(order_ids)})
    found: dict[UUID, list[Line]] = {}
    for row in rows:
        found.setdefault(row.order_id, []).append(Line(**row._asdict()))
    return {order_id: tuple(lines) for order_id, lines in found.items()}


def from_row(row: Row[Any], lines: tuple[Line, ...]) -> Order:
    """An order from a row of ``ORDER_COLUMNS``."""
    fields = row._asdict()
    return Order(**{**fields, "status": OrderStatus(fields["status"])}, lines=lines)


async def ship(
    session: MerchantSession,
    order_id: UUID,
    quantities: Mapping[UUID, int] | None,
    *,
    carrier: str,
    tracking_number: str,
    shipment_id: UUID,
    act: Act,
) -> Order:
    """One parcel leaves with these quantities (None: all that is left); its goods leave the stock.

    Raises what ``domain.order.ship`` raises.
    """
    order = await load(session, order_id)
    if quantities is None:
        quantities = _to_ship(order)
    state = rules.ship(order.state, quantities)
    parcel = {
        "id": shipment_id,
        "order_id": order_id,
        "carrier": carrier,
        "tracking_number": tracking_number,
        "line_ids": list(quantities),
        "quantities": list(quantities.values()),
        "shipped_at": act.at,
    }
    await take_from_stock(session, order, quantities)
    details = {"shipment": str(shipment_id), "carrier": carrier, "tracking_number": tracking_number}
    beside: list[Write] = [New(shipment, parcel), New(shipment_tracking, _tracked(session, parcel))]
    if state.status is OrderStatus.SHIPPED:
        beside.append(queue.done(session.merchant_id, JobKind.ORDER_OVERDUE, order_id))
    changed = await move(session, order, state, OrderAct.SHIP, act, details, *beside, last_shipped_at=act.at)
    await _schedule_completion(session, changed)
    return changed


def _tracked(session: MerchantSession, parcel: Mapping[str, Any]) -> dict[str, Any]:
    """How the parcel is found by what its carrier calls it."""
    return {
        "merchant_id": session.merchant_id,
        "shipment_id": parcel["id"],
        "order_id": parcel["order_id"],
        "carrier": carrier_key(parcel["carrier"]),
        "tracking_number": number_key(parcel["tracking_number"]),
        "shipped_at": parcel["shipped_at"],
    }


async def still_to_ship(session: MerchantSession, order_id: UUID) -> dict[UUID, int]:
    """What of an order has not left yet, by line. Raises NotFound."""
    return _to_ship(await load(session, order_id))


def _to_ship(order: Order) -> dict[UUID, int]:
    return {line.id: line.to_ship for line in order.state.lines if line.to_ship}


async def deliver(session: MerchantSession, shipment_id: UUID, act: Act) -> UUID:
    """A parcel reached the buyer. Returns the order's id. Raises NotFound."""
    parcel = (await session.execute(select(shipment).where(shipment.c.id == shipment_id))).one_or_none()
    if parcel is None:
        raise NotFound(what="shipment", path=("shipment_id",))
    order = await load(session, parcel.order_id)
    marked = await session.execute(
        update(shipment)
        .where(shipment.c.id == shipment_id, shipment.c.delivered_at.is_(None))
        .values(delivered_at=act.at)
    )
    if marked.rowcount != 1:
        return order.id
    _refuse_overdue(order, await profile_of(session), OrderAct.DELIVER, act)
    state = rules.deliver(order.state, dict(zip(parcel.line_ids, parcel.quantities, strict=True)))
    details = {"shipment": str(shipment_id)}
    changed = await move(session, order, state, OrderAct.DELIVER, act, details, last_delivered_at=act.at)
    await _schedule_completion(session, changed)
    return order.id


async def confirm_receipt(session: MerchantSession, order_id: UUID | Order, act: Act) -> Order:
    """The buyer has everything: the order is complete and its hold begins."""
    order = await held(session, order_id)
    profile = await profile_of(session)
    _refuse_overdue(order, profile, OrderAct.CONFIRM_RECEIPT, act)
    state = rules.confirm_receipt(order.state)
    return await _completed(session, order, state, profile, OrderAct.CONFIRM_RECEIPT, act)


async def complete(session: MerchantSession, order_id: UUID, act: Act) -> Order:
    """The days after delivery (or shipping) are over: the order completes by itself and its hold begins.

    Nothing happens where they are not over at the act's moment, because a parcel was delivered meanwhile.
    """
    order = await load(session, order_id)
    profile = await profile_of(session)
    state = rules.complete(order.state)
    due = _completes_at(order, profile)
    if due is None or due > act.at:
        return order
    return await _completed(session, order, state, profile, OrderAct.COMPLETE, act)


def _completes_at(order: Order, profile: Row[Any]) -> datetime | None:
    """When the order completes by itself, as far as is known now."""
    if order.status not in (OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        return None
    return rules.completion_due(
        order.last_delivered_at if order.status is OrderStatus.DELIVERED else None,
        order.last_shipped_at,
        profile.complete_days_after_delivery,
        profile.complete_days_after_shipping,
    )


def _refuse_overdue(order: Order, profile: Row[Any], did: OrderAct, act: Act) -> None:
    """An order whose time has come is complete, also while no worker has booked it yet."""
    due = _completes_at(order, profile)
    if due is not None and due <= act.at:
        raise OrderTransitionRefused(status=OrderStatus.COMPLETED, act=did)


async def _completed(
    session: MerchantSession, order: Order, state: OrderState, profile: Row[Any], did: OrderAct, act: Act
) -> Order:
    hold_ends = hold_ends_at(act.at, order.hold_days or 0, ZoneInfo(profile.time_zone))
    details = {"hold_ends_at": hold_ends.isoformat()}
    jobs: list[Write] = [queue.done(session.merchant_id, JobKind.ORDER_COMPLETE, order.id)]
    changes: dict[str, Any] = {"completed_at": act.at, "hold_ends_at": hold_ends}
    if order.open_disputes:  # its clock stands still from the beginning; the end of the last dispute asks for the job
        return await move(session, order, state, did, act, details, *jobs, **changes, hold_stopped_at=act.at)
    jobs.append(queue.asked(session.merchant_id, JobKind.HOLD_RELEASE, order.id, hold_ends))
    return await move(session, order, state, did, act, details, *jobs, **changes)


async def after_refund(session: MerchantSession, order: Order, status: OrderStatus, act: Act) -> Order:
    """What follows where a refund has left nothing to wait for: completion and its hold, or the days until it.

    ``status`` is that before the refund.
    """
    if order.status is status:
        return order
    if order.status in (OrderStatus.REFUNDED, OrderStatus.CANCELLED):
        jobs = (JobKind.ORDER_COMPLETE, JobKind.HOLD_RELEASE)
        await write(session, *(queue.done(session.merchant_id, kind, order.id) for kind in jobs))
        return order
    profile = await profile_of(session)
    if order.status is OrderStatus.COMPLETED:
        return await _completed(session, order, order.state, profile, OrderAct.COMPLETE, act)
    if (due := _completes_at(order, profile)) is not None:
        await queue.enqueue(session, session.merchant_id, JobKind.ORDER_COMPLETE, order.id, max(due, act.at))
    return order


async def expire(session: MerchantSession, order_id: UUID, act: Act, *, by: OrderAct = OrderAct.EXPIRE) -> Order:
    """Nobody paid: the order is cancelled and its stock can be sold again. ``by`` is EXPIRE or CANCEL."""
    order = await load(session, order_id)
    state = rules.expire(order.state) if by is OrderAct.EXPIRE else rules.cancel(order.state)
    await free_stock(session, order, {line.id: line.quantity for line in order.lines})
    return await move(session, order, state, by, act, {}, cancelled_at=act.at)


async def annotate(session: MerchantSession, order_id: UUID, external_ref: str | None, act: Act) -> None:
    """Say what the merchant's own system calls the order; None takes it away. Raises NotFound, ReferenceTaken."""
    order = await load(session, order_id)
    try:
        async with session.savepoint():
            await write(session, Changed(orders, {"id": order_id}, {"external_ref": external_ref}))
    except DBAPIError as error:
        if sqlstate(error) != UNIQUE_VIOLATION:
            raise
        raise ReferenceTaken(external_ref=external_ref or "", path=("external_ref",)) from error
    before, after = {"external_ref": order.external_ref}, {"external_ref": external_ref}
    await audit.record(session, session.merchant_id, act, "order.annotate", str(order_id), before, after)


async def collect_at_the_door(session: MerchantSession, order_id: UUID) -> None:
    """The merchant takes the buyer's money for an order that is not captured yet. Raises CashNotAccepted where the
    platform sells: its money is paid to it."""
    found = (await session.execute(SOLD_BY, {"order": order_id})).one()
    if found.sold_by is not None:
        raise CashNotAccepted(merchants=(found.legal_name,), path=("input", "tenders", 0, "method"))
    await write(session, Changed(orders, {"id": order_id}, {"collected_by": Collector.MERCHANT}))


async def profile_of(session: MerchantSession) -> Row[Any]:
    """The merchant's time zone, and the days after which its orders complete by themselves."""
    return (await session.execute(PROFILE, {"merchant": session.merchant_id})).one()


async def take_from_stock(session: MerchantSession, order: Order, quantities: Mapping[UUID, int]) -> None:
    """Reserved pieces leave the house."""
    pieces = _pieces(order, quantities)
    await _change_stock(session, pieces, on_hand=-1, reserved=-1)


async def free_stock(session: MerchantSession, order: Order, quantities: Mapping[UUID, int]) -> None:
    """Reserved pieces can be sold again."""
    await _change_stock(session, _pieces(order, quantities), on_hand=0, reserved=-1)


async def restock(session: MerchantSession, order: Order, quantities: Mapping[UUID, int]) -> None:
    """Pieces that came back are in the house again."""
    await _change_stock(session, _pieces(order, quantities), on_hand=1, reserved=0)


def _pieces(order: Order, quantities: Mapping[UUID, int]) -> dict[UUID, int]:
    pieces: dict[UUID, int] = {}
    for line in order.lines:
        if quantity := quantities.get(line.id, 0):
            pieces[line.variant_id] = pieces.get(line.variant_id, 0) + quantity
    return pieces


async def _change_stock(session: MerchantSession, pieces: Mapping[UUID, int], *, on_hand: int, reserved: int) -> None:
    """Variants are locked in the order of their ids, as a checkout locks them."""
    if not pieces:
        return
    await session.execute(LOCK_VARIANTS, {"variants": list(pieces)})
    more = on_hand - reserved
    await write(
        session,
        *(
            Raised(variant, {"id": variant_id}, {"on_hand": on_hand * quantity, "reserved": reserved * quantity})
            for variant_id, quantity in pieces.items()
        ),
        *listing_stock.moves(session, [(variant_id, more * quantity) for variant_id, quantity in pieces.items()]),
    )


async def _schedule_completion(session: MerchantSession, order: Order) -> None:
    """Everything shipped, or delivered: from then on the order completes by itself."""
    if order.status not in (OrderStatus.SHIPPED, OrderStatus.DELIVERED):
        return
    due = _completes_at(order, await profile_of(session))
    if due is not None:
        await queue.enqueue(session, session.merchant_id, JobKind.ORDER_COMPLETE, order.id, due)


async def move(
    session: MerchantSession,
    order: Order,
    state: OrderState,
    did: OrderAct,
    act: Act,
    details: Mapping[str, Any],
    *beside: Write,
    **changes: Any,
) -> Order:
    """Write what became of an order: its row and lines, its story, buyer's index, audit trail, event, and ``beside``.

    All of it is sent with what comes next. Pieces that are cancelled or refunded are written with what was refunded of
    them (``services.reversal``).
    """
    seq = order.events + 1
    before, after = {"status": order.status}, {"status": state.status, **details}
    indexed = Changed(buyer_order, {"merchant_id": session.merchant_id, "order_id": order.id}, {"status": state.status})
    later(
        session,
        Changed(orders, {"id": order.id}, {"status": state.status, "events": seq, **changes}),
        event(order.id, seq, did, act, details),
        audit.event(session, session.merchant_id, act, f"order.{did}", str(order.id), before, after),
        *_told(session, order, state, did, details, act),
        *([indexed] if state.status is not order.status else []),
        *_advanced(order, state),
        *beside,
    )
    moved = {line.id: line for line in state.lines}
    lines = tuple([_with_pieces(line, moved[line.id]) for line in order.lines])
    return replace(order, status=state.status, events=seq, lines=lines, **changes)


def _with_pieces(line: Line, state: LineState) -> Line:
    if _pieces_of(line) == _pieces_of(state):
        return line
    return replace(line, **{name: getattr(state, name) for name in PIECES})


def _told(
    session: MerchantSession,
    order: Order,
    state: OrderState,
    did: OrderAct,
    details: Mapping[str, Any],
    act: Act,
) -> list[New]:
    kind = TOLD[did]
    more = {fact.name: details[fact.name] for fact in kind.declared.facts if fact.name in details}
    facts = {"order": order.id, "number": order.number, "status": state.status, **more}
    return outbox.published(session, kind, facts, act)


def _advanced(order: Order, state: OrderState) -> list[Changed]:
    """The lines of which more has shipped or arrived."""
    before = {line.id: (line.shipped, line.delivered) for line in order.lines}
    return [
        Changed(order_line, {"id": line.id}, {"shipped": line.shipped, "delivered": line.delivered})
        for line in state.lines
        if (line.shipped, line.delivered) != before[line.id]
    ]


def event(order_id: UUID, seq: int, kind: str, act: Act, details: Mapping[str, Any]) -> New:
    """One more thing that happened to the order."""
    row = {
        "order_id": order_id,
        "seq": seq,
        "kind": kind,
        "actor": act.actor_seen_by_merchant,
        "occurred_at": act.at,
        "booked_at": act.booked_at,
        "details": dict(details),
    }
    return New(order_event, row)
