"""A restored merchant through the public door: what is refused while it lasts, what is shown, and who ends it."""

from pathlib import Path
from typing import Any
from uuid import uuid4

from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs import backing_up, restore
from merchantry.jobs.backup import Taking
from merchantry.jobs.restore import File
from merchantry.services import restoring
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import a_line, buy, confirm, place
from tests.graphql_api.mall import Mall

OF_PLATFORM = """
query ($id: ID!, $slug: String!) {
  platform {
    merchant(slug: $slug) { status lastBackupAt }
    restoreGaps(merchant: $id) { nodes { kind subject entryKind amount { amount } status reason } }
    cases(kind: [RESTORE_GAP], status: [OPEN]) { nodes { id approvalsNeeded } }
  }
}
"""
DECIDE = """
mutation ($input: CaseDecideInput!) { caseDecide(input: $input) { __typename ... on Problem { code } } }
"""
ORDERS = "{ merchant { orders { nodes { number } } } }"
GRANT = """
mutation ($input: StaffRoleInput!) { staffGrant(input: $input) { __typename ... on Problem { code } } }
"""


async def seen(mall: Mall, who: str, merchant: Merchant) -> dict[str, Any]:
    variables = {"id": encode_id("MerchantRecord", merchant.id), "slug": merchant.slug}
    found: dict[str, Any] = (await mall.ask(OF_PLATFORM, variables, who=who)).data["platform"]
    return found


async def approve(mall: Mall, who: str, case_id: str) -> str:
    given = {"caseId": case_id, "vote": "APPROVE", "reason": "nothing is left of it", "idempotencyKey": str(uuid4())}
    name: str = (await mall.ask(DECIDE, {"input": given}, who=who)).data["caseDecide"]["__typename"]
    return name


async def test_a_quarantine_is_seen_refuses_and_is_ended_by_two(mall: Mall, tmp_path: Path) -> None:
    kites, other = await a_merchant(mall.database, "kites"), await a_merchant(mall.database, "other")
    kite = await a_product(mall.database, kites, prices={"BRL": 10_000})
    await mall.hire("olga", kites, MerchantRole.OWNER)
    await mall.hire("otto", other, MerchantRole.OWNER)
    for name, role in (("fin", PlatformRole.FINANCE), ("rev", PlatformRole.REVIEWER)):
        await mall.appoint(name, role)
    await buy(mall, "bea", a_line(kites, kite))
    taking = Taking(mall.database.logins, kites.id, "kites", mall.tools.vault.ring, "test")
    made = await backing_up.take(mall.database, taking, tmp_path)
    (lost,) = (await buy(mall, "bea", a_line(kites, kite)))["orders"]
    act = an_act("system:restore", at=mall.clock())
    await restore.restore(mall.database, File(Path(made.stored_as), mall.tools.vault.ring), act)

    shown = await seen(mall, "fin", kites)
    assert shown["merchant"]["status"] == "quarantined"
    assert shown["merchant"]["lastBackupAt"] is not None
    assert [(each["kind"], each["subject"]) for each in shown["restoreGaps"]["nodes"]] == [
        ("ENTRY", "2"),
        ("ORDER", lost["number"]),
    ]
    assert {each["status"] for each in shown["restoreGaps"]["nodes"]} == {"OPEN"}
    assert len((await mall.ask(ORDERS, who="olga", merchant="kites")).data["merchant"]["orders"]["nodes"]) == 1
    given = {"accountId": encode_id("Account", await mall.account("ned")), "role": "VIEWER"}
    refused = await mall.ask(GRANT, {"input": given}, who="olga", merchant="kites")
    assert refused.codes == ["MERCHANT_QUARANTINED"]
    assert (await mall.ask(ORDERS, who="otto", merchant="kites")).status == 403
    rejected = await place(mall, "bea", a_line(kites, kite))
    assert [each["code"] for each in rejected["problems"]] == ["MERCHANT_UNAVAILABLE"]

    (case,) = shown["cases"]["nodes"]
    assert case["approvalsNeeded"] == 2
    assert await approve(mall, "fin", case["id"]) == "CaseDecided"
    assert await approve(mall, "fin", case["id"]) == "VotedAlready"
    assert (await seen(mall, "fin", kites))["merchant"]["status"] == "quarantined"
    assert await approve(mall, "rev", case["id"]) == "CaseDecided"
    await mall.work()
    shown = await seen(mall, "fin", kites)
    assert shown["merchant"]["status"] == "active"
    assert {each["status"] for each in shown["restoreGaps"]["nodes"]} == {"WRITTEN_OFF"}
    assert (await mall.ask(GRANT, {"input": given}, who="olga", merchant="kites")).data["staffGrant"]
    assert (await buy(mall, "bea", a_line(kites, kite)))["orders"]


async def test_while_a_merchant_is_restored_its_people_are_told_so(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, kites, prices={"BRL": 10_000})
    await mall.hire("olga", kites, MerchantRole.OWNER)
    (bought,) = (await buy(mall, "bea", a_line(kites, kite)))["orders"]
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await restoring.begin(session, kites.id, "kites.mbackup", mall.clock(), an_act())
    assert (await mall.ask(ORDERS, who="olga", merchant="kites")).codes == ["MERCHANT_RESTORING"]
    assert (await mall.ask(ORDERS, who="bea", merchant="kites")).status == 403
    assert (await confirm(mall, "bea", bought["id"]))["code"] == "MERCHANT_RESTORING"
