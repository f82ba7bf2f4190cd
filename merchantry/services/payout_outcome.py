"""What becomes of payouts, with the review cases that it settles: what is heard, and what people do about them.

A payout's case is held by the platform, what the payout does is the merchant's: each function here does both in one
transaction, so that no case stays open that has nothing left to decide.
"""

from typing import Any
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.errors import InvalidInput
from merchantry.domain.payout import Heard, PayoutStatus, Word
from merchantry.services import case_end, payout
from merchantry.services.case import Case, Fact, NewCase, open_case
from merchantry.services.payout import Payout, Told
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

SUBJECT = "Payout"

WAITS_FOR = {
    CaseKind.PAYOUT_UNKNOWN: PayoutStatus.UNKNOWN,
    CaseKind.PAYOUT_FAILED: PayoutStatus.FAILED,
    CaseKind.PAYOUT_RELEASE: PayoutStatus.PLANNED,
}
"""Cases about payouts that have nothing to decide once the payout stands otherwise."""


async def hear_from_provider(tx: Transaction, merchant_id: UUID, key: UUID, told: Told, act: Act) -> None:
    """As `hear`; a word that contradicts what is certain already (rejected, and then paid) changes nothing, and people
    must look at it, as at a line of the bank's that does."""
    found, heard = await hear(tx, merchant_id, key, told, act)
    if not heard.contradicts:
        return
    evidence = [
        Fact("payout", str(found.id), SUBJECT),
        Fact("transfer", str(key)),
        Fact("the provider says", told.word),
        Fact("the provider's reference", told.provider_reference or "none given"),
        Fact("reason", told.reason or "none given"),
    ]
    new = NewCase(
        kind=CaseKind.BANK_DIFFERENCE,
        merchant_id=NOBODY,
        subject_kind="Transfer",
        subject_id=str(key),
        title=f"The provider says {told.word}, but a transfer of {found.number} is {heard.state} for certain.",
        evidence=evidence,
        currency=found.currency,
        amount_minor=found.amount_minor,
    )
    async with tx.as_platform() as session:
        await open_case(session, new, act)


async def hear(tx: Transaction, merchant_id: UUID, key: UUID, told: Told, act: Act) -> tuple[Payout, Heard]:
    """As ``payout.hear_of``; a definite answer settles the case that waited for it."""
    async with tx.as_merchant(merchant_id) as session:
        found, heard = await payout.hear_of(session, key, told, act)
    if heard.state not in payout.UNANSWERED:
        await _settle(tx, found, f"The answer came: {told.word}.", act, [Fact("reason", told.reason or "none given")])
    return found, heard


async def resolve(
    tx: Transaction, merchant_id: UUID, key: UUID, word: Word, evidence: dict[str, Any], act: Act
) -> Payout:
    """As ``payout.resolve``; the case ends with what the person found out."""
    async with tx.as_merchant(merchant_id) as session:
        found, _ = await payout.resolve(session, key, word, evidence, act)
    reason = f"A person has found out what became of the transfer: {word}."
    await _settle(tx, found, reason, act, [Fact(str(name), str(value)) for name, value in evidence.items()])
    return found


async def retry(tx: Transaction, merchant_id: UUID, payout_id: UUID, act: Act) -> Payout:
    """As ``payout.retry``; nobody has to decide about the failure any more."""
    async with tx.as_merchant(merchant_id) as session:
        found = await payout.retry(session, payout_id, act)
    await _settle(tx, found, "What failed is tried again, under new keys.", act)
    return found


async def cancel(tx: Transaction, merchant_id: UUID, payout_id: UUID, reason: str, act: Act) -> Payout:
    """As ``payout.cancel``; nobody has to decide about the payout any more."""
    async with tx.as_merchant(merchant_id) as session:
        found = await payout.cancel(session, payout_id, reason, act)
    await _settle(tx, found, f"The payout was given up: {reason}", act)
    async with tx.as_platform() as session:
        told = "The payout was given up, so there is nothing to review."
        await case_end.settle(session, merchant_id, [CaseKind.REVIEW], (SUBJECT, str(payout_id)), told, act)
    return found


async def unknown_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """A vote does not say what became of a transfer: only a definite answer, a bank line or evidence ends the case.

    Raises InvalidInput while the payout is unknown.
    """
    if found.subject_kind == SUBJECT and (await _payout_of(tx, found)).status is PayoutStatus.UNKNOWN:
        reason = "Say what became of the transfer, and how it is known (payoutResolve): that ends the case."
        raise InvalidInput(reason=reason, path=("case_id",))


async def failure_decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """Approved: what failed is tried again under new keys. Rejected: the payout is given up, its money available again.

    Raises PayoutRefused where that is not possible any more, and while a transfer of it may still arrive.
    """
    if found.subject_kind != SUBJECT:
        return
    async with tx.as_merchant(found.merchant_id) as session:
        payout_id = UUID(found.subject_id)
        if decision.status is CaseStatus.APPROVED:
            await payout.retry(session, payout_id, act)
        else:
            await payout.cancel(session, payout_id, decision.reason, act)


async def _payout_of(tx: Transaction, found: Case) -> Payout:
    async with tx.as_merchant(found.merchant_id) as session:
        return await payout.find(session, UUID(found.subject_id))


async def _settle(tx: Transaction, found: Payout, reason: str, act: Act, evidence: list[Fact] | None = None) -> None:
    over = [kind for kind, status in WAITS_FOR.items() if status is not found.status]
    subject = (SUBJECT, str(found.id))
    async with tx.as_platform() as session:
        await case_end.settle(session, found.merchant_id, over, subject, reason, act, evidence=evidence or ())
