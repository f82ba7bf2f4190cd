"""The audit trail: who did what to which thing, written in the transaction of the act and never changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import select, tuple_

from merchantry.domain.act import Act
from merchantry.tables.platform import audit_event
from tenancy.database import MerchantSession, Session
from tenancy.writes import New, write

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act. ``merchant_id`` is NOBODY where it concerns no merchant; ``before`` and ``after`` hold what changed."""

    merchant_id: UUID
    id: UUID
    actor: str
    act: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    occurred_at: datetime
    booked_at: datetime

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.booked_at, self.id


async def record(
    session: Session,
    merchant_id: UUID,
    act: Act,
    what: str,
    subject: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """Write one event. ``what`` is noun and verb (``product.publish``), ``subject`` the id of what the noun names.

    A merchant's session writes only its own; the platform writes for any merchant, with NOBODY where none is concerned.
    """
    await write(session, event(session, merchant_id, act, what, subject, before, after))


def event(
    session: Session,
    merchant_id: UUID,
    act: Act,
    what: str,
    subject: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> New:
    """The event that :func:`record` writes, to be written together with the act."""
    row = {
        "merchant_id": merchant_id,
        "id": uuid4(),
        "actor": act.actor_seen_by_merchant if isinstance(session, MerchantSession) else act.actor,
        "act": what,
        "subject": subject,
        "before": before,
        "after": after,
        "occurred_at": act.at,
        "booked_at": act.booked_at,
    }
    return New(audit_event, row)


def record_as_owner(
    connection: psycopg.Connection[tuple[object, ...]],
    merchant_id: UUID,
    act: Act,
    what: str,
    subject: str,
    before: Facts | None = None,
    after: Facts | None = None,
) -> None:
    """:func:`record` where the owner of the tables acts: for what changes schemas and roles."""
    facts = (Jsonb(each) if each is not None else None for each in (before, after))
    connection.execute(
        "INSERT INTO platform.audit_event"
        " (merchant_id, id, actor, act, subject, before, after, occurred_at, booked_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [merchant_id, uuid4(), act.actor, what, subject, *facts, act.at, act.booked_at],
    )


async def find(session: Session, merchant_id: UUID, event_id: UUID) -> AuditEvent | None:
    """One event; a merchant's session finds only its own."""
    table = audit_event.c
    statement = select(audit_event).where(table.merchant_id == merchant_id, table.id == event_id)
    row = (await session.execute(statement)).mappings().one_or_none()
    return AuditEvent(**row) if row else None


async def events(
    session: Session, merchant_id: UUID | None, first: int, after: tuple[datetime, UUID] | None = None
) -> list[AuditEvent]:
    """Newest first, up to ``first + 1``. None asks for everybody's, of which a merchant's session sees its own."""
    table = audit_event.c
    statement = select(audit_event).order_by(table.booked_at.desc(), table.id.desc()).limit(first + 1)
    if merchant_id is not None:
        statement = statement.where(table.merchant_id == merchant_id)
    if after is not None:
        statement = statement.where(tuple_(table.booked_at, table.id) < after)
    return [AuditEvent(**row) for row in (await session.execute(statement)).mappings()]
