"""What a plan says that can have no effect: names that nobody has, and rules that others always come before."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from merchantry.domain.plan import Plan, Rule
from merchantry.domain.plan_reader import member

_NOBODY: Final = ""
"""A merchant that no rule names: a slug is never empty."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A rule that no line can come under, by its name, and why."""

    rule: str
    reason: str


def unknown_names(
    plan: Plan,
    *,
    merchants: Collection[str],
    merchant_categories: Collection[str],
    product_categories: Collection[str],
) -> tuple[tuple[str, str], ...]:
    """Names in the plan's rules that are not among those given: pairs of a path into the document and the remedy."""
    found: dict[str, str] = {}
    for rule in plan.rules:
        for path, what, name, known in (
            ("$.merchants", "merchant", rule.merchant, merchants),
            ("$.merchant_categories", "merchant category", rule.merchant_category, merchant_categories),
            (_categories_of(rule), "product category", rule.product_category, product_categories),
        ):
            if name is not None and name not in known:
                found[member(path, name)] = f"name a {what} that exists; {name} does not"
    return tuple(found.items())


def unreachable(
    plan: Plan,
    *,
    merchants: Mapping[str, str | None] | None = None,
    product_categories: Collection[str] | None = None,
) -> tuple[Unreachable, ...]:
    """The rules that can never apply among these merchants (category by slug) and product categories, in the plan's
    order.

    None means that any may exist, and lines without a category too; then only what is certain is told. A rule that is
    told here can begin to apply when a merchant or a category is added.
    """
    kinds = set(_merchant_kinds(plan, merchants))
    categories = set(_categories(plan, product_categories))
    applied = {plan.rule_for(*merchant, category).key for merchant in kinds for category in categories}
    return tuple(
        Unreachable(rule.name, _reason(rule, merchants, product_categories))
        for rule in plan.rules
        if rule.key not in applied
    )


def _merchant_kinds(plan: Plan, merchants: Mapping[str, str | None] | None) -> Iterator[tuple[str, str | None]]:
    """Merchants as the plan tells them apart, by slug and category."""
    named = {rule.merchant for rule in plan.rules if rule.merchant is not None}
    if merchants is not None:
        yield from ((slug if slug in named else _NOBODY, category) for slug, category in merchants.items())
        return
    yield from ((slug, None) for slug in named)
    yield from ((_NOBODY, rule.merchant_category) for rule in plan.rules)


def _categories(plan: Plan, product_categories: Collection[str] | None) -> Iterator[str | None]:
    """Product categories as the plan tells them apart; None is for those that it does not name."""
    named = {rule.product_category for rule in plan.rules if rule.product_category is not None}
    if product_categories is None:
        yield from (None, *named)
    else:
        yield from (category if category in named else None for category in product_categories)


def _reason(rule: Rule, merchants: Mapping[str, str | None] | None, product_categories: Collection[str] | None) -> str:
    if rule.merchant is not None and merchants is not None and rule.merchant not in merchants:
        return f"there is no merchant {rule.merchant}"
    category = rule.product_category
    if category is not None and product_categories is not None and category not in product_categories:
        return f"there is no product category {category}"
    in_category = [slug for slug, named in (merchants or {}).items() if named == rule.merchant_category]
    if rule.merchant_category is not None and not in_category:
        return f"there is no merchant of the category {rule.merchant_category}"
    return "more exact rules apply to every line that it could be for"


def _categories_of(rule: Rule) -> str:
    if rule.merchant is None:
        return "$.product_categories"
    return member(member("$.merchants", rule.merchant), "product_categories")
