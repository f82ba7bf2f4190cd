"""The audit trail: who did what to which thing, written in the transaction of the act and never changed."""

import os
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Row, Table, insert

from merchantry.domain import audit as rules
from merchantry.domain.act import Act
from merchantry.domain.audit import SALT_BYTES, AuditEvent, Outcome, masked
from merchantry.tables.log import log_queue
from merchantry.tables.platform import audit_event
from tenancy.database import MerchantSession, Session
from tenancy.writes import New, Together, write

Facts = Mapping[str, Any]

LEAF_KIND = "audit_event"
"""The kind of leaf that an event has in the public log."""

EVENT_COLUMNS = [audit_event.c[name] for name in AuditEvent.__slots__]


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
    outcome: Outcome = Outcome.DONE,
) -> Together:
    """The event that :func:`record` writes, with its leaf of the public log, to be written together with the act."""
    actor = act.actor_seen_by_merchant if isinstance(session, MerchantSession) else act.actor
    made = _made(merchant_id, actor, act, what, subject, before, after, outcome)
    row = {name: getattr(made, name) for name in AuditEvent.__slots__}
    return Together((New(audit_event, row), New(log_queue, _queued(made))))


async def record_many(session: Session, events: Iterable[Together]) -> None:
    """Write events of :func:`event`, however many, with two statements."""
    rows: dict[Table, list[Mapping[str, Any]]] = {audit_event: [], log_queue: []}
    for each in (each for together in events for each in together.writes):
        if isinstance(each, New):
            rows[each.table].append(each.row)
    for table, added in rows.items():
        await session.execute(insert(table), added)


def _queued(made: AuditEvent) -> dict[str, Any]:
    """Raises ValueError for facts without an exact form: every event has a commitment."""
    return {
        "merchant_id": made.merchant_id,
        "kind": LEAF_KIND,
        "event_id": made.id,
        "leaf": rules.commitment(made),
        "booked_at": made.booked_at,
    }


def _made(
    merchant_id: UUID,
    actor: str,
    act: Act,
    what: str,
    subject: str,
    before: Facts | None,
    after: Facts | None,
    outcome: Outcome,
) -> AuditEvent:
    return AuditEvent(
        merchant_id=merchant_id,
        id=uuid4(),
        actor=actor,
        on_behalf_of=act.on_behalf_of,
        client=act.client,
        request_id=act.request_id,
        act=what,
        subject=subject,
        outcome=outcome,
        before=None if before is None else masked(before),
        after=None if after is None else masked(after),
        occurred_at=act.at,
        booked_at=act.booked_at,
        salt=os.urandom(SALT_BYTES),
    )


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
    made = _made(merchant_id, act.actor, act, what, subject, before, after, Outcome.DONE)
    values = [getattr(made, name) for name in AuditEvent.__slots__]
    connection.execute(
        "INSERT INTO platform.audit_event"
        " (merchant_id, id, actor, on_behalf_of, client, request_id, act, subject, outcome, before, after, occurred_at,"
        " booked_at, salt) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [Jsonb(value) if isinstance(value, dict) else value for value in values],
    )
    connection.execute(
        "INSERT INTO platform.log_queue (merchant_id, kind, event_id, leaf, booked_at) VALUES (%s, %s, %s, %s, %s)",
        list(_queued(made).values()),
    )


def from_row(row: Row[Any]) -> AuditEvent:
    """An event from a row of ``EVENT_COLUMNS``."""
    fields = row._asdict()
    return AuditEvent(**{**fields, "outcome": Outcome(fields["outcome"]), "salt": bytes(fields["salt"])})


def commitment_of(row: Row[Any]) -> bytes:
    """The 32 bytes that the public log shows of an event, from a row of ``EVENT_COLUMNS``."""
    return rules.commitment(from_row(row))
