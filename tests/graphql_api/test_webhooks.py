"""Webhooks by the public door: made, tried, seen, replayed, by whoever may; secrets once, and never in the trail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from graphql_api.facts import presented
from graphql_api.relay import encode_id, parse_id
from merchantry.domain.permission import MerchantRole, Permission, PlatformRole
from merchantry.gateways.webhook import Reach
from merchantry.jobs import webhooks as jobs
from merchantry.jobs.telling import tell_all
from merchantry.jobs.tools import Webhooks
from merchantry.services import machine_token, staff, webhook
from merchantry.services import merchant as merchants
from merchantry.services.machine_token import NewMachineToken
from merchantry.tables.platform import NOBODY, audit_event
from merchantry.tables.webhook import webhook_endpoint
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.documents import a_line, buy
from tests.graphql_api.mall import Mall
from tests.jobs.receiver import Receiver, receiving

ENDPOINT = "endpoint { id url description kinds status disabledBy disabledReason previousSecretUntil }"
DELIVERY = "id endpointId eventId kind status attemptCount nextAttemptAt attempts { number status error response }"
PROBLEM = "... on Problem { code message path }"
SUCCESS = {
    "Created": f"{ENDPOINT} secret",
    "Changed": ENDPOINT,
    "Deleted": "endpointId",
    "Rotated": f"{ENDPOINT} secret",
    "Asked": f"delivery {{ {DELIVERY} }}",
    "Failed": "deliveries",
}
MUTATIONS = {
    "webhookEndpointCreate": ("WebhookEndpointCreateInput", "WebhookEndpointCreated", SUCCESS["Created"]),
    "webhookEndpointUpdate": ("WebhookEndpointUpdateInput", "WebhookEndpointChanged", SUCCESS["Changed"]),
    "webhookEndpointDelete": ("WebhookEndpointInput", "WebhookEndpointDeleted", SUCCESS["Deleted"]),
    "webhookEndpointDisable": ("WebhookEndpointDisableInput", "WebhookEndpointChanged", SUCCESS["Changed"]),
    "webhookEndpointEnable": ("WebhookEndpointInput", "WebhookEndpointChanged", SUCCESS["Changed"]),
    "webhookSecretRotate": ("WebhookSecretRotateInput", "WebhookSecretRotated", SUCCESS["Rotated"]),
    "webhookEndpointTest": ("WebhookEndpointInput", "WebhookDeliveryAsked", SUCCESS["Asked"]),
    "webhookReplay": ("WebhookReplayInput", "WebhookDeliveryAsked", SUCCESS["Asked"]),
    "webhookReplayFailed": ("WebhookReplayFailedInput", "WebhookReplayAsked", SUCCESS["Failed"]),
}
LIST = f"""query ($f: WebhookDeliveryFilterInput) {{ merchant {{ webhookEndpoints {{ nodes {{ id url status }} }}
  webhookDeliveries(filter: $f) {{ nodes {{ {DELIVERY} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"""
PLATFORM_LIST = LIST.replace("merchant {", "platform {")
NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


async def do(mall: Mall, who: str, mutation: str, merchant: str | None = "kites", **given: Any) -> dict[str, Any]:
    """One mutation, as somebody: of the platform where no merchant is named."""
    input_type, success, fields = MUTATIONS[mutation]
    name = mutation if merchant else f"platform{mutation[0].upper()}{mutation[1:]}"
    document = f"mutation ($i: {input_type}!) {{ done: {name}(input: $i) {{ __typename ... on {success} {{ {fields} }}"
    answer = await mall.ask(f"{document} {PROBLEM} }} }}", {"i": given}, who=who, merchant=merchant)
    assert answer.data, answer.body
    found: dict[str, Any] = answer.data["done"]
    return found


@pytest.fixture
async def kites(mall: Mall) -> Mall:
    """Two merchants, the first with an owner and a manager; an admin of the platform."""
    mall.clock.advance(seconds=int((datetime.now(UTC) - mall.clock()).total_seconds()))
    merchant, boats = await a_merchant(mall.database, "kites"), await a_merchant(mall.database, "boats")
    await mall.hire("owner", merchant, MerchantRole.OWNER)
    await mall.hire("manager", merchant, MerchantRole.MANAGER)
    await mall.hire("rival", boats, MerchantRole.OWNER)
    await mall.appoint("admin", PlatformRole.ADMIN)
    await mall.appoint("finance", PlatformRole.FINANCE)
    await tell_all(mall.database)
    return mall


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found


async def send(mall: Mall, receiver: Receiver) -> int:
    """A worker sends what is due; to the receiver, whatever the endpoint's URL says."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    await tell_all(mall.database)
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        changed = update(webhook_endpoint).values(url=receiver.url)
        await session.execute(changed)
    return await jobs.send_due(mall.tools, Webhooks(Reach(allows_private=True, resolve=resolve), presented))


URL = "https://93.184.215.14/hooks"


async def test_an_endpoint_gets_orders_with_the_ids_that_the_api_knows(kites: Mall, receiver: Receiver) -> None:
    made = await do(kites, "owner", "webhookEndpointCreate", url=URL, kinds=["order.paid", "order.created"])
    assert made["endpoint"]["status"] == "ENABLED"
    merchant = await _merchant(kites, "kites")
    line = a_line(merchant, await a_product(kites.database, merchant), 1, "50.00")
    order = (await buy(kites, "buyer", line))["orders"][0]
    assert await send(kites, receiver) == 2
    created, paid = receiver.got
    assert created.verify(made["secret"])["type"] == "order.created"
    assert paid.content["data"]["order"] == order["id"]
    shown = (await kites.ask(NODE, {"id": order["id"]}, who="owner", merchant="kites")).data["node"]
    assert shown["__typename"] == "Order"
    listed = (await kites.ask(LIST, who="owner", merchant="kites")).data["merchant"]
    assert [each["kind"] for each in listed["webhookDeliveries"]["nodes"]] == ["order.paid", "order.created"]
    assert {each["eventId"] for each in listed["webhookDeliveries"]["nodes"]} == {got.id for got in receiver.got}
    assert listed["webhookDeliveries"]["nodes"][0]["attempts"] == [
        {"number": 1, "status": 204, "error": None, "response": ""}
    ]


async def test_secrets_are_shown_once_and_stand_in_no_trail(kites: Mall) -> None:
    made = await do(kites, "owner", "webhookEndpointCreate", url=URL)
    anew = await do(kites, "owner", "webhookSecretRotate", endpointId=made["endpoint"]["id"], overlapSeconds=60)
    assert made["secret"] != anew["secret"]
    assert all(each["secret"].startswith("whsec_") for each in (made, anew))
    assert anew["endpoint"]["previousSecretUntil"] is not None
    listed = await kites.ask(LIST, who="owner", merchant="kites")
    async with kites.database.read("test") as tx, tx.as_platform() as session:
        trail = str((await session.execute(select(audit_event.c.before, audit_event.c.after))).all())
        acts = list((await session.execute(select(audit_event.c.act))).scalars())
    for secret in (made["secret"], anew["secret"]):
        assert secret.removeprefix("whsec_") not in str(listed.body) + trail
    assert {"webhook_endpoint.create", "webhook_endpoint.rotate_secret"} <= set(acts)


async def test_a_test_is_sent_seen_and_replayed(kites: Mall, receiver: Receiver) -> None:
    made = await do(kites, "owner", "webhookEndpointCreate", url=URL)
    asked = await do(kites, "owner", "webhookEndpointTest", endpointId=made["endpoint"]["id"])
    assert asked["delivery"]["status"] == "WAITING"
    await send(kites, receiver)
    again = await do(kites, "owner", "webhookReplay", deliveryId=asked["delivery"]["id"])
    assert again["delivery"]["attemptCount"] == 1
    await send(kites, receiver)
    tests = [got for got in receiver.got if got.content["type"] == "webhook.test"]
    assert [got.id for got in tests] == [asked["delivery"]["eventId"]] * 2
    assert tests[0].content["data"] == {"webhook_endpoint": made["endpoint"]["id"]}
    given = {"endpointId": made["endpoint"]["id"], "since": "2020-01-01T00:00:00Z"}
    assert (await do(kites, "owner", "webhookReplayFailed", **given))["deliveries"] == 0


async def test_a_manager_sees_and_changes_nothing_and_others_do_not_even_see(kites: Mall) -> None:
    made = await do(kites, "owner", "webhookEndpointCreate", url=URL)
    key = made["endpoint"]["id"]
    asked = await do(kites, "owner", "webhookEndpointTest", endpointId=key)
    seen = (await kites.ask(LIST, who="manager", merchant="kites")).data["merchant"]
    assert [each["id"] for each in seen["webhookEndpoints"]["nodes"]] == [key]
    assert (await do(kites, "manager", "webhookEndpointDelete", endpointId=key))["code"] == "NOT_PERMITTED"
    for who, merchant in (("rival", "boats"), ("admin", None)):
        for mutation in MUTATIONS:
            given = {"endpointId": key, "url": URL, "reason": "x", "since": "2020-01-01T00:00:00Z"}
            given |= {"deliveryId": asked["delivery"]["id"]}
            wanted = {"webhookEndpointCreate": ("url",), "webhookEndpointUpdate": ("endpointId", "url")}
            wanted |= {"webhookEndpointDisable": ("endpointId", "reason"), "webhookReplay": ("deliveryId",)}
            wanted |= {"webhookReplayFailed": ("endpointId", "since")}
            if mutation != "webhookEndpointCreate":
                names = wanted.get(mutation, ("endpointId",))
                reply = await do(kites, who, mutation, merchant, **{name: given[name] for name in names})
                assert reply["code"] == "NOT_FOUND", (who, mutation)
        assert (await kites.ask(NODE, {"id": key}, who=who, merchant=merchant)).data["node"] is None
        document = LIST if merchant else PLATFORM_LIST
        listed = (await kites.ask(document, who=who, merchant=merchant)).data["merchant" if merchant else "platform"]
        assert listed["webhookEndpoints"]["nodes"] == []
        assert listed["webhookDeliveries"]["nodes"] == []
        sought = await kites.ask(document, {"f": {"endpointId": key}}, who=who, merchant=merchant)
        assert "NOT_FOUND" in sought.codes
    denied = await do(kites, "finance", "webhookEndpointCreate", None, url=URL)
    assert denied["code"] == "NOT_PERMITTED"
    assert (await do(kites, "admin", "webhookEndpointCreate", None, url=URL))["endpoint"]["url"] == URL
    kept = (await kites.ask(NODE, {"id": key}, who="owner", merchant="kites")).data["node"]
    assert kept == {"__typename": "WebhookEndpoint", "id": key}


async def test_an_id_with_nobodys_name_forged_into_it_finds_nothing(kites: Mall) -> None:
    made = await do(kites, "owner", "webhookEndpointCreate", url=URL)
    parsed = parse_id(made["endpoint"]["id"])
    assert parsed
    forged = encode_id("WebhookEndpoint", NOBODY, parsed[1][1])
    assert (await do(kites, "admin", "webhookEndpointDelete", None, endpointId=forged))["code"] == "NOT_FOUND"
    boats = encode_id("WebhookEndpoint", (await _merchant(kites, "boats")).id, parsed[1][1])
    assert (await do(kites, "rival", "webhookEndpointDelete", "boats", endpointId=boats))["code"] == "NOT_FOUND"


async def test_who_was_dismissed_changes_nothing_while_the_endpoint_goes_on(kites: Mall, receiver: Receiver) -> None:
    merchant = await _merchant(kites, "kites")
    await kites.hire("second", merchant, MerchantRole.OWNER)
    made = await do(kites, "second", "webhookEndpointCreate", url=URL)
    account = await kites.account("second")
    async with kites.database.write("test") as tx, tx.as_platform() as session:
        await staff.revoke_role(session, account, merchant.id, MerchantRole.OWNER, an_act())
    async with asyncio.timeout(10):
        while (await kites.ask(LIST, who="second", merchant="kites")).status != 403:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await do(kites, "owner", "webhookEndpointTest", endpointId=made["endpoint"]["id"])
    assert await send(kites, receiver) == 1


async def test_a_machine_chooses_only_kinds_of_which_it_is_told(kites: Mall) -> None:
    merchant, maker = await _merchant(kites, "kites"), await kites.account("owner")
    scopes = frozenset({Permission.WEBHOOK_WRITE, Permission.ORDER_READ})
    async with kites.database.write("test") as tx, tx.as_platform() as session:
        new = NewMachineToken(merchant.id, "an ERP", scopes, None)
        _, secret = await machine_token.create(session, new, set(Permission), maker, an_act(at=kites.clock()))
    headers = {"authorization": f"Bearer {secret}"}
    document = f"""mutation ($i: WebhookEndpointCreateInput!) {{ webhookEndpointCreate(input: $i) {{ __typename
      {PROBLEM} }} }}"""
    for kinds, expected in (
        (["order.paid"], "WebhookEndpointCreated"),
        (["order.paid", "payout.paid"], "NotPermitted"),
        (None, "NotPermitted"),
    ):
        given = {"i": {"url": URL, "kinds": kinds}}
        answer = await kites.ask(document, given, headers=headers, merchant="kites")
        assert answer.data["webhookEndpointCreate"]["__typename"] == expected, kinds


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://169.254.169.254/latest"}, "url"),
        ({"url": "https://localhost/"}, "url"),
        ({"url": "https://user:x@example.com/"}, "url"),
        ({"url": URL, "kinds": []}, "kinds"),
        ({"url": URL, "kinds": ["no.such"]}, "kinds"),
        ({"url": URL, "description": "x" * 201}, "description"),
        ({"url": "https://" + "a" * 100_000}, "url"),
        ({"url": "https://кошка.example/"}, "url"),
    ],
    ids=["http", "metadata", "localhost", "user", "no kinds", "unknown kind", "long", "huge", "idn"],
)
async def test_what_can_not_be_is_refused_in_words(kites: Mall, given: dict[str, Any], path: str) -> None:
    refused = await do(kites, "owner", "webhookEndpointCreate", **given)
    assert (refused["code"], refused["path"][-1]) == ("INVALID_INPUT", path)


async def test_there_is_no_room_for_more_than_so_many_even_at_once(
    kites: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_ENDPOINTS", 2)
    made = await asyncio.gather(*(do(kites, "owner", "webhookEndpointCreate", url=URL) for _ in range(4)))
    assert sorted(each["__typename"] for each in made) == ["InvalidInput"] * 2 + ["WebhookEndpointCreated"] * 2


async def test_a_disabled_endpoint_is_neither_tried_nor_replayed_until_it_is_enabled(kites: Mall) -> None:
    key = (await do(kites, "owner", "webhookEndpointCreate", url=URL))["endpoint"]["id"]
    asked = await do(kites, "owner", "webhookEndpointTest", endpointId=key)
    ended = await do(kites, "owner", "webhookEndpointDisable", endpointId=key, reason="we move")
    assert (ended["endpoint"]["disabledBy"], ended["endpoint"]["disabledReason"]) == ("PERSON", "we move")
    assert (await do(kites, "owner", "webhookEndpointTest", endpointId=key))["code"] == "INVALID_INPUT"
    refused = await do(kites, "owner", "webhookReplay", deliveryId=asked["delivery"]["id"])
    assert refused["code"] == "INVALID_INPUT"
    begun = await do(kites, "owner", "webhookEndpointEnable", endpointId=key)
    assert (begun["endpoint"]["status"], begun["endpoint"]["disabledBy"]) == ("ENABLED", None)
    gone = await do(kites, "owner", "webhookEndpointDelete", endpointId=key)
    assert gone["endpointId"] == key
    assert (await do(kites, "owner", "webhookEndpointDelete", endpointId=key))["code"] == "NOT_FOUND"


async def _merchant(mall: Mall, slug: str) -> Any:
    async with mall.database.read("test") as tx, tx.as_platform() as session:
        found = await merchants.by_slug(session, slug)
    assert found
    return found.merchant
