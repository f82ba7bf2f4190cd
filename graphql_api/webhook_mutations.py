"""Webhook endpoints made, changed, tried and ended, and deliveries asked for again: a merchant's, or the platform's."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.problems import mutation
from graphql_api.relay import take_own_id
from graphql_api.webhook import (
    Access,
    WebhookDelivery,
    WebhookEndpoint,
    owner_of,
    session_of,
    whole,
)
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.event import EventKind
from merchantry.domain.permission import Permission, held
from merchantry.services import webhook, webhook_delivery
from merchantry.services.vault import Owner
from merchantry.services.webhook import Wanted
from tenancy.database import Transaction

URL = "Where to, https:// and reachable from the internet."
ABOUT = "What people call it, up to 200 characters."
KINDS = "Which kinds of events, as docs/events.md names them; all, and those to come, where it is left out."
SECRET = "What signatures are checked with. It is shown this once."
DAY_SECONDS = 86_400

T = TypeVar("T")


@strawberry.input(description="An endpoint to be.")
class WebhookEndpointCreateInput:
    url: str = strawberry.field(description=URL)
    description: str = strawberry.field(default="", description=ABOUT)
    kinds: list[str] | None = strawberry.field(default=None, description=KINDS)


@strawberry.input(description="An endpoint as it is to be from now on.")
class WebhookEndpointUpdateInput:
    endpoint_id: strawberry.ID
    url: str = strawberry.field(description=URL)
    description: str = strawberry.field(default="", description=ABOUT)
    kinds: list[str] | None = strawberry.field(default=None, description=KINDS)


@strawberry.input(description="An endpoint.")
class WebhookEndpointInput:
    endpoint_id: strawberry.ID


@strawberry.input(description="An endpoint to send nothing to for now.")
class WebhookEndpointDisableInput:
    endpoint_id: strawberry.ID
    reason: str = strawberry.field(description="Why, for whoever looks at it later.")


@strawberry.input(description="An endpoint that gets a new secret.")
class WebhookSecretRotateInput:
    endpoint_id: strawberry.ID
    overlap_seconds: int = strawberry.field(
        default=DAY_SECONDS, description="For how long the secret before it signs too, up to 7 days."
    )


@strawberry.input(description="A delivery to send once more.")
class WebhookReplayInput:
    delivery_id: strawberry.ID = strawberry.field(description="The delivery, whatever became of it.")


@strawberry.input(description="Deliveries to send once more: all that were given up.")
class WebhookReplayFailedInput:
    endpoint_id: strawberry.ID
    since: datetime = strawberry.field(description="Only those of events since this moment.")


@strawberry.type(description="Events from now on are sent to the endpoint.")
class WebhookEndpointCreated:
    endpoint: WebhookEndpoint
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="The endpoint is as it was wanted.")
class WebhookEndpointChanged:
    endpoint: WebhookEndpoint


@strawberry.type(description="Nothing more is sent to the endpoint, and what was sent is forgotten.")
class WebhookEndpointDeleted:
    endpoint_id: strawberry.ID


@strawberry.type(description="The endpoint has a new secret.")
class WebhookSecretRotated:
    endpoint: WebhookEndpoint
    secret: str = strawberry.field(description=SECRET)


@strawberry.type(description="It will be sent within seconds; ask for the delivery to see what came of it.")
class WebhookDeliveryAsked:
    delivery: WebhookDelivery


@strawberry.type(description="They will be sent once more, the longest waiting first.")
class WebhookReplayAsked:
    deliveries: int = strawberry.field(description="How many.")


@strawberry.type
class WebhookMutations:
    @mutation(problems=[NotPermitted, InvalidInput])
    async def webhook_endpoint_create(self, info: Info, input: WebhookEndpointCreateInput) -> WebhookEndpointCreated:
        """Send events to this URL from now on; of kinds that you are told of yourself. Needs webhook.write."""
        return await _create(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_endpoint_update(self, info: Info, input: WebhookEndpointUpdateInput) -> WebhookEndpointChanged:
        """Give an endpoint another URL, description or choice of kinds. Needs webhook.write."""
        return await _update(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted])
    async def webhook_endpoint_delete(self, info: Info, input: WebhookEndpointInput) -> WebhookEndpointDeleted:
        """Delete an endpoint with all that was sent to it. Needs webhook.write."""
        return await _delete(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_endpoint_disable(self, info: Info, input: WebhookEndpointDisableInput) -> WebhookEndpointChanged:
        """Send nothing to an endpoint until it is enabled. Needs webhook.write."""
        return await _disable(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted])
    async def webhook_endpoint_enable(self, info: Info, input: WebhookEndpointInput) -> WebhookEndpointChanged:
        """Send to an endpoint again: what waits, and what happens from now on. Needs webhook.write."""
        return await _enable(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_secret_rotate(self, info: Info, input: WebhookSecretRotateInput) -> WebhookSecretRotated:
        """Give an endpoint a new secret; both sign while they overlap. Needs webhook.write."""
        return await _rotate(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_endpoint_test(self, info: Info, input: WebhookEndpointInput) -> WebhookDeliveryAsked:
        """Send something of the type webhook.test to an endpoint, once. Needs webhook.write."""
        return await _test(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_replay(self, info: Info, input: WebhookReplayInput) -> WebhookDeliveryAsked:
        """Send a delivery once more, under the same id. Needs webhook.write."""
        return await _replay(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def webhook_replay_failed(self, info: Info, input: WebhookReplayFailedInput) -> WebhookReplayAsked:
        """Send once more what was given up at an endpoint. Needs webhook.write."""
        return await _replay_failed(info.context, access.of_merchant(info.context, Permission.WEBHOOK_WRITE), input)


@strawberry.type
class PlatformWebhookMutations:
    @mutation(problems=[NotPermitted, InvalidInput])
    async def platform_webhook_endpoint_create(
        self, info: Info, input: WebhookEndpointCreateInput
    ) -> WebhookEndpointCreated:
        """Send events of all merchants to this URL from now on; of kinds that you are told of yourself.

        Needs platform.webhook.write.
        """
        return await _create(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_endpoint_update(
        self, info: Info, input: WebhookEndpointUpdateInput
    ) -> WebhookEndpointChanged:
        """Give an endpoint of the platform another URL, description or choice of kinds.

        Needs platform.webhook.write.
        """
        return await _update(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted])
    async def platform_webhook_endpoint_delete(self, info: Info, input: WebhookEndpointInput) -> WebhookEndpointDeleted:
        """Delete an endpoint of the platform with all that was sent to it. Needs platform.webhook.write."""
        return await _delete(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_endpoint_disable(
        self, info: Info, input: WebhookEndpointDisableInput
    ) -> WebhookEndpointChanged:
        """Send nothing to an endpoint of the platform until it is enabled. Needs platform.webhook.write."""
        return await _disable(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted])
    async def platform_webhook_endpoint_enable(self, info: Info, input: WebhookEndpointInput) -> WebhookEndpointChanged:
        """Send to an endpoint of the platform again: what waits, and what happens from now on.

        Needs platform.webhook.write.
        """
        return await _enable(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_secret_rotate(self, info: Info, input: WebhookSecretRotateInput) -> WebhookSecretRotated:
        """Give an endpoint of the platform a new secret; both sign while they overlap. Needs platform.webhook.write."""
        return await _rotate(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_endpoint_test(self, info: Info, input: WebhookEndpointInput) -> WebhookDeliveryAsked:
        """Send something of the type webhook.test to an endpoint of the platform, once.

        Needs platform.webhook.write.
        """
        return await _test(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_replay(self, info: Info, input: WebhookReplayInput) -> WebhookDeliveryAsked:
        """Send a delivery of the platform once more, under the same id. Needs platform.webhook.write."""
        return await _replay(info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def platform_webhook_replay_failed(self, info: Info, input: WebhookReplayFailedInput) -> WebhookReplayAsked:
        """Send once more what was given up at an endpoint of the platform. Needs platform.webhook.write."""
        return await _replay_failed(
            info.context, access.of_platform(info.context, Permission.PLATFORM_WEBHOOK_WRITE), input
        )


async def _create(context: Context, allowed: Access, given: WebhookEndpointCreateInput) -> WebhookEndpointCreated:
    wanted, rights = await _wanted(context, given), _rights(context, allowed)
    made, secret = await _run(
        context, allowed, lambda session: webhook.create(session, context.vault, wanted, rights, allowed.act)
    )
    return WebhookEndpointCreated(endpoint=WebhookEndpoint.of(owner_of(allowed), made), secret=secret)


async def _update(context: Context, allowed: Access, given: WebhookEndpointUpdateInput) -> WebhookEndpointChanged:
    key, rights = _key(context, allowed, given.endpoint_id), _rights(context, allowed)
    wanted = await _wanted(context, given)
    return await _changed(context, allowed, lambda session: webhook.change(session, key, wanted, rights, allowed.act))


async def _delete(context: Context, allowed: Access, given: WebhookEndpointInput) -> WebhookEndpointDeleted:
    key = _key(context, allowed, given.endpoint_id)
    await _run(context, allowed, lambda session: webhook.remove(session, key, allowed.act))
    return WebhookEndpointDeleted(endpoint_id=given.endpoint_id)


async def _disable(context: Context, allowed: Access, given: WebhookEndpointDisableInput) -> WebhookEndpointChanged:
    key = _key(context, allowed, given.endpoint_id)
    return await _changed(context, allowed, lambda session: webhook.disable(session, key, given.reason, allowed.act))


async def _enable(context: Context, allowed: Access, given: WebhookEndpointInput) -> WebhookEndpointChanged:
    key = _key(context, allowed, given.endpoint_id)
    return await _changed(context, allowed, lambda session: webhook.enable(session, key, allowed.act))


async def _rotate(context: Context, allowed: Access, given: WebhookSecretRotateInput) -> WebhookSecretRotated:
    key, overlap = _key(context, allowed, given.endpoint_id), timedelta(seconds=given.overlap_seconds)
    made, secret = await _run(
        context, allowed, lambda session: webhook.rotate_secret(session, context.vault, key, overlap, allowed.act)
    )
    return WebhookSecretRotated(endpoint=WebhookEndpoint.of(owner_of(allowed), made), secret=secret)


async def _test(context: Context, allowed: Access, given: WebhookEndpointInput) -> WebhookDeliveryAsked:
    key = _key(context, allowed, given.endpoint_id)
    return await _asked(
        context,
        allowed,
        lambda session: webhook_delivery.test(session, key, given.endpoint_id, allowed.act),
    )


async def _replay(context: Context, allowed: Access, given: WebhookReplayInput) -> WebhookDeliveryAsked:
    key = _key(context, allowed, given.delivery_id, "WebhookDelivery", "deliveryId")
    return await _asked(context, allowed, lambda session: webhook_delivery.replay(session, key, allowed.act))


async def _replay_failed(context: Context, allowed: Access, given: WebhookReplayFailedInput) -> WebhookReplayAsked:
    key = _key(context, allowed, given.endpoint_id)
    count = await _run(
        context,
        allowed,
        lambda session: webhook_delivery.replay_failed(session, key, given.since, allowed.act),
    )
    return WebhookReplayAsked(deliveries=count)


async def _wanted(context: Context, given: WebhookEndpointCreateInput | WebhookEndpointUpdateInput) -> Wanted:
    """What is wanted, with a URL that something may be sent to. Raises InvalidInput."""
    kinds = None if given.kinds is None else frozenset(map(_kind, given.kinds))
    await context.webhooks.check(given.url)
    return Wanted(given.url, given.description, kinds)


def _kind(name: str) -> EventKind:
    try:
        return EventKind(name)
    except ValueError:
        reason = "Name kinds as docs/events.md does, such as order.paid."
        raise InvalidInput(reason=reason, path=("kinds",)) from None


def _rights(context: Context, allowed: Access) -> frozenset[Permission]:
    principal = context.caller.principal
    if isinstance(allowed, access.MerchantAccess):
        return held(principal.roles_in(allowed.merchant_id))
    return held(principal.platform_roles)


def _key(
    context: Context, allowed: Access, given: str, kind: str = "WebhookEndpoint", name: str = "endpointId"
) -> UUID:
    return take_own_id(context, given, kind, 2, ("input", name), owner_of(allowed))[1]


async def _changed(
    context: Context, allowed: Access, work: Callable[[Owner], Awaitable[webhook.Endpoint]]
) -> WebhookEndpointChanged:
    found = await _run(context, allowed, work)
    return WebhookEndpointChanged(endpoint=WebhookEndpoint.of(owner_of(allowed), found))


async def _asked(
    context: Context, allowed: Access, work: Callable[[Owner], Awaitable[webhook_delivery.Delivery]]
) -> WebhookDeliveryAsked:
    async def shown(session: Owner) -> WebhookDelivery:
        return await whole(session, owner_of(allowed), await work(session))

    return WebhookDeliveryAsked(delivery=await _run(context, allowed, shown))


async def _run(context: Context, allowed: Access, work: Callable[[Owner], Awaitable[T]]) -> T:
    async def as_owner(tx: Transaction) -> T:
        async with session_of(tx, allowed) as session:
            return await work(session)

    return await context.database.run(allowed.act.actor, as_owner)
