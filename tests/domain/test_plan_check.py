from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.commission import Plan, parse_plan
from merchantry.domain.plan_check import unknown_names, unreachable
from tests.domain.strategies import CATEGORIES, MERCHANT_CATEGORIES, MERCHANTS, plans

RATE = {"rate_bps": 100}
PLAN: dict[str, Any] = {
    "name": "p",
    "currency": "BRL",
    "base": "goods",
    "hold_days": 7,
    "default": RATE,
    "product_categories": {"books": RATE, "toys": RATE},
    "merchant_categories": {"food": RATE},
    "merchants": {"acme": RATE | {"product_categories": {"books": RATE}}, "beta": RATE},
}


def found(
    known: dict[str, str | None] | None, categories: set[str] | None, plan: dict[str, Any] = PLAN
) -> dict[str, str]:
    told = unreachable(parse_plan(plan), merchants=known, product_categories=categories)
    return {each.rule: each.reason for each in told}


def test_every_rule_may_apply_where_nothing_is_known() -> None:
    assert found(None, None) == {}


def test_names_that_nobody_has_are_told_with_their_path() -> None:
    plan = parse_plan(PLAN)
    told = unknown_names(plan, merchants={"beta"}, merchant_categories=(), product_categories={"toys"})
    assert dict(told) == {
        "$.merchants.acme.product_categories.books": "name a product category that exists; books does not",
        "$.merchants.acme": "name a merchant that exists; acme does not",
        "$.product_categories.books": "name a product category that exists; books does not",
        "$.merchant_categories.food": "name a merchant category that exists; food does not",
    }
    known = {"merchants": {"acme", "beta"}, "merchant_categories": {"food"}, "product_categories": {"toys", "books"}}
    assert unknown_names(plan, **known) == ()


def test_a_merchant_category_whose_merchants_all_have_rules_of_their_own_never_applies() -> None:
    told = found({"acme": "food", "beta": "food", "gamma": None}, {"books", "toys", "cars"})
    assert told == {"merchant_category:food": "more exact rules apply to every line that it could be for"}


def test_rules_for_whom_there_is_nobody_never_apply() -> None:
    assert found({"beta": "food", "gamma": "toys"}, {"toys", "cars"}) == {
        "merchant:acme": "there is no merchant acme",
        "merchant:acme+product_category:books": "there is no merchant acme",
        "merchant_category:food": "more exact rules apply to every line that it could be for",
        "product_category:books": "there is no product category books",
    }
    assert "merchant_category:food" in found({"gamma": None}, None)


def test_a_merchants_rule_never_applies_where_each_category_has_one_of_its_own() -> None:
    merchants = {"acme": RATE | {"product_categories": {"books": RATE, "toys": RATE}}}
    told = found({"acme": None, "gamma": "food"}, {"books", "toys"}, PLAN | {"merchants": merchants})
    assert set(told) == {"merchant:acme", "merchant_category:food", "default"}


@given(
    plans(),
    st.dictionaries(st.sampled_from((*MERCHANTS, "other")), st.sampled_from((None, *MERCHANT_CATEGORIES))),
    st.sets(st.sampled_from((*CATEGORIES, "other"))),
)
def test_a_rule_is_unreachable_exactly_where_no_line_comes_under_it(
    plan: Plan, merchants: dict[str, str | None], categories: set[str]
) -> None:
    told = {each.rule for each in unreachable(plan, merchants=merchants, product_categories=categories)}
    applied = {
        plan.rule_for(slug, merchant_category, category).name
        for slug, merchant_category in merchants.items()
        for category in categories
    }
    assert told == {rule.name for rule in plan.rules} - applied


@pytest.mark.parametrize("categories", [None, {"books"}])
def test_a_plan_of_one_rule_always_applies(categories: set[str] | None) -> None:
    plan = parse_plan({key: PLAN[key] for key in ("name", "currency", "base", "hold_days", "default")})
    assert unreachable(plan, product_categories=categories) == ()
