"""Commission plans: versions with dates, proposed by one person and approved by another."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.plan import Plan
from merchantry.domain.plan_check import unknown_names, unreachable
from merchantry.domain.plan_document import parse_plan, plan_document
from merchantry.domain.worded import Worded
from merchantry.services import audit
from merchantry.tables.platform import NOBODY, category, commission_plan, mall, merchant_profile
from tenancy.database import PlatformSession
from tenancy.tables import merchant


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """One version of a plan; approved, it is in force from ``effective_from`` until the next approved one is.

    ``approved_by`` and ``approved_at`` say who decided on it and when, also where it was rejected.
    """

    name: str
    version: int
    plan: Plan
    effective_from: datetime
    status: str
    proposed_by: str
    approved_by: str | None
    created_at: datetime
    approved_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who put a version into force, and when."""

    by: str
    at: datetime


Decisions = Mapping[tuple[str, int], Decision]
"""By name and version."""


async def propose(session: PlatformSession, name: str, plan: Plan, effective_from: datetime, act: Act) -> PlanVersion:
    """A new version of the plan of this name, without effect until somebody else approves it.

    Raises InvalidInput where another version, proposed or approved, begins at the same moment.
    """
    if not name.strip() or len(name) > 100:
        raise InvalidInput(reason="A plan's name has 1 to 100 characters.", path=("name",))
    await session.execute(select(mall.c.id).with_for_update())  # versions are numbered one at a time
    await _refuse_overlap(session, name, effective_from)
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
    found = await version_of(session, name, version)
    _refuse_decided(found)
    if found.proposed_by == act.actor:
        raise InvalidInput(
            reason="Whoever proposed a version can't approve it; ask a second person.", path=("version",)
        )
    if found.effective_from < act.at and await _has_version_in_force(session, name, act.at):
        reason = "The version's date has passed while another was in force; propose it anew with a later date."
        raise InvalidInput(reason=reason, path=("effective_from",))
    return await _decided(session, found, "approved", act)


async def reject(session: PlatformSession, name: str, version: int, reason: str, act: Act) -> PlanVersion:
    """A proposed version will not come into force; whoever proposed it may say so too.

    Raises NotFound, and InvalidInput where it is decided already or no reason is given.
    """
    if not reason.strip():
        raise InvalidInput(reason="Say why, for whoever proposed it.", path=("reason",))
    await session.execute(select(mall.c.id).with_for_update())
    found = await version_of(session, name, version)
    _refuse_decided(found)
    return await _decided(session, found, "rejected", act, reason)


async def install(session: PlatformSession, name: str, plan: Plan, effective_from: datetime, act: Act) -> PlanVersion:
    """Propose and approve at once: for an operator at the command line, who stands outside the four eyes."""
    return await _decided(session, await propose(session, name, plan, effective_from, act), "approved", act)


async def _decided(
    session: PlatformSession, found: PlanVersion, status: str, act: Act, reason: str | None = None
) -> PlanVersion:
    await session.execute(
        update(commission_plan)
        .where(commission_plan.c.name == found.name, commission_plan.c.version == found.version)
        .values(status=status, approved_by=act.actor, approved_at=act.booked_at)
    )
    before, after = {"status": "proposed"}, {"status": status} | ({"reason": reason} if reason else {})
    did = {"approved": "commission_plan.approve", "rejected": "commission_plan.reject"}[status]
    await audit.record(session, NOBODY, act, did, f"{found.name} {found.version}", before, after)
    return await version_of(session, found.name, found.version)


def _refuse_decided(found: PlanVersion) -> None:
    if found.status != "proposed":
        raise InvalidInput(
            reason=Worded("This version is {status} already; propose a new one.", status=found.status),
            path=("version",),
        )


async def _refuse_overlap(session: PlatformSession, name: str, effective_from: datetime) -> None:
    table = commission_plan.c
    statement = select(table.version, table.status).where(
        table.name == name, table.effective_from == effective_from, table.status.in_(("proposed", "approved"))
    )
    row = (await session.execute(statement.limit(1))).one_or_none()
    if row is not None:
        reason = Worded(
            "Version {version}, which is {status}, begins at the same moment: which of them would "
            "hold? Choose another moment, or reject the proposal first.",
            version=row.version,
            status=row.status,
        )
        raise InvalidInput(reason=reason, path=("effective_from",))


async def warnings_of(session: PlatformSession, name: str, plan: Plan) -> tuple[tuple[str, str], ...]:
    """What in a plan will have no effect as things stand: pairs of a path or a rule, and what about it.

    Names that nobody has, and rules that can never apply to the merchants whose plan this is (to any merchant, where it
    is nobody's yet).
    """
    statement = select(merchant.c.slug, merchant_profile.c.category, merchant_profile.c.commission_plan)
    on_profile = merchant.c.id == merchant_profile.c.merchant_id
    rows = await session.execute(statement.join(merchant, on_profile).order_by(merchant.c.slug))
    everybody = {row.slug: (row.category, row.commission_plan) for row in rows}
    products = set((await session.execute(select(category.c.code))).scalars())
    concerned = {slug: of for slug, (of, on) in everybody.items() if on == name}
    by_slug = {slug: of for slug, (of, _) in everybody.items()}
    unknown = unknown_names(
        plan,
        merchants=everybody.keys(),
        merchant_categories={of for of, _ in everybody.values()},
        product_categories=products,
    )
    never = unreachable(plan, merchants=concerned or by_slug, product_categories=products)
    anywhere = {each.rule: each.reason for each in unreachable(plan, merchants=by_slug, product_categories=products)}
    elsewhere = "none of the merchants that it is for has this plan"
    told = ((each.rule, anywhere.get(each.rule, elsewhere)) for each in never)
    return (*unknown, *((rule, f"can never apply: {reason}") for rule, reason in told))


async def version_of(session: PlatformSession, name: str, version: int) -> PlanVersion:
    """A version, whatever its status. Raises NotFound."""
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


async def decisions(session: PlatformSession, wanted: Collection[tuple[str, int]]) -> Decisions:
    """Who put these versions into force; those that are not are left out."""
    table = commission_plan.c
    statement = select(table.name, table.version, table.approved_by, table.approved_at).where(
        tuple_(table.name, table.version).in_(wanted), table.status == "approved"
    )
    rows = await session.execute(statement)
    return {(row.name, row.version): Decision(row.approved_by, row.approved_at) for row in rows}


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
