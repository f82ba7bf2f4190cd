"""Review at the door: rules proposed, approved and tried, stories of verdicts, held money in the balance."""

from datetime import timedelta
from typing import Any

import pytest

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.review_document import parse_rules
from merchantry.services import review_rules
from tests.builders import NOON, a_merchant, a_product, an_act
from tests.graphql_api.counting import counted
from tests.graphql_api.documents import PROBLEM, a_line, buy
from tests.graphql_api.mall import Mall

RULES: dict[str, Any] = {
    "name": "Standard",
    "rules": [
        {
            "name": "large",
            "title": "A large order",
            "subject": "order",
            "kind": "amount",
            "outcome": "hold",
            "sla_hours": 24,
            "above_minor": {"BRL": 15_000},
        },
        {
            "name": "busy",
            "title": "Many orders",
            "subject": "order",
            "kind": "velocity",
            "outcome": "flag",
            "sla_hours": 24,
            "of": "merchant",
            "more_than": 5,
            "hours": 1,
        },
        {
            "name": "own",
            "title": "Staff buys",
            "subject": "order",
            "kind": "buyer_is_staff",
            "outcome": "flag",
            "sla_hours": 24,
        },
    ],
}
VERSION = "rules { version status proposedBy decidedBy document }"
PROPOSE = f"""mutation ($input: ReviewRulesProposeInput!) {{
  reviewRulesPropose(input: $input) {{ __typename ... on ReviewRulesProposed {{ {VERSION} }}
    ... on RulesInvalid {{ problems {{ path remedy }} }} {PROBLEM} }} }}"""
APPROVE = f"""mutation ($input: ReviewRulesApproveInput!) {{
  reviewRulesApprove(input: $input) {{ __typename ... on ReviewRulesApproved {{ {VERSION} }} {PROBLEM} }} }}"""
TRY = f"""mutation ($input: ReviewRulesTryInput!) {{
  reviewRulesTry(input: $input) {{ __typename
    ... on ReviewRulesTried {{ rows {{ rule passed flagged held examples {{ merchant subjectId outcome reason }} }} }}
    {PROBLEM} }} }}"""
VERDICT = "subject subjectId title version outcome rule reason figures"
ORDERS = f"""{{ merchant {{ orders {{ nodes {{ id status reviewStatus reviewTrail {{ {VERDICT} }} }} }}
  balance {{ held {{ amount }} available {{ amount }} }} }} }}"""
TRAIL = f"query ($id: ID!) {{ platform {{ reviewTrail(id: $id) {{ {VERDICT} }} }} }}"


async def ask(mall: Mall, mutation: str, who: str, **given: Any) -> dict[str, Any]:
    [found] = (await mall.ask(mutation, {"input": given}, who=who)).data.values()
    answer: dict[str, Any] = found
    return answer


async def install(mall: Mall) -> None:
    """The rules are in force."""
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await review_rules.install(session, parse_rules(RULES), NOON - timedelta(days=1), an_act())


async def test_rules_are_tried_then_proposed_by_one_and_approved_by_another(mall: Mall) -> None:
    merchant = await a_merchant(mall.database, "lamps")
    lamp = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    for quantity in (1, 2):
        await buy(mall, "bea", a_line(merchant, lamp, quantity))
    for name in ("rita", "ruth"):
        await mall.appoint(name, PlatformRole.REVIEWER)
    tried = await ask(mall, TRY, "rita", document=RULES, **{"from": "2026-03-01", "to": "2026-03-04"})
    assert [(row["rule"], row["passed"], row["flagged"], row["held"]) for row in tried["rows"]] == [
        ("large", 1, 0, 1),
        ("busy", 2, 0, 0),
        ("own", 2, 0, 0),
    ]
    assert tried["rows"][0]["examples"][0]["merchant"] == "lamps"
    later = (NOON + timedelta(hours=1)).isoformat()
    proposed = await ask(mall, PROPOSE, "rita", document=RULES, effectiveFrom=later)
    assert (proposed["rules"]["status"], proposed["rules"]["document"]) == ("proposed", RULES)
    assert (await ask(mall, APPROVE, "rita", version=1))["__typename"] == "OwnAct"
    assert (await ask(mall, APPROVE, "ruth", version=1))["rules"]["status"] == "approved"
    assert (await ask(mall, APPROVE, "ruth", version=1))["__typename"] == "InvalidInput"
    mistaken = await ask(mall, PROPOSE, "rita", document={"name": "", "rules": [{}]}, effectiveFrom=later)
    assert mistaken["__typename"] == "RulesInvalid"
    assert "$.rules[0].kind" in {each["path"] for each in mistaken["problems"]}


async def test_a_merchant_reads_which_rules_judged_its_order_and_the_platform_reads_why(mall: Mall) -> None:
    await install(mall)
    merchant, other = await a_merchant(mall.database, "lamps"), await a_merchant(mall.database, "other")
    lamp = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    await mall.hire("otto", other, MerchantRole.OWNER)
    await mall.hire("fred", merchant, MerchantRole.FULFILMENT)
    await mall.appoint("rita", PlatformRole.REVIEWER)
    await buy(mall, "bea", a_line(merchant, lamp, 2))
    [order] = (await mall.ask(ORDERS, who="olga", merchant="lamps")).data["merchant"]["orders"]["nodes"]
    assert order["reviewStatus"] == "HELD"
    assert sorted((each["title"], each["outcome"], each["version"]) for each in order["reviewTrail"]) == [
        ("A large order", "HOLD", 1),
        ("Many orders", "PASS", 1),
        ("Staff buys", "PASS", 1),
    ]
    assert {each[name] for each in order["reviewTrail"] for name in ("rule", "reason", "figures")} == {None}
    assert {each["subjectId"] for each in order["reviewTrail"]} == {order["id"]}
    answer = await mall.ask(TRAIL, {"id": order["id"]}, who="rita")
    told = {each["rule"]: each for each in answer.data["platform"]["reviewTrail"]}
    assert told["large"]["reason"] == "210.00 BRL is above 150.00 BRL."
    assert told["large"]["figures"] == {"amount_minor": 21_000, "above_minor": 15_000, "currency": "BRL"}
    fulfilment = (await mall.ask(ORDERS, who="fred", merchant="lamps")).body["data"]["merchant"]["orders"]["nodes"]
    assert [each["reviewTrail"] for each in fulfilment] == [None]
    node = "query ($id: ID!) { node(id: $id) { id } }"
    stranger = await mall.ask(node, {"id": order["id"]}, who="otto", merchant="other")
    assert stranger.body["data"]["node"] is None


async def test_judging_costs_a_statement_for_each_merchant_and_one_for_the_buyer(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchants = [await a_merchant(mall.database, f"shop-{number}") for number in range(3)]
    products = [await a_product(mall.database, each, prices={"BRL": 10_000}, on_hand=99) for each in merchants]
    lines = [a_line(each, product) for each, product in zip(merchants, products, strict=True)]
    await buy(mall, "bea", *lines)  # everything is compiled
    with counted(monkeypatch) as without:
        await buy(mall, "bea", *lines)
    await install(mall)
    with counted(monkeypatch) as judged:
        await buy(mall, "bea", *lines)
    assert len(judged) - len(without) == len(merchants) + 1
