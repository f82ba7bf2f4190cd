from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain import order
from merchantry.domain.errors import (
    InvalidInput,
    InvalidQuantity,
    MarketError,
    NotFound,
    OrderTransitionRefused,
    QuantityRefused,
)
from merchantry.domain.order import (
    TRANSITIONS,
    LineState,
    OrderAct,
    OrderState,
    OrderStatus,
    RefundedPieces,
    completion_due,
)

LINE, OTHER, FOREIGN = UUID(int=1), UUID(int=2), UUID(int=3)
WITHOUT_QUANTITIES: dict[OrderAct, Callable[[OrderState], OrderState]] = {
    OrderAct.PAY: order.pay,
    OrderAct.CONFIRM_RECEIPT: order.confirm_receipt,
    OrderAct.COMPLETE: order.complete,
    OrderAct.CANCEL: order.cancel,
    OrderAct.EXPIRE: order.expire,
    OrderAct.REFUND: lambda state: order.refund(state, {}, is_whole=True),
}
WITH_QUANTITIES = {OrderAct.SHIP: order.ship, OrderAct.DELIVER: order.deliver}


def an_order(status: OrderStatus = OrderStatus.AWAITING_PAYMENT) -> OrderState:
    """Two pieces of one line, three of another, in quantities that suit the status."""
    shipped, delivered = {
        OrderStatus.PARTIALLY_SHIPPED: (1, 0),
        OrderStatus.SHIPPED: (2, 0),
        OrderStatus.DELIVERED: (2, 2),
        OrderStatus.COMPLETED: (2, 2),
    }.get(status, (0, 0))
    more = int(shipped == 2)
    return OrderState(
        status,
        (LineState(LINE, 2, shipped, delivered), LineState(OTHER, 3, shipped + more, delivered + int(delivered == 2))),
    )


def do(state: OrderState, act: OrderAct, quantities: dict[UUID, int]) -> OrderState:
    return WITH_QUANTITIES[act](state, quantities) if act in WITH_QUANTITIES else WITHOUT_QUANTITIES[act](state)


def test_an_order_ships_in_parcels_is_delivered_in_parcels_and_completes() -> None:
    paid = order.pay(an_order())
    assert paid.status is OrderStatus.TO_SHIP
    first = order.ship(paid, {LINE: 2, OTHER: 1})
    assert (first.status, first.lines) == (
        OrderStatus.PARTIALLY_SHIPPED,
        (LineState(LINE, 2, 2, 0), LineState(OTHER, 3, 1, 0)),
    )
    early = order.deliver(first, {LINE: 2})
    assert early.status is OrderStatus.PARTIALLY_SHIPPED
    second = order.ship(early, {OTHER: 2})
    assert second.status is OrderStatus.SHIPPED
    partly = order.deliver(second, {OTHER: 1})
    assert partly.status is OrderStatus.SHIPPED
    delivered = order.deliver(partly, {OTHER: 2})
    assert delivered.status is OrderStatus.DELIVERED
    assert order.complete(delivered).status is OrderStatus.COMPLETED


def test_a_buyer_who_confirms_has_received_everything() -> None:
    confirmed = order.confirm_receipt(an_order(OrderStatus.SHIPPED))
    assert confirmed.status is OrderStatus.COMPLETED
    assert [line.delivered for line in confirmed.lines] == [2, 3]


def test_completion_by_rule_claims_no_delivery() -> None:
    completed = order.complete(an_order(OrderStatus.SHIPPED))
    assert completed.status is OrderStatus.COMPLETED
    assert [line.delivered for line in completed.lines] == [0, 0]


@pytest.mark.parametrize("status", [OrderStatus.AWAITING_PAYMENT, OrderStatus.TO_SHIP])
def test_an_order_is_cancelled_before_shipping_whether_paid_or_not(status: OrderStatus) -> None:
    assert order.cancel(an_order(status)).status is OrderStatus.CANCELLED


def test_an_unpaid_order_expires() -> None:
    assert order.expire(an_order()).status is OrderStatus.CANCELLED


@pytest.mark.parametrize("status", list(OrderStatus))
@pytest.mark.parametrize("act", list(OrderAct))
def test_what_the_table_lacks_is_refused_and_what_it_has_is_done(status: OrderStatus, act: OrderAct) -> None:
    quantities = {OTHER: 1}
    if (status, act) in TRANSITIONS:
        assert do(an_order(status), act, quantities).status in TRANSITIONS[status, act]
        return
    with pytest.raises(OrderTransitionRefused) as refused:
        do(an_order(status), act, quantities)
    assert (refused.value.status, refused.value.act) == (status, act)


def test_nothing_follows_cancelled_or_refunded() -> None:
    assert {status for status, _ in TRANSITIONS} == set(OrderStatus) - {OrderStatus.CANCELLED, OrderStatus.REFUNDED}


def test_no_more_is_shipped_than_is_open() -> None:
    with pytest.raises(QuantityRefused) as refused:
        order.ship(an_order(OrderStatus.PARTIALLY_SHIPPED), {LINE: 2})
    assert (refused.value.line_id, refused.value.asked, refused.value.open) == (LINE, 2, 1)


def test_no_more_is_delivered_than_was_shipped() -> None:
    with pytest.raises(QuantityRefused) as refused:
        order.deliver(an_order(OrderStatus.PARTIALLY_SHIPPED), {OTHER: 2})
    assert (refused.value.asked, refused.value.open) == (2, 1)


@pytest.mark.parametrize(
    ("quantities", "refusal"),
    [
        ({}, InvalidInput),
        ({FOREIGN: 1}, NotFound),
        ({LINE: 0}, InvalidQuantity),
        ({LINE: 1, OTHER: -1}, InvalidQuantity),
    ],
)
def test_a_parcel_holds_at_least_one_piece_of_the_orders_lines(
    quantities: dict[UUID, int], refusal: type[MarketError]
) -> None:
    with pytest.raises(refusal):
        order.ship(an_order(OrderStatus.TO_SHIP), quantities)


@pytest.mark.parametrize(
    "figures",
    [(0, 0, 0), (2, 3, 0), (2, 1, 2), (2, 0, -1), (2, 1, 0, 2, 2), (2, 0, 0, 1, 0), (2, 0, 0, 0, 3), (2, 0, 0, -1, 0)],
)
def test_impossible_quantities_cannot_be_made(figures: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="A line can't have"):
        LineState(LINE, *figures)


def test_an_order_has_lines_each_once() -> None:
    for lines in ((), (LineState(LINE, 1), LineState(LINE, 2))):
        with pytest.raises(ValueError, match="each line once"):
            OrderState(OrderStatus.TO_SHIP, lines)


def test_cancelling_the_rest_of_a_partly_shipped_order_leaves_it_shipped_or_delivered() -> None:
    state = an_order(OrderStatus.PARTIALLY_SHIPPED)
    rest = {LINE: RefundedPieces(1, 1), OTHER: RefundedPieces(2, 2)}
    shipped = order.refund(state, rest, is_whole=False)
    assert shipped.status is OrderStatus.SHIPPED
    assert [line.to_ship for line in shipped.lines] == [0, 0]
    delivered = order.deliver(state, {LINE: 1, OTHER: 1})
    assert order.refund(delivered, rest, is_whole=False).status is OrderStatus.DELIVERED
    assert order.deliver(shipped, {LINE: 1, OTHER: 1}).status is OrderStatus.DELIVERED


def test_an_order_of_which_every_piece_is_refunded_and_something_kept_is_complete() -> None:
    pieces = {LINE: RefundedPieces(2, 2), OTHER: RefundedPieces(3, 3)}
    for status in (OrderStatus.TO_SHIP, OrderStatus.DELIVERED):
        state = an_order(status)
        given = {line.id: RefundedPieces(line.quantity, line.to_ship) for line in state.lines}
        assert order.refund(state, given, is_whole=False).status is OrderStatus.COMPLETED
        assert order.refund(state, given, is_whole=True).status is OrderStatus.REFUNDED
    kept = order.refund(an_order(OrderStatus.TO_SHIP), {LINE: pieces[LINE]}, is_whole=False)
    assert kept.status is OrderStatus.TO_SHIP
    assert order.ship(kept, {OTHER: 3}).status is OrderStatus.SHIPPED
    with pytest.raises(QuantityRefused):
        order.ship(kept, {LINE: 1})


def test_a_piece_that_was_refunded_does_not_stand_for_one_that_is_on_its_way() -> None:
    state = OrderState(OrderStatus.SHIPPED, (LineState(LINE, 2, shipped=2, delivered=1),))
    returned = order.refund(state, {LINE: RefundedPieces(1)}, is_whole=False)
    assert returned.status is OrderStatus.SHIPPED
    assert order.refund(returned, {LINE: RefundedPieces(1)}, is_whole=False).status is OrderStatus.COMPLETED


quantities = st.dictionaries(st.sampled_from((LINE, OTHER, FOREIGN)), st.integers(-1, 4), max_size=3)
orders = st.builds(
    lambda first, second: OrderState(OrderStatus.AWAITING_PAYMENT, (LineState(LINE, first), LineState(OTHER, second))),
    st.integers(1, 4),
    st.integers(1, 4),
)
# Shipping and delivering come up more often than the acts that end an order, so that long lives are tried too.
acts = st.sampled_from((*OrderAct, *[OrderAct.SHIP, OrderAct.DELIVER] * 4))


@given(orders, st.lists(st.tuples(acts, quantities), max_size=30))
def test_no_sequence_of_acts_leaves_the_table_or_its_quantities(
    state: OrderState, steps: list[tuple[OrderAct, dict[UUID, int]]]
) -> None:
    for act, asked in [(OrderAct.PAY, {}), *steps]:
        before = state
        try:
            state = do(before, act, asked)
        except MarketError:
            continue
        assert state.status in TRANSITIONS[before.status, act]
        for old, new in zip(before.lines, state.lines, strict=True):
            assert (old.id, old.quantity) == (new.id, new.quantity)
            assert old.shipped <= new.shipped <= new.quantity
            assert old.delivered <= new.delivered <= new.shipped
        assert_status_fits_quantities(state)


def assert_status_fits_quantities(state: OrderState) -> None:
    all_shipped = all(line.shipped == line.quantity for line in state.lines)
    all_delivered = all(line.delivered == line.quantity for line in state.lines)
    match state.status:
        case OrderStatus.AWAITING_PAYMENT | OrderStatus.TO_SHIP | OrderStatus.CANCELLED:
            assert not any(line.shipped for line in state.lines)
        case OrderStatus.PARTIALLY_SHIPPED:
            assert any(line.shipped for line in state.lines)
            assert not all_shipped
        case OrderStatus.SHIPPED:
            assert all_shipped
            assert not all_delivered
        case OrderStatus.DELIVERED:
            assert all_delivered
        case OrderStatus.COMPLETED:
            assert all_shipped


def test_an_order_completes_days_after_delivery_or_else_after_shipping() -> None:
    delivered, shipped = datetime(2026, 3, 5, 12, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert completion_due(delivered, shipped, 7, 30) == delivered + timedelta(days=7)
    assert completion_due(delivered, None, 7, 30) == delivered + timedelta(days=7)
    assert completion_due(None, shipped, 7, 30) == shipped + timedelta(days=30)
    assert completion_due(None, None, 7, 30) is None
