import hashlib
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

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

ORDER, MERCHANT = UUID(int=1), UUID(int=2)
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[2] / "docs" / "ledger-format.md"


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


def test_an_instant_without_a_zone_is_refused() -> None:
    naive = NOW.replace(tzinfo=None)
    for change in ("occurred_at", "available_at"):
        with pytest.raises(ValueError, match="need a time zone"):
            an_entry(**{change: naive})
    with pytest.raises(ValueError, match="needs a time zone"):
        canonical_bytes(MERCHANT, 1, an_entry(), naive)


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
    with pytest.raises(ValueError, match=r"is hashed|2\^53"):
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
