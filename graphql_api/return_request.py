"""Returns: as the merchant, and the buyer, see them."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import ReturnStatus
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page
from merchantry.domain.permission import Permission
from merchantry.services import buyer_index, return_request
from merchantry.services.return_request import Return
from merchantry.tables.dispute import return_request as table


@strawberry.type(description="Some of a line, to be sent back.")
class ReturnLine:
    line_id: strawberry.ID
    quantity: int


@strawberry.type(description="A buyer wants to send something back. While it is open the order's hold stands still.")
class ReturnRequest(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    status: ReturnStatus
    lines: list[ReturnLine]
    reason: str
    note: str
    answer: str | None = strawberry.field(description="The merchant's.")
    requested_at: datetime
    decide_by: datetime = strawberry.field(description="Silence until then approves.")
    decided_at: datetime | None
    send_by: datetime | None = strawberry.field(description="What has not come back by then stays with the buyer.")
    received_at: datetime | None
    refund_id: strawberry.ID | None

    @staticmethod
    def of(found: Return) -> "ReturnRequest":
        """The return from its row."""
        merchant_id, order_id = found.merchant_id, found.order_id
        return ReturnRequest(
            id=encode_id("ReturnRequest", merchant_id, found.id),
            order_id=encode_id("Order", merchant_id, order_id),
            status=found.status,
            lines=[
                ReturnLine(line_id=encode_id("OrderLine", merchant_id, order_id, line_id), quantity=quantity)
                for line_id, quantity in found.pieces.items()
            ],
            reason=found.reason,
            note=found.note,
            answer=found.answer,
            requested_at=found.requested_at,
            decide_by=found.decide_by,
            decided_at=found.decided_at,
            send_by=found.send_by,
            received_at=found.received_at,
            refund_id=encode_id("Refund", merchant_id, order_id, found.refund_id) if found.refund_id else None,
        )


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[ReturnRequest]:
    """The selected merchant's, newest first."""
    allowed = access.of_merchant(info.context, Permission.ORDER_READ)
    asked = page("returns", (datetime, UUID), first, after)
    own = table.c.merchant_id == allowed.merchant_id
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await return_request.page(session, own, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=ReturnRequest.of)


async def of_buyer(info: Info, first: int | None, after: str | None) -> Connection[ReturnRequest]:
    """The buyer's own at all merchants, newest first."""
    buyer = access.of_buyer(info.context)
    asked = page("viewerReturns", (datetime, UUID), first, after)
    async with info.context.database.read(buyer.act.actor) as tx, tx.as_platform() as session:
        own = return_request.is_of_buyer(buyer.account_id)
        found = await return_request.page(session, own, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=ReturnRequest.of)


@node("ReturnRequest", parts=2)
async def load_return(info: Info, parts: Parts) -> ReturnRequest | None:
    """The return, for staff of its merchant and for its buyer."""
    return await find(info.context, *parts)


async def find(context: Context, merchant_id: UUID, return_id: UUID) -> ReturnRequest | None:
    """The return, where the caller may see it."""
    selected = context.caller.merchant
    if selected and selected.id == merchant_id:
        actor = access.of_merchant(context, Permission.ORDER_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
            found = await return_request.find(session, merchant_id, return_id)
    else:
        buyer = access.of_buyer(context)
        async with context.database.read(buyer.act.actor) as tx, tx.as_platform() as platform:
            found = await return_request.find(platform, merchant_id, return_id)
            if found and not await buyer_index.of_orders(platform, buyer.account_id, [found.order_id]):
                return None
    return ReturnRequest.of(found) if found else None
