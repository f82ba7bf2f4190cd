"""Coupons as those see them whose they are: a merchant's staff, and the platform's."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import CouponKind, CouponStatus
from graphql_api.money import Money
from graphql_api.relay import Connection, Node, Page, Parts, connection_of, decode_id, encode_id, node, page
from merchantry.domain.errors import NotFound
from merchantry.domain.permission import Permission
from merchantry.services import coupon as coupons
from merchantry.services.coupon import ListedCoupon
from merchantry.tables.platform import NOBODY


@strawberry.type(description="What takes something off a checkout's lines. What it promises never changes.")
class Coupon(Node):
    id: strawberry.ID
    code: str
    title: str
    status: CouponStatus
    kind: CouponKind
    percent_bps: int | None = strawberry.field(description="In basis points: 1000 is 10 %.")
    amounts: list[Money] = strawberry.field(description="What it takes off, by currency.")
    minimum: list[Money] = strawberry.field(description="What the goods that it is for must come to.")
    most: list[Money] = strawberry.field(description="The most it takes off.")
    merchant_share_bps: int = strawberry.field(
        description="How much of the discount the merchants pay whose lines it lowers; the platform pays the rest."
    )
    merchants: list[strawberry.ID] = strawberry.field(description="Ids of shops; empty: all.")
    categories: list[str] = strawberry.field(description="Codes; empty: all.")
    products: list[strawberry.ID] = strawberry.field(description="Empty: all.")
    starts_at: datetime
    ends_at: datetime | None = strawberry.field(description="The first moment at which it is no longer valid.")
    most_uses: int | None
    most_uses_per_buyer: int | None
    uses: int = strawberry.field(description="By checkouts that are paid or may be yet.")
    created_at: datetime

    @staticmethod
    def of(listed: ListedCoupon) -> "Coupon":
        """The coupon as it is stored."""
        found, terms = listed.coupon, listed.coupon.terms
        owner = found.merchant_id or NOBODY
        return Coupon(
            id=encode_id("Coupon", owner, found.id),
            code=found.code,
            title=found.title,
            status=found.status,
            kind=terms.kind,
            percent_bps=terms.percent_bps if terms.kind is CouponKind.PERCENT else None,
            amounts=_amounts(terms.amount_minor),
            minimum=_amounts(terms.minimum_minor),
            most=_amounts(terms.most_minor),
            merchant_share_bps=terms.merchant_share_bps,
            merchants=[encode_id("Shop", each) for each in sorted(terms.merchants)],
            categories=sorted(terms.categories),
            products=[encode_id("Product", owner, each) for each in sorted(terms.products)],
            starts_at=terms.starts_at,
            ends_at=terms.ends_at,
            most_uses=terms.most_uses,
            most_uses_per_buyer=terms.most_uses_per_buyer,
            uses=found.uses,
            created_at=listed.created_at,
        )


def _amounts(by_currency: Mapping[str, int] | None) -> list[Money]:
    return [Money.of(amount_minor, currency) for currency, amount_minor in sorted((by_currency or {}).items())]


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[Coupon]:
    """The selected merchant's coupons, newest first."""
    allowed = access.of_merchant(info.context, Permission.COUPON_READ)
    return await _page(info, allowed.act.actor, allowed.merchant_id, _asked(first, after))


async def of_platform(
    info: Info, merchant: strawberry.ID | None, first: int | None, after: str | None
) -> Connection[Coupon]:
    """A merchant's coupons, or the platform's own, newest first."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_COUPON_READ)
    merchant_id = decode_id(merchant, "MerchantRecord", 1, ("merchant",))[0] if merchant else None
    return await _page(info, allowed.act.actor, merchant_id, _asked(first, after))


def _asked(first: int | None, after: str | None) -> Page:
    return page("coupons", (datetime, UUID), first, after)


async def _page(info: Info, actor: str, merchant_id: UUID | None, asked: Page) -> Connection[Coupon]:
    after = (asked.after[0], asked.after[1]) if asked.after else None
    async with info.context.database.read(actor) as tx, tx.as_platform() as session:
        found = await coupons.page(session, merchant_id, limit=asked.limit, after=after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Coupon.of)


@node("Coupon", parts=2)
async def load_coupon(info: Info, parts: Parts) -> Coupon | None:
    """The coupon, for staff of the merchant whose it is, and for the platform's."""
    context, (owner, coupon_id) = info.context, parts
    selected = context.caller.merchant
    if selected and selected.id == owner:
        actor = access.of_merchant(context, Permission.COUPON_READ).act.actor
    else:
        actor = access.of_platform(context, Permission.PLATFORM_COUPON_READ).act.actor
    return await find_coupon(context, actor, owner, coupon_id)


async def find_coupon(context: Context, actor: str, owner: UUID, coupon_id: UUID) -> Coupon:
    """The coupon of this owner, who is NOBODY for the platform. Raises NotFound."""
    async with context.database.read(actor) as tx, tx.as_platform() as session:
        found = await coupons.find(session, coupon_id, None if owner == NOBODY else owner)
    if found is None:
        raise NotFound(what="coupon", path=("input", "couponId"))
    return Coupon.of(found)
