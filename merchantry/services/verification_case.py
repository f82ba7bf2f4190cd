"""What people are asked about after a verification: one open case, told what is new, settled once it is over."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus
from merchantry.domain.errors import CaseClosed
from merchantry.services import case, case_end
from merchantry.services.case import Fact, NewCase
from merchantry.services.verification_run import MOST_FINDINGS, Finding, Verification, findings_of
from merchantry.tables.case import review_case
from merchantry.tables.platform import NOBODY
from merchantry.tables.verification import verification, verification_finding
from tenancy.database import PlatformSession

MOST_FACTS: Final = 50
SUBJECT: Final = "Verification"

Known = set[tuple[str, str, str]]
"""Merchants, laws and rows; the values may move on while the same thing is wrong."""


async def ask(session: PlatformSession, run: Verification, act: Act) -> UUID | None:
    """What a verification that is about to end means for people; the case about its findings, None where it has none.

    An open case of which nothing is found any more is settled. One that is still open is told what it does not know.
    """
    found = (await findings_of(session, [run.id], limit=MOST_FINDINGS))[run.id]
    open_case = await _open(session)
    if open_case is not None:
        case_id, subject_id = open_case
        known = await _known(session, case_id)
        if await _is_over(session, case_id, run, known, found):
            await _settle(session, subject_id, run, act)
        elif not run.broken or await _told(session, case_id, known, found, act):
            return case_id if run.broken else None
    return await case.open_case(session, _case(run, found), act) if run.broken else None


async def _open(session: PlatformSession) -> tuple[UUID, str] | None:
    """The open case, and what it was opened about."""
    row = review_case.c
    is_open = (row.merchant_id == NOBODY, row.kind == CaseKind.LAW_BROKEN, row.status == CaseStatus.OPEN)
    statement = select(row.id, row.subject_id).where(*is_open).order_by(row.opened_at).limit(1)
    found = (await session.execute(statement)).one_or_none()
    return None if found is None else (found.id, found.subject_id)


async def _told(session: PlatformSession, case_id: UUID, known: Known, found: Sequence[Finding], act: Act) -> bool:
    """Tell the case what it does not know. False where it was decided meanwhile: what is still wrong is asked anew."""
    new = [each for each in found if _key(each) not in known]
    try:
        if new:
            await case.add_evidence(session, NOBODY, case_id, _facts(new), act)
    except CaseClosed:
        return False
    return True


async def _is_over(
    session: PlatformSession, case_id: UUID, run: Verification, known: Known, found: Sequence[Finding]
) -> bool:
    """Whether the laws that the case is about are kept again, by the merchants that had broken them.

    Not told by a look that left a merchant out, nor where more was found, now or then, than is stored.
    """
    if run.merchants_skipped or not known:
        return False
    if not run.broken:
        return True
    most = select(func.max(verification.c.broken)).where(verification.c.case_id == case_id)
    if max(run.broken, await session.scalar(most) or 0) > MOST_FINDINGS:
        return False
    return not {each[:2] for each in known} & {_key(each)[:2] for each in found}


async def _settle(session: PlatformSession, subject_id: str, run: Verification, act: Act) -> None:
    looked_at = Fact(
        f"verification begun {run.started_at.isoformat(timespec='seconds')}",
        f"{run.merchants_done} merchants, {run.entries} entries, {run.log_size or 0} leaves of the log",
    )
    reason = "A later verification found that these laws are kept again."
    subject = (SUBJECT, subject_id)
    await case_end.settle(session, NOBODY, [CaseKind.LAW_BROKEN], subject, reason, act, evidence=[looked_at])


def _case(run: Verification, found: Sequence[Finding]) -> NewCase:
    return NewCase(
        kind=CaseKind.LAW_BROKEN,
        merchant_id=NOBODY,
        subject_kind=SUBJECT,
        subject_id=str(run.id),
        title=f"Find out why what is stored is not right: {run.broken} findings.",
        evidence=_facts(found),
    )


def _facts(found: Sequence[Finding]) -> list[Fact]:
    facts = [
        Fact(each.merchant, f"{each.law}: {each.subject}: counted {each.expected}, stored {each.found}")
        for each in found[:MOST_FACTS]
    ]
    more = len(found) - len(facts)
    return [*facts, Fact("further findings", str(more))] if more else facts


async def _known(session: PlatformSession, case_id: UUID) -> Known:
    """What verifications that are in the case found before."""
    table = verification_finding.c
    statement = (
        select(table.merchant, table.law, table.subject)
        .distinct()
        .join(verification, verification.c.id == table.verification_id)
        .where(verification.c.case_id == case_id)
    )
    return {(row.merchant, row.law, row.subject) for row in await session.execute(statement)}


def _key(found: Finding) -> tuple[str, str, str]:
    return found.merchant, found.law, found.subject
