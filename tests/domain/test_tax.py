from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.discount import share_discount
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.tax import LineTax, Remitter, exclusive_tax, inclusive_tax, line_tax


@pytest.mark.parametrize(
    ("gross_minor", "rate_bps", "tax_minor"),
    [(11_900, 1900, 1_900), (10_000, 1900, 1_597), (100, 700, 7), (1, 1900, 0), (0, 1900, 0), (999, 0, 0)],
)
def test_inclusive_tax_is_the_gross_less_the_half_up_net(gross_minor: int, rate_bps: int, tax_minor: int) -> None:
    assert inclusive_tax(gross_minor, rate_bps) == tax_minor


def test_exclusive_tax_is_added_half_up() -> None:
    assert exclusive_tax(1_050, 1000) == 105
    assert exclusive_tax(105, 1000) == 11


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_tax_added_to_a_net_price_is_inside_the_gross_one(net_minor: int, rate_bps: int) -> None:
    assert inclusive_tax(net_minor + exclusive_tax(net_minor, rate_bps), rate_bps) == exclusive_tax(net_minor, rate_bps)


def test_what_is_taxed_is_the_merchants_price_and_shipping_where_the_tax_covers_it() -> None:
    amounts = LineAmounts(10_000, 500, discount_merchant_minor=1_000, discount_platform_minor=2_000)
    assert (amounts.taxable_minor(False), amounts.taxable_minor(True)) == (9_000, 9_500)


def test_added_tax_is_paid_and_inclusive_tax_is_paid_already() -> None:
    def priced(inclusive: bool) -> LineAmounts:
        tax = line_tax(11_900, 1900, "DE", inclusive=inclusive, remitted_by=Remitter.PLATFORM)
        return LineAmounts(11_900, 500, tax=tax)

    assert (priced(True).paid_minor, priced(True).platform_tax_minor) == (12_400, 1_900)
    assert (priced(False).paid_minor, priced(False).platform_tax_minor) == (12_400 + 2_261, 2_261)


def test_a_platforms_discount_is_its_subsidy_and_a_merchants_is_not() -> None:
    amounts = LineAmounts(10_000, 500, discount_merchant_minor=1_000, discount_platform_minor=2_000)
    assert (amounts.gross_minor, amounts.paid_minor, amounts.subsidy_minor) == (9_500, 7_500, 2_000)


def test_a_shared_discount_is_divided_by_its_ratio() -> None:
    assert share_discount(1_001, 5_000) == (500, 501)
    assert share_discount(1_000, 0) == (1_000, 0)
    for wrong in ((-1, 0), (1, 10_001), (1, -1)):
        with pytest.raises(ValueError, match="can't be shared"):
            share_discount(*wrong)


@given(st.integers(0, 10**12), st.integers(0, 10_000))
def test_a_discounts_parts_sum_to_it(discount_minor: int, platform_bps: int) -> None:
    merchant_minor, platform_minor = share_discount(discount_minor, platform_bps)
    assert merchant_minor + platform_minor == discount_minor
    assert min(merchant_minor, platform_minor) >= 0


@pytest.mark.parametrize("changes", [{"goods_minor": -1}, {"discount_platform_minor": -1}, {"shipping_minor": -1}])
def test_a_line_has_no_negative_amounts(changes: dict[str, int]) -> None:
    amounts = LineAmounts(5, 5)
    with pytest.raises(ValueError, match="negative"):
        replace(amounts, **changes)  # type: ignore[arg-type]


def test_discounts_are_within_the_goods_and_taxes_within_what_is_taxed() -> None:
    with pytest.raises(ValueError, match="discounts"):
        LineAmounts(100, 50, 60, 41)
    with pytest.raises(ValueError, match="more than what is taxed"):
        LineAmounts(100, 50, tax=LineTax(1900, "DE", True, Remitter.MERCHANT, 101))
    with pytest.raises(ValueError, match="more than what is taxed"):
        LineAmounts(0, 50, tax=LineTax(1900, "DE", False, Remitter.MERCHANT, 1))
    with pytest.raises(ValueError, match="negative"):
        LineTax(-1, "DE", True, Remitter.MERCHANT, 0)
    with pytest.raises(ValueError, match="not negative"):
        line_tax(-1, 1900, "DE", inclusive=True, remitted_by=Remitter.MERCHANT)
