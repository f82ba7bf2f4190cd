"""How many of a listed variant can be ordered, as the mall shows it: moved in the transactions that move the stock."""

from collections.abc import Iterable
from uuid import UUID

from merchantry.tables.listing import listing_stock
from tenancy.database import MerchantSession
from tenancy.writes import Raised, Write, write


async def moved(session: MerchantSession, pieces: Iterable[tuple[UUID, int]]) -> None:
    """So many pieces more, or fewer, of these variants can be ordered."""
    if writes := moves(session, pieces):
        await write(session, *writes)


def moves(session: MerchantSession, pieces: Iterable[tuple[UUID, int]]) -> list[Write]:
    """What :func:`moved` writes. The transaction has locked the variants, so their rows here are nobody else's; what is
    not listed has none."""
    return [
        Raised(listing_stock, {"merchant_id": session.merchant_id, "variant_id": variant_id}, {"available": more})
        for variant_id, more in pieces
        if more
    ]
