"""Verdicts as people read them: what every rule made of an act, in the order in which it was judged."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select

from merchantry.domain.review import Outcome, RuleSubject
from merchantry.tables.review import review
from tenancy.database import MerchantSession


@dataclass(frozen=True, slots=True)
class TrailVerdict:
    """A verdict as it is stored; of an act in the story of ``trail_id``."""

    trail_id: UUID
    subject: RuleSubject
    subject_id: UUID
    rule: str
    version: int
    title: str
    outcome: Outcome
    reason: str
    figures: dict[str, Any]
    decided_at: datetime


_table = review.c
TRAILS = (
    select(*(_table[name] for name in TrailVerdict.__slots__))
    .where(_table.trail_id == func.any(bindparam("trails", type_=ARRAY(Uuid))))
    .order_by(_table.trail_id, _table.decided_at, _table.subject, _table.subject_id, _table.rule)
)


async def of(session: MerchantSession, trail_ids: Collection[UUID]) -> dict[UUID, list[TrailVerdict]]:
    """The whole story of several orders (payouts, accounts), passes as well; every one of them is a key."""
    found: dict[UUID, list[TrailVerdict]] = {trail_id: [] for trail_id in trail_ids}
    for row in await session.execute(TRAILS, {"trails": list(trail_ids)}):
        fields = row._asdict()
        typed = {"subject": RuleSubject(row.subject), "outcome": Outcome(row.outcome)}
        found[row.trail_id].append(TrailVerdict(**{**fields, **typed}))
    return found
