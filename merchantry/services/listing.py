"""Listings: what merchants have published, side by side in the mall, for everybody to read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, func, literal, select, tuple_

from merchantry.domain.errors import InvalidInput
from merchantry.languages.translation import Translations
from merchantry.services import listing_search
from merchantry.services.listing_search import Conditions, Wanted
from merchantry.tables.listing import listing_price, listing_stock
from merchantry.tables.platform import listing as table
from merchantry.tables.platform import merchant_profile
from tenancy.database import PublicSession
from tenancy.tables import merchant

MOST_COUNTED = 10_000


class ListingSort(StrEnum):
    """In which order listings come. RELEVANCE without words to look for is NEWEST."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    TITLE = "title"


BY_PRICE = (ListingSort.PRICE_ASC, ListingSort.PRICE_DESC)


@dataclass(frozen=True, slots=True)
class ListedVariant:
    """What can be bought; ``prices`` holds minor units by currency, ``available`` is None where nobody has said yet."""

    id: UUID
    sku: str
    title: str
    prices: Mapping[str, int]
    available: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """A published product of an active merchant. ``sorted_by`` is what its place in a list depends on."""

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
    sorted_by: datetime | int | str
    translations: Translations = field(default_factory=dict)

    @property
    def cursor(self) -> tuple[datetime | int | str, UUID, UUID]:
        """What ``after`` of the next page is."""
        return self.sorted_by, self.product_id, self.merchant_id


KEY_TYPES: Mapping[ListingSort, type] = {
    ListingSort.RELEVANCE: int,
    ListingSort.NEWEST: datetime,
    ListingSort.PRICE_ASC: int,
    ListingSort.PRICE_DESC: int,
    ListingSort.TITLE: str,
}


def sort_of(wanted: Wanted, asked: ListingSort | None) -> ListingSort:
    """The order that a list has. Raises InvalidInput for prices without a currency."""
    has_words = bool((wanted.search or "").strip())
    sort = asked or (ListingSort.RELEVANCE if has_words else ListingSort.NEWEST)
    if sort is ListingSort.RELEVANCE and not has_words:
        return ListingSort.NEWEST
    if sort in BY_PRICE and wanted.currency is None:
        raise InvalidInput(reason="Say in which currency prices are compared.", path=("currency",))
    return sort


async def listings(
    session: PublicSession,
    first: int,
    after: tuple[Any, UUID, UUID] | None = None,
    *,
    wanted: Wanted = Wanted(),
    sort: ListingSort = ListingSort.NEWEST,
    conditions: Conditions | None = None,
) -> list[Listing]:
    """Of all active merchants what is wanted, in this order, up to ``first + 1``."""
    understood = conditions or await listing_search.conditions(session, wanted)
    place, is_up = _place(sort, understood)
    ids = listing_price if sort in BY_PRICE else table  # the table whose index has this order
    keys = (place, ids.c.product_id, ids.c.merchant_id)
    statement = _listed(place).where(understood.all()).limit(first + 1)
    statement = statement.order_by(*(key.asc() if is_up else key.desc() for key in keys))
    if after is not None:
        statement = statement.where(tuple_(*keys) > after if is_up else tuple_(*keys) < after)
    rows = (await session.execute(listing_search.priced(statement, understood.wanted))).mappings()
    return [_from(row) for row in rows]


async def counted(session: PublicSession, conditions: Conditions) -> int:
    """How many there are, counted up to one more than ``MOST_COUNTED``."""
    found = listing_search.shown().add_columns(literal(1)).where(conditions.all()).limit(MOST_COUNTED + 1)
    within = listing_search.priced(found, conditions.wanted).subquery()
    count: int = await session.scalar(select(func.count()).select_from(within))
    return count


async def listing(session: PublicSession, merchant_id: UUID, product_id: UUID) -> Listing | None:
    """One listing; None where it is not published, or its merchant not active."""
    wanted = table.c.merchant_id == merchant_id, table.c.product_id == product_id
    row = (await session.execute(_listed(table.c.published_at).where(*wanted))).mappings().one_or_none()
    return _from(row) if row else None


async def with_stock(session: PublicSession, found: Sequence[Listing]) -> dict[UUID, int]:
    """How many of each variant of some listings can be ordered, in one statement."""
    keys = [(each.merchant_id, each.product_id) for each in found]
    statement = select(listing_stock.c.variant_id, listing_stock.c.available).where(
        tuple_(listing_stock.c.merchant_id, listing_stock.c.product_id).in_(keys)
    )
    return {row.variant_id: row.available for row in await session.execute(statement)} if keys else {}


def _place(sort: ListingSort, conditions: Conditions) -> tuple[ColumnElement[Any], bool]:
    """What listings are sorted by, and whether upwards."""
    if sort is ListingSort.RELEVANCE:
        rank = literal(0) if conditions.query is None else listing_search.rank(conditions.query)
        return rank, False
    if sort in BY_PRICE:
        return listing_price.c.amount_minor, sort is ListingSort.PRICE_ASC
    return (table.c.title_key, True) if sort is ListingSort.TITLE else (table.c.published_at, False)


COLUMNS = [column for column in table.c if column.name not in ("document", "title_key")]


def _listed(place: ColumnElement[Any]) -> Select[Any]:
    profile = merchant_profile
    return (
        listing_search.shown()
        .join(profile, profile.c.merchant_id == table.c.merchant_id)
        .add_columns(*COLUMNS, merchant.c.slug, profile.c.display_name, place.label("sorted_by"))
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
        sorted_by=row["sorted_by"],
        translations=row["translations"],
    )
