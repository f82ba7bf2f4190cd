"""By when orders are to be shipped: the merchant can take more time."""

from datetime import datetime

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.order import Order
from graphql_api.order_loading import find_order
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_own_id
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import ship_by
from tenancy.database import Transaction

LONGEST_REASON = 500


@strawberry.input(description="The merchant takes more time to ship an order.")
class OrderShipByExtendInput:
    order_id: strawberry.ID
    ship_by: datetime = strawberry.field(description="The new deadline: after the one that holds, within 365 days.")
    reason: str = strawberry.field(description="Why, in 1 to 500 characters; it is kept with what was done.")


@strawberry.type(description="The order is to be shipped by the new deadline.")
class OrderShipByExtended:
    order: Order


@strawberry.type
class ShipByMutations:
    @mutation(problems=[NotFound, NotPermitted, InvalidInput, *SHUT])
    async def order_ship_by_extend(self, info: Info, input: OrderShipByExtendInput) -> OrderShipByExtended:
        """Take more time to ship an order; saying the same again changes nothing. Needs order.ship."""
        context = info.context
        allowed = access.of_merchant(context, Permission.ORDER_SHIP)
        path = ("input", "orderId")
        merchant_id, order_id = take_own_id(context, input.order_id, "Order", 2, path, allowed.merchant_id)
        check_text(input.reason, LONGEST_REASON, ("input", "reason"))

        async def work(tx: Transaction) -> None:
            async with tx.as_merchant(merchant_id) as session:
                await ship_by.extend(session, order_id, input.ship_by, input.reason.strip(), allowed.act)

        await context.database.run(allowed.act.actor, work)
        found = await find_order(context, merchant_id, order_id)
        if found is None:
            raise NotFound(what="order", path=path)
        return OrderShipByExtended(order=found)
