"""What the mall finds listings by: their words, lowest prices and stock, kept in the transactions that change them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, cast, delete, func, insert, literal, literal_column, select
from sqlalchemy.dialects.postgresql import REGCONFIG, TSVECTOR
from sqlalchemy.dialects.postgresql import insert as upsert

from merchantry.domain import search
from merchantry.domain.act import Act
from merchantry.domain.search import BODY, CATEGORY, CONFIGURATIONS, TITLE, Text
from merchantry.languages.translation import Translations
from merchantry.services import queue
from merchantry.services.queue import JobKind
from merchantry.services.variant import Variant
from merchantry.tables.listing import listing_price, listing_stock
from merchantry.tables.merchant import variant
from merchantry.tables.platform import listing
from tenancy.database import MerchantSession

TITLE_KEY: Final = 100
WEIGHTS: Final[Mapping[str, ColumnElement[Any]]] = {
    TITLE: literal_column("'A'::\"char\""),
    BODY: literal_column("'D'::\"char\""),
}
"""As PostgreSQL's type of one byte, which a parameter can't have."""


async def put(session: MerchantSession, product: Mapping[str, Any], variants: Sequence[Variant], act: Act) -> None:
    """Show a product as it is now; who was shown already keeps the moment of publication.

    ``product`` has the texts of a listing; ``variants`` are those with a price, locked, so that their stock stays as
    it is here until the transaction ends.
    """
    texts = texts_of(product, variants)
    row = {
        **{name: product[name] for name in ("title", "description", "category")},
        "merchant_id": session.merchant_id,
        "product_id": product["id"],
        "image_urls": list(product["image_urls"]),
        "variants": [_shown(each) for each in variants],
        "published_at": act.at,
        "updated_at": act.at,
        "translations": dict(product["translations"]),
        "title_key": search.fold(product["title"])[:TITLE_KEY],
    }
    statement = upsert(listing).values(**row, document=_document(texts, product["category"]))
    kept = {"merchant_id", "product_id", "published_at"}
    changed = {name: statement.excluded[name] for name in (*row, "document") if name not in kept}
    await session.execute(statement.on_conflict_do_update(index_elements=["merchant_id", "product_id"], set_=changed))
    await _forget(session, product["id"])
    await _offer(session, product["id"], variants)
    await queue.enqueue(session, session.merchant_id, JobKind.SEARCH_LEARN, session.merchant_id, act.booked_at)


async def remove(session: MerchantSession, product_id: UUID) -> None:
    """Show a product no longer. Its words stay known: they are words all the same."""
    await _forget(session, product_id)
    await session.execute(
        delete(listing).where(listing.c.merchant_id == session.merchant_id, listing.c.product_id == product_id)
    )


async def lock_variants(session: MerchantSession, product_id: UUID) -> None:
    """Keep a product's stock as it is until the transaction ends, so that the mall is told of every change of it."""
    statement = select(variant.c.id).where(variant.c.product_id == product_id).order_by(variant.c.id)
    await session.execute(statement.with_for_update())


def texts_of(product: Mapping[str, Any], variants: Sequence[Variant]) -> list[Text]:
    """What a listing is found by. The language of the texts first written is guessed: nobody says it."""
    language = search.language_of((product["title"], product["description"]))
    names = [Text(f"{each.title} {each.sku}", CATEGORY) for each in variants]
    own = [Text(product["title"], TITLE, language), Text(product["description"], BODY, language)]
    return [*own, *names, *_translated(product["translations"])]


def _translated(translations: Translations) -> list[Text]:
    """The texts in other languages, each with its own words and stems."""
    return [
        Text(text, TITLE if name == "title" else BODY, tag.partition("-")[0])
        for tag, texts in translations.items()
        for name, text in texts.items()
    ]


def _document(texts: Sequence[Text], category: str) -> ColumnElement[Any]:
    """Words as they are, stems in each text's language, and the category's code as a word that nobody can type."""
    words = f"{search.document(texts)} '#{category}':1{CATEGORY}"
    made: ColumnElement[Any] = cast(literal(words), TSVECTOR)
    for each in texts:
        if configuration := CONFIGURATIONS.get(each.language or ""):
            stems = func.to_tsvector(cast(f"pg_catalog.{configuration}", REGCONFIG), each.text)
            made = made.op("||")(func.setweight(stems, WEIGHTS[each.weight]))
    return made


def _shown(each: Variant) -> dict[str, Any]:
    return {"id": str(each.id), "sku": each.sku, "title": each.title, "prices": dict(each.prices)}


async def _forget(session: MerchantSession, product_id: UUID) -> None:
    for table in (listing_price, listing_stock):
        await session.execute(
            delete(table).where(table.c.merchant_id == session.merchant_id, table.c.product_id == product_id)
        )


async def _offer(session: MerchantSession, product_id: UUID, variants: Sequence[Variant]) -> None:
    key = {"merchant_id": session.merchant_id, "product_id": product_id}
    currencies = {currency for each in variants for currency in each.prices}
    prices = [
        {
            **key,
            "currency": currency,
            "amount_minor": min(each.prices[currency] for each in variants if currency in each.prices),
        }
        for currency in sorted(currencies)
    ]
    stock = [{**key, "variant_id": each.id, "available": each.available} for each in variants]
    await session.execute(insert(listing_price), prices)
    await session.execute(insert(listing_stock), stock)
