"""Reconciliation by the public door: finance takes files, and says what the lines are that no rule could match."""

import base64
from typing import Any
from uuid import UUID

import pytest

from graphql_api.reconciliation_mutations import MAX_CONTENT
from graphql_api.relay import encode_id, parse_id
from merchantry.domain.payout import Word
from merchantry.services.books import Law
from merchantry.services.verification import merchants_to_verify, verify_books
from tests.graphql_api.documents import PROBLEM
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, key, open_settled
from tests.services.test_settlement import payouts

LINE = """id position amount { amount } status matchedBy endToEndId caseId statementId
          payout { payoutId number merchant transfer }"""
RECONCILE = f"""mutation ($input: ReconcileInput!) {{ reconcile(input: $input) {{ __typename
  ... on Reconciled {{ kind statements repeated lines matched returned unmatched answers cases }} {PROBLEM} }} }}"""
MATCH = f"""mutation ($input: BankLineMatchInput!) {{ bankLineMatch(input: $input) {{ __typename
  ... on BankLineMatched {{ line {{ {LINE} }} }} {PROBLEM} }} }}"""
DISMISS = f"""mutation ($input: BankLineDismissInput!) {{ bankLineDismiss(input: $input) {{ __typename
  ... on BankLineDismissed {{ line {{ {LINE} }} }} {PROBLEM} }} }}"""
DECIDE = f"mutation ($input: CaseDecideInput!) {{ caseDecide(input: $input) {{ __typename {PROBLEM} }} }}"
LINES = f"""query ($status: BankLineStatus, $statement: ID, $first: Int, $after: String) {{
  platform {{ reconciliation {{ lines(status: $status, statement: $statement, first: $first, after: $after) {{
    nodes {{ {LINE} }} pageInfo {{ endCursor hasNextPage }} }} }} }} }}"""
STATEMENTS = """{ platform { reconciliation { statements { nodes {
  id source reference account currency opening { amount } lines undecided importedBy } } } } }"""
CASE = "query ($id: ID!) { platform { case(id: $id) { title status reason subject { kind id } } } }"


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    """The mall after a week, with the shop's payout of 112.50 under way."""
    desk = await open_settled(mall)
    await desk.begin((await payouts(desk.shelf))[0].id, Word.ACCEPTED)
    return desk


async def reference(desk: Settled) -> str:
    """What a line that is about the shop's transfer carries."""
    return f"{(await payouts(desk.shelf))[0].number}-1-1"


def csv(*rows: str) -> bytes:
    return "\r\n".join(["date,amount,currency,reference,provider_reference,kind", *rows, ""]).encode()


async def do(desk: Settled, document: str, who: str = "fin", **given: Any) -> dict[str, Any]:
    """A mutation's answer."""
    answer = await desk.mall.ask(document, {"input": {"idempotencyKey": key(), **given}}, who=who)
    (found,) = answer.data.values()
    return dict(found)


async def take(desk: Settled, data: bytes, who: str = "fin", **given: Any) -> dict[str, Any]:
    """A file comes in."""
    content = base64.b64encode(data).decode()
    return await do(desk, RECONCILE, who, **{"fileName": "today.csv", "content": content, **given})


async def lines(desk: Settled, **asked: Any) -> list[dict[str, Any]]:
    found = (await desk.ask(LINES, "aud", **asked))["reconciliation"]["lines"]["nodes"]
    return list(found)


async def a_stray_line(desk: Settled, row: str = "2026-03-10,-112.50,BRL,TYPO,W1,payout") -> dict[str, Any]:
    """A line that nothing fits, with its case."""
    taken = await take(desk, csv(row))
    assert (taken["unmatched"], len(taken["cases"])) == (1, 1), taken
    (line,) = await lines(desk, status="UNMATCHED")
    return line


async def case_of(desk: Settled, line: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (await desk.ask(CASE, "fin", id=line["caseId"]))["case"]
    return found


async def test_a_file_pays_what_it_shows_and_once(desk: Settled) -> None:
    file = csv(f"2026-03-10,-112.50,BRL,{await reference(desk)},W1,payout")
    first = await take(desk, file)
    assert (first["kind"], first["statements"], first["lines"], first["matched"]) == ("PROVIDER_CSV", 1, 1, 1)
    again = await take(desk, file)
    assert (again["repeated"], again["statements"], again["matched"], again["cases"]) == (1, 0, 0, [])
    (row,) = await payouts(desk.shelf)
    assert (row.status, row.paid_minor) == ("paid", 11_250)
    (line,) = await lines(desk)
    assert (line["status"], line["matchedBy"], line["amount"]) == ("MATCHED", "REFERENCE", {"amount": "-112.50"})
    payout_id = encode_id("Payout", desk.shelf.merchant.id, row.id)
    assert line["payout"] == {
        "payoutId": payout_id,
        "number": row.number,
        "merchant": "shop",
        "transfer": await reference(desk),
    }
    (statement,) = (await desk.ask(STATEMENTS, "adam"))["reconciliation"]["statements"]["nodes"]
    assert (statement["source"], statement["currency"], statement["lines"]) == ("csv", "BRL", 1)
    assert (statement["undecided"], statement["id"]) == (0, line["statementId"])
    assert parse_id(statement["importedBy"]) == ("Account", (await desk.mall.account("fin"),))


async def test_a_line_that_nothing_fits_is_matched_by_a_person_and_its_case_ends(desk: Settled) -> None:
    line = await a_stray_line(desk)
    assert (await case_of(desk, line))["subject"] == {"kind": "BankLine", "id": line["id"]}
    given = {
        "line": line["id"],
        "transfer": await reference(desk),
        "evidence": "the bank's call",
        "idempotencyKey": "k",
    }
    for _ in range(2):
        matched = (await do(desk, MATCH, **given))["line"]
        assert (matched["status"], matched["matchedBy"]) == ("MATCHED", "PERSON")
        assert matched["payout"]["merchant"] == "shop"
    (row,) = await payouts(desk.shelf)
    assert (row.status, row.paid_minor) == ("paid", 11_250)
    assert (await desk.shelf.kinds()).count("payout_paid") == 1
    assert (await case_of(desk, line))["status"] == "SETTLED"
    late = await do(desk, DISMISS, line=line["id"], reason="too late")
    assert (late["__typename"], late["message"].split(";")[0]) == (
        "BankLineDecided",
        "The bank line is matched already",
    )


async def test_money_that_came_in_is_a_transfers_return_when_a_person_says_so(desk: Settled) -> None:
    known = await reference(desk)
    await take(desk, csv(f"2026-03-10,-112.50,BRL,{known},W1,payout"))
    line = await a_stray_line(desk, "2026-03-11,112.50,BRL,BACK,W2,deposit")
    matched = (await do(desk, MATCH, line=line["id"], transfer=known, evidence="it names the merchant"))["line"]
    assert (matched["status"], matched["payout"]["transfer"]) == ("RETURNED", known)
    (row,) = await payouts(desk.shelf)
    assert (row.status, row.returned_minor) == ("returned", 11_250)


@pytest.mark.parametrize(
    ("amount", "borne", "available"),
    [("-110.00", "MERCHANT", 250), ("-115.00", "MERCHANT", -250), ("-115.00", "PLATFORM", 0)],
    ids=["less", "more", "charge"],
)
async def test_a_line_of_another_amount_ends_its_payout_once_somebody_says_who_bears_the_difference(
    desk: Settled, amount: str, borne: str, available: int
) -> None:
    known = await reference(desk)
    line = await a_stray_line(desk, f"2026-03-10,{amount},BRL,{known},W1,payout")
    case = await case_of(desk, line)
    for named in (amount, "-112.50 BRL", "2.50 BRL"):
        assert named in case["title"]
    given = {"line": line["id"], "transfer": known, "evidence": "the bank's advice"}
    unclear = await do(desk, MATCH, **given)
    assert (unclear["__typename"], unclear["path"]) == ("InvalidInput", ["input", "difference"])
    assert "-112.50 BRL" in unclear["message"]
    matched = (await do(desk, MATCH, **given, difference=borne))["line"]
    assert (matched["status"], matched["matchedBy"]) == ("MATCHED", "PERSON")
    (row,) = await payouts(desk.shelf)
    assert (row.status, row.paid_minor) == ("paid", 11_250)
    assert (await desk.shelf.balances()).get("merchant_available", 0) == available
    assert (await case_of(desk, line))["status"] == "SETTLED"
    async for verified in verify_books(desk.mall.database, await merchants_to_verify(desk.mall.database)):
        assert not [each for each in verified.broken if each.law in (Law.PAYOUT, Law.BALANCE)], verified


async def test_a_return_of_less_than_was_paid_is_returned_and_what_the_bank_kept_is_put_right(desk: Settled) -> None:
    known = await reference(desk)
    await take(desk, csv(f"2026-03-10,-112.50,BRL,{known},W1,payout"))
    line = await a_stray_line(desk, f"2026-03-11,110.00,BRL,{known},W2,return")
    given = {"line": line["id"], "transfer": known, "evidence": "its advice", "difference": "MERCHANT"}
    assert (await do(desk, MATCH, **given))["line"]["status"] == "RETURNED"
    (row,) = await payouts(desk.shelf)
    assert (row.status, row.returned_minor) == ("returned", 11_250)
    assert (await desk.shelf.balances())["merchant_available"] == 11_000


async def test_a_difference_is_not_named_where_there_is_none(desk: Settled) -> None:
    line = await a_stray_line(desk)
    given = {"line": line["id"], "transfer": await reference(desk), "evidence": "a call", "difference": "PLATFORM"}
    answer = await do(desk, MATCH, **given)
    assert (answer["__typename"], answer["path"]) == ("InvalidInput", ["input", "difference"])


async def test_a_line_is_dismissed_with_a_reason_and_books_nothing(desk: Settled) -> None:
    line, entries = await a_stray_line(desk, "2026-03-10,-3.00,BRL,,W9,fee"), await desk.shelf.kinds()
    dismissed = (await do(desk, DISMISS, line=line["id"], reason="the bank's fee"))["line"]
    assert (dismissed["status"], dismissed["payout"], dismissed["matchedBy"]) == ("DISMISSED", None, None)
    case = await case_of(desk, line)
    assert (case["status"], case["reason"]) == ("SETTLED", "the bank's fee")
    assert await desk.shelf.kinds() == entries
    assert await lines(desk, status="UNMATCHED") == []


async def test_a_vote_does_not_end_the_case_of_a_line_that_nobody_has_decided_about(desk: Settled) -> None:
    line = await a_stray_line(desk)
    for vote in ("APPROVE", "REJECT"):
        refused = await do(desk, DECIDE, "flo", caseId=line["caseId"], vote=vote, reason="whatever")
        assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", "caseId"])
        assert "bankLineMatch" in refused["message"]
    assert (await case_of(desk, line))["status"] == "OPEN"


async def test_what_can_not_be_the_same_is_not_matched(desk: Settled) -> None:
    line, known = await a_stray_line(desk, "2026-03-10,-112.49,BRL,TYPO,W1,payout"), await reference(desk)
    refused = await do(desk, MATCH, line=line["id"], transfer=known, evidence="nearly")
    assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", "difference"])
    assert "was of -112.50 BRL" in refused["message"]
    missing = await do(desk, MATCH, line=line["id"], transfer="100999-P1-1-1", evidence="none")
    assert (missing["__typename"], missing["path"]) == ("NotFound", ["input", "transfer"])
    unknown = encode_id("BankLine", UUID(int=7), UUID(int=0))
    huge = encode_id("BankLine", UUID(int=7), UUID(int=2**31))
    for id in (unknown, huge, encode_id("BankStatement", UUID(int=7)), "x"):
        answer = await do(desk, DISMISS, line=id, reason="no")
        assert (answer["__typename"], answer["path"]) == ("NotFound", ["input", "line"]), answer
    assert (await payouts(desk.shelf))[0].status == "sent"


@pytest.mark.parametrize("who", ["adam", "aud", "rev"])
async def test_only_finance_takes_files_and_decides_about_lines(desk: Settled, who: str) -> None:
    line = await a_stray_line(desk)
    for answer in (
        await take(desk, csv(), who),
        await do(desk, MATCH, who, line=line["id"], transfer="x", evidence="x"),
        await do(desk, DISMISS, who, line=line["id"], reason="x"),
    ):
        assert answer["__typename"] == "NotPermitted"
    if who == "rev":
        assert (await desk.mall.ask(STATEMENTS, who=who)).codes == ["NOT_PERMITTED"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"content": "no base64!"}, "InvalidInput"),
        ({"content": ""}, "InvalidInput"),
        ({"content": "A" * (MAX_CONTENT + 4)}, "InvalidInput"),
        ({"content": base64.b64encode(b"what,is,this\n").decode()}, "BankFileInvalid"),
        ({"content": base64.b64encode(b"<camt.053").decode()}, "BankFileInvalid"),
        ({"fileName": " "}, "InvalidInput"),
        ({"account": ""}, "InvalidInput"),
    ],
    ids=["not-base64", "empty", "too-long", "no-statement", "broken-xml", "no-name", "no-account"],
)
async def test_files_that_can_not_be_taken_are_refused_whole(
    desk: Settled, given: dict[str, Any], problem: str
) -> None:
    answer = await take(desk, csv(), **given)
    (name,) = given
    assert (answer["__typename"], answer["path"]) == (problem, ["input", name]), answer
    assert await lines(desk) == []


async def test_a_key_stands_for_one_file(desk: Settled) -> None:
    first = await take(desk, csv("2026-03-10,-1.00,BRL,,W1,fee"), idempotencyKey="k")
    assert first["statements"] == 1
    other = await take(desk, csv("2026-03-10,-2.00,BRL,,W2,fee"), idempotencyKey="k")
    assert other["__typename"] == "IdempotencyConflict"


async def test_lines_come_page_by_page_and_of_one_statement(desk: Settled) -> None:
    await take(desk, csv(*(f"2026-03-{day:02},-1.00,BRL,,W{day},fee" for day in range(1, 6))))
    await take(desk, csv("2026-03-20,-2.00,BRL,,W9,fee"))
    seen, after = [], None
    while True:
        page = (await desk.ask(LINES, "fin", first=2, after=after))["reconciliation"]["lines"]
        seen += [line["amount"]["amount"] for line in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == ["-2.00", *["-1.00"] * 5]
    newest = (await lines(desk))[0]
    assert [each["id"] for each in await lines(desk, statement=newest["statementId"])] == [newest["id"]]
