"""Webhook endpoints, and what was sent to them: a merchant's own for its staff, the platform's own for its people."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.access import MerchantAccess, PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.enums import WebhookDeliveryStatus, WebhookDisabledBy, WebhookEndpointStatus
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page, take_own_id
from graphql_api.selection import selects_anywhere
from merchantry.domain.permission import Permission
from merchantry.services import webhook, webhook_delivery
from merchantry.services.vault import Owner
from merchantry.services.webhook_delivery import Sought
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

Access = MerchantAccess | PlatformAccess


@strawberry.type(description="A URL that events are sent to. Its secret is never shown again.")
class WebhookEndpoint(Node):
    id: strawberry.ID
    url: str
    description: str
    kinds: list[str] | None = strawberry.field(description="Which kinds of events, as docs/events.md; null: all.")
    status: WebhookEndpointStatus
    disabled_by: WebhookDisabledBy | None = strawberry.field(description="Why nothing is sent to it.")
    disabled_reason: str | None = strawberry.field(description="What whoever disabled it said.")
    failing_since: datetime | None = strawberry.field(description="The first failure since the last success.")
    created_at: datetime
    secret_made_at: datetime
    previous_secret_until: datetime | None = strawberry.field(
        description="Until when the secret before the newest signs, or signed, too."
    )

    @staticmethod
    def of(owner: UUID, found: webhook.Endpoint) -> "WebhookEndpoint":
        """The endpoint as it is kept, but for its secrets."""
        return WebhookEndpoint(
            id=encode_id("WebhookEndpoint", owner, found.id),
            url=found.url,
            description=found.description,
            kinds=None if found.kinds is None else [kind.value for kind in found.kinds],
            status=found.status,
            disabled_by=found.disabled_by,
            disabled_reason=found.disabled_reason,
            failing_since=found.failing_since,
            created_at=found.created_at,
            secret_made_at=found.secret_made_at,
            previous_secret_until=found.previous_secret_until,
        )


@strawberry.type(description="One request to an endpoint, and what was answered.")
class WebhookAttempt:
    number: int
    at: datetime
    milliseconds: int = strawberry.field(description="How long it took.")
    status: int | None = strawberry.field(description="The HTTP status; null where there was no answer.")
    error: str | None = strawberry.field(description="What went wrong, beside the status.")
    response: str | None = strawberry.field(description="The first kilobyte that was answered.")

    @staticmethod
    def of(found: webhook_delivery.Attempt) -> "WebhookAttempt":
        """The attempt as it is kept."""
        return WebhookAttempt(
            number=found.number,
            at=found.at,
            milliseconds=found.milliseconds,
            status=found.status,
            error=found.error,
            response=found.response,
        )


@strawberry.type(description="One event at one endpoint.")
class WebhookDelivery(Node):
    id: strawberry.ID
    endpoint_id: strawberry.ID
    event_id: strawberry.ID = strawberry.field(description="What the receiver gets as webhook-id, at every attempt.")
    kind: str
    status: WebhookDeliveryStatus
    attempt_count: int
    attempts: list[WebhookAttempt] = strawberry.field(description="The latest 20, in their order.")
    next_attempt_at: datetime | None = strawberry.field(description="The earliest moment; null where none is to come.")
    created_at: datetime
    ended_at: datetime | None

    @staticmethod
    def of(
        owner: UUID, found: webhook_delivery.Delivery, attempts: Sequence[webhook_delivery.Attempt]
    ) -> "WebhookDelivery":
        """The delivery as it is kept."""
        return WebhookDelivery(
            id=encode_id("WebhookDelivery", owner, found.id),
            endpoint_id=encode_id("WebhookEndpoint", owner, found.endpoint_id),
            event_id=strawberry.ID(str(found.event_id)),
            kind=found.kind,
            status=found.status,
            attempt_count=found.attempts,
            attempts=[WebhookAttempt.of(each) for each in attempts],
            next_attempt_at=found.next_at,
            created_at=found.created_at,
            ended_at=found.ended_at,
        )


@strawberry.input(description="Which deliveries; all conditions together.")
class WebhookDeliveryFilterInput:
    endpoint_id: strawberry.ID | None = strawberry.field(default=None, description="Only to this endpoint.")
    status: WebhookDeliveryStatus | None = strawberry.field(default=None, description="Only of this status.")
    kind: str | None = strawberry.field(default=None, description="Only events of this kind, or webhook.test.")
    since: datetime | None = strawberry.field(default=None, description="Only of events since this moment.")


def reading(info: Info, *, of_platform: bool) -> Access:
    """Who may see endpoints and deliveries. Raises as ``access`` does."""
    if of_platform:
        return access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_READ)
    return access.of_merchant(info.context, Permission.WEBHOOK_READ)


def owner_of(allowed: Access) -> UUID:
    """Whose endpoints somebody may see or change: NOBODY's are the platform's."""
    return allowed.merchant_id if isinstance(allowed, MerchantAccess) else NOBODY


def session_of(tx: Transaction, allowed: Access) -> AbstractAsyncContextManager[Owner]:
    """The session that reaches them."""
    return tx.as_merchant(allowed.merchant_id) if isinstance(allowed, MerchantAccess) else tx.as_platform()


async def endpoints(
    info: Info, first: int | None, after: str | None, *, of_platform: bool
) -> Connection[WebhookEndpoint]:
    """Endpoints, newest first."""
    allowed = reading(info, of_platform=of_platform)
    asked = page("webhookEndpoints", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        found = await webhook.endpoints(session, asked.limit, (asked.after[0], asked.after[1]) if asked.after else None)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: WebhookEndpoint.of(owner_of(allowed), each),
    )


async def deliveries(
    info: Info, filter: WebhookDeliveryFilterInput | None, first: int | None, after: str | None, *, of_platform: bool
) -> Connection[WebhookDelivery]:
    """Deliveries that fit, those of the newest events first."""
    allowed = reading(info, of_platform=of_platform)
    asked = page("webhookDeliveries", (int, UUID), first, after)
    sought = _sought(info.context, allowed, filter)
    async with info.context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        position = (asked.after[0], asked.after[1]) if asked.after else None
        found = await webhook_delivery.deliveries(session, sought, asked.limit, position)
        ids = [each.id for each in found] if selects_anywhere(info, "attempts") else []
        attempts = await webhook_delivery.attempts_of(session, ids) if ids else {}
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: WebhookDelivery.of(owner_of(allowed), each, attempts.get(each.id, ())),
    )


def _sought(context: Context, allowed: Access, given: WebhookDeliveryFilterInput | None) -> Sought:
    if given is None:
        return Sought()
    endpoint_id = None
    if given.endpoint_id is not None:
        path = ("filter", "endpointId")
        endpoint_id = take_own_id(context, given.endpoint_id, "WebhookEndpoint", 2, path, owner_of(allowed))[1]
    return Sought(endpoint_id, given.status, given.kind, given.since)


async def whole(session: Owner, owner: UUID, found: webhook_delivery.Delivery) -> WebhookDelivery:
    """A delivery with its attempts."""
    attempts = await webhook_delivery.attempts_of(session, [found.id])
    return WebhookDelivery.of(owner, found, attempts.get(found.id, ()))


@node("WebhookEndpoint", parts=2)
async def load_webhook_endpoint(info: Info, parts: Parts) -> WebhookEndpoint | None:
    """The endpoint, for its owner's people."""
    allowed = reading(info, of_platform=parts[0] == NOBODY)
    if owner_of(allowed) != parts[0]:
        return None
    async with info.context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        return WebhookEndpoint.of(parts[0], await webhook.find(session, parts[1]))


@node("WebhookDelivery", parts=2)
async def load_webhook_delivery(info: Info, parts: Parts) -> WebhookDelivery | None:
    """The delivery, for its owner's people."""
    allowed = reading(info, of_platform=parts[0] == NOBODY)
    if owner_of(allowed) != parts[0]:
        return None
    async with info.context.database.read(allowed.act.actor) as tx, session_of(tx, allowed) as session:
        return await whole(session, parts[0], await webhook_delivery.delivery(session, parts[1]))
