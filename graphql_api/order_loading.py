"""Orders found for whoever may see them, with what a document selects of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar, cast
from uuid import UUID

import strawberry
from graphql import GraphQLObjectType, get_named_type
from graphql.execution.collect_fields import FieldDetails

from graphql_api import access
from graphql_api.compilation import Compiler
from graphql_api.contacts import FIELDS, of_buyer, of_merchant
from graphql_api.context import Context, Info
from graphql_api.order import Order, OrderLine, columns_of_lines, columns_of_orders, writer
from graphql_api.plain import Unexpected
from graphql_api.refund import Refund
from graphql_api.relay import Node, Parts, encode_id, node
from graphql_api.selection import wanted
from graphql_api.shipment import Shipment
from merchantry.domain.contact import WITHHELD
from merchantry.domain.permission import Permission, may
from merchantry.services import buyer_index, explanation, order_view, review_trail, tracking
from merchantry.services.order_view import OrderView
from merchantry.services.review_trail import TrailVerdict
from merchantry.services.written import Cursor, Object
from tenancy.database import Transaction

N = TypeVar("N", bound=Node)
NOTHING: Final = order_view.Parts(
    lines=False,
    shipments=False,
    events=False,
    refunds=False,
    returns=False,
    chargebacks=False,
    order_columns=frozenset(),
)
"""Orders alone."""


def selects(info: Info, name: str, *paths: tuple[str, ...]) -> bool:
    """Whether a field is selected below one of these paths."""
    return any(name in wanted(info, *path) for path in paths)


def parts_wanted(info: Info, *paths: tuple[str, ...]) -> order_view.Parts:
    """Which relations and columns of orders are selected below these paths."""
    fields = set[str]().union(*(wanted(info, *path) for path in paths))
    of_lines = set[str]().union(*(wanted(info, *path, "lines") for path in paths))
    return order_view.Parts(
        lines="lines" in fields,
        shipments=not fields.isdisjoint({"shipments", "timeline", "expectedOn"}),
        events=not fields.isdisjoint({"events", "timeline"}),
        refunds="refunds" in fields,
        returns="returns" in fields,
        chargebacks="chargebacks" in fields,
        order_columns=columns_of_orders(fields),
        line_columns=columns_of_lines(of_lines),
    )


def parts_written(info: Info, *paths: tuple[str, ...], for_staff: bool = False) -> order_view.Parts:
    """The same for orders that are answered as they are, to staff or to buyers; written, where they can be."""
    compiler = info.context.compiler
    if compiler is None or not info.context.takes_written:
        return parts_wanted(info, *paths)
    key = ("parts", for_staff, *map(id, info._raw_info.field_nodes), *paths)
    return compiler.remembered(key, lambda: _written(info, compiler, paths, for_staff=for_staff))


def row_written(info: Info, cursor: Cursor) -> Object | None:
    """What PostgreSQL writes of each row of a connection of orders for staff; None where the program has to make any of
    it.
    """
    compiler = info.context.compiler
    if compiler is None or not info.context.takes_written:
        return None
    raw = info._raw_info
    connection = cast("GraphQLObjectType", get_named_type(raw.return_type))
    fields = [FieldDetails(node, None) for node in raw.field_nodes]
    return compiler.remembered(
        ("row", *map(id, raw.field_nodes)),
        lambda: writer(compiler, for_staff=True).row(connection, fields, cursor),
    )


def _written(info: Info, compiler: Compiler, paths: Sequence[tuple[str, ...]], *, for_staff: bool) -> order_view.Parts:
    parts = parts_wanted(info, *paths)
    raw = info._raw_info
    fields = [FieldDetails(node, None) for node in raw.field_nodes]
    try:
        groups = [group for path in paths for group in compiler.below(raw.return_type, fields, path)]
    except Unexpected:
        return parts
    if len(groups) != 1:
        return parts  # one row of the database answers in one way
    order = cast("GraphQLObjectType", raw.schema.type_map["Order"])
    written = writer(compiler, for_staff=for_staff).order(order, groups[0])
    if isinstance(written, Object):
        return replace(NOTHING, written=written, is_all=FIELDS.isdisjoint(info.context.asked.fields))
    return replace(parts, lines=False, written=written) if written else parts


IN_PAGE = (("nodes",), ("edges", "node"))
"""Where a connection's nodes are selected."""


async def explained(
    tx: Transaction, merchant_id: UUID, views: Sequence[OrderView], *, with_receipts: bool
) -> Mapping[UUID, explanation.Explanation]:
    """The splits of loaded orders, by order."""
    async with tx.as_merchant(merchant_id) as session:
        found = await explanation.of_orders(session, [view.order.id for view in views])
    found = await explanation.logged(tx, merchant_id, found, with_receipts=with_receipts)
    async with tx.as_platform() as platform:
        return {each.order.id: each for each in await explanation.decided(platform, found)}


async def trails(
    context: Context, tx: Transaction, merchant_id: UUID, views: Sequence[OrderView]
) -> Mapping[UUID, Sequence[TrailVerdict]]:
    """What review rules made of loaded orders, by order; empty where the caller may not know."""
    if not may(context.caller.principal.roles_in(merchant_id), Permission.CASE_READ):
        return {}
    async with tx.as_merchant(merchant_id) as session:
        return await review_trail.of(session, [view.order.id for view in views])


@node("Order", parts=2)
async def load_order(info: Info, parts: Parts) -> Order | None:
    """The order for staff of its merchant, and for its buyer; for all others there is none."""
    merchant_id, order_id = parts
    return await find_order(
        info.context,
        merchant_id,
        order_id,
        parts=parts_written(info, (), for_staff=_is_own(info.context, merchant_id)),
        with_split=selects(info, "split", ()),
        with_trail=selects(info, "reviewTrail", ()),
    )


@node("OrderLine", parts=3)
async def load_line(info: Info, parts: Parts) -> OrderLine | None:
    """The line, for whoever may see its order."""
    found = await find_order(info.context, *parts[:2])
    return _with_id(found.lines, encode_id("OrderLine", *parts)) if found else None


@node("Shipment", parts=3)
async def load_shipment(info: Info, parts: Parts) -> Shipment | None:
    """The parcel, for whoever may see its order."""
    found = await find_order(info.context, *parts[:2])
    return _with_id(found.shipments, encode_id("Shipment", *parts)) if found else None


@node("Refund", parts=3)
async def load_refund(info: Info, parts: Parts) -> Refund | None:
    """The refund, for whoever may see its order."""
    found = await find_order(info.context, *parts[:2])
    return _with_id(found.refunds, encode_id("Refund", *parts)) if found else None


def _with_id(nodes: Sequence[N], id: strawberry.ID) -> N | None:
    return next((each for each in nodes if each.id == id), None)


async def find_order(
    context: Context,
    merchant_id: UUID,
    order_id: UUID,
    *,
    parts: order_view.Parts = order_view.Parts(),
    with_split: bool = True,
    with_trail: bool = True,
) -> Order | None:
    """The order with these parts, or None where the caller may not see it."""
    if _is_own(context, merchant_id):
        allowed = access.of_merchant(context, Permission.ORDER_READ)
        async with context.database.read(allowed.act.actor) as tx:
            async with tx.as_merchant(merchant_id) as session:
                view = await tracking.by_id(session, order_id, parts)
            if view is None:
                return None
            may_explain = may(context.caller.principal.roles_in(merchant_id), Permission.LEDGER_READ)
            is_shared = with_split and may_explain and view.order.captured_at
            splits = await explained(tx, merchant_id, [view], with_receipts=True) if is_shared else {}
            trail = (await trails(context, tx, merchant_id, [view])).get(order_id) if with_trail else None
            contacts = await of_merchant(context, tx, merchant_id, [order_id])
            contact = contacts.get(order_id, WITHHELD)
            return Order.of(
                view, splits.get(order_id), contact=contact, for_staff=True, with_parties=may_explain, trail=trail
            )
    buyer = access.of_buyer(context)
    async with context.database.read(buyer.act.actor) as tx, tx.as_platform() as platform:
        index = await buyer_index.of_orders(platform, buyer.account_id, [order_id])
        contacts = await of_buyer(context, platform, [each.checkout_id for each in index])
    views = await tracking.of_buyer(context.database, index, parts)
    return Order.of(views[0], contact=contacts.get(views[0].order.checkout_id, WITHHELD)) if views else None


def _is_own(context: Context, merchant_id: UUID) -> bool:
    """Whether the merchant is the one whose staff asks."""
    return context.caller.merchant is not None and context.caller.merchant.id == merchant_id
