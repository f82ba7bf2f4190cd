import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.invoice import (
    FORMAT,
    Invoice,
    InvoiceKind,
    InvoiceLine,
    Party,
    TaxTotal,
    canonical_bytes,
    content_hash,
    invoice,
)

MALL = Party("Mall Ltda", ("Rua A 1", "01000-000 São Paulo"), "12.345.678/0001-00")
CASA = Party("Casa Ltda", ("Rua B 2",), None)


def an_invoice(lines: Sequence[InvoiceLine] = (InvoiceLine("Commission", 5_000, 500, 250),), **changes: Any) -> Invoice:
    facts: dict[str, Any] = {
        "kind": InvoiceKind.INVOICE,
        "number": "INV-000001",
        "issued_on": date(2026, 4, 1),
        "issuer": MALL,
        "recipient": CASA,
        "currency": "BRL",
        "statement_number": "ST-000001",
        "corrects": None,
    }
    return invoice(lines=lines, **facts | changes)


lines_of_charges = st.lists(
    st.builds(
        lambda net_minor, rate_bps, tax_minor: InvoiceLine(
            "Commission", net_minor, rate_bps, tax_minor * bool(rate_bps)
        ),
        st.integers(0, 10**12),
        st.sampled_from((0, 500, 1900)),
        st.integers(0, 10**12),
    ),
    min_size=1,
    max_size=10,
)


@given(lines=lines_of_charges)
def test_totals_by_rate_are_the_totals_and_net_with_tax_is_gross(lines: list[InvoiceLine]) -> None:
    made = an_invoice(lines)
    assert sum(total.net_minor for total in made.by_rate) == made.net_minor
    assert sum(total.tax_minor for total in made.by_rate) == made.tax_minor
    assert made.net_minor + made.tax_minor == made.gross_minor


def test_tax_is_what_was_booked_and_not_computed_again() -> None:
    made = an_invoice([InvoiceLine("Commission", 10, 500, 1), InvoiceLine("Commission", 10, 500, 1)])
    assert made.by_rate == (TaxTotal(500, 20, 2),)
    assert (made.net_minor, made.tax_minor, made.gross_minor) == (20, 2, 22)


def test_a_discount_lowers_the_invoice() -> None:
    made = an_invoice([InvoiceLine("Commission", 500, 1900, 95), InvoiceLine("Rebate", -100, 1900, -19)])
    assert made.by_rate == (TaxTotal(1900, 400, 76),)


@pytest.mark.parametrize(
    ("lines", "changes", "message"),
    [
        ([], {}, "needs a line"),
        ([InvoiceLine("Commission", 10, 0, 1)], {}, "against its rate"),
        ([InvoiceLine("Commission", 10, 500, -1)], {}, "against its rate"),
        ([InvoiceLine("Commission", 10, -1, 0)], {}, "not negative"),
        ([InvoiceLine("Commission", -10, 0, 0)], {}, "other kind"),
        ([InvoiceLine("Commission", 10, 0, 0)], {"corrects": "INV-000000"}, "only a credit note"),
    ],
    ids=["empty", "tax without rate", "tax against amount", "negative rate", "below zero", "invoice that corrects"],
)
def test_what_such_a_document_can_not_say_is_refused(
    lines: list[InvoiceLine], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        an_invoice(lines, **changes)


def test_a_credit_note_may_name_the_invoice_that_it_takes_back_from() -> None:
    note = an_invoice(kind=InvoiceKind.CREDIT_NOTE, corrects="INV-000001")
    assert note.corrects == "INV-000001"
    assert an_invoice(kind=InvoiceKind.CREDIT_NOTE).corrects is None


@pytest.mark.parametrize("name", ["net_minor", "tax_minor", "gross_minor"])
def test_totals_read_back_that_are_not_the_lines_are_refused(name: str) -> None:
    made = an_invoice()
    with pytest.raises(ValueError, match="totals are not those"):
        replace(made, **{name: getattr(made, name) + 1})
    with pytest.raises(ValueError, match="by tax rate"):
        replace(made, by_rate=())


def test_the_bytes_of_an_invoice_are_canonical_json() -> None:
    canonical = canonical_bytes(an_invoice())
    document = json.loads(canonical)
    assert list(document) == sorted(document)
    assert document["format"] == FORMAT
    assert document["lines"] == [
        {"description": "Commission", "net_minor": "5000", "tax_minor": "250", "tax_rate_bps": 500}
    ]
    assert document["recipient"] == {"address": ["Rua B 2"], "name": "Casa Ltda", "tax_number": None}
    assert (document["gross_minor"], document["kind"]) == ("5250", "invoice")
    assert content_hash(an_invoice()) == hashlib.sha256(b"merchantry-invoice/v1\n" + canonical).digest()
    assert content_hash(an_invoice(number="INV-000002")) != content_hash(an_invoice())
