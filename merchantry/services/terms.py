"""What a merchant's orders are subject to: profile, zone, commission plan and review rules in force at a moment."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, ColumnElement, Row, Text, Uuid, bindparam, cast, func, select, true
from sqlalchemy.dialects.postgresql import distinct_on

from merchantry.domain.commission import Plan, parse_plan
from merchantry.domain.errors import PlanMissing
from merchantry.domain.review import RulesInForce
from merchantry.domain.settlement import Schedule
from merchantry.services import review_rules
from merchantry.services.schedule import parsed, schedules_as_text
from merchantry.tables.platform import commission_plan, mall, merchant_profile
from tenancy.database import PlatformSession
from tenancy.tables import merchant


@dataclass(frozen=True, slots=True)
class Terms:
    """One merchant's terms. ``plan`` and ``rules`` are the versions in force at the moment that was asked for;
    ``plan_name`` is what the plan's versions are kept under."""

    merchant_id: UUID
    slug: str
    category: str
    zone: ZoneInfo
    mall_zone: ZoneInfo
    schedules: tuple[Schedule, ...]
    plan: Plan
    plan_name: str
    plan_version: int
    complete_days_after_delivery: int
    complete_days_after_shipping: int
    rules: RulesInForce | None


PLANS = (
    select(commission_plan.c.name, commission_plan.c.version, cast(commission_plan.c.document, Text).label("document"))
    .ext(distinct_on(commission_plan.c.name))
    .where(commission_plan.c.status == "approved", commission_plan.c.effective_from <= bindparam("at"))
    .order_by(commission_plan.c.name, commission_plan.c.effective_from.desc(), commission_plan.c.version.desc())
)
PLANS_NAMED = PLANS.where(commission_plan.c.name == func.any(bindparam("names", type_=ARRAY(Text))))
_plan = PLANS.where(commission_plan.c.name == merchant_profile.c.commission_plan).lateral("plan")
TERMS = (
    select(
        merchant_profile.c.merchant_id,
        merchant_profile.c.category,
        merchant_profile.c.time_zone,
        merchant_profile.c.commission_plan,
        merchant_profile.c.complete_days_after_delivery,
        merchant_profile.c.complete_days_after_shipping,
        merchant.c.slug,
        mall.c.time_zone.label("mall_zone"),
        schedules_as_text().label("schedules"),
        review_rules.in_force_as_text().label("rules"),
        _plan.c.version.label("plan_version"),
        _plan.c.document.label("plan"),
    )
    .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
    .join(mall, mall.c.id == 1)
    .outerjoin(_plan, true())
)
"""The terms of every merchant at the moment ``at``; :func:`terms_from` reads a row."""

OF_MERCHANTS = TERMS.where(merchant_profile.c.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))))


def has_plan() -> ColumnElement[bool]:
    """Whether a merchant's plan has an approved version in force at the parameter ``at``, in a statement over
    ``merchant_profile``: without one its orders can't be paid, so it can't sell."""
    in_force = select(commission_plan.c.name).where(
        commission_plan.c.status == "approved", commission_plan.c.effective_from <= bindparam("at")
    )
    return merchant_profile.c.commission_plan.in_(in_force)


async def terms_of(session: PlatformSession, merchant_ids: Collection[UUID], at: datetime) -> dict[UUID, Terms]:
    """The terms of several merchants at a moment, in one statement.

    Raises PlanMissing where a merchant's plan has no approved version yet at that moment.
    """
    rows = await session.execute(OF_MERCHANTS, {"merchants": list(merchant_ids), "at": at})
    return {row.merchant_id: terms_from(row, at) for row in rows}


async def plans_in_force(session: PlatformSession, names: Collection[str], at: datetime) -> dict[str, tuple[int, Plan]]:
    """The newest approved version of each plan that is in force at the moment."""
    rows = await session.execute(PLANS_NAMED, {"names": list(names), "at": at})
    return {row.name: (row.version, _parsed(row.document)) for row in rows}


@lru_cache(maxsize=256)
def _parsed(document: str) -> Plan:
    return parse_plan(json.loads(document))


def terms_from(row: Row[Any], at: datetime) -> Terms:
    """A merchant's terms from a row with the columns of ``TERMS``. Raises PlanMissing."""
    if row.plan is None:
        raise PlanMissing(plan=row.commission_plan, at=at)
    return Terms(
        merchant_id=row.merchant_id,
        slug=row.slug,
        category=row.category,
        zone=ZoneInfo(row.time_zone),
        mall_zone=ZoneInfo(row.mall_zone),
        schedules=parsed(row.schedules),
        plan=_parsed(row.plan),
        plan_name=row.commission_plan,
        plan_version=row.plan_version,
        complete_days_after_delivery=row.complete_days_after_delivery,
        complete_days_after_shipping=row.complete_days_after_shipping,
        rules=review_rules.parsed(row.rules),
    )
