"""How many of a listed variant can be ordered, as the mall shows it: moved in the transactions that move the stock."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Uuid, bindparam, func, update

from merchantry.tables.listing import listing_stock
from tenancy.database import MerchantSession

_GIVEN = (
    func.unnest(bindparam("variants", type_=ARRAY(Uuid)), bindparam("more", type_=ARRAY(Integer)))
    .table_valued("variant_id", "more")
    .render_derived("given")
)
MOVE = (
    update(listing_stock)
    .where(listing_stock.c.merchant_id == bindparam("merchant"), listing_stock.c.variant_id == _GIVEN.c.variant_id)
    .values(available=listing_stock.c.available + _GIVEN.c.more)
)


async def moved(session: MerchantSession, pieces: Iterable[tuple[UUID, int]]) -> None:
    """So many pieces more, or fewer, of these variants can be ordered, each named once. The transaction has locked the
    variants, so their rows here are nobody else's; what is not listed has none."""
    given = [(variant_id, more) for variant_id, more in pieces if more]
    if given:
        variants, more = zip(*given, strict=True)
        await session.execute(MOVE, {"merchant": session.merchant_id, "variants": [*variants], "more": [*more]})
