"""What a search of the mall means: words with their stems, beginnings and corrections, categories, prices, stock."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, Select, and_, cast, exists, false, func, literal, select, text, true
from sqlalchemy.dialects.postgresql import REGCONFIG, TSQUERY

from merchantry.domain import search
from merchantry.domain.search import CONFIGURATIONS, STOP_WORDS, Word
from merchantry.services import category
from merchantry.services.category import Category
from merchantry.tables.listing import listing_price, listing_stock
from merchantry.tables.platform import listing as table
from tenancy.database import PublicSession
from tenancy.tables import merchant

NEAR: Final = text(
    "SELECT DISTINCT given.key AS typed, near.word FROM jsonb_each(CAST(:keys AS jsonb)) AS given"
    " CROSS JOIN LATERAL (SELECT word FROM platform.search_word WHERE keys &&"
    " ARRAY(SELECT jsonb_array_elements_text(given.value)::int)) AS near"
    " WHERE NOT EXISTS (SELECT FROM platform.search_word AS known"
    " WHERE known.word >= given.key AND known.word < given.key || U&'\\+10FFFF')"
)
"""Of the given words those that nobody's listing has, and what each may have been meant for."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. Amounts are minor units of ``currency``, both ends included; without a currency all prices do.

    ``category`` is a code and means those below it too; ``merchants`` are slugs.
    """

    search: str | None = None
    category: str | None = None
    merchants: Sequence[str] | None = None
    currency: str | None = None
    least_minor: int | None = None
    most_minor: int | None = None
    in_stock: bool = False


@dataclass(frozen=True, slots=True)
class Conditions:
    """The same as SQL, apart where facets leave one of them out. ``query`` is what ``search`` means, for ranking."""

    wanted: Wanted
    query: ColumnElement[Any] | None
    words: ColumnElement[bool] = field(default_factory=true)
    category: ColumnElement[bool] = field(default_factory=true)
    merchants: ColumnElement[bool] = field(default_factory=true)
    price: ColumnElement[bool] = field(default_factory=true)

    def all(self) -> ColumnElement[bool]:
        """All of them."""
        return and_(self.words, self.category, self.merchants, self.price)


async def conditions(session: PublicSession, wanted: Wanted) -> Conditions:
    """What is wanted, understood: at most two statements, for the mall's categories and for mistyped words."""
    words = search.asked_for(wanted.search or "")
    tree = await category.categories(session) if words or wanted.category else []
    near = await _near(session, words)
    query = _query(words, near, tree) if words else None
    is_blank = not (wanted.search or "").strip()
    matches = (true() if is_blank else false()) if query is None else table.c.document.op("@@")(query)
    return Conditions(
        wanted,
        query,
        words=and_(matches, _in_stock() if wanted.in_stock else true()),
        category=table.c.category.in_(below(tree, wanted.category)) if wanted.category else true(),
        merchants=true() if wanted.merchants is None else merchant.c.slug.in_(wanted.merchants),
        price=_price(wanted),
    )


def below(tree: Collection[Category], code: str) -> list[str]:
    """A category's code, and those of all below it."""
    children: dict[str | None, list[str]] = {}
    for each in tree:
        children.setdefault(each.parent, []).append(each.code)
    found, at = [code], 0
    while at < len(found):
        found += children.get(found[at], [])
        at += 1
    return found


def shown() -> Select[Any]:
    """Listings of active merchants, without columns: who is suspended or closed is not among them at once."""
    return (
        select()
        .select_from(table)
        .join(merchant, merchant.c.id == table.c.merchant_id)
        .where(merchant.c.status == "active")
    )


def priced(statement: Select[Any], wanted: Wanted) -> Select[Any]:
    """With the lowest price in the currency, of those that have one; as it is where no currency is asked for."""
    if wanted.currency is None:
        return statement
    same = and_(
        listing_price.c.merchant_id == table.c.merchant_id,
        listing_price.c.product_id == table.c.product_id,
        listing_price.c.currency == wanted.currency,
    )
    return statement.join(listing_price, same)


def rank(query: ColumnElement[Any]) -> ColumnElement[int]:
    """How well a listing answers, as a whole number, so that a page can go on after it."""
    millionths = func.ts_rank(table.c.document, query) * 1_000_000
    return cast(millionths, Integer)


async def _near(session: PublicSession, words: Sequence[Word]) -> Mapping[str, list[str]]:
    """What mistyped words may have been meant for; nothing for those that begin a known word."""
    keys = {each.folded: found for each in words if (found := search.keys_of(each.folded))}
    if not keys:
        return {}
    known: dict[str, list[str]] = {}
    for row in await session.execute(NEAR, {"keys": json.dumps(keys)}):
        known.setdefault(row.typed, []).append(row.word)
    return {typed: search.corrections(typed, found) for typed, found in known.items()}


def _query(words: Sequence[Word], near: Mapping[str, list[str]], tree: Collection[Category]) -> ColumnElement[Any]:
    """Every word must be there: itself or as the beginning of one, a stem of it, what it is corrected to, or the name
    of the category."""
    return reduce(lambda left, right: left.op("&&")(right), (_word(each, near, tree) for each in words))


def _word(word: Word, near: Mapping[str, list[str]], tree: Collection[Category]) -> ColumnElement[Any]:
    here = f"'{word.folded}'" if word.is_pair else f"'{word.folded}':*"
    codes = {
        code
        for each in tree
        if any(name.startswith(word.folded) for text in each.names for name in search.words_of(text))
        for code in below(tree, each.code)
    }
    lexemes = [here, *(f"'{each}'" for each in near.get(word.folded, ())), *(f"'#{code}'" for code in sorted(codes))]
    made: ColumnElement[Any] = cast(literal(" | ".join(lexemes)), TSQUERY)
    if not word.is_pair:
        for language in STOP_WORDS:
            configuration = cast(f"pg_catalog.{CONFIGURATIONS[language]}", REGCONFIG)
            made = made.op("||")(func.plainto_tsquery(configuration, word.typed))
    return made


def _in_stock() -> ColumnElement[bool]:
    same = and_(listing_stock.c.merchant_id == table.c.merchant_id, listing_stock.c.product_id == table.c.product_id)
    return exists().where(same, listing_stock.c.available > 0)


def _price(wanted: Wanted) -> ColumnElement[bool]:
    amount = listing_price.c.amount_minor
    least = true() if wanted.least_minor is None else amount >= wanted.least_minor
    most = true() if wanted.most_minor is None else amount <= wanted.most_minor
    return and_(least, most)
