"""Refunds on their way to the buyer: asked of the provider under the refund's id for ever, until it answers.

No answer is not a refusal: such a refund is unknown and asked for again. A refusal waits for people (a case of the kind
REFUND_FAILED), who have it sent again or say that the buyer was paid by other means.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import NotFound, RefundRefused
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.gateways.payment import Tender as GatewayTender
from merchantry.services import audit, case, payment, queue
from merchantry.services import refund as refunds
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.queue import JobKind
from merchantry.tables.case import review_case
from merchantry.tables.merchant import orders, refund
from tenancy.database import Database, MerchantSession, PlatformSession, Transaction
from tenancy.writes import Changed, write

OPEN = ("pending", "unknown")
"""Statuses of a refund that its provider is still asked for."""

STATUS_OF = {
    ChargeStatus.CAPTURED: "sent",
    ChargeStatus.DECLINED: "failed",
    ChargeStatus.CANCELLED: "failed",
}


@dataclass(frozen=True, slots=True)
class RefundToSend:
    """What to ask the provider for."""

    charge_key: UUID
    amount_minor: int
    tenders: Sequence[GatewayTender]


async def refund_to_send(database: Database, actor: str, merchant_id: UUID, refund_id: UUID) -> RefundToSend | None:
    """A refund and the payment that it goes back to; None where there is nothing to ask for any more."""
    async with database.read(actor) as tx:
        async with tx.as_merchant(merchant_id) as session:
            columns = refund.c.amount_minor, refund.c.status, refund.c.parties, orders.c.checkout_id
            statement = select(*columns).join(orders, orders.c.id == refund.c.order_id)
            row = (await session.execute(statement.where(refund.c.id == refund_id))).one()
        async with tx.as_platform() as platform:
            captured = await payment.captured_of(platform, row.checkout_id)
    if captured is None:
        raise ValueError(f"refund {refund_id} is of a checkout that was never paid")
    if row.status not in OPEN or captured.provider == payment.ELSEWHERE:
        return None
    tenders = [GatewayTender(each["method"], each["amount_minor"]) for each in row.parties.get("tenders", ())]
    return RefundToSend(captured.id, row.amount_minor, tenders)


async def answered(session: MerchantSession, refund_id: UUID, outcome: Outcome, act: Act) -> str:
    """Write what the provider said of a refund; returns its status. Repeating it changes nothing."""
    row = await _held(session, refund_id)
    status = STATUS_OF.get(outcome.status, "unknown")
    if row.status not in OPEN:
        await queue.dequeue(session, session.merchant_id, JobKind.REFUND_SEND, refund_id)
        return str(row.status)
    if status == "unknown":
        if row.status != status:
            await _write(session, row, act, "refund.send", {"status": status, "failure": outcome.reason})
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
    """Have a refused refund sent again, under its own id as ever. Raises NotFound, RefundRefused unless it failed."""
    async with tx.as_merchant(merchant_id) as session:
        row = await _failed(session, refund_id, "retry")
        await _write(session, row, act, "refund.retry", {"status": "pending", "failure": None})
        await queue.enqueue(session, merchant_id, JobKind.REFUND_SEND, refund_id, act.booked_at)
    await _nothing_to_decide(tx, merchant_id, refund_id, "The refund is sent again.", act)


async def mark_offline(tx: Transaction, merchant_id: UUID, refund_id: UUID, evidence: str, act: Act) -> None:
    """The buyer was paid by other means; ``evidence`` says how. Raises NotFound, RefundRefused unless it failed."""
    async with tx.as_merchant(merchant_id) as session:
        row = await _failed(session, refund_id, "mark_offline")
        await refunds.book_sent(session, row.id, row.order_id, row.amount_minor, row.currency, act)
        changes = {"status": "offline", "sent_at": act.at}
        await _write(session, row, act, "refund.mark_offline", changes, evidence=evidence)
    await _nothing_to_decide(tx, merchant_id, refund_id, "The buyer was paid by other means.", act)


async def failure_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """People approve a refused refund: it is sent again. Rejecting leaves it to be paid by other means."""
    if decision.status is CaseStatus.APPROVED:
        async with tx.as_merchant(found.merchant_id) as session:
            row = await _failed(session, UUID(found.subject_id.split()[-1]), "retry")
            await _write(session, row, act, "refund.retry", {"status": "pending", "failure": None})
            await queue.enqueue(session, found.merchant_id, JobKind.REFUND_SEND, row.id, act.booked_at)


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
    await write(
        session,
        Changed(refund, {"id": row.id}, changes),
        audit.event(session, session.merchant_id, act, did, str(row.id), before, after),
    )


async def _ask_people(session: MerchantSession, row: Row[Any], outcome: Outcome, act: Act) -> None:
    new = NewCase(
        kind=CaseKind.REFUND_FAILED,
        merchant_id=session.merchant_id,
        subject_kind="Refund",
        subject_id=f"{row.order_id} {row.id}",
        title="The payment provider refuses a refund; approve to send it again.",
        evidence=[Fact("order", str(row.order_id), "Order"), Fact("the provider says", outcome.reason or "nothing")],
        currency=row.currency,
        amount_minor=row.amount_minor,
    )
    await case.open_case(session, new, act)


async def _nothing_to_decide(tx: Transaction, merchant_id: UUID, refund_id: UUID, reason: str, act: Act) -> None:
    async with tx.as_platform() as platform:
        case_id = await _open_case(platform, merchant_id, refund_id)
        if case_id is not None:
            await case.withdraw(platform, merchant_id, case_id, reason, act)


async def _open_case(session: PlatformSession, merchant_id: UUID, refund_id: UUID) -> UUID | None:
    table = review_case.c
    found: UUID | None = await session.scalar(
        select(table.id).where(
            table.merchant_id == merchant_id,
            table.kind == CaseKind.REFUND_FAILED,
            table.status == CaseStatus.OPEN,
            table.subject_kind == "Refund",
            table.subject_id.endswith(str(refund_id)),
        )
    )
    return found
