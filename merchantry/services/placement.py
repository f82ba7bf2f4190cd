"""One merchant's part of a checkout becomes an order, in that merchant's schema."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Uuid, bindparam, func, select, true, update

from merchantry.domain.act import Act
from merchantry.domain.category import order_ship_days
from merchantry.domain.checkout import Cart, CartPart
from merchantry.domain.entries import Collector
from merchantry.domain.event import EventKind
from merchantry.domain.order import OrderStatus
from merchantry.domain.tax import LineTax, Remitter
from merchantry.services import audit, contact, listing_stock, outbox
from merchantry.services.order import Line, Order, event
from merchantry.services.pricing import OFFERS, Offers, PricedPart
from merchantry.services.vault import Vault, newest_key_columns
from merchantry.tables.merchant import counter, order_line, orders, variant
from merchantry.vault.keys import DataKey
from tenancy.database import MerchantSession
from tenancy.writes import New, Raised, Write, later


@dataclass(frozen=True, slots=True)
class Placing:
    """The checkout that a cart becomes, and what seals the buyer's address."""

    checkout_id: UUID
    vault: Vault


@dataclass(frozen=True, slots=True)
class Placed:
    """A part that was placed as an order."""

    part: PricedPart
    order: Order


@dataclass(frozen=True, slots=True)
class Shelf:
    """What a part is placed from: its variants, locked in the order of their ids, the number that its order will have,
    and its merchant's key."""

    offers: Offers
    number: int
    key: DataKey


_offers = OFFERS.with_for_update(of=variant).cte("offers")
_numbered = (
    update(counter)
    .where(counter.c.name == "order", select(func.count()).select_from(_offers).scalar_subquery() > 0)
    .values(value=counter.c.value + 1)
    .returning(counter.c.value)
    .cte("numbered")
)
_key, _key_columns = newest_key_columns(bindparam("merchant", type_=Uuid))
HOLD = select(*_offers.c, _numbered.c.value.label("number"), *_key_columns).select_from(
    _offers.join(_numbered, true()).outerjoin(_key, true())
)
"""Variants are counted before an order is: so all of them are locked before the counter."""


async def hold(session: MerchantSession, currency: str, part: CartPart, act: Act, *, vault: Vault) -> Shelf | None:
    """Lock what a part asks for, one statement; None where there is none of it. Raises VaultError."""
    variants = [line.variant_id for line in part.lines]
    given = {"merchant": session.merchant_id, "currency": currency, "variants": variants}
    rows = (await session.execute(HOLD, given)).all()
    if not rows:
        return None
    return Shelf({row.id: row for row in rows}, rows[0].number, await vault.key_of(session, rows[0], act))


def place(session: MerchantSession, cart: Cart, part: PricedPart, shelf: Shelf, placing: Placing, act: Act) -> Placed:
    """Reserve the stock and write the order, with all that is frozen. It is sent with what comes next."""
    number, order_id = f"{part.shop.number}-{shelf.number:06d}", uuid4()
    sealed = contact.seal_with(shelf.key, cart.ship_to.document(), table="orders", row_id=order_id)
    row = _order_row(order_id, number, cart, part, placing, act)
    lines = _line_rows(order_id, part)
    after = {"number": number, "total_minor": part.total_minor, "currency": cart.currency}
    later(
        session,
        *_reserved(session, part),
        New(orders, {**row, "contact": sealed.contact}),
        sealed.key,
        event(order_id, 1, "place", act, {}),
        *outbox.published(session, EventKind.ORDER_CREATED, {"order": order_id, **after}, act),
        audit.event(session, session.merchant_id, act, "order.place", str(order_id), None, after),
        *(New(order_line, line) for line in lines),
    )
    return Placed(part, _order(row, lines))


def _order_row(order_id: UUID, number: str, cart: Cart, part: PricedPart, placing: Placing, act: Act) -> dict[str, Any]:
    """The order's row, but for its buyer's address."""
    return {
        "id": order_id,
        "number": number,
        "checkout_id": placing.checkout_id,
        "status": OrderStatus.AWAITING_PAYMENT,
        "currency": cart.currency,
        "goods_minor": part.goods_minor,
        "shipping_minor": part.shipping_minor,
        "discount_merchant_minor": sum(line.amounts.discount_merchant_minor for line in part.lines),
        "discount_platform_minor": sum(line.amounts.discount_platform_minor for line in part.lines),
        "added_tax_minor": part.added_tax_minor,
        "shipping_option": part.shipping_option,
        "legal_name": part.shop.legal_name,
        "seller_of_record": part.shop.seller,
        "sold_by": part.shop.sold_by,
        "placed_at": act.at,
        "ship_days": order_ship_days(line.days.ship_days for line in part.lines),
        "events": 1,
    }


def _order(row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> Order:
    """The order as it would be read back."""
    unset = dict.fromkeys(name for name in Order.__slots__ if name != "lines")
    defaults = {"refunded_minor": 0, "collected_by": Collector.PLATFORM, "open_disputes": 0}
    return Order(**{**unset, **defaults, **row}, lines=tuple(Line(**{**_UNTOUCHED, **line}) for line in lines))


_UNTOUCHED: Final = {"cancelled": 0, "refunded": 0, "refunded_goods_minor": 0, "refunded_shipping_minor": 0}


def _reserved(session: MerchantSession, part: PricedPart) -> list[Write]:
    """The variants are locked already; the table's CHECK is the last judge."""
    pieces: Counter[UUID] = Counter()
    for line in part.lines:
        pieces[line.wanted.variant_id] += line.wanted.quantity
    return [
        *(Raised(variant, {"id": variant_id}, {"reserved": quantity}) for variant_id, quantity in pieces.items()),
        *listing_stock.moves(session, [(variant_id, -quantity) for variant_id, quantity in pieces.items()]),
    ]


def _line_rows(order_id: UUID, part: PricedPart) -> list[dict[str, Any]]:
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
            "shipping_minor": line.amounts.shipping_minor,
            "discount_merchant_minor": line.amounts.discount_merchant_minor,
            "discount_platform_minor": line.amounts.discount_platform_minor,
            "hold_days": line.days.hold_days,
            "return_days": line.days.return_days,
            **_tax_columns(line.amounts.tax),
            "shipped": 0,
            "delivered": 0,
        }
        for position, line in enumerate(part.lines)
    ]


def _tax_columns(tax: LineTax | None) -> dict[str, Any]:
    return {
        "tax_minor": tax.tax_minor if tax else 0,
        "tax_rate_bps": tax.rate_bps if tax else 0,
        "tax_jurisdiction": tax.jurisdiction if tax else None,
        "tax_inclusive": tax.inclusive if tax else True,
        "tax_covers_shipping": tax.covers_shipping if tax else False,
        "tax_remitted_by": tax.remitted_by if tax else Remitter.MERCHANT,
    }
