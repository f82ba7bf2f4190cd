"""How many listings of each category, merchant and price a search finds: what a storefront offers to narrow it by.

Each facet counts what the other conditions leave, so that another of its own values can still be chosen.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, Text, and_, cast, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import ARRAY

from merchantry.domain.price_steps import price_steps
from merchantry.services import category, listing_search
from merchantry.services.category import Category
from merchantry.services.listing_search import Conditions
from merchantry.tables.listing import listing_price
from merchantry.tables.platform import listing as table
from merchantry.tables.platform import merchant_profile
from tenancy.database import PublicSession
from tenancy.tables import merchant

CATEGORIES, MERCHANTS, PRICES = "categories", "merchants", "prices"
MOST_MERCHANTS = 50


@dataclass(frozen=True, slots=True)
class MerchantCount:
    """A merchant with how many of its listings are found."""

    merchant_id: UUID
    slug: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class PriceCount:
    """How many listings cost from so much to less than so much, in minor units; the last step has no end."""

    from_minor: int
    to_minor: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts of what is asked for; a category's include those below it. ``tree`` are all categories."""

    tree: tuple[Category, ...] = ()
    categories: tuple[tuple[Category, int], ...] = ()
    merchants: tuple[MerchantCount, ...] = ()
    prices: tuple[PriceCount, ...] = ()


async def facets(session: PublicSession, conditions: Conditions, names: Collection[str]) -> Facets:
    """The facets of these names: one statement for all counts, another for the categories' names."""
    steps = price_steps(conditions.wanted.currency) if conditions.wanted.currency else []
    statement = _statement(conditions, names, steps)
    if statement is None:
        return Facets()
    rows = (await session.execute(statement)).all()
    tree = await category.categories(session) if CATEGORIES in names else []
    own = {row.key: row.number for row in rows if row.facet == CATEGORIES}
    return Facets(
        tree=tuple(tree),
        categories=tuple(_with_those_below(tree, own)),
        merchants=tuple(
            MerchantCount(UUID(row.key), row.slug, row.name, row.number) for row in rows if row.facet == MERCHANTS
        ),
        prices=tuple(
            PriceCount(steps[int(row.key) - 1], next(iter(steps[int(row.key) :]), None), row.number)
            for row in rows
            if row.facet == PRICES
        ),
    )


def _statement(conditions: Conditions, names: Collection[str], steps: list[int]) -> Any:
    """One pass over what the words find; each facet then counts where the conditions of the others hold."""
    columns = [
        table.c.merchant_id,
        table.c.category,
        conditions.category.label("category_ok"),
        conditions.merchants.label("merchant_ok"),
        conditions.price.label("price_ok"),
    ]
    if steps:
        columns.append(func.width_bucket(listing_price.c.amount_minor, cast(steps, ARRAY(BigInteger))).label("step"))
    base = listing_search.shown().add_columns(*columns).where(conditions.words)
    found = listing_search.priced(base, conditions.wanted).cte("found").prefix_with("MATERIALIZED", dialect="*")
    parts: list[Select[Any]] = []
    if CATEGORIES in names:
        parts.append(_counted(found.c.category, CATEGORIES).where(found.c.merchant_ok, found.c.price_ok))
    if PRICES in names and steps:
        counted = _counted(cast(found.c.step, Text), PRICES).where(found.c.category_ok, found.c.merchant_ok)
        parts.append(counted.order_by(found.c.step).group_by(found.c.step))
    if MERCHANTS in names:
        parts.append(_merchants(found))
    return union_all(*(select(part.subquery()) for part in parts)) if parts else None


def _counted(key: Any, facet: str) -> Select[Any]:
    names = null().cast(Text).label("slug"), null().cast(Text).label("name")
    return select(literal(facet).label("facet"), key.label("key"), func.count().label("number"), *names).group_by(key)


def _merchants(found: Any) -> Select[Any]:
    """The merchants with the most."""
    most = (
        select(found.c.merchant_id, func.count().label("number"))
        .where(found.c.category_ok, found.c.price_ok)
        .group_by(found.c.merchant_id)
        .order_by(func.count().desc(), found.c.merchant_id)
        .limit(MOST_MERCHANTS)
        .subquery("most")
    )
    named = and_(merchant_profile.c.merchant_id == most.c.merchant_id)
    return (
        select(
            literal(MERCHANTS).label("facet"),
            cast(most.c.merchant_id, Text).label("key"),
            most.c.number,
            merchant.c.slug,
            merchant_profile.c.display_name.label("name"),
        )
        .join(merchant, merchant.c.id == most.c.merchant_id)
        .join(merchant_profile, named)
        .order_by(most.c.number.desc(), merchant.c.slug)
    )


def _with_those_below(tree: Collection[Category], own: dict[str, int]) -> list[tuple[Category, int]]:
    """Categories with what is in them and below, those with nothing left out, by code."""
    above = {each.code: each.parent for each in tree}
    counts: dict[str, int] = {}
    for code, count in own.items():
        at: str | None = code
        while at is not None:
            counts[at] = counts.get(at, 0) + count
            at = above.get(at)
    return [(each, counts[each.code]) for each in tree if each.code in counts]
