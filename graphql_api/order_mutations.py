"""What a merchant's staff and a buyer can do with an order."""

from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.order import Order
from graphql_api.order_loading import find_order
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id, take_own_id
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    InvalidQuantity,
    MarketError,
    NotFound,
    NotPermitted,
    OrderTransitionRefused,
    QuantityRefused,
    ReferenceTaken,
)
from merchantry.domain.permission import Permission
from merchantry.domain.worded import Worded
from merchantry.services import audit, buyer_index, order, refund, winding_up
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction


@strawberry.input(description="Some of an order's line.")
class QuantityInput:
    line_id: strawberry.ID
    quantity: int


@strawberry.input(description="A parcel that leaves.")
class OrderShipInput:
    order_id: strawberry.ID
    lines: list[QuantityInput] | None = strawberry.field(
        default=None, description="What is in the parcel; everything that is still to ship where it is left out."
    )
    carrier: str
    tracking_number: str
    idempotency_key: str


@strawberry.input(description="A parcel that reached the buyer.")
class ShipmentDeliverInput:
    shipment_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="The buyer has everything.")
class OrderConfirmReceiptInput:
    order_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A paid order is called off before anything has shipped.")
class OrderCancelInput:
    order_id: strawberry.ID
    reason: str
    idempotency_key: str


@strawberry.input(description="What the merchant's own system calls an order.")
class OrderAnnotateInput:
    order_id: strawberry.ID = strawberry.field(description="The order.")
    external_ref: str | None = strawberry.field(
        default=None, description="1 to 200 characters, unique among the merchant's orders; left out, it has none."
    )


@strawberry.type(description="The order bears the reference.")
class OrderAnnotated:
    order: Order


@strawberry.type(description="A parcel is on its way.")
class OrderShipped:
    order: Order


@strawberry.type(description="A parcel arrived.")
class ShipmentDelivered:
    order: Order


@strawberry.type(description="The order is complete; its hold begins.")
class OrderReceiptConfirmed:
    order: Order


@strawberry.type(description="The order is cancelled; what was paid for it goes back to the buyer.")
class OrderCancelled:
    order: Order


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    OrderTransitionRefused,
    *SHUT,
    IdempotencyConflict,
    IdempotencyInProgress,
]


async def _shown(context: Context, merchant_id: UUID, order_id: UUID) -> Order:
    found = await find_order(context, merchant_id, order_id)
    if found is None:
        raise NotFound(what="order", path=("input", "orderId"))
    return found


def quantities(
    context: Context, lines: list[QuantityInput] | None, order_id: UUID, merchant_id: UUID
) -> dict[UUID, int] | None:
    """Quantities by line; None where the input leaves them out."""
    if lines is None:
        return None
    given: dict[UUID, int] = {}
    for position, each in enumerate(lines):
        path = ("input", "lines", position)
        if each.quantity < 1:
            raise InvalidQuantity(quantity=each.quantity, path=(*path, "quantity"))
        keys = take_id(context, each.line_id, "OrderLine", 3, (*path, "lineId"))
        if keys[:2] != (merchant_id, order_id):
            raise NotFound(what="order line", path=(*path, "lineId"))
        given[keys[2]] = given.get(keys[2], 0) + each.quantity
    return given


async def require_own(
    session: PlatformSession, buyer_id: UUID, merchant_id: UUID, order_id: UUID, path: tuple[str, ...]
) -> None:
    """Raises NotFound unless the order is the buyer's, MerchantClosed where nothing can be done with it any more."""
    found = await buyer_index.of_orders(session, buyer_id, [order_id])
    if [each.merchant_id for each in found] != [merchant_id]:
        raise NotFound(what="order", path=path)
    await winding_up.refuse_closed(session, merchant_id)


def _text(value: str, name: str, longest: int = 200) -> str:
    if not 0 < len(value.strip()) <= longest:
        raise InvalidInput(reason=Worded("Give 1 to {longest} characters.", longest=longest), path=("input", name))
    return value.strip()


@strawberry.type
class OrderMutations:
    @mutation(problems=[*EXPECTED, InvalidQuantity, QuantityRefused])
    async def order_ship(self, info: Info, input: OrderShipInput) -> OrderShipped:
        """Send a parcel with some of an order, or with all that is left of it."""
        context = info.context
        allowed = access.of_merchant(context, Permission.ORDER_SHIP)
        merchant_id, order_id = take_own_id(
            context, input.order_id, "Order", 2, ("input", "orderId"), allowed.merchant_id
        )
        carrier, number = _text(input.carrier, "carrier"), _text(input.tracking_number, "trackingNumber")
        given = quantities(context, input.lines, order_id, merchant_id)
        request, shipment_id = access.request("orderShip", input), uuid4()

        async def work(tx: Transaction) -> None:
            async with tx.as_merchant(merchant_id) as session:
                if await claim(session, merchant_id, allowed.act, request, shipment_id):
                    return
                quantities = given if given is not None else await order.still_to_ship(session, order_id)
                await order.ship(
                    session,
                    order_id,
                    quantities,
                    carrier=carrier,
                    tracking_number=number,
                    shipment_id=shipment_id,
                    act=allowed.act,
                )

        await context.database.run(allowed.act.actor, work)
        return OrderShipped(order=await _shown(context, merchant_id, order_id))

    @mutation(problems=[NotFound, NotPermitted, InvalidInput, *SHUT, ReferenceTaken])
    async def order_annotate(self, info: Info, input: OrderAnnotateInput) -> OrderAnnotated:
        """Say what the merchant's own system calls an order; saying it again changes nothing."""
        context = info.context
        allowed = access.of_merchant(context, Permission.ORDER_SHIP)
        path = ("input", "orderId")
        merchant_id, order_id = take_own_id(context, input.order_id, "Order", 2, path, allowed.merchant_id)
        reference = None if input.external_ref is None else _text(input.external_ref, "externalRef")

        async def work(tx: Transaction) -> None:
            async with tx.as_merchant(merchant_id) as session:
                await order.annotate(session, order_id, reference, allowed.act)

        await context.database.run(allowed.act.actor, work)
        return OrderAnnotated(order=await _shown(context, merchant_id, order_id))

    @mutation(problems=EXPECTED)
    async def shipment_deliver(self, info: Info, input: ShipmentDeliverInput) -> ShipmentDelivered:
        """Say that a parcel reached the buyer, as the carrier reported."""
        context = info.context
        allowed = access.of_merchant(context, Permission.ORDER_SHIP)
        path = ("input", "shipmentId")
        merchant_id, order_id, shipment_id = take_own_id(
            context, input.shipment_id, "Shipment", 3, path, allowed.merchant_id
        )
        request = access.request("shipmentDeliver", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_merchant(merchant_id) as session:
                if not await claim(session, merchant_id, allowed.act, request, shipment_id):
                    await order.deliver(session, shipment_id, allowed.act)

        await context.database.run(allowed.act.actor, work)
        return ShipmentDelivered(order=await _shown(context, merchant_id, order_id))

    @mutation(problems=EXPECTED)
    async def order_confirm_receipt(self, info: Info, input: OrderConfirmReceiptInput) -> OrderReceiptConfirmed:
        """The buyer confirms that everything has come."""
        context = info.context
        buyer = access.of_buyer(context)
        path = ("input", "orderId")
        merchant_id, order_id = take_id(context, input.order_id, "Order", 2, path)
        request = access.request("orderConfirmReceipt", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as platform:
                await require_own(platform, buyer.account_id, merchant_id, order_id, path)
                if await claim(platform, NOBODY, buyer.act, request, order_id):
                    return
                await audit.record(platform, NOBODY, buyer.act, "order.confirm_receipt", str(order_id))
            async with tx.as_merchant(merchant_id) as session:
                await order.confirm_receipt(session, order_id, buyer.act)

        await context.database.run(buyer.act.actor, work)
        return OrderReceiptConfirmed(order=await _shown(context, merchant_id, order_id))

    @mutation(problems=EXPECTED)
    async def order_cancel(self, info: Info, input: OrderCancelInput) -> OrderCancelled:
        """Call a paid order off before anything has shipped: for its buyer, and for staff of its merchant."""
        context = info.context
        path = ("input", "orderId")
        merchant_id, order_id = take_id(context, input.order_id, "Order", 2, path)
        reason = _text(input.reason, "reason", 500)
        merchant = context.caller.merchant
        is_staff = merchant is not None and merchant.id == merchant_id
        if is_staff:
            act = access.of_merchant(context, Permission.ORDER_CANCEL).act
        else:
            buyer = access.of_buyer(context)
            act = buyer.act
        request = access.request("orderCancel", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as platform:
                if not is_staff:
                    await require_own(platform, buyer.account_id, merchant_id, order_id, path)
                if await claim(platform, merchant_id if is_staff else NOBODY, act, request, order_id):
                    return
                if not is_staff:  # the merchant's own trail doesn't say which buyer it was
                    await audit.record(platform, NOBODY, act, "order.cancel", str(order_id), None, {"reason": reason})
            await refund.cancel(tx, merchant_id, order_id, reason, act)

        await context.database.run(act.actor, work)
        return OrderCancelled(order=await _shown(context, merchant_id, order_id))
