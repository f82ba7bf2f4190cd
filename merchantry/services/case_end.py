"""Cases that end without a vote: withdrawn by whoever opened them, or settled because their matter came to its end."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, refuse_unless_open
from merchantry.services.case import Case, CaseAct, Fact, add_evidence, event, held, key_of, told_of_end, trail
from merchantry.tables.case import review_case
from tenancy.database import PlatformSession
from tenancy.writes import Changed, write


async def withdraw(session: PlatformSession, merchant_id: UUID, case_id: UUID, reason: str, act: Act) -> None:
    """There is nothing left to decide; no effect follows. Raises NotFound, CaseClosed."""
    case = await held(session, merchant_id, case_id)
    refuse_unless_open(case.status)
    await _end(session, case, CaseAct.WITHDRAW, CaseStatus.WITHDRAWN, reason, act)


async def settle(
    session: PlatformSession,
    merchant_id: UUID,
    kinds: Collection[CaseKind],
    subject: tuple[str, str],
    reason: str,
    act: Act,
    *,
    evidence: Sequence[Fact] = (),
) -> bool:
    """What these kinds of case are about is over: those open about the subject end, if any are. Whether any were.

    ``subject`` is its kind and its id, as they were opened with. The merchant is told the reason, not the evidence.
    """
    table = review_case.c
    statement = select(table.id).where(
        table.status == CaseStatus.OPEN,
        table.merchant_id == merchant_id,
        table.kind.in_(sorted(kinds)),
        table.subject_kind == subject[0],
        table.subject_id == subject[1],
    )
    found = list((await session.execute(statement.order_by(table.id))).scalars())
    for case_id in found:
        case = await held(session, merchant_id, case_id)
        if case.status is not CaseStatus.OPEN:  # somebody decided it meanwhile
            continue
        if evidence:
            await add_evidence(session, merchant_id, case_id, evidence, act)
            case = await held(session, merchant_id, case_id)
        await _end(session, case, CaseAct.SETTLE, CaseStatus.SETTLED, reason, act)
    return bool(found)


async def _end(session: PlatformSession, case: Case, did: CaseAct, status: CaseStatus, reason: str, act: Act) -> None:
    ended = replace(case, status=status, reason=reason, decided_at=act.at)
    await write(
        session,
        Changed(review_case, key_of(case), {"status": status, "reason": reason, "decided_at": act.at}),
        event(case, did, act, reason, {}),
        trail(session, case, did, act, {"status": status, "reason": reason}, {"status": case.status}),
        *told_of_end(session, ended, act),
    )
