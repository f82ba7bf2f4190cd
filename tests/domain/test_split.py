import json
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.commission import LineCommission
from merchantry.domain.line_split import Parts
from merchantry.domain.split import LineSplit, LineToSplit, OrderSplit, allocate_shipping, split_order
from tests.domain.strategies import splits

COMMISSION = LineCommission(
    rule="default",
    base_minor=1_000,
    rate_bps=1200,
    rate_part_minor=120,
    fixed_minor=0,
    bound="none",
    commission_minor=120,
)


def a_line(number: int, goods_minor: int, shipping_minor: int, commission_minor: int) -> LineToSplit:
    rated = replace(COMMISSION, base_minor=goods_minor, commission_minor=commission_minor)
    return LineToSplit(UUID(int=number), goods_minor, shipping_minor, rated)


def test_the_merchant_gets_what_the_commission_leaves() -> None:
    split = split_order("BRL", [a_line(1, 1_000, 34, 120), a_line(2, 500, 33, 60)])
    assert (split.gross_minor, split.goods_minor, split.shipping_minor) == (1_567, 1_500, 67)
    assert (split.commission_minor, split.merchant_minor) == (180, 1_387)
    assert [(line.gross_minor, line.merchant_minor) for line in split.lines] == [(1_034, 914), (533, 473)]


def test_a_free_order_splits_into_nothing() -> None:
    split = split_order("JPY", [a_line(1, 0, 0, 0)])
    assert (split.gross_minor, split.merchant_minor, split.commission_minor) == (0, 0, 0)


def test_more_commission_than_money_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        split_order("BRL", [a_line(1, 100, 0, 101)])


def test_an_order_without_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one line"):
        split_order("BRL", [])


@pytest.mark.parametrize("wrong", [{"merchant_minor": 881}, {"gross_minor": 1_001}, {"commission_minor": 121}])
def test_a_split_whose_parts_do_not_sum_cannot_be_made(wrong: dict[str, int]) -> None:
    split = split_order("BRL", [a_line(1, 1_000, 0, 120)])
    with pytest.raises(ValueError, match="together"):
        replace(split, **wrong)  # type: ignore[arg-type]


def test_a_split_that_is_not_its_lines_sum_cannot_be_made() -> None:
    split = split_order("BRL", [a_line(1, 1_000, 0, 120)])
    with pytest.raises(ValueError, match="sum of its lines"):
        replace(split, lines=split.lines * 2)


@given(splits())
def test_what_was_paid_and_subsidised_is_what_all_parties_get(split: OrderSplit) -> None:
    everything: list[Parts] = [split, *split.lines]
    for part in everything:
        parties = (
            part.merchant_minor,
            part.commission_minor,
            part.commission_tax_minor,
            part.payment_fee_minor,
            part.sales_tax_minor,
            part.shares_minor,
        )
        assert part.paid_minor + part.subsidy_minor == part.gross_minor == sum(parties)
        assert min(*parties, part.paid_minor, part.subsidy_minor) >= 0
    assert sum(line.merchant_minor for line in split.lines) == split.merchant_minor
    assert sum(line.charged_minor for line in split.lines) == split.charged_minor


@given(splits())
def test_a_lines_split_written_and_read_again_is_the_same(split: OrderSplit) -> None:
    for line in split.lines:
        written = json.dumps(line.document(), allow_nan=False)
        assert LineSplit.from_document(json.loads(written, parse_float=pytest.fail)) == line
        assert line.amounts.gross_minor == line.gross_minor
        assert line.amounts.paid_minor == line.paid_minor


def test_shipping_is_shared_by_the_worth_of_goods() -> None:
    assert allocate_shipping(100, [1_000, 1_000, 1_000]) == [34, 33, 33]
    assert allocate_shipping(100, [3_000, 0, 1_000]) == [75, 0, 25]
    assert allocate_shipping(101, [0, 0]) == [51, 50]


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**12), min_size=1))
def test_the_lines_shares_of_shipping_sum_to_it(shipping_minor: int, goods_minor: list[int]) -> None:
    assert sum(allocate_shipping(shipping_minor, goods_minor)) == shipping_minor
