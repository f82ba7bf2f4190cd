from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import InvalidInput, MixedCurrencies, UnknownCurrency
from merchantry.domain.money import (
    CURRENCY_DIGITS,
    MAX_AMOUNT_MINOR,
    Money,
    allocate,
    digits,
    format_minor,
    half_up,
    of_bps,
    parse_minor,
)

currencies = st.sampled_from(sorted(CURRENCY_DIGITS))
amounts = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("currency", "count"), [("BRL", 2), ("CNY", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4), ("XAF", 0)]
)
def test_digits_are_those_of_iso_4217(currency: str, count: int) -> None:
    assert digits(currency) == count


@pytest.mark.parametrize("currency", ["", "brl", "BRL ", "XXX", "XTS", "XAU", "XDR", "ANG", "BGN", "DEM", "€"])
def test_codes_that_are_no_currency_in_use_are_refused(currency: str) -> None:
    with pytest.raises(UnknownCurrency, match="ISO 4217"):
        digits(currency)


@pytest.mark.parametrize(
    ("amount_minor", "currency", "text"),
    [
        (1230, "BRL", "12.30"),
        (12, "JPY", "12"),
        (1, "KWD", "0.001"),
        (-5, "BRL", "-0.05"),
        (-500, "BRL", "-5.00"),
        (0, "BRL", "0.00"),
        (0, "JPY", "0"),
        (123456789, "CLF", "12345.6789"),
    ],
)
def test_amounts_are_written_with_the_currencys_digits(amount_minor: int, currency: str, text: str) -> None:
    assert format_minor(amount_minor, currency) == text
    assert parse_minor(text, currency) == amount_minor


@pytest.mark.parametrize(
    ("text", "amount_minor"), [("12", 1200), ("12.3", 1230), ("-0", 0), ("007.50", 750), ("0.5", 50)]
)
def test_fewer_digits_than_the_currency_has_are_exact_too(text: str, amount_minor: int) -> None:
    assert parse_minor(text, "BRL") == amount_minor


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "1 000",
            " 12",
            "12 ",
            "12\n",
            "1,50",
            "+5",
            "--5",
            "1e3",
            "1E3",
            ".5",
            "5.",
            "1.2.3",
            "0x10",
            "1_000",
        ),
        *("NaN", "Infinity", "٣", "１２", "12.345", "9" * 30, "1" + "0" * 14, "10000000000000.01"),
    ],
)
def test_anything_else_than_a_plain_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="send"):
        parse_minor(text, "BRL")


def test_a_fraction_of_a_currency_without_fractions_is_refused() -> None:
    with pytest.raises(InvalidInput, match="JPY has 0 decimal digits"):
        parse_minor("12.0", "JPY")


@given(amounts, currencies)
def test_an_amount_written_and_read_again_is_the_same(amount_minor: int, currency: str) -> None:
    assert parse_minor(format_minor(amount_minor, currency), currency) == amount_minor


@given(st.text(max_size=12), currencies)
def test_any_text_is_read_exactly_or_refused(text: str, currency: str) -> None:
    try:
        amount_minor = parse_minor(text, currency)
    except InvalidInput:
        return
    assert Decimal(text) == Decimal(amount_minor).scaleb(-digits(currency))


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (1, 2, 1),
        (-1, 2, -1),
        (3, 2, 2),
        (5, 2, 3),
        (-5, 2, -3),
        (1, 3, 0),
        (2, 3, 1),
        (-2, 3, -1),
        (0, 7, 0),
        (7, 1, 7),
    ],
)
def test_a_half_is_rounded_away_from_zero(numerator: int, denominator: int, rounded: int) -> None:
    assert half_up(numerator, denominator) == rounded


@pytest.mark.parametrize("denominator", [0, -2])
def test_a_denominator_is_positive(denominator: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        half_up(1, denominator)


@given(amounts, st.integers(0, 10_000))
def test_a_rates_part_is_what_exact_decimals_round_half_up(amount_minor: int, rate_bps: int) -> None:
    exact = Decimal(amount_minor) * rate_bps / 10_000
    assert of_bps(amount_minor, rate_bps) == int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


@given(st.integers(), st.integers(1, 10**9))
def test_a_rounded_quotient_is_nowhere_more_than_a_half_away(numerator: int, denominator: int) -> None:
    assert 2 * abs(half_up(numerator, denominator) * denominator - numerator) <= denominator
    assert half_up(-numerator, denominator) == -half_up(numerator, denominator)


@pytest.mark.parametrize(
    ("amount_minor", "parties", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (100, [0, 1, 1, 1], [0, 34, 33, 33]),
        (5, [0, 0], [3, 2]),
        (0, [3, 4], [0, 0]),
        (10, [1], [10]),
        (1, [1, 99], [1, 0]),
        (1000, [70, 20, 10], [700, 200, 100]),
    ],
)
def test_left_over_units_go_one_by_one_in_the_declared_order(
    amount_minor: int, parties: list[int], shares: list[int]
) -> None:
    assert allocate(amount_minor, parties) == shares


@pytest.mark.parametrize("parties", [[], [-1, 2]])
def test_an_amount_needs_parties_with_weights(parties: list[int]) -> None:
    with pytest.raises(ValueError, match="at least one party"):
        allocate(100, parties)


@given(amounts, weights)
def test_shares_sum_to_the_amount(amount_minor: int, parties: list[int]) -> None:
    assert sum(allocate(amount_minor, parties)) == amount_minor


@given(amounts, weights)
def test_each_share_is_less_than_a_unit_from_its_proportion_and_of_the_amounts_sign(
    amount_minor: int, parties: list[int]
) -> None:
    total = sum(parties)
    for share, weight in zip(allocate(amount_minor, parties), parties, strict=True):
        assert share * amount_minor >= 0
        if total:
            assert abs(share * total - amount_minor * weight) < total


@given(amounts, weights.filter(any))
def test_who_has_no_weight_gets_nothing(amount_minor: int, parties: list[int]) -> None:
    shares = allocate(amount_minor, parties)
    assert all(share == 0 for share, weight in zip(shares, parties, strict=True) if weight == 0)


def test_money_adds_within_its_currency() -> None:
    assert Money(100, "EUR") + Money(23, "EUR") == Money(123, "EUR")
    assert Money(100, "EUR") - Money(123, "EUR") == -Money(23, "EUR")


def test_money_of_different_currencies_never_adds() -> None:
    with pytest.raises(MixedCurrencies) as refused:
        Money(1, "EUR") + Money(1, "JPY")
    assert refused.value.currencies == ("EUR", "JPY")
    with pytest.raises(MixedCurrencies):
        Money(1, "EUR") - Money(1, "JPY")


def test_money_is_of_a_currency_in_use() -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, "EURO")
