"""Commission plans: versions with dates, proposed by one person and approved by another."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.plan import Plan
from merchantry.domain.plan_document import parse_plan, plan_document
from merchantry.services import audit
from merchantry.tables.platform import NOBODY, commission_plan, mall
from tenancy.database import PlatformSession


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan; in force from ``effective_from`` until the next approved one is."""

    name: str
    version: int
    plan: Plan
    effective_from: datetime
    status: str
    proposed_by: str
    approved_by: str | None
    created_at: datetime
    approved_at: datetime | None


async def propose(session: PlatformSession, name: str, plan: Plan, effective_from: datetime, act: Act) -> PlanVersion:
    """A new version of the plan of this name, without effect until somebody else approves it."""
    if not name.strip() or len(name) > 100:
        raise InvalidInput(reason="A plan's name has 1 to 100 characters.", path=("name",))
    await session.execute(select(mall.c.id).with_for_update())  # versions are numbered one at a time
    newest = select(func.coalesce(func.max(commission_plan.c.version), 0)).where(commission_plan.c.name == name)
    version = int(await session.scalar(newest)) + 1
    await session.execute(
        insert(commission_plan).values(
            name=name,
            version=version,
            document=plan_document(plan),
            effective_from=effective_from,
            status="proposed",
            proposed_by=act.actor,
            created_at=act.booked_at,
        )
    )
    after = {"effective_from": effective_from.isoformat(), "plan": plan_document(plan)}
    await audit.record(session, NOBODY, act, "commission_plan.propose", f"{name} {version}", None, after)
    return PlanVersion(name, version, plan, effective_from, "proposed", act.actor, None, act.booked_at, None)


async def approve(session: PlatformSession, name: str, version: int, act: Act) -> PlanVersion:
    """Put a proposed version into force from its date on.

    Raises NotFound, and InvalidInput where it is decided already, its date has passed by (orders captured since would
    have been split otherwise), or whoever approves proposed it.
    """
    await session.execute(select(mall.c.id).with_for_update())
    found = await _version(session, name, version)
    if found.status != "proposed":
        raise InvalidInput(reason=f"This version is {found.status} already; propose a new one.", path=("version",))
    if found.proposed_by == act.actor:
        raise InvalidInput(
            reason="Whoever proposed a version can't approve it; ask a second person.", path=("version",)
        )
    if found.effective_from < act.at and await _has_version_in_force(session, name, act.at):
        reason = "The version's date has passed while another was in force; propose it anew with a later date."
        raise InvalidInput(reason=reason, path=("effective_from",))
    return await _approved(session, found, act)


async def install(session: PlatformSession, name: str, plan: Plan, effective_from: datetime, act: Act) -> PlanVersion:
    """Propose and approve at once: for an operator at the command line, who stands outside the four eyes."""
    return await _approved(session, await propose(session, name, plan, effective_from, act), act)


async def _approved(session: PlatformSession, found: PlanVersion, act: Act) -> PlanVersion:
    await session.execute(
        update(commission_plan)
        .where(commission_plan.c.name == found.name, commission_plan.c.version == found.version)
        .values(status="approved", approved_by=act.actor, approved_at=act.booked_at)
    )
    before, after = {"status": "proposed"}, {"status": "approved"}
    subject = f"{found.name} {found.version}"
    await audit.record(session, NOBODY, act, "commission_plan.approve", subject, before, after)
    return await _version(session, found.name, found.version)


async def _version(session: PlatformSession, name: str, version: int) -> PlanVersion:
    statement = select(commission_plan).where(commission_plan.c.name == name, commission_plan.c.version == version)
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(what="commission plan version", path=("version",))
    return _plan_version(row)


async def _has_version_in_force(session: PlatformSession, name: str, at: datetime) -> bool:
    table = commission_plan.c
    statement = select(table.version).where(table.name == name, table.status == "approved", table.effective_from <= at)
    return (await session.execute(statement.limit(1))).first() is not None


async def versions(
    session: PlatformSession, *, limit: int, after: tuple[str, int] | None = None
) -> Sequence[PlanVersion]:
    """Versions of all plans, by name and version."""
    statement = select(commission_plan).order_by(commission_plan.c.name, commission_plan.c.version).limit(limit)
    if after is not None:
        name, version = after
        table = commission_plan.c
        statement = statement.where((table.name > name) | ((table.name == name) & (table.version > version)))
    return [_plan_version(row) for row in await session.execute(statement)]


async def versions_of(session: PlatformSession, wanted: Collection[tuple[str, int]]) -> Sequence[PlanVersion]:
    """These versions, each a name and a number; those that do not exist are left out."""
    key = tuple_(commission_plan.c.name, commission_plan.c.version)
    return [_plan_version(row) for row in await session.execute(select(commission_plan).where(key.in_(wanted)))]


def _plan_version(row: Row[Any]) -> PlanVersion:
    return PlanVersion(
        row.name,
        row.version,
        parse_plan(row.document),
        row.effective_from,
        row.status,
        row.proposed_by,
        row.approved_by,
        row.created_at,
        row.approved_at,
    )
