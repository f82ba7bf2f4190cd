"""What a line comes to beyond its rate: the base's parts, the fixed part's count, tax on the commission."""

import json
from typing import Any

import pytest
from hypothesis import given

from merchantry.domain.commission import LineCommission, LineToRate, Plan, commission, commissions, parse_plan
from merchantry.domain.line_commission import BaseParts
from merchantry.domain.money import of_bps
from merchantry.domain.tax import Remitter, line_tax
from tests.domain.strategies import full_plan_documents, sold_orders

PLAN: dict[str, Any] = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1000}}


def a_plan(**changes: Any) -> Plan:
    return parse_plan(PLAN | changes)


def a_line(goods_minor: int = 11_900, **changes: Any) -> LineToRate:
    facts: dict[str, Any] = {
        "merchant": "acme",
        "merchant_category": None,
        "product_category": None,
        "currency": "BRL",
        "quantity": 1,
        "goods_minor": goods_minor,
        "shipping_minor": 1_190,
    }
    taxed = changes.pop("taxed", None)
    line = LineToRate(**facts | changes)
    if taxed is None:
        return line
    covers_shipping = taxed.get("covers_shipping", False)
    tax = line_tax(
        line.amounts.taxable_minor(covers_shipping),
        1900,
        "DE",
        inclusive=taxed["inclusive"],
        remitted_by=Remitter.PLATFORM,
        covers_shipping=covers_shipping,
    )
    return LineToRate(**facts | changes, tax=tax)


INCLUSIVE = {"inclusive": True, "covers_shipping": True}
ADDED = {"inclusive": False, "covers_shipping": True}


@pytest.mark.parametrize(
    ("base", "base_tax", "taxed", "base_minor"),
    [
        ("goods", "gross", INCLUSIVE, 11_900),
        ("goods", "net", INCLUSIVE, 10_000),
        ("goods_and_shipping", "gross", INCLUSIVE, 13_090),
        ("goods_and_shipping", "net", INCLUSIVE, 11_000),
        ("goods", "gross", ADDED, 11_900 + 2_261),
        ("goods", "net", ADDED, 11_900),
        ("goods_and_shipping", "gross", ADDED, 13_090 + 2_487),
        ("goods_and_shipping", "net", ADDED, 13_090),
        ("goods_and_shipping", "net", {"inclusive": True}, 11_190),
        ("goods", "net", None, 11_900),
    ],
)
def test_the_base_is_with_or_without_tax_however_the_price_is_shown(
    base: str, base_tax: str, taxed: dict[str, bool] | None, base_minor: int
) -> None:
    rated = commission(a_plan(base=base, base_tax=base_tax), a_line(taxed=taxed))
    assert (rated.base_minor, rated.commission_minor) == (base_minor, of_bps(base_minor, 1000))
    assert rated.base is not None
    assert rated.base.base_minor == base_minor


def test_a_merchants_discount_lowers_the_base_and_a_platforms_does_not() -> None:
    by_merchant = commission(a_plan(), a_line(10_000, discount_merchant_minor=1_000))
    by_platform = commission(a_plan(), a_line(10_000, discount_platform_minor=1_000))
    shared = commission(a_plan(), a_line(10_000, discount_merchant_minor=250, discount_platform_minor=750))
    assert [rated.commission_minor for rated in (by_merchant, by_platform, shared)] == [900, 1_000, 975]
    assert shared.base == BaseParts(10_000, 250, 0, 0, 0)


def test_a_rule_may_have_a_base_of_its_own() -> None:
    plan = a_plan(product_categories={"heavy": {"rate_bps": 1000, "base": "goods_and_shipping"}})
    assert commission(plan, a_line(10_000)).base_minor == 10_000
    assert commission(plan, a_line(10_000, product_category="heavy")).base_minor == 11_190


@pytest.mark.parametrize(("per", "fixed_minor"), [("line", 40), ("unit", 120), ("order", 40)])
def test_the_fixed_part_counts_per_line_unit_or_order(per: str, fixed_minor: int) -> None:
    rated = commission(a_plan(fixed_minor=40, fixed_per=per), a_line(10_000, quantity=3))
    assert (rated.fixed_minor, rated.fixed_per, rated.fixed_each_minor) == (fixed_minor, per, 40)
    assert rated.commission_minor == 1_000 + fixed_minor


def test_a_fixed_part_per_order_counts_once_and_is_shared_by_base() -> None:
    plan = a_plan(default={"rate_bps": 0, "fixed_minor": 100, "fixed_per": "order"})
    found = commissions(plan, [a_line(1_000), a_line(1_000), a_line(1_000)])
    assert [line.fixed_minor for line in found.lines] == [34, 33, 33]


def test_a_plans_fixed_part_per_order_counts_once_whatever_rules_its_lines_are_under() -> None:
    plan = a_plan(
        fixed_minor={"BRL": 100, "JPY": 7},
        fixed_per="order",
        product_categories={
            "books": {"rate_bps": 500},
            "toys": {"rate_bps": 500, "fixed_minor": 30},
            "cars": {"rate_bps": 0, "fixed_minor": 9, "fixed_per": "line"},
        },
    )
    categories = (None, "books", "toys", "toys", "cars")
    found = commissions(plan, [a_line(1_000, product_category=category) for category in categories])
    assert [line.fixed_minor for line in found.lines] == [50, 50, 15, 15, 9]
    yen = commission(plan, a_line(1_000, product_category="toys", currency="JPY"))
    assert (yen.fixed_minor, yen.fixed_per) == (7, "order")


def test_tax_on_the_commission_is_half_up_of_the_bounded_commission() -> None:
    rated = commission(a_plan(commission_tax_bps=1900, cap_minor=50), a_line(10_000))
    assert (rated.commission_minor, rated.commission_tax_minor) == (50, 10)


def test_commission_and_its_tax_never_exceed_what_sales_tax_leaves() -> None:
    plan = a_plan(default={"rate_bps": 10_000}, commission_tax_bps=1900)
    rated = commission(plan, a_line(11_900, shipping_minor=0, taxed={"inclusive": True}))
    assert (rated.bound, rated.commission_minor, rated.commission_tax_minor) == ("money", 8_403, 1_597)
    rounded_down = commission(
        a_plan(default={"rate_bps": 10_000}, commission_tax_bps=400), a_line(10, shipping_minor=0)
    )
    assert (rounded_down.commission_minor, rounded_down.commission_tax_minor) == (10, 0)


def test_the_lines_of_an_order_are_of_one_merchant_and_currency() -> None:
    with pytest.raises(ValueError, match="one merchant and one currency"):
        commissions(a_plan(), [a_line(), a_line(currency="JPY")])


@given(full_plan_documents(), sold_orders())
def test_a_commission_is_within_floor_cap_base_and_money(document: Any, order: Any) -> None:
    plan = parse_plan(document)
    lines = [line for _, line in order]
    for line, rated in zip(lines, commissions(plan, lines).lines, strict=True):
        terms = plan.rule_for(line.merchant, line.merchant_category, line.product_category).terms
        assert 0 <= rated.commission_minor <= rated.base_minor
        assert rated.commission_minor <= terms.cap_minor.get(line.currency, rated.base_minor)
        money_minor = line.amounts.gross_minor - line.amounts.platform_tax_minor
        assert rated.commission_minor + rated.commission_tax_minor <= money_minor
        if rated.bound in ("none", "floor", "cap"):
            assert rated.commission_minor >= terms.floor_minor.get(line.currency, 0)
        if rated.bound == "money":
            more = rated.commission_minor + 1
            assert more + of_bps(more, rated.commission_tax_bps) > money_minor
        if rated.bound == "none":
            assert rated.commission_minor == rated.rate_part_minor + rated.fixed_minor


@given(full_plan_documents(), sold_orders())
def test_fixed_parts_per_order_sum_to_what_the_plan_says(document: Any, order: Any) -> None:
    plan = parse_plan(document)
    lines = [line for _, line in order]
    found = commissions(plan, lines).lines
    own: dict[str, int] = {}
    of_plan = []
    for line, rated in zip(lines, found, strict=True):
        terms = plan.rule_for(line.merchant, line.merchant_category, line.product_category).terms
        if line.currency not in terms.fixed_minor:
            of_plan.append(rated.fixed_minor)
        elif terms.fixed_per == "order":
            own[rated.rule] = own.get(rated.rule, 0) + rated.fixed_minor
        else:
            count = line.quantity if terms.fixed_per == "unit" else 1
            assert rated.fixed_minor == terms.fixed_minor[line.currency] * count
    currency = lines[0].currency
    assert not of_plan or sum(of_plan) == plan.order_fixed_minor.get(currency, 0)
    for rule in plan.rules:
        assert own.get(rule.name, 0) in (0, rule.terms.fixed_minor.get(currency, 0))


@given(full_plan_documents(), sold_orders())
def test_a_lines_commission_written_and_read_again_is_the_same(document: Any, order: Any) -> None:
    for rated in commissions(parse_plan(document), [line for _, line in order]).lines:
        written = json.dumps(rated.document(), allow_nan=False)
        assert LineCommission.from_document(json.loads(written, parse_float=pytest.fail)) == rated


def test_a_document_of_another_version_is_refused() -> None:
    rated = commission(a_plan(), a_line())
    with pytest.raises(ValueError, match="version 2 is not known"):
        LineCommission.from_document(rated.document() | {"version": 2})
