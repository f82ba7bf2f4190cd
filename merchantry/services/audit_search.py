"""Looking things up in the audit trail: one event, or pages of those that a filter lets through, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Text, cast, func, or_, select, tuple_

from merchantry.domain.audit import AuditEvent, Outcome
from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded
from merchantry.services.audit import EVENT_COLUMNS, from_row
from merchantry.tables.platform import audit_event
from tenancy.database import Session

MAX_TEXT: Final = 100


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events: all that are given must fit. ``starts_at`` is included, ``ends_at`` is not, both by ``booked_at``.

    ``actor`` and ``act`` may end in ``*`` (``staff:*``, ``payout.*``). ``text`` is looked for in the facts; it reads
    every event of the span, so it needs ``starts_at``.
    """

    merchants: Sequence[UUID] | None = None
    actor: str | None = None
    act: str | None = None
    subject: str | None = None
    request_id: str | None = None
    outcome: Outcome | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    text: str | None = None

    def __post_init__(self) -> None:
        if self.text is not None and self.starts_at is None:
            raise InvalidInput(reason="Say from when on, where a text is looked for.", path=("filter", "from"))
        if self.text is not None and not 3 <= len(self.text) <= MAX_TEXT:
            raise InvalidInput(reason=Worded("Give 3 to {most} characters.", most=MAX_TEXT), path=("filter", "text"))

    def of(self, *merchant_ids: UUID) -> Self:
        """The same of these merchants only."""
        return replace(self, merchants=merchant_ids)


EVERYTHING: Final = AuditFilter()


async def find(session: Session, merchant_id: UUID, event_id: UUID) -> AuditEvent | None:
    """One event; a merchant's session finds only its own."""
    table = audit_event.c
    statement = select(*EVENT_COLUMNS).where(table.merchant_id == merchant_id, table.id == event_id)
    row = (await session.execute(statement)).one_or_none()
    return from_row(row) if row else None


async def events(
    session: Session, wanted: AuditFilter, first: int, after: tuple[datetime, UUID] | None = None
) -> list[AuditEvent]:
    """Newest first, up to ``first + 1``. A merchant's session sees its own, whatever the filter says."""
    table = audit_event.c
    statement = select(*EVENT_COLUMNS).order_by(table.booked_at.desc(), table.id.desc()).limit(first + 1)
    statement = statement.where(*_conditions(wanted))
    if after is not None:
        statement = statement.where(tuple_(table.booked_at, table.id) < after)
    return [from_row(row) for row in await session.execute(statement)]


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    table = audit_event.c
    found: list[ColumnElement[bool]] = []
    if wanted.merchants is not None:
        (only, *others) = wanted.merchants or (None,)
        found.append(table.merchant_id == func.any(list(wanted.merchants)) if others else table.merchant_id == only)
    found += [
        _named(column, value)
        for column, value in ((table.actor, wanted.actor), (table.act, wanted.act))
        if value is not None
    ]
    exact = {"subject": wanted.subject, "request_id": wanted.request_id, "outcome": wanted.outcome}
    found += [table[name] == value for name, value in exact.items() if value is not None]
    if wanted.starts_at is not None:
        found.append(table.booked_at >= wanted.starts_at)
    if wanted.ends_at is not None:
        found.append(table.booked_at < wanted.ends_at)
    if wanted.text is not None:
        facts = (func.lower(func.coalesce(cast(each, Text), "")) for each in (table.before, table.after))
        found.append(or_(*(func.strpos(each, wanted.text.lower()) > 0 for each in facts)))
    return found


def _named(column: ColumnElement[str], value: str) -> ColumnElement[bool]:
    """Equal, or with the same beginning where the value ends in ``*``."""
    return column.startswith(value[:-1], autoescape=True) if value.endswith("*") else column == value
