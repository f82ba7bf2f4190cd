"""How many of a listed variant can be ordered, as the mall shows it: moved in the transactions that move the stock."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Integer, bindparam, update

from merchantry.tables.listing import listing_stock
from tenancy.database import MerchantSession

MOVE = (
    update(listing_stock)
    .where(listing_stock.c.merchant_id == bindparam("merchant"), listing_stock.c.variant_id == bindparam("variant"))
    .values(available=listing_stock.c.available + bindparam("more", type_=Integer))
)


async def moved(session: MerchantSession, pieces: Iterable[tuple[UUID, int]]) -> None:
    """So many pieces more, or fewer, of these variants can be ordered. The transaction has locked the variants, so
    their rows here are nobody else's; what is not listed has none."""
    rows = [
        {"merchant": session.merchant_id, "variant": variant_id, "more": more} for variant_id, more in pieces if more
    ]
    if rows:
        await session.execute(MOVE, rows)
