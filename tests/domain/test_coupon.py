"""Coupons: who may use them, what they take off which line, and who pays for it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.coupon import (
    Coupon,
    CouponKind,
    CouponLine,
    CouponStatus,
    CouponTerms,
    LineDiscount,
    Redeemed,
    apply,
    changed,
    redeem,
)
from merchantry.domain.errors import CouponEnded, CouponNotApplicable
from merchantry.domain.money import BPS

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
FIRST, SECOND, THIRD = (UUID(int=number) for number in (1, 2, 3))
COUPON = UUID(int=9)


def a_coupon(merchant_id: UUID | None = None, status: CouponStatus = CouponStatus.ACTIVE, **terms: Any) -> Coupon:
    """Ten per cent of everything at the platform's expense, changed by ``terms``."""
    usual: dict[str, Any] = {"kind": CouponKind.PERCENT, "percent_bps": 1000, "starts_at": NOW}
    uses = terms.pop("uses", 0)
    return Coupon(COUPON, merchant_id, "TEN", "Ten", status, CouponTerms(**{**usual, **terms}), uses)


def an_amount(amount_minor: int, **terms: Any) -> Coupon:
    """So much off."""
    return a_coupon(kind=CouponKind.AMOUNT, percent_bps=0, amount_minor={"BRL": amount_minor}, **terms)


def lines_of(*goods: int) -> list[CouponLine]:
    """A line of each of three merchants, and over again."""
    return [CouponLine((FIRST, SECOND, THIRD)[at % 3], minor) for at, minor in enumerate(goods)]


def totals(found: list[LineDiscount]) -> list[int]:
    return [each.total_minor for each in found]


def test_a_percentage_over_three_merchants_is_reckoned_once_and_divided_exactly() -> None:
    found = apply(a_coupon(merchant_share_bps=5000), lines_of(3333, 3333, 3339), "BRL")
    assert totals(found) == [334, 333, 334]
    assert sum(each.platform_minor for each in found) == 501  # half of 1001, half-up; the merchants have the rest
    assert sum(each.merchant_minor for each in found) == 500


def test_an_amount_is_divided_by_goods_and_never_more_than_they_are() -> None:
    assert totals(apply(an_amount(1000), lines_of(100, 200, 300), "BRL")) == [100, 200, 300]
    assert totals(apply(an_amount(100), lines_of(1, 1, 1), "BRL")) == [1, 1, 1]
    assert totals(apply(an_amount(100), lines_of(5000, 2500, 2500), "BRL")) == [50, 25, 25]


def test_the_most_it_takes_off_and_the_least_that_goods_come_to() -> None:
    coupon = a_coupon(most_minor={"BRL": 50}, minimum_minor={"BRL": 1000})
    assert sum(totals(apply(coupon, lines_of(600, 400), "BRL"))) == 50
    with pytest.raises(CouponNotApplicable, match=r"10\.00 BRL at least"):
        apply(coupon, lines_of(600, 399), "BRL")


@pytest.mark.parametrize("terms", [{"most_minor": {"BRL": 50}}, {"minimum_minor": {"BRL": 50}}])
def test_a_limit_stated_in_one_currency_is_not_escaped_in_another(terms: dict[str, Any]) -> None:
    with pytest.raises(CouponNotApplicable, match="not for purchases in EUR"):
        apply(a_coupon(**terms), lines_of(1000), "EUR")


def test_only_lines_that_fit_in_every_way_are_lowered() -> None:
    product = UUID(int=70)
    lines = [
        CouponLine(FIRST, 1000, product, "toys"),
        CouponLine(FIRST, 1000, product, "books"),
        CouponLine(FIRST, 1000, UUID(int=71), "toys"),
        CouponLine(SECOND, 1000, product, "toys"),
    ]
    coupon = a_coupon(
        merchants=frozenset({FIRST}), categories=frozenset({"toys"}), products=frozenset({product}), percent_bps=5000
    )
    assert totals(apply(coupon, lines, "BRL")) == [500, 0, 0, 0]
    with pytest.raises(CouponNotApplicable, match="other goods"):
        apply(coupon, lines[1:], "BRL")


def given_codes(*coupons: Coupon | None, uses: int = 0) -> list[Redeemed]:
    return [Redeemed("TEN", each, uses, ("input", "couponCodes", at)) for at, each in enumerate(coupons)]


def test_several_coupons_apply_in_their_order_each_on_what_is_left() -> None:
    half, five = a_coupon(percent_bps=5000), an_amount(500)
    first, _ = redeem(given_codes(half, five), lines_of(1000, 1000), "BRL", NOW)
    other, _ = redeem(given_codes(five, half), lines_of(1000, 1000), "BRL", NOW)
    assert [each.discount_minor for each in first.coupons] == [1000, 500]
    assert [each.discount_minor for each in other.coupons] == [500, 750]
    assert [totals(list(each.lines)) for each in (first, other)] == [[750, 750], [625, 625]]


def test_a_coupon_that_finds_nothing_left_is_not_used() -> None:
    found, problems = redeem(given_codes(a_coupon(percent_bps=BPS), an_amount(1)), lines_of(1000), "BRL", NOW)
    assert [each.coupon.terms.kind for each in found.coupons] == [CouponKind.PERCENT]
    assert [type(each).__name__ for each in problems] == ["CouponNotApplicable"]
    assert problems[0].path == ("input", "couponCodes", 1)


@pytest.mark.parametrize(
    ("coupon", "at", "uses", "problem"),
    [
        pytest.param(None, NOW, 0, "CouponUnknown", id="none"),
        pytest.param(a_coupon(starts_at=NOW + timedelta(seconds=1)), NOW, 0, "CouponUnknown", id="not begun"),
        pytest.param(a_coupon(THIRD), NOW, 0, "CouponUnknown", id="of a merchant that is not in the cart"),
        pytest.param(a_coupon(THIRD, CouponStatus.ENDED), NOW, 0, "CouponUnknown", id="ended, of such a merchant"),
        pytest.param(a_coupon(status=CouponStatus.PAUSED), NOW, 0, "CouponNotApplicable", id="paused"),
        pytest.param(a_coupon(status=CouponStatus.ENDED), NOW, 0, "CouponNotApplicable", id="ended"),
        pytest.param(
            a_coupon(ends_at=NOW + timedelta(days=1)), NOW + timedelta(days=1), 0, "CouponNotApplicable", id="over"
        ),
        pytest.param(a_coupon(most_uses=3, uses=3), NOW, 0, "CouponUsedUp", id="used up"),
        pytest.param(a_coupon(most_uses_per_buyer=2), NOW, 2, "CouponUsedUp", id="used up by the buyer"),
        pytest.param(a_coupon(most_uses=3, uses=2, most_uses_per_buyer=2), NOW, 1, None, id="the last use"),
        pytest.param(a_coupon(FIRST), NOW, 0, None, id="of a merchant in the cart"),
        pytest.param(a_coupon(ends_at=NOW + timedelta(seconds=1)), NOW, 0, None, id="about to end"),
    ],
)
def test_a_coupon_can_be_used_or_says_why_not(
    coupon: Coupon | None, at: datetime, uses: int, problem: str | None
) -> None:
    _, problems = redeem(given_codes(coupon, uses=uses), lines_of(1000, 1000), "BRL", at)
    assert [type(each).__name__ for each in problems] == ([problem] if problem else [])


def test_an_ended_coupon_stays_so() -> None:
    paused = changed(a_coupon(), CouponStatus.PAUSED)
    assert changed(changed(paused, CouponStatus.ACTIVE), CouponStatus.ENDED).status is CouponStatus.ENDED
    with pytest.raises(CouponEnded):
        changed(a_coupon(status=CouponStatus.ENDED), CouponStatus.ACTIVE)


GOODS = st.lists(st.integers(0, 10**9), min_size=1, max_size=12)


@st.composite
def coupons(draw: st.DrawFn) -> Coupon:
    """Any platform's coupon that BRL can be paid with."""
    share = draw(st.integers(0, BPS))
    most = draw(st.none() | st.integers(1, 10**9))
    limits: dict[str, Any] = {"merchant_share_bps": share, "most_minor": {"BRL": most} if most else None}
    if draw(st.booleans()):
        return a_coupon(percent_bps=draw(st.integers(1, BPS)), **limits)
    return an_amount(draw(st.integers(1, 10**9)), **limits)


@given(GOODS, st.lists(coupons(), min_size=1, max_size=5))
def test_what_coupons_take_off_adds_up_and_no_line_falls_below_nothing(goods: list[int], several: list[Coupon]) -> None:
    found, _ = redeem(given_codes(*several), lines_of(*goods), "BRL", NOW)
    assert sum(totals(list(found.lines))) == sum(each.discount_minor for each in found.coupons)
    for line, goods_minor in zip(found.lines, goods, strict=True):
        assert min(line.merchant_minor, line.platform_minor) >= 0
        assert line.total_minor <= goods_minor


@given(GOODS, coupons(), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_neither_a_coupons_total_nor_who_pays_it(
    goods: list[int], coupon: Coupon, chance: Any
) -> None:
    shuffled = chance.sample(goods, len(goods))
    first, other = (redeem(given_codes(coupon), lines_of(*each), "BRL", NOW)[0] for each in (goods, shuffled))
    for part in ("total_minor", "merchant_minor", "platform_minor"):
        assert sum(getattr(line, part) for line in first.lines) == sum(getattr(line, part) for line in other.lines)


@given(GOODS, coupons())
def test_a_coupon_that_one_party_funds_costs_the_other_nothing(goods: list[int], coupon: Coupon) -> None:
    for share, unpaid in ((0, "merchant_minor"), (BPS, "platform_minor")):
        funded = replace(coupon, terms=replace(coupon.terms, merchant_share_bps=share))
        found, _ = redeem(given_codes(funded), lines_of(*goods), "BRL", NOW)
        assert {getattr(line, unpaid) for line in found.lines} == {0}
