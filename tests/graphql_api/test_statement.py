"""Statements by the public door: read down to the orders, accepted, objected to, and decided by people."""

from typing import Any

import pytest

from graphql_api.relay import encode_id
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, key, open_settled
from tests.services.test_settlement import local

STATEMENT = """
  id number currency startsAt endsAt startsOn endsOn timeZone opening { amount } closing { amount currency }
  kinds { kind entries amount { amount } } entries status closedAt acceptBy decidedAt contentHash
  payouts { number amount { amount } account statement { id } entries { kind seq statement { number } } }
  invoices { kind number gross { amount } lines { description } statement { number } documents { pdf } }
  documents { pdf xlsx csv }
  lines(first: 1) {
    nodes { entrySeq kind text amount { amount } availableAt order { id number } corrects }
    pageInfo { hasNextPage endCursor }
  }
"""
ONE = f"query ($number: String!) {{ merchant {{ statement(number: $number) {{ {STATEMENT} }} }} }}"
OBJECTED = """statement { status payouts { status amount { amount } } }
              case { id kind status amount { amount } subject { kind id } evidence { name value } }"""


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    """The mall after a week."""
    return await open_settled(mall)


async def test_a_statement_is_read_with_its_lines_payouts_invoices_and_documents(desk: Settled) -> None:
    number = (await desk.statement())["number"]
    found = (await desk.ask(ONE, "olga", number=number))["statement"]
    assert (found["opening"]["amount"], found["closing"]) == ("0.00", {"amount": "112.50", "currency": "BRL"})
    assert found["kinds"] == [{"kind": "release", "entries": 1, "amount": {"amount": "112.50"}}]
    assert (found["startsOn"], found["endsOn"], found["timeZone"]) == ("2026-03-02", "2026-03-09", "America/Sao_Paulo")
    assert (found["status"], found["entries"], len(found["contentHash"])) == ("issued", 1, 64)
    (line,) = found["lines"]["nodes"]
    assert (line["kind"], line["text"], line["amount"]["amount"]) == ("release", "Sale", "112.50")
    (payout,) = found["payouts"]
    assert (payout["account"], payout["amount"]["amount"]) == ("•••• shop", "112.50")
    assert payout["statement"]["id"] == found["id"]
    assert [each["kind"] for each in payout["entries"]] == ["payout"]
    (invoice,) = found["invoices"]
    assert (invoice["kind"], invoice["gross"]["amount"]) == ("INVOICE", "12.50")
    assert found["documents"] == {each: f"/documents/statements/{number}.{each}" for each in ("pdf", "xlsx", "csv")}
    assert invoice["documents"]["pdf"] == f"/documents/invoices/{invoice['number']}.pdf"


async def test_a_payouts_entry_leads_to_the_statement_that_claims_it(desk: Settled) -> None:
    await desk.shelf.close(local(2026, 3, 16))
    found = await desk.ask("{ merchant { payouts { nodes { entries { kind statement { number } } } } } }", "olga")
    (entry,) = found["payouts"]["nodes"][0]["entries"]
    assert entry["statement"]["number"].endswith("-S00002")


async def test_lines_of_a_page_of_statements_are_read_in_pages(desk: Settled) -> None:
    for day in (10, 11, 12):
        await desk.shelf.sell(100, local(2026, 3, day))
    await desk.shelf.close(local(2026, 3, 16))
    lines = "nodes { entrySeq amount { amount } } pageInfo { hasNextPage endCursor }"
    page = f"lines(first: 2, after: $after) {{ {lines} }}"
    ask = f"query ($after: String) {{ merchant {{ statements {{ nodes {{ {page} }} }} }} }}"
    second, first = (await desk.ask(ask, "olga"))["statements"]["nodes"]
    assert [len(each["lines"]["nodes"]) for each in (second, first)] == [2, 1]
    assert (second["lines"]["pageInfo"]["hasNextPage"], first["lines"]["pageInfo"]["hasNextPage"]) == (True, False)
    rest = (await desk.ask(ask, "olga", after=second["lines"]["pageInfo"]["endCursor"]))["statements"]["nodes"][0]
    seqs = [each["entrySeq"] for page in (second, rest) for each in page["lines"]["nodes"]]
    assert len(set(seqs)) == 4


async def test_the_open_period_is_previewed(desk: Settled) -> None:
    await desk.shelf.sell(70, local(2026, 3, 9, 12))
    shown = "currency opening { amount } closing { amount } startsOn endsOn kinds { kind }"
    ask = f"{{ merchant {{ statementPreview {{ {shown} }} }} }}"
    (found,) = (await desk.ask(ask, "acc"))["statementPreview"]
    assert (found["opening"]["amount"], found["closing"]["amount"]) == ("112.50", "0.70")
    assert (found["startsOn"], found["endsOn"]) == ("2026-03-09", "2026-03-16")
    assert [each["kind"] for each in found["kinds"]] == ["payout", "release"]


async def test_a_statement_is_accepted_once(desk: Settled) -> None:
    statement, token = await desk.statement(), key()
    shown = "statement { status decidedAt }"
    for _ in range(2):
        done = await desk.do("statementAccept", "acc", shown, statementId=statement["id"], idempotencyKey=token)
        assert done["statement"]["status"] == "accepted"
    again = await desk.do("statementAccept", "olga", shown, statementId=statement["id"], idempotencyKey=key())
    assert again["__typename"] == "StatementDecided"


async def object_to(desk: Settled, amount: str = "20.00", currency: str = "BRL", who: str = "acc") -> dict[str, Any]:
    given = {"amount": {"amount": amount, "currency": currency}, "reason": "a parcel is missing"}
    statement_id = (await desk.statement())["id"]
    return await desk.do("statementObject", who, OBJECTED, statementId=statement_id, idempotencyKey="o", **given)


async def test_an_objection_opens_a_case_and_holds_no_more_than_it_is_about(desk: Settled) -> None:
    objected = await object_to(desk)
    assert objected["__typename"] == "StatementObjected", objected
    payouts = [(each["status"], each["amount"]["amount"]) for each in objected["statement"]["payouts"]]
    assert (objected["statement"]["status"], payouts) == ("objected", [("CANCELLED", "112.50"), ("PLANNED", "92.50")])
    case = objected["case"]
    assert (case["kind"], case["status"], case["amount"]["amount"]) == ("STATEMENT_OBJECTION", "OPEN", "20.00")
    assert case["subject"] == {"kind": "Statement", "id": (await desk.statement())["id"]}
    evidence = {each["name"]: each["value"] for each in case["evidence"]}
    assert (evidence["objected to"], evidence["held"]) == ("20.00 BRL", "20.00 BRL")
    assert await object_to(desk) == objected
    assert (await desk.shelf.balances())["merchant_held"] == 2_000


@pytest.mark.parametrize(("vote", "available"), [("APPROVE", 4_000), ("REJECT", 2_000)])
async def test_a_decision_frees_what_is_held_and_gives_what_was_objected_to(
    desk: Settled, vote: str, available: int
) -> None:
    case_id = (await object_to(desk))["case"]["id"]
    given = {"caseId": case_id, "vote": vote, "reason": "the carrier says so", "idempotencyKey": key()}
    decided = await desk.do("caseDecide", "adam", "case { status }", **given)
    assert decided["__typename"] == "CaseDecided", decided
    balances = await desk.shelf.balances()
    assert (balances["merchant_available"], balances.get("merchant_held", 0)) == (available, 0)
    assert (await desk.statement())["status"] == "accepted"


async def test_an_objection_is_approved_in_part_and_the_rest_is_declined_with_the_reason(desk: Settled) -> None:
    case_id = (await object_to(desk))["case"]["id"]
    given: dict[str, Any] = {"caseId": case_id, "vote": "APPROVE", "reason": "three of the five parcels"}
    for amount, path in (
        ({"amount": "20.01", "currency": "BRL"}, ["input", "amount"]),
        ({"amount": "0.00", "currency": "BRL"}, ["input", "amount"]),
        ({"amount": "1.00", "currency": "EUR"}, ["input", "amount", "currency"]),
    ):
        refused = await desk.do("caseDecide", "fin", **given, amount=amount, idempotencyKey=key())
        assert (refused["__typename"], refused["path"]) == ("InvalidInput", path)
    part = {"amount": "12.00", "currency": "BRL"}
    rejected = await desk.do("caseDecide", "fin", **given | {"vote": "REJECT"}, amount=part, idempotencyKey=key())
    assert (rejected["__typename"], rejected["path"]) == ("InvalidInput", ["input", "amount"])
    shown = "case { status amount { amount } granted { amount } }"
    decided = await desk.do("caseDecide", "fin", shown, **given, amount=part, idempotencyKey=key())
    assert decided["case"] == {"status": "APPROVED", "amount": {"amount": "20.00"}, "granted": {"amount": "12.00"}}
    balances = await desk.shelf.balances()
    assert (balances["merchant_available"], balances.get("merchant_held", 0)) == (3_200, 0)
    seen = (await desk.ask("{ merchant { cases { nodes { reason granted { amount } } } } }", "acc"))["cases"]["nodes"]
    assert seen == [{"reason": "three of the five parcels", "granted": {"amount": "12.00"}}]


@pytest.mark.parametrize(("vote", "granted"), [("APPROVE", {"amount": "20.00"}), ("REJECT", None)])
async def test_an_objection_is_approved_as_a_whole_or_not_at_all(
    desk: Settled, vote: str, granted: dict[str, str] | None
) -> None:
    given = {
        "caseId": (await object_to(desk))["case"]["id"],
        "vote": vote,
        "reason": "so be it",
        "idempotencyKey": key(),
    }
    decided = await desk.do("caseDecide", "fin", "case { granted { amount } }", **given)
    assert decided["case"]["granted"] == granted


@pytest.mark.parametrize(
    ("amount", "currency", "problem", "path"),
    [
        ("0.00", "BRL", "InvalidInput", ["input", "amount"]),
        ("-1.00", "BRL", "InvalidInput", ["input", "amount"]),
        ("1.00", "EUR", "InvalidInput", ["input", "amount", "currency"]),
        ("1.00", "QQQ", "UnknownCurrency", ["input", "amount", "currency"]),
    ],
)
async def test_an_objection_that_makes_no_sense_is_refused(
    desk: Settled, amount: str, currency: str, problem: str, path: list[str]
) -> None:
    answer = await object_to(desk, amount, currency)
    assert (answer["__typename"], answer["path"]) == (problem, path)
    assert (await desk.statement())["status"] == "issued"


async def test_after_the_deadline_nothing_can_be_objected_to(desk: Settled) -> None:
    desk.mall.clock.advance(days=30)
    assert (await object_to(desk))["__typename"] == "StatementDecided"


@pytest.mark.parametrize("who", ["mia", "vic"])
async def test_only_owner_and_accountant_decide_about_a_statement(desk: Settled, who: str) -> None:
    assert (await object_to(desk, who=who))["__typename"] == "NotPermitted"
    given = {"statementId": (await desk.statement())["id"], "idempotencyKey": key()}
    assert (await desk.do("statementAccept", who, **given))["__typename"] == "NotPermitted"


async def test_a_statement_of_another_merchant_is_as_unknown_as_none(desk: Settled) -> None:
    statement = await desk.statement()
    missing = encode_id("Statement", desk.other.merchant.id, desk.other.merchant.id)
    for id in (statement["id"], missing):
        given = {"input": {"statementId": id, "idempotencyKey": key()}}
        document = "mutation ($input: StatementAcceptInput!) { statementAccept(input: $input) { __typename } }"
        answer = await desk.mall.ask(document, given, who="otto", merchant="other")
        assert answer.data["statementAccept"]["__typename"] == "NotFound"
        node = await desk.mall.ask(
            "query ($id: ID!) { node(id: $id) { id } }", {"id": id}, who="otto", merchant="other"
        )
        assert node.data["node"] is None
    foreign = await desk.mall.ask(ONE, {"number": statement["number"]}, who="otto", merchant="other")
    assert foreign.data["merchant"]["statement"] is None


async def test_the_platforms_people_read_any_merchants_statements(desk: Settled) -> None:
    number = (await desk.statement())["number"]
    merchant = encode_id("MerchantRecord", desk.shelf.merchant.id)
    ask = f"""query ($merchant: ID!, $number: String!) {{ platform {{
      statements(merchant: $merchant) {{ nodes {{ {STATEMENT} }} }}
      statement(number: $number) {{ {STATEMENT} }} }} }}"""
    found = await desk.ask(ask, "aud", merchant=merchant, number=number)
    assert found["statements"]["nodes"] == [found["statement"]]
    node = await desk.mall.ask(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on Statement {{ {STATEMENT} }} }} }}",
        {"id": found["statement"]["id"]},
        who="fin",
    )
    assert node.data["node"] == found["statement"]
    for unknown in ("100999-S00001", "nonsense", "1-S1", number + "9"):
        answer = await desk.ask(ask, "fin", merchant=merchant, number=unknown)
        assert answer["statement"] is None
    refused = await desk.mall.ask(ask, {"merchant": merchant, "number": number}, who="rev")
    assert set(refused.codes) == {"NOT_PERMITTED"}


async def test_news_lead_to_what_they_are_about(desk: Settled) -> None:
    await desk.mall.notify()
    found = await desk.ask("{ merchant { notifications { nodes { kind subject } } } }", "olga")
    subjects = {each["kind"]: each["subject"] for each in found["notifications"]["nodes"]}
    statement = await desk.statement()
    closed = {"statement": statement["id"], "number": statement["number"], "currency": "BRL", "closing_minor": 11250}
    assert subjects["statement.closed"] == closed
    assert subjects["payout.planned"]["payout"] == statement["payouts"][0]["id"]
