"""The review case of a chargeback: opened with it, due when the bank wants its answer, over when that has decided."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import ChargebackRefused, InvalidInput, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.money import format_minor
from merchantry.services import audit, case, case_end, case_list, outbox, queue
from merchantry.services.case import Case, CaseAct, Fact, NewCase, event, held, key_of, trail
from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.order import Order
from merchantry.services.queue import JobKind
from merchantry.tables.case import review_case
from merchantry.tables.dispute import chargeback
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, write

SUBJECT = "Chargeback"


async def open_(session: PlatformSession, row: Chargeback, found: Order, act: Act) -> None:
    """People are to answer the bank, until its deadline where it gave one; a job watches that."""
    amount = f"{format_minor(row.amount_minor, row.currency)} {row.currency}"
    evidence = [
        Fact("order", str(found.id), "Order"),
        Fact("the bank's reference", row.provider_reference),
        Fact("reason", row.reason),
        Fact("round", str(row.round)),
        *_moments(shipped=found.last_shipped_at, delivered=found.last_delivered_at, completed=found.completed_at),
    ]
    new = NewCase(
        kind=CaseKind.CHARGEBACK,
        merchant_id=row.merchant_id,
        subject_kind=SUBJECT,
        subject_id=str(row.id),
        title=f"A bank takes {amount} of the order {found.number} back: send it evidence, or let it go.",
        evidence=evidence,
        currency=row.currency,
        amount_minor=row.amount_minor,
        due_at=row.respond_by,
    )
    await case.open_case(session, new, act)
    if row.respond_by is not None:
        await queue.enqueue(session, row.merchant_id, JobKind.CHARGEBACK_RESPOND, row.id, row.respond_by)


def _moments(**known: datetime | None) -> list[Fact]:
    return [Fact(name, moment.isoformat()) for name, moment in known.items() if moment is not None]


async def respond(
    session: PlatformSession, merchant_id: UUID, chargeback_id: UUID, evidence: Sequence[Fact], act: Act
) -> None:
    """The bank was sent this evidence; nothing is due any more until it decides. Can be repeated with more.

    Raises NotFound, ChargebackRefused unless it is open.
    """
    table = chargeback.c
    chosen = select(table.status, table.evidence, table.order_id).where(
        table.merchant_id == merchant_id, table.id == chargeback_id
    )
    row = (await session.execute(chosen.with_for_update())).one_or_none()
    if row is None:
        raise NotFound(what="chargeback", path=("chargeback_id",))
    if row.status != "opened":
        raise ChargebackRefused(status=row.status, act="respond")
    sent = [{"name": fact.name, "value": fact.value, "sent_at": act.at.isoformat()} for fact in evidence]
    after = {"evidence": [*row.evidence, *sent]}
    facts = {"chargeback": chargeback_id, "order": row.order_id}
    await write(
        session,
        Changed(chargeback, {"merchant_id": merchant_id, "id": chargeback_id}, after),
        audit.event(session, merchant_id, act, "chargeback.respond", str(chargeback_id), None, {"evidence": sent}),
        queue.done(merchant_id, JobKind.CHARGEBACK_RESPOND, chargeback_id),
        *outbox.published(session, EventKind.CHARGEBACK_RESPONDED, facts, act, merchant_id=merchant_id),
    )
    if found := await _open_case(session, merchant_id, chargeback_id):
        await case.add_evidence(session, merchant_id, found.id, evidence, act)
        await write(session, Changed(review_case, key_of(found), {"due_at": None}))


async def remind(tx: Transaction, merchant_id: UUID, chargeback_id: UUID, act: Act) -> bool:
    """The bank's deadline has passed: the case says so, and the merchant is told. False where nothing was due."""
    async with tx.as_platform() as session:
        await queue.dequeue(session, merchant_id, JobKind.CHARGEBACK_RESPOND, chargeback_id)
        found = await _open_case(session, merchant_id, chargeback_id)
        if found is None or found.due_at is None:
            return False
        found = await held(session, merchant_id, found.id)
        if found.status is not CaseStatus.OPEN or found.due_at is None:
            return False
        said = f"The bank wanted an answer until {found.due_at.isoformat()}, and was sent nothing."
        did = CaseAct.OVERDUE
        await write(
            session,
            event(found, did, act, said, {}),
            trail(session, found, did, act, {"due": str(found.due_at)}),
            *outbox.published(
                session,
                EventKind.CHARGEBACK_OVERDUE,
                {"chargeback": chargeback_id, "case": found.id},
                act,
                merchant_id=merchant_id,
                news={"respond_by": found.due_at.isoformat()},
            ),
        )
    return True


async def end(session: PlatformSession, merchant_id: UUID, chargeback_id: UUID, status: str, act: Act) -> None:
    """The bank has decided: the case ends with that, and nothing is due any more."""
    await queue.dequeue(session, merchant_id, JobKind.CHARGEBACK_RESPOND, chargeback_id)
    subject = (SUBJECT, str(chargeback_id))
    reason = f"The bank has decided: the chargeback was {status}."
    await case_end.settle(session, merchant_id, [CaseKind.CHARGEBACK], subject, reason, act)


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """A vote does not decide what the bank decides. Raises InvalidInput while the chargeback is open."""
    if found.subject_kind != SUBJECT:
        return
    table = chargeback.c
    chosen = select(table.status).where(
        table.merchant_id == found.merchant_id, table.id == UUID(found.subject_id), table.status == "opened"
    )
    async with tx.as_platform() as session:
        is_open = (await session.execute(chosen)).first() is not None
    if is_open:
        reason = (
            "Send the bank evidence (chargebackRespond), and say what it has decided (chargebackWin, chargebackLose):"
            " that ends the case."
        )
        raise InvalidInput(reason=reason, path=("case_id",))


async def _open_case(session: PlatformSession, merchant_id: UUID, chargeback_id: UUID) -> Case | None:
    return await case_list.open_about(session, merchant_id, CaseKind.CHARGEBACK, SUBJECT, str(chargeback_id))
