"""Statements of wallet providers."""

from collections.abc import Sequence
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import BankFileInvalid
from merchantry.domain.money import CURRENCY_DIGITS, MAX_AMOUNT_MINOR, format_minor
from merchantry.gateways import provider_statement

HEADER = "date,amount,currency,reference,provider_reference,kind"


def csv(*rows: str, header: str = HEADER) -> bytes:
    return "\r\n".join([header, *rows, ""]).encode()


def test_a_payout_and_its_return_are_two_lines() -> None:
    data = csv("2026-03-30,-12.30,EUR,PO-1,W1,payout", "2026-04-02,12.30,EUR,PO-1,W1,return")
    (statement,) = provider_statement.read(data, "wallet")
    assert (statement.account, statement.currency) == ("wallet", "EUR")
    assert (statement.from_on, statement.to_on) == (date(2026, 3, 30), date(2026, 4, 2))
    assert statement.opening_minor is statement.closing_minor is None
    paid, returned = statement.lines
    assert (paid.position, paid.amount_minor, paid.end_to_end_id, paid.reference) == (1, -1230, "PO-1", "W1")
    assert (returned.position, returned.amount_minor, returned.is_return) == (2, 1230, True)
    assert not paid.is_return


def test_each_currency_is_a_statement() -> None:
    data = csv("2026-03-30,-12,JPY,PO-1,,payout", "2026-03-30,-1.5,EUR,PO-2,,payout", "2026-03-31,-0.10,EUR,,,fee")
    statements = provider_statement.read(data, "wallet")
    assert [(each.currency, [line.amount_minor for line in each.lines]) for each in statements] == [
        ("EUR", [-150, -10]),
        ("JPY", [-12]),
    ]


def test_a_file_without_lines_has_no_statement() -> None:
    assert provider_statement.read(csv(), "wallet") == ()


def test_columns_may_stand_in_any_order_beside_others() -> None:
    data = csv(
        "payout,x,W1,PO-1,EUR,-1.00,2026-03-30",
        header="\N{ZERO WIDTH NO-BREAK SPACE}kind,note,provider_reference,reference,currency,amount,date",
    )
    assert provider_statement.read(data, "wallet")[0].lines[0].amount_minor == -100


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(CURRENCY_DIGITS)), st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR).filter(bool)
        )
    )
)
def test_no_amount_is_lost(moves: Sequence[tuple[str, int]]) -> None:
    rows = [
        f"2026-03-30,{format_minor(minor, currency)},{currency},PO,,{'payout' if minor < 0 else 'return'}"
        for currency, minor in moves
    ]
    statements = provider_statement.read(csv(*rows), "wallet")
    assert {each.currency: [line.amount_minor for line in each.lines] for each in statements} == {
        currency: [minor for other, minor in moves if other == currency] for currency, _ in moves
    }


BROKEN = {
    "no day": ("2026-02-30,-1.00,EUR,PO-1,W1,payout", "line 3: '2026-02-30' is no date"),
    "a week": ("2026-W10-1,-1.00,EUR,PO-1,W1,payout", "line 3: '2026-W10-1' is no date"),
    "too many digits": ("2026-03-30,-1.000,EUR,PO-1,W1,payout", "line 3: EUR has 2 decimal digits"),
    "no amount": ("2026-03-30,,EUR,PO-1,W1,payout", "line 3: An amount is written in plain digits"),
    "zero": ("2026-03-30,0.00,EUR,PO-1,W1,payout", "line 3: a payout of 0.00 has the wrong sign"),
    "a payout to us": ("2026-03-30,1.00,EUR,PO-1,W1,payout", "line 3: a payout of 1.00 has the wrong sign"),
    "a return from us": ("2026-03-30,-1.00,EUR,PO-1,W1,return", "line 3: a return of -1.00 has the wrong sign"),
    "no currency": ("2026-03-30,-1.00,XYZ,PO-1,W1,payout", "line 3: XYZ is not a currency"),
    "no kind": ("2026-03-30,-1.00,EUR,PO-1,W1,gift", "line 3: 'gift' is no kind"),
    "too few fields": ("2026-03-30,-1.00,EUR", "line 3: it has another number of fields"),
    "too many fields": ("2026-03-30,-1.00,EUR,PO-1,W1,payout,more", "line 3: it has another number of fields"),
    "a control character": ("2026-03-30,-1.00,EUR,PO\x00-1,W1,payout", "line 3: it has characters"),
    "an open quote": ('2026-03-30,-1.00,EUR,"PO-1,W1,payout', "line 3: unexpected end of data"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_named(name: str) -> None:
    row, told = BROKEN[name]
    with pytest.raises(BankFileInvalid) as caught:
        provider_statement.read(csv("2026-03-30,-1.00,EUR,PO-1,W1,payout", row), "wallet")
    assert told in caught.value.message


def test_every_broken_line_is_named_up_to_a_number() -> None:
    rows = ["2026-03-30,-1.00,EUR,PO-1,W1,gift"] * 25
    with pytest.raises(BankFileInvalid, match=r"line 2: .*line 21: .*and 5 more"):
        provider_statement.read(csv(*rows), "wallet")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "column date", id="nothing"),
        pytest.param(csv(header="date,amount,currency,reference,kind"), "column provider_reference", id="a column"),
        pytest.param(csv("\xff").decode().encode("latin-1"), "not UTF-8, from byte", id="latin"),
    ],
)
def test_a_file_of_another_form_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(BankFileInvalid, match=told):
        provider_statement.read(data, "wallet")
