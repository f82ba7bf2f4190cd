"""Statements as people look through them: by number, with the lines of several at once, proven before they are shown.

Lines are frozen with their statement, so whatever snapshot they are read in shows the same.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select, true, tuple_

from merchantry.domain import statement as statements
from merchantry.languages.language import Language
from merchantry.services import statement as kept
from merchantry.services.statement import COLUMNS, LINES, ClaimedLine, ClosedStatement
from merchantry.tables.merchant_settlement import statement, statement_line
from merchantry.tables.platform import mall
from tenancy.database import MerchantSession


class DocumentDiffers(Exception):
    """A document built again is not the one that was issued: somebody must find out why before it is shown."""


async def by_number(session: MerchantSession, number: str) -> ClosedStatement | None:
    """The merchant's statement of this number."""
    row = (await session.execute(select(*COLUMNS).where(statement.c.number == number))).one_or_none()
    return kept.from_row(row) if row else None


async def lines_of(
    session: MerchantSession,
    statement_ids: Collection[UUID],
    *,
    limit: int,
    after: tuple[datetime, int] | None = None,
) -> dict[UUID, list[ClaimedLine]]:
    """The first lines of each of several statements, in one database statement."""
    asked = func.unnest(bindparam("statements", type_=ARRAY(Uuid))).table_valued("id").render_derived(name="asked")
    first = LINES.where(statement_line.c.statement_id == asked.c.id).limit(limit)
    if after is not None:
        first = first.where(tuple_(statement_line.c.available_at, statement_line.c.entry_seq) > tuple_(*after))
    page = first.lateral()
    query = select(asked.c.id.label("statement_id"), page).join_from(asked, page, true())
    query = query.order_by(asked.c.id, page.c.available_at, page.c.entry_seq)
    found: dict[UUID, list[ClaimedLine]] = {statement_id: [] for statement_id in statement_ids}
    for row in await session.execute(query, {"statements": list(statement_ids)}):
        found[row.statement_id].append(kept.line_from(row))
    return found


async def proven(session: MerchantSession, number: str) -> tuple[statements.Statement, str, Language] | None:
    """The statement of this number built again from the ledger, the name of whose mall it is, and its language.

    Raises DocumentDiffers where it is not what was closed.
    """
    found = await by_number(session, number)
    if found is None:
        return None
    again = await kept.rebuilt(session, found.id)
    if statements.content_hash(again) != found.content_hash:
        raise DocumentDiffers(f"statement {number} of merchant {session.merchant_id}")
    issuer: str = await session.scalar(select(mall.c.name))
    return again, issuer, Language(found.language)
