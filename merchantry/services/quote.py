"""Quotes: what a cart costs now, kept for a while so that it can be placed as it was shown."""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import delete, insert, select

from merchantry.domain.act import Act
from merchantry.domain.checkout import Address, Cart, CartCoupon, CartLine, CartPart, SeenTotal
from merchantry.domain.errors import NotFound, QuoteExpired
from merchantry.services import contact
from merchantry.services.cart import PricedCart, check
from merchantry.services.vault import Vault
from merchantry.tables.platform import checkout_quote
from tenancy.database import PlatformSession, Transaction

QUOTE_LASTS = timedelta(minutes=15)
KEPT_FOR = timedelta(days=1)
"""How long a quote that was not placed is kept, at least: it holds the buyer's address."""

CONTACT: Final = {"table": "checkout_quote", "column": "contact"}


@dataclass(frozen=True, slots=True)
class Quote:
    """What a cart costs now. Nothing is reserved; prices are checked again when it is placed."""

    id: UUID
    cart: Cart
    priced: PricedCart
    expires_at: datetime


async def quote(tx: Transaction, cart: Cart, buyer_id: UUID, act: Act, *, vault: Vault) -> Quote:
    """Price a cart and keep it for a while. Raises CheckoutRejected with everything that stands in the way."""
    made = Quote(uuid4(), cart, await check(tx, cart, buyer_id, act, place_as=None), act.at + QUOTE_LASTS)
    async with tx.as_platform() as session:
        ship_to = contact.to_bytes(cart.ship_to.document())
        row = {
            "id": made.id,
            "buyer_id": buyer_id,
            "cart": _document(made),
            "contact": await vault.seal(session, ship_to, act, row_id=made.id, **CONTACT),
            "created_at": act.at,
            "expires_at": made.expires_at,
        }
        await session.execute(insert(checkout_quote).values(row))
        await _forget(session, buyer_id, act.at - KEPT_FOR)
    return made


async def _forget(session: PlatformSession, buyer_id: UUID, expired_before: datetime) -> None:
    table = checkout_quote.c
    await session.execute(delete(checkout_quote).where(table.buyer_id == buyer_id, table.expires_at < expired_before))


async def quoted(session: PlatformSession, quote_id: UUID, buyer_id: UUID, at: datetime, *, vault: Vault) -> Cart:
    """The cart of a buyer's own quote. Raises NotFound, QuoteExpired."""
    found = await session.execute(
        select(checkout_quote.c.cart, checkout_quote.c.contact, checkout_quote.c.expires_at).where(
            checkout_quote.c.id == quote_id, checkout_quote.c.buyer_id == buyer_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound(what="quote", path=("input", "quoteId"))
    if row.expires_at <= at:
        raise QuoteExpired(expired_at=row.expires_at, path=("input", "quoteId"))
    if row.contact is None:  # quoted before contacts were sealed
        return _cart(row.cart, row.cart["ship_to"])
    opened = await vault.open(session, bytes(row.contact), row_id=quote_id, **CONTACT)
    return _cart(row.cart, contact.from_bytes(opened))


def _document(made: Quote) -> dict[str, Any]:
    """The cart without its address, with the total that its buyer is shown."""
    seen = SeenTotal(made.priced.total_minor, ("input", "quoteId"))
    document: dict[str, Any] = json.loads(json.dumps(asdict(replace(made.cart, seen=seen)), default=str))
    del document["ship_to"]
    return document


def _cart(document: dict[str, Any], ship_to: dict[str, Any]) -> Cart:
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
    coupons = tuple(CartCoupon(each["code"], tuple(each["path"])) for each in document.get("coupons", ()))
    seen = document.get("seen")
    return Cart(
        document["currency"],
        Address(**ship_to),
        parts,
        coupons=coupons,
        seen=SeenTotal(seen["total_minor"], tuple(seen["path"])) if seen else None,
    )
