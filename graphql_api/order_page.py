"""A merchant's orders for its staff, a page at a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from graphql_api import access
from graphql_api.contacts import are_read, of_page
from graphql_api.context import Info
from graphql_api.order import Order, ShownContact
from graphql_api.order_loading import IN_PAGE, parts_written, row_written
from graphql_api.order_views import as_staff_see
from graphql_api.relay import Connection, Page, connection_of, page, written_connection
from merchantry.domain.contact import WITHHELD
from merchantry.domain.order import OrderStatus
from merchantry.domain.permission import Permission
from merchantry.services import tracking
from merchantry.services.order_head import Wanted
from merchantry.services.order_view import WrittenPage
from merchantry.services.written import Cursor
from tenancy.database import MerchantSession

LIST: Final = "orders"
CURSOR: Final = Cursor(LIST, ("placed_at", "id"))
"""How PostgreSQL writes the cursor of an order in this list."""


async def of_merchant(
    info: Info,
    *,
    statuses: Sequence[OrderStatus] | None,
    external_ref: str | None,
    overdue: bool | None,
    first: int | None,
    after: str | None,
) -> Connection[Order]:
    """The orders of the selected merchant, newest first. Where PostgreSQL can write all that is selected of them, no
    order is read: they come as one text.
    """
    allowed = access.of_merchant(info.context, Permission.ORDER_READ)
    asked = page(LIST, (datetime, UUID), first, after)
    wanted = Wanted(asked.limit, asked.after, statuses, external_ref, info.context.clock() if overdue else None)
    row = row_written(info, CURSOR)
    async with info.context.database.read(allowed.act.actor) as tx:
        async with tx.as_merchant(allowed.merchant_id) as session:
            if row is not None:
                with_contacts = are_read(info.context, allowed.merchant_id)
                found = await tracking.written_page(session, wanted, row, with_contacts=with_contacts)
                contacts = await _contacts(info, session, found, asked)
                return written_connection(found.text, asked, of=contacts, found=found.found, ends=found.ends)
            views = await tracking.page(session, wanted, parts_written(info, *IN_PAGE, for_staff=True))
        shown = await as_staff_see(info, tx, allowed.merchant_id, views[: asked.first], *IN_PAGE)
    return connection_of(
        views,
        asked,
        cursor_of=lambda each: (each.order.placed_at, each.order.id),
        node_of=lambda each: shown[each.order.id],
    )


async def _contacts(info: Info, session: MerchantSession, found: WrittenPage, asked: Page) -> list[ShownContact]:
    """Of each order on the page, as whoever asks is shown it."""
    if found.contacts:
        return [ShownContact(each) for each in (await of_page(info.context, session, found.contacts)).values()]
    return [ShownContact(WITHHELD)] * min(found.found, asked.first)
