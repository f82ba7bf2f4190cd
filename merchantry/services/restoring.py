"""Where a merchant stands while it is restored: begun, undone, quarantined, or as it was before.

The merchant's row is locked first, so of two that restore one merchant one waits for the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.services import audit, case, case_end, case_list, listing_index, queue, restore_gap
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.queue import JobKind
from merchantry.services.restore_gap import Gap
from merchantry.tables.backup import merchant_restore
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.directory import announce
from tenancy.tables import merchant

RESTORING, QUARANTINED, CLOSED = "restoring", "quarantined", "closed"
LOADING, REPLAYING, UNDONE, DONE = "loading", "replaying", "undone", "done"
SUBJECT: Final = "Restore"
MOST_FACTS: Final = 50


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of a merchant: from which file, of which moment, and what the merchant is again at its end."""

    merchant_id: UUID
    id: UUID
    status: str
    status_before: str
    file: str
    taken_at: datetime
    begun_by: str
    begun_at: datetime
    ended_at: datetime | None


async def begin(session: PlatformSession, merchant_id: UUID, file: str, taken_at: datetime, act: Act) -> Restore:
    """From now on nobody reads or writes what the merchant has. One that was begun before and not ended goes on.

    Raises NotFound.
    """
    status = await _locked(session, merchant_id)
    held = await open_restore(session, merchant_id)
    if held is None:
        row = {
            "merchant_id": merchant_id,
            "id": uuid4(),
            "status": LOADING,
            "status_before": status,
            "file": file,
            "taken_at": taken_at,
            "begun_by": act.actor,
            "begun_at": act.at,
        }
        await session.execute(insert(merchant_restore).values(row))
    else:
        again = LOADING if held.status == LOADING else REPLAYING
        await _set(session, held, status=again, file=file, taken_at=taken_at)
    after = {"status": RESTORING, "file": file, "taken_at": taken_at.isoformat()}
    await _move(session, merchant_id, status, RESTORING, "merchant.restore", act, after)
    found = await open_restore(session, merchant_id)
    if found is None:
        raise RuntimeError("the restore that was just written is not there")
    return found


async def undo(session: PlatformSession, restore: Restore, act: Act, *, to_quarantine: bool) -> None:
    """The merchant has again what it had before the last file, and is what it was then."""
    before = await _locked(session, restore.merchant_id)
    back = QUARANTINED if to_quarantine else restore.status_before
    if to_quarantine:
        await _set(session, restore, status=QUARANTINED)
    else:
        await _set(session, restore, status=UNDONE, ended_at=act.at)
        if waiting := await _open_case(session, restore):
            await case_end.withdraw(session, restore.merchant_id, waiting.id, "The restore was taken back.", act)
    await _move(session, restore.merchant_id, before, back, "merchant.restore_undo", act, {"status": back})


async def quarantine(tx: Transaction, restore: Restore, gaps: Sequence[Gap], act: Act) -> None:
    """Something is missing: the merchant can only be read, and two people are asked whether it is given up."""
    async with tx.as_platform() as session:
        before = await _locked(session, restore.merchant_id)
        await _set(session, restore, status=QUARANTINED)
        after = {"status": QUARANTINED, "missing": len(gaps)}
        await _move(session, restore.merchant_id, before, QUARANTINED, "merchant.quarantine", act, after)
        if not await _open_case(session, restore):
            await case.open_case(session, _case(restore, gaps), act)


def _case(restore: Restore, gaps: Sequence[Gap]) -> NewCase:
    shown = [Fact(f"{each.kind} {each.position}", _told(each)) for each in gaps[:MOST_FACTS]]
    counted = Fact("missing", str(len(gaps)))
    return NewCase(
        kind=CaseKind.RESTORE_GAP,
        merchant_id=restore.merchant_id,
        subject_kind=SUBJECT,
        subject_id=str(restore.id),
        title=f"Give up what the backup of {restore.taken_at.isoformat()} lacks.",
        evidence=[Fact("file", restore.file), counted, *shown],
    )


def _told(gap: Gap) -> str:
    parts = [gap.details.get("number") or gap.details.get("title") or gap.subject, gap.entry_kind]
    if gap.amount_minor is not None:
        parts.append(f"{gap.amount_minor} minor units of {gap.currency}")
    return ", ".join(part for part in parts if part)


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """Two people agreed: what is open is written off, and a worker ends the quarantine."""
    if decision.status is not CaseStatus.APPROVED:
        return
    restore_id = UUID(found.subject_id)
    async with tx.as_platform() as session:
        held = await open_restore(session, found.merchant_id)
        if held is None or held.id != restore_id or held.status != QUARANTINED:
            raise InvalidInput(reason="This restore is over; withdraw the case.")
        await restore_gap.write_off(session, found.merchant_id, restore_id, found.id, decision.reason, act.at)
        await queue.enqueue(session, found.merchant_id, JobKind.RESTORE_FINISH, restore_id, act.at)


async def finish(session: PlatformSession, restore: Restore, act: Act) -> None:
    """Nothing is missing any more, or it was written off: the merchant is what it was before."""
    before = await _locked(session, restore.merchant_id)
    await _set(session, restore, status=DONE, ended_at=act.at)
    after = {"status": restore.status_before}
    await _move(session, restore.merchant_id, before, restore.status_before, "merchant.restore_finish", act, after)
    await queue.dequeue(session, restore.merchant_id, JobKind.RESTORE_FINISH, restore.id)
    if waiting := await _open_case(session, restore):
        await case_end.withdraw(session, restore.merchant_id, waiting.id, "Nothing is missing any more.", act)


async def unlist(session: MerchantSession, gaps: Sequence[Gap]) -> None:
    """What is on sale and written off is taken from the mall."""
    for each in gaps:
        if each.kind == restore_gap.PRODUCT:
            await listing_index.remove(session, UUID(each.subject))


async def open_restore(session: PlatformSession, merchant_id: UUID) -> Restore | None:
    """The restore of a merchant that has not ended."""
    table = merchant_restore.c
    statement = select(merchant_restore).where(
        table.merchant_id == merchant_id, table.status.in_((LOADING, REPLAYING, QUARANTINED))
    )
    row = (await session.execute(statement)).mappings().one_or_none()
    return Restore(**row) if row else None


async def _open_case(session: PlatformSession, restore: Restore) -> Case | None:
    return await case_list.open_about(session, restore.merchant_id, CaseKind.RESTORE_GAP, SUBJECT, str(restore.id))


async def _locked(session: PlatformSession, merchant_id: UUID) -> str:
    status: str | None = await session.scalar(
        select(merchant.c.status).where(merchant.c.id == merchant_id).with_for_update()
    )
    if status is None:
        raise NotFound(what="merchant", path=("merchant",))
    return status


async def _set(session: PlatformSession, restore: Restore, **values: object) -> None:
    table = merchant_restore.c
    await session.execute(
        update(merchant_restore)
        .where(table.merchant_id == restore.merchant_id, table.id == restore.id)
        .values(**values)
    )


async def _move(
    session: PlatformSession,
    merchant_id: UUID,
    before: str,
    after: str,
    what: str,
    act: Act,
    facts: Mapping[str, object],
) -> None:
    await session.execute(update(merchant).where(merchant.c.id == merchant_id).values(status=after))
    await audit.record(session, merchant_id, act, what, str(merchant_id), {"status": before}, facts)
    await announce(session, merchant_id)
