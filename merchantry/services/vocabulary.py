"""The words of the mall's listings that mistyped ones are corrected to: learned by a job after listings changed."""

from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain import search
from merchantry.tables.listing import search_word
from tenancy.database import PlatformSession

NEW = text(
    'SELECT DISTINCT word.lexeme COLLATE "C" AS lexeme FROM platform.listing, unnest(listing.document) AS word'
    " WHERE listing.merchant_id = :merchant AND length(word.lexeme) BETWEEN :shortest AND :longest"
    ' AND NOT EXISTS (SELECT FROM platform.search_word AS known WHERE known.word = word.lexeme COLLATE "C")'
    " ORDER BY 1"
).bindparams(bindparam("shortest", search.SHORTEST_CORRECTED), bindparam("longest", search.LONGEST_CORRECTED))
LEARN = insert(search_word).on_conflict_do_nothing()


async def learn(session: PlatformSession, merchant_id: UUID) -> int:
    """Remember what a merchant's listings have that nobody's had before; returns how many words. In their order, so
    that two who learn the same don't wait crosswise."""
    found = (row.lexeme for row in await session.execute(NEW, {"merchant": merchant_id}))
    rows = [{"word": word, "keys": keys} for word in found if (keys := search.keys_of(word))]
    if rows:
        await session.execute(LEARN, rows)
    return len(rows)
