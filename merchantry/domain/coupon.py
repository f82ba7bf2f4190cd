"""What coupons take off a cart: which of its lines they lower, by how much, and who pays for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from merchantry.domain.discount import share_discount
from merchantry.domain.errors import CouponEnded, CouponNotApplicable, CouponUnknown, CouponUsedUp, MarketError
from merchantry.domain.money import BPS, allocate, format_minor, of_bps
from merchantry.domain.text import Path
from merchantry.domain.worded import Worded

MAX_COUPONS: Final = 5
"""Of one checkout."""


class CouponKind(StrEnum):
    """How a coupon's discount is reckoned."""

    PERCENT = "percent"
    AMOUNT = "amount"


class CouponStatus(StrEnum):
    """Where a coupon stands. A paused one may be resumed, an ended one stays so."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """What a coupon promises; never changed once it exists.

    `amount_minor`, `minimum_minor` and `most_minor` are minor units by currency: the discount of an AMOUNT coupon, what
    its lines must come to, and the most it takes off. Empty `merchants`, `categories` and `products` mean all of them;
    a line must be in each of the three. `merchant_share_bps` of the discount is funded by the merchants whose lines are
    lowered, the rest by the platform. It is valid in [`starts_at`, `ends_at`).
    """

    kind: CouponKind
    starts_at: datetime
    ends_at: datetime | None = None
    percent_bps: int = 0
    amount_minor: Mapping[str, int] | None = None
    minimum_minor: Mapping[str, int] | None = None
    most_minor: Mapping[str, int] | None = None
    merchant_share_bps: int = 0
    merchants: frozenset[UUID] = frozenset()
    categories: frozenset[str] = frozenset()
    products: frozenset[UUID] = frozenset()
    most_uses: int | None = None
    most_uses_per_buyer: int | None = None

    @property
    def asks_for_products(self) -> bool:
        """Whether a line's product or category must be known to tell whether it is eligible."""
        return bool(self.categories or self.products)

    def covers(self, line: "CouponLine") -> bool:
        """Whether the line is eligible."""
        return (
            (not self.merchants or line.merchant_id in self.merchants)
            and (not self.categories or line.category in self.categories)
            and (not self.products or line.product_id in self.products)
        )

    def is_in(self, currency: str) -> bool:
        """Whether it can be used in a currency: every limit that it states, it states in that currency too."""
        stated = [amounts for amounts in (self.amount_minor, self.minimum_minor, self.most_minor) if amounts]
        return all(currency in amounts for amounts in stated)


@dataclass(frozen=True, slots=True)
class Coupon:
    """A coupon and how often it is in use. `merchant_id` is None for the platform's own."""

    id: UUID
    merchant_id: UUID | None
    code: str
    title: str
    status: CouponStatus
    terms: CouponTerms
    uses: int = 0


@dataclass(frozen=True, slots=True)
class CouponLine:
    """A line that coupons may lower: its goods as priced. Product and category are None where no coupon asks."""

    merchant_id: UUID
    goods_minor: int
    product_id: UUID | None = None
    category: str | None = None


@dataclass(frozen=True, slots=True)
class LineDiscount:
    """What is taken off a line, by who pays for it."""

    merchant_minor: int = 0
    platform_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What the buyer saves."""
        return self.merchant_minor + self.platform_minor

    def __add__(self, other: "LineDiscount") -> "LineDiscount":
        return LineDiscount(self.merchant_minor + other.merchant_minor, self.platform_minor + other.platform_minor)


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A coupon that a buyer gave, if there is one of that code.

    `uses_by_buyer` are the buyer's own so far; nobody can count a guest's. `path` leads to the code in the input.
    """

    code: str
    coupon: Coupon | None
    uses_by_buyer: int = 0
    path: Path = ()
    is_by_guest: bool = False


@dataclass(frozen=True, slots=True)
class AppliedCoupon:
    """What one coupon took off a checkout in all."""

    coupon: Coupon
    discount_minor: int


@dataclass(frozen=True, slots=True)
class Discounts:
    """What all coupons together take off: line by line in the order of the lines, and coupon by coupon."""

    lines: tuple[LineDiscount, ...]
    coupons: tuple[AppliedCoupon, ...] = ()


def apply(coupon: Coupon, lines: Sequence[CouponLine], currency: str, taken: Sequence[int] = ()) -> list[LineDiscount]:
    """What the coupon takes off each line, of which earlier coupons have `taken` so much already.

    The discount is reckoned once on what is left of all eligible lines, half-up, and divided among them by it, exactly.
    Its share that the platform funds is reckoned once too. Whether lines come to the minimum counts their goods as
    priced. Raises CouponNotApplicable.
    """
    terms = coupon.terms
    eligible = [terms.covers(line) for line in lines]
    left = [
        line.goods_minor - before if covered else 0
        for line, before, covered in zip(lines, taken or [0] * len(lines), eligible, strict=True)
    ]
    goods_minor = sum(line.goods_minor for line, covered in zip(lines, eligible, strict=True) if covered)
    _check_applicable(coupon, currency, goods_minor, any(eligible))
    discount_minor = _discount(terms, sum(left), currency)
    if not discount_minor:
        raise CouponNotApplicable(coupon=coupon.code, reason="There is nothing left that it could take off.")
    _, platform_minor = share_discount(discount_minor, BPS - terms.merchant_share_bps)
    shares = allocate(discount_minor, left)
    of_platform = allocate(platform_minor, shares)
    return [LineDiscount(share - platform, platform) for share, platform in zip(shares, of_platform, strict=True)]


def _check_applicable(coupon: Coupon, currency: str, goods_minor: int, has_lines: bool) -> None:
    if not has_lines:
        raise CouponNotApplicable(coupon=coupon.code, reason="It is for other goods than these.")
    if not coupon.terms.is_in(currency):
        raise CouponNotApplicable(
            coupon=coupon.code, reason=Worded("It is not for purchases in {currency}.", currency=currency)
        )
    minimum = (coupon.terms.minimum_minor or {}).get(currency, 0)
    if goods_minor < minimum:
        reason = Worded(
            "The goods that it is for must come to {minimum} {currency} at least.",
            minimum=format_minor(minimum, currency),
            currency=currency,
        )
        raise CouponNotApplicable(coupon=coupon.code, reason=reason)


def _discount(terms: CouponTerms, left_minor: int, currency: str) -> int:
    if terms.kind is CouponKind.PERCENT:
        wanted = of_bps(left_minor, terms.percent_bps)
    else:
        wanted = (terms.amount_minor or {})[currency]
    return min(wanted, left_minor, (terms.most_minor or {}).get(currency, left_minor))


def redeem(
    redeemed: Sequence[Redeemed], lines: Sequence[CouponLine], currency: str, at: datetime
) -> tuple[Discounts, list[MarketError]]:
    """What the coupons take off together, applied in the given order, each on what those before it left.

    Errors of coupons that can't be used are returned with their paths, and what the others take off.
    """
    taken = [LineDiscount() for _ in lines]
    applied: list[AppliedCoupon] = []
    problems: list[MarketError] = []
    merchants = {line.merchant_id for line in lines}
    for each in redeemed:
        try:
            coupon = usable(each, merchants, at)
            found = apply(coupon, lines, currency, [before.total_minor for before in taken])
        except (CouponUnknown, CouponNotApplicable, CouponUsedUp) as error:
            error.path = each.path
            problems.append(error)
            continue
        taken = [before + more for before, more in zip(taken, found, strict=True)]
        applied.append(AppliedCoupon(coupon, sum(more.total_minor for more in found)))
    return Discounts(tuple(taken), tuple(applied)), problems


def usable(given: Redeemed, merchants: set[UUID], at: datetime) -> Coupon:
    """The coupon, where this buyer may use it at this moment on goods of these merchants.

    Raises CouponUnknown, CouponNotApplicable, CouponUsedUp. What has not begun, and what is of merchants that the cart
    has nothing of, is as unknown as no coupon at all: a code that was guessed shows nothing of others' campaigns.
    """
    coupon = given.coupon
    if coupon is None or at < coupon.terms.starts_at or coupon.merchant_id not in (None, *merchants):
        raise CouponUnknown(coupon=given.code)
    terms = coupon.terms
    if coupon.status is CouponStatus.PAUSED:
        raise CouponNotApplicable(coupon=coupon.code, reason="It is paused at present.")
    if coupon.status is CouponStatus.ENDED or (terms.ends_at is not None and terms.ends_at <= at):
        raise CouponNotApplicable(coupon=coupon.code, reason="It has ended.")
    if terms.most_uses is not None and coupon.uses >= terms.most_uses:
        raise CouponUsedUp(coupon=coupon.code)
    if terms.most_uses_per_buyer is not None and given.is_by_guest:
        raise CouponNotApplicable(coupon=coupon.code, reason="Its uses are counted by buyer: sign in to use it.")
    if terms.most_uses_per_buyer is not None and given.uses_by_buyer >= terms.most_uses_per_buyer:
        raise CouponUsedUp(coupon=coupon.code)
    return coupon


def changed(coupon: Coupon, status: CouponStatus) -> Coupon:
    """The coupon in another status. Raises CouponEnded where it has ended for good."""
    if coupon.status is CouponStatus.ENDED and status is not CouponStatus.ENDED:
        raise CouponEnded(coupon=coupon.code)
    return replace(coupon, status=status)
