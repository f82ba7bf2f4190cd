"""Commission: what the lines of an order come to under a plan. The plan's own names are here as well, for its users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.line_commission import BaseParts, Bound, LineCommission, base_of
from merchantry.domain.money import BPS, allocate, of_bps
from merchantry.domain.plan import BaseTax, CommissionBase, FixedPer, Plan, Rule, RuleRank, Terms
from merchantry.domain.plan_document import parse_plan, plan_document, plan_from_json
from merchantry.domain.tax import LineTax
from merchantry.domain.tiers import Slice, TrueUp, Volume, counted, crossing, slices, true_up, trued_up

__all__ = [
    "BaseParts",
    "BaseTax",
    "CommissionBase",
    "FixedPer",
    "LineCommission",
    "LineToRate",
    "OrderCommission",
    "Plan",
    "Rule",
    "RuleRank",
    "Terms",
    "commission",
    "commissions",
    "parse_plan",
    "plan_document",
    "plan_from_json",
]


@dataclass(frozen=True, slots=True)
class LineToRate:
    """A line as it was sold: amounts as in `LineAmounts`, in minor units."""

    merchant: str
    merchant_category: str | None
    product_category: str | None
    currency: str
    quantity: int
    goods_minor: int
    shipping_minor: int
    discount_merchant_minor: int = 0
    discount_platform_minor: int = 0
    tax: LineTax | None = None

    @property
    def amounts(self) -> LineAmounts:
        """Its price and what follows from it. Raises ValueError for amounts that can't be."""
        return LineAmounts(
            self.goods_minor,
            self.shipping_minor,
            self.discount_merchant_minor,
            self.discount_platform_minor,
            self.tax,
        )


@dataclass(frozen=True, slots=True)
class OrderCommission:
    """The lines of an order rated, in its order; the volumes after it, and what its crossings change, by rule."""

    lines: tuple[LineCommission, ...]
    volumes: Mapping[str, Volume]
    true_ups: tuple[TrueUp, ...]


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A line's share of a fixed part, and what the part is."""

    per: FixedPer = FixedPer.LINE
    each_minor: int = 0
    amount_minor: int = 0


def commission(plan: Plan, line: LineToRate) -> LineCommission:
    """Rate a line as an order of its own, before any volume. Raises as `commissions` does."""
    return commissions(plan, [line]).lines[0]


def commissions(
    plan: Plan, lines: Sequence[LineToRate], volumes: Mapping[str, Volume] | None = None
) -> OrderCommission:
    """Rate the lines of one merchant's order, one after the other.

    Each: the rate's part half-up (in tiers slice by slice), plus the fixed part, then floor, then cap, never above the
    base, never more than is left of the money for commission and its tax. `volumes` are by the name of the rule, in the
    order's currency and each in its window. Raises ValueError for amounts that can't be, and for lines of several
    merchants or currencies.
    """
    if len({(line.merchant, line.merchant_category, line.currency) for line in lines}) > 1:
        raise ValueError("The lines of an order are of one merchant and one currency")
    rules = [plan.rule_for(line.merchant, line.merchant_category, line.product_category) for line in lines]
    bases = [base_of(rule.terms, line.amounts) for rule, line in zip(rules, lines, strict=True)]
    fixed_parts = _fixed_parts(plan, rules, lines, [base.base_minor for base in bases])
    after = dict(volumes or {})
    rated, true_ups = [], dict[str, TrueUp]()
    for rule, line, base, fixed in zip(rules, lines, bases, fixed_parts, strict=True):
        before = after.get(rule.name, Volume())
        found = _rated(rule, line, base, fixed, before)
        rated.append(found)
        if rule.terms.tiers is not None:
            before = _trued_up(rule, line.currency, before, found.base_minor, true_ups)
            bound = found.bound != "none"
            after[rule.name] = counted(before, found.base_minor, found.rate_part_minor, bound=bound)
    return OrderCommission(tuple(rated), after, tuple(each for each in true_ups.values() if each.amount_minor))


def _rated(rule: Rule, line: LineToRate, base: BaseParts, fixed: _Fixed, before: Volume) -> LineCommission:
    terms, base_minor = rule.terms, base.base_minor
    cuts: tuple[Slice, ...]
    if terms.tiers is None:
        cuts = (Slice(0, base_minor, terms.rate_bps, of_bps(base_minor, terms.rate_bps)),)
    else:
        cuts = slices(terms.tiers, line.currency, before, base_minor)
    rate_part_minor = sum(cut.part_minor for cut in cuts)
    money_minor = line.amounts.gross_minor - line.amounts.platform_tax_minor
    most_minor = _with_tax_within(money_minor, terms.commission_tax_bps)
    bound, commission_minor = _bounded(
        rate_part_minor + fixed.amount_minor, base_minor, most_minor, terms, line.currency
    )
    return LineCommission(
        rule=rule.name,
        base_minor=base_minor,
        rate_bps=cuts[-1].rate_bps,
        rate_part_minor=rate_part_minor,
        fixed_minor=fixed.amount_minor,
        bound=bound,
        commission_minor=commission_minor,
        base=base,
        slices=cuts,
        tier_mode=None if terms.tiers is None else terms.tiers.mode,
        volume_before_minor=0 if terms.tiers is None else before.counted_minor,
        fixed_per=fixed.per,
        fixed_each_minor=fixed.each_minor,
        quantity=line.quantity,
        commission_tax_bps=terms.commission_tax_bps,
        commission_tax_minor=of_bps(commission_minor, terms.commission_tax_bps),
        refund_policy=terms.refund_policy,
    )


def _fixed_parts(
    plan: Plan, rules: Sequence[Rule], lines: Sequence[LineToRate], bases_minor: Sequence[int]
) -> list[_Fixed]:
    """Each line's fixed part. What is per order is shared by base among the lines that it is for: those of its rule, or
    for the plan's own those of all rules without one."""
    parts = []
    sharing: dict[str | None, list[int]] = {}
    for position, (rule, line) in enumerate(zip(rules, lines, strict=True)):
        terms, currency = rule.terms, line.currency
        if currency not in terms.fixed_minor:
            each_minor = plan.order_fixed_minor.get(currency, 0)
            parts.append(_Fixed(FixedPer.ORDER, each_minor) if each_minor else _Fixed())
            sharing.setdefault(None, []).append(position)
            continue
        each_minor = terms.fixed_minor[currency]
        count = line.quantity if terms.fixed_per is FixedPer.UNIT else 1
        parts.append(_Fixed(terms.fixed_per, each_minor, each_minor * count))
        if terms.fixed_per is FixedPer.ORDER:
            sharing.setdefault(rule.name, []).append(position)
    for positions in sharing.values():
        shares = allocate(parts[positions[0]].each_minor, [bases_minor[position] for position in positions])
        for position, share in zip(positions, shares, strict=True):
            parts[position] = replace(parts[position], amount_minor=share)
    return parts


def _trued_up(rule: Rule, currency: str, before: Volume, base_minor: int, true_ups: dict[str, TrueUp]) -> Volume:
    """The volume before a line, after what the line's crossing changes; an order's crossings make one true-up."""
    terms = rule.terms
    rate_bps = None if terms.tiers is None else crossing(terms.tiers, currency, before, base_minor)
    if rate_bps is None:
        return before
    earlier = true_ups.get(rule.name)
    changed_minor = true_up(before.open_base_minor, before.open_part_minor, rate_bps)
    amount_minor = changed_minor + (earlier.amount_minor if earlier else 0)
    true_ups[rule.name] = TrueUp(
        rule=rule.name,
        volume_minor=before.open_base_minor,
        booked_minor=before.open_part_minor - (earlier.amount_minor if earlier else 0),
        rate_bps=rate_bps,
        amount_minor=amount_minor,
        tax_minor=of_bps(amount_minor, terms.commission_tax_bps),
    )
    tax_minor = true_ups[rule.name].tax_minor - (earlier.tax_minor if earlier else 0)
    return trued_up(before, changed_minor, tax_minor)


def _bounded(amount_minor: int, base_minor: int, most_minor: int, terms: Terms, currency: str) -> tuple[Bound, int]:
    bound: Bound = "none"
    floor_minor, cap_minor = terms.floor_minor.get(currency), terms.cap_minor.get(currency)
    if floor_minor is not None and amount_minor < floor_minor:
        bound, amount_minor = "floor", floor_minor
    if cap_minor is not None and amount_minor > cap_minor:
        bound, amount_minor = "cap", cap_minor
    if amount_minor > base_minor:
        bound, amount_minor = "base", base_minor
    if amount_minor > most_minor:
        bound, amount_minor = "money", most_minor
    return bound, amount_minor


def _with_tax_within(money_minor: int, tax_bps: int) -> int:
    """The largest commission that fits into the money together with its tax."""
    most_minor = money_minor * BPS // (BPS + tax_bps)
    # The tax is rounded, so one unit more can fit where it is rounded down.
    one_more = most_minor + 1
    return one_more if one_more + of_bps(one_more, tax_bps) <= money_minor else most_minor
