"""One merchant's part of a checkout becomes an order, in that merchant's schema."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Integer, bindparam, update

from merchantry.domain.act import Act
from merchantry.domain.category import order_ship_days
from merchantry.domain.checkout import Cart
from merchantry.domain.event import EventKind
from merchantry.domain.order import OrderStatus
from merchantry.domain.tax import LineTax, Remitter
from merchantry.services import audit, contact, listing_stock, outbox
from merchantry.services.order import event
from merchantry.services.pricing import PricedPart
from merchantry.services.vault import Vault
from merchantry.tables.merchant import counter, order_line, orders, variant
from tenancy.database import MerchantSession
from tenancy.writes import New, write


@dataclass(frozen=True, slots=True)
class Placing:
    """The checkout that a cart becomes, and what seals the buyer's address."""

    checkout_id: UUID
    vault: Vault


@dataclass(frozen=True, slots=True)
class Placed:
    """A part that was placed as an order."""

    part: PricedPart
    order_id: UUID
    number: str


NEXT_NUMBER = (
    update(counter).where(counter.c.name == "order").values(value=counter.c.value + 1).returning(counter.c.value)
)

RESERVE = (
    update(variant)
    .where(variant.c.id == bindparam("variant"))
    .values(reserved=variant.c.reserved + bindparam("more", type_=Integer))
)


async def place(session: MerchantSession, cart: Cart, part: PricedPart, placing: Placing, act: Act) -> Placed:
    """Reserve the stock and write the order, with everything frozen that may change later."""
    await _reserve(session, part)
    counted: int = await session.scalar(NEXT_NUMBER)
    number, order_id = f"{part.shop.number}-{counted:06d}", uuid4()
    ship_to = cart.ship_to.document()
    sealed = await contact.seal_for(session, placing.vault, ship_to, act, table="orders", row_id=order_id)
    row = {
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
        "contact": sealed.contact,
        "placed_at": act.at,
        "ship_days": order_ship_days(line.days.ship_days for line in part.lines),
        "events": 1,
    }
    after = {"number": number, "total_minor": part.total_minor, "currency": cart.currency}
    await write(
        session,
        New(orders, row),
        sealed.key,
        event(order_id, 1, "place", act, {}),
        *outbox.published(session, EventKind.ORDER_CREATED, {"order": order_id, **after}, act),
        audit.event(session, session.merchant_id, act, "order.place", str(order_id), None, after),
        *(New(order_line, line) for line in _line_rows(order_id, part)),
    )
    return Placed(part, order_id, number)


async def _reserve(session: MerchantSession, part: PricedPart) -> None:
    """The variants are locked already; the table's CHECK is the last judge."""
    rows = [{"variant": line.wanted.variant_id, "more": line.wanted.quantity} for line in part.lines]
    await session.execute(RESERVE, rows)
    pieces: Counter[UUID] = Counter()
    for line in part.lines:
        pieces[line.wanted.variant_id] -= line.wanted.quantity
    await listing_stock.moved(session, pieces.items())


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
