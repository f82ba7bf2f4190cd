"""Carts as clients send them."""

from uuid import UUID

import strawberry

from graphql_api.address import AddressInput
from graphql_api.context import Context
from graphql_api.money import CurrencyCode, MoneyInput
from graphql_api.relay import encode_id, take_id
from merchantry.domain.checkout import Cart, CartLine, Path, SeenTotal, coupons, group
from merchantry.domain.errors import (
    CheckoutRejected,
    MarketError,
    MixedCurrencies,
    NotFound,
    UnknownCurrency,
    UnknownVariant,
)
from merchantry.domain.money import digits


@strawberry.input(description="Some of a variant, at the price that the buyer saw.")
class CheckoutLineInput:
    variant_id: strawberry.ID
    quantity: int
    price: MoneyInput = strawberry.field(description="The unit price that was shown; a price changed since is refused.")


@strawberry.input(description="How one merchant ships its part.")
class ShippingChoiceInput:
    merchant_id: strawberry.ID
    option: str = strawberry.field(description="The code of one of the shop's shipping options.")


@strawberry.input(description="A cart.")
class CartInput:
    currency: CurrencyCode
    lines: list[CheckoutLineInput]
    ship_to: AddressInput
    shipping: list[ShippingChoiceInput] = strawberry.field(
        default_factory=list, description="Merchants left out ship by their first option that serves the currency."
    )
    coupon_codes: list[str] = strawberry.field(
        default_factory=list, description="At most 5, applied in this order, each on what those before it left."
    )
    total: MoneyInput | None = strawberry.field(
        default=None, description="The total that was shown; a total changed since is refused."
    )


def cart_of(context: Context, given: CartInput, path: tuple[str, ...]) -> Cart:
    """The cart from its input. Raises CheckoutRejected with everything that is wrong with it on its face."""
    ship_to = given.ship_to.to_domain(*path, "shipTo")
    problems: list[MarketError] = []
    try:
        digits(given.currency)
    except UnknownCurrency as error:
        error.path = (*path, "currency")
        raise CheckoutRejected(problems=(error,)) from error
    lines = []
    for position, each in enumerate(given.lines):
        try:
            lines.append(_cart_line(context, each, given.currency, (*path, "lines", position)))
        except MarketError as error:
            problems.append(error)
    options: dict[UUID, tuple[str, Path]] = {}
    for position, choice in enumerate(given.shipping):
        here: Path = (*path, "shipping", position)
        try:
            (merchant_id,) = take_id(context, choice.merchant_id, "Shop", 1, (*here, "merchantId"))
            options[merchant_id] = (choice.option, (*here, "option"))
        except NotFound as error:
            problems.append(error)
    parts, found = group(lines, options, path)
    problems += [] if problems and not lines else found
    codes, found = coupons(given.coupon_codes, (*path, "couponCodes"))
    problems += found
    try:
        seen = _seen(given, (*path, "total"))
    except MarketError as error:
        problems.append(error)
    if problems:
        raise CheckoutRejected(problems=tuple(problems))
    return Cart(given.currency, ship_to, parts, coupons=codes, seen=seen)


def _seen(given: CartInput, path: tuple[str, ...]) -> SeenTotal | None:
    if given.total is None:
        return None
    total_minor = given.total.to_minor(*path)
    if given.total.currency != given.currency:
        raise MixedCurrencies(currencies=(given.currency, given.total.currency), path=(*path, "currency"))
    return SeenTotal(total_minor, path)


def remember(context: Context, cart: Cart) -> None:
    """Problems about a quote's lines name its variants as the quote did."""
    for part in cart.parts:
        for line in part.lines:
            variant_id = encode_id("Variant", part.merchant_id, line.variant_id)
            context.given_ids.setdefault(line.variant_id, variant_id)


def _cart_line(
    context: Context, given: CheckoutLineInput, currency: str, path: tuple[str | int, ...]
) -> tuple[UUID, CartLine]:
    try:
        merchant_id, variant_id = take_id(context, given.variant_id, "Variant", 2)
    except NotFound as error:
        raise UnknownVariant(variant_id=given.variant_id, path=(*path, "variantId")) from error
    seen_minor = given.price.to_minor(*path, "price")
    if given.price.currency != currency:
        raise MixedCurrencies(currencies=(currency, given.price.currency), path=(*path, "price", "currency"))
    return merchant_id, CartLine(variant_id, given.quantity, seen_minor, path)
