"""Quotes: what a cart costs now."""

from datetime import datetime

import strawberry

from graphql_api.enums import SellerOfRecord
from graphql_api.money import Money
from graphql_api.relay import encode_id
from graphql_api.tax import LineTax
from merchantry.languages.language import Language
from merchantry.services.pricing import PricedPart
from merchantry.services.quote import Quote


@strawberry.type(description="A line of a quote, at the price that it has now.")
class QuoteLine:
    variant_id: strawberry.ID
    sku: str
    title: str = strawberry.field(
        description="In the reader's language where it is translated; the order will have it as it was first written."
    )
    quantity: int
    unit_price: Money
    goods: Money
    discount: Money
    tax: LineTax | None


@strawberry.type(description="What a coupon takes off a checkout.")
class UsedCoupon:
    code: str
    title: str
    discount: Money


@strawberry.type(description="One merchant's part of a quote.")
class QuotePart:
    merchant_name: str
    seller_name: str = strawberry.field(description="The legal name of whoever sells to the buyer.")
    seller_of_record: SellerOfRecord
    lines: list[QuoteLine]
    shipping_option: str
    goods: Money
    shipping: Money
    discount: Money
    added_tax: Money
    total: Money


@strawberry.type(
    description="What a cart costs now. Nothing is reserved until it is placed, coupons neither; if the total is "
    "another by then, it is refused."
)
class CheckoutQuoted:
    quote_id: strawberry.ID
    expires_at: datetime
    parts: list[QuotePart]
    goods: Money = strawberry.field(description="Before discounts.")
    shipping: Money
    discount: Money
    added_tax: Money = strawberry.field(description="Sales tax on top; what is inside the prices is not in it.")
    total: Money = strawberry.field(description="goods + shipping - discount + addedTax.")
    coupons: list[UsedCoupon] = strawberry.field(description="What each coupon does, in the order in which they apply.")

    @staticmethod
    def of(found: Quote, language: Language | None) -> "CheckoutQuoted":
        """The quote, priced, with its goods in this language where they can be."""
        currency, priced = found.cart.currency, found.priced
        return CheckoutQuoted(
            quote_id=encode_id("Quote", found.id),
            expires_at=found.expires_at,
            parts=[_quote_part(part, currency, language) for part in priced.parts],
            goods=Money.of(priced.goods_minor, currency),
            shipping=Money.of(priced.shipping_minor, currency),
            discount=Money.of(priced.discount_minor, currency),
            added_tax=Money.of(priced.added_tax_minor, currency),
            total=Money.of(priced.total_minor, currency),
            coupons=[
                UsedCoupon(
                    code=each.coupon.code, title=each.coupon.title, discount=Money.of(each.discount_minor, currency)
                )
                for each in priced.coupons
            ],
        )


def _quote_part(part: PricedPart, currency: str, language: Language | None) -> QuotePart:
    return QuotePart(
        merchant_name=part.shop.display_name,
        seller_name=part.shop.seller_name,
        seller_of_record=part.shop.seller,
        lines=[
            QuoteLine(
                variant_id=encode_id("Variant", part.shop.merchant_id, line.wanted.variant_id),
                sku=line.sku,
                title=line.titles.get(language.tag, line.title) if language else line.title,
                quantity=line.wanted.quantity,
                unit_price=Money.of(line.unit_price_minor, currency),
                goods=Money.of(line.goods_minor, currency),
                discount=Money.of(line.discount_minor, currency),
                tax=LineTax.of(line.amounts.tax, currency),
            )
            for line in part.lines
        ],
        shipping_option=part.shipping_option,
        goods=Money.of(part.goods_minor, currency),
        shipping=Money.of(part.shipping_minor, currency),
        discount=Money.of(part.discount_minor, currency),
        added_tax=Money.of(part.added_tax_minor, currency),
        total=Money.of(part.total_minor, currency),
    )
