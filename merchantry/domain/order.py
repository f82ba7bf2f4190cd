"""The life of an order: what may happen to it when, and what becomes of it. Pure: state in, state out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from merchantry.domain.errors import InvalidInput, InvalidQuantity, NotFound, OrderTransitionRefused, QuantityRefused


class OrderStatus(StrEnum):
    """Where an order stands."""

    AWAITING_PAYMENT = "awaiting_payment"
    TO_SHIP = "to_ship"
    PARTIALLY_SHIPPED = "partially_shipped"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


class OrderAct(StrEnum):
    """What somebody, or the clock, does to an order."""

    PAY = "pay"
    SHIP = "ship"
    DELIVER = "deliver"
    CONFIRM_RECEIPT = "confirm_receipt"
    COMPLETE = "complete"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REFUND = "refund"


_S, _A = OrderStatus, OrderAct

TRANSITIONS: Final[Mapping[tuple[OrderStatus, OrderAct], frozenset[OrderStatus]]] = MappingProxyType(
    {
        (_S.AWAITING_PAYMENT, _A.PAY): frozenset({_S.TO_SHIP}),
        (_S.AWAITING_PAYMENT, _A.CANCEL): frozenset({_S.CANCELLED}),
        (_S.AWAITING_PAYMENT, _A.EXPIRE): frozenset({_S.CANCELLED}),
        (_S.TO_SHIP, _A.SHIP): frozenset({_S.PARTIALLY_SHIPPED, _S.SHIPPED}),
        (_S.TO_SHIP, _A.CANCEL): frozenset({_S.CANCELLED}),
        (_S.TO_SHIP, _A.REFUND): frozenset({_S.TO_SHIP, _S.COMPLETED, _S.REFUNDED}),
        (_S.PARTIALLY_SHIPPED, _A.SHIP): frozenset({_S.PARTIALLY_SHIPPED, _S.SHIPPED}),
        (_S.PARTIALLY_SHIPPED, _A.DELIVER): frozenset({_S.PARTIALLY_SHIPPED}),
        (_S.PARTIALLY_SHIPPED, _A.REFUND): frozenset(
            {_S.PARTIALLY_SHIPPED, _S.SHIPPED, _S.DELIVERED, _S.COMPLETED, _S.REFUNDED}
        ),
        (_S.SHIPPED, _A.DELIVER): frozenset({_S.SHIPPED, _S.DELIVERED}),
        (_S.SHIPPED, _A.CONFIRM_RECEIPT): frozenset({_S.COMPLETED}),
        (_S.SHIPPED, _A.COMPLETE): frozenset({_S.COMPLETED}),
        (_S.SHIPPED, _A.REFUND): frozenset({_S.SHIPPED, _S.DELIVERED, _S.COMPLETED, _S.REFUNDED}),
        (_S.DELIVERED, _A.CONFIRM_RECEIPT): frozenset({_S.COMPLETED}),
        (_S.DELIVERED, _A.COMPLETE): frozenset({_S.COMPLETED}),
        (_S.DELIVERED, _A.REFUND): frozenset({_S.DELIVERED, _S.COMPLETED, _S.REFUNDED}),
        (_S.COMPLETED, _A.REFUND): frozenset({_S.COMPLETED, _S.REFUNDED}),
    }
)
"""What may happen in each status, and every status it can lead to. What is not here is refused.

Several outcomes mean that quantities decide. A cancelled order stays cancelled whether it was paid or not: the money
goes back by a refund booked beside it. A REFUND of everything ends an order; one of some pieces may leave nothing to
wait for. Nothing follows CANCELLED or REFUNDED.
"""


@dataclass(frozen=True, slots=True)
class LineState:
    """How many pieces of a line were ordered, shipped so far, delivered so far, and refunded so far.

    Pieces that were refunded before they shipped are `cancelled`; they are among the refunded ones and never ship.
    """

    id: UUID
    quantity: int
    shipped: int = 0
    delivered: int = 0
    cancelled: int = 0
    refunded: int = 0

    def __post_init__(self) -> None:
        moved = 0 <= self.delivered <= self.shipped and 0 <= self.cancelled <= self.refunded <= self.quantity
        if not moved or self.shipped + self.cancelled > self.quantity or self.quantity < 1:
            raise ValueError(
                f"A line can't have {self.delivered} delivered, {self.shipped} shipped, {self.cancelled} cancelled and"
                f" {self.refunded} refunded of {self.quantity}"
            )

    @property
    def to_ship(self) -> int:
        """Pieces that wait to be shipped."""
        return self.quantity - self.shipped - self.cancelled

    @property
    def with_buyer(self) -> int:
        """Pieces that were shipped and not refunded."""
        return self.shipped - (self.refunded - self.cancelled)

    @property
    def is_settled(self) -> bool:
        """Whether nobody waits for a piece: each is delivered or cancelled, or all are refunded."""
        return self.refunded == self.quantity or (not self.to_ship and self.delivered == self.shipped)


@dataclass(frozen=True, slots=True)
class OrderState:
    """What the rules need to know of an order."""

    status: OrderStatus
    lines: tuple[LineState, ...]

    def __post_init__(self) -> None:
        if not self.lines or len({line.id for line in self.lines}) < len(self.lines):
            raise ValueError("An order has at least one line, and each line once")


def pay(state: OrderState) -> OrderState:
    """The money is captured; the merchant can ship."""
    return _moved(state, OrderAct.PAY, OrderStatus.TO_SHIP)


def ship(state: OrderState, quantities: Mapping[UUID, int]) -> OrderState:
    """One parcel leaves with these quantities of these lines.

    Raises OrderTransitionRefused, NotFound for a line that is not the order's, InvalidQuantity, QuantityRefused for
    more than is still to ship, InvalidInput for an empty parcel.
    """
    _refuse_unless_allowed(state, OrderAct.SHIP)
    lines = _advanced(state, quantities, _open_to_ship, _with_shipped)
    whole = not any(line.to_ship for line in lines)
    return _moved(state, OrderAct.SHIP, OrderStatus.SHIPPED if whole else OrderStatus.PARTIALLY_SHIPPED, lines)


def deliver(state: OrderState, quantities: Mapping[UUID, int]) -> OrderState:
    """These quantities reached the buyer. Raises as `ship` does; only what was shipped can be delivered."""
    _refuse_unless_allowed(state, OrderAct.DELIVER)
    lines = _advanced(state, quantities, _open_to_deliver, _with_delivered)
    whole = all(line.is_settled for line in lines)
    return _moved(state, OrderAct.DELIVER, OrderStatus.DELIVERED if whole else state.status, lines)


def confirm_receipt(state: OrderState) -> OrderState:
    """The buyer says that everything has come, whatever the carriers said; the order is complete."""
    lines = tuple(replace(line, delivered=line.shipped) for line in state.lines)
    return _moved(state, OrderAct.CONFIRM_RECEIPT, OrderStatus.COMPLETED, lines)


def complete(state: OrderState) -> OrderState:
    """The time after delivery has passed, or that after shipping where carriers tell nothing (`completion_due`)."""
    return _moved(state, OrderAct.COMPLETE, OrderStatus.COMPLETED)


def cancel(state: OrderState) -> OrderState:
    """Buyer or merchant calls it off before anything has shipped. What was paid is refunded beside it."""
    return _moved(state, OrderAct.CANCEL, OrderStatus.CANCELLED)


def expire(state: OrderState) -> OrderState:
    """Nobody paid in time."""
    return _moved(state, OrderAct.EXPIRE, OrderStatus.CANCELLED)


def refund(state: OrderState, pieces: Mapping[UUID, "RefundedPieces"], *, is_whole: bool) -> OrderState:
    """Pieces are refunded, some of them before they shipped; `is_whole` says that no money and no piece is left.

    What is left decides: where nobody waits for a piece any more the order is delivered, and complete where all its
    pieces were refunded and something else was kept, such as the shipping.
    """
    _refuse_unless_allowed(state, OrderAct.REFUND)
    lines = tuple(_with_refunded(line, pieces.get(line.id, RefundedPieces())) for line in state.lines)
    return _moved(
        state, OrderAct.REFUND, OrderStatus.REFUNDED if is_whole else _after_refund(state.status, lines), lines
    )


@dataclass(frozen=True, slots=True)
class RefundedPieces:
    """How many pieces of a line a refund is for, and how many of them are cancelled because they have not shipped."""

    quantity: int = 0
    cancelled: int = 0


def _with_refunded(line: LineState, pieces: RefundedPieces) -> LineState:
    return replace(line, refunded=line.refunded + pieces.quantity, cancelled=line.cancelled + pieces.cancelled)


def _after_refund(status: OrderStatus, lines: tuple[LineState, ...]) -> OrderStatus:
    if status is OrderStatus.COMPLETED or any(line.to_ship for line in lines):
        return status
    if all(line.refunded == line.quantity for line in lines):
        return OrderStatus.COMPLETED
    return OrderStatus.DELIVERED if all(line.is_settled for line in lines) else OrderStatus.SHIPPED


def completion_due(
    last_delivered_at: datetime | None,
    last_shipped_at: datetime | None,
    days_after_delivery: int,
    days_after_shipping: int,
) -> datetime | None:
    """When an order completes by itself, or None while nothing says so.

    Give `last_delivered_at` once everything is delivered, `last_shipped_at` once everything is shipped; delivery
    decides where both are known. Days are spans of 24 hours, because carriers' moments belong to no merchant's zone.
    """
    for moment, days in ((last_delivered_at, days_after_delivery), (last_shipped_at, days_after_shipping)):
        if moment is not None:
            return moment + timedelta(days=days)
    return None


def _refuse_unless_allowed(state: OrderState, act: OrderAct) -> frozenset[OrderStatus]:
    outcomes = TRANSITIONS.get((state.status, act))
    if outcomes is None:
        raise OrderTransitionRefused(status=state.status, act=act)
    return outcomes


def _moved(
    state: OrderState, act: OrderAct, status: OrderStatus, lines: tuple[LineState, ...] | None = None
) -> OrderState:
    if status not in _refuse_unless_allowed(state, act):
        raise OrderTransitionRefused(status=state.status, act=act)
    return OrderState(status, state.lines if lines is None else lines)


def _advanced(
    state: OrderState,
    quantities: Mapping[UUID, int],
    open_of: Callable[[LineState], int],
    with_more: Callable[[LineState, int], LineState],
) -> tuple[LineState, ...]:
    if not quantities:
        reason = "No quantities are given; name at least one line and how many of it."
        raise InvalidInput(reason=reason, path=("lines",))
    lines = {line.id: line for line in state.lines}
    for line_id, quantity in quantities.items():
        if line_id not in lines:
            raise NotFound(what="order line")
        if quantity < 1:
            raise InvalidQuantity(quantity=quantity)
        if quantity > open_of(lines[line_id]):
            raise QuantityRefused(line_id=line_id, asked=quantity, open=open_of(lines[line_id]))
    return tuple(with_more(line, quantities.get(line.id, 0)) for line in state.lines)


def _open_to_ship(line: LineState) -> int:
    return line.to_ship


def _open_to_deliver(line: LineState) -> int:
    return line.shipped - line.delivered


def _with_shipped(line: LineState, quantity: int) -> LineState:
    return replace(line, shipped=line.shipped + quantity)


def _with_delivered(line: LineState, quantity: int) -> LineState:
    return replace(line, delivered=line.delivered + quantity)
