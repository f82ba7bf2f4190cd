"""A merchant's products, and what its staff do with them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.money import Money, MoneyInput
from graphql_api.problems import mutation
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page, take_own_id
from graphql_api.translation import ProductTranslation, ProductTranslationInput, of_product
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    ProductIncomplete,
    SkuTaken,
    StockRefused,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.services import catalogue, variant
from merchantry.services.idempotency import claim
from merchantry.services.variant import NewVariant
from tenancy.database import MerchantSession, Transaction

T = TypeVar("T")


@strawberry.type(description="A sellable form of a product.")
class Variant(Node):
    id: strawberry.ID
    sku: str
    title: str
    prices: list[Money] = strawberry.field(description="One price for each currency that it is sold in.")
    on_hand: int = strawberry.field(description="Pieces in the house, the reserved ones among them.")
    reserved: int = strawberry.field(description="Pieces that belong to orders not shipped yet.")
    available: int = strawberry.field(description="Pieces that can be sold.")
    external_ref: str | None = strawberry.field(description="What the merchant's own system calls it.")


@strawberry.type(description="A product of the merchant.")
class Product(Node):
    id: strawberry.ID
    title: str = strawberry.field(description="As it was first written; so are the titles of what was sold.")
    description: str = strawberry.field(description="As it was first written.")
    category: str
    status: str = strawberry.field(description="draft, published or archived.")
    image_urls: list[str]
    created_at: datetime
    updated_at: datetime
    variants: list[Variant] = strawberry.field(description="At most 100.")
    external_ref: str | None = strawberry.field(description="What the merchant's own system calls it.")
    translations: list[ProductTranslation] = strawberry.field(description="Its texts in other languages.")

    @staticmethod
    def of(merchant_id: UUID, found: catalogue.Product) -> "Product":
        """The product with its variants."""
        return Product(
            id=encode_id("Product", merchant_id, found.id),
            title=found.title,
            description=found.description,
            category=found.category,
            status=found.status,
            image_urls=list(found.image_urls),
            created_at=found.created_at,
            updated_at=found.updated_at,
            variants=[variant_of(merchant_id, each) for each in found.variants],
            external_ref=found.external_ref,
            translations=ProductTranslation.of(found.translations),
        )


def variant_of(merchant_id: UUID, found: variant.Variant) -> Variant:
    """The variant with its prices and stock."""
    return Variant(
        id=encode_id("Variant", merchant_id, found.id),
        sku=found.sku,
        title=found.title,
        prices=[Money.of(amount, currency) for currency, amount in sorted(found.prices.items())],
        on_hand=found.on_hand,
        reserved=found.reserved,
        available=found.on_hand - found.reserved,
        external_ref=found.external_ref,
    )


async def products(info: Info, first: int | None, after: str | None) -> Connection[Product]:
    """The merchant's products, newest first."""
    allowed = access.of_merchant(info.context, Permission.PRODUCT_READ)
    asked = page("products", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await catalogue.products(session, asked.first, asked.after)
    return connection_of(
        found, asked, cursor_of=lambda each: each.cursor, node_of=lambda each: Product.of(allowed.merchant_id, each)
    )


@node("Product", parts=2)
async def load_product(info: Info, parts: Parts) -> Product | None:
    """The product, for its merchant's staff."""
    allowed = access.of_merchant(info.context, Permission.PRODUCT_READ)
    if parts[0] != allowed.merchant_id:
        return None
    return await shown(info.context, allowed, parts[1])


@node("Variant", parts=2)
async def load_variant(info: Info, parts: Parts) -> Variant | None:
    """The variant, for its merchant's staff."""
    allowed = access.of_merchant(info.context, Permission.PRODUCT_READ)
    if parts[0] != allowed.merchant_id:
        return None
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await variant.variants(session, [parts[1]])
    return variant_of(allowed.merchant_id, found[parts[1]]) if parts[1] in found else None


async def shown(context: Context, allowed: access.MerchantAccess, product_id: UUID) -> Product:
    async with context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        return Product.of(allowed.merchant_id, await catalogue.product(session, product_id))


@strawberry.input(description="A variant to be.")
class NewVariantInput:
    sku: str
    title: str = strawberry.field(default="", description="What tells it from the product's other variants.")
    prices: list[MoneyInput]
    on_hand: int = 0


@strawberry.input(description="A product to be.")
class ProductCreateInput:
    title: str
    description: str = ""
    category: str = strawberry.field(description="The code of one of the mall's categories.")
    image_urls: list[str] = strawberry.field(default_factory=list)
    variants: list[NewVariantInput]
    translations: list[ProductTranslationInput] = strawberry.field(
        default_factory=list, description="Its texts in other languages, one for each."
    )


@strawberry.input(description="What of a product changes; what is left out stays.")
class ProductUpdateInput:
    product_id: strawberry.ID
    title: str | None = None
    description: str | None = None
    category: str | None = None
    image_urls: list[str] | None = None
    new_variants: list[NewVariantInput] = strawberry.field(default_factory=list)
    translations: list[ProductTranslationInput] = strawberry.field(
        default_factory=list, description="Its texts in other languages, one for each."
    )


@strawberry.input(description="A product to show in the mall, or to show no longer.")
class ProductPublishInput:
    product_id: strawberry.ID


@strawberry.input(description="A variant's price in one currency.")
class PriceSetInput:
    variant_id: strawberry.ID
    price: MoneyInput


@strawberry.input(description="Pieces that came in (positive) or are gone (negative).")
class StockAdjustInput:
    variant_id: strawberry.ID
    change: int
    idempotency_key: str


@strawberry.type(description="The product exists, as a draft.")
class ProductCreated:
    product: Product


@strawberry.type(description="The product has changed, in the mall too where it is published.")
class ProductUpdated:
    product: Product


@strawberry.type(description="The mall shows the product.")
class ProductPublished:
    product: Product


@strawberry.type(description="The mall shows the product no longer.")
class ProductUnpublished:
    product: Product


@strawberry.type(description="The price is in force.")
class PriceWasSet:
    variant: Variant


@strawberry.type(description="The stock has changed.")
class StockAdjusted:
    variant: Variant


def _new_variants(given: list[NewVariantInput], name: str) -> list[NewVariant]:
    return [
        NewVariant(
            each.sku,
            each.title,
            {
                price.currency: price.to_minor("input", name, position, "prices", at)
                for at, price in enumerate(each.prices)
            },
            each.on_hand,
        )
        for position, each in enumerate(given)
    ]


EXPECTED: list[type[MarketError]] = [NotFound, NotPermitted, InvalidInput]


@strawberry.type
class ProductMutations:
    @mutation(problems=[*EXPECTED, UnknownCurrency, SkuTaken])
    async def product_create(self, info: Info, input: ProductCreateInput) -> ProductCreated:
        """Add a product with its variants, as a draft."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        variants = _new_variants(input.variants, "variants")

        async def work(session: MerchantSession) -> UUID:
            return await catalogue.create_product(
                session,
                title=input.title,
                description=input.description,
                category=input.category,
                image_urls=input.image_urls,
                variants=variants,
                act=allowed.act,
                translations=of_product(input.translations),
            )

        return ProductCreated(product=await shown(info.context, allowed, await run(info.context, allowed, work)))

    @mutation(problems=[*EXPECTED, UnknownCurrency, SkuTaken, ProductIncomplete])
    async def product_update(self, info: Info, input: ProductUpdateInput) -> ProductUpdated:
        """Change a product's texts, images and category, and add variants."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        product_id = _product_id(info.context, allowed, input.product_id)
        variants = _new_variants(input.new_variants, "newVariants")

        async def work(session: MerchantSession) -> None:
            await catalogue.update_product(
                session,
                product_id,
                act=allowed.act,
                title=input.title,
                description=input.description,
                category=input.category,
                image_urls=input.image_urls,
                new_variants=variants,
                translations=of_product(input.translations),
            )

        await run(info.context, allowed, work)
        return ProductUpdated(product=await shown(info.context, allowed, product_id))

    @mutation(problems=[*EXPECTED, ProductIncomplete])
    async def product_publish(self, info: Info, input: ProductPublishInput) -> ProductPublished:
        """Show a product in the mall."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        product_id = _product_id(info.context, allowed, input.product_id)
        await run(info.context, allowed, lambda session: catalogue.publish(session, product_id, allowed.act))
        return ProductPublished(product=await shown(info.context, allowed, product_id))

    @mutation(problems=EXPECTED)
    async def product_unpublish(self, info: Info, input: ProductPublishInput) -> ProductUnpublished:
        """Take a product out of the mall; it is a draft again."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        product_id = _product_id(info.context, allowed, input.product_id)
        await run(info.context, allowed, lambda session: catalogue.unpublish(session, product_id, allowed.act))
        return ProductUnpublished(product=await shown(info.context, allowed, product_id))

    @mutation(problems=[*EXPECTED, UnknownCurrency])
    async def price_set(self, info: Info, input: PriceSetInput) -> PriceWasSet:
        """Set a variant's price in one currency."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        variant_id = _variant_id(info.context, allowed, input.variant_id)
        amount_minor, currency = input.price.to_minor("input", "price"), input.price.currency

        async def work(session: MerchantSession) -> variant.Variant:
            await catalogue.set_price(session, variant_id, currency, amount_minor, allowed.act)
            return (await variant.variants(session, [variant_id]))[variant_id]

        found = await run(info.context, allowed, work)
        return PriceWasSet(variant=variant_of(allowed.merchant_id, found))

    @mutation(problems=[*EXPECTED, StockRefused, IdempotencyConflict, IdempotencyInProgress])
    async def stock_adjust(self, info: Info, input: StockAdjustInput) -> StockAdjusted:
        """Count pieces in or out; what is reserved can't be taken out."""
        allowed = access.of_merchant(info.context, Permission.STOCK_WRITE)
        variant_id = _variant_id(info.context, allowed, input.variant_id)
        request = access.request("stockAdjust", input)

        async def work(session: MerchantSession) -> variant.Variant:
            if not await claim(session, allowed.merchant_id, allowed.act, request, variant_id):
                await variant.adjust_stock(session, variant_id, input.change, allowed.act)
            return (await variant.variants(session, [variant_id]))[variant_id]

        found = await run(info.context, allowed, work)
        return StockAdjusted(variant=variant_of(allowed.merchant_id, found))


def _product_id(context: Context, allowed: access.MerchantAccess, text: str) -> UUID:
    return take_own_id(context, text, "Product", 2, ("input", "productId"), allowed.merchant_id)[1]


def _variant_id(context: Context, allowed: access.MerchantAccess, text: str) -> UUID:
    return take_own_id(context, text, "Variant", 2, ("input", "variantId"), allowed.merchant_id)[1]


async def run(context: Context, allowed: access.MerchantAccess, work: Callable[[MerchantSession], Awaitable[T]]) -> T:
    """One transaction as the merchant."""

    async def as_merchant(tx: Transaction) -> T:
        async with tx.as_merchant(allowed.merchant_id) as session:
            return await work(session)

    return await context.database.run(allowed.act.actor, as_merchant)
