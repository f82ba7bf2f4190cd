"""Webhook endpoints of a sphere, and of the platform, with what was sent to them."""

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from sqlalchemy import insert

from graphql_api.relay import encode_id
from merchantry.domain.permission import Permission
from merchantry.domain.webhook import body_of
from merchantry.services import webhook
from merchantry.services.webhook import Wanted
from merchantry.tables.platform import NOBODY
from merchantry.tables.webhook import webhook_attempt, webhook_delivery
from tenancy.database import Transaction
from tests.builders import NOON, an_act
from tests.graphql_api.mall import Mall

if TYPE_CHECKING:
    from tests.isolation.world import Sphere

SHARED = ("webhookEndpointUpdate", "webhookSecretRotate", "webhookEndpointTest", "webhookReplayFailed")
ALONE = ("webhookEndpointDelete", "webhookEndpointDisable", "webhookEndpointEnable")
OF_WEBHOOKS = ("webhookEndpointCreate", *SHARED, *ALONE, "webhookReplay")
"""Mutations about webhooks; each is there for the platform too."""


async def add_webhooks(mall: Mall, made: "Sphere") -> None:
    """One endpoint that several mutations share, and one for each that ends something; a delivery that was given up."""
    for owner in (made.merchant.id, NOBODY):
        shared = await _endpoint(mall, made, owner, "shared")
        for mutation in SHARED:
            made.subjects[_named(owner, mutation)] = {"endpointId": encode_id("WebhookEndpoint", owner, shared)}
        for mutation in ALONE:
            alone = await _endpoint(mall, made, owner, mutation)
            made.subjects[_named(owner, mutation)] = {"endpointId": encode_id("WebhookEndpoint", owner, alone)}
        delivery = encode_id("WebhookDelivery", owner, await _delivery(mall, made, owner, shared))
        made.subjects[_named(owner, "webhookReplay")] = {"deliveryId": delivery}


def _named(owner: UUID, mutation: str) -> str:
    return mutation if owner != NOBODY else f"platform{mutation[0].upper()}{mutation[1:]}"


def _session(tx: Transaction, owner: UUID) -> Any:
    return tx.as_platform() if owner == NOBODY else tx.as_merchant(owner)


async def _endpoint(mall: Mall, made: "Sphere", owner: UUID, name: str) -> UUID:
    wanted = Wanted(f"https://93.184.215.14/{made.slug}/{name}", f"{made.slug}'s {name}", None)
    async with mall.database.write("test") as tx, _session(tx, owner) as session:
        new, _ = await webhook.create(session, mall.tools.vault, wanted, set(Permission), an_act())
        if name == "webhookEndpointEnable":
            await webhook.disable(session, new.id, f"{made.slug} moves", an_act())
    return new.id


async def _delivery(mall: Mall, made: "Sphere", owner: UUID, endpoint_id: UUID) -> UUID:
    delivery_id = uuid4()
    row: dict[str, Any] = {
        "id": delivery_id,
        "merchant_id": owner,
        "endpoint_id": endpoint_id,
        "event_id": uuid4(),
        "seq": 1,
    }
    row |= {"kind": "order.paid", "body": body_of("order.paid", NOON, 1, {"number": f"{made.slug}-1"})}
    row |= {"status": "failed", "attempts": 1, "failures": 1, "created_at": NOON, "ended_at": NOON}
    attempt = {"merchant_id": owner, "delivery_id": row["id"], "number": 1, "at": NOON, "milliseconds": 17}
    attempt |= {"status": 500, "response": f"{made.slug}'s ERP is down"}
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await session.execute(insert(webhook_delivery), row)
        await session.execute(insert(webhook_attempt), attempt)
    return delivery_id
