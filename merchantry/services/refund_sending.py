"""Refunds on their way to the buyer: asked of the provider under the same key until it answers.

No answer is not a refusal: such a refund is unknown and asked for again, and after an hour people look at it (a case
of the kind REFUND_UNKNOWN). A refusal waits for people too (REFUND_FAILED), who have it sent again under a new key, or
say that the buyer was paid by other means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import Row, select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import InvalidInput, NotFound, RefundRefused
from merchantry.domain.event import EventKind
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.gateways.payment import Tender as GatewayTender
from merchantry.services import audit, case, case_end, case_list, outbox, payment, queue
from merchantry.services import refund as refunds
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.queue import JobKind
from merchantry.tables.merchant import orders, refund
from tenancy.database import Database, MerchantSession, Transaction
from tenancy.writes import Changed, write

OPEN = ("pending", "unknown")
"""Statuses of a refund that its provider is still asked for."""

UNKNOWN_IS_A_CASE = timedelta(hours=1)
"""How old a refund without an answer is when people are asked to look."""

STATUS_OF = {
    ChargeStatus.CAPTURED: "sent",
    ChargeStatus.DECLINED: "failed",
    ChargeStatus.CANCELLED: "failed",
}


TOLD = {
    "pending": EventKind.REFUND_REQUESTED,
    "sent": EventKind.REFUND_SENT,
    "offline": EventKind.REFUND_SENT,
    "failed": EventKind.REFUND_FAILED,
    "unknown": EventKind.REFUND_UNKNOWN,
}
"""A refund that is sent again is requested again."""


class RefundOutcome(StrEnum):
    """What a person found out about a refund without an answer."""

    SENT = "sent"
    NOT_SENT = "not_sent"


@dataclass(frozen=True, slots=True)
class RefundToSend:
    """What to ask the provider for. ``key`` is that of the attempt, the same however often it is asked for."""

    key: UUID
    attempt: int
    charge_key: UUID
    amount_minor: int
    tenders: Sequence[GatewayTender]


async def refund_to_send(database: Database, actor: str, merchant_id: UUID, refund_id: UUID) -> RefundToSend | None:
    """A refund and the payment that it goes back to; None where there is nothing to ask for any more."""
    async with database.read(actor) as tx:
        async with tx.as_merchant(merchant_id) as session:
            columns = refund.c.amount_minor, refund.c.attempt, refund.c.status, refund.c.parties, orders.c.checkout_id
            statement = select(*columns).join(orders, orders.c.id == refund.c.order_id)
            row = (await session.execute(statement.where(refund.c.id == refund_id))).one()
        async with tx.as_platform() as platform:
            captured = await payment.captured_of(platform, row.checkout_id)
    if captured is None:
        raise ValueError(f"refund {refund_id} is of a checkout that was never paid")
    if row.status not in OPEN or captured.provider == payment.ELSEWHERE:
        return None
    tenders = [GatewayTender(each["method"], each["amount_minor"]) for each in row.parties.get("tenders", ())]
    return RefundToSend(key_of(refund_id, row.attempt), row.attempt, captured.id, row.amount_minor, tenders)


def key_of(refund_id: UUID, attempt: int) -> UUID:
    """The key of an attempt: the refund's own id, then another for each attempt after a definite failure."""
    return refund_id if attempt == 1 else uuid5(refund_id, str(attempt))


async def hear(
    tx: Transaction, merchant_id: UUID, refund_id: UUID, outcome: Outcome, act: Act, *, attempt: int = 1
) -> str:
    """Write what the provider said of an attempt at a refund; returns the refund's status.

    A definite answer settles the case that waited for it. Repeating it changes nothing.
    """
    async with tx.as_merchant(merchant_id) as session:
        row = await _held(session, refund_id)
        status = await _heard(session, row, attempt, outcome, act)
    if row.status in OPEN and status not in OPEN:
        await _settle(tx, row, CaseKind.REFUND_UNKNOWN, f"The provider has answered: {status}.", merchant_id, act)
    return status


async def _heard(session: MerchantSession, row: Row[Any], attempt: int, outcome: Outcome, act: Act) -> str:
    refund_id, status = row.id, STATUS_OF.get(outcome.status, "unknown")
    if row.status not in OPEN or row.attempt != attempt:
        if row.status not in OPEN:
            await queue.dequeue(session, session.merchant_id, JobKind.REFUND_SEND, refund_id)
        if status == "sent" and (row.status == "failed" or row.attempt != attempt):
            await _ask_about(session, row, "A refund that was taken to have failed was sent after all.", outcome, act)
        return str(row.status)
    if status == "unknown":
        if row.status != status:
            await _write(session, row, act, "refund.send", {"status": status, "failure": outcome.reason})
        await _worry(session, row, outcome, act)
        return status
    await queue.dequeue(session, session.merchant_id, JobKind.REFUND_SEND, refund_id)
    if status == "sent":
        await refunds.book_sent(session, row.id, row.order_id, row.amount_minor, row.currency, act)
        await _write(session, row, act, "refund.send", {"status": status, "sent_at": act.at, "failure": None})
    else:
        await _write(session, row, act, "refund.send", {"status": status, "failure": outcome.reason})
        await _ask_people(session, row, outcome, act)
    return status


async def retry(tx: Transaction, merchant_id: UUID, refund_id: UUID, act: Act) -> None:
    """Have a refused refund sent again, under a new key. Raises NotFound, RefundRefused unless it failed."""
    async with tx.as_merchant(merchant_id) as session:
        row = await _failed(session, refund_id, "retry")
        await _begin_again(session, row, act)
    await _settle(tx, row, CaseKind.REFUND_FAILED, "The refund is sent again.", merchant_id, act)


async def resolve(
    tx: Transaction, merchant_id: UUID, refund_id: UUID, outcome: RefundOutcome, evidence: str, act: Act
) -> None:
    """A person says what became of a refund without an answer; ``evidence`` is how it is known. Its case ends.

    What was not sent has failed: it may then be sent again. Raises NotFound, RefundRefused unless it is unknown.
    """
    async with tx.as_merchant(merchant_id) as session:
        row = await _held(session, refund_id)
        if row.status != "unknown":
            raise RefundRefused(status=row.status, act="resolve")
        await queue.dequeue(session, merchant_id, JobKind.REFUND_SEND, refund_id)
        if outcome is RefundOutcome.SENT:
            await refunds.book_sent(session, row.id, row.order_id, row.amount_minor, row.currency, act)
            changes = {"status": "sent", "sent_at": act.at, "failure": None}
            await _write(session, row, act, "refund.resolve", changes, evidence=evidence)
        else:
            failed = Outcome(ChargeStatus.DECLINED, reason="It was not sent, as a person has found out.")
            changes = {"status": "failed", "failure": failed.reason}
            await _write(session, row, act, "refund.resolve", changes, evidence=evidence)
            await _ask_people(session, row, failed, act)
    reason = f"A person has found out that the refund was {outcome.replace('_', ' ')}."
    await _settle(tx, row, CaseKind.REFUND_UNKNOWN, reason, merchant_id, act, evidence)


async def mark_offline(tx: Transaction, merchant_id: UUID, refund_id: UUID, evidence: str, act: Act) -> None:
    """The buyer was paid by other means; ``evidence`` says how. Raises NotFound, RefundRefused unless it failed."""
    async with tx.as_merchant(merchant_id) as session:
        row = await _failed(session, refund_id, "mark_offline")
        await refunds.book_sent(session, row.id, row.order_id, row.amount_minor, row.currency, act)
        changes = {"status": "offline", "sent_at": act.at}
        await _write(session, row, act, "refund.mark_offline", changes, evidence=evidence)
    reason = "The buyer was paid by other means."
    await _settle(tx, row, CaseKind.REFUND_FAILED, reason, merchant_id, act, evidence)


async def failure_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """People approve a refused refund: it is sent again. Rejecting leaves it to be paid by other means."""
    if decision.status is CaseStatus.APPROVED:
        async with tx.as_merchant(found.merchant_id) as session:
            row = await _failed(session, UUID(found.subject_id.split()[-1]), "retry")
            await _begin_again(session, row, act)


async def unknown_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """A vote does not say what became of a refund: only a definite answer or evidence ends the case.

    Raises InvalidInput while the refund is unknown.
    """
    if found.subject_kind != "Refund":
        return
    async with tx.as_merchant(found.merchant_id) as session:
        row = await _held(session, UUID(found.subject_id.split()[-1]))
    if row.status in OPEN:
        reason = "Say what became of the refund, and how it is known (refundResolve): that ends the case."
        raise InvalidInput(reason=reason, path=("case_id",))


async def _begin_again(session: MerchantSession, row: Row[Any], act: Act) -> None:
    changes = {"status": "pending", "failure": None, "attempt": row.attempt + 1}
    await _write(session, row, act, "refund.retry", changes)
    await queue.enqueue(session, session.merchant_id, JobKind.REFUND_SEND, row.id, act.booked_at)


async def _held(session: MerchantSession, refund_id: UUID) -> Row[Any]:
    row = (await session.execute(select(refund).where(refund.c.id == refund_id).with_for_update())).one_or_none()
    if row is None:
        raise NotFound(what="refund", path=("refund_id",))
    return row


async def _failed(session: MerchantSession, refund_id: UUID, did: str) -> Row[Any]:
    row = await _held(session, refund_id)
    if row.status != "failed" or row.kind == "chargeback":
        raise RefundRefused(status=row.status, act=did)
    return row


async def _write(
    session: MerchantSession, row: Row[Any], act: Act, did: str, changes: dict[str, Any], **more: str
) -> None:
    before, after = {"status": row.status}, {"status": changes["status"], "amount_minor": row.amount_minor, **more}
    facts = {"refund": row.id, "order": row.order_id, "amount_minor": row.amount_minor, "status": changes["status"]}
    await write(
        session,
        Changed(refund, {"id": row.id}, changes),
        audit.event(session, session.merchant_id, act, did, str(row.id), before, after),
        *outbox.published(session, TOLD[changes["status"]], facts, act),
    )


async def _ask_people(session: MerchantSession, row: Row[Any], outcome: Outcome, act: Act) -> None:
    kind, subject_id = _subject(row)
    new = NewCase(
        kind=CaseKind.REFUND_FAILED,
        merchant_id=session.merchant_id,
        subject_kind=kind,
        subject_id=subject_id,
        title="The payment provider refuses a refund; approve to send it again.",
        evidence=[Fact("order", str(row.order_id), "Order"), Fact("the provider says", outcome.reason or "nothing")],
        currency=row.currency,
        amount_minor=row.amount_minor,
    )
    await case.open_case(session, new, act)


async def _worry(session: MerchantSession, row: Row[Any], outcome: Outcome, act: Act) -> None:
    """Nobody has answered for so long that a person must ask."""
    if act.booked_at - row.occurred_at < UNKNOWN_IS_A_CASE:
        return
    about = (session.merchant_id, CaseKind.REFUND_UNKNOWN, *_subject(row))
    if await case_list.open_about(session, *about) is None:
        await _ask_about(session, row, "The payment provider does not say what became of a refund.", outcome, act)


async def _ask_about(session: MerchantSession, row: Row[Any], title: str, outcome: Outcome, act: Act) -> None:
    kind, subject_id = _subject(row)
    new = NewCase(
        kind=CaseKind.REFUND_UNKNOWN,
        merchant_id=session.merchant_id,
        subject_kind=kind,
        subject_id=subject_id,
        title=title,
        evidence=[
            Fact("order", str(row.order_id), "Order"),
            Fact("attempt", str(row.attempt)),
            Fact("key at the provider", str(key_of(row.id, row.attempt))),
            Fact("the provider says", outcome.reason or "nothing"),
        ],
        currency=row.currency,
        amount_minor=row.amount_minor,
        parties=[row.requested_by],
    )
    await case.open_case(session, new, act)


def _subject(row: Row[Any]) -> tuple[str, str]:
    return "Refund", f"{row.order_id} {row.id}"


async def _settle(
    tx: Transaction, row: Row[Any], kind: CaseKind, reason: str, merchant_id: UUID, act: Act, evidence: str = ""
) -> None:
    facts = [Fact("evidence", evidence)] if evidence else []
    async with tx.as_platform() as platform:
        await case_end.settle(platform, merchant_id, [kind], _subject(row), reason, act, evidence=facts)
