"""What everybody sees of the mall: listings, and shops with their own."""

from datetime import datetime

import strawberry

from graphql_api.category import Category
from graphql_api.context import Info
from graphql_api.enums import Language, ListingSort
from graphql_api.listing import ACTOR, Listing, find_listing
from graphql_api.listing_page import Asked, ListingPage, PriceRangeInput, asked_for, listing_page
from graphql_api.money import CurrencyCode, Money
from graphql_api.reader import language_of_texts
from graphql_api.relay import Node, Parts, encode_id, node, parse_id
from merchantry.domain.dispute import RETURN_DAYS
from merchantry.services import listing_facets, listing_search, merchant
from merchantry.services.listing_search import Wanted


@strawberry.type(description="A way in which a shop ships, at a flat rate per order.")
class ShippingOption:
    code: str
    title: str
    prices: list[Money]


@strawberry.type(description="A merchant's public page.")
class Shop(Node):
    id: strawberry.ID
    slug: str
    name: str
    legal_name: str
    description: str = strawberry.field(description="What it says of itself, as plain text; empty: nothing.")
    since: datetime = strawberry.field(description="When it came to the mall.")
    category: str
    shipping_options: list[ShippingOption]
    accepts_cash: bool = strawberry.field(
        description="Whether cash on delivery is taken; a checkout needs it of all its merchants."
    )
    return_days: int = strawberry.field(
        description="Days in which a return can be asked for, where a product's category says nothing else."
    )

    @strawberry.field
    async def categories(self, info: Info, language: Language | None = None) -> list[Category]:
        """The categories that it has listings in, and those above them."""
        reads = await language_of_texts(info.context, language)
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            conditions = await listing_search.conditions(session, Wanted(merchants=[self.slug]))
            found = await listing_facets.facets(session, conditions, {listing_facets.CATEGORIES})
        tree = Category.tree(found.tree, reads)
        return [tree[each.code] for each, _ in found.categories]

    @strawberry.field
    async def listings(
        self,
        info: Info,
        search: str | None = None,
        category: str | None = None,
        currency: CurrencyCode | None = None,
        price: PriceRangeInput | None = None,
        in_stock: bool = False,
        sort: ListingSort | None = None,
        first: int | None = None,
        after: str | None = None,
        language: Language | None = None,
    ) -> ListingPage:
        """Its published products; the arguments are those of the mall's listings."""
        wanted = asked_for(search, category, [self.slug], currency, price, in_stock)
        return await listing_page(info, Asked(wanted, sort, first, after, language))

    @staticmethod
    def of(found: merchant.ListedMerchant) -> "Shop":
        """The shop as the public sees it."""
        profile = found.profile
        return Shop(
            id=encode_id("Shop", found.merchant.id),
            slug=found.merchant.slug,
            name=profile.display_name,
            legal_name=profile.legal_name,
            description=profile.description,
            since=found.since,
            category=profile.category,
            shipping_options=[
                ShippingOption(
                    code=each.code,
                    title=each.title,
                    prices=[Money.of(amount, currency) for currency, amount in sorted(each.prices.items())],
                )
                for each in profile.shipping_options
            ],
            accepts_cash=profile.accepts_cash,
            return_days=RETURN_DAYS,
        )


@strawberry.type
class ListingQueries:
    @strawberry.field
    async def listings(
        self,
        info: Info,
        search: str | None = None,
        category: str | None = None,
        shop: str | None = None,
        merchants: list[str] | None = None,
        currency: CurrencyCode | None = None,
        price: PriceRangeInput | None = None,
        in_stock: bool = False,
        sort: ListingSort | None = None,
        first: int | None = None,
        after: str | None = None,
        language: Language | None = None,
    ) -> ListingPage:
        """Published products of all active merchants.

        `search` are words, of which each must be there: the beginning of one is enough, and one mistake is forgiven, in
        long words two. `category` is a code and means those below it too, `merchants` are slugs, and `shop` is one.
        With a `currency`, only what has a price in it. `language` is that of the texts shown, where they are
        translated; else what the viewer chose, else the request's Accept-Language. Words are looked for in all
        languages.
        """
        slugs = merchants if shop is None else [shop, *(merchants or ())]
        wanted = asked_for(search, category, slugs, currency, price, in_stock)
        return await listing_page(info, Asked(wanted, sort, first, after, language))

    @strawberry.field
    async def listing(self, info: Info, id: strawberry.ID, language: Language | None = None) -> Listing | None:
        """One listing, null where it is not in the mall; `language` as of listings."""
        found = parse_id(id)
        if found is None or found[0] != "Listing" or len(found[1]) != 2:
            return None
        return await find_listing(info, found[1], language)

    @strawberry.field
    async def shop(self, info: Info, slug: str) -> Shop | None:
        """An active merchant's public page."""
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            found = await merchant.shop(session, slug)
        return Shop.of(found) if found else None


@node("Shop", parts=1)
async def load_shop(info: Info, parts: Parts) -> Shop | None:
    """The active merchant's public page, for everybody."""
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        found = await merchant.by_ids(session, parts)
    return next((Shop.of(each) for each in found if each.merchant.is_active), None)
