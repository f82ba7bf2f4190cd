"""Coupons that checkouts use: looked up, counted under their locks, given back where nobody paid.

Coupons are locked in the order of their ids, after checkout and before merchants.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, exists, func, select

from merchantry.domain.checkout import Cart, CartCoupon
from merchantry.domain.coupon import AppliedCoupon, Coupon, Redeemed
from merchantry.domain.new_coupon import is_code
from merchantry.services.coupon import from_row
from merchantry.tables.price_terms import coupon, coupon_use
from tenancy.database import PlatformSession
from tenancy.tables import guest
from tenancy.writes import Changed, New, Write, write

USED, GIVEN_BACK = "used", "given_back"


@dataclass(frozen=True, slots=True)
class UsedCoupon:
    """What a coupon took off a checkout, as its buyer is shown it."""

    code: str
    title: str
    discount_minor: int


BY_CODE = select(coupon).where(coupon.c.code == func.any(bindparam("codes", type_=ARRAY(Text)))).order_by(coupon.c.id)
LOCKED_BY_CODE = BY_CODE.with_for_update()
USES_OF_BUYER = (
    select(coupon_use.c.coupon_id, func.count().label("uses"))
    .where(
        coupon_use.c.coupon_id == func.any(bindparam("coupons", type_=ARRAY(Uuid))),
        coupon_use.c.buyer_id == bindparam("buyer"),
        coupon_use.c.status == USED,
    )
    .group_by(coupon_use.c.coupon_id)
)
LOCKED_OF_CHECKOUT = (
    select(coupon.c.id, coupon.c.uses)
    .join(coupon_use, coupon_use.c.coupon_id == coupon.c.id)
    .where(coupon_use.c.checkout_id == bindparam("checkout"), coupon_use.c.status == USED)
    .order_by(coupon.c.id)
    .with_for_update(of=coupon)
)
OF_CHECKOUTS = (
    select(coupon_use.c.checkout_id, coupon.c.code, coupon.c.title, coupon_use.c.discount_minor)
    .join(coupon, coupon.c.id == coupon_use.c.coupon_id)
    .where(coupon_use.c.checkout_id == func.any(bindparam("checkouts", type_=ARRAY(Uuid))))
    .order_by(coupon_use.c.checkout_id, coupon.c.code)
)


async def redeemed(session: PlatformSession, cart: Cart, buyer_id: UUID, *, lock: bool) -> list[Redeemed]:
    """The cart's coupons in its order, with this buyer's uses so far where somebody counts them.

    With ``lock`` they stay as they are until the transaction ends. Uses are counted in a statement of their own, whose
    snapshot is younger than the locks.
    """
    codes = [given.code for given in cart.coupons if is_code(given.code)]
    rows = await session.execute(LOCKED_BY_CODE if lock else BY_CODE, {"codes": codes})
    found = {row.code: from_row(row) for row in rows}
    limited = [each.id for each in found.values() if each.terms.most_uses_per_buyer is not None]
    uses: dict[UUID, int] = {}
    is_guest = False
    if limited:
        is_guest = await session.scalar(select(exists().where(guest.c.id == buyer_id)))
        counted = await session.execute(USES_OF_BUYER, {"coupons": limited, "buyer": buyer_id})
        uses = {row.coupon_id: row.uses for row in counted}
    return [_redeemed(given, found.get(given.code), uses, is_guest=is_guest) for given in cart.coupons]


def _redeemed(given: CartCoupon, known: Coupon | None, uses: Mapping[UUID, int], *, is_guest: bool) -> Redeemed:
    return Redeemed(given.code, known, uses.get(known.id, 0) if known else 0, given.path, is_guest)


def uses(
    applied: Iterable[AppliedCoupon], checkout_id: UUID, buyer_id: UUID, currency: str, at: datetime
) -> list[Write]:
    """One more use of each coupon, which is locked; its table's CHECK is the last judge."""
    writes: list[Write] = []
    for each in applied:
        row = {
            "coupon_id": each.coupon.id,
            "checkout_id": checkout_id,
            "buyer_id": buyer_id,
            "status": USED,
            "currency": currency,
            "discount_minor": each.discount_minor,
            "used_at": at,
        }
        writes += [New(coupon_use, row), Changed(coupon, {"id": each.coupon.id}, {"uses": each.coupon.uses + 1})]
    return writes


async def give_back(session: PlatformSession, checkout_id: UUID) -> None:
    """The checkout, which is locked, was never paid: its uses count no longer."""
    writes: list[Write] = []
    for row in await session.execute(LOCKED_OF_CHECKOUT, {"checkout": checkout_id}):
        use = {"coupon_id": row.id, "checkout_id": checkout_id}
        writes += [Changed(coupon, {"id": row.id}, {"uses": row.uses - 1})]
        writes += [Changed(coupon_use, use, {"status": GIVEN_BACK})]
    if writes:
        await write(session, *writes)


async def of_checkouts(session: PlatformSession, checkout_ids: Sequence[UUID]) -> dict[UUID, list[UsedCoupon]]:
    """What coupons took off some checkouts, given back or not, by code."""
    found: dict[UUID, list[UsedCoupon]] = {}
    for row in await session.execute(OF_CHECKOUTS, {"checkouts": list(checkout_ids)}):
        found.setdefault(row.checkout_id, []).append(UsedCoupon(row.code, row.title, row.discount_minor))
    return found
