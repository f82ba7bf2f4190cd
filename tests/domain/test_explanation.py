from typing import Any

import pytest
from hypothesis import given

from merchantry.domain.commission import LineCommission, LineToRate, commissions, parse_plan
from merchantry.domain.explanation import in_words, percent
from merchantry.domain.money import format_minor
from merchantry.domain.tax import Remitter, line_tax
from merchantry.domain.tiers import Volume
from tests.domain.strategies import splits

PLAN: dict[str, Any] = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1200}}
TIERS = {
    "mode": "marginal",
    "window": "settlement_period",
    "refunds_lower_volume": False,
    "steps": [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": 10_000_000, "rate_bps": 800}],
}
TAX = line_tax(9_000, 1900, "DE", inclusive=True, remitted_by=Remitter.MERCHANT)


@pytest.mark.parametrize(
    ("changes", "sold", "words"),
    [
        ({}, {}, "12.00 % of 345.00 BRL = 41.40, rounded half up: 41.40 BRL by rule default"),
        (
            {"cap_minor": 4_000, "fixed_minor": 10, "fixed_per": "unit"},
            {"quantity": 3},
            "12.00 % of 345.00 BRL = 41.40, rounded half up + fixed 0.30 (3 units of 0.10), lowered to the cap: "
            "40.00 BRL by rule default",
        ),
        (
            {"fixed_minor": 10, "fixed_per": "order", "commission_tax_bps": 1900},
            {},
            "12.00 % of 345.00 BRL = 41.40, rounded half up + fixed 0.10 (of 0.10 per order): 41.50 BRL by rule "
            "default; 19.00 % tax on it: 7.89",
        ),
        (
            {"base_tax": "net", "base": "goods_and_shipping"},
            {"goods_minor": 10_000, "shipping_minor": 500, "discount_merchant_minor": 1_000, "tax": TAX},
            "goods 100.00 - merchant's discount 10.00 + shipping 5.00 - sales tax 14.37 = 80.63; 12.00 % of 80.63 BRL "
            "= 9.68, rounded half up: 9.68 BRL by rule default",
        ),
        (
            {"default": {"tiers": TIERS}},
            {"goods_minor": 300_000},
            "10.00 % of 1000.00 BRL = 100.00 + 8.00 % of 2000.00 BRL = 160.00 (marginal tiers after 99000.00), each "
            "rounded half up: 260.00 BRL by rule default",
        ),
    ],
)
def test_the_way_to_a_commission_is_told_in_words(changes: dict[str, Any], sold: dict[str, Any], words: str) -> None:
    facts: dict[str, Any] = {"currency": "BRL", "quantity": 1, "goods_minor": 34_500, "shipping_minor": 0}
    line = LineToRate("acme", None, None, **facts | sold)
    (rated,) = commissions(parse_plan(PLAN | changes), [line], {"default": Volume(9_900_000)}).lines
    assert in_words(rated, "BRL") == words


def test_a_line_frozen_without_its_parts_is_explained_as_far_as_it_is_known() -> None:
    rated = LineCommission("default", 34_500, 1200, 4_140, 50, "floor", 5_000)
    assert in_words(rated, "BRL") == (
        "12.00 % of 345.00 BRL = 41.40, rounded half up + fixed 0.50, raised to the floor: 50.00 BRL by rule default"
    )


def test_basis_points_are_percent_with_two_digits() -> None:
    assert [percent(bps) for bps in (0, 5, 1250, 10_000)] == ["0.00 %", "0.05 %", "12.50 %", "100.00 %"]


@given(splits())
def test_every_line_is_explained_and_ends_with_its_commission(split: Any) -> None:
    for line in split.lines:
        words = in_words(line.commission, split.currency)
        assert f": {format_minor(line.charged_minor, split.currency)} {split.currency} by rule" in words
