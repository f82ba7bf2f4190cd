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
from merchantry.services import audit, give_back_case, queue
from merchantry.services.give_back_case import Declined
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

    After a definite no the next attempt has a key of its own. Without a definite answer the key stays the same. People
    are asked where neither leads anywhere (``give_back_case``).
    """
    async with tx.as_platform() as session:
        row = (await session.execute(select(payment).where(payment.c.id == payment_id).with_for_update())).one()
        about = Declined(payment_id, row.provider, row.currency, row.amount_minor, asked.attempt, asked.key, outcome)
        if row.given_back_at is not None:
            if outcome.status is ChargeStatus.CAPTURED and row.give_back_attempt != asked.attempt:
                await give_back_case.ask_about_two(session, about, act)
            return True
        if outcome.status is ChargeStatus.CAPTURED:
            await _gone_back(session, payment_id, asked, act)
            await give_back_case.settle(session, payment_id, act)
            return True
        if outcome.status is ChargeStatus.DECLINED and row.give_back_attempt == asked.attempt:
            await write(session, Changed(payment, {"id": payment_id}, {"give_back_attempt": asked.attempt + 1}))
        await give_back_case.worry(session, about, row.late_at, act)
    return False


async def _gone_back(session: PlatformSession, payment_id: UUID, asked: GivingBack, act: Act) -> None:
    after = {"amount_minor": asked.amount_minor, "attempt": asked.attempt}
    await write(
        session,
        Changed(payment, {"id": payment_id}, {"given_back_at": act.at}),
        queue.done(NOBODY, JobKind.PAYMENT_GIVE_BACK, payment_id),
        audit.event(session, NOBODY, act, "payment.give_back", str(payment_id), None, after),
    )
