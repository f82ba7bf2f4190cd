"""Subscriptions: events as they are told, to whoever they concern, with what they are about as it stands by then.

Each is delivered once and in order; ``cursor`` of the last one, given as ``after``, goes on where somebody stopped.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

import strawberry
from graphql import GraphQLError

from graphql_api import access
from graphql_api.context import Context, Info, Reads
from graphql_api.facts import merchant_of
from graphql_api.hub import Hub, Topic
from graphql_api.notification_count import NotificationSubscriptions
from graphql_api.order import Order
from graphql_api.order_loading import find_order, parts_wanted, selects
from graphql_api.payout import Payout, load_payout
from graphql_api.relay import decode_cursor, decode_id
from graphql_api.selection import wanted
from graphql_api.split import Split, load_split
from graphql_api.told import LIST, CursorGone, Kinds, Told, kinds_seen
from graphql_api.trail import write_reads
from merchantry.domain.errors import NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.permission import Permission
from merchantry.services import buyer_index, order_view, outbox, tracking
from merchantry.services.outbox import CursorExpired, Event

PAYOUTS = frozenset(kind for kind in EventKind if "payout" in {fact.name for fact in kind.declared.facts})
TO_BUYERS = frozenset(kind for kind in EventKind if kind.declared.to_buyer)
OF_ORDERS = frozenset(kind for kind in EventKind if "order" in {fact.name for fact in kind.declared.facts})
After = Annotated[
    str | None,
    strawberry.argument(
        description="The cursor of the last event that you have. Left out: only what comes from now on."
    ),
]


@strawberry.type(description="Something happened to an order.")
class OrderChange(Told):
    order: Order | None = strawberry.field(description="As it stands when this is delivered.")


@strawberry.type(description="An order's money was divided.")
class SplitChange(Told):
    split: Split | None = strawberry.field(description="As it stands when this is delivered.")


@strawberry.type(description="Something happened to a payout.")
class PayoutChange(Told):
    payout: Payout | None = strawberry.field(description="As it stands when this is delivered.")


@strawberry.type(description="Something happened at the merchant.")
class MerchantEvent(Told):
    booked_at: datetime


@strawberry.type(description="Something happened in the mall.")
class PlatformEvent(Told):
    booked_at: datetime
    merchant: strawberry.ID | None = strawberry.field(description="Whose it is; null where no merchant is told.")


async def _events(info: Info, topic: Topic, after: str | None) -> AsyncGenerator[Event, None]:
    """The topic's events, each after what it was loaded with has been written down. Raises InvalidInput, CursorGone."""
    context = info.context
    hub = _hub(context)
    begin = await hub.begin(None if after is None else decode_cursor(after, LIST, (int,))[0])
    read = partial(_read, context, topic)
    try:
        async with aclosing(hub.events(topic, begin, read)) as events:
            async for event in events:
                yield event
    except CursorExpired as error:
        raise CursorGone from error


def _hub(context: Context) -> Hub:
    if context.hub is None:
        raise GraphQLError("This server hands on no events.", extensions={"code": "NOT_AVAILABLE"})
    return context.hub


async def _read(context: Context, topic: Topic, after: int, limit: int) -> list[Event]:
    """From the table, as the subscriber may: a merchant's staff as that merchant."""
    async with context.database.read("system:hub") as tx:
        if topic.buyer_id is not None:
            async with tx.as_platform() as platform:
                found = await outbox.read_for_buyer(platform, topic.buyer_id, after, limit, subject=topic.subject)
        elif topic.merchant_id is not None:
            async with tx.as_merchant(topic.merchant_id) as session:
                found = await outbox.read(session, after, limit, kinds=topic.kinds, subject=topic.subject)
        else:
            async with tx.as_platform() as platform:
                found = await outbox.read(platform, after, limit, kinds=topic.kinds)
    return found


async def _watched(context: Context) -> None:
    """Write what was read that is watched, before it is delivered."""
    await write_reads(context)
    context.reads = Reads()


async def _order(info: Info, event: Event) -> Order | None:
    if event.order_id is None or "order" not in wanted(info):
        return None
    parts = parts_wanted(info, ("order",))
    with_split = selects(info, "split", ("order",))
    found = await find_order(info.context, event.merchant_id, event.order_id, parts=parts, with_split=with_split)
    await _watched(info.context)
    return found


def _roles(context: Context, merchant_id: UUID) -> frozenset[str]:
    return context.caller.principal.roles_in(merchant_id)


async def _order_topic(info: Info, id: str) -> Topic:
    """Staff of the order's merchant get all that staff may; its buyer what buyers are told. Raises NotFound."""
    merchant_id, order_id = decode_id(id, "Order", 2, ("id",))
    merchant, subject = info.context.caller.merchant, ("order", str(order_id))
    if merchant is not None and merchant.id == merchant_id:
        allowed = access.of_merchant(info.context, Permission.ORDER_READ)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(merchant_id) as session:
            if await tracking.by_id(session, order_id, order_view.Parts()) is None:
                raise NotFound(what="order", path=("id",))
        kinds = OF_ORDERS & kinds_seen(_roles(info.context, merchant_id), None, of_platform=False)
        return Topic(kinds=kinds, merchant_id=merchant_id, subject=subject)
    buyer = access.of_buyer(info.context)
    async with info.context.database.read(buyer.act.actor) as tx, tx.as_platform() as platform:
        index = await buyer_index.of_orders(platform, buyer.account_id, [order_id])
    if [each.merchant_id for each in index] != [merchant_id]:
        raise NotFound(what="order", path=("id",))
    return Topic(kinds=TO_BUYERS, buyer_id=buyer.account_id, merchant_id=merchant_id, subject=subject)


@strawberry.type
class Subscription(NotificationSubscriptions):
    @strawberry.subscription
    async def order_changed(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The order.")],
        after: After = None,
    ) -> AsyncGenerator[OrderChange, None]:
        """What happens to one order: for its buyer, and for its merchant's staff with order.read."""
        async with aclosing(_events(info, await _order_topic(info, id), after)) as events:
            async for event in events:
                yield OrderChange.of(event, order=await _order(info, event))

    @strawberry.subscription
    async def my_orders(self, info: Info, after: After = None) -> AsyncGenerator[OrderChange, None]:
        """What happens to the viewer's orders, at all merchants."""
        buyer = access.of_buyer(info.context)
        async with aclosing(_events(info, Topic(kinds=TO_BUYERS, buyer_id=buyer.account_id), after)) as events:
            async for event in events:
                yield OrderChange.of(event, order=await _order(info, event))

    @strawberry.subscription
    async def merchant_events(
        self, info: Info, kinds: Kinds = None, after: After = None
    ) -> AsyncGenerator[MerchantEvent, None]:
        """What happens at the selected merchant, as far as the viewer's roles there reach. Needs notification.read."""
        allowed = access.of_merchant(info.context, Permission.NOTIFICATION_READ)
        seen = kinds_seen(_roles(info.context, allowed.merchant_id), kinds, of_platform=False)
        async with aclosing(_events(info, Topic(kinds=seen, merchant_id=allowed.merchant_id), after)) as events:
            async for event in events:
                yield MerchantEvent.of(event, booked_at=event.booked_at)

    @strawberry.subscription
    async def split_recorded(self, info: Info, after: After = None) -> AsyncGenerator[SplitChange, None]:
        """An order's money was divided. Needs ledger.read."""
        allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
        topic = Topic(kinds={EventKind.SPLIT_RECORDED}, merchant_id=allowed.merchant_id)
        async with aclosing(_events(info, topic, after)) as events:
            async for event in events:
                key = (allowed.merchant_id, UUID(event.facts["order"]))
                split = await load_split(info, key) if "split" in wanted(info) else None
                yield SplitChange.of(event, split=split)

    @strawberry.subscription
    async def payout_changed(
        self,
        info: Info,
        id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only this payout; left out: all of them.")
        ] = None,
        after: After = None,
    ) -> AsyncGenerator[PayoutChange, None]:
        """A payout was planned, sent, paid, or something else became of it. Needs ledger.read."""
        allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
        subject = None
        if id is not None:
            merchant_id, payout_id = decode_id(id, "Payout", 2, ("id",))
            if merchant_id != allowed.merchant_id:
                raise NotFound(what="payout", path=("id",))
            subject = ("payout", str(payout_id))
        topic = Topic(kinds=PAYOUTS, merchant_id=allowed.merchant_id, subject=subject)
        async with aclosing(_events(info, topic, after)) as events:
            async for event in events:
                is_wanted = "payout" in wanted(info)
                key = (allowed.merchant_id, UUID(event.facts["payout"]))
                yield PayoutChange.of(event, payout=await load_payout(info, key) if is_wanted else None)

    @strawberry.subscription
    async def platform_events(
        self, info: Info, kinds: Kinds = None, after: After = None
    ) -> AsyncGenerator[PlatformEvent, None]:
        """What happens in the mall, as far as the viewer's roles there reach. Needs platform.merchant.read."""
        access.of_platform(info.context, Permission.PLATFORM_MERCHANT_READ)
        await _watched(info.context)
        seen = kinds_seen(info.context.caller.principal.platform_roles, kinds, of_platform=True)
        async with aclosing(_events(info, Topic(kinds=seen), after)) as events:
            async for event in events:
                whose = merchant_of(event)
                yield PlatformEvent.of(
                    event, booked_at=event.booked_at, merchant=strawberry.ID(whose) if whose else None
                )
