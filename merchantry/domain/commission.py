"""Commission: what a line comes to under a plan, and how. The plan's own names are here as well, for its users."""

from dataclasses import dataclass
from typing import Literal

from merchantry.domain.money import of_bps
from merchantry.domain.plan import CommissionBase, Plan, Rule, RuleRank, Terms
from merchantry.domain.plan_document import parse_plan, plan_document, plan_from_json

__all__ = [
    "CommissionBase",
    "LineCommission",
    "LineToRate",
    "Plan",
    "Rule",
    "RuleRank",
    "Terms",
    "commission",
    "parse_plan",
    "plan_document",
    "plan_from_json",
]


@dataclass(frozen=True, slots=True)
class LineToRate:
    """A line as it was paid: its goods after quantity and its share of shipping, in minor units."""

    merchant: str
    merchant_category: str | None
    product_category: str | None
    currency: str
    quantity: int
    goods_minor: int
    shipping_minor: int


@dataclass(frozen=True, slots=True)
class LineCommission:
    """What a line's commission is and how it came about, frozen with the line at capture.

    `bound` is what decided in the end: nothing, the floor, the cap, or the base, which commission never exceeds.
    """

    rule: str
    base_minor: int
    rate_bps: int
    rate_part_minor: int
    fixed_minor: int
    bound: Literal["none", "floor", "cap", "base"]
    commission_minor: int


def commission(plan: Plan, line: LineToRate) -> LineCommission:
    """Rate the line: the rate's part half-up, plus the fixed part, then floor, then cap, never above the base.

    Fixed part, floor and cap count once per line, after quantity. Raises ValueError for amounts below zero.
    """
    if line.goods_minor < 0 or line.shipping_minor < 0:
        raise ValueError("A line to rate has no negative amounts")
    rule = plan.rule_for(line.merchant, line.merchant_category, line.product_category)
    with_shipping = plan.base is CommissionBase.GOODS_AND_SHIPPING
    base_minor = line.goods_minor + (line.shipping_minor if with_shipping else 0)
    rate_part_minor = of_bps(base_minor, rule.terms.rate_bps)
    fixed_minor = rule.terms.fixed_minor.get(line.currency, 0)
    bound, commission_minor = _bounded(rate_part_minor + fixed_minor, base_minor, rule.terms, line.currency)
    return LineCommission(
        rule=rule.name,
        base_minor=base_minor,
        rate_bps=rule.terms.rate_bps,
        rate_part_minor=rate_part_minor,
        fixed_minor=fixed_minor,
        bound=bound,
        commission_minor=commission_minor,
    )


def _bounded(
    amount_minor: int, base_minor: int, terms: Terms, currency: str
) -> tuple[Literal["none", "floor", "cap", "base"], int]:
    bound: Literal["none", "floor", "cap", "base"] = "none"
    floor_minor, cap_minor = terms.floor_minor.get(currency), terms.cap_minor.get(currency)
    if floor_minor is not None and amount_minor < floor_minor:
        bound, amount_minor = "floor", floor_minor
    if cap_minor is not None and amount_minor > cap_minor:
        bound, amount_minor = "cap", cap_minor
    if amount_minor > base_minor:
        bound, amount_minor = "base", base_minor
    return bound, amount_minor
