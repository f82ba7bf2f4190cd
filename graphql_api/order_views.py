"""Loaded orders as their merchant's staff see them: with what each may know of buyers, money and reviews."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from graphql_api.contacts import of_merchant as of_staff
from graphql_api.context import Info
from graphql_api.order import Order
from graphql_api.order_loading import explained, selects, trails
from graphql_api.selection import selects_anywhere
from merchantry.domain.contact import WITHHELD
from merchantry.domain.permission import Permission, may
from merchantry.services.explanation import Explanation
from merchantry.services.order_view import OrderView
from merchantry.services.review_trail import TrailVerdict
from tenancy.database import Transaction


async def as_staff_see(
    info: Info, tx: Transaction, merchant_id: UUID, views: Sequence[OrderView], *paths: tuple[str, ...]
) -> dict[UUID, Order]:
    """The orders by id, with what is selected of them below these paths; so many statements for any number."""
    contacts = await of_staff(info.context, tx, merchant_id, [view.order.id for view in views])
    splits = await _splits(info, tx, merchant_id, views, *paths)
    reviewed = await _trails(info, tx, merchant_id, views, *paths)
    with_parties = may_read_ledger(info)
    return {
        view.order.id: Order.of(
            view,
            splits.get(view.order.id),
            contact=contacts.get(view.order.id, WITHHELD),
            for_staff=True,
            with_parties=with_parties,
            trail=reviewed.get(view.order.id),
        )
        for view in views
    }


def may_read_ledger(info: Info) -> bool:
    """Whether whoever asks may see how the selected merchant's money was shared."""
    caller = info.context.caller
    roles = caller.principal.roles_in(caller.merchant.id) if caller.merchant else frozenset()
    return may(roles, Permission.LEDGER_READ)


async def _trails(
    info: Info, tx: Transaction, merchant_id: UUID, views: Sequence[OrderView], *paths: tuple[str, ...]
) -> Mapping[UUID, Sequence[TrailVerdict]]:
    """What review rules made of loaded orders, where that is selected."""
    return await trails(info.context, tx, merchant_id, views) if selects(info, "reviewTrail", *paths) else {}


async def _splits(
    info: Info, tx: Transaction, merchant_id: UUID, views: Sequence[OrderView], *paths: tuple[str, ...]
) -> Mapping[UUID, Explanation]:
    """The orders' splits, where they are selected and the caller may read the ledger."""
    if not views or not selects(info, "split", *paths) or not may_read_ledger(info):
        return {}
    return await explained(tx, merchant_id, views, with_receipts=selects_anywhere(info, "receipt"))
