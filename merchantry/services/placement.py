"""One merchant's part of a checkout becomes an order, in that merchant's schema."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ARRAY, Integer, Row, Uuid, and_, bindparam, func, select, update

from merchantry.domain.act import Act
from merchantry.domain.checkout import Cart, CartLine, CartPart
from merchantry.domain.errors import (
    InvalidQuantity,
    MarketError,
    OutOfStock,
    PriceChanged,
    UnknownShippingOption,
    UnknownVariant,
)
from merchantry.domain.money import MAX_AMOUNT_MINOR
from merchantry.domain.order import OrderStatus
from merchantry.domain.split import allocate_shipping
from merchantry.services import audit
from merchantry.services.notification import news
from merchantry.services.order import event
from merchantry.tables.merchant import counter, order_line, orders, price, product, variant
from tenancy.database import MerchantSession
from tenancy.writes import New, write


@dataclass(frozen=True, slots=True)
class Shop:
    """What placing an order needs to know of its merchant."""

    merchant_id: UUID
    number: int
    legal_name: str
    display_name: str
    shipping_options: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line that can be sold: what it is now, at the price that will be frozen."""

    wanted: CartLine
    product_id: UUID
    sku: str
    title: str
    category: str
    unit_price_minor: int

    @property
    def goods_minor(self) -> int:
        """Unit price times quantity."""
        return self.unit_price_minor * self.wanted.quantity


@dataclass(frozen=True, slots=True)
class PricedPart:
    """A merchant's part of a checkout, priced."""

    shop: Shop
    lines: tuple[PricedLine, ...]
    shipping_option: str
    shipping_minor: int

    @property
    def goods_minor(self) -> int:
        """All lines together."""
        return sum(line.goods_minor for line in self.lines)


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that was placed."""

    merchant_id: UUID
    order_id: UUID
    number: str
    merchant_name: str
    goods_minor: int
    shipping_minor: int


NEXT_NUMBER = (
    update(counter).where(counter.c.name == "order").values(value=counter.c.value + 1).returning(counter.c.value)
)

RESERVE = (
    update(variant)
    .where(variant.c.id == bindparam("variant"))
    .values(reserved=variant.c.reserved + bindparam("more", type_=Integer))
)
OFFERS = (
    select(
        variant.c.id,
        variant.c.sku,
        variant.c.title.label("variant_title"),
        (variant.c.on_hand - variant.c.reserved).label("available"),
        product.c.id.label("product_id"),
        product.c.title,
        product.c.category,
        product.c.status,
        price.c.amount_minor,
    )
    .join(product, product.c.id == variant.c.product_id)
    .outerjoin(price, and_(price.c.variant_id == variant.c.id, price.c.currency == bindparam("currency")))
    .where(variant.c.id == func.any(bindparam("variants", type_=ARRAY(Uuid))))
    .order_by(variant.c.id)
)
LOCKED_OFFERS = OFFERS.with_for_update(of=variant)


async def check(
    session: MerchantSession, cart: Cart, part: CartPart, shop: Shop, *, lock: bool
) -> tuple[PricedPart | None, list[MarketError]]:
    """Everything that stands in the way of selling this part, or the part priced.

    With ``lock`` the variants stay as they are, in the order of their ids, until the transaction ends.
    """
    offers = await _offers(session, cart.currency, part, lock=lock)
    problems: list[MarketError] = []
    lines = []
    wanted: dict[UUID, int] = {}
    for line in part.lines:
        offer = offers.get(line.variant_id)
        wanted[line.variant_id] = wanted.get(line.variant_id, 0) + line.quantity
        problem = _objection(cart, line, offer, wanted[line.variant_id])
        if problem or offer is None:
            problems.append(problem or unknown(line))
            continue
        unit_price = line.seen_minor if cart.prices_agreed else offer.amount_minor
        lines.append(PricedLine(line, offer.product_id, offer.sku, _title(offer), offer.category, unit_price))
    option = _shipping(cart, part, shop)
    if isinstance(option, MarketError):
        return None, [*problems, option]
    if problems:
        return None, problems
    return PricedPart(shop, tuple(lines), *option), []


async def _offers(session: MerchantSession, currency: str, part: CartPart, *, lock: bool) -> dict[UUID, Row[Any]]:
    """The variants with their product and price, one statement."""
    given = {"currency": currency, "variants": [line.variant_id for line in part.lines]}
    return {row.id: row for row in await session.execute(LOCKED_OFFERS if lock else OFFERS, given)}


def unknown(line: CartLine) -> UnknownVariant:
    """Nothing of this line's is on sale."""
    return UnknownVariant(variant_id=str(line.variant_id), path=(*line.path, "variantId"))


def _objection(cart: Cart, line: CartLine, offer: Row[Any] | None, wanted: int) -> MarketError | None:
    if offer is None or (offer.status != "published" and not cart.prices_agreed):
        return unknown(line)
    if not cart.prices_agreed:
        if offer.amount_minor is None:
            return unknown(line)
        if offer.amount_minor != line.seen_minor:
            return PriceChanged(
                variant_id=line.variant_id,
                seen_minor=line.seen_minor,
                now_minor=offer.amount_minor,
                currency=cart.currency,
                path=(*line.path, "price"),
            )
    if line.seen_minor * line.quantity > MAX_AMOUNT_MINOR:
        return InvalidQuantity(quantity=line.quantity, path=(*line.path, "quantity"))
    if offer.available < wanted:
        return OutOfStock(variant_id=line.variant_id, available=max(offer.available, 0), path=(*line.path, "quantity"))
    return None


def _shipping(cart: Cart, part: CartPart, shop: Shop) -> tuple[str, int] | MarketError:
    """The option's code and its flat rate for the order."""
    if part.agreed_shipping_minor is not None:
        return part.shipping_option or "agreed", part.agreed_shipping_minor
    for option in shop.shipping_options:
        rate = option["prices"].get(cart.currency)
        if rate is not None and part.shipping_option in (None, option["code"]):
            return option["code"], int(rate)
    return UnknownShippingOption(merchant=shop.display_name, option=part.shipping_option or "", path=part.path)


def _title(offer: Row[Any]) -> str:
    return f"{offer.title}, {offer.variant_title}" if offer.variant_title else str(offer.title)


async def place(session: MerchantSession, cart: Cart, part: PricedPart, checkout_id: UUID, act: Act) -> Placed:
    """Reserve the stock and write the order, with everything frozen that may change later."""
    await _reserve(session, part)
    counted: int = await session.scalar(NEXT_NUMBER)
    number, order_id = f"{part.shop.number}-{counted:06d}", uuid4()
    row = {
        "id": order_id,
        "number": number,
        "checkout_id": checkout_id,
        "status": OrderStatus.AWAITING_PAYMENT,
        "currency": cart.currency,
        "goods_minor": part.goods_minor,
        "shipping_minor": part.shipping_minor,
        "shipping_option": part.shipping_option,
        "legal_name": part.shop.legal_name,
        "ship_to": cart.ship_to.document(),
        "placed_at": act.at,
        "events": 1,
    }
    after = {"number": number, "total_minor": part.goods_minor + part.shipping_minor, "currency": cart.currency}
    await write(
        session,
        New(orders, row),
        event(order_id, 1, "place", act, {}),
        news(session, "order.created", {"order": str(order_id), "number": number}, act),
        audit.event(session, session.merchant_id, act, "order.place", str(order_id), None, after),
        *(New(order_line, line) for line in _line_rows(order_id, part)),
    )
    name = part.shop.display_name
    return Placed(session.merchant_id, order_id, number, name, part.goods_minor, part.shipping_minor)


async def _reserve(session: MerchantSession, part: PricedPart) -> None:
    """The variants are locked already; the table's CHECK is the last judge."""
    rows = [{"variant": line.wanted.variant_id, "more": line.wanted.quantity} for line in part.lines]
    await session.execute(RESERVE, rows)


def _line_rows(order_id: UUID, part: PricedPart) -> list[dict[str, Any]]:
    shares = allocate_shipping(part.shipping_minor, [line.goods_minor for line in part.lines])
    return [
        {
            "id": uuid4(),
            "order_id": order_id,
            "position": position,
            "product_id": line.product_id,
            "variant_id": line.wanted.variant_id,
            "sku": line.sku,
            "title": line.title,
            "category": line.category,
            "unit_price_minor": line.unit_price_minor,
            "quantity": line.wanted.quantity,
            "goods_minor": line.goods_minor,
            "shipping_minor": share,
            "shipped": 0,
            "delivered": 0,
        }
        for position, (line, share) in enumerate(zip(part.lines, shares, strict=True))
    ]
