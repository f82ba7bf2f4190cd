"""Cases as people look through them: pages, single ones, and what happened to each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, bindparam, func, or_, select, tuple_

from merchantry.domain.case import ITS_OWN, SHOWN_TO_MERCHANTS, CaseKind, CaseStatus
from merchantry.services.case import CASE_COLUMNS, AnySession, Case, CaseAct, Fact, facts_from, from_row
from merchantry.tables.case import case_event, review_case
from tenancy.database import MerchantSession

SHOWN_ACTS = frozenset({CaseAct.OPEN, CaseAct.ASK, CaseAct.WITHDRAW, CaseAct.SETTLE, CaseAct.OVERDUE})
"""What a merchant is told of, whoever did it; what else the platform does with a case stays among its people, and what
they decided stands on the case."""


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """Something that happened to a case. ``owner`` is whom ASSIGN named."""

    seq: int
    kind: CaseAct
    actor: str
    text: str
    evidence: tuple[Fact, ...]
    owner: str | None
    occurred_at: datetime

    @property
    def concerns_merchant(self) -> bool:
        """Whether the merchant is told of it: what its own people did, and the steps that it must know."""
        return self.kind in SHOWN_ACTS or not self.actor.startswith("platform:")


_table = review_case.c
OF_MERCHANT = or_(_table.kind.in_(sorted(SHOWN_TO_MERCHANTS)), *map(_table.opened_by.startswith, ITS_OWN))
"""As ``Case.concerns_merchant`` says it."""

EVENTS = (
    select(case_event)
    .where(
        case_event.c.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))),
        case_event.c.case_id == func.any(bindparam("cases", type_=ARRAY(Uuid))),
    )
    .order_by(case_event.c.case_id, case_event.c.seq)
)


async def page(
    session: AnySession,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    statuses: Collection[CaseStatus] | None = None,
    kinds: Collection[CaseKind] | None = None,
    merchant_id: UUID | None = None,
    owner: str | None = None,
    overdue_at: datetime | None = None,
) -> list[Case]:
    """Newest first. A merchant's session sees those that concern its merchant; ``owner`` is an actor.

    ``overdue_at`` chooses those that are open and were due before this moment.
    """
    statement = _visible(session).order_by(_table.opened_at.desc(), _table.id.desc()).limit(limit)
    for column, wanted in ((_table.status, statuses), (_table.kind, kinds)):
        if wanted is not None:
            statement = statement.where(column.in_(list(wanted)))
    for column, one in ((_table.merchant_id, merchant_id), (_table.owner, owner)):
        if one is not None:
            statement = statement.where(column == one)
    if overdue_at is not None:
        statement = statement.where(_table.status == CaseStatus.OPEN, _table.due_at < overdue_at)
    if after is not None:
        statement = statement.where(tuple_(_table.opened_at, _table.id) < after)
    return [from_row(row) for row in await session.execute(statement)]


async def find(session: AnySession, merchant_id: UUID, case_id: UUID) -> Case | None:
    """One case; a merchant's session finds those that concern its merchant."""
    statement = _visible(session).where(_table.merchant_id == merchant_id, _table.id == case_id)
    row = (await session.execute(statement)).one_or_none()
    return from_row(row) if row else None


async def open_about(
    session: AnySession, merchant_id: UUID, kind: CaseKind, subject_kind: str, subject_id: str
) -> Case | None:
    """The open case of this kind about a subject, for whoever knows the subject and not the case."""
    statement = select(*CASE_COLUMNS).where(
        _table.status == CaseStatus.OPEN,
        _table.merchant_id == merchant_id,
        _table.kind == kind,
        _table.subject_kind == subject_kind,
        _table.subject_id == subject_id,
    )
    row = (await session.execute(statement)).one_or_none()
    return from_row(row) if row else None


async def stories(session: AnySession, cases: Sequence[Case]) -> dict[UUID, tuple[CaseEvent, ...]]:
    """What happened to several cases, in its order; a merchant's session sees what concerns its merchant."""
    keys = {"merchants": list({case.merchant_id for case in cases}), "cases": [case.id for case in cases]}
    found: dict[UUID, list[CaseEvent]] = {}
    for row in await session.execute(EVENTS, keys):
        event = CaseEvent(
            row.seq,
            CaseAct(row.kind),
            row.actor,
            row.text,
            facts_from(row.details.get("evidence", ())),
            row.details.get("owner"),
            row.occurred_at,
        )
        if event.concerns_merchant or not isinstance(session, MerchantSession):
            found.setdefault(row.case_id, []).append(event)
    return {case_id: tuple(events) for case_id, events in found.items()}


def _visible(session: AnySession) -> Select[Any]:
    statement = select(*CASE_COLUMNS)
    if isinstance(session, MerchantSession):
        return statement.where(_table.merchant_id == session.merchant_id, OF_MERCHANT)
    return statement
