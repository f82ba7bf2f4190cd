"""Terms that the platform's people set by the public door: exchanges, chains of approval, days by category, sellers."""

from typing import Any

import pytest
from sqlalchemy import func, select

from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.tables.merchant import ledger_entry
from tests.builders import a_category, a_merchant, a_product
from tests.graphql_api.documents import PROBLEM, a_line, pay, place
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import Settled, open_settled

EXCHANGE = f"""mutation ($input: ExchangeBookInput!) {{ exchangeBook(input: $input) {{ __typename
  ... on ExchangeBooked {{ exchange {{ from {{ amount currency }} to {{ amount currency }} rate source rateAt }} }}
  {PROBLEM} }} }}"""
CHAIN = "approvalChain { kind version steps { above { amount currency } approvals } approvedBy approvedAt }"
SET = f"""mutation ($input: ApprovalChainSetInput!) {{ approvalChainSet(input: $input) {{ __typename
  ... on ApprovalChainProposed {{ {CHAIN} }} {PROBLEM} }} }}"""
APPROVE = f"""mutation ($input: ApprovalChainApproveInput!) {{ approvalChainApprove(input: $input) {{ __typename
  ... on ApprovalChainApproved {{ {CHAIN} }} {PROBLEM} }} }}"""
DAYS = f"""mutation ($input: CategoryDaysSetInput!) {{ categoryDaysSet(input: $input) {{ __typename
  ... on CategoryDaysWereSet {{ category {{ code holdDays returnDays }} }} {PROBLEM} }} }}"""
OPEN = """mutation ($input: CaseOpenInput!) { caseOpen(input: $input) {
  __typename ... on CaseOpened { case { approvalsNeeded } } } }"""
UPDATE = f"""mutation ($input: MerchantUpdateInput!) {{ merchantUpdate(input: $input) {{ __typename
  ... on MerchantUpdated {{ merchant {{ sellerOfRecord acceptsCash }} }} {PROBLEM} }} }}"""


async def ask(mall: Mall, mutation: str, who: str, **given: Any) -> dict[str, Any]:
    [found] = (await mall.ask(mutation, {"input": given}, who=who)).data.values()
    answer: dict[str, Any] = found
    return answer


@pytest.fixture
async def desk(mall: Mall) -> Settled:
    return await open_settled(mall)


def an_exchange(desk: Settled, amount: str = "12.00", **more: Any) -> dict[str, Any]:
    given = {
        "merchantId": encode_id("MerchantRecord", desk.shelf.merchant.id),
        "from": {"amount": amount, "currency": "BRL"},
        "to": "EUR",
        "rate": "0.1834",
        "source": "the central bank",
        "rateAt": "2026-03-01T00:00:00Z",
        "idempotencyKey": "one",
    }
    return given | more


async def exchanges(desk: Settled) -> int:
    statement = select(func.count()).where(ledger_entry.c.kind == "exchange")
    [row] = await desk.shelf._rows(statement)
    count: int = row[0]
    return count


async def test_an_exchange_is_booked_once_for_its_key_however_often_it_is_asked_for(desk: Settled) -> None:
    await desk.shelf.sell(1_200, desk.mall.clock())
    booked = await ask(desk.mall, EXCHANGE, "fin", **an_exchange(desk))
    assert booked["exchange"] == {
        "from": {"amount": "12.00", "currency": "BRL"},
        "to": {"amount": "2.20", "currency": "EUR"},
        "rate": "0.1834",
        "source": "the central bank",
        "rateAt": "2026-03-01T00:00:00+00:00",
    }
    desk.mall.clock.advance(days=3)
    assert await ask(desk.mall, EXCHANGE, "fin", **an_exchange(desk)) == booked
    conflict = await ask(desk.mall, EXCHANGE, "fin", **an_exchange(desk, "11.00"))
    assert conflict["__typename"] == "IdempotencyConflict"
    assert await exchanges(desk) == 1
    more = await ask(desk.mall, EXCHANGE, "fin", **an_exchange(desk, idempotencyKey="two"))
    assert (more["__typename"], more["path"]) == ("InvalidInput", ["input", "from"])


async def test_only_who_may_book_exchanges_does_and_only_at_a_rate_that_can_be(desk: Settled) -> None:
    assert (await ask(desk.mall, EXCHANGE, "aud", **an_exchange(desk)))["__typename"] == "NotPermitted"
    for name, value in (("rate", "1e3"), ("source", " "), ("rateAt", "2027-01-01T00:00:00Z"), ("to", "BRL")):
        refused = await ask(desk.mall, EXCHANGE, "fin", **an_exchange(desk, **{name: value}))
        assert (refused["__typename"], refused["path"]) == ("InvalidInput", ["input", name])
    assert await exchanges(desk) == 0


async def test_a_chain_holds_for_cases_that_are_opened_once_another_person_approved_it(mall: Mall) -> None:
    for name in ("ann", "bob"):
        await mall.appoint(name, PlatformRole.ADMIN)
    await mall.appoint("rev", PlatformRole.REVIEWER)
    amounts = [{"amount": "100.00", "currency": "BRL"}]
    steps = [{"above": None, "approvals": 1}, {"above": amounts, "approvals": 3}]
    proposed = await ask(mall, SET, "ann", kind="OTHER", steps=steps)
    assert proposed["approvalChain"] == {
        "kind": "OTHER",
        "version": 1,
        "steps": steps,
        "approvedBy": None,
        "approvedAt": None,
    }

    async def needed(key: str) -> int:
        case = {"title": "A bill", "evidence": [], "amount": amounts[0] | {"amount": "100.01"}, "idempotencyKey": key}
        opened = await ask(mall, OPEN, "rev", **case)
        count: int = opened["case"]["approvalsNeeded"]
        return count

    assert await needed("before") == 1
    own = await ask(mall, APPROVE, "ann", kind="OTHER", version=1)
    assert own["__typename"] in ("OwnAct", "InvalidInput")
    approved = await ask(mall, APPROVE, "bob", kind="OTHER", version=1)
    assert (approved["__typename"], approved["approvalChain"]["version"]) == ("ApprovalChainApproved", 1)
    assert await needed("after") == 3
    assert (await ask(mall, APPROVE, "bob", kind="OTHER", version=2))["__typename"] == "NotFound"
    none = await ask(mall, SET, "ann", kind="WRITE_OFF", steps=[{"above": None, "approvals": 1}])
    assert none["__typename"] == "InvalidInput"
    assert (await ask(mall, SET, "rev", kind="OTHER", steps=steps))["__typename"] == "NotPermitted"


async def test_days_of_a_category_freeze_with_orders_that_are_placed_afterwards(mall: Mall) -> None:
    await mall.appoint("adam", PlatformRole.ADMIN)
    await mall.appoint("aud", PlatformRole.AUDITOR)
    await a_category(mall.database)
    merchant = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    await place(mall, "bea", a_line(merchant, kite))
    given = {"code": "toys", "holdDays": 3, "returnDays": 0}
    changed = await ask(mall, DAYS, "adam", **given)
    assert changed["category"] == given
    await place(mall, "ben", a_line(merchant, kite))
    lines = "{ merchant { orders { nodes { lines { returnDays } } } } }"
    orders = (await mall.ask(lines, who="olga", merchant="kites")).data["merchant"]["orders"]["nodes"]
    assert sorted(line["returnDays"] for order in orders for line in order["lines"]) == [0, 14]
    assert (await ask(mall, DAYS, "adam", code="toys", holdDays=366))["__typename"] == "InvalidInput"
    assert (await ask(mall, DAYS, "adam", code="boats"))["__typename"] == "NotFound"
    assert (await ask(mall, DAYS, "aud", **given))["__typename"] == "NotPermitted"


async def test_a_buyer_sees_who_sells_and_who_supplies(mall: Mall) -> None:
    await mall.appoint("adam", PlatformRole.ADMIN)
    merchant = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000})
    await place(mall, "bea", a_line(merchant, kite))
    mall.clock.advance(minutes=1)
    updated = await ask(mall, UPDATE, "adam", slug="kites", sellerOfRecord="PRINCIPAL")
    assert updated["merchant"] == {"sellerOfRecord": "PRINCIPAL", "acceptsCash": False}
    cash = await ask(mall, UPDATE, "adam", slug="kites", acceptsCash=True)
    assert (cash["__typename"], cash["path"]) == ("InvalidInput", ["input", "acceptsCash"])
    placed = (await place(mall, "bea", a_line(merchant, kite)))["checkout"]
    assert (await pay(mall, "bea", placed, "sandbox_approve"))["payment"]["status"] == "captured"
    shown = "{ viewer { orders { nodes { sellerOfRecord sellerName merchantName } } } }"
    bought, before = (await mall.ask(shown, who="bea")).data["viewer"]["orders"]["nodes"]
    assert (before["sellerOfRecord"], before["sellerName"] == before["merchantName"]) == ("AGENT", True)
    assert (bought["sellerOfRecord"], bought["merchantName"]) == ("PRINCIPAL", before["merchantName"])
    assert bought["sellerName"] != bought["merchantName"]
