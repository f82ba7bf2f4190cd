"""Searching 100,000 listings of 1,000 merchants: time and statements of what storefronts ask, beside ILIKE."""

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from statistics import median
from typing import Any
from uuid import UUID

import orjson
import psycopg

from benchmarks.installation import installed
from benchmarks.measuring import Options, facts, ms, parse_options, show
from merchantry.domain import search
from merchantry.domain.search import BODY, TITLE, Text
from merchantry.services import listing, listing_facets, listing_search
from merchantry.services.listing import ListingSort
from merchantry.services.listing_search import Wanted
from tenancy.database import Database, PublicSession
from tenancy.logins import Logins
from tenancy.metrics import Ended

MERCHANTS, LISTINGS, VOCABULARY, CATEGORIES = 1_000, 100_000, 20_000, 60
PAGE = 24
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
SYLLABLES = re.findall("..", "bacedifoguhakilomuneparasetivokalimonuporesatovi")

Ask = Callable[[PublicSession], Awaitable[object]]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    count = 10_000 if options.quick else LISTINGS
    with installed(options) as installation:
        words = vocabulary(random.Random(7))
        fill(installation.logins.owner, words, count)
        rows = asyncio.run(_measure(installation.logins, words, options))
        show(
            f"Search of {count:,} listings of {MERCHANTS:,} merchants (median of {runs(options)}, one connection)",
            facts(installation.logins.owner, options),
            ("question", "time", "statements", "found"),
            rows,
            "Read by the public's role in one REPEATABLE READ transaction each; BEGIN, role, COMMIT not counted.",
        )


def runs(options: Options) -> int:
    """How often each question is asked."""
    return 5 if options.quick else 15


def vocabulary(chance: random.Random) -> list[str]:
    """Words that look like some, the frequent ones first."""
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(chance.choices(SYLLABLES, k=chance.randint(2, 5)))] = None
    return list(found)


def fill(owner_url: str, words: list[str], count: int) -> None:
    """Put merchants and their listings where everybody reads them; nobody has a schema, which no search visits."""
    chance = random.Random(11)
    merchants = [UUID(int=chance.getrandbits(128), version=4) for _ in range(MERCHANTS)]
    with psycopg.connect(owner_url, autocommit=True) as connection, connection.cursor() as cursor:
        for number, merchant_id in enumerate(merchants):
            cursor.execute(MERCHANT, {"id": merchant_id, "n": number, "since": SINCE})
        for number in range(CATEGORIES):
            parent = None if number < 6 else f"c{number % 6}"
            cursor.execute(
                "INSERT INTO platform.category (code, name, parent) VALUES (%s, %s, %s)",
                [f"c{number}", f"Kategorie {number}", parent],
            )
        _copy(
            cursor,
            "listing_raw (merchant_id uuid, product_id uuid, title text, description text, category text,"
            " variants jsonb, published_at timestamptz, title_key text, words text, price bigint, stock int)",
            _rows(chance, merchants, words, count),
        )
        for statement in SPREAD:
            cursor.execute(statement)
        _learn(cursor)


MERCHANT = """
WITH made AS (INSERT INTO platform.merchant (id, slug, status, version, created_at)
    VALUES (%(id)s, 'shop-' || %(n)s, 'active', '0001', %(since)s) RETURNING id)
INSERT INTO platform.merchant_profile (merchant_id, number, legal_name, display_name, category, time_zone, currency,
    settlement_cycle, seller_of_record, commission_plan, shipping_options, complete_days_after_delivery,
    complete_days_after_shipping)
SELECT id, %(n)s, 'Shop ' || %(n)s, 'Shop ' || %(n)s, 'all', 'UTC', 'EUR', 'weekly', 'agent', 'standard', '[]', 7, 14
FROM made
"""
SPREAD = (
    """INSERT INTO platform.listing (merchant_id, product_id, title, description, category, image_urls, variants,
           published_at, updated_at, title_key, document)
       SELECT merchant_id, product_id, title, description, category, '{}', variants, published_at, published_at,
           title_key, words::tsvector || setweight(to_tsvector('pg_catalog.english', title), 'A')
               || setweight(to_tsvector('pg_catalog.english', description), 'D')
       FROM listing_raw""",
    "INSERT INTO platform.listing_price SELECT merchant_id, product_id, 'EUR', price FROM listing_raw",
    """INSERT INTO platform.listing_stock (merchant_id, variant_id, product_id, available)
       SELECT merchant_id, (variants -> 0 ->> 'id')::uuid, product_id, stock FROM listing_raw""",
    "VACUUM ANALYZE platform.listing, platform.listing_price, platform.listing_stock",
    "VACUUM ANALYZE platform.merchant, platform.merchant_profile, platform.category",
)


def _copy(cursor: psycopg.Cursor[Any], table: str, rows: Iterator[tuple[Any, ...]]) -> None:
    cursor.execute(f"CREATE TEMPORARY TABLE {table}".encode())
    with cursor.copy(f"COPY {table.split()[0]} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _rows(chance: random.Random, merchants: list[UUID], words: list[str], count: int) -> Iterator[tuple[Any, ...]]:
    """Listings whose words are as unevenly frequent as those of a language."""
    weights = list(accumulate(1 / (rank + 10) for rank in range(len(words))))
    for number in range(count):
        drawn = chance.choices(words, cum_weights=weights, k=25)
        title, description = " ".join(drawn[:5]).capitalize(), " ".join(drawn[5:])
        product_id, variant_id = (UUID(int=chance.getrandbits(128), version=4) for _ in range(2))
        price, stock = int(chance.lognormvariate(8, 1)) + 1, chance.randint(0, 9)
        variants = orjson.dumps([{"id": str(variant_id), "sku": f"S{number}", "title": "", "prices": {"EUR": price}}])
        document = f"{search.document([Text(title, TITLE), Text(description, BODY)])} '#c{number % CATEGORIES}':1B"
        yield (
            merchants[number % len(merchants)],
            product_id,
            title,
            description,
            f"c{number % CATEGORIES}",
            variants.decode(),
            SINCE + timedelta(seconds=number),
            search.fold(title),
            document,
            price,
            stock,
        )


def _learn(cursor: psycopg.Cursor[Any]) -> None:
    """The vocabulary, with its keys."""
    cursor.execute("SELECT DISTINCT lexeme FROM listing_raw, unnest(words::tsvector)")
    found = cursor.fetchall()
    with cursor.copy("COPY platform.search_word (word, keys) FROM STDIN") as copy:
        for (word,) in found:
            if keys := search.keys_of(word):
                copy.write_row((word, keys))
    cursor.execute("VACUUM ANALYZE platform.search_word")


async def _measure(logins: Logins, words: list[str], options: Options) -> list[tuple[str, str, str, str]]:
    database = Database(logins, pool_size=1)
    try:
        rows = []
        for name, ask in (await _questions(database, words)).items():
            times = [await _asked(database, ask) for _ in range(runs(options) + 1)][1:]
            statements, found = times[-1][1:]
            rows.append((name, ms(median(each[0] for each in times)), str(statements), found))
        return rows
    finally:
        await database.close()


async def _questions(database: Database, words: list[str]) -> dict[str, Ask]:
    rare, common = next(word for word in words[3_000:] if len(word) > 6), words[0]
    typo = rare[:2] + rare[3:]
    two = rare[0] + rare[2] + rare[1] + rare[3:-1]
    deep = await _deep(database)

    def page(sort: ListingSort = ListingSort.RELEVANCE, after: Any = None, **wanted: Any) -> Ask:
        asked = Wanted(**wanted)
        return lambda session: listing.listings(session, PAGE, after, wanted=asked, sort=listing.sort_of(asked, sort))

    def facets(**wanted: Any) -> Ask:
        async def ask(session: PublicSession) -> object:
            understood = await listing_search.conditions(session, Wanted(currency="EUR", **wanted))
            every = (listing_facets.CATEGORIES, listing_facets.MERCHANTS, listing_facets.PRICES)
            return (await listing_facets.facets(session, understood, every)).categories

        return ask

    return {
        "newest, no words": page(),
        f"a rare word ({rare})": page(search=rare),
        "a common word, by relevance": page(search=common),
        "two words": page(search=f"{words[3]} {words[40]}"),
        "the beginning of a word": page(search=rare[:4]),
        f"one mistake ({typo})": page(search=typo),
        f"two mistakes ({two})": page(search=two),
        "category with those below it": page(category="c1"),
        "in stock, 10 to 50 EUR": page(currency="EUR", least_minor=1_000, most_minor=5_000, in_stock=True),
        "cheapest first": page(ListingSort.PRICE_ASC, currency="EUR"),
        "cheapest first, after half of them": page(ListingSort.PRICE_ASC, deep, currency="EUR"),
        "common word, cheapest first": page(ListingSort.PRICE_ASC, search=common, currency="EUR"),
        "by title": page(ListingSort.TITLE),
        "facets of all": facets(),
        "facets of a common word": facets(search=common),
        "facets of a rare word": facets(search=rare),
    }


async def _deep(database: Database) -> Any:
    """The cursor of the listing in the middle of the prices."""
    async with database.read("benchmark") as tx, tx.as_platform() as session:
        from sqlalchemy import text

        row = (
            await session.execute(
                text(
                    "SELECT amount_minor, product_id, merchant_id FROM platform.listing_price"
                    " ORDER BY amount_minor, product_id, merchant_id LIMIT 1"
                    " OFFSET (SELECT count(*) / 2 FROM platform.listing_price)"
                )
            )
        ).one()
    return tuple(row)


async def _asked(database: Database, ask: Ask) -> tuple[float, int, str]:
    statements: list[str] = []

    def count(text: str) -> Ended:
        statements.append(text)
        return lambda _: None

    async with database.read("benchmark") as tx, tx.as_public() as session:
        database.statements.watchers.append(count)
        started = time.perf_counter()
        found = await ask(session)
        taken = time.perf_counter() - started
        database.statements.watchers.remove(count)
    assert isinstance(found, list | tuple)
    return taken, len(statements), str(min(len(found), PAGE)) if isinstance(found, list) else f"{len(found)} categories"


if __name__ == "__main__":
    main()
