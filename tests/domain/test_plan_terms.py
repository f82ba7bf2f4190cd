import json
from typing import Any

import pytest
from hypothesis import given

from merchantry.domain.beneficiary import Beneficiary, BeneficiaryKind, ShareOf
from merchantry.domain.errors import PlanInvalid
from merchantry.domain.payment_fee import FeeBearer, PaymentFee
from merchantry.domain.plan import Plan, Terms
from merchantry.domain.plan_document import parse_plan, plan_document, plan_from_json
from merchantry.domain.refund_policy import RefundPolicy, ReturnKind
from merchantry.domain.tiers import Step, TierMode, Tiers, TierWindow
from tests.domain.strategies import full_plan_documents

TIERS: dict[str, Any] = {
    "mode": "marginal",
    "window": "calendar_month",
    "time_zone": "America/Sao_Paulo",
    "refunds_lower_volume": False,
    "steps": [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": {"BRL": 10_000_000, "JPY": 9}, "rate_bps": 800}],
}
AFFILIATE = {"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 2_000}
PLAN: dict[str, Any] = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1000}}


def a_plan(**changes: Any) -> Plan:
    return parse_plan(PLAN | changes)


def default(**changes: Any) -> Terms:
    return a_plan(**changes).rule_for("x", None, None).terms


def mistakes(document: object) -> dict[str, str]:
    with pytest.raises(PlanInvalid) as refused:
        parse_plan(document)
    return dict(refused.value.problems)


@given(full_plan_documents())
def test_a_plan_that_says_everything_is_the_same_written_and_read_again(document: dict[str, object]) -> None:
    plan = parse_plan(document)
    written = plan_document(plan)
    assert parse_plan(written) == plan
    assert plan_from_json(json.dumps(written)) == plan
    assert plan_document(parse_plan(written)) == written


def test_tiers_are_read() -> None:
    steps = (Step({}, 1000), Step({"BRL": 10_000_000, "JPY": 9}, 800))
    tiers = Tiers(TierMode.MARGINAL, TierWindow.CALENDAR_MONTH, "America/Sao_Paulo", False, steps)
    assert default(default={"tiers": TIERS}) == Terms(1000, tiers=tiers)


def test_a_rule_has_its_own_rate_or_tiers_and_else_the_plans_tiers() -> None:
    plan = a_plan(
        tiers=TIERS,
        default={},
        product_categories={"flat": {"rate_bps": 300}, "none": {"rate_bps": 200, "tiers": None}},
    )
    assert plan.rule_for("x", None, None).terms.tiers is not None
    assert plan.rule_for("x", None, "flat").terms == Terms(300)
    assert plan.rule_for("x", None, "none").terms == Terms(200)


def test_what_the_plan_says_holds_where_a_rule_says_nothing() -> None:
    said = {
        "base_tax": "net",
        "commission_tax_bps": 1900,
        "beneficiaries": [AFFILIATE],
        "payment_fee": {"bps": 290, "fixed_minor": 30, "borne_by": "merchant"},
        "refund_policy": "keep_fixed",
    }
    unsaid = {
        "rate_bps": 5,
        "base_tax": "gross",
        "commission_tax_bps": 0,
        "beneficiaries": [],
        "payment_fee": None,
        "refund_policy": "full",
    }
    plan = a_plan(**said, merchants={"acme": unsaid})
    assert plan.rule_for("x", None, None).terms == Terms(
        1000,
        base_tax=default(base_tax="net").base_tax,
        commission_tax_bps=1900,
        beneficiaries=(Beneficiary("guide", BeneficiaryKind.AFFILIATE, ShareOf.COMMISSION, 2_000),),
        payment_fee=PaymentFee(290, FeeBearer.MERCHANT, {"BRL": 30}),
        refund_policy=RefundPolicy(ReturnKind.KEEP_FIXED),
    )
    assert plan.rule_for("acme", None, None).terms == Terms(5)
    assert parse_plan(plan_document(plan)) == plan


def test_an_administration_fee_is_read_with_its_cap() -> None:
    fee = {"bps": 2_000, "cap_minor": {"BRL": 500, "JPY": 90}}
    terms = default(refund_policy="minus_administration_fee", administration_fee=fee)
    assert terms.refund_policy == RefundPolicy(ReturnKind.MINUS_ADMINISTRATION_FEE, 2_000, {"BRL": 500, "JPY": 90})


def test_a_plan_that_says_nothing_new_is_written_as_ever() -> None:
    assert plan_document(a_plan()) == PLAN
    assert default() == Terms(1000)


def steps(*found: tuple[object, object]) -> dict[str, Any]:
    written = [{"from_minor": start, "rate_bps": rate} for start, rate in found]
    return {"default": {"tiers": TIERS | {"steps": written}}}


def falling(*found: tuple[object, object]) -> dict[str, Any]:
    return {"default": {"tiers": steps(*found)["default"]["tiers"] | {"mode": "retroactive"}}}


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"base_tax": "none"}, "$.base_tax"),
        ({"fixed_per": "piece"}, "$.fixed_per"),
        ({"default": {"rate_bps": 1, "fixed_per": "unit"}}, "$.default.fixed_per"),
        ({"default": {"rate_bps": 1, "base": "net"}}, "$.default.base"),
        ({"commission_tax_bps": 10_001}, "$.commission_tax_bps"),
        ({"default": {"rate_bps": 1, "tiers": TIERS}}, "$.default.rate_bps"),
        ({"default": {"tiers": None}}, "$.default.rate_bps"),
        ({"tiers": []}, "$.tiers"),
        ({"tiers": TIERS | {"mode": "both"}}, "$.tiers.mode"),
        ({"tiers": TIERS | {"window": "year"}}, "$.tiers.window"),
        ({"tiers": TIERS | {"time_zone": "Brazil/Nowhere"}}, "$.tiers.time_zone"),
        ({"tiers": TIERS | {"time_zone": "../zone"}}, "$.tiers.time_zone"),
        ({"tiers": TIERS | {"time_zone": None}}, "$.tiers.time_zone"),
        ({"tiers": TIERS | {"window": "settlement_period"}}, "$.tiers.time_zone"),
        ({"tiers": TIERS | {"refunds_lower_volume": 1}}, "$.tiers.refunds_lower_volume"),
        ({"tiers": TIERS | {"steps": []}}, "$.tiers.steps"),
        ({"tiers": TIERS | {"steps": None}}, "$.tiers.steps"),
        ({"tiers": TIERS | {"steps": [{"from_minor": 0, "rate_bps": 1}] * 21}}, "$.tiers.steps"),
        (steps((1, 1000)), "$.default.tiers.steps[0].from_minor"),
        (steps((0, 10_001)), "$.default.tiers.steps[0].rate_bps"),
        (steps((0, 1000), (0, 800)), "$.default.tiers.steps[1].from_minor"),
        (steps((0, 1000), ({}, 800)), "$.default.tiers.steps[1].from_minor"),
        (steps((0, 1000), (5, 800), ({"JPY": 5, "BRL": 5}, 700)), "$.default.tiers.steps[2].from_minor"),
        (falling((0, 1000), (5, 1001)), "$.default.tiers.steps[1].rate_bps"),
        ({"beneficiaries": [AFFILIATE, AFFILIATE]}, "$.beneficiaries"),
        ({"beneficiaries": AFFILIATE}, "$.beneficiaries"),
        ({"beneficiaries": [AFFILIATE | {"kind": "friend"}]}, "$.beneficiaries[0].kind"),
        ({"beneficiaries": [AFFILIATE | {"of": "buyer"}]}, "$.beneficiaries[0].of"),
        ({"beneficiaries": [AFFILIATE | {"name": ""}]}, "$.beneficiaries[0].name"),
        ({"beneficiaries": [AFFILIATE | {"fixed_minor": 5}]}, "$.beneficiaries[0]"),
        ({"beneficiaries": [AFFILIATE | {"share_bps": 9_000}, AFFILIATE | {"name": "b"}]}, "$.beneficiaries"),
        ({"payment_fee": {"bps": 1}}, "$.payment_fee.borne_by"),
        ({"payment_fee": {"bps": -1, "borne_by": "merchant"}}, "$.payment_fee.bps"),
        ({"refund_policy": "none"}, "$.refund_policy"),
        ({"administration_fee": {"bps": 1}}, "$.administration_fee"),
        ({"refund_policy": "full", "administration_fee": {"bps": 1}}, "$.administration_fee"),
        ({"refund_policy": "minus_administration_fee"}, "$.administration_fee"),
        ({"refund_policy": "minus_administration_fee", "administration_fee": {}}, "$.administration_fee.bps"),
    ],
)
def test_a_mistake_in_terms_is_named_by_path_with_its_remedy(changes: dict[str, object], path: str) -> None:
    found = mistakes(PLAN | changes)
    assert list(found) == [path]
    assert found[path]
