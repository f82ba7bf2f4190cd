"""Checkouts over any number of merchants, and their payments."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.address import Address
from graphql_api.contacts import in_clear, of_buyer
from graphql_api.context import Context, Info
from graphql_api.enums import PaymentActionKind
from graphql_api.money import Money
from graphql_api.order import Order
from graphql_api.order_loading import IN_PAGE, parts_written, selects
from graphql_api.quote import UsedCoupon
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page
from merchantry.domain.contact import WITHHELD, Contact
from merchantry.services import buyer_index, checkout, coupon_use, order_view, payment, tracking
from merchantry.services.order_view import OrderView


@strawberry.type(description="What a buyer has to do before a payment can be captured.")
class PaymentAction:
    kind: PaymentActionKind
    url: str | None = strawberry.field(description="Of REDIRECT: the provider's page.")
    qr_payload: str | None = strawberry.field(description="Of QR_CODE: the text to show as a QR code.")
    expires_at: datetime | None = strawberry.field(description="Until when it can be done, where the provider says so.")

    @staticmethod
    def of(found: payment.Payment) -> "PaymentAction | None":
        """What is to be done for a payment, while something is."""
        if found.action_url is None and found.action_qr is None:
            return None
        return PaymentAction(
            kind=PaymentActionKind.QR_CODE if found.action_qr else PaymentActionKind.REDIRECT,
            url=found.action_url,
            qr_payload=found.action_qr,
            expires_at=found.action_expires_at,
        )


@strawberry.type(description="A payment of a checkout.")
class Payment(Node):
    id: strawberry.ID
    status: str = strawberry.field(
        description="processing, action_required, captured, failed or expired. Only captured means that it is paid."
    )
    amount: Money
    action: "PaymentAction | None" = strawberry.field(
        description="What the buyer has to do, while status is action_required."
    )
    action_url: str | None = strawberry.field(description="Where the buyer has to go, where action is REDIRECT.")
    failure: str | None
    created_at: datetime
    captured_at: datetime | None
    late_at: datetime | None = strawberry.field(
        description="When money came in all the same after the payment had failed or expired. It goes back by itself."
    )
    given_back_at: datetime | None = strawberry.field(description="When that money had gone back.")

    @staticmethod
    def of(found: payment.Payment) -> "Payment":
        """The payment as it is stored."""
        return Payment(
            id=encode_id("Payment", found.id),
            status=found.status,
            amount=Money.of(found.amount_minor, found.currency),
            action=PaymentAction.of(found),
            action_url=found.action_url,
            failure=found.failure,
            created_at=found.created_at,
            captured_at=found.captured_at,
            late_at=found.late_at,
            given_back_at=found.given_back_at,
        )


@strawberry.type(description="What a buyer pays at once: one order for each merchant in it.")
class Checkout(Node):
    id: strawberry.ID
    status: str = strawberry.field(description="awaiting_payment, paid, cancelled or expired.")
    goods: Money = strawberry.field(description="Before discounts.")
    shipping: Money
    discount: Money
    added_tax: Money = strawberry.field(description="Sales tax on top; what is inside the prices is not in it.")
    total: Money = strawberry.field(description="goods + shipping - discount + addedTax.")
    coupons: list[UsedCoupon] = strawberry.field(description="What each coupon took off.")
    ship_to: Address | None = strawberry.field(description="Null once the buyer's data was erased.")
    placed_at: datetime
    expires_at: datetime = strawberry.field(description="Until when it can be paid.")
    paid_at: datetime | None
    orders: list[Order]
    payments: list[Payment] = strawberry.field(description="All attempts to pay, oldest first.")

    @staticmethod
    def of(
        found: checkout.Checkout,
        orders: Sequence[OrderView],
        payments: Sequence[payment.Payment],
        coupons: Sequence[coupon_use.UsedCoupon],
        contact: Contact,
    ) -> "Checkout":
        """The checkout with its orders, payments, coupons, and where it goes."""
        return Checkout(
            id=encode_id("Checkout", found.id),
            status=found.status,
            goods=Money.of(found.goods_minor, found.currency),
            shipping=Money.of(found.shipping_minor, found.currency),
            discount=Money.of(found.discount_minor, found.currency),
            added_tax=Money.of(found.added_tax_minor, found.currency),
            total=Money.of(found.total_minor, found.currency),
            coupons=[
                UsedCoupon(code=each.code, title=each.title, discount=Money.of(each.discount_minor, found.currency))
                for each in coupons
            ],
            ship_to=in_clear(contact),
            placed_at=found.placed_at,
            expires_at=found.expires_at,
            paid_at=found.paid_at,
            orders=[Order.of(view, contact=contact) for view in orders],
            payments=[Payment.of(each) for each in payments],
        )


async def checkouts(info: Info, first: int | None, after: str | None) -> Connection[Checkout]:
    """The buyer's checkouts, newest first."""
    buyer = access.of_buyer(info.context)
    asked = page("checkouts", (datetime, UUID), first, after)
    async with info.context.database.read(buyer.act.actor) as tx, tx.as_platform() as session:
        found = await checkout.page(session, buyer.account_id, limit=asked.limit, after=asked.after)
        ids = [each.id for each in found[: asked.first]]
        index = await buyer_index.of_checkouts(session, ids)
        payments = await payment.of_checkouts(session, ids)
        coupons = await coupon_use.of_checkouts(session, ids) if selects(info, "coupons", *IN_PAGE) else {}
        contacts = await of_buyer(info.context, session, ids)
    parts = parts_written(info, *((*path, "orders") for path in IN_PAGE))
    views = await tracking.of_buyer(info.context.database, index, parts)
    orders = _by_checkout(views)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: (each.placed_at, each.id),
        node_of=lambda each: Checkout.of(
            each,
            orders.get(each.id, []),
            payments.get(each.id, []),
            coupons.get(each.id, []),
            contacts.get(each.id, WITHHELD),
        ),
    )


def _by_checkout(views: Sequence[OrderView]) -> dict[UUID, list[OrderView]]:
    found: dict[UUID, list[OrderView]] = {}
    for view in views:
        found.setdefault(view.order.checkout_id, []).append(view)
    return found


@node("Checkout", parts=1)
async def load_checkout(info: Info, parts: Parts) -> Checkout | None:
    """The checkout, for its buyer."""
    return await find_checkout(info.context, parts[0])


async def find_checkout(context: Context, checkout_id: UUID, parts: order_view.Parts = order_view.Parts()) -> Checkout:
    """The buyer's own checkout, its orders with these parts. Raises NotFound, NotAuthenticated."""
    buyer = access.of_buyer(context)
    async with context.database.read(buyer.act.actor) as tx, tx.as_platform() as session:
        found = await checkout.find(session, checkout_id, buyer.account_id)
        index = await buyer_index.of_checkouts(session, [checkout_id])
        payments = await payment.of_checkouts(session, [checkout_id])
        coupons = await coupon_use.of_checkouts(session, [checkout_id]) if found.discount_minor else {}
        contacts = await of_buyer(context, session, [checkout_id])
    views = await tracking.of_buyer(context.database, index, parts)
    return Checkout.of(
        found,
        views,
        payments.get(checkout_id, []),
        coupons.get(checkout_id, []),
        contacts.get(checkout_id, WITHHELD),
    )


ANSWERED = ("checkout", "orders")
"""Where mutations answer with orders."""


@node("Payment", parts=1)
async def load_payment(info: Info, parts: Parts) -> Payment | None:
    """The payment, for the buyer of its checkout."""
    buyer = access.of_buyer(info.context)
    async with info.context.database.read(buyer.act.actor) as tx, tx.as_platform() as session:
        found = await payment.find(session, parts[0])
        await checkout.find(session, found.checkout_id, buyer.account_id)
    return Payment.of(found)
