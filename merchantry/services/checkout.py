"""A checkout: quoted, then placed over several merchants in one transaction, then paid, or expired.

Locks are taken in one order everywhere: review case, checkout, payment, merchants by id; within a merchant its order,
variants by id, then counters and balances. So checkouts that cross can't deadlock.
"""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Row, Uuid, bindparam, func, insert, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.errors import (
    CheckoutRejected,
    MarketError,
    MerchantUnavailable,
    NotFound,
    PaymentNotPossible,
    QuoteExpired,
)
from merchantry.domain.order import OrderAct
from merchantry.services import audit, order, placement, queue
from merchantry.services.placement import Placed, PricedPart, Shop
from merchantry.services.queue import JobKind
from merchantry.services.terms import without_plan
from merchantry.tables.platform import NOBODY, buyer_order, checkout, checkout_quote, merchant_profile, payment
from tenancy.database import PlatformSession, PublicSession, Transaction
from tenancy.tables import merchant
from tenancy.writes import Changed, New, write

QUOTE_LASTS = timedelta(minutes=15)
PAYMENT_LASTS = timedelta(minutes=30)
OPEN = ("processing", "action_required")
"""Statuses of a payment that its provider may still capture."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What a cart costs now. Nothing is reserved; prices are checked again when it is placed."""

    id: UUID
    cart: Cart
    parts: tuple[PricedPart, ...]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a buyer pays at once."""

    id: UUID
    buyer_id: UUID
    status: str
    currency: str
    goods_minor: int
    shipping_minor: int
    ship_to: dict[str, Any]
    placed_at: datetime
    expires_at: datetime
    paid_at: datetime | None

    @property
    def total_minor(self) -> int:
        """Goods and shipping of all its orders."""
        return self.goods_minor + self.shipping_minor


CHECKOUT_COLUMNS = [checkout.c[name] for name in Checkout.__slots__]

LOCK = select(*CHECKOUT_COLUMNS).where(checkout.c.id == bindparam("checkout")).with_for_update()
ORDERS = (
    select(buyer_order)
    .where(buyer_order.c.checkout_id == func.any(bindparam("checkouts", type_=ARRAY(Uuid))))
    .order_by(buyer_order.c.merchant_id, buyer_order.c.order_id)
)
SHOPS = (
    select(
        merchant_profile.c.merchant_id,
        merchant_profile.c.number,
        merchant_profile.c.legal_name,
        merchant_profile.c.display_name,
        merchant_profile.c.shipping_options,
        merchant.c.status,
    )
    .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
    .where(merchant_profile.c.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))))
)


async def quote(tx: Transaction, cart: Cart, buyer_id: UUID, act: Act) -> Quote:
    """Price a cart and keep it for a while. Raises CheckoutRejected with everything that stands in the way."""
    parts = await _checked(tx, cart, act, place_as=None)
    made = Quote(uuid4(), cart, tuple(part for part, _ in parts), act.at + QUOTE_LASTS)
    async with tx.as_platform() as session:
        await session.execute(
            insert(checkout_quote).values(
                id=made.id, buyer_id=buyer_id, cart=_document(cart), created_at=act.at, expires_at=made.expires_at
            )
        )
    return made


async def quoted(session: PlatformSession, quote_id: UUID, buyer_id: UUID, at: datetime) -> Cart:
    """The cart of a buyer's own quote. Raises NotFound, QuoteExpired."""
    found = await session.execute(
        select(checkout_quote.c.cart, checkout_quote.c.expires_at).where(
            checkout_quote.c.id == quote_id, checkout_quote.c.buyer_id == buyer_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(what="quote", path=("input", "quoteId"))
    if row.expires_at <= at:
        raise QuoteExpired(expired_at=row.expires_at, path=("input", "quoteId"))
    return _cart(row.cart)


def _document(cart: Cart) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(asdict(cart), default=str))
    return document


def _cart(document: dict[str, Any]) -> Cart:
    parts = tuple(
        CartPart(
            UUID(part["merchant_id"]),
            tuple(
                CartLine(UUID(line["variant_id"]), line["quantity"], line["seen_minor"], tuple(line["path"]))
                for line in part["lines"]
            ),
            part["shipping_option"],
        )
        for part in document["parts"]
    )
    return Cart(document["currency"], Address(**document["ship_to"]), parts)


async def place(tx: Transaction, cart: Cart, checkout_id: UUID, buyer_id: UUID, act: Act) -> Checkout:
    """Split the cart into one order per merchant, all or nothing.

    Raises CheckoutRejected, and nothing is reserved, with every line that can't be sold.
    """
    placed = []
    for _, order_placed in await _checked(tx, cart, act, place_as=checkout_id):
        if order_placed is not None:
            placed.append(order_placed)
    made = Checkout(
        id=checkout_id,
        buyer_id=buyer_id,
        status="awaiting_payment",
        currency=cart.currency,
        goods_minor=sum(part.goods_minor for part in placed),
        shipping_minor=sum(part.shipping_minor for part in placed),
        ship_to=cart.ship_to.document(),
        placed_at=act.at,
        expires_at=act.at + PAYMENT_LASTS,
        paid_at=None,
    )
    async with tx.as_platform() as session:
        after = {"orders": [part.number for part in placed], "total_minor": made.total_minor}
        await write(
            session,
            New(checkout, {name: getattr(made, name) for name in Checkout.__slots__}),
            queue.asked(NOBODY, JobKind.CHECKOUT_EXPIRE, checkout_id, made.expires_at),
            audit.event(session, NOBODY, act, "checkout.place", str(checkout_id), None, after),
            *(New(buyer_order, _indexed(part, made)) for part in placed),
        )
    return made


def _indexed(part: Placed, made: Checkout) -> dict[str, Any]:
    return {
        "merchant_id": part.merchant_id,
        "order_id": part.order_id,
        "buyer_id": made.buyer_id,
        "checkout_id": made.id,
        "number": part.number,
        "merchant_name": part.merchant_name,
        "status": "awaiting_payment",
        "currency": made.currency,
        "total_minor": part.goods_minor + part.shipping_minor,
        "placed_at": made.placed_at,
    }


async def _checked(
    tx: Transaction, cart: Cart, act: Act, *, place_as: UUID | None
) -> list[tuple[PricedPart, Placed | None]]:
    """Visit each merchant once, in order: check, and where all is well so far place. Raises CheckoutRejected.

    Placing (as the checkout of this id) locks what it checks. A merchant without a commission plan in force can't sell,
    because its orders could not be paid.
    """
    merchant_ids = [part.merchant_id for part in cart.parts]
    async with tx.as_platform() as session:
        shops = await shops_of(session, merchant_ids)
        closed = await without_plan(session, merchant_ids, act.at)
    problems: list[MarketError] = []
    parts: list[tuple[PricedPart, Placed | None]] = []
    for part in cart.parts:
        shop, status = shops.get(part.merchant_id, (None, "unknown"))
        if shop is None:
            problems += [placement.unknown(line) for line in part.lines]
            continue
        if status != "active" or part.merchant_id in closed:
            problems += [MerchantUnavailable(merchant=shop.display_name, path=line.path) for line in part.lines]
            continue
        async with tx.as_merchant(part.merchant_id) as merchant_session:
            priced, found = await placement.check(merchant_session, cart, part, shop, lock=place_as is not None)
            problems += found
            placed = None
            if priced and place_as and not problems:
                placed = await placement.place(merchant_session, cart, priced, place_as, act)
        if priced:
            parts.append((priced, placed))
    if problems:
        raise CheckoutRejected(problems=tuple(problems))
    return parts


async def shops_of(
    session: PlatformSession | PublicSession, merchant_ids: Collection[UUID]
) -> dict[UUID, tuple[Shop, str]]:
    """Each merchant's shop and status, one statement."""
    rows = await session.execute(SHOPS, {"merchants": list(merchant_ids)})
    return {row.merchant_id: (_shop(row), row.status) for row in rows}


def _shop(row: Row[Any]) -> Shop:
    return Shop(row.merchant_id, row.number, row.legal_name, row.display_name, row.shipping_options)


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
    if row is None or buyer_id not in (None, row.buyer_id):
        raise NotFound(what="checkout", path=("input", "checkoutId"))
    return Checkout(**row._asdict())


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
        await write(session, Changed(checkout, {"id": checkout_id}, {"status": status}))
        before, after = {"status": found.status}, {"status": status}
        await audit.record(session, NOBODY, act, f"checkout.{by}", str(checkout_id), before, after)
        rows = await orders_of(session, [checkout_id])
    for row in rows:
        async with tx.as_merchant(row.merchant_id) as merchant_session:
            await order.expire(merchant_session, row.order_id, act, by=by)
    return True
