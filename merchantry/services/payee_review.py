"""Review of payee accounts: a new one is a case for people, which ends with whatever becomes of the account."""

from collections.abc import Collection
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind, CaseStatus, Decision
from merchantry.domain.payee import PayeeStatus
from merchantry.domain.review import RuleSubject
from merchantry.services import case, case_end, case_list, payee, payout, review, review_case, review_rules
from merchantry.services.case import Case, Fact, NewCase
from merchantry.services.payee import PayeeAccount
from merchantry.services.payee_details import NewAccount
from merchantry.services.review_case import Reviewed
from merchantry.services.vault import Vault
from tenancy.database import Transaction
from tenancy.writes import write

SUBJECT = "PayeeAccount"


async def add_account(
    tx: Transaction, merchant_id: UUID, vault: Vault, new: NewAccount, account_id: UUID, act: Act
) -> PayeeAccount:
    """As ``payee.add_account``; people are asked to look, and no longer at the account that it takes the place of."""
    async with tx.as_merchant(merchant_id) as session:
        added = await payee.add_account(session, vault, new, account_id, act)
        asked = NewCase(
            kind=CaseKind.PAYEE_CHANGE,
            merchant_id=merchant_id,
            subject_kind=SUBJECT,
            subject_id=str(account_id),
            title=f"A new account for payouts in {added.currency}: {added.shown}",
            evidence=[
                Fact("account", str(account_id), SUBJECT),
                Fact("kind", added.kind),
                Fact("paid to from", added.usable_from.isoformat()),
            ],
            parties=[added.created_by],
        )
        await case.open_case(session, asked, act)
    await end_cases(tx, merchant_id, act)
    await _judge(tx, merchant_id, added, act)
    return added


async def _judge(tx: Transaction, merchant_id: UUID, added: PayeeAccount, act: Act) -> None:
    """What the review rules make of the account; it waits for its verification whatever they say."""
    async with tx.as_platform() as platform:
        known = await review_rules.known_of(platform, merchant_id, act.booked_at)
    rules, version = review.rules_for(*known, RuleSubject.PAYEE)
    if not rules:
        return
    async with tx.as_merchant(merchant_id) as session:
        verdicts = await review.of_payout(session, added.id, added.currency, 0, act.booked_at, rules, version)
        await write(session, *review.written(verdicts, added.id, added.id, act))
    parties = [added.created_by]
    about = Reviewed(
        merchant_id, RuleSubject.PAYEE, str(added.id), added.shown, verdicts, added.currency, None, parties
    )
    await review_case.ask_people_of(tx, [about], act)


async def end_cases(tx: Transaction, merchant_id: UUID, act: Act) -> None:
    """After anything was done to accounts: cases about those that wait for nobody any more are settled, and those about
    payouts that came back where somebody has seen to the account since."""
    await _end_returned(tx, merchant_id, act)
    async with tx.as_platform() as session:
        found = await case_list.page(
            session, limit=100, statuses=[CaseStatus.OPEN], kinds=[CaseKind.PAYEE_CHANGE], merchant_id=merchant_id
        )
    if not found:
        return
    waiting = await _waiting(tx, merchant_id)
    async with tx.as_platform() as session:
        for each in (each for each in found if each.subject_kind == SUBJECT and UUID(each.subject_id) not in waiting):
            reason = "The account was verified, flagged or replaced."
            subject = (SUBJECT, each.subject_id)
            await case_end.settle(session, merchant_id, [CaseKind.PAYEE_CHANGE], subject, reason, act)


async def _end_returned(tx: Transaction, merchant_id: UUID, act: Act) -> None:
    async with tx.as_platform() as session:
        found = await case_list.page(
            session, limit=100, statuses=[CaseStatus.OPEN], kinds=[CaseKind.PAYOUT_RETURNED], merchant_id=merchant_id
        )
    if not found:
        return
    async with tx.as_merchant(merchant_id) as merchant_session:
        flagged = {
            each.id for each in await payee.current_accounts(merchant_session) if each.status is PayeeStatus.FLAGGED
        }
        over = [
            each.subject_id
            for each in found
            if (await payout.find(merchant_session, UUID(each.subject_id))).payee_account_id not in flagged
        ]
    reason = "Somebody has seen to the account that the money came back from; the next statement pays it."
    async with tx.as_platform() as session:
        for subject_id in over:
            subject = ("Payout", subject_id)
            await case_end.settle(session, merchant_id, [CaseKind.PAYOUT_RETURNED], subject, reason, act)


async def _waiting(tx: Transaction, merchant_id: UUID) -> Collection[UUID]:
    async with tx.as_merchant(merchant_id) as session:
        return {each.id for each in await payee.current_accounts(session) if each.status is PayeeStatus.COOLING}


async def decided(tx: Transaction, found: Case, decision: Decision, act: Act) -> None:
    """Approved is verified, rejected is flagged with the vote's reason. Raises PayeeAccountRefused, OwnAct."""
    if found.subject_kind != SUBJECT:
        return
    account_id = UUID(found.subject_id)
    async with tx.as_merchant(found.merchant_id) as session:
        if decision.status is CaseStatus.APPROVED:
            await payee.verify_account(session, account_id, act)
        else:
            await payee.flag_account(session, account_id, decision.reason[: payee.MAX_REASON], act)
