"""One merchant's part of a cart: whether it can be sold, and what it costs with discounts and tax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, and_, bindparam, func, select

from merchantry.domain.category import Days
from merchantry.domain.checkout import Cart, CartLine, CartPart
from merchantry.domain.coupon import LineDiscount
from merchantry.domain.errors import (
    InvalidQuantity,
    MarketError,
    OutOfStock,
    PriceChanged,
    UnknownShippingOption,
    UnknownVariant,
)
from merchantry.domain.line_amounts import LineAmounts
from merchantry.domain.money import MAX_AMOUNT_MINOR
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.split import allocate_shipping
from merchantry.domain.tax_rate import TaxRate, narrowest, remitted, taxed
from merchantry.tables.merchant import price, product, variant
from tenancy.database import MerchantSession


@dataclass(frozen=True, slots=True)
class Shop:
    """What placing an order needs to know of its merchant."""

    merchant_id: UUID
    number: int
    legal_name: str
    display_name: str
    shipping_options: Sequence[Mapping[str, Any]]
    seller: SellerOfRecord
    platform_name: str

    @property
    def sold_by(self) -> str | None:
        """The platform's legal name where it sells in its own; None where the merchant sells."""
        return self.platform_name if self.seller is SellerOfRecord.PRINCIPAL else None

    @property
    def seller_name(self) -> str:
        """The legal name of whoever sells to the buyer."""
        return self.sold_by or self.legal_name


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """What changes a cart's prices: discounts by merchant, in the order of its lines, and taxes where the goods go.

    ``days`` are what categories say of holds and returns, by code; they freeze with the lines.
    """

    discounts: Mapping[UUID, Sequence[LineDiscount]]
    rates: Sequence[TaxRate]
    days: Mapping[str, Days]


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line that can be sold: what it is now, at the price, discounts and tax that will be frozen."""

    wanted: CartLine
    product_id: UUID
    sku: str
    title: str
    category: str
    unit_price_minor: int
    amounts: LineAmounts
    days: Days
    titles: Mapping[str, str]
    """What it is called in other languages, by their tags; it is sold by ``title``."""

    @property
    def goods_minor(self) -> int:
        """Unit price times quantity."""
        return self.amounts.goods_minor

    @property
    def discount_minor(self) -> int:
        """What the buyer saves on it."""
        return self.amounts.discount_merchant_minor + self.amounts.discount_platform_minor


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

    @property
    def discount_minor(self) -> int:
        """What the buyer saves."""
        return sum(line.discount_minor for line in self.lines)

    @property
    def added_tax_minor(self) -> int:
        """The tax that comes on top."""
        return sum(sum(line.amounts.added_tax_parts) for line in self.lines)

    @property
    def total_minor(self) -> int:
        """What the buyer pays."""
        return self.goods_minor + self.shipping_minor - self.discount_minor + self.added_tax_minor


OFFERS = (
    select(
        variant.c.id,
        variant.c.sku,
        variant.c.title.label("variant_title"),
        (variant.c.on_hand - variant.c.reserved).label("available"),
        product.c.id.label("product_id"),
        product.c.title,
        product.c.translations,
        product.c.category,
        product.c.status,
        price.c.amount_minor,
    )
    .join(product, product.c.id == variant.c.product_id)
    .outerjoin(price, and_(price.c.variant_id == variant.c.id, price.c.currency == bindparam("currency")))
    .where(variant.c.id == func.any(bindparam("variants", type_=ARRAY(Uuid))))
    .order_by(variant.c.id)
)
KINDS = (
    select(variant.c.id, product.c.id.label("product_id"), product.c.category)
    .join(product, product.c.id == variant.c.product_id)
    .where(variant.c.id == func.any(bindparam("variants", type_=ARRAY(Uuid))))
)


async def kinds_of(session: MerchantSession, part: CartPart) -> dict[UUID, tuple[UUID, str]]:
    """Product and category of each variant that there is."""
    rows = await session.execute(KINDS, {"variants": [line.variant_id for line in part.lines]})
    return {row.id: (row.product_id, row.category) for row in rows}


Offers = Mapping[UUID, Row[Any]]
"""Rows with the columns of ``OFFERS``, by variant."""


async def offers_of(session: MerchantSession, currency: str, part: CartPart) -> Offers:
    """The variants of a part with their product and price, one statement."""
    given = {"currency": currency, "variants": [line.variant_id for line in part.lines]}
    return {row.id: row for row in await session.execute(OFFERS, given)}


def check(
    cart: Cart, part: CartPart, shop: Shop, terms: PriceTerms, offers: Offers
) -> tuple[PricedPart | None, list[MarketError]]:
    """Everything that stands in the way of selling this part, or the part priced."""
    problems: list[MarketError] = []
    sold: list[tuple[CartLine, Row[Any]]] = []
    wanted: dict[UUID, int] = {}
    for line in part.lines:
        offer = offers.get(line.variant_id)
        wanted[line.variant_id] = wanted.get(line.variant_id, 0) + line.quantity
        problem = _objection(cart, line, offer, wanted[line.variant_id])
        if problem or offer is None:
            problems.append(problem or unknown(line))
            continue
        sold.append((line, offer))
    option = _shipping(cart, part, shop)
    if isinstance(option, MarketError):
        return None, [*problems, option]
    if problems:
        return None, problems
    discounts = terms.discounts.get(part.merchant_id) or [LineDiscount()] * len(sold)
    lines = _priced(sold, option[1], terms, discounts, shop.seller)
    return PricedPart(shop, lines, *option), []


def _priced(
    sold: Sequence[tuple[CartLine, Row[Any]]],
    shipping_minor: int,
    terms: PriceTerms,
    discounts: Sequence[LineDiscount],
    seller: SellerOfRecord,
) -> tuple[PricedLine, ...]:
    """The lines at the prices seen, which are those of now or were agreed, each with its part of shipping and tax."""
    goods = [line.seen_minor * line.quantity for line, _ in sold]
    lines = []
    shares = allocate_shipping(shipping_minor, goods)
    for (line, offer), goods_minor, share, less in zip(sold, goods, shares, discounts, strict=True):
        amounts = LineAmounts(goods_minor, share, less.merchant_minor, less.platform_minor)
        amounts = taxed(amounts, remitted(narrowest(terms.rates, offer.category), seller))
        days = terms.days.get(offer.category, Days())
        lines.append(
            PricedLine(
                line,
                offer.product_id,
                offer.sku,
                _title(offer, offer.title),
                offer.category,
                line.seen_minor,
                amounts,
                days,
                _titles(offer),
            )
        )
    return tuple(lines)


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


def _titles(offer: Row[Any]) -> dict[str, str]:
    return {tag: _title(offer, texts["title"]) for tag, texts in offer.translations.items() if "title" in texts}


def _title(offer: Row[Any], title: str) -> str:
    return f"{title}, {offer.variant_title}" if offer.variant_title else title
