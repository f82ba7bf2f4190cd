"""A cart checked over several merchants: each visited once, in order, and placed there where all is well so far."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, Uuid, bindparam, func, select, true

from merchantry.domain.act import Act
from merchantry.domain.category import Days
from merchantry.domain.checkout import Cart, CartPart
from merchantry.domain.coupon import AppliedCoupon, CouponLine, Discounts, LineDiscount, Redeemed, redeem
from merchantry.domain.errors import CheckoutRejected, MarketError, MerchantUnavailable, TotalChanged
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.tax_rate import TaxRate
from merchantry.services import category, coupon_use, placement, pricing, tax
from merchantry.services.placement import Placed, Placing
from merchantry.services.pricing import PricedPart, PriceTerms, Shop
from merchantry.services.terms import has_plan
from merchantry.services.vault import newest_key_columns
from merchantry.tables.platform import NOBODY, mall, merchant_profile
from merchantry.vault.keys import DataKey
from tenancy.database import MerchantSession, PlatformSession, PublicSession, Transaction
from tenancy.tables import merchant


@dataclass(frozen=True, slots=True)
class PricedCart:
    """What a cart costs now; ``placed`` are its orders where it was placed, ``key`` is then the platform's."""

    parts: tuple[PricedPart, ...]
    coupons: tuple[AppliedCoupon, ...]
    placed: tuple[Placed, ...]
    key: DataKey | None

    @property
    def goods_minor(self) -> int:
        """All lines before discounts."""
        return sum(part.goods_minor for part in self.parts)

    @property
    def shipping_minor(self) -> int:
        """All orders' shipping."""
        return sum(part.shipping_minor for part in self.parts)

    @property
    def discount_minor(self) -> int:
        """What the buyer saves."""
        return sum(part.discount_minor for part in self.parts)

    @property
    def added_tax_minor(self) -> int:
        """The tax that comes on top."""
        return sum(part.added_tax_minor for part in self.parts)

    @property
    def total_minor(self) -> int:
        """What the buyer pays."""
        return sum(part.total_minor for part in self.parts)


SHOPS = (
    select(
        merchant_profile.c.merchant_id,
        merchant_profile.c.number,
        merchant_profile.c.legal_name,
        merchant_profile.c.display_name,
        merchant_profile.c.shipping_options,
        merchant_profile.c.seller_of_record,
        mall.c.name.label("platform_name"),
        merchant.c.status,
    )
    .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
    .join(mall, mall.c.id == 1)
    .where(merchant_profile.c.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))))
)
_key, _key_columns = newest_key_columns(NOBODY)
KNOWN = SHOPS.add_columns(
    has_plan().label("has_plan"),
    tax.in_force_as_text().label("rates"),
    category.days_as_text().label("days"),
    *_key_columns,
).outerjoin(_key, true())
"""The shops, and beside each what the platform knows that is the same for all of them."""


async def check(tx: Transaction, cart: Cart, buyer_id: UUID, act: Act, *, place_as: Placing | None) -> PricedCart:
    """Price the cart, and place it as this checkout. Raises CheckoutRejected with all that is in the way.

    Placing locks what it checks: the coupons, then merchant by merchant the variants. A merchant without a commission
    plan in force can't sell, because its orders could not be paid.
    """
    known = await _known(tx, cart, buyer_id, act, place_as)
    discounts, problems = await _discounts(tx, cart, known, act)
    terms = PriceTerms(_by_merchant(cart, discounts.lines), known.rates, known.days)
    parts: list[PricedPart] = []
    placed: list[Placed] = []
    for part in cart.parts:
        shop, status = known.shops.get(part.merchant_id, (None, "unknown"))
        if shop is None:
            problems += [pricing.unknown(line) for line in part.lines]
            continue
        if status != "active" or part.merchant_id in known.closed:
            problems += [MerchantUnavailable(merchant=shop.display_name, path=line.path) for line in part.lines]
            continue
        async with tx.as_merchant(part.merchant_id) as merchant_session:
            if place_as is None or problems:
                priced, found = await _looked_at(merchant_session, cart, part, shop, terms)
            else:
                priced, found, orders = await _placed(merchant_session, cart, part, shop, terms, place_as, act)
                placed += orders
        problems += found
        parts += [priced] if priced else []
    if problems:
        raise CheckoutRejected(problems=tuple(problems))
    made = PricedCart(tuple(parts), discounts.coupons, tuple(placed), known.key)
    _check_seen(cart, made.total_minor)
    return made


async def _looked_at(
    session: MerchantSession, cart: Cart, part: CartPart, shop: Shop, terms: PriceTerms
) -> tuple[PricedPart | None, list[MarketError]]:
    """The part priced, or what stands in its way. Nothing is locked."""
    return pricing.check(cart, part, shop, terms, await pricing.offers_of(session, cart.currency, part))


async def _placed(
    session: MerchantSession,
    cart: Cart,
    part: CartPart,
    shop: Shop,
    terms: PriceTerms,
    placing: Placing,
    act: Act,
) -> tuple[PricedPart | None, list[MarketError], list[Placed]]:
    """The same, and the part is placed where all is well."""
    shelf = await placement.hold(session, cart.currency, part, act, vault=placing.vault)
    priced, problems = pricing.check(cart, part, shop, terms, shelf.offers if shelf else {})
    if priced is None or shelf is None:
        return priced, problems, []
    return priced, problems, [placement.place(session, cart, priced, shelf, placing, act)]


@dataclass(frozen=True, slots=True)
class _Known:
    """What the platform knows of a cart: its shops with their statuses, who can't sell, taxes, what categories say of
    holds and returns, the coupons given. What was sold elsewhere has neither taxes nor days from here."""

    shops: Mapping[UUID, tuple[Shop, str]]
    closed: Collection[UUID]
    rates: Sequence[TaxRate]
    days: Mapping[str, Days]
    redeemed: Sequence[Redeemed]
    key: DataKey | None


async def _known(tx: Transaction, cart: Cart, buyer_id: UUID, act: Act, place_as: Placing | None) -> _Known:
    """One statement, and those of coupons, which are locked where the cart is placed."""
    given = {
        "merchants": [part.merchant_id for part in cart.parts],
        "at": act.at,
        "country": cart.ship_to.country,
        "region": cart.ship_to.region or "",
    }
    redeemed: Sequence[Redeemed] = ()
    async with tx.as_platform() as session:
        rows = (await session.execute(KNOWN, given)).all()
        key = await place_as.vault.key_of(session, rows[0], act) if place_as and rows else None
        if cart.coupons:
            redeemed = await coupon_use.redeemed(session, cart, buyer_id, lock=place_as is not None)
    agreed = cart.prices_agreed or not rows
    return _Known(
        shops={row.merchant_id: (_shop(row), row.status) for row in rows},
        closed={row.merchant_id for row in rows if not row.has_plan},
        rates=() if agreed else tax.parsed(rows[0].rates),
        days={} if agreed else category.parsed_days(rows[0].days),
        redeemed=redeemed,
        key=key,
    )


def _check_seen(cart: Cart, total_minor: int) -> None:
    """Raises CheckoutRejected where the buyer was shown another total."""
    seen = cart.seen
    if seen is not None and seen.total_minor != total_minor:
        changed = TotalChanged(
            seen_minor=seen.total_minor, now_minor=total_minor, currency=cart.currency, path=seen.path
        )
        raise CheckoutRejected(problems=(changed,))


async def _discounts(tx: Transaction, cart: Cart, known: _Known, act: Act) -> tuple[Discounts, list[MarketError]]:
    """What the coupons take off the cart's lines, at the prices seen: others are refused with their lines.

    Merchants are looked into only where a coupon depends on what their lines are.
    """
    if not cart.coupons:
        return Discounts(()), []
    asking = [each.coupon.terms for each in known.redeemed if each.coupon and each.coupon.terms.asks_for_products]
    kinds: dict[UUID, tuple[UUID, str]] = {}
    for part in cart.parts:
        if part.merchant_id in known.shops and any(part.merchant_id in (t.merchants or known.shops) for t in asking):
            async with tx.as_merchant(part.merchant_id) as session:
                kinds |= await pricing.kinds_of(session, part)
    lines = [
        CouponLine(part.merchant_id, max(line.seen_minor, 0) * line.quantity, *kinds.get(line.variant_id, (None, None)))
        for part in cart.parts
        for line in part.lines
    ]
    return redeem(known.redeemed, lines, cart.currency, act.at)


def _by_merchant(cart: Cart, discounts: Sequence[LineDiscount]) -> Mapping[UUID, Sequence[LineDiscount]]:
    """The discounts of all lines, cut at the merchants."""
    found, start = {}, 0
    for part in cart.parts:
        found[part.merchant_id] = discounts[start : start + len(part.lines)]
        start += len(part.lines)
    return found


async def shops_of(
    session: PlatformSession | PublicSession, merchant_ids: Collection[UUID]
) -> dict[UUID, tuple[Shop, str]]:
    """Each merchant's shop and status, one statement."""
    rows = await session.execute(SHOPS, {"merchants": list(merchant_ids)})
    return {row.merchant_id: (_shop(row), row.status) for row in rows}


def _shop(row: Row[Any]) -> Shop:
    return Shop(
        row.merchant_id,
        row.number,
        row.legal_name,
        row.display_name,
        row.shipping_options,
        SellerOfRecord(row.seller_of_record),
        row.platform_name,
    )
