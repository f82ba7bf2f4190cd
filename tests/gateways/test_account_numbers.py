"""Whether an account's number can be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import InvalidInput
from merchantry.gateways.account_numbers import check_account_number, check_bic, check_country, check_iban

IBAN = "DE89370400440532013000"


@pytest.mark.parametrize(
    "text", [IBAN, "de89 3704 0044 0532 0130 00", "NO93 8601 1117 947", "BR1500000000000010932840814P2"]
)
def test_an_iban_is_taken_with_spaces_and_small_letters(text: str) -> None:
    assert check_iban(text) == text.replace(" ", "").upper()


@pytest.mark.parametrize(
    "text", ["", "DE", "DE89370400440532013001", "DE8937040044053201300", "XX82WEST12345698765432", "ＤＥ89", IBAN * 50]
)
def test_what_is_no_iban_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(InvalidInput, match="digit by digit"):
        check_iban(text)


@given(st.integers(4, len(IBAN) - 1), st.sampled_from("0123456789"))
def test_one_wrong_digit_is_always_noticed(place: int, digit: str) -> None:
    wrong = IBAN[:place] + digit + IBAN[place + 1 :]
    if wrong != IBAN:
        with pytest.raises(InvalidInput):
            check_iban(wrong)


@pytest.mark.parametrize(("text", "bic"), [("DEUTDEFF", "DEUTDEFF"), ("deutdeff 500", "DEUTDEFF500")])
def test_a_bic_is_taken(text: str, bic: str) -> None:
    assert check_bic(text) == bic


@pytest.mark.parametrize("text", ["", "DEUTDEF", "DEUTXXFF", "DEUTDEFF5", "ДEUTDEFF"])
def test_what_is_no_bic_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="BIC"):
        check_bic(text)


@pytest.mark.parametrize(
    ("text", "number"), [("0001-2345 67.8/9", "000123456789"), ("ab12", "AB12"), ("1" * 34, "1" * 34)]
)
def test_an_account_number_keeps_its_letters_and_digits(text: str, number: str) -> None:
    assert check_account_number(text, "BR") == number


@pytest.mark.parametrize("text", ["", "123", "ABCD", "1" * 35, "12３4", "1234;", "1" * 10_000])
def test_what_no_bank_would_take_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="4 to 34"):
        check_account_number(text, "BR")


@pytest.mark.parametrize("code", ["", "XX", "br", "BRA", "UK"])
def test_a_country_that_does_not_exist_is_refused(code: str) -> None:
    with pytest.raises(InvalidInput, match="ISO 3166"):
        check_account_number("12345678", code)
    assert check_country("BR") == "BR"
