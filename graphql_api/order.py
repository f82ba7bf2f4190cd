"""Orders as their merchant and their buyer see them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, cast

import strawberry

from graphql_api import review
from graphql_api.address import Address
from graphql_api.chargeback import Chargeback
from graphql_api.compilation import Compiler, Written
from graphql_api.contacts import in_clear
from graphql_api.derived import ForStaff, columns_for, derived
from graphql_api.enums import Collector, ContactStatus, OrderStatus, ReviewStatus, SellerOfRecord
from graphql_api.money import Money
from graphql_api.refund import Refund
from graphql_api.relay import Node, encode_id, id_prefix
from graphql_api.return_request import ReturnRequest
from graphql_api.review import ReviewVerdict
from graphql_api.shipment import Shipment, TimelineEntry, expected_on, timeline
from graphql_api.split import Split
from graphql_api.tax import LineTax
from graphql_api.writing import Writer
from merchantry.domain.contact import WITHHELD, Contact
from merchantry.services import explanation, order, order_view, reversal
from merchantry.services.order_view import OrderView
from merchantry.services.review_trail import TrailVerdict
from merchantry.services.written import HOLE, Decimal, Hole, Identifier, Member, Stored


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
        """The order from loaded rows, or as it was written; relations that were not loaded are empty.

        ``with_parties`` shows whom refunds were taken back from, and chargebacks; ``trail`` is what review rules made
        of it, None for who may not know.
        """
        if view.written is not None and HOLE not in view.written:
            return cast("Order", Written(view.written, ()))
        shown = _ShownOrder(
            view, explained, contact=contact, for_staff=for_staff, with_parties=with_parties, trail=trail
        )
        return shown if view.written is None else cast("Order", Written(view.written, [shown]))


def _amount(name: str, *plus: str, minus: tuple[str, ...] = ()) -> Any:
    """The money of an attribute of the stored thing: its column, or the sum of some without that of others."""
    read, plus = attrgetter(name), plus or (name,)
    return derived(lambda self: Money.of(read(self.found), self.currency), *plus, *minus, written=Decimal(plus, minus))


def _stored(name: str, *columns: str) -> Any:
    """An attribute of the stored thing as it is: its column, or what is made of others."""
    return derived(attrgetter(f"found.{name}"), *(columns or (name,)), written=None if columns else Stored(name))


def _member(name: str, read: Callable[[Any], Any]) -> Any:
    """A member of an enum, whose value a column holds."""
    return derived(read, name, written=Member(name))


def _id(kind: str, column: str, *columns: str, read: Callable[[Any], Any]) -> Any:
    """The opaque id of something of the merchant's."""
    return derived(read, column, *columns, written=Identifier(id_prefix(kind), True, (column, *columns)))


_SHIP_TO = derived(lambda self: in_clear(self.buyer), written=Hole())
_CONTACT = derived(lambda self: self.buyer.status, written=Hole())
DISCOUNTS = ("discount_merchant_minor", "discount_platform_minor")
TAX = tuple(name for name in order.Line.__slots__ if name.startswith("tax_"))


class _ShownOrder(Order):
    """An order over its loaded rows."""

    id = _id("Order", "id", read=lambda self: encode_id("Order", self.merchant_id, self.found.id))
    number = _stored("number")
    external_ref = derived(
        lambda self: self.found.external_ref if self.for_staff else None,
        "external_ref",
        written=ForStaff(Stored("external_ref")),
    )
    checkout_id = derived(
        lambda self: encode_id("Checkout", self.found.checkout_id),
        "checkout_id",
        written=Identifier(id_prefix("Checkout"), False, ("checkout_id",)),
    )
    merchant_name = _stored("legal_name")
    seller_name = _stored("seller_name", "sold_by", "legal_name")
    seller_of_record = _member("seller_of_record", attrgetter("found.seller"))
    status = _member("status", attrgetter("found.status"))
    collected_by = _member("collected_by", lambda self: Collector(self.found.collected_by))
    goods = _amount("goods_minor")
    shipping = _amount("shipping_minor")
    discount = _amount("discount_minor", *DISCOUNTS)
    added_tax = _amount("added_tax_minor")
    total = _amount("total_minor", "goods_minor", "shipping_minor", "added_tax_minor", minus=DISCOUNTS)
    shipping_option = _stored("shipping_option")
    ship_to = _SHIP_TO
    contact = _CONTACT
    placed_at = _stored("placed_at")
    paid_at = _stored("captured_at")
    ship_by = _stored("ship_by")
    overdue_at = derived(
        lambda self: self.found.overdue_at if self.for_staff else None,
        "overdue_at",
        written=ForStaff(Stored("overdue_at")),
    )
    shipped_at = _stored("last_shipped_at")
    delivered_at = _stored("last_delivered_at")
    completed_at = _stored("completed_at")
    cancelled_at = _stored("cancelled_at")
    lines = derived(lambda self: self.shown_lines())
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
        written=ForStaff(Member("review_status")),
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
        self.explained = explained
        self.buyer = contact
        self.trail = trail
        self.for_staff = for_staff
        self.with_parties = with_parties

    @property
    def currency(self) -> str:
        """The order's: of one that is written it is not known."""
        currency: str = self.found.currency
        return currency

    def shown_lines(self) -> "list[_ShownLine] | Written":
        """The lines, or what PostgreSQL wrote of them."""
        written = self.view.written_lines
        return [_ShownLine(self, line) for line in self.found.lines] if written is None else Written(written, ())

    def shown_refund(self, found: order_view.Refund) -> Refund:
        """A refund with as much as the reader may know."""
        return Refund.of(self.merchant_id, found, for_staff=self.for_staff, with_parties=self.with_parties)


class ShownContact:
    """What PostgreSQL leaves open of an order that it writes: its buyer's contact data, as far as they are shown."""

    ship_to = _SHIP_TO
    contact = _CONTACT

    def __init__(self, buyer: Contact) -> None:
        self.buyer = buyer


class _ShownLine(OrderLine):
    """A line over its row."""

    id = _id(
        "OrderLine",
        "order_id",
        "id",
        read=lambda self: encode_id("OrderLine", self.order.merchant_id, self.found.order_id, self.found.id),
    )
    variant_id = _id(
        "Variant",
        "variant_id",
        read=lambda self: encode_id("Variant", self.order.merchant_id, self.found.variant_id),
    )
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
        written=Decimal(("refunded_goods_minor", "refunded_shipping_minor")),
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


def _event(event: order_view.OrderEvent) -> OrderEvent:
    return OrderEvent(kind=event.kind, actor=event.actor.split(":")[0], occurred_at=event.occurred_at)


def writer(compiler: Compiler, *, for_staff: bool) -> Writer:
    """What finds which orders PostgreSQL can write."""
    return Writer(compiler, _ShownOrder, _ShownLine, for_staff=for_staff)


def columns_of_orders(fields: Iterable[str]) -> frozenset[str]:
    """What must be read of an order for these fields of its type."""
    return columns_for(_ShownOrder, fields)


def columns_of_lines(fields: Iterable[str]) -> frozenset[str]:
    """What must be read of a line for these fields of its type."""
    return columns_for(_ShownLine, fields)
