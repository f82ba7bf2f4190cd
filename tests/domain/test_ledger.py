import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain import ledger
from merchantry.domain.commission import LineCommission
from merchantry.domain.errors import UnknownCurrency
from merchantry.domain.ledger import (
    FORMAT,
    Account,
    Entry,
    EntryKind,
    PlatformAccount,
    Posting,
    canonical_bytes,
    commitment,
)
from merchantry.domain.split import LineToSplit, OrderSplit, split_order
from tests.domain.strategies import splits

ORDER, MERCHANT = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[2] / "docs" / "ledger-format.md"


def a_split(goods_minor: int = 1_000, commission_minor: int = 120) -> OrderSplit:
    rated = LineCommission("default", goods_minor, 1200, commission_minor, 0, "none", commission_minor)
    return split_order("BRL", [LineToSplit(UUID(int=9), goods_minor, 0, rated)])


def an_entry(**changes: Any) -> Entry:
    facts: dict[str, Any] = {
        "kind": EntryKind.RELEASE,
        "order_id": ORDER,
        "occurred_at": NOW,
        "available_at": NOW,
        "reverses": None,
        "postings": (
            Posting(Account.MERCHANT_PENDING, "BRL", -880),
            Posting(Account.MERCHANT_AVAILABLE, "BRL", 880),
        ),
        "details": {},
    }
    return Entry(**facts | changes)


def amounts(postings: tuple[Posting, ...]) -> dict[str, int]:
    return {posting.account: posting.amount_minor for posting in postings}


def balances(*entries: Entry) -> Counter[str]:
    totals: Counter[str] = Counter()
    for entry in entries:
        for posting in entry.postings:
            totals[posting.account] += posting.amount_minor
    return totals


def test_a_capture_owes_merchant_and_platform_what_the_buyer_paid() -> None:
    entry = ledger.capture(ORDER, a_split(), occurred_at=NOW, details={"plan": "Standard plan"})
    assert (entry.kind, entry.order_id, entry.available_at, entry.reverses) == (EntryKind.CAPTURE, ORDER, None, None)
    assert amounts(entry.postings) == {"buyer_funds": -1_000, "merchant_pending": 880, "platform_commission": 120}


def test_a_release_makes_the_merchants_part_available() -> None:
    entry = ledger.release(ORDER, 880, "BRL", occurred_at=NOW, available_at=NOW + timedelta(days=1))
    assert amounts(entry.postings) == {"merchant_pending": -880, "merchant_available": 880}
    assert entry.available_at == NOW + timedelta(days=1)


def test_a_refund_reverses_each_posting_of_its_capture() -> None:
    captured = ledger.capture(ORDER, a_split(), occurred_at=NOW, details={})
    refunded = ledger.refund(captured, 41, occurred_at=NOW, details={"reason": "cancelled"})
    assert (refunded.kind, refunded.reverses, refunded.order_id) == (EntryKind.REFUND, 41, ORDER)
    assert amounts(refunded.postings) == {"merchant_pending": -880, "platform_commission": -120, "refunds": 1_000}
    sent = ledger.refund_sent(ORDER, 1_000, "BRL", occurred_at=NOW)
    assert amounts(sent.postings) == {"refunds": -1_000, "buyer_funds": 1_000}


def test_only_a_capture_is_refunded() -> None:
    with pytest.raises(ValueError, match="Only a capture"):
        ledger.refund(an_entry(), 1, occurred_at=NOW, details={})


def test_postings_of_nothing_are_left_out_but_two_stay() -> None:
    no_commission = ledger.capture(ORDER, a_split(1_000, 0), occurred_at=NOW, details={})
    assert amounts(no_commission.postings) == {"buyer_funds": -1_000, "merchant_pending": 1_000}
    all_commission = ledger.capture(ORDER, a_split(30, 30), occurred_at=NOW, details={})
    assert amounts(all_commission.postings) == {"buyer_funds": -30, "platform_commission": 30}
    free = ledger.capture(ORDER, a_split(0, 0), occurred_at=NOW, details={})
    assert amounts(free.postings) == {"buyer_funds": 0, "merchant_pending": 0}
    assert amounts(ledger.refund(free, 1, occurred_at=NOW, details={}).postings) == {
        "merchant_pending": 0,
        "refunds": 0,
    }


def test_the_platforms_subledger_accrues_earns_and_takes_back() -> None:
    assert amounts(ledger.platform_capture(120, "BRL")) == {"merchant_clearing": -120, "commission_pending": 120}
    assert amounts(ledger.platform_release(120, "BRL")) == {"commission_pending": -120, "commission_earned": 120}
    assert amounts(ledger.platform_refund(120, "BRL")) == {"commission_pending": -120, "merchant_clearing": 120}


@pytest.mark.parametrize(
    "postings",
    [
        (),
        (Posting("buyer_funds", "BRL", 0),),
        (Posting("buyer_funds", "BRL", -1), Posting("merchant_pending", "BRL", 2)),
        (Posting("buyer_funds", "BRL", -1), Posting("merchant_pending", "JPY", 1)),
    ],
)
def test_an_unbalanced_entry_cannot_be_made(postings: tuple[Posting, ...]) -> None:
    with pytest.raises(ValueError, match="sum to zero in each currency"):
        an_entry(postings=postings)


def test_an_entry_uses_the_ledgers_accounts() -> None:
    postings = (Posting("slush", "BRL", -1), Posting("merchant_pending", "BRL", 1))
    with pytest.raises(ValueError, match="slush"):
        an_entry(postings=postings)
    with pytest.raises(ValueError, match="commission_earned"):
        an_entry(postings=(Posting(PlatformAccount.COMMISSION_EARNED, "BRL", 0), *postings[1:]))


@pytest.mark.parametrize("amount_minor", [1.0, True, "1", 2**63, -(2**63)])
def test_a_posting_is_a_whole_number_of_64_bits(amount_minor: Any) -> None:
    with pytest.raises(ValueError, match="whole number"):
        Posting(Account.REFUNDS, "BRL", amount_minor)


def test_a_posting_is_in_a_currency_in_use() -> None:
    with pytest.raises(UnknownCurrency):
        Posting(Account.REFUNDS, "XXX", 1)


def test_no_negative_amount_is_booked() -> None:
    for book in (ledger.platform_capture, ledger.platform_release, ledger.platform_refund):
        with pytest.raises(ValueError, match="not negative"):
            book(-1, "BRL")
    with pytest.raises(ValueError, match="not negative"):
        ledger.refund_sent(ORDER, -1, "BRL", occurred_at=NOW)
    with pytest.raises(ValueError, match="not negative"):
        ledger.release(ORDER, -1, "BRL", occurred_at=NOW, available_at=NOW)


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    for change in ("occurred_at", "available_at"):
        with pytest.raises(ValueError, match="need a time zone"):
            an_entry(**{change: naive})
    with pytest.raises(ValueError, match="needs a time zone"):
        canonical_bytes(MERCHANT, 1, an_entry(), naive)


@given(splits())
def test_entries_balance_and_hold_two_postings(split: OrderSplit) -> None:
    captured = ledger.capture(ORDER, split, occurred_at=NOW, details={})
    entries = (
        captured,
        ledger.refund(captured, 1, occurred_at=NOW, details={}),
        ledger.release(ORDER, split.merchant_minor, split.currency, occurred_at=NOW, available_at=NOW),
        ledger.refund_sent(ORDER, split.gross_minor, split.currency, occurred_at=NOW),
    )
    for entry in entries:
        assert sum(posting.amount_minor for posting in entry.postings) == 0
        assert len(entry.postings) >= 2
        assert all(posting.amount_minor for posting in entry.postings) or len(entry.postings) == 2


@given(splits())
def test_a_refund_brings_every_party_to_zero_and_sending_it_the_buyer_too(split: OrderSplit) -> None:
    captured = ledger.capture(ORDER, split, occurred_at=NOW, details={})
    refunded = ledger.refund(captured, 1, occurred_at=NOW, details={})
    owed = balances(captured, refunded)
    assert {account for account, total in owed.items() if total} <= {Account.BUYER_FUNDS, Account.REFUNDS}
    assert owed[Account.REFUNDS] == split.gross_minor
    sent = ledger.refund_sent(ORDER, split.gross_minor, split.currency, occurred_at=NOW)
    assert not any(balances(captured, refunded, sent).values())


@given(splits())
def test_a_release_leaves_nothing_pending(split: OrderSplit) -> None:
    captured = ledger.capture(ORDER, split, occurred_at=NOW, details={})
    released = ledger.release(ORDER, split.merchant_minor, split.currency, occurred_at=NOW, available_at=NOW)
    totals = balances(captured, released)
    assert totals[Account.MERCHANT_PENDING] == 0
    assert totals[Account.MERCHANT_AVAILABLE] == split.merchant_minor


@given(st.integers(0, 10**12))
def test_the_platforms_side_balances_and_a_refund_undoes_it(commission_minor: int) -> None:
    captured, refunded = (book(commission_minor, "JPY") for book in (ledger.platform_capture, ledger.platform_refund))
    released = ledger.platform_release(commission_minor, "JPY")
    assert all(sum(amounts(side).values()) == 0 for side in (captured, refunded, released))
    assert amounts(refunded) == {account: -amount for account, amount in amounts(captured).items()}


def test_canonical_bytes_do_not_depend_on_the_zone_or_the_order_of_details() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=8)))
    one = canonical_bytes(MERCHANT, 1, an_entry(details={"b": 1, "a": [True, None]}), NOW)
    other = canonical_bytes(
        MERCHANT, 1, an_entry(occurred_at=elsewhere, details={"a": (True, None), "b": 1}), elsewhere
    )
    assert one == other


@pytest.mark.parametrize(
    "details",
    [
        *({"rate": 0.1}, {"rate": float("nan")}, {"n": 2**53}, {"n": -(2**53)}, {"at": NOW}, {"id": ORDER}),
        *({"text": "a\0b"}, {"text": "\ud800"}, {"ключ": 1}, {"deep": [{"x": {1: 2}}]}, {"raw": b"x"}, {"set": {1}}),
    ],
)
def test_details_without_an_exact_form_are_refused(details: Any) -> None:
    with pytest.raises(ValueError, match=r"entry|2\^53"):
        canonical_bytes(MERCHANT, 1, an_entry(details=details), NOW)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="ascii", exclude_characters="\0")), inner)
    ),
    max_leaves=10,
)
details_values = st.dictionaries(
    st.text(st.characters(codec="ascii", exclude_characters="\0")), json_values, max_size=4
)


@given(details_values, st.integers(1, 2**53 - 1))
def test_canonical_bytes_are_json_that_says_the_same_and_survive_another_parser(
    details: dict[str, Any], seq: int
) -> None:
    written = canonical_bytes(MERCHANT, seq, an_entry(details=details), NOW)
    document = json.loads(written)
    assert (document["details"], document["seq"]) == (details, seq)
    reread = an_entry(details=document["details"])
    assert canonical_bytes(MERCHANT, seq, reread, NOW) == written


def test_a_commitment_depends_on_every_part() -> None:
    salt, canonical = bytes(32), canonical_bytes(MERCHANT, 1, an_entry(), NOW)
    others = {
        commitment(salt, canonical),
        commitment(b"\1" + salt[1:], canonical),
        commitment(salt, canonical_bytes(MERCHANT, 2, an_entry(), NOW)),
        commitment(salt, canonical_bytes(ORDER, 1, an_entry(), NOW)),
        commitment(salt, canonical_bytes(MERCHANT, 1, an_entry(), NOW + timedelta(microseconds=1))),
    }
    assert len(others) == 5


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        commitment(bytes(length), b"{}")


def vectors() -> list[tuple[dict[str, Any], str, str]]:
    """Each vector of the document: what goes in, the canonical text, the commitment."""
    text = DOCUMENT.read_text(encoding="utf-8")
    pattern = r"### Vector \d+.*?```json\n(.*?)\n```.*?```text\n(.*?)\n```.*?`([0-9a-f]{64})`"
    return [(json.loads(given), canonical, digest) for given, canonical, digest in re.findall(pattern, text, re.DOTALL)]


def test_the_document_has_its_vectors() -> None:
    assert len(vectors()) >= 3
    assert f"`{FORMAT}`" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize(("given_values", "canonical", "digest"), vectors())
def test_the_documents_vectors_hold(given_values: dict[str, Any], canonical: str, digest: str) -> None:
    entry = Entry(
        kind=EntryKind(given_values["kind"]),
        order_id=UUID(given_values["order_id"]) if given_values["order_id"] else None,
        occurred_at=datetime.fromisoformat(given_values["occurred_at"]),
        available_at=datetime.fromisoformat(given_values["available_at"]) if given_values["available_at"] else None,
        reverses=given_values["reverses"],
        postings=tuple(Posting(account, currency, amount) for account, currency, amount in given_values["postings"]),
        details=given_values["details"],
    )
    booked_at = datetime.fromisoformat(given_values["booked_at"])
    written = canonical_bytes(UUID(given_values["merchant_id"]), given_values["seq"], entry, booked_at)
    salt = bytes.fromhex(given_values["salt"])
    assert written.decode() == canonical
    assert commitment(salt, written).hex() == digest
    by_the_text_alone = hashlib.sha256(b"merchantry-ledger-entry/v1\n" + salt + canonical.encode()).hexdigest()
    assert by_the_text_alone == digest


@pytest.mark.parametrize("account", list(Account))
def test_the_document_explains_every_account(account: Account) -> None:
    assert f"`{account}`" in DOCUMENT.read_text(encoding="utf-8")


@pytest.mark.parametrize("account", list(PlatformAccount))
def test_the_document_explains_the_platforms_accounts(account: PlatformAccount) -> None:
    assert f"`{account}`" in DOCUMENT.read_text(encoding="utf-8")
