"""How many people a case needs, as the platform sets it: versions by kind, one person's proposal put in force by
another. A kind for which nothing is in force has the chain of `domain.case.CHAINS`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, func, insert, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.approval_chain import chain_document, check_chain, parse_chain
from merchantry.domain.case import CaseKind, Chain, person
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.services import audit
from merchantry.tables.case import approval_chain as table
from merchantry.tables.platform import NOBODY, mall
from tenancy.database import PlatformSession, Session

IN_FORCE = (
    select(table.c.steps)
    .where(table.c.kind == bindparam("kind"), table.c.approved_at.is_not(None))
    .order_by(table.c.version.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class ChainVersion:
    """One version of a kind's chain. Approved, it holds for cases opened from then on, until a later one is."""

    kind: CaseKind
    version: int
    chain: Chain
    proposed_by: str
    proposed_at: datetime
    approved_by: str | None
    approved_at: datetime | None


async def chain_of(session: Session, kind: CaseKind) -> Chain | None:
    """The chain in force for a kind; None where the usual one holds."""
    steps = await session.scalar(IN_FORCE, {"kind": kind})
    return None if steps is None else parse_chain(steps)


async def propose(session: PlatformSession, kind: CaseKind, chain: Chain, act: Act) -> ChainVersion:
    """A new version, without effect until somebody else approves it. Raises InvalidInput."""
    check_chain(kind, chain)
    await session.execute(select(mall.c.id).with_for_update())  # versions are numbered one at a time
    newest = select(func.coalesce(func.max(table.c.version), 0)).where(table.c.kind == kind)
    version = int(await session.scalar(newest)) + 1
    row = {
        "kind": kind,
        "version": version,
        "steps": chain_document(chain),
        "proposed_by": act.actor,
        "proposed_at": act.booked_at,
    }
    await session.execute(insert(table).values(row))
    after = {"steps": row["steps"]}
    await audit.record(session, NOBODY, act, "approval_chain.propose", f"{kind} {version}", None, after)
    return ChainVersion(kind, version, chain, act.actor, act.booked_at, None, None)


async def approve(session: PlatformSession, kind: CaseKind, version: int, act: Act) -> ChainVersion:
    """Put a proposed version into force, for cases that are opened from now on; open ones keep theirs.

    Raises NotFound, and InvalidInput where it is in force already, a later one was proposed, or by whoever proposed it.
    """
    await session.execute(select(mall.c.id).with_for_update())
    rows = [_version(row) for row in await session.execute(select(table).where(table.c.kind == kind))]
    found = next((each for each in rows if each.version == version), None)
    if found is None:
        raise NotFound(what="approval chain version", path=("version",))
    if found.approved_at is not None:
        raise InvalidInput(reason="This version was approved already.", path=("version",))
    if any(each.version > version for each in rows):
        raise InvalidInput(reason="A later version was proposed; approve that, or propose anew.", path=("version",))
    if person(found.proposed_by) == person(act.actor):
        reason = "Whoever proposed a chain can't approve it; ask a second person."
        raise InvalidInput(reason=reason, path=("version",))
    before = await chain_of(session, kind)
    changes = {"approved_by": act.actor, "approved_at": act.booked_at}
    await session.execute(update(table).where(table.c.kind == kind, table.c.version == version).values(changes))
    facts = {"steps": chain_document(before)} if before else None
    after = {"steps": chain_document(found.chain)}
    await audit.record(session, NOBODY, act, "approval_chain.approve", f"{kind} {version}", facts, after)
    return ChainVersion(kind, version, found.chain, found.proposed_by, found.proposed_at, act.actor, act.booked_at)


async def page(session: PlatformSession, *, limit: int, after: tuple[str, int] | None) -> Sequence[ChainVersion]:
    """All versions that there ever were, by kind and version."""
    order = (table.c.kind, table.c.version)
    statement = select(table).order_by(*order).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(*order) > tuple_(*after))
    return [_version(row) for row in await session.execute(statement)]


def _version(row: Row[Any]) -> ChainVersion:
    fields = row._asdict()
    return ChainVersion(CaseKind(fields.pop("kind")), chain=parse_chain(fields.pop("steps")), **fields)
