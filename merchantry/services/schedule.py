"""Settlement schedules: when a merchant's periods end, and changing that at the next boundary."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ScalarSelect, Text, cast, func, insert, select, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput
from merchantry.domain.settlement import BEGINNING, Cycle, Period, Schedule, period_at
from merchantry.domain.worded import Worded
from merchantry.services import audit
from merchantry.tables.platform import merchant_profile
from merchantry.tables.settlement import settlement_schedule
from tenancy.database import PlatformSession, Session

COLUMNS = settlement_schedule.c
FACTS = ("time_zone", "cycle", "anchor_day", "every_days", "anchored_on", "days_of_month", "closing", "effective_at")


def row_of(merchant_id: UUID, schedule: Schedule, act: Act) -> dict[str, Any]:
    """The schedule as it is stored."""
    return {
        "merchant_id": merchant_id,
        "effective_at": schedule.effective_at,
        "time_zone": schedule.zone.key,
        "cycle": schedule.cycle.value,
        "anchor_day": schedule.anchor_day,
        "every_days": schedule.every_days,
        "anchored_on": schedule.anchored_on,
        "days_of_month": list(schedule.days_of_month),
        "closing": schedule.closing,
        "decided_by": act.actor,
        "booked_at": act.booked_at,
    }


def schedules_as_text() -> ScalarSelect[str]:
    """A merchant's schedules inside a statement over ``merchant_profile``; :func:`parsed` reads them."""
    facts = func.jsonb_build_array(*(COLUMNS[name] for name in FACTS))
    statement = select(cast(func.jsonb_agg(facts), Text)).where(COLUMNS.merchant_id == merchant_profile.c.merchant_id)
    return statement.correlate(merchant_profile).scalar_subquery()


@lru_cache(maxsize=4_096)
def parsed(text: str) -> tuple[Schedule, ...]:
    """Schedules, the earliest first."""
    return tuple(
        sorted((_schedule(dict(zip(FACTS, facts, strict=True))) for facts in json.loads(text)), key=_effective)
    )


def _schedule(facts: dict[str, Any]) -> Schedule:
    return Schedule(
        zone=ZoneInfo(facts["time_zone"]),
        cycle=Cycle(facts["cycle"]),
        anchor_day=facts["anchor_day"],
        every_days=facts["every_days"],
        anchored_on=datetime.fromisoformat(facts["anchored_on"]).date(),
        days_of_month=tuple(facts["days_of_month"]),
        closing=datetime.fromisoformat(f"1970-01-01T{facts['closing']}").time(),
        effective_at=datetime.fromisoformat(facts["effective_at"]),
    )


def _effective(schedule: Schedule) -> datetime:
    return schedule.effective_at


async def schedules_of(session: Session, merchant_ids: Collection[UUID]) -> dict[UUID, tuple[Schedule, ...]]:
    """The schedules of several merchants, the earliest first; a merchant's own session sees only its own."""
    facts = func.jsonb_agg(func.jsonb_build_array(*(COLUMNS[name] for name in FACTS)))
    statement = select(COLUMNS.merchant_id, cast(facts, Text).label("schedules"))
    statement = statement.where(COLUMNS.merchant_id == func.any(list(merchant_ids))).group_by(COLUMNS.merchant_id)
    return {row.merchant_id: parsed(row.schedules) for row in await session.execute(statement)}


def pending(schedules: Sequence[Schedule], at: datetime) -> Schedule | None:
    """The schedule that has been decided and is not in force yet, where there is one."""
    return schedules[-1] if schedules[-1].effective_at > at else None


async def change(session: PlatformSession, merchant_id: UUID, wanted: Schedule, act: Act) -> Schedule:
    """Give a merchant another schedule from the end of its open period on; returns it with that moment.

    Its profile shows the new zone and cycle from now on. Raises InvalidInput while another change is waiting.
    """
    locked = select(merchant_profile.c.time_zone, merchant_profile.c.settlement_cycle)
    locked = locked.where(merchant_profile.c.merchant_id == merchant_id).with_for_update()
    before = (await session.execute(locked)).one()
    schedules = (await schedules_of(session, [merchant_id]))[merchant_id]
    waiting = pending(schedules, act.at)
    if waiting:
        reason = Worded(
            "A change takes effect at {moment} already; wait until then.", moment=waiting.effective_at.isoformat()
        )
        raise InvalidInput(reason=reason, path=("schedule",))
    period: Period = period_at(act.at, schedules)
    made = replace(wanted, effective_at=period.ends_at)
    await session.execute(insert(settlement_schedule).values(row_of(merchant_id, made, act)))
    facts = {"time_zone": made.zone.key, "settlement_cycle": made.cycle.value}
    await session.execute(update(merchant_profile).where(merchant_profile.c.merchant_id == merchant_id).values(facts))
    after = {**facts, "effective_at": made.effective_at.isoformat()}
    await audit.record(
        session, merchant_id, act, "settlement_schedule.change", str(merchant_id), before._asdict(), after
    )
    return made


async def cut(session: PlatformSession, merchant_id: UUID, act: Act) -> tuple[Period, ZoneInfo]:
    """End a merchant's open period at the act's moment; what follows goes on by the same schedule.

    Returns the period as it would have been, and the zone of its days.
    """
    schedules = (await schedules_of(session, [merchant_id]))[merchant_id]
    in_force = [each for each in schedules if each.effective_at <= act.at][-1]
    period = period_at(act.at, schedules)
    if period.starts_at < act.at:
        made = replace(in_force, effective_at=act.at)
        await session.execute(insert(settlement_schedule).values(row_of(merchant_id, made, act)))
    return period, in_force.zone


def first_of(time_zone: str, cycle: str) -> Schedule:
    """What a new merchant begins with: whole days, Monday's weeks, calendar months."""
    known = Cycle(cycle)
    days = (1, 16) if known is Cycle.DAYS_OF_MONTH else ()
    every = 14 if known is Cycle.EVERY_N_DAYS else 1
    return Schedule(ZoneInfo(time_zone), known, every_days=every, days_of_month=days, effective_at=BEGINNING)
