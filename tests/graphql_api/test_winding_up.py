"""Closing a merchant through the public door: who may, what it hides, what its staff and its buyers still can do."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from graphql_api.relay import encode_id
from merchantry.domain.case import CaseKind
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs.winding_up import finish
from merchantry.services import case, payee, sealing, winding_up
from merchantry.services.case import NewCase
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import a_line, buy, confirm, place, ship
from tests.graphql_api.mall import Mall
from tests.graphql_api.settled import open_settled
from tests.services.test_settlement import payouts

CLOSE = """
mutation ($input: MerchantCloseInput!) {
  merchantClose(input: $input) {
    __typename
    ... on MerchantClosingBegun { merchant { status } closingBlockers { obstacle count until amount { amount } } }
    ... on Problem { code path }
  }
}
"""
SEEN = '{ listings { nodes { title } } shop(slug: "kites") { name } }'
BLOCKERS = "{ merchant { closingBlockers { obstacle } orders { nodes { number status } } } }"
OF_PLATFORM = "query ($id: ID!) { platform { closingBlockers(merchant: $id) { obstacle } } }"


async def close(mall: Mall, who: str, merchant: Merchant, reason: str = "retires", key: str = "") -> dict[str, Any]:
    given = {
        "merchant": encode_id("MerchantRecord", merchant.id),
        "reason": reason,
        "idempotencyKey": key or str(uuid4()),
    }
    found: dict[str, Any] = (await mall.ask(CLOSE, {"input": given}, who=who)).data["merchantClose"]
    return found


async def test_a_closing_merchant_is_hidden_and_its_people_finish_what_was_begun(mall: Mall) -> None:
    kites, other = await a_merchant(mall.database, "kites"), await a_merchant(mall.database, "other")
    kite = await a_product(mall.database, kites, prices={"BRL": 10_000})
    owner = await mall.hire("olga", kites, MerchantRole.OWNER)
    await mall.hire("otto", other, MerchantRole.OWNER)
    for name, role in (("adam", PlatformRole.ADMIN), ("rev", PlatformRole.REVIEWER), ("fin", PlatformRole.FINANCE)):
        await mall.appoint(name, role)
    (bought,) = (await buy(mall, "bea", a_line(kites, kite)))["orders"]
    assert (await close(mall, "rev", kites))["code"] == "NOT_PERMITTED"
    assert (await close(mall, "adam", kites, reason=" "))["path"] == ["input", "reason"]

    begun = await close(mall, "adam", kites, key="once")
    assert begun["merchant"] == {"status": "closing"}
    assert [each["obstacle"] for each in begun["closingBlockers"]] == [
        "OPEN_ORDER",
        "RETURN_WINDOW",
        "CHARGEBACK_WINDOW",
    ]
    assert (await close(mall, "adam", kites, key="once"))["merchant"] == {"status": "closing"}
    assert (await mall.ask(SEEN)).data == {"listings": {"nodes": []}, "shop": None}
    refused = await place(mall, "bea", a_line(kites, kite))
    assert [each["code"] for each in refused["problems"]] == ["MERCHANT_UNAVAILABLE"]

    assert (await ship(mall, owner, kites, bought["id"]))["order"]["status"] == "SHIPPED"
    assert (await confirm(mall, "bea", bought["id"]))["order"]["status"] == "COMPLETED"
    shown = (await mall.ask(BLOCKERS, who=owner, merchant="kites")).data["merchant"]
    assert [each["obstacle"] for each in shown["closingBlockers"]] == ["HOLD", "RETURN_WINDOW", "CHARGEBACK_WINDOW"]
    assert (await mall.ask(BLOCKERS, who="otto", merchant="kites")).status == 403
    variables = {"id": encode_id("MerchantRecord", kites.id)}
    found = (await mall.ask(OF_PLATFORM, variables, who="fin")).data["platform"]["closingBlockers"]
    assert [each["obstacle"] for each in found] == ["HOLD", "RETURN_WINDOW", "CHARGEBACK_WINDOW"]


async def test_the_people_of_a_closed_merchant_read_and_do_nothing(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, kites, prices={"BRL": 10_000})
    await mall.hire("olga", kites, MerchantRole.OWNER)
    await mall.appoint("adam", PlatformRole.ADMIN)
    (bought,) = (await place(mall, "bea", a_line(kites, kite)))["checkout"]["orders"]
    mall.clock.advance(hours=1)
    await mall.work()  # nobody paid
    await close(mall, "adam", kites)
    assert (await finish(mall.database, kites.id, an_act(at=mall.clock()), keep_debt=False)).is_closed

    shown = (await mall.ask(BLOCKERS, who="olga", merchant="kites")).data["merchant"]
    assert shown == {"closingBlockers": [], "orders": {"nodes": [{"number": bought["number"], "status": "CANCELLED"}]}}
    grant = "mutation ($i: StaffRoleInput!) { staffGrant(input: $i) { __typename ... on Problem { code } } }"
    given = {"accountId": encode_id("Account", await mall.account("ned")), "role": "VIEWER"}
    assert (await mall.ask(grant, {"i": given}, who="olga", merchant="kites")).codes == ["MERCHANT_CLOSED"]
    assert (await confirm(mall, "bea", bought["id"]))["code"] == "MERCHANT_CLOSED"
    orders = "{ viewer { orders { nodes { number } } } }"
    assert (await mall.ask(orders, who="bea")).data["viewer"]["orders"]["nodes"] == [{"number": bought["number"]}]
    assert (await close(mall, "adam", kites))["code"] == "MERCHANT_CLOSED"
    mall.clock.now += timedelta(days=1)
    assert await mall.work() == 0


FINISH = """
mutation ($input: MerchantFinishInput!) {
  merchantFinish(input: $input) {
    __typename
    ... on MerchantFinished { merchant { status } isClosed statements payouts closingBlockers { obstacle } }
    ... on Problem { code path }
  }
}
"""


async def finish_by_door(mall: Mall, who: str, merchant_id: UUID) -> dict[str, Any]:
    given = {"merchant": encode_id("MerchantRecord", merchant_id)}
    found: dict[str, Any] = (await mall.ask(FINISH, {"input": given}, who=who)).data["merchantFinish"]
    return found


async def test_a_merchant_is_finished_with_by_the_public_door_as_by_the_command(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, kites, prices={"BRL": 10_000})
    for name, role in (("adam", PlatformRole.ADMIN), ("fin", PlatformRole.FINANCE)):
        await mall.appoint(name, role)
    await place(mall, "bea", a_line(kites, kite))
    missing = await finish_by_door(mall, "adam", UUID(int=7))
    assert (missing["code"], missing["path"]) == ("NOT_FOUND", ["input", "merchant"])
    early = await finish_by_door(mall, "adam", kites.id)
    assert (early["code"], early["path"]) == ("INVALID_INPUT", ["input", "merchant"])
    await close(mall, "adam", kites)
    assert (await finish_by_door(mall, "fin", kites.id))["code"] == "NOT_PERMITTED"
    blocked = await finish_by_door(mall, "adam", kites.id)
    assert (blocked["isClosed"], blocked["merchant"]) == (False, {"status": "closing"})
    assert blocked["closingBlockers"] == [{"obstacle": "OPEN_ORDER"}]
    mall.clock.advance(hours=1)
    await mall.work()
    done = await finish_by_door(mall, "adam", kites.id)
    assert (done["isClosed"], done["merchant"], done["closingBlockers"]) == (True, {"status": "closed"}, [])
    assert (await finish_by_door(mall, "adam", kites.id))["code"] == "MERCHANT_CLOSED"


PROBLEM = "__typename ... on Problem { code }"


async def test_what_the_platform_can_not_do_with_a_closed_merchant_is_told_clearly(mall: Mall) -> None:
    desk = await open_settled(mall)
    merchant_id, act = desk.shelf.merchant.id, an_act(at=mall.clock())
    (planned,) = await payouts(desk.shelf)
    (transfer,) = await desk.begin(planned.id)
    async with mall.database.read("test") as tx, tx.as_merchant(merchant_id) as session:
        (account,) = await payee.current_accounts(session)
    new = NewCase(CaseKind.PAYEE_CHANGE, merchant_id, "PayeeAccount", str(account.id), "new")
    async with mall.database.write("test") as tx, tx.as_platform() as platform:
        case_id = await case.open_case(platform, new, act)
        await winding_up.begin(platform, merchant_id, "retires", act)
    sealed = await asyncio.to_thread(sealing.seal, mall.database.logins.owner, merchant_id, lambda: True, act)
    assert sealed
    payout_id, account_id = (
        encode_id("Payout", merchant_id, planned.id),
        encode_id("PayeeAccount", merchant_id, account.id),
    )
    asked: list[tuple[str, str, dict[str, Any]]] = [
        ("payoutRelease", "PayoutInput", {"payoutId": payout_id}),
        ("payoutRetry", "PayoutInput", {"payoutId": payout_id}),
        ("payoutCancel", "PayoutCancelInput", {"payoutId": payout_id, "reason": "no"}),
        (
            "payoutResolve",
            "PayoutResolveInput",
            {
                "transferId": encode_id("PayoutTransfer", merchant_id, transfer),
                "outcome": "PAID",
                "evidence": "a call",
            },
        ),
        ("payeeAccountVerify", "PayeeAccountVerifyInput", {"payeeAccountId": account_id}),
        ("payeeAccountFlag", "PayeeAccountFlagInput", {"payeeAccountId": account_id, "reason": "no"}),
        ("payeeAccountUnflag", "PayeeAccountUnflagInput", {"payeeAccountId": account_id}),
        ("settlementRun", "SettlementRunInput", {"merchant": "shop"}),
        (
            "caseDecide",
            "CaseDecideInput",
            {"caseId": encode_id("Case", merchant_id, case_id), "vote": "APPROVE", "reason": "yes"},
        ),
    ]
    for name, kind, given in asked:
        document = f"mutation ($input: {kind}!) {{ {name}(input: $input) {{ {PROBLEM} }} }}"
        answer = await mall.ask(document, {"input": {**given, "idempotencyKey": str(uuid4())}}, who="fin")
        assert answer.data[name] == {"__typename": "MerchantClosed", "code": "MERCHANT_CLOSED"}, name
