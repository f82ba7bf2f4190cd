"""Products as an ERP has them: made where they are missing, changed where they are there."""

from typing import Annotated
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.bulk import RowRefused
from graphql_api.context import Info
from graphql_api.money import MoneyInput
from graphql_api.problems import mutation, within
from graphql_api.product import Product, run
from graphql_api.relay import encode_id
from graphql_api.translation import ProductTranslationInput, of_product
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    ProductIncomplete,
    ReferenceTaken,
    SkuTaken,
    StockRefused,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.services import catalogue, product_upsert
from merchantry.services.bulk import Refused
from merchantry.services.idempotency import claim
from merchantry.services.product_upsert import ProductGiven, Upserted, VariantGiven
from tenancy.database import MerchantSession


@strawberry.input(description="A variant as another system has it. What is left out stays.")
class VariantUpsertInput:
    sku: str = strawberry.field(description="Its SKU; where externalRef finds it, its new one.")
    external_ref: str | None = strawberry.field(default=None, description="What the other system calls it.")
    title: str | None = strawberry.field(default=None, description="What tells it from the product's other variants.")
    prices: list[MoneyInput] | None = strawberry.field(
        default=None, description="Prices to set, one in a currency; those in others stay."
    )
    on_hand: int | None = strawberry.field(default=None, description="Pieces in the house, the reserved ones too.")


@strawberry.input(description="A product as another system has it. What is left out stays.")
class ProductRowInput:
    external_ref: str | None = strawberry.field(
        default=None, description="What the other system calls it; without it the variants say which product it is."
    )
    title: str | None = strawberry.field(default=None, description="A new product needs one.")
    description: str | None = strawberry.field(default=None, description="What it is, in plain text.")
    category: str | None = strawberry.field(
        default=None, description="The code of one of the mall's categories; a new product needs one."
    )
    image_urls: list[str] | None = strawberry.field(default=None, description="At most 20, instead of those it has.")
    variants: list[VariantUpsertInput] = strawberry.field(
        default_factory=list, description="Variants to add or change, at most 100; others stay as they are."
    )
    is_published: bool | None = strawberry.field(default=None, description="Show it in the mall, or show it no longer.")
    translations: list[ProductTranslationInput] = strawberry.field(
        default_factory=list, description="Its texts in other languages, one for each."
    )


@strawberry.input(description="One product as another system has it.")
class ProductUpsertInput:
    product: ProductRowInput = strawberry.field(description="The product.")
    idempotency_key: str = strawberry.field(description="Repeated with the same product, nothing is done again.")


@strawberry.input(description="Products as another system has them.")
class ProductUpsertManyInput:
    rows: list[ProductRowInput] = strawberry.field(description="1 to 500, done one after the other.")
    idempotency_key: str = strawberry.field(description="Repeated with the same rows, nothing is done again.")


@strawberry.type(description="The product is as it was sent.")
class ProductUpserted:
    product: Product
    was_created: bool = strawberry.field(description="Whether there was no such product before.")


@strawberry.type(description="A row whose product is as it was sent.")
class ProductRowUpserted:
    row: int = strawberry.field(description="Its place among the rows, from 0.")
    product_id: strawberry.ID
    was_created: bool = strawberry.field(description="Whether there was no such product before.")


ProductRowResult = Annotated[
    ProductRowUpserted | RowRefused, strawberry.union("ProductRowResult", description="What one row came to.")
]


@strawberry.type(description="Every row was looked at; those that were not refused are done.")
class ProductsUpserted:
    results: list[ProductRowResult] = strawberry.field(description="One for each row, in their order: at most 500.")
    created: int = strawberry.field(description="How many products are new.")
    updated: int = strawberry.field(description="How many were there before.")
    refused: int = strawberry.field(description="How many rows did nothing.")


@strawberry.type
class ProductUpsertMutations:
    @mutation(
        problems=[
            NotFound,
            NotPermitted,
            InvalidInput,
            UnknownCurrency,
            SkuTaken,
            ReferenceTaken,
            StockRefused,
            ProductIncomplete,
            IdempotencyConflict,
            IdempotencyInProgress,
        ]
    )
    async def product_upsert(self, info: Info, input: ProductUpsertInput) -> ProductUpserted:
        """Make a product, or change the one that has this reference or these SKUs."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        given = _given(input.product, "input", "product")
        request, new_id = access.request("productUpsert", input), uuid4()

        async def work(session: MerchantSession) -> tuple[catalogue.Product, bool]:
            if first := await claim(session, allowed.merchant_id, allowed.act, request, new_id):
                done = await product_upsert.found_before(session, given, first)
            else:
                done = await product_upsert.upsert(session, given, new_id, allowed.act)
            return await catalogue.product(session, done.product_id), done.was_created

        with within("product"):
            found, was_created = await run(info.context, allowed, work)
        return ProductUpserted(product=Product.of(allowed.merchant_id, found), was_created=was_created)

    @mutation(problems=[NotPermitted, InvalidInput, UnknownCurrency, IdempotencyConflict, IdempotencyInProgress])
    async def product_upsert_many(self, info: Info, input: ProductUpsertManyInput) -> ProductsUpserted:
        """Make or change many products. A bad row hinders no other."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_WRITE)
        rows = [_row(each) for each in input.rows]
        request, batch_id = access.request("productUpsertMany", input), uuid4()

        async def work(session: MerchantSession) -> list[Upserted | Refused]:
            if first := await claim(session, allowed.merchant_id, allowed.act, request, batch_id):
                return await product_upsert.upserted_before(session, first)
            return await product_upsert.upsert_many(session, rows, batch_id, allowed.act)

        return _shown(await run(info.context, allowed, work), allowed.merchant_id)


def _shown(outcomes: list[Upserted | Refused], merchant_id: UUID) -> ProductsUpserted:
    done = [each.was_created for each in outcomes if isinstance(each, Upserted)]
    results: list[ProductRowResult] = [
        RowRefused.of(at, each)
        if isinstance(each, Refused)
        else ProductRowUpserted(
            row=at, product_id=encode_id("Product", merchant_id, each.product_id), was_created=each.was_created
        )
        for at, each in enumerate(outcomes)
    ]
    return ProductsUpserted(
        results=results, created=sum(done), updated=len(done) - sum(done), refused=len(outcomes) - len(done)
    )


def _row(row: ProductRowInput) -> ProductGiven | MarketError:
    """What is sent, or what is wrong with its prices."""
    try:
        return _given(row)
    except MarketError as error:
        return error


def _given(row: ProductRowInput, *path: str | int) -> ProductGiven:
    """Raises UnknownCurrency and InvalidInput for prices that are none."""
    return ProductGiven(
        external_ref=row.external_ref,
        title=row.title,
        description=row.description,
        category=row.category,
        image_urls=None if row.image_urls is None else tuple(row.image_urls),
        variants=tuple(
            VariantGiven(
                sku=each.sku,
                external_ref=each.external_ref,
                title=each.title,
                prices=None
                if each.prices is None
                else {
                    price.currency: price.to_minor(*path, "variants", position, "prices", at)
                    for at, price in enumerate(each.prices)
                },
                on_hand=each.on_hand,
            )
            for position, each in enumerate(row.variants)
        ),
        is_published=row.is_published,
        translations=tuple(of_product(row.translations)),
    )
