from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain import entries, refund_entries
from merchantry.domain.errors import InvalidInput, NotFound, QuantityRefused, RefundTooLarge
from merchantry.domain.ledger import Account, Entry, EntryKind
from merchantry.domain.line_commission import LineCommission
from merchantry.domain.line_split import LineSplit
from merchantry.domain.order import LineState, RefundedPieces
from merchantry.domain.refund import (
    Asked,
    RefundLine,
    RefundPart,
    divide,
    everything,
    is_whole,
    refundable,
    total_of,
)
from merchantry.domain.refund_entries import Sale, Stage
from merchantry.domain.reversal import Refunded
from merchantry.domain.split import OrderSplit
from tests.domain.strategies import splits

NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
LINE, OTHER = UUID(int=1), UUID(int=2)
SALE = Sale(UUID(int=9), "BRL", 4, Stage.PENDING)


def a_split(line_id: UUID, goods_minor: int, shipping_minor: int, commission_minor: int) -> LineSplit:
    rated = LineCommission("default", goods_minor, 1200, commission_minor, 0, "none", commission_minor)
    gross_minor = goods_minor + shipping_minor
    return LineSplit(
        id=line_id,
        goods_minor=goods_minor,
        shipping_minor=shipping_minor,
        gross_minor=gross_minor,
        commission=rated,
        commission_minor=commission_minor,
        merchant_minor=gross_minor - commission_minor,
    )


def a_line(
    quantity: int = 3,
    shipped: int = 0,
    *,
    goods_minor: int = 10_000,
    shipping_minor: int = 500,
    line_id: UUID = LINE,
) -> RefundLine:
    split = a_split(line_id, goods_minor, shipping_minor, goods_minor * 12 // 100)
    return RefundLine(split, LineState(line_id, quantity, shipped))


def after(line: RefundLine, parts: tuple[RefundPart, ...]) -> RefundLine:
    """The line as it is once it was refunded so."""
    for part in parts:
        if part.line.id == line.id:
            old = line.state
            state = LineState(
                line.id,
                old.quantity,
                old.shipped,
                old.delivered,
                old.cancelled + part.pieces.cancelled,
                old.refunded + part.pieces.quantity,
            )
            return RefundLine(line.split, state, line.before + part.refunded)
    return line


def postings(entry: Entry) -> dict[str, int]:
    return {str(each.account): each.amount_minor for each in entry.postings}


def test_the_pieces_of_a_line_sum_to_the_line() -> None:
    line, amounts = a_line(), []
    for _ in range(3):
        parts = divide("BRL", [line], Asked({LINE: 1}))
        amounts.append(parts[0].refunded.goods_minor)
        line = after(line, parts)
    assert amounts == [3_333, 3_334, 3_333]
    assert line.left == Refunded(0, 500)


def test_goodwill_lowers_what_the_last_pieces_give_and_never_more_than_is_left_goes_back() -> None:
    line = a_line()
    line = after(line, divide("BRL", [line], Asked(goodwill_minor=5_000)))
    assert line.before == Refunded(4_762, 238)  # by what is left of goods and of shipping
    parts = divide("BRL", [line], Asked({LINE: 3}, shipping_minor=262))
    assert parts[0].refunded == Refunded(5_238, 262)
    with pytest.raises(RefundTooLarge) as refused:
        divide("BRL", [after(line, parts)], Asked(goodwill_minor=1))
    assert (refused.value.refundable_minor, refused.value.currency) == (0, "BRL")


def test_pieces_that_have_not_shipped_are_cancelled_first_unless_they_came_back() -> None:
    line = a_line(3, shipped=1)
    (part,) = divide("BRL", [line], Asked({LINE: 3}))
    assert part.pieces == RefundedPieces(3, 2)
    (back,) = divide("BRL", [line], Asked({LINE: 1}, are_back=True))
    assert back.pieces == RefundedPieces(1, 0)
    with pytest.raises(QuantityRefused) as refused:
        divide("BRL", [line], Asked({LINE: 2}, are_back=True))
    assert (refused.value.asked, refused.value.open) == (2, 1)


def test_shipping_goes_back_by_what_is_left_of_each_line() -> None:
    lines = [a_line(shipping_minor=500), a_line(shipping_minor=1_000, line_id=OTHER)]
    parts = divide("BRL", lines, Asked(shipping_minor=900))
    assert [part.refunded.shipping_minor for part in parts] == [300, 600]
    with pytest.raises(RefundTooLarge) as refused:
        divide("BRL", lines, Asked(shipping_minor=1_501))
    assert refused.value.refundable_minor == 1_500


@pytest.mark.parametrize("asked", [Asked({}), Asked(shipping_minor=-1), Asked(goodwill_minor=-1)], ids=str)
def test_a_refund_of_nothing_is_none(asked: Asked) -> None:
    with pytest.raises(InvalidInput):
        divide("BRL", [a_line()], asked)


def test_another_orders_line_is_not_refunded() -> None:
    with pytest.raises(NotFound):
        divide("BRL", [a_line()], Asked({OTHER: 1}))


def test_everything_is_whole_and_less_is_not() -> None:
    lines = [a_line(), a_line(2, 2, line_id=OTHER)]
    parts = divide("BRL", lines, everything(lines))
    assert sum(part.refunded.total_minor for part in parts) == refundable(lines) == 21_000
    assert is_whole(lines, parts)
    assert not is_whole(lines, divide("BRL", lines, Asked({LINE: 3, OTHER: 2}, shipping_minor=999)))
    assert not is_whole(lines, divide("BRL", lines, Asked(goodwill_minor=21_000)))  # three pieces wait to be shipped


def test_a_refund_takes_from_what_is_pending_or_available_and_from_what_a_collector_owes() -> None:
    reversal = total_of(divide("BRL", [a_line()], everything([a_line()])))
    booked = refund_entries.refund(SALE, reversal, occurred_at=NOW, details={})
    assert (booked.kind, booked.reverses, booked.order_id) == (EntryKind.REFUND, 4, SALE.order_id)
    assert postings(booked) == {"merchant_pending": -9_300, "platform_commission": -1_200, "refunds": 10_500}
    assert booked.available_at is None
    released = Sale(SALE.order_id, "BRL", 4, Stage.AVAILABLE)
    late = refund_entries.refund(released, reversal, occurred_at=NOW, details={})
    assert postings(late)["merchant_available"] == -9_300
    assert late.available_at == NOW
    collected = Sale(SALE.order_id, "BRL", 4, Stage.PENDING, entries.Collector.MERCHANT)
    by_merchant = refund_entries.refund(collected, reversal, occurred_at=NOW, details={})
    assert postings(by_merchant) == {"merchant_receivable": 1_200, "platform_commission": -1_200}


def test_a_chargeback_above_the_sale_is_borne_by_whom_the_contract_names() -> None:
    line = a_line()
    parts = divide("BRL", [line], everything([line]))
    lost = refund_entries.chargeback(
        SALE,
        total_of(parts),
        excess_minor=300,
        excess_from=Account.PLATFORM_EXPENSE,
        occurred_at=NOW,
        details={"excess_borne_by": "platform"},
    )
    assert postings(lost) == {
        "merchant_pending": -9_300,
        "platform_commission": -1_200,
        "platform_expense": -300,
        "buyer_funds": 10_800,
    }
    won = refund_entries.chargeback_reversed(lost, 7, SALE, total_of(parts), occurred_at=NOW, details={})
    assert postings(won) == {account: -amount for account, amount in postings(lost).items()}
    assert won.reverses == 7
    with pytest.raises(ValueError, match="Only a chargeback"):
        refund_entries.chargeback_reversed(won, 8, SALE, total_of(parts), occurred_at=NOW, details={})


steps = st.lists(
    st.tuples(
        st.dictionaries(st.integers(0, 4), st.integers(1, 3), max_size=3), st.integers(0, 10**6), st.integers(0, 10**6)
    ),
    max_size=6,
)


@given(splits(), st.lists(st.integers(1, 5), min_size=5, max_size=5), steps, st.booleans())
def test_refunds_in_any_order_keep_paid_and_subsidy_equal_to_the_parties_and_close_to_what_the_policy_retains(
    split: OrderSplit, pieces: list[int], steps: list[tuple[dict[int, int], int, int]], shipped: bool
) -> None:
    lines = [
        RefundLine(line, LineState(line.id, pieces[at % 5], pieces[at % 5] if shipped else 0))
        for at, line in enumerate(split.lines)
    ]
    sale = Sale(SALE.order_id, split.currency, 1, Stage.PENDING)
    captured = entries.capture(sale.order_id, split, occurred_at=NOW, details={})
    books = sum_of(captured)
    whole = total_of(divide(split.currency, lines, everything(lines)))
    for quantities, shipping, goodwill in steps:
        asked = Asked({lines[at].id: n for at, n in quantities.items() if at < len(lines)}, shipping, goodwill)
        try:
            parts = divide(split.currency, lines, asked)
        except (InvalidInput, QuantityRefused, RefundTooLarge):
            continue
        entry = refund_entries.refund(sale, total_of(parts), occurred_at=NOW, details={})
        books = added(books, sum_of(entry))
        lines = [after(line, parts) for line in lines]
        assert not sum(books.values())
        assert min(line.left.total_minor for line in lines) >= 0
    try:
        parts = divide(split.currency, lines, everything(lines))
    except InvalidInput:
        parts = ()
    else:
        entry = refund_entries.refund(sale, total_of(parts), occurred_at=NOW, details={})
        books = added(books, sum_of(entry))
    assert books[Account.REFUNDS] == split.paid_minor
    assert books[Account.PLATFORM_COMMISSION] == split.commission_minor - whole.commission_minor
    assert books[Account.COMMISSION_TAX] == split.commission_tax_minor - whole.commission_tax_minor
    assert books[Account.MERCHANT_PENDING] == split.merchant_minor - whole.merchant_minor
    assert books[Account.SALES_TAX] == 0
    assert books[Account.PLATFORM_EXPENSE] == 0


def sum_of(entry: Entry) -> dict[Account, int]:
    sums = dict.fromkeys(Account, 0)
    for posting in entry.postings:
        sums[Account(posting.account)] += posting.amount_minor
    return sums


def added(one: dict[Account, int], other: dict[Account, int]) -> dict[Account, int]:
    return {account: one[account] + other[account] for account in Account}
