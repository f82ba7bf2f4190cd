import json
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.commission import (
    CommissionBase,
    LineToRate,
    Plan,
    Rule,
    RuleRank,
    Terms,
    commission,
    parse_plan,
    plan_document,
    plan_from_json,
)
from merchantry.domain.errors import PlanInvalid
from tests.domain.strategies import CURRENCIES, lines_to_rate, plan_documents, plans

PLAN: dict[str, Any] = {
    "name": "Standard plan",
    "currency": "BRL",
    "base": "goods",
    "hold_days": 7,
    "default": {"rate_bps": 1200},
    "product_categories": {"telephony": {"rate_bps": 1000}, "watches": {"rate_bps": 1500, "cap_minor": 5000}},
    "merchant_categories": {"food": {"rate_bps": 900}},
    "merchants": {
        "acme": {"rate_bps": 700, "product_categories": {"telephony": {"rate_bps": 600}}},
        "beta": {"product_categories": {"telephony": {"rate_bps": 100}}},
    },
    "floor_minor": 50,
    "cap_minor": {"BRL": 6000, "JPY": 2000},
}


def a_plan(**changes: object) -> Plan:
    return parse_plan(PLAN | changes)


def a_line(goods_minor: int = 10_000, **changes: Any) -> LineToRate:
    facts: dict[str, Any] = {
        "merchant": "gamma",
        "merchant_category": None,
        "product_category": None,
        "currency": "BRL",
        "quantity": 1,
        "goods_minor": goods_minor,
        "shipping_minor": 1_000,
    }
    return LineToRate(**facts | changes)


def mistakes(document: object) -> dict[str, str]:
    with pytest.raises(PlanInvalid) as refused:
        parse_plan(document)
    return dict(refused.value.problems)


@pytest.mark.parametrize(
    ("merchant", "merchant_category", "product_category", "rule", "rank"),
    [
        ("acme", "food", "telephony", "merchant:acme+product_category:telephony", 1),
        ("acme", "food", "watches", "merchant:acme", 2),
        ("beta", "food", "telephony", "merchant:beta+product_category:telephony", 1),
        ("beta", "food", "watches", "product_category:watches", 3),
        ("gamma", "food", "telephony", "product_category:telephony", 3),
        ("gamma", "food", "toys", "merchant_category:food", 4),
        ("gamma", None, None, "default", 5),
        ("food", "telephony", "acme", "default", 5),
    ],
)
def test_the_rule_that_names_more_comes_first(
    merchant: str, merchant_category: str | None, product_category: str | None, rule: str, rank: int
) -> None:
    found = a_plan().rule_for(merchant, merchant_category, product_category)
    assert (found.name, found.rank) == (rule, RuleRank(rank))


def test_fifteen_percent_of_345_00_with_a_cap_of_50_00_is_50_00() -> None:
    rated = commission(a_plan(), a_line(34_500, product_category="watches"))
    assert (rated.rule, rated.rate_bps, rated.base_minor) == ("product_category:watches", 1500, 34_500)
    assert (rated.rate_part_minor, rated.bound, rated.commission_minor) == (5_175, "cap", 5_000)


@pytest.mark.parametrize(
    ("goods_minor", "rate_part_minor", "bound", "commission_minor"),
    [
        (10_000, 1_200, "none", 1_200),
        (417, 50, "none", 50),
        (400, 48, "floor", 50),
        (50_000, 6_000, "none", 6_000),
        (50_005, 6_001, "cap", 6_000),
        (30, 4, "base", 30),
        (0, 0, "base", 0),
    ],
)
def test_a_commission_keeps_to_floor_then_cap_then_base(
    goods_minor: int, rate_part_minor: int, bound: str, commission_minor: int
) -> None:
    rated = commission(a_plan(), a_line(goods_minor))
    assert (rated.rate_part_minor, rated.bound, rated.commission_minor) == (rate_part_minor, bound, commission_minor)


def test_a_half_centavo_of_commission_is_rounded_up() -> None:
    assert commission(a_plan(default={"rate_bps": 1250}), a_line(1_004)).commission_minor == 126


def test_bounds_count_in_their_own_currency_only() -> None:
    yen = commission(a_plan(), a_line(100_000, currency="JPY"))
    assert (yen.bound, yen.commission_minor) == ("cap", 2_000)
    dinar = commission(a_plan(), a_line(100, currency="KWD"))
    assert (dinar.bound, dinar.commission_minor) == ("none", 12)


def test_the_fixed_part_counts_once_per_line_whatever_the_quantity() -> None:
    rated = commission(a_plan(fixed_minor=40), a_line(10_000, quantity=9))
    assert (rated.fixed_minor, rated.commission_minor) == (40, 1_240)


def test_shipping_is_in_the_base_where_the_plan_says_so() -> None:
    assert commission(a_plan(), a_line(10_000)).base_minor == 10_000
    with_shipping = commission(a_plan(base="goods_and_shipping"), a_line(10_000))
    assert (with_shipping.base_minor, with_shipping.commission_minor) == (11_000, 1_320)


def test_a_line_has_no_negative_amounts() -> None:
    with pytest.raises(ValueError, match="negative"):
        commission(a_plan(), a_line(-1))


@given(plans(), lines_to_rate(st.sampled_from((*CURRENCIES, "EUR"))))
def test_a_commission_is_between_nothing_and_its_base(plan: Plan, line: LineToRate) -> None:
    rated = commission(plan, line)
    assert 0 <= rated.commission_minor <= rated.base_minor


@given(plans(), lines_to_rate(st.sampled_from((*CURRENCIES, "EUR"))))
def test_a_commission_is_what_exact_decimals_give(plan: Plan, line: LineToRate) -> None:
    terms = plan.rule_for(line.merchant, line.merchant_category, line.product_category).terms
    base = line.goods_minor + (line.shipping_minor if plan.base is CommissionBase.GOODS_AND_SHIPPING else 0)
    exact = (Decimal(base) * terms.rate_bps / 10_000).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    exact += terms.fixed_minor.get(line.currency, 0)
    exact = max(exact, Decimal(terms.floor_minor.get(line.currency, 0)))
    exact = min(exact, Decimal(terms.cap_minor.get(line.currency, 10**30)), Decimal(base))
    rated = commission(plan, line)
    assert rated.commission_minor == int(exact)
    assert rated.bound != "none" or rated.commission_minor == rated.rate_part_minor + rated.fixed_minor


@given(plans(), lines_to_rate(st.sampled_from(CURRENCIES)))
def test_no_rule_of_a_higher_rank_would_have_applied(plan: Plan, line: LineToRate) -> None:
    chosen = plan.rule_for(line.merchant, line.merchant_category, line.product_category)
    for rule in plan.rules:
        applies = (
            rule.merchant in (None, line.merchant)
            and rule.merchant_category in (None, line.merchant_category)
            and rule.product_category in (None, line.product_category)
        )
        assert not applies or rule == chosen or rule.rank > chosen.rank


@given(plan_documents())
def test_a_plan_written_and_read_again_is_the_same(document: dict[str, object]) -> None:
    plan = parse_plan(document)
    written = plan_document(plan)
    assert parse_plan(written) == plan
    assert plan_from_json(json.dumps(written)) == plan
    assert plan_document(parse_plan(written)) == written


def test_a_plans_own_amounts_hold_where_a_rule_does_not_say_its_own() -> None:
    terms = a_plan(
        floor_minor={"BRL": 10, "JPY": 20},
        default={"rate_bps": 0, "floor_minor": 30},
        product_categories={"toys": {"rate_bps": 5, "cap_minor": {"KWD": 7}}},
    )
    assert terms.rule_for("x", None, None).terms.floor_minor == {"BRL": 30, "JPY": 20}
    toys = terms.rule_for("x", None, "toys").terms
    assert toys == Terms(5, floor_minor={"BRL": 10, "JPY": 20}, cap_minor={"BRL": 6000, "JPY": 2000, "KWD": 7})


def test_the_form_of_a_plan_file_is_read() -> None:
    plan = plan_from_json(json.dumps(PLAN))
    assert (plan.name, plan.currency, plan.base, plan.hold_days) == ("Standard plan", "BRL", CommissionBase.GOODS, 7)
    assert [rule.name for rule in plan.rules] == [
        "merchant:acme+product_category:telephony",
        "merchant:beta+product_category:telephony",
        "merchant:acme",
        "product_category:telephony",
        "product_category:watches",
        "merchant_category:food",
        "default",
    ]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"surprise": 1}, "$.surprise"),
        ({"name": ""}, "$.name"),
        ({"name": 5}, "$.name"),
        ({"name": "a\nb"}, "$.name"),
        ({"currency": "REAL"}, "$.currency"),
        ({"currency": ["BRL"]}, "$.currency"),
        ({"base": "net"}, "$.base"),
        ({"hold_days": 366}, "$.hold_days"),
        ({"hold_days": -1}, "$.hold_days"),
        ({"hold_days": True}, "$.hold_days"),
        ({"hold_days": "7"}, "$.hold_days"),
        ({"default": None}, "$.default"),
        ({"default": []}, "$.default"),
        ({"default": {}}, "$.default.rate_bps"),
        ({"default": {"rate_bps": 12.5}}, "$.default.rate_bps"),
        ({"default": {"rate_bps": 10_001}}, "$.default.rate_bps"),
        ({"default": {"rate_bps": True}}, "$.default.rate_bps"),
        ({"default": {"rate_bps": 1, "rate": 2}}, "$.default.rate"),
        ({"default": {"rate_bps": 1, "cap_minor": 49}}, "$.default"),
        ({"default": {"rate_bps": 1, "product_categories": {}}}, "$.default.product_categories"),
        ({"floor_minor": -1}, "$.floor_minor"),
        ({"floor_minor": 0.5}, "$.floor_minor"),
        ({"floor_minor": None}, "$.floor_minor"),
        ({"floor_minor": 10**15 + 1}, "$.floor_minor"),
        ({"floor_minor": {"JPY": 2_001}}, "$"),
        ({"cap_minor": {"BRX": 1}}, "$.cap_minor.BRX"),
        ({"cap_minor": {"BRL": "1"}}, "$.cap_minor.BRL"),
        ({"product_categories": []}, "$.product_categories"),
        ({"product_categories": {"": {"rate_bps": 1}}}, '$.product_categories[""]'),
        ({"product_categories": {"a b ": {"rate_bps": 1}}}, '$.product_categories["a b "]'),
        ({"merchant_categories": {"food": {"rate_bps": -1}}}, "$.merchant_categories.food.rate_bps"),
        ({"merchants": {"Acme": {"rate_bps": 1}}}, "$.merchants.Acme"),
        ({"merchants": {"acme": {}}}, "$.merchants.acme.rate_bps"),
        ({"merchants": {"acme": {"product_categories": {}}}}, "$.merchants.acme.rate_bps"),
        ({"merchants": {"acme": {"floor_minor": 1, "product_categories": {}}}}, "$.merchants.acme.rate_bps"),
        ({"merchants": {"acme": {"product_categories": {"x": 5}}}}, "$.merchants.acme.product_categories.x"),
    ],
)
def test_a_mistake_in_a_plan_is_named_by_path_with_its_remedy(changes: dict[str, object], path: str) -> None:
    found = mistakes(PLAN | changes)
    assert list(found) == [path]
    assert found[path]


@pytest.mark.parametrize("missing", ["name", "currency", "base", "hold_days", "default"])
def test_what_a_plan_must_have_is_asked_for(missing: str) -> None:
    assert f"$.{missing}" in mistakes({key: value for key, value in PLAN.items() if key != missing})


@pytest.mark.parametrize("document", [None, [], "plan", 5, {1: 2}])
def test_a_plan_is_an_object(document: object) -> None:
    assert list(mistakes(document)) == ["$"]


def test_all_mistakes_are_listed_at_once() -> None:
    found = mistakes(
        {"currency": "REAL", "hold_days": 1.5, "default": {"rate_bps": 1}, "floor_minor": 9, "cap_minor": 8}
    )
    assert list(found) == ["$.name", "$.currency", "$.base", "$.hold_days", "$"]


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000, '{"hold_days": ' + "9" * 5_000 + "}"])
def test_text_that_is_no_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(PlanInvalid, match="write it as JSON"):
        plan_from_json(text)


def test_a_name_that_comes_twice_is_refused() -> None:
    text = json.dumps(PLAN).replace('"food": {', '"food": {"rate_bps": 5}, "food": {"rate_bps": 6, ')
    with pytest.raises(PlanInvalid) as refused:
        plan_from_json(text)
    assert [path for path, _ in refused.value.problems] == [
        "$.merchant_categories.food",
        "$.merchant_categories.food.rate_bps",
    ]


def test_nan_in_a_plan_is_refused() -> None:
    with pytest.raises(PlanInvalid, match=r"\$\.hold_days"):
        plan_from_json(json.dumps(PLAN | {"hold_days": float("nan")}))


def test_a_plan_has_one_default_and_one_rule_for_each_thing() -> None:
    default = Rule(None, None, None, Terms(1))
    for rules in ((), (default, default), (Rule("acme", None, None, Terms(1)),)):
        with pytest.raises(ValueError, match="exactly one default"):
            Plan("p", "BRL", CommissionBase.GOODS, 7, rules)


def test_a_rule_for_a_merchant_category_names_nothing_else() -> None:
    with pytest.raises(ValueError, match="nothing else"):
        Rule("acme", "food", None, Terms(1))
