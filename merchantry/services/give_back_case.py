"""Late money that its provider does not give back: people are asked to see that the buyer gets it.

The provider is asked on all the while. Approving the case says that the buyer got the money by other means, so it is
asked no more; rejecting it leaves all as it is.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.services import audit, case, case_end, queue
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.queue import JobKind
from merchantry.tables.case import review_case
from merchantry.tables.platform import NOBODY, payment
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, write

DECLINES = 3
"""So many definite refusals make a case, and each time their number has doubled, so that a rejected one comes again."""
UNKNOWN_IS_A_CASE = timedelta(hours=1)
"""How long money has waited when no answer makes a case."""
SUBJECT = "Payment"


@dataclass(frozen=True, slots=True)
class Declined:
    """An attempt to give a payment's money back, under a key, and what the provider said to it."""

    payment_id: UUID
    provider: str
    currency: str
    amount_minor: int
    attempt: int
    key: UUID
    outcome: Outcome

    def case(self, title: str) -> NewCase:
        """What people are asked to look at; the platform's own affair, for no merchant has a part in the money."""
        return NewCase(
            kind=CaseKind.GIVE_BACK_FAILED,
            merchant_id=NOBODY,
            subject_kind=SUBJECT,
            subject_id=str(self.payment_id),
            title=title,
            evidence=[
                Fact("provider", self.provider),
                Fact("attempt", str(self.attempt)),
                Fact("key at the provider", str(self.key)),
                Fact("the provider says", self.outcome.reason or "nothing"),
            ],
            currency=self.currency,
            amount_minor=self.amount_minor,
        )


async def worry(session: PlatformSession, asked: Declined, late_at: datetime, act: Act) -> None:
    """Open a case where the provider has refused often enough, or has given no answer for long."""
    if asked.outcome.status is ChargeStatus.DECLINED:
        if _is_worth_asking(asked.attempt):
            await case.open_case(session, asked.case("The payment provider refuses to give late money back."), act)
        return
    if act.booked_at - late_at >= UNKNOWN_IS_A_CASE and not await _has_been_asked(session, asked.payment_id):
        title = "The payment provider does not say whether it gave late money back."
        await case.open_case(session, asked.case(title), act)


async def ask_about_two(session: PlatformSession, asked: Declined, act: Act) -> None:
    """The provider gave back what people had said was given back by other means."""
    await case.open_case(session, asked.case("Late money may have gone back twice: find out, and ask for it."), act)


async def settle(session: PlatformSession, payment_id: UUID, act: Act) -> None:
    """The money has gone back after all."""
    reason = "The payment provider has given the money back."
    await case_end.settle(session, NOBODY, [CaseKind.GIVE_BACK_FAILED], (SUBJECT, str(payment_id)), reason, act)


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """People approve: the buyer has the money by other means, as their reason says."""
    if decision.status is not CaseStatus.APPROVED or found.subject_kind != SUBJECT:
        return
    payment_id = UUID(found.subject_id)
    async with tx.as_platform() as session:
        row = (await session.execute(select(payment).where(payment.c.id == payment_id).with_for_update())).one()
        if row.given_back_at is not None:
            return
        changes = {"given_back_at": act.at, "give_back_attempt": row.give_back_attempt + 1}
        after = {"amount_minor": row.amount_minor, "reason": decision.reason}
        await write(
            session,
            Changed(payment, {"id": payment_id}, changes),
            queue.done(NOBODY, JobKind.PAYMENT_GIVE_BACK, payment_id),
            audit.event(session, NOBODY, act, "payment.give_back_elsewhere", str(payment_id), None, after),
        )


async def _has_been_asked(session: PlatformSession, payment_id: UUID) -> bool:
    table = review_case.c
    mine = (table.merchant_id == NOBODY, table.kind == CaseKind.GIVE_BACK_FAILED, table.subject_id == str(payment_id))
    return bool(await session.scalar(select(exists().where(*mine))))


def _is_worth_asking(declines: int) -> bool:
    times, rest = divmod(declines, DECLINES)
    return rest == 0 and times & (times - 1) == 0
