"""Who else has part in a line: beneficiaries and the payment provider."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.beneficiary import Beneficiary, BeneficiaryKind, ShareOf, shares
from merchantry.domain.commission import LineToRate, Plan, parse_plan
from merchantry.domain.payment_fee import FeeBearer, PaymentFee, estimated_fees, fee_true_up
from merchantry.domain.split import LineSplit, OrderSplit, divide_order
from merchantry.domain.tax import Remitter, line_tax

PLAN: dict[str, Any] = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1000}}


def a_party(name: str, of: ShareOf, asked: int, *, fixed: bool = False) -> Beneficiary:
    if fixed:
        return Beneficiary(name, BeneficiaryKind.SUPPLIER, of, None, {"BRL": asked})
    return Beneficiary(name, BeneficiaryKind.AFFILIATE, of, asked)


def a_plan(**changes: Any) -> Plan:
    return parse_plan(PLAN | changes)


def a_split(plan: Plan, *goods_minor: int, **changes: Any) -> OrderSplit:
    lines = [LineToRate("acme", None, None, "BRL", 1, goods, 0, **changes) for goods in goods_minor]
    return divide_order(plan, [(UUID(int=number), line) for number, line in enumerate(lines)]).split


def given_to(*parties: Beneficiary, merchant_minor: int = 1_000, commission_minor: int = 100) -> list[int]:
    found = shares(parties, "BRL", merchant_minor=merchant_minor, commission_minor=commission_minor)
    return [share.amount_minor for share in found]


def test_a_share_is_half_up_of_the_part_that_it_is_taken_from() -> None:
    of_both = a_party("a", ShareOf.COMMISSION, 1_250), a_party("b", ShareOf.MERCHANT, 1_250)
    assert given_to(*of_both) == [13, 125]


def test_shares_take_in_their_order_and_never_more_than_is_left() -> None:
    first, second = a_party("a", ShareOf.COMMISSION, 80, fixed=True), a_party("b", ShareOf.COMMISSION, 5_000)
    assert given_to(first, second) == [80, 20]
    assert given_to(second, first) == [50, 50]
    assert given_to(replace(second, name="c", share_bps=5_000), second, commission_minor=101) == [51, 50]


def test_an_amount_in_another_currency_is_not_given() -> None:
    party = a_party("a", ShareOf.MERCHANT, 80, fixed=True)
    assert shares([party], "JPY", merchant_minor=1_000, commission_minor=0)[0].amount_minor == 0


def test_an_affiliate_of_the_commission_costs_the_platform_and_a_supplier_the_merchant() -> None:
    parties = [
        {"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 2_000},
        {"name": "mill", "kind": "supplier", "of": "merchant", "share_bps": 5_000},
    ]
    (line,) = a_split(a_plan(beneficiaries=parties), 10_000).lines
    assert (line.charged_minor, line.commission_minor, line.merchant_minor) == (1_000, 800, 4_500)
    assert [share.amount_minor for share in line.shares] == [200, 4_500]


def test_everybody_takes_in_order_sales_tax_first_and_the_merchant_last() -> None:
    tax = line_tax(11_900, 1900, "DE", inclusive=True, remitted_by=Remitter.PLATFORM)
    plan = a_plan(
        commission_tax_bps=1000,
        payment_fee={"bps": 200, "borne_by": "merchant", "fixed_minor": 30},
        beneficiaries=[{"name": "mill", "kind": "supplier", "of": "merchant", "fixed_minor": 5_000}],
    )
    (line,) = a_split(plan, 11_900, tax=tax).lines
    assert (line.sales_tax_minor, line.commission_minor, line.commission_tax_minor) == (1_900, 1_190, 119)
    assert (line.payment_fee_minor, line.shares_minor, line.merchant_minor) == (268, 5_000, 3_423)


def test_where_the_money_ends_whoever_comes_later_gets_less() -> None:
    tax = line_tax(11_900, 1900, "DE", inclusive=True, remitted_by=Remitter.PLATFORM)
    plan = a_plan(
        default={"rate_bps": 7_500},
        commission_tax_bps=1000,
        payment_fee={"bps": 100, "borne_by": "merchant"},
        beneficiaries=[{"name": "mill", "kind": "supplier", "of": "merchant", "fixed_minor": 5_000}],
    )
    (line,) = a_split(plan, 11_900, tax=tax).lines
    assert (line.sales_tax_minor, line.commission_minor, line.commission_tax_minor) == (1_900, 8_925, 893)
    assert (line.payment_fee_minor, line.shares_minor, line.merchant_minor) == (119, 63, 0)


def test_tax_that_the_merchant_remits_stays_in_the_merchants_part() -> None:
    tax = line_tax(11_900, 1900, "DE", inclusive=True, remitted_by=Remitter.MERCHANT)
    (line,) = a_split(a_plan(), 11_900, tax=tax).lines
    assert (line.sales_tax_minor, line.merchant_minor) == (0, 10_710)


def test_a_subsidised_line_leaves_the_merchant_as_if_undiscounted() -> None:
    plain, subsidised = a_split(a_plan(), 10_000), a_split(a_plan(), 10_000, discount_platform_minor=3_000)
    assert (subsidised.paid_minor, subsidised.subsidy_minor) == (7_000, 3_000)
    assert subsidised.merchant_minor == plain.merchant_minor == 9_000


def test_a_fixed_payment_fee_counts_once_per_order() -> None:
    split = a_split(a_plan(payment_fee={"bps": 290, "fixed_minor": 30, "borne_by": "merchant"}), 5_000, 5_000)
    assert [line.payment_fee_minor for line in split.lines] == [160, 160]
    assert split.platform_fee_minor == 0


def test_a_fee_that_the_platform_bears_is_its_own_expense() -> None:
    split = a_split(a_plan(payment_fee={"bps": 290, "fixed_minor": 30, "borne_by": "platform"}), 10_000)
    assert (split.payment_fee_minor, split.platform_fee_minor, split.merchant_minor) == (0, 320, 9_000)


def test_what_the_line_can_t_bear_of_a_fee_the_platform_bears() -> None:
    plan = a_plan(default={"rate_bps": 10_000}, payment_fee={"bps": 290, "borne_by": "merchant"})
    split = a_split(plan, 10_000)
    assert (split.payment_fee_minor, split.platform_fee_minor, split.merchant_minor) == (0, 290, 0)


def test_lines_with_different_fees_each_bear_their_share_of_their_own() -> None:
    fees = [PaymentFee(0, FeeBearer.MERCHANT, {"BRL": 100}), PaymentFee(0, FeeBearer.MERCHANT, {"BRL": 200}), None]
    assert estimated_fees("BRL", fees, [1_000, 1_000, 2_000]) == [25, 50, 0]
    assert estimated_fees("BRL", fees, [0, 0, 0]) == [0, 0, 0]


@given(st.integers(0, 1_000), st.integers(0, 1_000), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_equal_fees_of_lines_sum_to_the_orders(bps: int, fixed_minor: int, paid_minor: list[int]) -> None:
    fee = PaymentFee(bps, FeeBearer.MERCHANT, {"BRL": fixed_minor})
    estimates = estimated_fees("BRL", [fee] * len(paid_minor), paid_minor)
    total_minor = sum(paid_minor)
    assert sum(estimates) == ((2 * total_minor * bps + 10_000) // 20_000 + fixed_minor if total_minor else 0)


def test_a_fee_true_up_brings_every_line_to_its_share_of_the_actual_fee() -> None:
    assert fee_true_up([160, 160], 350, [5_000, 5_000]) == [15, 15]
    assert fee_true_up([160, 160], 301, [5_000, 5_000]) == [-9, -10]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**9)), min_size=1), st.integers(0, 10**7))
def test_a_fee_true_up_sums_to_actual_less_estimated(lines: list[tuple[int, int]], actual_minor: int) -> None:
    estimated = [estimate for estimate, _ in lines]
    changes = fee_true_up(estimated, actual_minor, [paid for _, paid in lines])
    assert sum(changes) == actual_minor - sum(estimated)


@pytest.mark.parametrize("wrong", ["commission_minor", "sales_tax_minor", "payment_fee_minor", "merchant_minor"])
def test_a_line_whose_parts_do_not_sum_cannot_be_made(wrong: str) -> None:
    (line,) = a_split(a_plan(), 10_000).lines
    with pytest.raises(ValueError, match="together"):
        replace(line, **{wrong: 1})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="version 2"):
        LineSplit.from_document(line.document() | {"version": 2})
