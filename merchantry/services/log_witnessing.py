"""What witnesses say of heads, as it is stored: whose cosignature is wanted next, and which heads are confirmed."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.note import Signature
from merchantry.services import log
from merchantry.services.log import Head
from merchantry.tables.log import log_confirmed, log_cosignature
from tenancy.database import PlatformSession, Session

HOLD: Final = timedelta(seconds=15)
"""So long all witnesses are asked about one head, where it is not confirmed sooner: else fast logs and slow witnesses
would never have enough cosignatures under any one. Witnesses that follow look every few seconds only."""

_ONE_AT_A_TIME: Final = text("SELECT pg_advisory_xact_lock(6962, 2)")


async def wanted(session: Session, now: datetime) -> Head | None:
    """The head that witnesses are asked about at this moment: the newest one, or the one that they are just at.

    Whatever worker asks, it is the same. None where there is none yet.
    """
    table = log_cosignature.c
    statement = (
        select(table.size, func.min(table.cosigned_at).label("since"))
        .group_by(table.size)
        .order_by(table.size.desc())
        .limit(1)
    )
    last = (await session.execute(statement)).one_or_none()
    is_confirmed = last is None or last.size <= (await log.confirmed_size(session) or 0)
    if last is not None and not is_confirmed and abs(now - last.since) < HOLD:
        return await log.head(session, last.size)
    return await log.head(session)


async def last_of(session: Session, witness: str) -> int:
    """The size of the last head that a witness cosigned; 0 before the first."""
    table = log_cosignature.c
    return await session.scalar(select(func.max(table.size)).where(table.witness == witness)) or 0


async def names(session: Session) -> list[str]:
    """The witnesses that have ever cosigned."""
    rows = await session.execute(select(log_cosignature.c.witness).distinct().order_by(log_cosignature.c.witness))
    return list(rows.scalars())


async def add_cosignature(
    session: PlatformSession,
    size: int,
    signature: Signature,
    cosigned_at: datetime,
    is_quorum: Callable[[Collection[str]], bool],
    now: datetime,
) -> bool:
    """Store a cosignature that was checked; the head is confirmed where it makes a quorum. Whether it did so now.

    One after the other: of two at once, neither would see that together they are enough.
    """
    await session.execute(_ONE_AT_A_TIME)
    row = {"size": size, "witness": signature.name, "signature": signature.line, "cosigned_at": cosigned_at}
    await session.execute(insert(log_cosignature).values(row).on_conflict_do_nothing())
    names = await session.execute(select(log_cosignature.c.witness).where(log_cosignature.c.size == size))
    if not is_quorum(set(names.scalars())):
        return False
    confirmed = insert(log_confirmed).values(size=size, confirmed_at=now).on_conflict_do_nothing()
    return (await session.execute(confirmed.returning(log_confirmed.c.size))).one_or_none() is not None
