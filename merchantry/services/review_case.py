"""Acts that review rules did not let pass: people are asked, by a case of the kind REVIEW, in the act's transaction.

The case is the platform's own affair: a merchant is told that its money is held, and not what for. Nobody decides on
what they did themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from uuid import UUID

import structlog

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.event import EventKind
from merchantry.domain.review import KEPT_BACK, Outcome, ReviewStatus, RuleSubject, Verdict, due_at, odd, worst
from merchantry.services import audit, case, order, outbox, queue, review_hold
from merchantry.services.case import Case, CaseAct, Fact, NewCase
from merchantry.services.order import Order
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import orders
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.writes import Changed, write

ACTOR: Final = "system:review"
NODES: Final[Mapping[RuleSubject, str]] = MappingProxyType(
    {
        RuleSubject.ORDER: "Order",
        RuleSubject.REFUND: "Refund",
        RuleSubject.PAYOUT: "Payout",
        RuleSubject.PAYEE: "PayeeAccount",
    }
)
"""What the API calls the subjects of cases; SPLIT and PRICE are looked at with their order."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An act as the rules judged it. ``subject_id`` are its keys, ``name`` what people call it; ``parties`` did it."""

    merchant_id: UUID
    subject: RuleSubject
    subject_id: str
    name: str
    verdicts: tuple[Verdict, ...]
    currency: str
    amount_minor: int | None
    parties: Sequence[str]


async def ask_people(session: PlatformSession, reviewed: Sequence[Reviewed], act: Act) -> None:
    """Open a case for each act that a rule flagged or held; nothing for those that passed."""
    asking = Act(ACTOR, act.at, act.booked_at)
    for each in reviewed:
        found = odd(each.verdicts)
        if not found:
            continue
        did = "held" if worst(found) is Outcome.HOLD else "flagged"
        new = NewCase(
            kind=CaseKind.REVIEW,
            merchant_id=each.merchant_id,
            subject_kind=NODES[each.subject],
            subject_id=each.subject_id,
            title=f"The {each.subject} {each.name} is {did}: {'; '.join(verdict.title for verdict in found)}"[:200],
            evidence=[evidence(verdict) for verdict in found],
            currency=each.currency if each.amount_minor is not None else None,
            amount_minor=each.amount_minor,
            due_at=due_at(found, act.booked_at),
            parties=each.parties,
        )
        case_id = await case.open_case(session, new, asking)
        await remind(session, new, case_id)


async def ask_people_of(tx: Transaction, reviewed: Sequence[Reviewed], act: Act) -> None:
    """As :func:`ask_people`, for whoever has no session of the platform open."""
    if any(odd(each.verdicts) for each in reviewed):
        async with tx.as_platform() as session:
            await ask_people(session, reviewed, act)


async def remind(session: PlatformSession | MerchantSession, new: NewCase, case_id: UUID) -> None:
    """Look at a case again when it is due."""
    if new.due_at is not None:
        await queue.enqueue(session, new.merchant_id, JobKind.CASE_OVERDUE, case_id, new.due_at)


def evidence(verdict: Verdict) -> Fact:
    """What a rule saw, with the version that saw it."""
    return Fact(f"{verdict.rule} (rules {verdict.version}): {verdict.outcome}", verdict.reason)


async def overdue(session: PlatformSession, merchant_id: UUID, case_id: UUID, act: Act) -> None:
    """The time that people had for a case is over: its story, the audit trail and the log say so. Raises NotFound."""
    found = await case.held(session, merchant_id, case_id)
    await queue.dequeue(session, merchant_id, JobKind.CASE_OVERDUE, case_id)
    if found.status is not CaseStatus.OPEN:
        return
    did, owner = CaseAct.OVERDUE, {"owner": found.owner}
    await write(
        session, case.event(found, did, act, "", owner), case.trail(session, found, did, act, {"title": found.title})
    )
    log.warning("case.overdue", case=str(case_id), kind=found.kind.value, has_owner=found.owner is not None)


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """What was held of an order is free again, or stays until the buyer has it back. Flags have no effect.

    A payout that waits for its review can be released, or no longer: ``payout.release`` looks at the case.
    """
    if found.subject_kind != NODES[RuleSubject.ORDER]:
        return
    async with tx.as_merchant(found.merchant_id) as session:
        held = await order.load(session, UUID(found.subject_id))
        is_cleared = decision.status is CaseStatus.APPROVED
        status = ReviewStatus.CLEARED if is_cleared else ReviewStatus.REFUSED
        if held.review_status not in KEPT_BACK or held.review_status == status:
            return
        await _end_review(session, held, status, act)
        if is_cleared:
            await review_hold.end(session, held, act)


async def _end_review(session: MerchantSession, held: Order, status: ReviewStatus, act: Act) -> None:
    seq, facts = held.events + 1, {"order": held.id, "number": held.number, "status": status}
    before, after = {"review_status": held.review_status}, {"review_status": status}
    await write(
        session,
        Changed(orders, {"id": held.id}, {"review_status": status, "events": seq}),
        order.event(held.id, seq, f"review.{status}", act, {}),
        *outbox.published(session, EventKind.REVIEW_DECIDED, facts, act),
        audit.event(session, session.merchant_id, act, "order.review", str(held.id), before, after),
    )
