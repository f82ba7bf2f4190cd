"""Money that a provider captured of a payment which had ended: it never enters the books, and goes back to its buyer.

The buyer was told that nothing was paid, may have paid by other means since, and the stock may be sold. So late money
buys nothing, whatever the checkout's state is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid5

from sqlalchemy import select

from merchantry.domain.act import Act
from merchantry.gateways.payment import ChargeStatus, Outcome, Tender
from merchantry.services import audit, queue
from merchantry.services.queue import JobKind
from merchantry.tables.platform import NOBODY, payment, tender
from tenancy.database import Database, PlatformSession, Transaction
from tenancy.writes import Changed, write


@dataclass(frozen=True, slots=True)
class GivingBack:
    """What the provider is asked to send back, under the key of this attempt."""

    attempt: int
    key: UUID
    amount_minor: int
    tenders: Sequence[Tender]


async def note(session: PlatformSession, payment_id: UUID, act: Act) -> None:
    """Write down that money came in late, and that it goes back. The payment is locked, and this is the first time."""
    after = {"late_at": act.at.isoformat()}
    await write(
        session,
        Changed(payment, {"id": payment_id}, {"late_at": act.at}),
        queue.asked(NOBODY, JobKind.PAYMENT_GIVE_BACK, payment_id, act.booked_at),
        audit.event(session, NOBODY, act, "payment.late", str(payment_id), None, after),
    )


async def to_give_back(database: Database, actor: str, payment_id: UUID) -> GivingBack | None:
    """What is to be asked for now; None where it has gone back."""
    async with database.read(actor) as tx, tx.as_platform() as session:
        statement = select(payment.c.amount_minor, payment.c.give_back_attempt, payment.c.given_back_at)
        row = (await session.execute(statement.where(payment.c.id == payment_id))).one()
        tenders = await session.execute(
            select(tender.c.method, tender.c.amount_minor)
            .where(tender.c.payment_id == payment_id)
            .order_by(tender.c.position)
        )
        if row.given_back_at is not None:
            return None
        key = uuid5(payment_id, f"give back {row.give_back_attempt}")
        back = [Tender(each.method, each.amount_minor) for each in tenders]
        return GivingBack(row.give_back_attempt, key, row.amount_minor, back)


async def hear(tx: Transaction, payment_id: UUID, asked: GivingBack, outcome: Outcome, act: Act) -> bool:
    """Write what the provider answered; whether the money has gone back.

    After a definite no the next attempt has a key of its own. Without a definite answer the key stays the same.
    """
    async with tx.as_platform() as session:
        statement = select(payment.c.given_back_at, payment.c.give_back_attempt).where(payment.c.id == payment_id)
        row = (await session.execute(statement.with_for_update())).one()
        if row.given_back_at is not None:
            return True
        if outcome.status is ChargeStatus.CAPTURED:
            after = {"amount_minor": asked.amount_minor, "attempt": asked.attempt}
            await write(
                session,
                Changed(payment, {"id": payment_id}, {"given_back_at": act.at}),
                queue.done(NOBODY, JobKind.PAYMENT_GIVE_BACK, payment_id),
                audit.event(session, NOBODY, act, "payment.give_back", str(payment_id), None, after),
            )
            return True
        if outcome.status is ChargeStatus.DECLINED and row.give_back_attempt == asked.attempt:
            await write(session, Changed(payment, {"id": payment_id}, {"give_back_attempt": asked.attempt + 1}))
    return False
