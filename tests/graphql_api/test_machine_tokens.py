"""Tokens of machines by the public door: made, used, rotated, revoked, and worth nothing elsewhere."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from merchantry.domain.permission import FOR_PEOPLE, MerchantRole, Permission, PlatformRole, held, may
from merchantry.services import staff
from merchantry.tables.platform import audit_event
from tenancy.directory import Directory
from tenancy.machine_tokens import new_token
from tenancy.tables import machine_token
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import REFUND, a_line, buy
from tests.graphql_api.mall import Answer, Mall

SHOWN = "machineToken { id name scopes createdByEmail madeByStaff expiresAt previousUntil revokedAt lastUsedAt }"
CREATE = f"""mutation ($i: MachineTokenCreateInput!) {{ machineTokenCreate(input: $i) {{ __typename
  ... on MachineTokenCreated {{ secret {SHOWN} }} ... on Problem {{ message path }} }} }}"""
ROTATE = f"""mutation ($i: MachineTokenRotateInput!) {{ machineTokenRotate(input: $i) {{ __typename
  ... on MachineTokenRotated {{ secret {SHOWN} }} ... on Problem {{ message path }} }} }}"""
REVOKE = f"""mutation ($i: MachineTokenRevokeInput!) {{ machineTokenRevoke(input: $i) {{ __typename
  ... on MachineTokenRevoked {{ {SHOWN} }} ... on Problem {{ message path }} }} }}"""
PLATFORM_CREATE = f"""mutation ($i: PlatformMachineTokenCreateInput!) {{ platformMachineTokenCreate(input: $i) {{
  __typename ... on PlatformMachineTokenCreated {{ secret {SHOWN} }} ... on Problem {{ message path }} }} }}"""
LIST = "{ merchant { machineTokens { nodes { id madeByStaff lastUsedAt } } } }"
WHO = "{ viewer { accountId platformRoles memberships { merchantSlug roles } machine { name scopes } } }"
PRODUCTS = "{ merchant { products { nodes { id } } } }"
ORDERS = "{ merchant { orders { nodes { id } } } }"
STOCK = """mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) { __typename } }"""


async def create(mall: Mall, who: str, merchant: str, *scopes: str, **more: Any) -> dict[str, Any]:
    given = {"name": "an ERP", "scopes": list(scopes) or ["PRODUCT_READ"], **more}
    made: dict[str, Any] = (await mall.ask(CREATE, {"i": given}, who=who, merchant=merchant)).data["machineTokenCreate"]
    return made


async def ask_by(mall: Mall, secret: str, document: str, merchant: str | None = None, **variables: Any) -> Answer:
    headers = {"authorization": f"Bearer {secret}"}
    return await mall.ask(document, variables, headers=headers, merchant=merchant)


@pytest.fixture
async def kites(mall: Mall) -> Mall:
    """Two merchants, the first with an owner, a manager and a viewer."""
    merchant = await a_merchant(mall.database, "kites")
    await a_merchant(mall.database, "boats")
    for role in (MerchantRole.OWNER, MerchantRole.MANAGER, MerchantRole.VIEWER):
        await mall.hire(role.value, merchant, role)
    return mall


async def until_status(mall: Mall, secret: str, status: int, merchant: str = "kites") -> None:
    async with asyncio.timeout(10):
        while (await ask_by(mall, secret, PRODUCTS, merchant)).status != status:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_token_does_what_its_scopes_say_at_its_merchant_and_nothing_elsewhere(kites: Mall) -> None:
    made = await create(kites, "owner", "kites")
    secret = made["secret"]
    assert (await ask_by(kites, secret, PRODUCTS, "kites")).data["merchant"]["products"]["nodes"] == []
    assert (await ask_by(kites, secret, ORDERS, "kites")).codes == ["NOT_PERMITTED"]
    boats = await ask_by(kites, secret, PRODUCTS, "boats")
    nowhere = await ask_by(kites, secret, PRODUCTS, "nowhere")
    assert (boats.status, boats.body) == (403, nowhere.body)
    assert (await ask_by(kites, secret, "{ platform { __typename } }")).data == {"platform": None}
    assert (await ask_by(kites, secret, "{ viewer { checkouts { nodes { id } } } }")).codes == ["UNAUTHENTICATED"]
    assert (await ask_by(kites, secret, WHO, "kites")).data["viewer"] == {
        "accountId": None,
        "platformRoles": [],
        "memberships": [{"merchantSlug": "kites", "roles": []}],
        "machine": {"name": "an ERP", "scopes": ["PRODUCT_READ"]},
    }


async def test_a_secret_is_kept_by_nobody(kites: Mall) -> None:
    secret = (await create(kites, "owner", "kites"))["secret"]
    listed = await kites.ask(LIST, who="owner", merchant="kites")
    assert secret not in str(listed.body)
    async with kites.database.read("test") as tx, tx.as_platform() as session:
        row = (await session.execute(select(machine_token))).one()
        events = [str(event) for event in await session.execute(select(audit_event))]
    assert secret.split("_")[2] not in str(row) + str(events)
    assert len(row.secret_hash) == 32


@pytest.mark.parametrize("permission", [each for each in Permission if not each.startswith("platform.")])
async def test_nobody_gives_what_they_have_not_or_what_is_for_people(kites: Mall, permission: Permission) -> None:
    for role in (MerchantRole.OWNER, MerchantRole.MANAGER):
        made = await create(kites, role.value, "kites", permission.name)
        expected = "InvalidInput" if permission in FOR_PEOPLE else "NotPermitted"
        allowed = permission not in FOR_PEOPLE and may({role}, permission)
        assert made["__typename"] == ("MachineTokenCreated" if allowed else expected), made


async def test_who_may_not_write_tokens_makes_none_and_no_machine_makes_another(kites: Mall) -> None:
    assert (await create(kites, "viewer", "kites"))["__typename"] == "NotPermitted"
    everything = [each.name for each in held({"owner"}) if each not in FOR_PEOPLE]
    secret = (await create(kites, "owner", "kites", *everything))["secret"]
    given = {"name": "another", "scopes": ["PRODUCT_READ"]}
    answer = await ask_by(kites, secret, CREATE, "kites", i=given)
    assert answer.data["machineTokenCreate"]["__typename"] == "NotPermitted"


@pytest.mark.parametrize(
    "given",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["PLATFORM_REPORT_READ"]},
        {"expiresAt": "2020-01-01T00:00:00Z"},
    ],
    ids=["no name", "a long name", "no scopes", "the platform's scopes", "ended already"],
)
async def test_a_token_that_makes_no_sense_is_not_made(kites: Mall, given: dict[str, Any]) -> None:
    whole = {"name": "an ERP", "scopes": ["PRODUCT_READ"], **given}
    made = (await kites.ask(CREATE, {"i": whole}, who="owner", merchant="kites")).data["machineTokenCreate"]
    assert made["__typename"] == "InvalidInput"


async def test_a_rotated_token_has_two_secrets_until_the_overlap_ends(kites: Mall) -> None:
    made = await create(kites, "owner", "kites")
    given = {"tokenId": made["machineToken"]["id"], "overlapSeconds": 60}
    rotated = (await kites.ask(ROTATE, {"i": given}, who="manager", merchant="kites")).data["machineTokenRotate"]
    assert rotated["secret"] != made["secret"]
    await until_status(kites, rotated["secret"], 200)
    await until_status(kites, made["secret"], 200)
    kites.clock.advance(seconds=61)
    assert (await ask_by(kites, made["secret"], PRODUCTS, "kites")).status == 401
    assert (await ask_by(kites, rotated["secret"], PRODUCTS, "kites")).status == 200
    again = (await kites.ask(ROTATE, {"i": {**given, "overlapSeconds": 0}}, who="owner", merchant="kites")).data
    await until_status(kites, rotated["secret"], 401)
    assert (await ask_by(kites, again["machineTokenRotate"]["secret"], PRODUCTS, "kites")).status == 200
    for overlap in (-1, 8 * 86_400):
        bad = await kites.ask(ROTATE, {"i": {**given, "overlapSeconds": overlap}}, who="owner", merchant="kites")
        assert bad.data["machineTokenRotate"]["__typename"] == "InvalidInput"


async def test_a_revoked_token_is_refused_at_once_and_for_good(kites: Mall) -> None:
    made = await create(kites, "owner", "kites")
    await until_status(kites, made["secret"], 200)
    given = {"tokenId": made["machineToken"]["id"]}
    for _ in range(2):
        ended = (await kites.ask(REVOKE, {"i": given}, who="owner", merchant="kites")).data["machineTokenRevoke"]
        assert ended["machineToken"]["revokedAt"]
    await until_status(kites, made["secret"], 401)
    again = await kites.ask(ROTATE, {"i": given}, who="owner", merchant="kites")
    assert again.data["machineTokenRotate"]["__typename"] == "InvalidInput"


async def test_a_machines_refund_waits_for_people(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    await mall.hire("olga", kites, MerchantRole.OWNER)
    order = (await buy(mall, "bea", a_line(kites, await a_product(mall.database, kites), price="50.00")))["orders"][0]
    secret = (await create(mall, "olga", "kites", "REFUND_WRITE", "ORDER_READ"))["secret"]
    given = {"orderId": order["id"], "reason": "late", "idempotencyKey": "from the ERP"}
    made = (await ask_by(mall, secret, REFUND, "kites", input=given)).data["refundCreate"]
    assert (made["__typename"], made["refund"]) == ("RefundCreated", None)
    assert made["approvalCaseId"]


async def test_a_token_ends_at_its_expiry(kites: Mall) -> None:
    soon = (kites.clock() + timedelta(minutes=5)).isoformat()
    secret = (await create(kites, "owner", "kites", expiresAt=soon))["secret"]
    assert (await ask_by(kites, secret, PRODUCTS, "kites")).status == 200
    kites.clock.advance(minutes=5)
    assert (await ask_by(kites, secret, PRODUCTS, "kites")).status == 401


async def test_a_token_outlives_its_makers_role_and_shows_it(kites: Mall) -> None:
    made = await create(kites, "manager", "kites")
    merchant_id = (await Directory(kites.database).merchant_by_slug("kites")).id  # type: ignore[union-attr]
    account = await kites.account("manager")
    async with kites.database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account, merchant_id, MerchantRole.MANAGER, an_act())
    listed = (await kites.ask(LIST, who="owner", merchant="kites")).data["merchant"]["machineTokens"]["nodes"]
    assert [each["madeByStaff"] for each in listed] == [False]
    assert (await ask_by(kites, made["secret"], PRODUCTS, "kites")).status == 200


async def test_a_machines_acts_are_its_own_in_the_trail(kites: Mall) -> None:
    made = await create(kites, "owner", "kites", "STOCK_WRITE", "PRODUCT_READ")
    given = {"variantId": "VmFyaWFudAA", "change": 1, "idempotencyKey": "one"}
    refused = await ask_by(kites, made["secret"], STOCK, "kites", i=given)
    assert refused.data["stockAdjust"]["__typename"] == "NotFound"
    await ask_by(kites, made["secret"], PRODUCTS, "boats")
    async with kites.database.read("test") as tx, tx.as_platform() as session:
        rows = (
            await session.execute(
                select(audit_event.c.actor, audit_event.c.on_behalf_of, audit_event.c.client, audit_event.c.act)
                .where(audit_event.c.outcome == "REFUSED")
                .order_by(audit_event.c.booked_at)
            )
        ).all()
        token = (await session.execute(select(machine_token.c.id, machine_token.c.merchant_id))).one()
    assert {(row.actor, row.client, row.act, row.on_behalf_of) for row in rows} == {
        (f"machine:{token.id}", "machine", "stockAdjust", f"merchant:{token.merchant_id}"),
        (f"machine:{token.id}", "machine", "door", None),
    }


async def test_the_platforms_machines_read_across_and_are_told_apart(kites: Mall) -> None:
    await kites.appoint("adam", PlatformRole.ADMIN)
    given = {"name": "a BI tool", "scopes": ["PLATFORM_MERCHANT_READ"]}
    made = (await kites.ask(PLATFORM_CREATE, {"i": given}, who="adam")).data["platformMachineTokenCreate"]
    merchants = "{ platform { merchants { nodes { slug } } } }"
    found = (await ask_by(kites, made["secret"], merchants)).data["platform"]["merchants"]["nodes"]
    assert {each["slug"] for each in found} == {"kites", "boats"}
    assert (await ask_by(kites, made["secret"], PRODUCTS, "kites")).status == 403
    async with kites.database.read("test") as tx, tx.as_platform() as session:
        actor = await session.scalar(select(audit_event.c.actor).where(audit_event.c.act == "platform.read"))
    assert actor.startswith("platform:machine:")


async def test_when_a_token_was_last_used_is_seen(kites: Mall) -> None:
    made = await create(kites, "owner", "kites")
    directory = Directory(kites.database, kites.clock)
    async with directory.listening():
        await directory.machine(made["secret"])
    listed = (await kites.ask(LIST, who="owner", merchant="kites")).data["merchant"]["machineTokens"]["nodes"]
    first = listed[0]["lastUsedAt"]
    assert first
    for minutes, changes in ((0, False), (2, True)):
        kites.clock.advance(minutes=minutes)
        async with directory.listening():
            await directory.machine(made["secret"])
        listed = (await kites.ask(LIST, who="owner", merchant="kites")).data["merchant"]["machineTokens"]["nodes"]
        assert (listed[0]["lastUsedAt"] != first) is changes


async def test_a_made_up_token_is_refused_like_any_other(kites: Mall) -> None:
    good = (await create(kites, "owner", "kites"))["secret"]
    bodies = set()
    for secret in (new_token(uuid4())[0], good[:-1], good[:-1] + "~", "mt_", good.swapcase(), "a.b.c"):
        answer = await ask_by(kites, secret, PRODUCTS, "kites")
        assert answer.status == 401
        bodies.add(str(answer.body))
    assert len(bodies) == 1


async def test_there_are_no_more_than_a_hundred_tokens(kites: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merchantry.services.machine_token.MAX_TOKENS", 2)
    made = await asyncio.gather(*(create(kites, "owner", "kites") for _ in range(5)))
    assert sorted(each["__typename"] for each in made) == ["InvalidInput"] * 3 + ["MachineTokenCreated"] * 2
    async with kites.database.read("test") as tx, tx.as_platform() as session:
        assert await session.scalar(select(func.count()).select_from(machine_token)) == 2
