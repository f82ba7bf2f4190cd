"""Review cases by the public door: worked on by the platform's people, decided by others than who caused them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from graphql_api.relay import encode_id
from merchantry.domain.case import CaseKind
from merchantry.domain.case_permission import DECIDED_WITH
from merchantry.domain.permission import MerchantRole, PlatformRole, may
from merchantry.services import case
from merchantry.services.case import Fact, NewCase
from merchantry.tables.platform import NOBODY
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, an_act
from tests.graphql_api.documents import PROBLEM
from tests.graphql_api.mall import Answer, Mall, open_mall

ACTOR = "{ role accountId email }"
CASE = f"""
  id kind status merchant subject {{ kind id }} title evidence {{ name value kind }} amount {{ amount currency }}
  openedBy {ACTOR} openedAt ageSeconds dueAt overdue owner {ACTOR} approvalsNeeded approvals {{ by {ACTOR} at }}
  events {{ kind actor {ACTOR} text evidence {{ name value }} owner {ACTOR} }} decision reason decidedAt
"""
NODE = f"query ($id: ID!) {{ node(id: $id) {{ ... on Case {{ {CASE} }} }} }}"
MERCHANTS = f"{{ merchant {{ cases {{ nodes {{ {CASE} }} }} }} }}"


def mutation(name: str, success: str) -> str:
    given = name[0].upper() + name[1:] + "Input!"
    return f"""
      mutation ($input: {given}) {{
        {name}(input: $input) {{ __typename ... on {success} {{ case {{ {CASE} }} }} {PROBLEM} }}
      }}
    """


OPEN, COMMENT = mutation("caseOpen", "CaseOpened"), mutation("caseComment", "CaseCommented")
ASSIGN, DECIDE = mutation("caseAssign", "CaseAssigned"), mutation("caseDecide", "CaseDecided")


@dataclass
class Desk:
    """A mall with a merchant, its owner olga, and three of the platform: ada (admin), fin (finance), rev (reviewer)."""

    mall: Mall
    merchant: Merchant

    async def open(self, kind: CaseKind = CaseKind.STATEMENT_OBJECTION, **given: Any) -> str:
        """A case about an order of the merchant, which it opened itself unless told otherwise; its id."""
        usual: dict[str, Any] = {"subject_kind": "Order", "subject_id": str(uuid4()), "title": "Too little"}
        actor, merchant_id = given.pop("actor", "system:test"), given.pop("merchant_id", self.merchant.id)
        new = NewCase(kind, merchant_id, **{**usual, **given})
        async with self.mall.database.write("test") as tx, tx.as_platform() as session:
            case_id = await case.open_case(session, new, an_act(actor))
        return encode_id("Case", merchant_id, case_id)

    async def do(self, document: str, who: str, key: str | None = None, **given: Any) -> dict[str, Any]:
        """Send a mutation; what its one field answers."""
        sent = {"input": {"idempotencyKey": key or str(uuid4()), **given}}
        (answer,) = (await self.mall.ask(document, sent, who=who)).data.values()
        found: dict[str, Any] = answer
        return found

    async def decide(self, who: str, case_id: str, vote: str = "APPROVE", key: str | None = None) -> dict[str, Any]:
        """Vote."""
        return await self.do(DECIDE, who, key, caseId=case_id, vote=vote, reason=f"{who} says {vote}")

    async def account(self, who: str) -> str:
        """The account's id as the API knows it."""
        return encode_id("Account", await self.mall.account(who))

    async def listed(self, arguments: str, who: str = "ada") -> list[str]:
        """Titles of the platform's cases."""
        answer = await self.mall.ask(f"{{ platform {{ cases{arguments} {{ nodes {{ title }} }} }} }}", who=who)
        return [each["title"] for each in answer.data["platform"]["cases"]["nodes"]]

    async def node(self, case_id: str, who: str, merchant: str | None = None) -> Any:
        """The case by its id."""
        return (await self.mall.ask(NODE, {"id": case_id}, who=who, merchant=merchant)).data["node"]


@pytest.fixture
async def desk(database: Database, tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_mall(database, tmp_path) as mall:
        merchant = await a_merchant(database, "kites")
        await mall.ask("{ viewer { accountId } }", who="rev")  # whose first visit tells the address
        await mall.hire("olga", merchant, MerchantRole.OWNER)
        await mall.appoint("ada", PlatformRole.ADMIN)
        await mall.appoint("fin", PlatformRole.FINANCE)
        await mall.appoint("flo", PlatformRole.FINANCE)
        await mall.appoint("rev", PlatformRole.REVIEWER)
        yield Desk(mall, merchant)


async def test_a_case_is_opened_assigned_commented_on_and_decided_by_others(desk: Desk) -> None:
    given: dict[str, Any] = {
        "merchantId": encode_id("MerchantRecord", desk.merchant.id),
        "title": " Two shops, one account ",
        "evidence": [{"name": "account", "value": "the same"}],
        "amount": {"amount": "12.30", "currency": "EUR"},
        "dueAt": (NOON + timedelta(days=1)).isoformat(),
    }
    opened = (await desk.do(OPEN, "rev", **given))["case"]
    assert (opened["kind"], opened["status"], opened["title"]) == ("OTHER", "OPEN", "Two shops, one account")
    assert (opened["merchant"], opened["amount"]["amount"], opened["approvalsNeeded"]) == ("kites", "12.30", 1)
    assert opened["subject"] == {"kind": "Case", "id": opened["id"]}
    reviewer = {"role": "platform", "accountId": await desk.account("rev"), "email": "rev@example.test"}
    assert opened["openedBy"] == opened["events"][0]["actor"] == reviewer
    desk.mall.clock.advance(days=2)
    assigned = await desk.do(ASSIGN, "rev", caseId=opened["id"], accountId=await desk.account("fin"))
    assert assigned["case"]["owner"]["accountId"] == await desk.account("fin")
    assert (assigned["case"]["ageSeconds"], assigned["case"]["overdue"]) == (2 * 86_400, True)
    commented = await desk.do(COMMENT, "ada", caseId=opened["id"], text="I know them")
    assert [each["kind"] for each in commented["case"]["events"]] == ["open", "assign", "comment"]
    assert await desk.listed("(mine: true)") == []
    assert await desk.listed("(mine: true, status: [OPEN])", "fin") == ["Two shops, one account"]
    decided = (await desk.decide("fin", opened["id"], "REJECT"))["case"]
    assert (decided["status"], decided["decision"], decided["reason"]) == ("REJECTED", "REJECT", "fin says REJECT")
    desk.mall.clock.advance(days=1)
    again = await desk.node(opened["id"], "rev")
    assert (again["ageSeconds"], again["decidedAt"]) == (2 * 86_400, (NOON + timedelta(days=2)).isoformat())


async def test_nobody_decides_their_own_act_nor_twice_nor_what_is_closed(desk: Desk) -> None:
    await desk.mall.appoint("pat", PlatformRole.FINANCE)
    parties = [f"platform:{await desk.mall.account('pat')}"]
    case_id = await desk.open(CaseKind.PAYOUT_RELEASE, parties=parties, currency="EUR", amount_minor=10**9)
    assert (await desk.decide("pat", case_id))["__typename"] == "OwnAct"
    first = await desk.decide("fin", case_id)
    assert (first["case"]["status"], first["case"]["approvalsNeeded"]) == ("OPEN", 2)
    assert [each["by"]["accountId"] for each in first["case"]["approvals"]] == [await desk.account("fin")]
    assert (await desk.decide("fin", case_id, "REJECT"))["__typename"] == "VotedAlready"
    assert (await desk.decide("flo", case_id))["case"]["status"] == "APPROVED"
    closed = await desk.decide("flo", case_id)
    assert (closed["__typename"], closed["code"]) == ("CaseClosed", "CASE_CLOSED")


@pytest.mark.parametrize("kind", sorted(DECIDED_WITH))
async def test_a_case_is_decided_by_those_only_who_may_bring_its_effect_about(desk: Desk, kind: CaseKind) -> None:
    case_id, needed = await desk.open(kind), DECIDED_WITH[kind]
    for who, role in (("ada", PlatformRole.ADMIN), ("rev", PlatformRole.REVIEWER)):
        answer = await desk.decide(who, case_id)
        if may([role], needed):
            assert answer["__typename"] != "NotPermitted"
        else:
            assert (answer["__typename"], needed in answer["message"]) == ("NotPermitted", True)


async def test_an_admin_can_not_verify_an_account_by_deciding_the_case_about_it(desk: Desk) -> None:
    case_id = await desk.open(CaseKind.PAYEE_CHANGE)
    assert (await desk.decide("ada", case_id))["__typename"] == "NotPermitted"
    assert (await desk.node(case_id, "ada"))["status"] == "OPEN"
    assert (await desk.decide("rev", case_id))["case"]["status"] == "APPROVED"


async def test_a_repeated_request_votes_and_opens_once(desk: Desk) -> None:
    case_id = await desk.open(CaseKind.WRITE_OFF)
    for _ in range(2):
        again = await desk.decide("fin", case_id, key="one vote")
        assert len(again["case"]["approvals"]) == 1
    assert (await desk.decide("fin", case_id, "REJECT", key="one vote"))["__typename"] == "IdempotencyConflict"
    ids = {(await desk.do(OPEN, "rev", "one case", title="Look"))["case"]["id"] for _ in range(2)}
    assert len(ids) == 1
    assert await desk.listed("(kind: [OTHER])") == ["Look"]


async def test_the_merchant_is_told_of_its_cases_and_of_no_names(desk: Desk) -> None:
    order_id = uuid4()
    case_id = await desk.open(
        subject_id=str(order_id),
        evidence=[Fact("order", str(order_id), "Order"), Fact("run", str(UUID(int=5)), "SettlementRun")],
        actor=f"staff:{await desk.mall.account('olga')}",
    )
    await desk.open(CaseKind.BANK_DIFFERENCE, title="Of the platform alone")
    await desk.do(ASSIGN, "rev", caseId=case_id, accountId=await desk.account("fin"))
    await desk.do(COMMENT, "rev", caseId=case_id, text="between us")
    await desk.decide("ada", case_id)
    answer = await desk.mall.ask(MERCHANTS, who="olga", merchant="kites")
    (seen,) = answer.data["merchant"]["cases"]["nodes"]
    assert seen == await desk.node(case_id, "olga", "kites")
    opaque = encode_id("Order", desk.merchant.id, order_id)
    assert seen["subject"] == {"kind": "Order", "id": opaque}
    assert seen["evidence"][0] == {"name": "order", "value": opaque, "kind": "Order"}
    assert seen["evidence"][1] == {"name": "run", "value": str(UUID(int=5)), "kind": None}
    assert (seen["status"], seen["reason"], seen["owner"], seen["approvals"]) == (
        "APPROVED",
        "ada says APPROVE",
        None,
        [],
    )
    assert [(each["kind"], each["actor"]) for each in seen["events"]] == [
        ("open", {"role": "staff", "accountId": None, "email": None})
    ]
    for hidden in ("between us", await desk.account("fin"), await desk.account("ada")):
        assert hidden not in str(answer.body)
    await desk.mall.notify()
    news = await desk.mall.ask("{ merchant { notifications { nodes { kind } } } }", who="olga", merchant="kites")
    assert [each["kind"] for each in news.data["merchant"]["notifications"]["nodes"]] == ["case.decided"]


async def test_cases_are_filtered_by_kind_status_and_merchant(desk: Desk) -> None:
    boats = await a_merchant(desk.mall.database, "boats")
    await desk.open(title="of kites")
    await desk.open(title="of boats", merchant_id=boats.id)
    await desk.open(CaseKind.SETTLEMENT_MISSED, title="of nobody", merchant_id=NOBODY)
    assert sorted(await desk.listed("")) == ["of boats", "of kites", "of nobody"]
    assert await desk.listed("(kind: [SETTLEMENT_MISSED])") == ["of nobody"]
    assert await desk.listed("(status: [APPROVED, REJECTED])") == []
    merchant = encode_id("MerchantRecord", boats.id)
    assert await desk.listed(f'(merchant: "{merchant}")') == ["of boats"]


def case_of(answer: Answer) -> Any:
    return answer.data["platform"]["case"]


async def test_a_case_is_found_by_its_id_and_by_no_other(desk: Desk) -> None:
    case_id = await desk.open(merchant_id=NOBODY, subject_kind="bank_line", subject_id="2026/7")
    ask = "query ($id: ID!) { platform { case(id: $id) { title merchant subject { kind id } } } }"
    found = case_of(await desk.mall.ask(ask, {"id": case_id}, who="fin"))
    assert found == {"title": "Too little", "merchant": None, "subject": {"kind": "bank_line", "id": "2026/7"}}
    for other in (encode_id("Case", NOBODY, uuid4()), encode_id("Order", NOBODY, uuid4()), "nonsense"):
        assert case_of(await desk.mall.ask(ask, {"id": other}, who="fin")) is None


@pytest.mark.parametrize(
    ("given", "problem", "path"),
    [
        ({"title": " "}, "InvalidInput", ["input", "title"]),
        ({"merchantId": encode_id("MerchantRecord", UUID(int=9))}, "NotFound", ["input", "merchantId"]),
        ({"evidence": [{"name": "", "value": "x"}]}, "InvalidInput", ["input", "evidence", "0", "name"]),
        ({"evidence": [{"name": "a", "value": "b"}] * 51}, "InvalidInput", ["input", "evidence"]),
        ({"amount": {"amount": "1", "currency": "XXX"}}, "UnknownCurrency", ["input", "amount", "currency"]),
    ],
    ids=["title", "merchant", "fact", "facts", "currency"],
)
async def test_a_case_that_makes_no_sense_is_refused(
    desk: Desk, given: dict[str, Any], problem: str, path: list[str]
) -> None:
    answer = await desk.do(OPEN, "rev", **{"title": "Look", **given})
    assert (answer["__typename"], answer["path"]) == (problem, path)


async def test_an_owner_must_be_able_to_work_on_cases(desk: Desk) -> None:
    case_id = await desk.open()
    refused = await desk.do(ASSIGN, "rev", caseId=case_id, accountId=await desk.account("olga"))
    assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", "accountId"])
    await desk.do(ASSIGN, "rev", caseId=case_id, accountId=await desk.account("ada"))
    assert (await desk.do(ASSIGN, "rev", caseId=case_id))["case"]["owner"] is None
