"""What events say, as it is handed on: with the ids that the API knows things by."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from graphql_api.relay import encode_id
from merchantry.services.outbox import Event
from merchantry.tables.platform import NOBODY

NODES = {
    "case": "Case",
    "order": "Order",
    "payee_account": "PayeeAccount",
    "payout": "Payout",
    "product": "Product",
    "refund": "Refund",
    "shipment": "Shipment",
    "statement": "Statement",
    "variant": "Variant",
    "webhook_endpoint": "WebhookEndpoint",
}
"""Facts that the API knows as nodes, by what it calls them."""


def facts_of(event: Event) -> dict[str, Any]:
    """The facts with the ids that the API knows things by."""
    opaque = {
        name: encode_id(NODES[name], event.merchant_id, *_key(event, name)) for name in event.facts if name in NODES
    }
    return {**event.facts, **opaque}


def merchant_of(event: Event) -> str | None:
    """Whose an event is; None where no merchant is told."""
    return None if event.merchant_id == NOBODY else encode_id("MerchantRecord", event.merchant_id)


def presented(event: Event) -> tuple[Mapping[str, Any], str | None]:
    """What webhooks say of an event."""
    return facts_of(event), merchant_of(event)


def _key(event: Event, name: str) -> list[UUID]:
    """The keys below the merchant; parcels and refunds are found by their orders."""
    of_order = [event.order_id] if name in ("refund", "shipment") and event.order_id else []
    return [*of_order, UUID(event.facts[name])]
