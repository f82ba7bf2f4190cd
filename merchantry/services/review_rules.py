"""Review rules: versions with dates, proposed by one person and approved by another; one of them is in force."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, Text, bindparam, cast, func, insert, literal, select, update

from merchantry.domain.act import Act
from merchantry.domain.case import person
from merchantry.domain.errors import InvalidInput, NotFound, OwnAct
from merchantry.domain.review import RuleSet, RulesInForce
from merchantry.domain.review_document import parse_rules, rules_document
from merchantry.domain.worded import Worded
from merchantry.services import audit
from merchantry.tables.platform import NOBODY, mall, merchant_profile
from merchantry.tables.review import review_rule_set
from tenancy.database import PlatformSession
from tenancy.tables import merchant


@dataclass(frozen=True, slots=True)
class RuleSetVersion:
    """One version of the rules; approved, it is in force from ``effective_from`` until the next approved one is."""

    version: int
    rules: RuleSet
    effective_from: datetime
    status: str
    proposed_by: str
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None


_table = review_rule_set.c


def in_force_as_text(at: str = "at") -> ScalarSelect[Any]:
    """The version in force at the moment of the parameter ``at``, inside a statement; :func:`parsed` reads it.

    So whoever acts reads it in the transaction of the act, and no process can judge by rules of yesterday.
    """
    text: ColumnElement[str] = cast(_table.version, Text) + literal(" ") + cast(_table.document, Text)
    return (
        select(text)
        .where(_table.status == "approved", _table.effective_from <= bindparam(at))
        .order_by(_table.effective_from.desc(), _table.version.desc())
        .limit(1)
        .scalar_subquery()
    )


@lru_cache(maxsize=64)
def parsed(text: str | None) -> RulesInForce | None:
    """What :func:`in_force_as_text` gave; None where no version is in force, and where the one that is has no rules."""
    if text is None:
        return None
    version, _, document = text.partition(" ")
    rules = parse_rules(json.loads(document))
    return RulesInForce(int(version), rules) if rules.rules else None


KNOWN = (
    select(in_force_as_text().label("rules"), merchant.c.slug, merchant_profile.c.category)
    .join(merchant, merchant.c.id == merchant_profile.c.merchant_id)
    .where(merchant_profile.c.merchant_id == bindparam("merchant"))
)


async def known_of(session: PlatformSession, merchant_id: UUID, at: datetime) -> tuple[RulesInForce | None, str, str]:
    """The rules in force at a moment, with the slug and category of a merchant that they may be for."""
    row = (await session.execute(KNOWN, {"merchant": merchant_id, "at": at})).one()
    return parsed(row.rules), row.slug, row.category


async def propose(session: PlatformSession, rules: RuleSet, effective_from: datetime, act: Act) -> RuleSetVersion:
    """A new version, without effect until somebody else approves it.

    Raises InvalidInput where another version, proposed or approved, begins at the same moment.
    """
    await session.execute(select(mall.c.id).with_for_update())  # versions are numbered one at a time
    await _refuse_overlap(session, effective_from)
    version = int(await session.scalar(select(func.coalesce(func.max(_table.version), 0)))) + 1
    row = {
        "version": version,
        "document": rules_document(rules),
        "effective_from": effective_from,
        "status": "proposed",
        "proposed_by": act.actor,
        "created_at": act.booked_at,
    }
    await session.execute(insert(review_rule_set).values(row))
    after = {"effective_from": effective_from.isoformat(), "rules": rules_document(rules)}
    await audit.record(session, NOBODY, act, "review_rules.propose", str(version), None, after)
    return await version_of(session, version)


async def approve(session: PlatformSession, version: int, act: Act) -> RuleSetVersion:
    """Put a proposed version into force from its date on.

    Raises NotFound, OwnAct for whoever proposed it, InvalidInput where it is decided already or begins in the past:
    acts since then were judged otherwise.
    """
    found = await _locked(session, version)
    if person(found.proposed_by) == person(act.actor):
        raise OwnAct
    if found.effective_from < act.at:
        reason = "The version's date has passed; propose it anew with a later one."
        raise InvalidInput(reason=reason, path=("effective_from",))
    return await _decided(session, found, "approved", act)


async def reject(session: PlatformSession, version: int, reason: str, act: Act) -> RuleSetVersion:
    """A proposed version will not come into force; whoever proposed it may say so too.

    Raises NotFound, and InvalidInput where it is decided already or no reason is given.
    """
    if not reason.strip():
        raise InvalidInput(reason="Say why, for whoever proposed it.", path=("reason",))
    return await _decided(session, await _locked(session, version), "rejected", act, reason.strip())


async def install(session: PlatformSession, rules: RuleSet, effective_from: datetime, act: Act) -> RuleSetVersion:
    """Propose and approve at once: for an operator at the command line, who stands outside the four eyes."""
    return await _decided(session, await propose(session, rules, effective_from, act), "approved", act)


async def version_of(session: PlatformSession, version: int) -> RuleSetVersion:
    """A version, whatever its status. Raises NotFound."""
    row = (await session.execute(select(review_rule_set).where(_table.version == version))).one_or_none()
    if row is None:
        raise NotFound(what="version of the review rules", path=("version",))
    return _version(row)


async def versions(session: PlatformSession, *, limit: int, before: int | None = None) -> Sequence[RuleSetVersion]:
    """The newest first."""
    statement = select(review_rule_set).order_by(_table.version.desc()).limit(limit)
    if before is not None:
        statement = statement.where(_table.version < before)
    return [_version(row) for row in await session.execute(statement)]


async def _locked(session: PlatformSession, version: int) -> RuleSetVersion:
    await session.execute(select(mall.c.id).with_for_update())
    found = await version_of(session, version)
    if found.status != "proposed":
        raise InvalidInput(
            reason=Worded("This version is {status} already; propose a new one.", status=found.status),
            path=("version",),
        )
    return found


async def _decided(
    session: PlatformSession, found: RuleSetVersion, status: str, act: Act, reason: str | None = None
) -> RuleSetVersion:
    changes = {"status": status, "decided_by": act.actor, "decided_at": act.booked_at}
    await session.execute(update(review_rule_set).where(_table.version == found.version).values(changes))
    before, after = {"status": "proposed"}, {"status": status} | ({"reason": reason} if reason else {})
    did = {"approved": "review_rules.approve", "rejected": "review_rules.reject"}[status]
    await audit.record(session, NOBODY, act, did, str(found.version), before, after)
    return await version_of(session, found.version)


async def _refuse_overlap(session: PlatformSession, effective_from: datetime) -> None:
    statement = select(_table.version, _table.status).where(
        _table.effective_from == effective_from, _table.status.in_(("proposed", "approved"))
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


def _version(row: Row[Any]) -> RuleSetVersion:
    fields = row._asdict()
    rules = parse_rules(fields.pop("document"))
    return RuleSetVersion(rules=rules, **fields)
