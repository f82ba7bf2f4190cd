"""A coupon to be is refused with the argument at fault."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from merchantry.domain.checkout import coupons
from merchantry.domain.coupon import CouponKind, CouponTerms
from merchantry.domain.errors import InvalidInput, MarketError
from merchantry.domain.new_coupon import NewCoupon, check, is_code

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
MERCHANT = UUID(int=1)
TEN = CouponTerms(CouponKind.PERCENT, NOW, percent_bps=1000)
OFF = CouponTerms(CouponKind.AMOUNT, NOW, amount_minor={"BRL": 500})


def a_new_coupon(terms: CouponTerms, merchant_id: UUID | None = None, code: str = "TEN") -> NewCoupon:
    return NewCoupon(UUID(int=9), merchant_id, code, "Ten", terms)


def test_coupons_of_the_platform_and_of_merchants() -> None:
    check(a_new_coupon(TEN), NOW)
    check(a_new_coupon(OFF), NOW)
    check(a_new_coupon(replace(TEN, merchant_share_bps=4000, merchants=frozenset({MERCHANT}))), NOW)
    check(a_new_coupon(replace(TEN, merchant_share_bps=10_000, merchants=frozenset({MERCHANT})), MERCHANT), NOW)


@pytest.mark.parametrize(
    ("terms", "path"),
    [
        pytest.param(replace(TEN, percent_bps=0), ("percent_bps",), id="no percentage"),
        pytest.param(replace(TEN, percent_bps=10_001), ("percent_bps",), id="too much"),
        pytest.param(replace(TEN, amount_minor={"BRL": 1}), ("percent_bps",), id="both"),
        pytest.param(replace(OFF, amount_minor={}), ("amounts",), id="no amount"),
        pytest.param(replace(OFF, amount_minor={"XXX": 1}), ("amounts", "XXX"), id="no currency"),
        pytest.param(replace(OFF, amount_minor={"BRL": 0}), ("amounts",), id="nothing off"),
        pytest.param(replace(TEN, minimum_minor={"BRL": -1}), ("minimum", "BRL"), id="negative minimum"),
        pytest.param(replace(TEN, merchant_share_bps=-1), ("merchant_share_bps",), id="negative share"),
        pytest.param(replace(TEN, merchant_share_bps=1), ("merchants",), id="charges merchants that did not agree"),
        pytest.param(replace(TEN, ends_at=NOW), ("ends_at",), id="over before it begins"),
        pytest.param(
            replace(TEN, starts_at=NOW - timedelta(days=9), ends_at=NOW - timedelta(days=1)), ("ends_at",), id="past"
        ),
        pytest.param(replace(TEN, most_uses=0), ("most_uses",), id="no uses"),
        pytest.param(replace(TEN, most_uses_per_buyer=10**10), ("most_uses_per_buyer",), id="too many uses"),
        pytest.param(replace(TEN, categories=frozenset(map(str, range(501)))), ("categories",), id="a long list"),
    ],
)
def test_a_coupon_that_can_not_be_is_refused(terms: CouponTerms, path: tuple[str, ...]) -> None:
    with pytest.raises(MarketError) as refused:
        check(a_new_coupon(terms), NOW)
    assert refused.value.path == path


@pytest.mark.parametrize("share", [0, 5000])
def test_a_merchants_coupon_is_at_its_own_expense(share: int) -> None:
    with pytest.raises(InvalidInput):
        check(
            a_new_coupon(replace(TEN, merchant_share_bps=share, merchants=frozenset({MERCHANT})), MERCHANT),
            NOW,
        )


@pytest.mark.parametrize("code", ["", "AB", "-AB", "AB-", "A B", "ÄBC", "A" * 33, "AB\x00", "ABC\n", "abc"])
def test_what_can_not_be_a_code_is_refused(code: str) -> None:
    assert not is_code(code)
    with pytest.raises(InvalidInput) as refused:
        check(a_new_coupon(TEN, code=code), NOW)
    assert refused.value.path == ("code",)


def test_codes_given_are_read_in_any_case_once_each_and_no_more_than_five() -> None:
    found, problems = coupons([" ten ", "Five"], ("input", "couponCodes"))
    assert ([each.code for each in found], problems) == (["TEN", "FIVE"], [])
    _, twice = coupons(["TEN", "ten"], ("input", "couponCodes"))
    assert [(type(each).__name__, each.path) for each in twice] == [
        ("CouponNotApplicable", ("input", "couponCodes", 1))
    ]
    _, many = coupons([f"CODE-{number}" for number in range(6)], ("input", "couponCodes"))
    assert [type(each).__name__ for each in many] == ["TooManyCoupons"]


def test_a_title_is_needed() -> None:
    with pytest.raises(InvalidInput):
        check(replace(a_new_coupon(TEN), title=" "), NOW)
