"""How each kind of review rule decides: a small function of the rule and the figures. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from merchantry.domain.canonical import Json
from merchantry.domain.money import format_minor
from merchantry.domain.review import Facts, Outcome, PriceSeen, Rule, RuleKind, Verdict

WHOLE_BPS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether something is odd, why, and the figures that say so."""

    is_odd: bool
    reason: str
    figures: Mapping[str, Json] = field(default_factory=dict)


def judge(rules: Sequence[Rule], version: int, facts: Facts) -> tuple[Verdict, ...]:
    """The verdict of each rule, in their order."""
    return tuple(_verdict(rule, version, CHECKS[rule.kind](rule, facts)) for rule in rules)


def _verdict(rule: Rule, version: int, found: Finding) -> Verdict:
    outcome = rule.outcome if found.is_odd else Outcome.PASS
    about = (rule.name, rule.title, rule.subject)
    return Verdict(*about, version, outcome, found.reason, found.figures, rule.sla_hours)


def _amount(rule: Rule, facts: Facts) -> Finding:
    limit = rule.parameters.above_minor.get(facts.currency)
    if limit is None:
        return Finding(False, f"The rule says nothing of {facts.currency}.", {"currency": facts.currency})
    figures: dict[str, Json] = {
        "amount_minor": facts.amount_minor,
        "above_minor": limit,
        "currency": facts.currency,
    }
    is_odd = facts.amount_minor > limit
    shown, most = _money(facts.amount_minor, facts.currency), _money(limit, facts.currency)
    return Finding(is_odd, f"{shown} is {'above' if is_odd else 'within'} {most}.", figures)


def _velocity(rule: Rule, facts: Facts) -> Finding:
    of, hours, most = rule.parameters.of, rule.parameters.hours, rule.parameters.more_than
    count = facts.counts.get((of, hours), 0)
    what = "purchases of this buyer" if of == "buyer" else "orders of this merchant"
    figures: dict[str, Json] = {"count": count, "more_than": most, "hours": hours}
    return Finding(count > most, f"{count} {what} within {hours} hours; {most} are usual.", figures)


def _refund_ratio(rule: Rule, facts: Facts) -> Finding:
    days, above = rule.parameters.days, rule.parameters.above_bps
    refunds, sales = facts.given_back.get(days, (0, 0))
    figures: dict[str, Json] = {
        "refunds_minor": refunds,
        "sales_minor": sales,
        "above_bps": above,
        "days": days,
        "currency": facts.currency,
    }
    least = rule.parameters.least_minor.get(facts.currency)
    if least is None or refunds < least:
        return Finding(False, f"{_money(refunds, facts.currency)} refunded within {days} days: little.", figures)
    is_odd = refunds * WHOLE_BPS > sales * above
    said = f"{_money(refunds, facts.currency)} refunded of {_money(sales, facts.currency)} sold within {days} days"
    return Finding(is_odd, f"{said}; up to {_percent(above)} is usual.", figures)


def _new_payee(rule: Rule, facts: Facts) -> Finding:
    days = rule.parameters.days
    if facts.payee_age is None:
        return Finding(False, "It is the first account in this currency.", {"days": days})
    hours = int(facts.payee_age / timedelta(hours=1))
    figures: dict[str, Json] = {"age_hours": hours, "days": days}
    is_odd = facts.payee_age < timedelta(days=days)
    return Finding(is_odd, f"The account took another's place {hours} hours ago; {days} days are asked for.", figures)


def _commission(rule: Rule, facts: Facts) -> Finding:
    above, apart = rule.parameters.above_bps, abs(facts.commission_minor - facts.at_rate_minor)
    figures: dict[str, Json] = {
        "commission_minor": facts.commission_minor,
        "at_rate_minor": facts.at_rate_minor,
        "base_minor": facts.base_minor,
        "above_bps": above,
        "currency": facts.currency,
    }
    charged, at_rate = (_money(each, facts.currency) for each in (facts.commission_minor, facts.at_rate_minor))
    said = f"{charged} commission, {at_rate} at the plan's rates"
    return Finding(apart * WHOLE_BPS > facts.base_minor * above, f"{said}; {_percent(above)} apart is usual.", figures)


def _price(rule: Rule, facts: Facts) -> Finding:
    above, least = rule.parameters.above_bps, rule.parameters.least_sales
    known = [each for each in facts.prices if each.known >= max(least, 1)]
    far = [each for each in known if _distance(each) * WHOLE_BPS > each.known_sum_minor * above]
    figures: dict[str, Json] = {
        "prices": [
            [each.sku, each.unit_price_minor, each.known, each.known_sum_minor] for each in (far or facts.prices)
        ],
        "above_bps": above,
        "currency": facts.currency,
    }
    if far:
        each = far[0]
        usual = _money(each.known_sum_minor // each.known, facts.currency)
        said = (
            f"{each.sku} at {_money(each.unit_price_minor, facts.currency)}, after {each.known} at {usual} on average"
        )
        return Finding(True, f"{said}.", figures)
    return Finding(False, f"{len(known)} of {len(facts.prices)} prices have a history, and none is far.", figures)


def _distance(seen: PriceSeen) -> int:
    """How far a price is from the average of the earlier ones, times their number."""
    return abs(seen.unit_price_minor * seen.known - seen.known_sum_minor)


def _buyer_is_staff(_: Rule, facts: Facts) -> Finding:
    said = "is" if facts.buyer_is_staff else "is not"
    return Finding(facts.buyer_is_staff, f"The buyer {said} of the merchant's staff.", {})


def _sums_differ(_: Rule, facts: Facts) -> Finding:
    figures: dict[str, Json] = {"difference_minor": facts.difference_minor, "currency": facts.currency}
    said = f"The sums differ by {_money(facts.difference_minor, facts.currency)}." if facts.difference_minor else ""
    return Finding(facts.difference_minor != 0, said or "The sums agree.", figures)


CHECKS: Final[Mapping[RuleKind, Callable[[Rule, Facts], Finding]]] = MappingProxyType(
    {
        RuleKind.AMOUNT: _amount,
        RuleKind.VELOCITY: _velocity,
        RuleKind.REFUND_RATIO: _refund_ratio,
        RuleKind.NEW_PAYEE: _new_payee,
        RuleKind.COMMISSION_FAR_FROM_PLAN: _commission,
        RuleKind.PRICE_FAR_FROM_HISTORY: _price,
        RuleKind.BUYER_IS_STAFF: _buyer_is_staff,
        RuleKind.SUMS_DIFFER: _sums_differ,
    }
)


def _money(amount_minor: int, currency: str) -> str:
    return f"{format_minor(amount_minor, currency)} {currency}"


def _percent(bps: int) -> str:
    whole, part = divmod(bps, 100)
    return f"{whole}.{part:02} %"
