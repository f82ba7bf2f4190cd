from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.beneficiary import ShareOf
from merchantry.domain.commission import LineToRate, parse_plan
from merchantry.domain.money import of_bps
from merchantry.domain.refund_policy import ReturnKind
from merchantry.domain.reversal import Refunded, Reversal, reverse, reversed_so_far
from merchantry.domain.split import LineSplit, OrderSplit, divide_order
from merchantry.domain.tax import Remitter, line_tax
from tests.domain.strategies import splits

PLAN: dict[str, Any] = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1250}}
PARTIES = ("merchant_minor", "commission_minor", "commission_tax_minor", "payment_fee_minor", "sales_tax_minor")


def a_split_line(goods_minor: int = 9_999, shipping_minor: int = 0, *, sold: Any = None, **changes: Any) -> LineSplit:
    line = LineToRate("acme", None, None, "BRL", 1, goods_minor, shipping_minor, **(sold or {}))
    return divide_order(parse_plan(PLAN | changes), [(UUID(int=1), line)]).split.lines[0]


def in_steps(line: LineSplit, *refunds: Refunded) -> list[Reversal]:
    found, before = [], Refunded()
    for refund in refunds:
        found.append(reverse("BRL", line, before, refund))
        before += refund
    return found


def all_of(line: LineSplit) -> Refunded:
    return Refunded(line.amounts.paid_goods_minor, line.amounts.paid_shipping_minor)


def test_three_refunds_of_33_33_on_99_99_return_12_5_percent_to_the_unit() -> None:
    line = a_split_line()
    assert (line.commission_minor, line.merchant_minor) == (1_250, 8_749)
    steps = in_steps(line, *[Refunded(3_333)] * 3)
    assert [step.commission_minor for step in steps] == [417, 416, 417]
    assert [step.merchant_minor for step in steps] == [2_916, 2_917, 2_916]
    assert [step.refund_minor for step in steps] == [3_333] * 3


@pytest.mark.parametrize(
    ("policy", "commission_minor", "tax_minor", "fee_minor", "merchant_minor"),
    [
        ({"refund_policy": "full"}, 550, 110, 130, 4_210),
        ({"refund_policy": "proportional"}, 550, 110, 0, 4_340),
        ({"refund_policy": "keep_fixed"}, 500, 100, 0, 4_400),
        ({"refund_policy": "minus_administration_fee", "administration_fee": {"bps": 2_000}}, 440, 88, 0, 4_472),
        (
            {"refund_policy": "minus_administration_fee", "administration_fee": {"bps": 2_000, "cap_minor": 60}},
            490,
            98,
            0,
            4_412,
        ),
    ],
)
def test_half_a_line_returns_what_its_policy_says(
    policy: dict[str, Any], commission_minor: int, tax_minor: int, fee_minor: int, merchant_minor: int
) -> None:
    line = a_split_line(
        10_000,
        default={"rate_bps": 1000, "fixed_minor": 100},
        commission_tax_bps=2_000,
        payment_fee={"bps": 230, "fixed_minor": 30, "borne_by": "merchant"},
        **policy,
    )
    assert (line.commission_minor, line.commission_tax_minor, line.payment_fee_minor) == (1_100, 220, 260)
    (half,) = in_steps(line, Refunded(5_000))
    assert (half.commission_minor, half.commission_tax_minor, half.payment_fee_minor) == (
        commission_minor,
        tax_minor,
        fee_minor,
    )
    assert half.merchant_minor == merchant_minor == 5_000 - commission_minor - tax_minor - fee_minor


def test_a_merchant_bears_what_a_policy_retains() -> None:
    line = a_split_line(1_000, default={"rate_bps": 9_000, "fixed_minor": 90}, refund_policy="keep_fixed")
    (whole,) = in_steps(line, Refunded(1_000))
    assert (line.merchant_minor, whole.merchant_minor, whole.commission_minor) == (10, 100, 900)


def test_an_administration_fee_has_its_cap_over_all_refunds_of_a_line() -> None:
    fee = {"bps": 10_000, "cap_minor": 100}
    line = a_split_line(10_000, refund_policy="minus_administration_fee", administration_fee=fee)
    steps = in_steps(line, *[Refunded(500)] * 20)
    assert [step.commission_minor for step in steps[:3]] == [0, 25, 63]
    assert sum(step.commission_minor for step in steps) == 1_250 - 100


def test_shipping_refunded_alone_returns_no_commission_on_goods() -> None:
    line = a_split_line(10_000, 1_000)
    shipping, goods = in_steps(line, Refunded(0, 1_000), Refunded(10_000))
    assert (shipping.commission_minor, shipping.merchant_minor) == (0, 1_000)
    assert (goods.commission_minor, goods.merchant_minor) == (1_250, 8_750)
    with_shipping = a_split_line(10_000, 1_000, base="goods_and_shipping")
    assert in_steps(with_shipping, Refunded(0, 1_000))[0].commission_minor == 125


def test_sales_tax_goes_back_by_what_was_taxed() -> None:
    tax = line_tax(10_000, 1900, "DE", inclusive=False, remitted_by=Remitter.PLATFORM)
    line = a_split_line(10_000, 1_000, sold={"tax": tax})
    shipping, goods = in_steps(line, Refunded(0, 1_000), Refunded(11_900))
    assert (shipping.sales_tax_minor, goods.sales_tax_minor) == (0, 1_900)


def test_a_subsidy_goes_back_to_the_platform_with_the_goods() -> None:
    line = a_split_line(10_000, sold={"discount_platform_minor": 4_000})
    first, last = in_steps(line, Refunded(2_000), Refunded(4_000))
    assert (first.subsidy_minor, last.subsidy_minor) == (1_333, 2_667)
    assert first.merchant_minor + last.merchant_minor == line.merchant_minor


def test_a_line_for_which_nothing_was_paid_is_reversed_whole() -> None:
    line = a_split_line(10_000, sold={"discount_platform_minor": 10_000})
    (whole,) = in_steps(line, Refunded())
    assert (whole.refund_minor, whole.subsidy_minor) == (0, 10_000)
    assert (whole.commission_minor, whole.merchant_minor) == (1_250, 8_750)


def test_shares_go_back_with_the_part_that_they_were_taken_from() -> None:
    parties = [
        {"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 2_000},
        {"name": "mill", "kind": "supplier", "of": "merchant", "share_bps": 5_000},
    ]
    line = a_split_line(10_000, beneficiaries=parties)
    (half,) = in_steps(line, Refunded(5_000))
    assert [share.amount_minor for share in half.shares] == [125, 2_188]
    assert (half.returned_minor, half.commission_minor, half.merchant_minor) == (625, 500, 2_187)


def test_no_more_is_refunded_than_was_paid() -> None:
    line = a_split_line(10_000, 1_000)
    for refund in (Refunded(10_001), Refunded(0, 1_001)):
        with pytest.raises(ValueError, match="No more can be refunded"):
            reverse("BRL", line, Refunded(), refund)
    with pytest.raises(ValueError, match="negative"):
        Refunded(-1)


def test_a_reversal_whose_parts_do_not_sum_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="together"):
        Reversal(100, 0, 99, 0, 0, 0, 0, (), 100, 0)


@st.composite
def refunds(draw: st.DrawFn, line: LineSplit) -> list[Refunded]:
    """Refunds of any sizes that make up the whole line."""
    whole = all_of(line)
    count = draw(st.integers(1, 6))

    def cut(total_minor: int) -> list[int]:
        marks = sorted(draw(st.lists(st.integers(0, total_minor), min_size=count - 1, max_size=count - 1)))
        return [end - start for start, end in zip([0, *marks], [*marks, total_minor], strict=True)]

    goods, shipping = cut(whole.goods_minor), cut(whole.shipping_minor)
    return [Refunded(*pair) for pair in zip(goods, shipping, strict=True)]


@given(splits(), st.data())
def test_any_refunds_of_a_whole_line_sum_to_what_one_would_take_back(split: OrderSplit, data: st.DataObject) -> None:
    for line in (line for line in split.lines if line.paid_minor):
        steps, before = [], Refunded()
        for refund in data.draw(refunds(line)):
            steps.append(reverse(split.currency, line, before, refund))
            before += refund
        whole = reversed_so_far(split.currency, line, all_of(line))
        for name in (*PARTIES, "refund_minor", "subsidy_minor", "base_minor", "rate_part_minor"):
            assert sum(getattr(step, name) for step in steps) == getattr(whole, name)
        for position, share in enumerate(whole.shares):
            assert sum(step.shares[position].amount_minor for step in steps) == share.amount_minor


@given(splits())
def test_a_whole_refund_closes_every_party_to_nothing_or_to_what_its_policy_retains(split: OrderSplit) -> None:
    for line in split.lines:
        whole = reversed_so_far(split.currency, line, all_of(line))
        policy, charged_minor = line.commission.refund_policy, line.charged_minor
        kept_minor = {
            ReturnKind.FULL: 0,
            ReturnKind.PROPORTIONAL: 0,
            ReturnKind.KEEP_FIXED: min(line.commission.fixed_minor, charged_minor),
            ReturnKind.MINUS_ADMINISTRATION_FEE: min(
                of_bps(charged_minor, policy.fee_bps), policy.fee_cap_minor.get(split.currency, charged_minor)
            ),
        }[policy.kind]
        fee_minor = 0 if policy.kind is ReturnKind.FULL else line.payment_fee_minor
        assert whole.returned_minor == charged_minor - kept_minor
        assert whole.payment_fee_minor == line.payment_fee_minor - fee_minor
        assert whole.sales_tax_minor == line.sales_tax_minor
        assert whole.subsidy_minor == line.subsidy_minor
        kept_tax_minor = line.commission_tax_minor - whole.commission_tax_minor
        assert 0 <= kept_tax_minor <= line.commission_tax_minor
        assert kept_minor or not kept_tax_minor
        assert whole.merchant_minor == line.merchant_minor + kept_minor + kept_tax_minor + fee_minor
        assert whole.base_minor == line.commission.base_minor
        for share, back in zip(line.shares, whole.shares, strict=True):
            assert back.amount_minor <= share.amount_minor
            assert back == share or (kept_minor and share.of is ShareOf.COMMISSION)


@given(splits(), st.data())
def test_no_part_but_the_merchants_is_taken_back_beyond_what_is_left(split: OrderSplit, data: st.DataObject) -> None:
    for line in (line for line in split.lines if line.paid_minor):
        before = Refunded()
        one_at_most = sum(share.of is ShareOf.COMMISSION for share in line.shares) < 2
        for refund in data.draw(refunds(line)):
            step = reverse(split.currency, line, before, refund)
            assert step.refund_minor == refund.total_minor
            assert min(step.subsidy_minor, step.commission_tax_minor, step.payment_fee_minor, step.sales_tax_minor) >= 0
            assert all(share.amount_minor >= 0 for share in step.shares)
            assert step.returned_minor >= 0
            assert step.commission_minor >= 0 or not one_at_most
            before += refund
