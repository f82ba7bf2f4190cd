"""Listings: what everybody sees of a merchant's products."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api.context import Info
from graphql_api.money import Money
from graphql_api.reader import language_of_texts
from graphql_api.relay import Node, Parts, encode_id, node
from merchantry.languages.language import Language
from merchantry.languages.translation import written
from merchantry.services import listing

ACTOR = "public"


@strawberry.type(description="A variant of a listed product, at its prices of now.")
class ListedVariant:
    id: strawberry.ID
    sku: str
    title: str
    prices: list[Money]
    available_quantity: int | None = strawberry.field(
        description="How many can be ordered, as of this answer; null where the mall has not been told yet."
    )


@strawberry.type(description="A published product of an active merchant.")
class Listing(Node):
    id: strawberry.ID
    merchant_slug: str
    merchant_name: str
    title: str = strawberry.field(
        description="In the reader's language where it is translated, else as it was first written."
    )
    description: str = strawberry.field(description="Like the title; each falls back by itself.")
    category: str
    image_urls: list[str]
    variants: list[ListedVariant]
    available_quantity: int | None = strawberry.field(description="How many of all its variants can be ordered.")
    price_as_of: datetime = strawberry.field(
        description="When its prices were written here; a checkout compares the price shown with the price then."
    )
    published_at: datetime
    updated_at: datetime

    @staticmethod
    def of(found: listing.Listing, stock: Mapping[UUID, int], language: Language | None) -> "Listing":
        """The listing as the public sees it, with what there is of its variants, in this language where it can be."""
        known = [stock[each.id] for each in found.variants if each.id in stock]
        return Listing(
            id=encode_id("Listing", found.merchant_id, found.product_id),
            merchant_slug=found.merchant_slug,
            merchant_name=found.merchant_name,
            title=written(found.title, "title", found.translations, language),
            description=written(found.description, "description", found.translations, language),
            category=found.category,
            image_urls=list(found.image_urls),
            variants=[
                ListedVariant(
                    id=encode_id("Variant", found.merchant_id, each.id),
                    sku=each.sku,
                    title=each.title,
                    prices=[Money.of(amount, currency) for currency, amount in sorted(each.prices.items())],
                    available_quantity=stock.get(each.id),
                )
                for each in found.variants
            ],
            available_quantity=sum(known) if known else None,
            price_as_of=found.updated_at,
            published_at=found.published_at,
            updated_at=found.updated_at,
        )


@node("Listing", parts=2)
async def load_listing(info: Info, parts: Parts) -> Listing | None:
    """The listing, for everybody."""
    return await find_listing(info, parts)


async def find_listing(info: Info, parts: Parts, asked: Language | None = None) -> Listing | None:
    """The listing in the language asked for or the reader's; None where it is not in the mall."""
    language = await language_of_texts(info.context, asked)
    merchant_id, product_id = parts
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        found = await listing.listing(session, merchant_id, product_id)
        stock = await listing.with_stock(session, [found]) if found else {}
    return Listing.of(found, stock, language) if found else None
