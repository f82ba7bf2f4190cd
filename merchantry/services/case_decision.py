"""What people decide about a case, and what follows from it in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import select

from merchantry.domain import case as rules
from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseState, CaseStatus, Decision, Vote
from merchantry.services.case import Case, CaseAct, event, held, key_of, sealed, told_of_end, trail
from merchantry.tables.case import case_event, review_case
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, Write, write

Effect = Callable[[Transaction, Case, Decision, Act], Awaitable[None]]
"""What follows once a case is approved or rejected; never both, and never twice. It raises to refuse the decision."""

Effects = Mapping[CaseKind, Effect]


async def decide(
    tx: Transaction,
    merchant_id: UUID,
    case_id: UUID,
    vote: Vote,
    reason: str,
    act: Act,
    *,
    effects: Effects,
    part: tuple[int, str] | None = None,
) -> Case:
    """One person's vote, with its reason; the vote that ends the case brings its effect about, and tells the merchant.

    ``part`` approves this much of the amount only (minor units and their currency). Raises InvalidInput where it makes
    no sense, NotFound, CaseClosed, OwnAct, VotedAlready, and what the effect raises: then there was no vote.
    """
    async with tx.as_platform() as session:
        case = await held(session, merchant_id, case_id)
        state = rules.decide(await _state(session, case), vote, sealed(case.id, act.actor))
        granted_minor = rules.granted(case.kind, vote, case.amount_minor, case.currency, part)
        is_decided = state.status is not CaseStatus.OPEN
        moved = replace(case, status=state.status, decision=vote, reason=reason, decided_at=act.at)
        if case.kind in rules.IN_PART:
            moved = replace(moved, granted_minor=granted_minor)
        decided = moved if is_decided else case
        await _write(session, case, decided, vote, reason, act)
    if is_decided:
        decision = Decision(decided.status, reason, act.actor, granted_minor)
        if effect := effects.get(case.kind):
            await effect(tx, decided, decision, act)
    return decided


async def _state(session: PlatformSession, case: Case) -> CaseState:
    """What the rules need to know of a case that is held."""
    rows = await session.execute(
        select(case_event.c.kind, case_event.c.actor, case_event.c.details)
        .where(case_event.c.merchant_id == case.merchant_id, case_event.c.case_id == case.id)
        .order_by(case_event.c.seq)
    )
    parties, approved_by = set[str](), list[str]()
    for row in rows:
        parties.update(row.details.get("parties", ()))
        if row.kind == CaseAct.REOPEN:
            approved_by.clear()
        if row.kind == CaseAct.APPROVE:
            approved_by.append(sealed(case.id, row.actor))
    return CaseState(case.status, case.approvals_needed, frozenset(parties), tuple(approved_by))


async def _write(session: PlatformSession, case: Case, decided: Case, vote: Vote, reason: str, act: Act) -> None:
    did = CaseAct(vote)
    names = ("status", "decision", "reason", "decided_at", "granted_minor")
    after: dict[str, Any] = {"status": decided.status, "reason": reason}
    after |= {} if decided.granted_minor is None else {"granted_minor": decided.granted_minor}
    ended = Changed(review_case, key_of(case), {name: getattr(decided, name) for name in names})
    told: list[Write] = [ended, *told_of_end(session, decided, act)] if decided is not case else []
    await write(
        session,
        event(case, did, act, reason, {}),
        trail(session, case, did, act, after, {"status": case.status}),
        *told,
    )
