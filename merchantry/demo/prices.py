"""What changes prices in the demo's mall: a coupon of its own, one of its main merchant, and sales tax."""

from dataclasses import replace
from uuid import UUID, uuid4

from merchantry.demo import mall
from merchantry.demo.history import Once
from merchantry.demo.world import SYSTEM, read_world
from merchantry.domain.act import Act
from merchantry.domain.coupon import CouponKind, CouponTerms
from merchantry.domain.money import BPS
from merchantry.domain.new_coupon import NewCoupon
from merchantry.domain.tax import Remitter
from merchantry.domain.tax_rate import TaxRate
from merchantry.services import coupon, tax
from tenancy.database import Database, Transaction


async def agree(database: Database, at: Act, once: Once) -> None:
    """Coupons and rates, all at one moment; the merchants are there already."""
    main = (await read_world(database)).merchants[mall.MAIN]

    async def work(tx: Transaction) -> None:
        if not await once(tx, "prices", at.at):
            return
        async with tx.as_platform() as session:
            for new in _coupons(main, at):
                await coupon.create(session, new, at)
            for category, rate_bps in mall.TAXES:
                await tax.set_rate(session, _rate(category, rate_bps, at), at)

    await database.run(SYSTEM, work)


def _coupons(main: UUID, at: Act) -> list[NewCoupon]:
    welcome = CouponTerms(CouponKind.PERCENT, at.at, percent_bps=500, most_minor={"BRL": 3000})
    own = replace(welcome, percent_bps=1000, most_minor=None, merchant_share_bps=BPS, merchants=frozenset({main}))
    return [
        NewCoupon(uuid4(), None, mall.WELCOME, "Welcome to the mall", welcome),
        NewCoupon(uuid4(), main, mall.OWN_COUPON, "Ten per cent off at our shop", own),
    ]


def _rate(category: str, rate_bps: int, at: Act) -> TaxRate:
    return TaxRate(
        id=uuid4(),
        country="BR",
        region="",
        category=category,
        jurisdiction="BR",
        rate_bps=rate_bps,
        inclusive=True,
        covers_shipping=False,
        remitted_by=Remitter.MERCHANT,
        effective_from=at.at,
    )
