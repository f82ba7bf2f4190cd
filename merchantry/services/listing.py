"""Listings: what merchants have published, side by side in the mall, for everybody to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.tables.platform import listing as table
from merchantry.tables.platform import merchant_profile
from tenancy.database import MerchantSession, PublicSession
from tenancy.tables import merchant

MAX_WORDS = 8


@dataclass(frozen=True, slots=True)
class ListedVariant:
    """What can be bought; ``prices`` holds minor units by currency."""

    id: UUID
    sku: str
    title: str
    prices: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Listing:
    """A published product of an active merchant."""

    merchant_id: UUID
    merchant_slug: str
    merchant_name: str
    product_id: UUID
    title: str
    description: str
    category: str
    image_urls: tuple[str, ...]
    variants: tuple[ListedVariant, ...]
    published_at: datetime
    updated_at: datetime

    @property
    def cursor(self) -> tuple[datetime, UUID, UUID]:
        """What ``after`` of the next page is."""
        return self.published_at, self.product_id, self.merchant_id


async def listings(
    session: PublicSession,
    first: int,
    after: tuple[datetime, UUID, UUID] | None = None,
    *,
    category: str | None = None,
    merchant_slug: str | None = None,
    search: str | None = None,
) -> list[Listing]:
    """Of all active merchants, the newest first, up to ``first + 1``.

    ``search`` finds what has each of its words in title or description, whatever the case.
    """
    order = (table.c.published_at, table.c.product_id, table.c.merchant_id)
    statement = _listed().order_by(*(column.desc() for column in order)).limit(first + 1)
    if category is not None:
        statement = statement.where(table.c.category == category)
    if merchant_slug is not None:
        statement = statement.where(merchant.c.slug == merchant_slug)
    for word in (search or "").split()[:MAX_WORDS]:
        texts = (table.c.title, table.c.description)
        statement = statement.where(or_(*(text.icontains(word, autoescape=True) for text in texts)))
    if after is not None:
        statement = statement.where(tuple_(*order) < after)
    return [_from(row) for row in (await session.execute(statement)).mappings()]


async def listing(session: PublicSession, merchant_id: UUID, product_id: UUID) -> Listing | None:
    """One listing; None where it is not published, or its merchant not active."""
    statement = _listed().where(table.c.merchant_id == merchant_id, table.c.product_id == product_id)
    row = (await session.execute(statement)).mappings().one_or_none()
    return _from(row) if row else None


async def put(
    session: MerchantSession, product: Mapping[str, Any], variants: Sequence[Mapping[str, Any]], act: Act
) -> None:
    """Show a product as it is now; who was shown already keeps the moment of publication.

    ``product`` has the texts of a listing; ``variants`` are documents of id, sku, title and prices.
    """
    row = {
        **{name: product[name] for name in ("title", "description", "category")},
        "merchant_id": session.merchant_id,
        "product_id": product["id"],
        "image_urls": list(product["image_urls"]),
        "variants": list(variants),
        "published_at": act.at,
        "updated_at": act.at,
    }
    statement = insert(table).values(row)
    kept = {"merchant_id", "product_id", "published_at"}
    changed = {name: statement.excluded[name] for name in row if name not in kept}
    await session.execute(statement.on_conflict_do_update(index_elements=["merchant_id", "product_id"], set_=changed))


async def remove(session: MerchantSession, product_id: UUID) -> None:
    """Show a product no longer."""
    await session.execute(
        delete(table).where(table.c.merchant_id == session.merchant_id, table.c.product_id == product_id)
    )


def _listed() -> Select[Any]:
    return (
        select(table, merchant.c.slug, merchant_profile.c.display_name)
        .join(merchant, merchant.c.id == table.c.merchant_id)
        .join(merchant_profile, merchant_profile.c.merchant_id == table.c.merchant_id)
        .where(merchant.c.status == "active")
    )


def _from(row: RowMapping) -> Listing:
    return Listing(
        merchant_id=row["merchant_id"],
        merchant_slug=row["slug"],
        merchant_name=row["display_name"],
        product_id=row["product_id"],
        title=row["title"],
        description=row["description"],
        category=row["category"],
        image_urls=tuple(row["image_urls"]),
        variants=tuple(ListedVariant(**{**document, "id": UUID(document["id"])}) for document in row["variants"]),
        published_at=row["published_at"],
        updated_at=row["updated_at"],
    )
