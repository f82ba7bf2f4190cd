"""Work to be done at or after a moment: rows of the transaction that makes the work necessary."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from merchantry.tables.platform import job
from tenancy.database import Session
from tenancy.writes import Gone, New, write


class JobKind(StrEnum):
    """What a worker can be asked to do."""

    CHECKOUT_EXPIRE = "checkout.expire"
    PAYMENT_POLL = "payment.poll"
    PAYMENT_GIVE_BACK = "payment.give_back"
    ORDER_OVERDUE = "order.overdue"
    ORDER_COMPLETE = "order.complete"
    HOLD_RELEASE = "hold.release"
    REFUND_SEND = "refund.send"
    RETURN_DECIDE = "return.decide"
    RETURN_EXPIRE = "return.expire"
    CHARGEBACK_RESPOND = "chargeback.respond"
    STATEMENT_ACCEPT = "statement.accept"
    RESERVE_RELEASE = "reserve.release"
    SETTLEMENT_RUN = "settlement.run"
    PAYOUT_SEND = "payout.send"
    PAYOUT_POLL = "payout.poll"
    PAYOUT_BATCH = "payout.batch"
    CASE_OVERDUE = "case.overdue"
    REPORT_PRODUCE = "report.produce"
    REPORT_FORGET = "report.forget"
    BACKUP_TAKE = "backup.take"
    RESTORE_FINISH = "restore.finish"
    BUYER_ERASE = "buyer.erase"
    SEARCH_LEARN = "search.learn"


_NEW = insert(job)
ENQUEUE = _NEW.on_conflict_do_update(
    index_elements=["merchant_id", "kind", "subject_id"],
    set_={"due_at": _NEW.excluded.due_at, "attempts": 0, "leased_until": None},
)


async def enqueue(session: Session, merchant_id: UUID, kind: JobKind, subject_id: UUID, due_at: datetime) -> None:
    """Ask for work on a subject; asking again moves it to the new moment."""
    await session.execute(ENQUEUE, asked(merchant_id, kind, subject_id, due_at).row)


async def enqueue_unless_asked(
    session: Session, merchant_id: UUID, kind: JobKind, subject_id: UUID, due_at: datetime
) -> None:
    """Ask for work on a subject, unless it is asked for already."""
    row = asked(merchant_id, kind, subject_id, due_at).row
    await session.execute(insert(job).on_conflict_do_nothing(), row)


def asked(merchant_id: UUID, kind: JobKind, subject_id: UUID, due_at: datetime) -> New:
    """Work on a subject that was never asked for before, to be written together with what makes it necessary."""
    row = {"merchant_id": merchant_id, "kind": kind, "subject_id": subject_id, "due_at": due_at, "attempts": 0}
    return New(job, row)


async def dequeue(session: Session, merchant_id: UUID, kind: JobKind, subject_id: UUID) -> None:
    """The work is done, or no longer necessary."""
    await write(session, done(merchant_id, kind, subject_id))


def done(merchant_id: UUID, kind: JobKind, subject_id: UUID) -> Gone:
    """What :func:`dequeue` writes, to be written together with something else."""
    return Gone(job, {"merchant_id": merchant_id, "kind": kind, "subject_id": subject_id})


async def finished(session: Session, merchant_id: UUID, kind: JobKind, subject_id: UUID, due_at: datetime) -> None:
    """The work is done as it was asked for at this moment; where it was asked for again since, it stays."""
    await write(
        session, Gone(job, {"merchant_id": merchant_id, "kind": kind, "subject_id": subject_id, "due_at": due_at})
    )
