"""Coupons: created, paused, resumed and ended by whose they are. What one promises never changes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.coupon import Coupon, CouponKind, CouponStatus, CouponTerms, changed
from merchantry.domain.errors import CouponCodeTaken, InvalidInput, NotFound
from merchantry.domain.new_coupon import NewCoupon, check
from merchantry.services import audit
from merchantry.tables.platform import NOBODY, category
from merchantry.tables.price_terms import coupon
from tenancy.database import PlatformSession
from tenancy.tables import merchant

ACTS: Mapping[CouponStatus, str] = {
    CouponStatus.ACTIVE: "coupon.resume",
    CouponStatus.PAUSED: "coupon.pause",
    CouponStatus.ENDED: "coupon.end",
}


@dataclass(frozen=True, slots=True)
class ListedCoupon:
    """A coupon as those see it whose it is."""

    coupon: Coupon
    created_at: datetime

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What orders a list of coupons."""
        return self.created_at, self.coupon.id


async def create(session: PlatformSession, new: NewCoupon, act: Act) -> None:
    """Make a coupon, active from its start on.

    Raises InvalidInput (see ``new_coupon.check``; and for unknown merchants or categories) and CouponCodeTaken.
    """
    check(new, act.at)
    await _require_listed(session, new.terms)
    row = {
        "id": new.id,
        "merchant_id": new.merchant_id or NOBODY,
        "code": new.code,
        "title": new.title.strip(),
        "status": CouponStatus.ACTIVE,
        **_columns(new.terms),
        "uses": 0,
        "created_by": act.actor,
        "created_at": act.booked_at,
    }
    inserted = insert(coupon).values(row).on_conflict_do_nothing(index_elements=["code"]).returning(coupon.c.id)
    if await session.scalar(inserted) is None:
        raise CouponCodeTaken(coupon=new.code, path=("code",))
    after = {"code": new.code, "title": new.title.strip(), "terms": _readable(new.terms)}
    await audit.record(session, new.merchant_id or NOBODY, act, "coupon.create", str(new.id), None, after)


async def _require_listed(session: PlatformSession, terms: CouponTerms) -> None:
    """Merchants and categories that a coupon names must exist. Products need not: a wrong one fits nothing."""
    if terms.merchants:
        known = select(func.count()).select_from(merchant).where(merchant.c.id == func.any(list(terms.merchants)))
        if await session.scalar(known) != len(terms.merchants):
            raise InvalidInput(reason="Name merchants of this mall only.", path=("merchants",))
    if terms.categories:
        known = select(func.count()).select_from(category).where(category.c.code == func.any(list(terms.categories)))
        if await session.scalar(known) != len(terms.categories):
            raise InvalidInput(reason="Name categories of this mall only.", path=("categories",))


async def set_status(
    session: PlatformSession, coupon_id: UUID, merchant_id: UUID | None, status: CouponStatus, act: Act
) -> None:
    """Pause, resume or end a coupon of this merchant (None: of the platform); nothing happens where it is so already.

    Checkouts that are placed keep what it took off. Raises NotFound, CouponEnded.
    """
    statement = select(coupon).where(coupon.c.id == coupon_id, coupon.c.merchant_id == (merchant_id or NOBODY))
    row = (await session.execute(statement.with_for_update())).one_or_none()
    if row is None:
        raise NotFound(what="coupon", path=("coupon_id",))
    found = from_row(row)
    if changed(found, status) == found:
        return
    await session.execute(update(coupon).where(coupon.c.id == coupon_id).values(status=status))
    before, after = {"status": found.status}, {"status": status}
    await audit.record(session, row.merchant_id, act, ACTS[status], str(coupon_id), before, after)


async def page(
    session: PlatformSession, merchant_id: UUID | None, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[ListedCoupon]:
    """Coupons of a merchant (None: the platform's own), newest first."""
    statement = (
        select(coupon)
        .where(coupon.c.merchant_id == (merchant_id or NOBODY))
        .order_by(coupon.c.created_at.desc(), coupon.c.id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(coupon.c.created_at, coupon.c.id) < tuple_(*after))
    return [ListedCoupon(from_row(row), row.created_at) for row in await session.execute(statement)]


async def find(session: PlatformSession, coupon_id: UUID, merchant_id: UUID | None) -> ListedCoupon | None:
    """The coupon of this merchant (None: of the platform), if there is one."""
    statement = select(coupon).where(coupon.c.id == coupon_id, coupon.c.merchant_id == (merchant_id or NOBODY))
    row = (await session.execute(statement)).one_or_none()
    return ListedCoupon(from_row(row), row.created_at) if row else None


def from_row(row: Row[Any]) -> Coupon:
    """A coupon from a row of its table."""
    terms = CouponTerms(
        kind=CouponKind(row.kind),
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        percent_bps=row.percent_bps,
        amount_minor=row.amount_minor,
        minimum_minor=row.minimum_minor,
        most_minor=row.most_minor,
        merchant_share_bps=row.merchant_share_bps,
        merchants=frozenset(row.merchants),
        categories=frozenset(row.categories),
        products=frozenset(row.products),
        most_uses=row.most_uses,
        most_uses_per_buyer=row.most_uses_per_buyer,
    )
    merchant_id = None if row.merchant_id == NOBODY else row.merchant_id
    return Coupon(row.id, merchant_id, row.code, row.title, CouponStatus(row.status), terms, row.uses)


def _columns(terms: CouponTerms) -> dict[str, Any]:
    columns = {each.name: getattr(terms, each.name) for each in fields(terms)}
    amounts = {name: dict(columns[name] or {}) for name in ("amount_minor", "minimum_minor", "most_minor")}
    lists = {name: sorted(columns[name]) for name in ("merchants", "categories", "products")}
    return columns | amounts | lists


def _readable(terms: CouponTerms) -> dict[str, Any]:
    """The terms as the audit trail keeps them; what says nothing is left out."""
    return {name: _plain(value) for name, value in _columns(terms).items() if value not in (None, 0, [], {})}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [str(each) for each in value] if isinstance(value, list) else value
