from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given

from merchantry.domain import entries
from merchantry.domain.commission import LineCommission, LineToRate, parse_plan
from merchantry.domain.entries import MOVES
from merchantry.domain.ledger import Account, Entry, EntryKind, PlatformAccount, Posting
from merchantry.domain.split import LineToSplit, OrderSplit, divide_order, split_order
from merchantry.domain.tax import Remitter, line_tax
from tests.domain.strategies import splits

ORDER = UUID(int=1)
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)


def a_split(goods_minor: int = 1_000, commission_minor: int = 120) -> OrderSplit:
    rated = LineCommission("default", goods_minor, 1200, commission_minor, 0, "none", commission_minor)
    return split_order("BRL", [LineToSplit(UUID(int=9), goods_minor, 0, rated)])


def a_capture(split: OrderSplit) -> Entry:
    return entries.capture(ORDER, split, occurred_at=NOW, details={"plan": "Standard plan"})


def a_release(split: OrderSplit) -> Entry:
    return entries.release(
        ORDER, split.merchant_minor, split.currency, occurred_at=NOW, available_at=NOW, details={"number": "1-2"}
    )


def sent(amount_minor: int, currency: str = "BRL") -> Entry:
    return entries.move(EntryKind.REFUND_SENT, amount_minor, currency, occurred_at=NOW, details={}, order_id=ORDER)


def amounts(postings: tuple[Posting, ...]) -> dict[str, int]:
    return {posting.account: posting.amount_minor for posting in postings}


def balances(*booked: Entry) -> Counter[str]:
    totals: Counter[str] = Counter()
    for entry in booked:
        for posting in entry.postings:
            totals[posting.account] += posting.amount_minor
    return totals


def test_a_capture_owes_merchant_and_platform_what_the_buyer_paid() -> None:
    entry = a_capture(a_split())
    assert (entry.kind, entry.order_id, entry.available_at, entry.reverses) == (EntryKind.CAPTURE, ORDER, None, None)
    assert amounts(entry.postings) == {"buyer_funds": -1_000, "merchant_pending": 880, "platform_commission": 120}


def test_a_capture_credits_everybody_who_has_part_in_it() -> None:
    tax = line_tax(11_900, 1900, "DE", inclusive=True, remitted_by=Remitter.PLATFORM)
    default = {
        "rate_bps": 1000,
        "commission_tax_bps": 1000,
        "payment_fee": {"bps": 300, "borne_by": "merchant"},
        "beneficiaries": [
            {"name": "mill", "kind": "supplier", "of": "merchant", "fixed_minor": 5_000},
            {"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 1_000},
        ],
    }
    plan = parse_plan({"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": default})
    line = LineToRate("acme", None, None, "BRL", 1, 11_900, 0, 0, 1_900, tax)
    captured = a_capture(divide_order(plan, [(UUID(int=9), line)]).split)
    assert amounts(captured.postings) == {
        "buyer_funds": -10_000,
        "platform_expense": -1_900,
        "sales_tax": 1_900,
        "platform_commission": 1_071,
        "affiliate_payable": 119,
        "commission_tax": 119,
        "payment_fee": 300,
        "supplier_payable": 5_000,
        "merchant_pending": 3_391,
    }


def test_a_release_makes_the_merchants_part_available() -> None:
    entry = entries.release(ORDER, 880, "BRL", occurred_at=NOW, available_at=NOW + timedelta(days=1), details={})
    assert amounts(entry.postings) == {"merchant_pending": -880, "merchant_available": 880}
    assert entry.available_at == NOW + timedelta(days=1)


def test_postings_of_nothing_are_left_out_but_two_stay() -> None:
    assert amounts(a_capture(a_split(1_000, 0)).postings) == {"buyer_funds": -1_000, "merchant_pending": 1_000}
    assert amounts(a_capture(a_split(30, 30)).postings) == {"buyer_funds": -30, "platform_commission": 30}
    free = a_capture(a_split(0, 0))
    assert amounts(free.postings) == {"buyer_funds": 0, "merchant_pending": 0}


def test_the_platforms_subledger_accrues_earns_and_takes_back() -> None:
    captured = a_capture(a_split())
    side = entries.platform_side(captured, earned=False)
    assert amounts(side) == {"merchant_clearing": -120, "commission_pending": 120}
    assert amounts(entries.platform_release({PlatformAccount.COMMISSION_PENDING: 120}, "BRL")) == {
        "commission_pending": -120,
        "commission_earned": 120,
    }
    taken_back = entries.adjustment(-50, "BRL", occurred_at=NOW, details={})
    assert amounts(entries.platform_side(taken_back, earned=True)) == {"merchant_clearing": -50, "expense": 50}


@pytest.mark.parametrize("kind", MOVES, ids=str)
def test_a_move_dates_what_changes_the_available_balance(kind: EntryKind) -> None:
    entry = entries.move(kind, 70, "BRL", occurred_at=NOW, details={})
    assert sorted(amounts(entry.postings).values()) == [-70, 70]
    assert (entry.available_at == NOW) == ("merchant_available" in amounts(entry.postings))
    with pytest.raises(ValueError, match="not negative"):
        entries.move(kind, -1, "BRL", occurred_at=NOW, details={})


@pytest.mark.parametrize("amount_minor", [50, -50])
def test_an_adjustment_gives_or_takes(amount_minor: int) -> None:
    entry = entries.adjustment(amount_minor, "BRL", occurred_at=NOW, details={"reason": "parcel lost"}, corrects=7)
    assert amounts(entry.postings) == {"platform_expense": -amount_minor, "merchant_available": amount_minor}
    assert (entry.reverses, entry.available_at) == (7, NOW)
    assert amounts(entries.platform_side(entry, earned=False)) == {
        "expense": -amount_minor,
        "merchant_clearing": amount_minor,
    }


@given(splits())
def test_entries_balance_and_hold_two_postings(split: OrderSplit) -> None:
    captured = a_capture(split)
    booked = (
        captured,
        a_release(split),
        sent(split.paid_minor, split.currency),
    )
    for entry in booked:
        assert sum(posting.amount_minor for posting in entry.postings) == 0
        assert len(entry.postings) >= 2
        assert all(posting.amount_minor for posting in entry.postings) or len(entry.postings) == 2


@given(splits())
def test_a_release_leaves_nothing_pending(split: OrderSplit) -> None:
    released = entries.release(
        ORDER, split.merchant_minor, split.currency, occurred_at=NOW, available_at=NOW, details={}
    )
    totals = balances(a_capture(split), released)
    assert totals[Account.MERCHANT_PENDING] == 0
    assert totals[Account.MERCHANT_AVAILABLE] == split.merchant_minor
