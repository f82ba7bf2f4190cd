"""A merchant's objection to a statement: what it disputes is held, and a case asks people to decide."""

from dataclasses import dataclass
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, Decision
from merchantry.domain.errors import InvalidInput
from merchantry.domain.money import format_minor
from merchantry.domain.worded import Worded
from merchantry.services import ledger, statement
from merchantry.services.case import Case, Fact, NewCase, open_case
from merchantry.services.case_end import settle
from merchantry.services.review_case import ask_people_of
from merchantry.services.settlement import Conditions, reviewed
from merchantry.services.statement import Objection
from tenancy.database import MerchantSession, Transaction

HELD_BY = "held by entry"
"""The fact that leads to the entry which holds the money; there is none where there was nothing to hold."""


@dataclass(frozen=True, slots=True)
class Dispute:
    """What a merchant says of a statement: how much of it is wrong, and why."""

    statement_id: UUID
    amount_minor: int
    currency: str
    reason: str


async def object_to(
    session: MerchantSession, conditions: Conditions, said: Dispute, case_id: UUID, act: Act
) -> Objection:
    """Hold what can be held of the amount and open the case that people are to decide; `look_again` is what follows.

    Raises InvalidInput for another currency, and what ``statement.object_to`` raises.
    """
    statement_id, amount_minor, reason = said.statement_id, said.amount_minor, said.reason
    found = await statement.find(session, statement_id)
    if said.currency != found.currency:
        raise InvalidInput(
            reason=Worded("The statement is in {currency}; object in it.", currency=found.currency),
            path=("amount", "currency"),
        )
    made = await statement.object_to(session, conditions, statement_id, amount_minor, reason, act)
    evidence = [
        Fact("statement", str(statement_id), "Statement"),
        Fact("objected to", f"{format_minor(amount_minor, found.currency)} {found.currency}"),
        Fact("held", f"{format_minor(made.held_minor, found.currency)} {found.currency}"),
        *([Fact(HELD_BY, str(made.held_seq))] if made.held_seq is not None else []),
        Fact("reason", reason),
    ]
    new = NewCase(
        kind=CaseKind.STATEMENT_OBJECTION,
        merchant_id=session.merchant_id,
        subject_kind="Statement",
        subject_id=str(statement_id),
        title=f"Objection to the statement {found.number}",
        evidence=evidence,
        currency=found.currency,
        amount_minor=amount_minor,
        id=case_id,
    )
    await open_case(session, new, act)
    return made


async def look_again(tx: Transaction, merchant_id: UUID, made: Objection, act: Act) -> None:
    """The payout that an objection gave up is reviewed no more; the one in its place is, where a rule minds it."""
    if made.given_up:
        reason = "The payout was given up because of an objection; what is left of it was planned anew."
        async with tx.as_platform() as session:
            await settle(session, merchant_id, [CaseKind.REVIEW], ("Payout", str(made.given_up)), reason, act)
    if made.planned:
        await ask_people_of(tx, [reviewed(merchant_id, made.planned, act)], act)


async def decided(tx: Transaction, case: Case, decision: Decision, act: Act) -> None:
    """What is held is free again; as far as the merchant was right, it is given in the open period."""
    if case.subject_kind != "Statement" or case.amount_minor is None:
        return
    given_minor = decision.granted_minor or 0
    async with tx.as_merchant(case.merchant_id) as session:
        made = await _objection(session, case)
        await statement.decide_objection(
            session, made.statement.id, made, given_minor=given_minor, reason=decision.reason, act=act
        )


async def _objection(session: MerchantSession, case: Case) -> Objection:
    found = await statement.find(session, UUID(case.subject_id))
    held_seq = next((int(fact.value) for fact in case.evidence if fact.name == HELD_BY), None)
    if held_seq is None:
        return Objection(found, 0, None)
    held = (await ledger.entry_of(session, held_seq)).entry
    return Objection(found, sum(each.amount_minor for each in held.postings if each.amount_minor > 0), held_seq)
