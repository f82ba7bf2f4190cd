"""What a buyer asks for, before it becomes orders: lines of several merchants in one currency."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.coupon import MAX_COUPONS
from merchantry.domain.errors import (
    CouponNotApplicable,
    EmptyCheckout,
    InvalidInput,
    InvalidQuantity,
    MarketError,
    TooManyCoupons,
    TooManyLines,
)
from merchantry.domain.new_coupon import normalised

MAX_LINES = 100
MAX_QUANTITY = 100_000
MAX_CODE = 50

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ship. ``country`` is ISO 3166-1 alpha-2, ``region`` the second part of ISO 3166-2."""

    name: str
    street: str
    city: str
    postal_code: str
    country: str
    phone: str | None = None
    region: str | None = None

    def document(self) -> dict[str, str | None]:
        """As it is stored with an order."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class CartLine:
    """Some of one variant at the unit price that the buyer saw; ``path`` leads to the input that it came from."""

    variant_id: UUID
    quantity: int
    seen_minor: int
    path: Path = ()


@dataclass(frozen=True, slots=True)
class CartPart:
    """One merchant's lines. ``shipping_option`` None takes the merchant's first that serves the currency."""

    merchant_id: UUID
    lines: tuple[CartLine, ...]
    shipping_option: str | None = None
    agreed_shipping_minor: int | None = None
    path: Path = ()


@dataclass(frozen=True, slots=True)
class CartCoupon:
    """A coupon's code; ``path`` leads to the input that it came from."""

    code: str
    path: Path = ()


@dataclass(frozen=True, slots=True)
class SeenTotal:
    """The total that the buyer was shown, in minor units of the cart's currency."""

    total_minor: int
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Cart:
    """A checkout to be, its parts in the order in which merchants are locked, its coupons in that in which they apply.

    With ``prices_agreed`` the prices seen are the prices, and nothing is added or taken off (an import of what was sold
    elsewhere); otherwise a price that has changed since is a problem, and so is the total where one was ``seen``.
    """

    currency: str
    ship_to: Address
    parts: tuple[CartPart, ...]
    prices_agreed: bool = False
    coupons: tuple[CartCoupon, ...] = ()
    seen: SeenTotal | None = None


def group(
    lines: Sequence[tuple[UUID, CartLine]], options: Mapping[UUID, tuple[str, Path]], path: Path
) -> tuple[tuple[CartPart, ...], list[MarketError]]:
    """Lines by merchant, merchants by id; repeated variants of equal price become one line. And what is wrong.

    ``path`` leads to the cart in the input.
    """
    problems = _problems([line for _, line in lines], path)
    by_merchant: dict[UUID, dict[tuple[UUID, int], CartLine]] = {}
    for merchant_id, line in lines:
        held = by_merchant.setdefault(merchant_id, {})
        known = held.get((line.variant_id, line.seen_minor))
        quantity = line.quantity + (known.quantity if known else 0)
        first_path = known.path if known else line.path
        held[line.variant_id, line.seen_minor] = CartLine(line.variant_id, quantity, line.seen_minor, first_path)
    for merchant_id, (_, option_path) in options.items():
        if merchant_id not in by_merchant:
            reason = "This shipping option is for a merchant without lines; leave it out."
            problems.append(InvalidInput(reason=reason, path=option_path))
    parts = []
    for merchant_id in sorted(by_merchant, key=lambda merchant: merchant.hex):
        option, option_path = options.get(merchant_id, (None, ()))
        parts.append(CartPart(merchant_id, tuple(by_merchant[merchant_id].values()), option, path=option_path))
    return tuple(parts), problems


def coupons(codes: Sequence[str], path: Path) -> tuple[tuple[CartCoupon, ...], list[MarketError]]:
    """The coupons of a cart, and what is wrong with them on their face. ``path`` leads to the codes in the input."""
    if len(codes) > MAX_COUPONS:
        return (), [TooManyCoupons(limit=MAX_COUPONS, path=path)]
    found: dict[str, CartCoupon] = {}
    problems: list[MarketError] = []
    for position, given in enumerate(codes):
        code, here = normalised(given)[:MAX_CODE], (*path, position)
        if code in found:
            problems.append(CouponNotApplicable(coupon=code, reason="It is named twice; name it once.", path=here))
        found.setdefault(code, CartCoupon(code, here))
    return tuple(found.values()), problems


def _problems(lines: Sequence[CartLine], path: Path) -> list[MarketError]:
    if not lines:
        return [EmptyCheckout(path=(*path, "lines"))]
    if len(lines) > MAX_LINES:
        return [TooManyLines(limit=MAX_LINES, path=(*path, "lines"))]
    return [
        InvalidQuantity(quantity=line.quantity, path=(*line.path, "quantity"))
        for line in lines
        if not 0 < line.quantity <= MAX_QUANTITY
    ]
