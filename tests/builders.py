"""What tests start from: merchants, products, buyers, made by the services that make them in life."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from merchantry.domain.act import Act
from merchantry.services import catalogue, queue
from merchantry.services import category as product_categories
from merchantry.services import merchant as merchants
from merchantry.services.merchant import NewShop, ShippingOption
from merchantry.services.queue import JobKind
from merchantry.services.variant import NewVariant
from merchantry.services.vault import Vault
from merchantry.tables.blueprint import blueprint
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.directory import account_of
from tenancy.principals import Merchant

ISSUER = "https://issuer.test"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""A Monday."""

_numbers = count(1)


def an_act(actor: str = "system:test", at: datetime | None = None, booked_at: datetime | None = None) -> Act:
    """Somebody does something at a moment, booked at once."""
    at = at or NOON
    return Act(actor=actor, at=at, booked_at=booked_at or at)


def a_vault() -> Vault:
    """A vault with a master key of its own."""
    ring = MasterKeys.generate("1")
    return Vault(lambda: ring)


VAULT = a_vault()
"""Of tests that seal and open in one database with nothing else that holds keys."""


def a_shop(slug: str | None = None, **profile: Any) -> NewShop:
    """A shop in Brazil that ships at two flat rates, changed by ``profile``."""
    slug = slug or f"shop-{next(_numbers)}"
    usual: dict[str, Any] = {
        "legal_name": f"{slug.title()} Ltda",
        "display_name": slug.title(),
        "category": "general",
        "time_zone": "America/Sao_Paulo",
        "currency": "BRL",
        "shipping_options": (
            ShippingOption("standard", "Standard", {"BRL": 1000, "EUR": 300}),
            ShippingOption("express", "Express", {"BRL": 2500}),
        ),
    }
    return NewShop(slug=slug, **{**usual, **profile})


async def a_merchant(database: Database, slug: str | None = None, **profile: Any) -> Merchant:
    """One merchant, active."""
    return (await some_merchants(database, a_shop(slug, **profile)))[0]


async def some_merchants(database: Database, *shops: NewShop) -> list[Merchant]:
    """Several merchants, provisioned at once."""
    return await merchants.create_async(database.logins.owner, blueprint(), shops, an_act())


async def a_category(database: Database, code: str = "toys") -> str:
    """A product category, made where it is missing."""
    async with database.write("test") as tx, tx.as_platform() as session:
        if code not in {known.code for known in await product_categories.categories(session)}:
            await product_categories.create_category(session, code, code.title(), an_act())
    return code


async def a_product(
    database: Database,
    merchant: Merchant,
    *,
    title: str = "Kite",
    description: str | None = None,
    category: str = "toys",
    prices: Mapping[str, int] | None = None,
    on_hand: int = 10,
    variants: Sequence[NewVariant] | None = None,
    is_published: bool = True,
    at: datetime | None = None,
) -> catalogue.Product:
    """A product of one variant (or of those given) with price and stock, published unless told otherwise."""
    await a_category(database, category)
    usual = NewVariant(f"SKU-{next(_numbers)}", "One size", {"BRL": 5000} if prices is None else prices, on_hand)
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        product_id = await catalogue.create_product(
            session,
            title=title,
            description=f"A {title}" if description is None else description,
            category=category,
            image_urls=["https://images.test/1.jpg"],
            variants=[usual] if variants is None else variants,
            act=an_act(at=at),
        )
        if is_published:
            await catalogue.publish(session, product_id, an_act(at=at))
            await queue.dequeue(session, merchant.id, JobKind.SEARCH_LEARN, merchant.id)  # as if a worker had been here
        return await catalogue.product(session, product_id)


async def a_buyer(database: Database, email: str | None = None) -> UUID:
    """The account of somebody who signed in."""
    async with database.write("test") as tx, tx.as_platform() as session:
        return await account_of(session, ISSUER, uuid4().hex, email, at=NOON)
