"""Review rules: read from documents with every mistake named, and decided from plain figures."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.errors import RulesInvalid
from merchantry.domain.review import Counted, Facts, Outcome, PriceSeen, RuleKind, RuleSubject, worst
from merchantry.domain.review_checks import CHECKS, judge
from merchantry.domain.review_document import FORMS, parse_rules, rules_document, rules_from_json

PARAMETERS: dict[str, Any] = {
    "above_minor": {"BRL": 10_000},
    "least_minor": {"BRL": 500},
    "of": "buyer",
    "more_than": 2,
    "hours": 24,
    "days": 7,
    "above_bps": 1_000,
    "least_sales": 2,
}


def a_rule(kind: str, **changes: Any) -> dict[str, Any]:
    """A rule with all that its kind needs."""
    subjects, parameters = FORMS[RuleKind(kind)]
    usual = {"name": kind.replace("_", "-"), "title": kind, "subject": subjects[0], "kind": kind, "outcome": "flag"}
    return {**usual, "sla_hours": 24, **{name: PARAMETERS[name] for name in parameters}, **changes}


def outcome(kind: str, facts: Facts, **changes: Any) -> Outcome:
    """What one rule makes of the figures."""
    rules = parse_rules({"name": "Test", "rules": [a_rule(kind, **changes)]})
    return worst(judge(rules.rules, 1, facts))


def mistakes(*rules: dict[str, Any]) -> dict[str, str]:
    """Paths and remedies."""
    with pytest.raises(RulesInvalid) as refused:
        parse_rules({"name": "Test", "rules": list(rules)})
    return dict(refused.value.problems)


def test_every_kind_is_read_written_and_decided() -> None:
    document = {"name": "All", "rules": [a_rule(kind) for kind in RuleKind]}
    rules = rules_from_json(json.dumps(document))
    assert rules_document(rules) == document
    assert set(CHECKS) == set(FORMS) == set(RuleKind)
    assert all(each.outcome is Outcome.PASS for each in judge(rules.rules, 1, Facts("BRL", 1)))


def test_every_mistake_is_named_by_its_field() -> None:
    found = mistakes(
        {"name": "Not a word", "title": "", "subject": "order", "kind": "amount", "outcome": "stop", "sla_hours": 1.5},
        a_rule("new_payee", subject="payee", outcome="hold"),
        a_rule("velocity", subject="refund", hours="1", above_bps=5),
        a_rule("amount", above_minor={"XXQ": 1}, merchants=[]),
        a_rule("amount", outcome="pass", typo=1),
    )
    assert set(found) == {
        "$.rules[0].name",
        "$.rules[0].title",
        "$.rules[0].outcome",
        "$.rules[0].sla_hours",
        "$.rules[0].above_minor",
        "$.rules[1].outcome",
        "$.rules[2].subject",
        "$.rules[2].hours",
        "$.rules[2].above_bps",
        "$.rules[3].above_minor.XXQ",
        "$.rules[3].merchants",
        "$.rules[4].outcome",
        "$.rules[4].typo",
        "$.rules[4].name",
    }


@pytest.mark.parametrize("text", ["{", '{"name": "a", "name": "b", "rules": []}', "[]"], ids=["cut", "doubled", "list"])
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(RulesInvalid):
        rules_from_json(text)


def test_a_rule_is_for_whom_it_names() -> None:
    rules = parse_rules(
        {
            "name": "Scopes",
            "rules": [
                a_rule("amount", name="all"),
                a_rule("amount", name="one", merchants=["acme"]),
                a_rule("amount", name="some", merchant_categories=["antiques"]),
            ],
        }
    )

    def names(slug: str, category: str) -> list[str]:
        return [rule.name for rule in rules.about({RuleSubject.ORDER}, slug, category)]

    assert names("acme", "general") == ["all", "one"]
    assert names("other", "antiques") == ["all", "some"]
    assert names("other", "general") == ["all"]


def test_amounts_are_compared_in_their_currency_only() -> None:
    assert outcome("amount", Facts("BRL", 10_000)) is Outcome.PASS
    assert outcome("amount", Facts("BRL", 10_001)) is Outcome.FLAG
    assert outcome("amount", Facts("JPY", 99_999_999)) is Outcome.PASS


def test_more_than_so_many_within_hours_is_odd() -> None:
    for count, expected in ((2, Outcome.PASS), (3, Outcome.HOLD)):
        facts = Facts("BRL", 1, counts={(Counted.BUYER, 24): count, (Counted.MERCHANT, 24): 99})
        assert outcome("velocity", facts, outcome="hold") is expected


def test_refunds_are_odd_by_their_ratio_once_they_are_more_than_little() -> None:
    assert outcome("refund_ratio", Facts("BRL", 1, given_back={7: (1_000, 10_000)})) is Outcome.PASS
    assert outcome("refund_ratio", Facts("BRL", 1, given_back={7: (1_001, 10_000)})) is Outcome.FLAG
    assert outcome("refund_ratio", Facts("BRL", 1, given_back={7: (499, 0)})) is Outcome.PASS
    assert outcome("refund_ratio", Facts("BRL", 1, given_back={7: (500, 0)})) is Outcome.FLAG


def test_an_account_is_new_until_its_days_are_over_and_the_first_never_is() -> None:
    assert outcome("new_payee", Facts("BRL", 1, payee_age=timedelta(days=6, hours=23))) is Outcome.FLAG
    assert outcome("new_payee", Facts("BRL", 1, payee_age=timedelta(days=7))) is Outcome.PASS
    assert outcome("new_payee", Facts("BRL", 1, payee_age=None)) is Outcome.PASS


def test_commission_is_far_by_its_base() -> None:
    near, far = (Facts("BRL", 1, base_minor=10_000, commission_minor=each, at_rate_minor=1_500) for each in (500, 499))
    assert outcome("commission_far_from_plan", near) is Outcome.PASS
    assert outcome("commission_far_from_plan", far) is Outcome.FLAG


@given(st.integers(1, 10**9), st.integers(1, 50), st.integers(0, 10**10))
def test_a_price_is_far_exactly_where_it_is_more_than_its_share_from_the_average(
    price: int, known: int, total: int
) -> None:
    facts = Facts("BRL", 1, prices=(PriceSeen("A", price, known, total),))
    is_far = abs(price * known - total) * 10 > total and known >= 2
    assert (outcome("price_far_from_history", facts) is Outcome.FLAG) == is_far


def test_staff_that_buy_and_sums_that_differ_are_odd() -> None:
    assert outcome("buyer_is_staff", Facts("BRL", 1, buyer_is_staff=True)) is Outcome.FLAG
    assert outcome("buyer_is_staff", Facts("BRL", 1)) is Outcome.PASS
    assert outcome("sums_differ", Facts("BRL", 1, difference_minor=1)) is Outcome.FLAG
    assert outcome("sums_differ", Facts("BRL", 1)) is Outcome.PASS


def test_a_verdict_names_its_figures_and_the_version() -> None:
    rules = parse_rules({"name": "Test", "rules": [a_rule("amount")]})
    [verdict] = judge(rules.rules, 7, Facts("BRL", 12_345))
    assert verdict.reason == "123.45 BRL is above 100.00 BRL."
    assert verdict.figures == {"amount_minor": 12_345, "above_minor": 10_000, "currency": "BRL"}
    assert verdict.version == 7
