"""Verifying the audit trail against the public log: each event has its one leaf, made of it as it is stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_

from merchantry.services.audit import EVENT_COLUMNS, LEAF_KIND, commitment_of
from merchantry.services.books import UNREADABLE
from merchantry.services.log_laws import MOST, Findings, LogLaw
from merchantry.services.verification import Verified
from merchantry.tables.log import log_leaf, log_queue
from merchantry.tables.platform import audit_event
from tenancy.database import Database, PlatformSession

ACTOR = "system:verify"
PAGE = 1_000
TRAIL = "audit trail"
"""What stands where others have a merchant's slug."""


async def verify_events(database: Database) -> Verified:
    """Hold every event of the audit trail against the log, in one snapshot.

    Events from before they had leaves have none; whatever was booked after the first that has one has one too.
    """
    found, read = Findings(), 0
    last: tuple[UUID, UUID] | None = None
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        since = await _logged_since(session)
        while rows := await _page(session, last):
            leaves = await _leaves(session, rows)
            for row in rows:
                _check(found, row, leaves.get((row.merchant_id, row.id), []), since)
            last, read = (rows[-1].merchant_id, rows[-1].id), read + len(rows)
        await _check_strays(session, found)
    return Verified(TRAIL, read, found.all())


async def _page(session: PlatformSession, last: tuple[UUID, UUID] | None) -> Sequence[Row[Any]]:
    key = (audit_event.c.merchant_id, audit_event.c.id)
    statement = select(*EVENT_COLUMNS).order_by(*key).limit(PAGE)
    if last is not None:
        statement = statement.where(tuple_(*key) > tuple_(*last))
    return (await session.execute(statement)).all()


async def _logged_since(session: PlatformSession) -> datetime | None:
    """When the first event was booked that has a leaf."""
    event = audit_event.c
    for table in (log_leaf, log_queue):
        first = (
            select(event.booked_at)
            .join(table, (event.merchant_id == table.c.merchant_id) & (event.id == table.c.event_id))
            .order_by(event.booked_at)
            .limit(1)
        )
        moment: datetime | None = await session.scalar(first)
        if moment is not None:
            return moment
    return None


async def _leaves(session: PlatformSession, rows: Sequence[Row[Any]]) -> dict[tuple[UUID, UUID], list[Row[Any]]]:
    found: dict[tuple[UUID, UUID], list[Row[Any]]] = {}
    merchants = sorted({row.merchant_id for row in rows if row.merchant_id is not None})
    events = [row.id for row in rows if row.id is not None]
    for table in (log_leaf, log_queue):
        asked = select(table.c.merchant_id, table.c.event_id, table.c.kind, table.c.seq, table.c.leaf).where(
            table.c.merchant_id.in_(merchants), table.c.event_id.in_(events)
        )
        for row in await session.execute(asked):
            found.setdefault((row.merchant_id, row.event_id), []).append(row)
    return found


def _is_before(moment: datetime | None, since: datetime) -> bool:
    """Nothing holds a column to what it may be where a superuser has been."""
    return moment is not None and moment < since


def _check(found: Findings, row: Row[Any], leaves: Sequence[Row[Any]], since: datetime | None) -> None:
    name = f"audit event {row.id}"
    if not leaves and (since is None or _is_before(row.booked_at, since)):
        return
    if len(leaves) != 1 or leaves[0].kind != LEAF_KIND or leaves[0].seq is not None:
        found.report(LogLaw.EVENT_LOGGED, name, expected="one leaf", found=f"{len(leaves)} leaves")
        return
    logged = bytes(leaves[0].leaf or b"").hex()
    try:
        expected = commitment_of(row).hex()
    except UNREADABLE as error:
        found.report(LogLaw.EVENT_LOGGED, name, expected=logged, found=error)
        return
    if expected != logged:
        found.report(LogLaw.EVENT_LOGGED, name, expected=expected, found=logged)


async def _check_strays(session: PlatformSession, found: Findings) -> None:
    """Leaves of events that are not there."""
    event = audit_event.c
    for table in (log_leaf, log_queue):
        of = table.c
        strays = (
            select(of.event_id)
            .outerjoin(audit_event, (event.merchant_id == of.merchant_id) & (event.id == of.event_id))
            .where(of.event_id.is_not(None) | (of.kind == LEAF_KIND), event.id.is_(None))
            .limit(MOST)
        )
        for row in await session.execute(strays):
            found.report(LogLaw.EVENT_LOGGED, f"audit event {row.event_id}", expected="an event", found="only its leaf")
