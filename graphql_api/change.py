"""What happened to a merchant's products, stock and orders, for its own systems: page by page, from the oldest on.

Pages are read by the numbers of events, which are given once what they tell of is committed: so whoever goes on behind
the last cursor misses nothing, however many write meanwhile. Cursors are those of subscriptions.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.order import Order
from graphql_api.order_loading import IN_PAGE, parts_wanted, selects
from graphql_api.order_views import as_staff_see, may_read_ledger
from graphql_api.product import Product
from graphql_api.refund import Refund
from graphql_api.relay import Connection, Page, connection_of, page
from graphql_api.told import LIST, CursorGone, Kinds, Told, kinds_seen
from merchantry.domain.errors import InvalidInput
from merchantry.domain.event import MIRRORED, EventKind
from merchantry.domain.permission import Permission, may
from merchantry.domain.worded import Worded
from merchantry.services import catalogue, outbox, tracking
from merchantry.services.outbox import OLDEST, CursorExpired, Event
from tenancy.database import Transaction

AS_IT_STANDS = "As it stands now; null where the event is about none, it is gone, or the viewer may not see it."


@strawberry.type(description="Something happened to a product, its stock, or an order.")
class MerchantChange(Told):
    order: Order | None = strawberry.field(description=AS_IT_STANDS)
    product: Product | None = strawberry.field(description=AS_IT_STANDS)
    refund: Refund | None = strawberry.field(description=AS_IT_STANDS)


ChangeConnection = Connection[MerchantChange]


@dataclass(frozen=True, slots=True)
class _Subjects:
    """What a page's events are about, by id."""

    orders: dict[UUID, Order] = field(default_factory=dict)
    products: dict[UUID, Product] = field(default_factory=dict)
    refunds: dict[UUID, Refund] = field(default_factory=dict)

    def shown(self, event: Event) -> MerchantChange:
        """The event with what it is about."""
        return MerchantChange.of(
            event,
            order=None if event.order_id is None else self.orders.get(event.order_id),
            product=next((self.products[id] for id in _ids([event], "product") if id in self.products), None),
            refund=next((self.refunds[id] for id in _ids([event], "refund") if id in self.refunds), None),
        )


async def changes(info: Info, kinds: Kinds, first: int | None, after: str | None) -> ChangeConnection:
    """The merchant's changes behind a cursor, oldest first. Raises InvalidInput, CursorGone."""
    allowed = access.of_merchant(info.context, Permission.NOTIFICATION_READ)
    if foreign := set(kinds or ()) - MIRRORED:
        reason = Worded(
            "{foreign} tells of no product, stock or order; docs/events.md lists what does.", foreign=min(foreign)[:60]
        )
        raise InvalidInput(reason=reason, path=("kinds",))
    roles = info.context.caller.principal.roles_in(allowed.merchant_id)
    seen = MIRRORED & kinds_seen(roles, kinds, of_platform=False)
    asked = page(LIST, (int,), first, after)
    async with info.context.database.read(allowed.act.actor) as tx:
        events = await _events(tx, allowed.merchant_id, asked, seen)
        subjects = await _subjects(info, tx, allowed.merchant_id, events[: asked.first])
    found = connection_of(events, asked, cursor_of=lambda each: (each.seq,), node_of=subjects.shown)
    if not events:
        found.page_info.end_cursor = after
    return found


async def _events(tx: Transaction, merchant_id: UUID, asked: Page, seen: Collection[EventKind]) -> list[Event]:
    begin = OLDEST if asked.after is None else asked.after[0]
    try:
        async with tx.as_merchant(merchant_id) as session:
            return await outbox.read(session, begin, asked.limit, kinds=seen)
    except CursorExpired as error:
        raise CursorGone from error


async def _subjects(info: Info, tx: Transaction, merchant_id: UUID, events: Collection[Event]) -> _Subjects:
    """What is selected of it, with so many statements for any number of events."""
    roles = info.context.caller.principal.roles_in(merchant_id)
    found = _Subjects()
    async with tx.as_merchant(merchant_id) as session:
        if selects(info, "product", *IN_PAGE) and may(roles, Permission.PRODUCT_READ):
            products = await catalogue.products_of_ids(session, _ids(events, "product"))
            found.products.update((each.id, Product.of(merchant_id, each)) for each in products)
        if not may(roles, Permission.ORDER_READ):
            return found
        if selects(info, "refund", *IN_PAGE):
            refunds = await tracking.refunds_of_ids(session, _ids(events, "refund"))
            with_parties = may_read_ledger(info)
            found.refunds.update(
                (each.id, Refund.of(merchant_id, each, for_staff=True, with_parties=with_parties)) for each in refunds
            )
    if selects(info, "order", *IN_PAGE):
        found.orders.update(await _orders(info, tx, merchant_id, {each.order_id for each in events if each.order_id}))
    return found


async def _orders(info: Info, tx: Transaction, merchant_id: UUID, order_ids: Collection[UUID]) -> dict[UUID, Order]:
    below = [(*path, "order") for path in IN_PAGE]
    async with tx.as_merchant(merchant_id) as session:
        views = await tracking.by_ids(session, order_ids, parts_wanted(info, *below))
    return await as_staff_see(info, tx, merchant_id, views, *below)


def _ids(events: Collection[Event], fact: str) -> set[UUID]:
    return {UUID(event.facts[fact]) for event in events if fact in event.facts}
