"""Plans are proposed with warnings, replayed over past orders, and decided on by a second person."""

from datetime import timedelta
from typing import Any

from merchantry.domain.permission import MerchantRole, PlatformRole
from tests.builders import NOON, a_merchant, a_product
from tests.graphql_api.documents import PROBLEM, a_line, buy
from tests.graphql_api.mall import PLAN, Mall

PLAN_FIELDS = "plan { name version status proposedBy approvedBy approvedAt }"
PROPOSE = f"""mutation ($input: CommissionPlanProposeInput!) {{
  commissionPlanPropose(input: $input) {{
    __typename ... on CommissionPlanProposed {{ {PLAN_FIELDS} warnings {{ path remedy }} }} {PROBLEM}
  }}
}}"""
REJECT = f"""mutation ($input: CommissionPlanRejectInput!) {{
  commissionPlanReject(input: $input) {{ __typename ... on CommissionPlanRejected {{ {PLAN_FIELDS} }} {PROBLEM} }}
}}"""
ROW = "merchant currency orders booked { amount } proposed { amount } change { amount }"
REPLAY = f"""mutation ($input: CommissionPlanReplayInput!) {{
  commissionPlanReplay(input: $input) {{
    __typename
    ... on CommissionPlanReplayed {{
      rows {{ {ROW} }} totals {{ {ROW} }} pageInfo {{ hasNextPage endCursor }}
    }}
    {PROBLEM}
  }}
}}"""
EXPLAIN = """{ merchant { splits { nodes {
  commission { amount } merchantShare { amount } status
  lines {
    rule explanation
    explain {
      plan planVersion approvedBy approvedAt bound rounding refundPolicy words
      base { amount } baseParts { goods { amount } merchantDiscount { amount } shipping { amount } }
      slices { beginsAt { amount } amount { amount } rateBps part { amount } }
      tiers { mode volumeBefore { amount } }
      fixed { amount { amount } per each { amount } quantity }
      charged { amount } tax { amount }
      parts { party name takenOf amount { amount } }
    }
  }
} } } }"""
STEPS = [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": 15_000, "rate_bps": 800}]
TIERS = {
    "mode": "marginal",
    "window": "calendar_month",
    "time_zone": "America/Sao_Paulo",
    "refunds_lower_volume": False,
    "steps": STEPS,
}
RICH = {
    **PLAN,
    "default": {
        "tiers": TIERS,
        "fixed_minor": 100,
        "fixed_per": "unit",
        "commission_tax_bps": 1000,
        "beneficiaries": [{"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 5000}],
    },
}


async def ask(mall: Mall, mutation: str, who: str, /, **given: Any) -> dict[str, Any]:
    [found] = (await mall.ask(mutation, {"input": given}, who=who)).data.values()
    answer: dict[str, Any] = found
    return answer


async def two_stalls(mall: Mall) -> None:
    """Two merchants, one of which sold two kites, the other one."""
    for slug, quantity in (("first", 2), ("second", 1)):
        merchant = await a_merchant(mall.database, slug)
        kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
        await buy(mall, "bea", a_line(merchant, kite, quantity))
        await mall.hire(f"olga-{slug}", merchant, MerchantRole.OWNER)
    await mall.appoint("fay", PlatformRole.FINANCE)


async def test_a_proposal_is_told_what_has_no_effect_and_can_be_rejected(mall: Mall) -> None:
    await two_stalls(mall)
    document = {**PLAN, "merchants": {"first": {"rate_bps": 900}, "nobody": {"rate_bps": 1}}}
    given = {"name": "standard", "document": document, "effectiveFrom": (NOON + timedelta(days=1)).isoformat()}
    made = await ask(mall, PROPOSE, "fay", **given)
    assert (made["plan"]["version"], made["plan"]["status"]) == (2, "proposed")
    assert {warning["path"] for warning in made["warnings"]} == {"$.merchants.nobody", "merchant:nobody"}
    again = await ask(mall, PROPOSE, "fay", **given)
    assert (again["code"], again["path"]) == ("INVALID_INPUT", ["input", "effectiveFrom"])
    rejected = await ask(mall, REJECT, "fay", name="standard", version=2, reason="a typing error")
    assert rejected["plan"]["status"] == "rejected"
    assert (await ask(mall, PROPOSE, "fay", **given))["plan"]["version"] == 3
    assert (await ask(mall, REJECT, "olga-first", name="standard", version=3, reason="no"))["code"] == "NOT_PERMITTED"


async def test_a_replay_says_by_merchant_what_a_plan_would_have_come_to(mall: Mall) -> None:
    await two_stalls(mall)
    span = {"from": "2026-03-01", "to": "2026-04-01"}
    proposal = {**PLAN, "default": {"rate_bps": 1000}, "merchants": {"second": {"rate_bps": 2000}}}

    def row(merchant: str | None, orders: int, booked: str, proposed: str, change: str) -> dict[str, Any]:
        amounts = {"booked": booked, "proposed": proposed, "change": change}
        figures = {name: {"amount": amount} for name, amount in amounts.items()}
        return {"merchant": merchant, "currency": "BRL", "orders": orders, **figures}

    first, second = row("first", 1, "24.00", "20.00", "-4.00"), row("second", 1, "12.00", "20.00", "8.00")
    whole = await ask(mall, REPLAY, "fay", document=proposal, **span)
    assert whole["rows"] == [first, second]
    assert whole["totals"] == [row(None, 2, "36.00", "40.00", "4.00")]
    page = await ask(mall, REPLAY, "fay", document=proposal, first=1, **span)
    assert (page["rows"], page["pageInfo"]["hasNextPage"]) == ([first], True)
    rest = await ask(mall, REPLAY, "fay", document=proposal, after=page["pageInfo"]["endCursor"], **span)
    assert (rest["rows"], rest["totals"]) == ([second], whole["totals"])

    in_force = await ask(mall, REPLAY, "fay", name="standard", version=1, **span)
    assert [each["change"]["amount"] for each in in_force["rows"]] == ["0.00", "0.00"]
    ids = "{ platform { merchants { nodes { id slug } } } }"
    nodes = (await mall.ask(ids, who="fay")).data["platform"]["merchants"]["nodes"]
    chosen = [node["id"] for node in nodes if node["slug"] == "second"]
    assert (await ask(mall, REPLAY, "fay", document=proposal, merchants=chosen, **span))["rows"] == [second]


async def test_a_replay_is_refused_without_a_plan_a_span_or_the_right(mall: Mall) -> None:
    await two_stalls(mall)
    await mall.appoint("ada", PlatformRole.ANALYST)
    span = {"from": "2026-03-01", "to": "2026-04-01"}
    assert (await ask(mall, REPLAY, "ada", document=PLAN, **span))["code"] == "NOT_PERMITTED"
    assert (await ask(mall, REPLAY, "fay", **span))["path"] == ["input", "document"]
    assert (await ask(mall, REPLAY, "fay", name="standard", version=9, **span))["code"] == "NOT_FOUND"
    assert (await ask(mall, REPLAY, "fay", document={}, **span))["code"] == "PLAN_INVALID"
    empty = await ask(mall, REPLAY, "fay", document=PLAN, **{"from": "2026-04-01", "to": "2026-03-01"})
    assert empty["path"] == ["input", "to"]


async def test_any_line_can_be_explained_to_the_cent(mall: Mall) -> None:
    await two_stalls(mall)
    await mall.appoint("gus", PlatformRole.FINANCE)
    mall.clock.advance(hours=1)
    given = {"name": "standard", "document": RICH, "effectiveFrom": (NOON + timedelta(hours=2)).isoformat()}
    assert (await ask(mall, PROPOSE, "fay", **given))["warnings"] == []
    approve = 'mutation { commissionPlanApprove(input: {name: "standard", version: 2}) { __typename } }'
    assert (await mall.ask(approve, who="gus")).data["commissionPlanApprove"]["__typename"] == "CommissionPlanApproved"
    approved_at = mall.clock()
    mall.clock.advance(hours=2)
    merchant = await a_merchant(mall.database, "third")
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    owner = await mall.hire("olga", merchant, MerchantRole.OWNER)
    await buy(mall, "bea", a_line(merchant, kite, 2))

    [found] = (await mall.ask(EXPLAIN, who=owner, merchant="third")).data["merchant"]["splits"]["nodes"]
    [line] = found["lines"]
    explain = line["explain"]
    assert (found["commission"]["amount"], found["merchantShare"]["amount"]) == ("21.00", "186.90")
    assert (explain["plan"], explain["planVersion"], explain["approvedBy"]) == ("standard", 2, "platform")
    assert explain["approvedAt"].startswith(approved_at.isoformat()[:19])
    assert explain["slices"] == [
        {"beginsAt": {"amount": begins}, "amount": {"amount": amount}, "rateBps": rate, "part": {"amount": part}}
        for begins, amount, rate, part in (("0.00", "150.00", 1000, "15.00"), ("150.00", "50.00", 800, "4.00"))
    ]
    assert explain["tiers"] == {"mode": "marginal", "volumeBefore": {"amount": "0.00"}}
    assert explain["fixed"] == {
        "amount": {"amount": "2.00"}, "per": "unit", "each": {"amount": "1.00"}, "quantity": 2
    }  # fmt: skip
    assert explain["baseParts"]["goods"]["amount"] == "200.00"
    assert (explain["charged"]["amount"], explain["tax"]["amount"], explain["bound"]) == ("21.00", "2.10", "none")
    assert [(part["party"], part["name"], part["takenOf"], part["amount"]["amount"]) for part in explain["parts"]] == [
        ("merchant", None, None, "186.90"),
        ("platform_commission", None, None, "10.50"),
        ("commission_tax", None, None, "2.10"),
        ("affiliate", "guide", "commission", "10.50"),
    ]
    assert explain["words"] == line["explanation"]
    assert "half up" in explain["rounding"]

    [older] = (await mall.ask(EXPLAIN, who="olga-second", merchant="second")).data["merchant"]["splits"]["nodes"]
    assert older["lines"][0]["explain"]["planVersion"] == 1
    assert (await mall.ask(EXPLAIN, who=owner, merchant="second")).codes == ["MERCHANT_REFUSED"]
