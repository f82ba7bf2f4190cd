"""Refused attempts in the audit trail: so many of one actor in a minute, so that a storm of them can't fill it."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.act import Act
from merchantry.domain.audit import Outcome
from merchantry.services import audit
from merchantry.tables.platform import audit_event
from tenancy.database import PlatformSession
from tenancy.writes import write

PER_MINUTE: Final = 20
"""Of one actor at one act. Attempts at once may each count before the others are written, and pass it by so many."""


async def refuse(
    session: PlatformSession, merchant_id: UUID, act: Act, what: str, subject: str, after: audit.Facts
) -> bool:
    """Write that an attempt was refused, unless the actor has tried too often in the last minute: then False."""
    table = audit_event.c
    lately = select(table.id).where(
        table.actor == act.actor,
        table.booked_at > act.booked_at - timedelta(minutes=1),
        table.act == what,
        table.outcome == Outcome.REFUSED,
    )
    if await session.scalar(select(func.count()).select_from(lately.limit(PER_MINUTE).subquery())) >= PER_MINUTE:
        return False
    await write(session, audit.event(session, merchant_id, act, what, subject, None, after, Outcome.REFUSED))
    return True
