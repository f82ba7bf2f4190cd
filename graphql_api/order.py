"""Orders: as their merchant and their buyer see them, and what each may do with them."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, TypeVar
from uuid import UUID, uuid4

import strawberry

from graphql_api import access, review
from graphql_api.address import Address
from graphql_api.chargeback import Chargeback
from graphql_api.contacts import in_clear, of_buyer, of_merchant
from graphql_api.context import Context, Info
from graphql_api.derived import columns_for, derived
from graphql_api.enums import Collector, ContactStatus, OrderStatus, ReviewStatus, SellerOfRecord
from graphql_api.money import Money
from graphql_api.problems import SHUT, mutation
from graphql_api.refund import Refund
from graphql_api.relay import Node, Parts, encode_id, node, take_id, take_own_id
from graphql_api.return_request import ReturnRequest
from graphql_api.review import ReviewVerdict
from graphql_api.selection import wanted
from graphql_api.shipment import Shipment, TimelineEntry, expected_on, timeline
from graphql_api.split import Split
from graphql_api.tax import LineTax
from merchantry.domain.contact import WITHHELD, Contact
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
from merchantry.domain.permission import Permission, may
from merchantry.domain.worded import Worded
from merchantry.services import audit, explanation, order, refund, reversal, review_trail, tracking, winding_up
from merchantry.services.idempotency import claim
from merchantry.services.review_trail import TrailVerdict
from merchantry.services.tracking import OrderView
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

N = TypeVar("N", bound=Node)


@strawberry.type(description="A line of an order, frozen when it was placed.")
class OrderLine(Node):
    id: strawberry.ID
    variant_id: strawberry.ID
    sku: str
    title: str
    category: str
    quantity: int
    shipped_quantity: int
    delivered_quantity: int
    unit_price: Money
    cancelled_quantity: int = strawberry.field(description="Pieces that were refunded before they shipped.")
    refunded_quantity: int
    goods: Money
    shipping: Money = strawberry.field(description="This line's part of the order's shipping.")
    discount: Money
    tax: LineTax | None
    refunded: Money
    refundable: Money = strawberry.field(description="What can still be refunded of goods and shipping, once paid.")
    refundable_quantity: int
    return_days: int = strawberry.field(
        description="Days after the last delivery in which a return can be asked for, frozen; 0: none can."
    )


@strawberry.type(description="Something that happened to an order.")
class OrderEvent:
    kind: str = strawberry.field(description="The act: place, pay, ship, deliver, confirm_receipt, release, …")
    actor: str = strawberry.field(description="Whose act it was: buyer, staff, platform or system.")
    occurred_at: datetime


@strawberry.type(description="One merchant's part of a checkout.")
class Order(Node):
    id: strawberry.ID
    number: str = strawberry.field(description="What people call the order; unique in the mall.")
    external_ref: str | None = strawberry.field(
        description="What the merchant's own system calls it; for the merchant's staff."
    )
    checkout_id: strawberry.ID
    merchant_name: str = strawberry.field(description="The merchant's legal name when the order was placed.")
    seller_name: str = strawberry.field(
        description="The legal name of whoever sells to the buyer: the merchant's, or the platform's, which is then "
        "supplied by the merchant."
    )
    seller_of_record: SellerOfRecord
    status: OrderStatus
    collected_by: Collector
    goods: Money
    shipping: Money
    discount: Money
    added_tax: Money = strawberry.field(description="Sales tax on top; what is inside the prices is not in it.")
    total: Money = strawberry.field(description="goods + shipping - discount + addedTax.")
    shipping_option: str
    ship_to: Address | None = strawberry.field(
        description="For its buyer, and for the merchant's staff who have contact.read; contact says why it is null."
    )
    contact: ContactStatus = strawberry.field(description="Whether shipTo is shown, withheld, or erased for ever.")
    placed_at: datetime
    paid_at: datetime | None
    ship_by: datetime | None = strawberry.field(
        description="By when the merchant is to ship all of it; null until it is paid."
    )
    overdue_at: datetime | None = strawberry.field(
        description="When it was found not to be shipped in time; for the merchant's staff."
    )
    shipped_at: datetime | None = strawberry.field(description="When the latest parcel left.")
    delivered_at: datetime | None = strawberry.field(description="When the latest parcel arrived.")
    completed_at: datetime | None
    cancelled_at: datetime | None
    lines: list[OrderLine]
    shipments: list[Shipment]
    events: list[OrderEvent]
    timeline: list[TimelineEntry] = strawberry.field(
        description="Its events and what carriers told of its parcels, the earliest first; the latest 200."
    )
    expected_on: date | None = strawberry.field(
        description="The day on which the last of its parcels that are on their way is expected to arrive."
    )
    refunds: list[Refund]
    returns: list[ReturnRequest] = strawberry.field(description="What the buyer asked to send back; the latest 50.")
    chargebacks: list[Chargeback] = strawberry.field(
        description="The latest 50; for the merchant's staff who may read the ledger, buyers see none."
    )
    refunded: Money = strawberry.field(description="All refunds together, and what banks charged back.")
    split: Split | None = strawberry.field(
        description="How the money is shared; for the merchant's staff who may read the ledger, once it is captured."
    )
    review_status: ReviewStatus | None = strawberry.field(
        description="Where the review of an order stands whose money a rule holds; for the merchant's staff."
    )
    review_trail: list[ReviewVerdict] | None = strawberry.field(
        description="What every rule made of the order and its refunds; for the merchant's staff with case.read."
    )

    @staticmethod
    def of(
        view: OrderView,
        explained: explanation.Explanation | None = None,
        *,
        contact: Contact = WITHHELD,
        for_staff: bool = False,
        with_parties: bool = False,
        trail: Sequence[TrailVerdict] | None = None,
    ) -> "Order":
        """The order from loaded rows; relations that were not loaded are empty. ``with_parties`` shows whom refunds
        were taken back from, and chargebacks; ``trail`` is what review rules made of it, None for who may not know."""
        return _ShownOrder(
            view, explained, contact=contact, for_staff=for_staff, with_parties=with_parties, trail=trail
        )


def _amount(name: str, *columns: str) -> Any:
    """The money of an attribute of the stored thing; ``columns`` where it is made of others."""
    read = attrgetter(name)
    return derived(lambda self: Money.of(read(self.found), self.currency), *(columns or (name,)))


def _stored(name: str, *columns: str) -> Any:
    """An attribute of the stored thing as it is; ``columns`` where it is made of others."""
    return derived(attrgetter(f"found.{name}"), *(columns or (name,)))


DISCOUNTS = ("discount_merchant_minor", "discount_platform_minor")
TAX = tuple(name for name in order.Line.__slots__ if name.startswith("tax_"))


class _ShownOrder(Order):
    """An order over its loaded rows."""

    id = derived(lambda self: encode_id("Order", self.merchant_id, self.found.id))
    number = _stored("number")
    external_ref = derived(lambda self: self.found.external_ref if self.for_staff else None, "external_ref")
    checkout_id = derived(lambda self: encode_id("Checkout", self.found.checkout_id), "checkout_id")
    merchant_name = _stored("legal_name")
    seller_name = _stored("seller_name", "sold_by", "legal_name")
    seller_of_record = _stored("seller", "seller_of_record")
    status = _stored("status")
    collected_by = derived(lambda self: Collector(self.found.collected_by), "collected_by")
    goods = _amount("goods_minor")
    shipping = _amount("shipping_minor")
    discount = _amount("discount_minor", *DISCOUNTS)
    added_tax = _amount("added_tax_minor")
    total = _amount("total_minor", "goods_minor", "shipping_minor", "added_tax_minor", *DISCOUNTS)
    shipping_option = _stored("shipping_option")
    ship_to = derived(lambda self: in_clear(self.buyer))
    contact = derived(lambda self: self.buyer.status)
    placed_at = _stored("placed_at")
    paid_at = _stored("captured_at")
    ship_by = _stored("ship_by")
    overdue_at = derived(lambda self: self.found.overdue_at if self.for_staff else None, "overdue_at")
    shipped_at = _stored("last_shipped_at")
    delivered_at = _stored("last_delivered_at")
    completed_at = _stored("completed_at")
    cancelled_at = _stored("cancelled_at")
    lines = derived(lambda self: [_ShownLine(self, line) for line in self.found.lines])
    shipments = derived(lambda self: [Shipment.of(self.merchant_id, each) for each in self.view.shipments])
    events = derived(lambda self: [_event(each) for each in self.view.events])
    timeline = derived(lambda self: timeline(self.view))
    expected_on = derived(lambda self: expected_on(self.view))
    refunds = derived(lambda self: [self.shown_refund(each) for each in self.view.refunds])
    returns = derived(lambda self: [ReturnRequest.of(each) for each in self.view.returns])
    chargebacks = derived(
        lambda self: [Chargeback.of(each) for each in self.view.chargebacks] if self.with_parties else []
    )
    refunded = _amount("refunded_minor")
    review_status = derived(
        lambda self: ReviewStatus(self.found.review_status) if self.for_staff and self.found.review_status else None,
        "review_status",
    )
    review_trail = derived(
        lambda self: None if self.trail is None else review.shown_to_merchant(self.merchant_id, self.trail)
    )
    split = derived(lambda self: Split.of(self.merchant_id, self.explained) if self.explained else None)

    def __init__(
        self,
        view: OrderView,
        explained: explanation.Explanation | None,
        *,
        contact: Contact,
        for_staff: bool,
        with_parties: bool,
        trail: Sequence[TrailVerdict] | None,
    ) -> None:
        self.view = view
        self.found = view.order
        self.merchant_id = view.merchant_id
        self.currency = view.order.currency
        self.explained = explained
        self.buyer = contact
        self.trail = trail
        self.for_staff = for_staff
        self.with_parties = with_parties

    def shown_refund(self, found: tracking.Refund) -> Refund:
        """A refund with as much as the reader may know."""
        return Refund.of(self.merchant_id, found, for_staff=self.for_staff, with_parties=self.with_parties)


class _ShownLine(OrderLine):
    """A line over its row."""

    id = derived(lambda self: encode_id("OrderLine", self.order.merchant_id, self.found.order_id, self.found.id), "id")
    variant_id = derived(lambda self: encode_id("Variant", self.order.merchant_id, self.found.variant_id), "variant_id")
    sku = _stored("sku")
    title = _stored("title")
    category = _stored("category")
    quantity = _stored("quantity")
    shipped_quantity = _stored("shipped")
    delivered_quantity = _stored("delivered")
    unit_price = _amount("unit_price_minor")
    cancelled_quantity = _stored("cancelled")
    refunded_quantity = _stored("refunded")
    goods = _amount("goods_minor")
    shipping = _amount("shipping_minor")
    discount = _amount("discount_minor", *DISCOUNTS)
    return_days = _stored("days_to_return", "return_days")
    tax = derived(lambda self: LineTax.of(self.found.tax, self.currency), *TAX)
    refunded = derived(
        lambda self: Money.of(self.found.refunded_goods_minor + self.found.refunded_shipping_minor, self.currency),
        "refunded_goods_minor",
        "refunded_shipping_minor",
    )
    refundable = derived(
        lambda self: Money.of(reversal.left_of(self.found).total_minor if self.is_paid else 0, self.currency),
        *("goods_minor", "shipping_minor", "refunded_goods_minor", "refunded_shipping_minor", *DISCOUNTS, *TAX),
    )
    refundable_quantity = derived(
        lambda self: self.found.quantity - self.found.refunded if self.is_paid else 0, "quantity", "refunded"
    )

    def __init__(self, order: _ShownOrder, found: order.Line) -> None:
        self.order = order
        self.found = found
        self.currency = order.currency
        self.is_paid = order.found.captured_at is not None


def _event(event: tracking.OrderEvent) -> OrderEvent:
    return OrderEvent(kind=event.kind, actor=event.actor.split(":")[0], occurred_at=event.occurred_at)


def selects(info: Info, name: str, *paths: tuple[str, ...]) -> bool:
    """Whether a field is selected below one of these paths."""
    return any(name in wanted(info, *path) for path in paths)


def parts_wanted(info: Info, *paths: tuple[str, ...]) -> tracking.Parts:
    """Which relations and columns of orders are selected below these paths."""
    fields = set[str]().union(*(wanted(info, *path) for path in paths))
    of_lines = set[str]().union(*(wanted(info, *path, "lines") for path in paths))
    return tracking.Parts(
        lines="lines" in fields,
        shipments=not fields.isdisjoint({"shipments", "timeline", "expectedOn"}),
        events=not fields.isdisjoint({"events", "timeline"}),
        refunds="refunds" in fields,
        returns="returns" in fields,
        chargebacks="chargebacks" in fields,
        order_columns=columns_for(_ShownOrder, fields),
        line_columns=columns_for(_ShownLine, of_lines),
    )


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
    asked = parts_wanted(info, ())
    return await find_order(info.context, merchant_id, order_id, parts=asked, with_split=selects(info, "split", ()))


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
    parts: tracking.Parts = tracking.Parts(),
    with_split: bool = True,
) -> Order | None:
    """The order with these parts, or None where the caller may not see it."""
    merchant = context.caller.merchant
    if merchant and merchant.id == merchant_id:
        allowed = access.of_merchant(context, Permission.ORDER_READ)
        async with context.database.read(allowed.act.actor) as tx:
            async with tx.as_merchant(merchant_id) as session:
                view = await tracking.by_id(session, order_id, parts)
            if view is None:
                return None
            may_explain = may(context.caller.principal.roles_in(merchant_id), Permission.LEDGER_READ)
            is_shared = with_split and may_explain and view.order.captured_at
            splits = await explained(tx, merchant_id, [view], with_receipts=True) if is_shared else {}
            trail = (await trails(context, tx, merchant_id, [view])).get(order_id)
            contacts = await of_merchant(context, tx, merchant_id, [order_id])
            contact = contacts.get(order_id, WITHHELD)
            return Order.of(
                view, splits.get(order_id), contact=contact, for_staff=True, with_parties=may_explain, trail=trail
            )
    buyer = access.of_buyer(context)
    async with context.database.read(buyer.act.actor) as tx, tx.as_platform() as platform:
        index = await tracking.index_of(platform, buyer.account_id, [order_id])
        contacts = await of_buyer(context, platform, [each.checkout_id for each in index])
    views = await tracking.of_buyer(context.database, index, parts)
    return Order.of(views[0], contact=contacts.get(views[0].order.checkout_id, WITHHELD)) if views else None


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
    found = await tracking.index_of(session, buyer_id, [order_id])
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
