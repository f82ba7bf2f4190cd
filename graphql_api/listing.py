"""What everybody sees: the mall's listings, categories and shops."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api.context import Info
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page, parse_id
from merchantry.domain.dispute import RETURN_DAYS
from merchantry.services import category, listing, merchant

ACTOR = "public"


@strawberry.type(description="A variant of a listed product, at its prices of now.")
class ListedVariant:
    id: strawberry.ID
    sku: str
    title: str
    prices: list[Money]


@strawberry.type(description="A published product of an active merchant.")
class Listing(Node):
    id: strawberry.ID
    merchant_slug: str
    merchant_name: str
    title: str
    description: str
    category: str
    image_urls: list[str]
    variants: list[ListedVariant]
    published_at: datetime
    updated_at: datetime

    @staticmethod
    def of(found: listing.Listing) -> "Listing":
        """The listing as the public sees it."""
        return Listing(
            id=encode_id("Listing", found.merchant_id, found.product_id),
            merchant_slug=found.merchant_slug,
            merchant_name=found.merchant_name,
            title=found.title,
            description=found.description,
            category=found.category,
            image_urls=list(found.image_urls),
            variants=[
                ListedVariant(
                    id=encode_id("Variant", found.merchant_id, each.id),
                    sku=each.sku,
                    title=each.title,
                    prices=[Money.of(amount, currency) for currency, amount in sorted(each.prices.items())],
                )
                for each in found.variants
            ],
            published_at=found.published_at,
            updated_at=found.updated_at,
        )


@strawberry.type(description="A category of products.")
class Category:
    code: str
    name: str
    parent: str | None
    hold_days: int | None = strawberry.field(
        description="Days from completion until the money is available, of its own or from above; null: the plan's."
    )
    return_days: int = strawberry.field(description="Days in which a return can be asked for; 0: none can.")
    own_hold_days: int | None = strawberry.field(description="What it says itself; null inherits.")
    own_return_days: int | None = strawberry.field(description="What it says itself; null inherits.")

    @staticmethod
    def of(found: category.Category) -> "Category":
        """The category from its row."""
        in_force, own = found.in_force, found.own
        return Category(
            code=found.code,
            name=found.name,
            parent=found.parent,
            hold_days=in_force.hold_days,
            return_days=RETURN_DAYS if in_force.return_days is None else in_force.return_days,
            own_hold_days=own.hold_days,
            own_return_days=own.return_days,
        )


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
    category: str
    shipping_options: list[ShippingOption]
    accepts_cash: bool = strawberry.field(
        description="Whether cash on delivery is taken; a checkout needs it of all its merchants."
    )

    @staticmethod
    def of(found: merchant.ListedMerchant) -> "Shop":
        """The shop as the public sees it."""
        profile = found.profile
        return Shop(
            id=encode_id("Shop", found.merchant.id),
            slug=found.merchant.slug,
            name=profile.display_name,
            legal_name=profile.legal_name,
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
        )


@strawberry.type
class ListingQueries:
    @strawberry.field
    async def listings(
        self,
        info: Info,
        category: str | None = None,
        shop: str | None = None,
        search: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Listing]:
        """Published products of all active merchants, the latest published first.

        `category` is a code, `shop` a slug, `search` words that title or description hold.
        """
        asked = page("listings", (datetime, UUID, UUID), first, after)
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            found = await listing.listings(
                session, asked.first, asked.after, category=category, merchant_slug=shop, search=search
            )
        return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Listing.of)

    @strawberry.field
    async def listing(self, info: Info, id: strawberry.ID) -> Listing | None:
        """One listing, null where it is not in the mall."""
        found = parse_id(id)
        if found is None or found[0] != "Listing" or len(found[1]) != 2:
            return None
        return await _find(info, *found[1])

    @strawberry.field
    async def categories(self, info: Info) -> list[Category]:
        """All categories of the mall, by code."""
        async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
            found = await category.categories(session)
        return [Category.of(each) for each in found]

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


@node("Listing", parts=2)
async def load_listing(info: Info, parts: Parts) -> Listing | None:
    """The listing, for everybody."""
    return await _find(info, *parts)


async def _find(info: Info, merchant_id: UUID, product_id: UUID) -> Listing | None:
    async with info.context.database.read(ACTOR) as tx, tx.as_public() as session:
        found = await listing.listing(session, merchant_id, product_id)
    return Listing.of(found) if found else None
