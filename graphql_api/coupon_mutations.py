"""What merchants and the platform do with their coupons."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.access import MerchantAccess, PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.coupon import Coupon, find_coupon
from graphql_api.money import MoneyInput
from graphql_api.problems import mutation
from graphql_api.relay import decode_id, take_id, take_own_id
from merchantry.domain.coupon import CouponKind, CouponStatus, CouponTerms
from merchantry.domain.errors import (
    CouponCodeTaken,
    CouponEnded,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    UnknownCurrency,
)
from merchantry.domain.money import BPS
from merchantry.domain.new_coupon import NewCoupon, normalised
from merchantry.domain.permission import Permission
from merchantry.domain.worded import Worded
from merchantry.services import coupon as coupons
from merchantry.services.idempotency import Request, claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

CODE = "3 to 32 letters, digits, - and _, unique in the mall; buyers may write it in any case."
PERCENT = "In basis points, 1000 is 10 %; either this or amounts."
AMOUNTS = "What it takes off, one for each currency that it can be used in."
MINIMUM = "What the goods that it is for must come to, by currency; it can be used in these currencies only."
MOST = "The most that it takes off, by currency; it can be used in these currencies only."
ENDS = "The first moment at which it is no longer valid."


@strawberry.input(description="A coupon for the merchant's own goods, at its own expense.")
class CouponCreateInput:
    code: str = strawberry.field(description=CODE)
    title: str
    percent_bps: int | None = strawberry.field(default=None, description=PERCENT)
    amounts: list[MoneyInput] = strawberry.field(default_factory=list, description=AMOUNTS)
    minimum: list[MoneyInput] = strawberry.field(default_factory=list, description=MINIMUM)
    most: list[MoneyInput] = strawberry.field(default_factory=list, description=MOST)
    categories: list[str] = strawberry.field(default_factory=list, description="Codes; all where it is left out.")
    products: list[strawberry.ID] = strawberry.field(default_factory=list, description="All where it is left out.")
    starts_at: datetime | None = strawberry.field(default=None, description="Now where it is left out.")
    ends_at: datetime | None = strawberry.field(default=None, description=ENDS)
    most_uses: int | None = None
    most_uses_per_buyer: int | None = None
    idempotency_key: str


@strawberry.input(description="A coupon of the platform.")
class PlatformCouponCreateInput:
    code: str = strawberry.field(description=CODE)
    title: str
    percent_bps: int | None = strawberry.field(default=None, description=PERCENT)
    amounts: list[MoneyInput] = strawberry.field(default_factory=list, description=AMOUNTS)
    minimum: list[MoneyInput] = strawberry.field(default_factory=list, description=MINIMUM)
    most: list[MoneyInput] = strawberry.field(default_factory=list, description=MOST)
    merchant_share_bps: int = strawberry.field(
        default=0,
        description="How much of the discount the merchants pay whose lines it lowers, in basis points. Above 0, name "
        "the merchants: each of them has to have agreed.",
    )
    merchants: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Ids of `platform { merchants }`; all where it is left out."
    )
    categories: list[str] = strawberry.field(default_factory=list, description="Codes; all where it is left out.")
    starts_at: datetime | None = strawberry.field(default=None, description="Now where it is left out.")
    ends_at: datetime | None = strawberry.field(default=None, description=ENDS)
    most_uses: int | None = None
    most_uses_per_buyer: int | None = None
    idempotency_key: str


@strawberry.input(description="A coupon to pause.")
class CouponPauseInput:
    coupon_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A paused coupon to resume.")
class CouponResumeInput:
    coupon_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A coupon to end for good.")
class CouponEndInput:
    coupon_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="The coupon can be used from its start on.")
class CouponCreated:
    coupon: Coupon


@strawberry.type(description="The platform's coupon can be used from its start on.")
class PlatformCouponCreated:
    coupon: Coupon


@strawberry.type(description="The coupon can't be used until it is resumed. Checkouts that are placed keep it.")
class CouponPaused:
    coupon: Coupon


@strawberry.type(description="The coupon can be used again.")
class CouponResumed:
    coupon: Coupon


@strawberry.type(description="The coupon can't be used any more. Checkouts that are placed keep it.")
class CouponWasEnded:
    coupon: Coupon


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    CouponEnded,
    IdempotencyConflict,
    IdempotencyInProgress,
]
EXPECTED_NEW: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    UnknownCurrency,
    CouponCodeTaken,
    IdempotencyConflict,
    IdempotencyInProgress,
]


@strawberry.type
class CouponMutations:
    @mutation(problems=EXPECTED_NEW)
    async def coupon_create(self, info: Info, input: CouponCreateInput) -> CouponCreated:
        """Create a coupon of the selected merchant. Needs coupon.write."""
        context = info.context
        allowed = access.of_merchant(context, Permission.COUPON_WRITE)
        merchant_id = allowed.merchant_id
        products = [
            take_own_id(context, each, "Product", 2, ("input", "products", position), merchant_id)[1]
            for position, each in enumerate(input.products)
        ]
        terms = _terms(input, allowed.act.at, BPS, [merchant_id], products)
        new = NewCoupon(uuid4(), merchant_id, normalised(input.code), input.title, terms)
        return CouponCreated(coupon=await _create(context, allowed, new, access.request("couponCreate", input)))

    @mutation(problems=EXPECTED_NEW)
    async def platform_coupon_create(self, info: Info, input: PlatformCouponCreateInput) -> PlatformCouponCreated:
        """Create a coupon of the platform, over all merchants or some. Needs platform.coupon.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_COUPON_WRITE)
        merchants = [
            decode_id(each, "MerchantRecord", 1, ("input", "merchants", position))[0]
            for position, each in enumerate(input.merchants)
        ]
        terms = _terms(input, allowed.act.at, input.merchant_share_bps, merchants, [])
        new = NewCoupon(uuid4(), None, normalised(input.code), input.title, terms)
        request = access.request("platformCouponCreate", input)
        return PlatformCouponCreated(coupon=await _create(context, allowed, new, request))

    @mutation(problems=EXPECTED)
    async def coupon_pause(self, info: Info, input: CouponPauseInput) -> CouponPaused:
        """Stop a coupon for a while. Needs coupon.write for one's own, platform.coupon.write for any."""
        request = access.request("couponPause", input)
        return CouponPaused(coupon=await _set_status(info.context, input.coupon_id, CouponStatus.PAUSED, request))

    @mutation(problems=EXPECTED)
    async def coupon_resume(self, info: Info, input: CouponResumeInput) -> CouponResumed:
        """Let a paused coupon be used again. Needs coupon.write for one's own, platform.coupon.write for any."""
        request = access.request("couponResume", input)
        return CouponResumed(coupon=await _set_status(info.context, input.coupon_id, CouponStatus.ACTIVE, request))

    @mutation(problems=EXPECTED)
    async def coupon_end(self, info: Info, input: CouponEndInput) -> CouponWasEnded:
        """End a coupon for good. Needs coupon.write for one's own, platform.coupon.write for any."""
        request = access.request("couponEnd", input)
        return CouponWasEnded(coupon=await _set_status(info.context, input.coupon_id, CouponStatus.ENDED, request))


def _terms(
    given: CouponCreateInput | PlatformCouponCreateInput,
    now: datetime,
    merchant_share_bps: int,
    merchants: Sequence[UUID],
    products: Sequence[UUID],
) -> CouponTerms:
    return CouponTerms(
        kind=CouponKind.AMOUNT if given.percent_bps is None else CouponKind.PERCENT,
        starts_at=given.starts_at or now,
        ends_at=given.ends_at,
        percent_bps=given.percent_bps or 0,
        amount_minor=_by_currency(given.amounts, "amounts"),
        minimum_minor=_by_currency(given.minimum, "minimum"),
        most_minor=_by_currency(given.most, "most"),
        merchant_share_bps=merchant_share_bps,
        merchants=frozenset(merchants),
        categories=frozenset(given.categories),
        products=frozenset(products),
        most_uses=given.most_uses,
        most_uses_per_buyer=given.most_uses_per_buyer,
    )


def _by_currency(given: Sequence[MoneyInput], name: str) -> Mapping[str, int]:
    amounts: dict[str, int] = {}
    for position, each in enumerate(given):
        amount_minor = each.to_minor("input", name, position)
        if each.currency in amounts:
            reason = Worded("Give one amount of {currency}.", currency=each.currency)
            raise InvalidInput(reason=reason, path=("input", name, position, "currency"))
        amounts[each.currency] = amount_minor
    return amounts


async def _create(
    context: Context, allowed: MerchantAccess | PlatformAccess, new: NewCoupon, request: Request
) -> Coupon:
    owner = new.merchant_id or NOBODY

    async def work(tx: Transaction) -> UUID:
        async with tx.as_platform() as session:
            if first := await claim(session, owner, allowed.act, request, new.id):
                return first
            await coupons.create(session, new, allowed.act)
            return new.id

    coupon_id = await context.database.run(allowed.act.actor, work)
    return await find_coupon(context, allowed.act.actor, owner, coupon_id)


async def _set_status(context: Context, given: strawberry.ID, status: CouponStatus, request: Request) -> Coupon:
    """For staff of the merchant whose it is; for the platform's staff it can be anybody's."""
    owner, coupon_id = take_id(context, given, "Coupon", 2, ("input", "couponId"))
    selected = context.caller.merchant
    allowed: MerchantAccess | PlatformAccess
    if selected and selected.id == owner:
        allowed, claimed_by = access.of_merchant(context, Permission.COUPON_WRITE), owner
    else:
        allowed, claimed_by = access.of_platform(context, Permission.PLATFORM_COUPON_WRITE), NOBODY
    merchant_id = None if owner == NOBODY else owner

    async def work(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            if not await claim(session, claimed_by, allowed.act, request, coupon_id):
                await coupons.set_status(session, coupon_id, merchant_id, status, allowed.act)

    await context.database.run(allowed.act.actor, work)
    return await find_coupon(context, allowed.act.actor, owner, coupon_id)
