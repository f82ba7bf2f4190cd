"""A checkout: quoted, then placed over several merchants in one transaction, then paid, or expired.

Locks are taken in one order everywhere: review case, checkout, payment, coupons by id, merchants by id; within a
merchant its order, variants by id, then counters and balances. So checkouts that cross can't deadlock.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Text, Uuid, bindparam, exists, func, literal, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.checkout import Cart
from merchantry.domain.coupon import AppliedCoupon
from merchantry.domain.errors import NotFound, PaymentNotPossible
from merchantry.domain.order import OrderAct
from merchantry.services import audit, contact, coupon_use, order, queue
from merchantry.services import cart as carts
from merchantry.services.cart import PricedCart
from merchantry.services.placement import Placed, Placing
from merchantry.services.queue import JobKind
from merchantry.services.vault import Vault
from merchantry.tables.platform import NOBODY, buyer_order, checkout, payment
from merchantry.vault.keys import DataKey
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, New, Write, later, write

PAYMENT_LASTS = timedelta(minutes=30)
OPEN = ("processing", "action_required")
"""Statuses of a payment that its provider may still capture."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a buyer pays at once."""

    id: UUID
    buyer_id: UUID
    status: str
    currency: str
    goods_minor: int
    shipping_minor: int
    discount_minor: int
    added_tax_minor: int
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None

    @property
    def total_minor(self) -> int:
        """What is to be paid for all its orders."""
        return self.goods_minor + self.shipping_minor - self.discount_minor + self.added_tax_minor


CHECKOUT_COLUMNS = [checkout.c[name] for name in Checkout.__slots__]

LOCK = select(*CHECKOUT_COLUMNS).where(checkout.c.id == bindparam("checkout")).with_for_update()
LOCK_TO_PAY = LOCK.add_columns(
    exists()
    .where(payment.c.checkout_id == checkout.c.id, payment.c.status == func.any(literal(OPEN, ARRAY(Text))))
    .label("is_being_paid")
)
"""A payment that was begun while the checkout was waited for is not seen; that its checkout has one open at most is
then the last word."""
ORDERS = (
    select(buyer_order)
    .where(buyer_order.c.checkout_id == func.any(bindparam("checkouts", type_=ARRAY(Uuid))))
    .order_by(buyer_order.c.merchant_id, buyer_order.c.order_id)
)


@dataclass(frozen=True, slots=True)
class Made:
    """A checkout as it was placed, with its orders, in the order of their merchants, and what its coupons took off."""

    checkout: Checkout
    placed: tuple[Placed, ...]
    coupons: tuple[AppliedCoupon, ...]


async def place(tx: Transaction, cart: Cart, checkout_id: UUID, buyer_id: UUID, act: Act, *, vault: Vault) -> Checkout:
    """:func:`make`, for whoever needs the checkout alone."""
    return (await make(tx, cart, checkout_id, buyer_id, act, vault=vault)).checkout


async def make(tx: Transaction, cart: Cart, checkout_id: UUID, buyer_id: UUID, act: Act, *, vault: Vault) -> Made:
    """Split the cart into one order per merchant, all or nothing.

    Raises CheckoutRejected, and nothing is reserved, with every line that can't be sold, every coupon that can't be
    used, or a total that is not the one seen.
    """
    priced = await carts.check(tx, cart, buyer_id, act, place_as=Placing(checkout_id, vault))
    made = Checkout(
        id=checkout_id,
        buyer_id=buyer_id,
        status="awaiting_payment",
        currency=cart.currency,
        goods_minor=priced.goods_minor,
        shipping_minor=priced.shipping_minor,
        discount_minor=priced.discount_minor,
        added_tax_minor=priced.added_tax_minor,
        placed_at=act.at,
        expires_at=act.at + PAYMENT_LASTS,
        paid_at=None,
    )
    async with tx.as_platform() as session:
        key = priced.key or await vault.current_key(session, act)
        later(session, *_written(session, made, cart, priced, key, act))
    return Made(made, priced.placed, priced.coupons)


def _written(
    session: PlatformSession, made: Checkout, cart: Cart, priced: PricedCart, key: DataKey, act: Act
) -> list[Write]:
    after = {
        "orders": [each.order.number for each in priced.placed],
        "total_minor": made.total_minor,
        "coupons": [each.coupon.code for each in priced.coupons],
    }
    sealed = contact.seal_with(key, cart.ship_to.document(), table="checkout", row_id=made.id)
    row = {name: getattr(made, name) for name in Checkout.__slots__}
    return [
        New(checkout, {**row, "contact": sealed.contact}),
        sealed.key,
        queue.asked(NOBODY, JobKind.CHECKOUT_EXPIRE, made.id, made.expires_at),
        audit.event(session, NOBODY, act, "checkout.place", str(made.id), None, after),
        *coupon_use.uses(priced.coupons, made.id, made.buyer_id, cart.currency, act.at),
        *(New(buyer_order, _indexed(each, made)) for each in priced.placed),
    ]


def _indexed(placed: Placed, made: Checkout) -> dict[str, Any]:
    part = placed.part
    return {
        "merchant_id": part.shop.merchant_id,
        "order_id": placed.order.id,
        "buyer_id": made.buyer_id,
        "checkout_id": made.id,
        "number": placed.order.number,
        "merchant_name": part.shop.display_name,
        "status": "awaiting_payment",
        "currency": made.currency,
        "total_minor": part.total_minor,
        "placed_at": made.placed_at,
    }


async def find(session: PlatformSession, checkout_id: UUID, buyer_id: UUID) -> Checkout:
    """The buyer's own checkout. Raises NotFound."""
    mine = select(*CHECKOUT_COLUMNS).where(checkout.c.id == checkout_id, checkout.c.buyer_id == buyer_id)
    row = (await session.execute(mine)).one_or_none()
    if row is None:
        raise NotFound(what="checkout", path=("input", "checkoutId"))
    return Checkout(**row._asdict())


async def page(
    session: PlatformSession, buyer_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[Checkout]:
    """A buyer's checkouts, newest first."""
    statement = (
        select(*CHECKOUT_COLUMNS)
        .where(checkout.c.buyer_id == buyer_id)
        .order_by(checkout.c.placed_at.desc(), checkout.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(checkout.c.placed_at, checkout.c.id) < tuple_(*after))
    return [Checkout(**row._asdict()) for row in await session.execute(statement)]


async def locked(session: PlatformSession, checkout_id: UUID, buyer_id: UUID | None = None) -> Checkout:
    """The checkout, kept as it is until the transaction ends. Raises NotFound, also where it is another buyer's."""
    row = (await session.execute(LOCK, {"checkout": checkout_id})).one_or_none()
    return from_row(row, buyer_id)


def from_row(row: Row[Any] | None, buyer_id: UUID | None = None) -> Checkout:
    """The checkout from the columns of one. Raises NotFound where it is none, or another buyer's."""
    if row is None or buyer_id not in (None, row.buyer_id):
        raise NotFound(what="checkout", path=("input", "checkoutId"))
    return Checkout(*(getattr(row, name) for name in Checkout.__slots__))


async def orders_of(session: PlatformSession, checkout_ids: Collection[UUID]) -> list[Row[Any]]:
    """Index rows of the orders of some checkouts, merchants by id."""
    return list(await session.execute(ORDERS, {"checkouts": list(checkout_ids)}))


async def has_open_payment(session: PlatformSession, checkout_id: UUID) -> bool:
    """Whether a provider may still take the buyer's money."""
    statement = select(payment.c.id).where(payment.c.checkout_id == checkout_id, payment.c.status.in_(OPEN))
    return (await session.execute(statement)).first() is not None


async def expire(tx: Transaction, checkout_id: UUID, act: Act) -> bool:
    """Nobody paid in time: every order is cancelled and its stock can be sold again. False where it is settled.

    Raises PaymentNotPossible while a payment is open: its provider must be asked first.
    """
    return await _give_up(tx, checkout_id, act, "expired", OrderAct.EXPIRE)


async def cancel(tx: Transaction, checkout_id: UUID, buyer_id: UUID, act: Act) -> None:
    """The buyer gives up an unpaid checkout. Raises NotFound, PaymentNotPossible where it is no longer open."""
    if not await _give_up(tx, checkout_id, act, "cancelled", OrderAct.CANCEL, buyer_id):
        raise PaymentNotPossible(status="closed", path=("input", "checkoutId"))


async def _give_up(
    tx: Transaction, checkout_id: UUID, act: Act, status: str, by: OrderAct, buyer_id: UUID | None = None
) -> bool:
    async with tx.as_platform() as session:
        found = await locked(session, checkout_id, buyer_id)
        await queue.dequeue(session, NOBODY, JobKind.CHECKOUT_EXPIRE, checkout_id)
        if found.status != "awaiting_payment":
            return False
        if await has_open_payment(session, checkout_id):
            raise PaymentNotPossible(status="processing", path=("input", "checkoutId"))
        if found.discount_minor:
            await coupon_use.give_back(session, checkout_id)
        await write(session, Changed(checkout, {"id": checkout_id}, {"status": status}))
        before, after = {"status": found.status}, {"status": status}
        await audit.record(session, NOBODY, act, f"checkout.{by}", str(checkout_id), before, after)
        rows = await orders_of(session, [checkout_id])
    for row in rows:
        async with tx.as_merchant(row.merchant_id) as merchant_session:
            await order.expire(merchant_session, row.order_id, act, by=by)
    return True
