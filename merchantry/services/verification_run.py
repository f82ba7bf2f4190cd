"""Verifications that come round: one row each, so that what was found outlives the process that looked.

One is under way at a time. Its holder writes after each merchant how far it is; where the holder dies, another goes on
behind the last merchant.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, tuple_, update

from merchantry.domain.verification import VerificationStatus
from merchantry.tables.platform import mall
from merchantry.tables.verification import verification, verification_finding
from tenancy.database import PlatformSession
from tenancy.tables import merchant

STALE_AFTER: Final = timedelta(minutes=2)
"""A verification that has not moved for so long has lost its holder."""

MOST_FINDINGS: Final = 1_000
"""Findings of one verification that are kept; the others are counted."""

LONGEST: Final = 1_000


class TakenOver(Exception):
    """Somebody else is at this verification by now."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A law that is broken: whose (a slug, ``log``, ``platform``), where, what was counted and what is stored."""

    merchant: str
    law: str
    subject: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Verification:
    """One look at everything. ``broken`` counts all findings; ``log_size`` is null until the log was looked at."""

    id: UUID
    holder: UUID
    status: VerificationStatus
    started_at: datetime
    progressed_at: datetime
    finished_at: datetime | None
    after_id: UUID | None
    log_size: int | None
    log_root: bytes | None
    heads: int | None
    merchants: int
    merchants_done: int
    merchants_skipped: int
    entries: int
    broken: int
    case_id: UUID | None

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.started_at, self.id


COLUMNS = [verification.c[name] for name in Verification.__slots__]


async def begin(session: PlatformSession, holder: UUID, at: datetime) -> Verification | None:
    """Begin one, or go on with one that has lost its holder; None while somebody is at it."""
    await session.execute(select(mall.c.id).with_for_update())  # they begin one at a time
    table = verification.c
    under_way = select(*COLUMNS).where(table.status == VerificationStatus.RUNNING)
    row = (await session.execute(under_way)).one_or_none()
    if row is None:
        merchants = await session.scalar(select(func.count()).select_from(merchant))
        zeros = dict.fromkeys(("merchants_done", "merchants_skipped", "entries", "broken"), 0)
        begun = {"id": uuid4(), "holder": holder, "status": VerificationStatus.RUNNING, "merchants": merchants}
        at_it = {"started_at": at, "progressed_at": at}
        inserted = insert(verification).values({**begun, **at_it, **zeros}).returning(*COLUMNS)
        return _of((await session.execute(inserted)).one())
    held = _of(row)
    if held.progressed_at > at - STALE_AFTER:
        return None
    await _update(session, held, holder=holder, progressed_at=at)
    return replace(held, holder=holder, progressed_at=at)


async def beat(session: PlatformSession, run: Verification, at: datetime) -> None:
    """Its holder lives. Raises TakenOver."""
    await _update(session, run, progressed_at=at)


async def merchants_after(session: PlatformSession, after_id: UUID) -> list[tuple[UUID, str]]:
    """Ids and slugs of the merchants that are still to be looked at, in their order."""
    chosen = select(merchant.c.id, merchant.c.slug).where(merchant.c.id > after_id).order_by(merchant.c.id)
    return [(row.id, row.slug) for row in await session.execute(chosen)]


async def is_readable(session: PlatformSession, merchant_id: UUID) -> bool:
    """Whether a merchant's schema is there: not while it is restored."""
    status: str | None = await session.scalar(select(merchant.c.status).where(merchant.c.id == merchant_id))
    return status not in (None, "restoring")


async def add(
    session: PlatformSession, run: Verification, findings: Sequence[Finding], at: datetime, **figures: Any
) -> Verification:
    """A part is done: ``figures`` are columns as they are now. Raises TakenOver."""
    held = run.broken
    kept = findings[: max(0, MOST_FINDINGS - held)]
    values = {**figures, "broken": held + len(findings), "progressed_at": at}
    await _update(session, run, **values)
    rows = [_row(run.id, held + offset, each) for offset, each in enumerate(kept, start=1)]
    if rows:
        await session.execute(insert(verification_finding), rows)
    return replace(run, **values)


async def finish(session: PlatformSession, run: Verification, case_id: UUID | None, at: datetime) -> Verification:
    """It is over; ``case_id`` is where people are asked about what is broken. Raises TakenOver."""
    status = VerificationStatus.BROKEN if run.broken else VerificationStatus.CLEAN
    values: dict[str, Any] = {"status": status, "progressed_at": at, "finished_at": at, "case_id": case_id}
    await _update(session, run, **values)
    return replace(run, **values)


async def last(session: PlatformSession) -> Verification | None:
    """The one that ended last."""
    table = verification.c
    ended = select(*COLUMNS).where(table.finished_at.is_not(None)).order_by(table.finished_at.desc()).limit(1)
    row = (await session.execute(ended)).one_or_none()
    return _of(row) if row else None


async def last_started_at(session: PlatformSession) -> datetime | None:
    """When the last one that is over began; before the first, when the mall's first merchant came. None before that."""
    table = verification.c
    over = select(func.max(table.started_at)).where(table.status != VerificationStatus.RUNNING)
    found: datetime | None = await session.scalar(over)
    return found or await session.scalar(select(func.min(merchant.c.created_at)))


async def page(
    session: PlatformSession, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[Verification]:
    """Verifications, the latest first."""
    table = verification.c
    statement = select(*COLUMNS).order_by(table.started_at.desc(), table.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(table.started_at, table.id) < tuple_(*after))
    return [_of(row) for row in await session.execute(statement)]


async def findings_of(session: PlatformSession, ids: Sequence[UUID], *, limit: int) -> dict[UUID, list[Finding]]:
    """The first findings of each of several verifications, in their order."""
    table = verification_finding.c
    statement = (
        select(verification_finding)
        .where(table.verification_id == func.any(list(ids)), table.position <= limit)
        .order_by(table.verification_id, table.position)
    )
    found: dict[UUID, list[Finding]] = {each: [] for each in ids}
    for row in await session.execute(statement):
        found[row.verification_id].append(Finding(row.merchant, row.law, row.subject, row.expected, row.found))
    return found


async def _update(session: PlatformSession, run: Verification, **values: Any) -> None:
    table = verification.c
    is_ours = (table.id == run.id, table.holder == run.holder, table.status == VerificationStatus.RUNNING)
    done = await session.execute(update(verification).where(*is_ours).values(values).returning(table.id))
    if done.one_or_none() is None:
        raise TakenOver


def _row(run_id: UUID, position: int, found: Finding) -> dict[str, Any]:
    texts = {name: _storable(getattr(found, name)) for name in Finding.__slots__}
    return {"verification_id": run_id, "position": position, **texts}


def _storable(text: str) -> str:
    """What a tampered row made a message of may be long, and hold what no text in the database can."""
    return text.encode("utf-8", "replace").decode().replace("\0", "�")[:LONGEST]


def _of(row: Any) -> Verification:
    fields = row._asdict()
    return Verification(**{**fields, "status": VerificationStatus(fields["status"])})
