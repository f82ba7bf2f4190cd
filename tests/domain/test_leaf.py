"""Leaves, by the vector of the documentation, and what each part binds."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from merchantry.domain.leaf import NO_BUYER, BookedEntry, balances_commitment, buyer_salt
from merchantry.domain.ledger import Entry, EntryKind, Json, Posting

PAGE = (Path(__file__).parents[2] / "docs/ledger-format.md").read_text()
MERCHANT = UUID("018f2a3e-7c10-7d5e-9b1a-2f6c0e4d8a11")
LINE: Json = {"rule": "product_category:watches", "rate_bps": 1500, "rate_part_minor": "5175", "bound": "cap"}
CAPTURE = Entry(
    EntryKind.CAPTURE,
    UUID("018f2a3e-7c11-7a44-8c3b-5d1e9f702b22"),
    datetime(2026, 3, 5, 12, 30, tzinfo=UTC),
    None,
    None,
    (
        Posting("buyer_funds", "BRL", -34500),
        Posting("merchant_pending", "BRL", 29500),
        Posting("platform_commission", "BRL", 5000),
    ),
    {"plan": "Standard plan", "lines": [LINE], "version": 3},
)
BOOKED = BookedEntry(
    1,
    CAPTURE,
    datetime(2026, 3, 5, 12, 30, 0, 4217, tzinfo=UTC),
    bytes(range(32)),
    (-34500, 29500, 5000),
    bytes(range(32, 64)),
)


def test_the_leaf_of_the_documented_vector_is_the_documented_one() -> None:
    vector = PAGE[PAGE.index("### Vector 4") : PAGE.index("## Test vectors")]
    said = BOOKED.buyer_bytes(MERCHANT)
    assert said is not None
    parts = (
        BOOKED.balances_bytes(MERCHANT).decode(),
        said.decode(),
        balances_commitment(bytes(range(32, 64)), BOOKED.balances_bytes(MERCHANT)).hex(),
        buyer_salt(BOOKED.salt).hex(),
        BOOKED.buyer_commitment(MERCHANT).hex(),
        BOOKED.leaf(MERCHANT).hex(),
    )
    assert BOOKED.commitment(MERCHANT).hex() in PAGE
    for part in parts:
        assert part in vector


def test_a_leaf_depends_on_every_part() -> None:
    postings = (*CAPTURE.postings[:2], replace(CAPTURE.postings[2], amount_minor=5000))
    others = [
        replace(BOOKED, seq=2),
        replace(BOOKED, salt=bytes(32)),
        replace(BOOKED, balances=(-34500, 29500, 5001)),
        replace(BOOKED, balance_salt=bytes(32)),
        replace(BOOKED, balances=None),
        replace(BOOKED, entry=replace(CAPTURE, details={})),
    ]
    leaves = {each.leaf(MERCHANT) for each in (BOOKED, *others)} | {BOOKED.leaf(UUID(int=0))}
    assert len(leaves) == len(others) + 2
    assert replace(BOOKED, entry=replace(CAPTURE, postings=postings)).leaf(MERCHANT) == BOOKED.leaf(MERCHANT)


def test_an_entry_from_before_balances_were_bound_is_its_commitment() -> None:
    before = replace(BOOKED, balances=None, balance_salt=None)
    assert before.leaf(MERCHANT) == before.commitment(MERCHANT)


def test_a_buyer_is_told_amount_and_order_and_nothing_of_the_division() -> None:
    said = BOOKED.buyer_bytes(MERCHANT)
    assert said is not None
    assert b"34500" in said
    assert b"29500" not in said
    assert b"commission" not in said
    release = replace(CAPTURE, kind=EntryKind.RELEASE)
    assert replace(BOOKED, entry=release).buyer_commitment(MERCHANT) == NO_BUYER
