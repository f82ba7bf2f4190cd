"""What the platform's people do with review cases."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID, uuid4

import strawberry

from graphql_api import access, case
from graphql_api.access import PlatformAccess
from graphql_api.case import Case
from graphql_api.context import Context, Info
from graphql_api.enums import CaseKind, Vote
from graphql_api.money import MoneyInput
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id
from merchantry.domain.case_permission import DECIDED_WITH
from merchantry.domain.errors import (
    CaseClosed,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    OrderTransitionRefused,
    OwnAct,
    PayeeAccountRefused,
    PayoutRefused,
    QuantityRefused,
    RefundRefused,
    RefundTooLarge,
    UnknownCurrency,
    VotedAlready,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.domain.worded import Worded
from merchantry.services import case as cases
from merchantry.services import case_decision, case_reopening, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.case import Fact, NewCase
from merchantry.services.case_effects import EFFECTS
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

MAX_TEXT = 2_000
MAX_TITLE = 200
MAX_FACTS = 50
MAX_FACT_NAME = 80


@strawberry.input(description="A piece of evidence, in words.")
class CaseFactInput:
    name: str
    value: str


@strawberry.input(description="Something for people to look at, of the kind OTHER.")
class CaseOpenInput:
    merchant_id: strawberry.ID | None = strawberry.field(
        default=None, description="An id of `platform { merchants }`; none where it concerns no merchant."
    )
    title: str
    evidence: list[CaseFactInput] = strawberry.field(default_factory=list)
    amount: MoneyInput | None = None
    due_at: datetime | None = None
    idempotency_key: str


@strawberry.input(description="Something to say about a case.")
class CaseCommentInput:
    case_id: strawberry.ID
    text: str
    idempotency_key: str


@strawberry.input(description="Who is to take care of a case.")
class CaseAssignInput:
    case_id: strawberry.ID
    account_id: strawberry.ID | None = strawberry.field(
        default=None, description="What the person's own viewer { accountId } says; nobody where it is left out."
    )
    idempotency_key: str


@strawberry.input(description="A vote on a case.")
class CaseDecideInput:
    case_id: strawberry.ID
    vote: Vote
    reason: str = strawberry.field(description="Why; the reason of the vote that ends it is shown to the merchant.")
    amount: MoneyInput | None = strawberry.field(
        default=None, description="To approve an objection in part: this much of it; the rest is declined."
    )
    idempotency_key: str


@strawberry.input(description="A rejected review that somebody wants to be decided once more.")
class CaseReopenInput:
    case_id: strawberry.ID
    reason: str = strawberry.field(description="What is known now that was not known then.")
    idempotency_key: str


@strawberry.type(description="The case is open again, for two people to agree.")
class CaseReopened:
    case: Case


@strawberry.type(description="The case waits for people.")
class CaseOpened:
    case: Case


@strawberry.type(description="The comment is with the case.")
class CaseCommented:
    case: Case


@strawberry.type(description="The case has this owner.")
class CaseAssigned:
    case: Case


@strawberry.type(description="The vote counts. Whether it ended the case, its status says.")
class CaseDecided:
    case: Case


EXPECTED: list[type[MarketError]] = [NotFound, NotPermitted, InvalidInput, IdempotencyConflict, IdempotencyInProgress]


EFFECTS_REFUSE: list[type[MarketError]] = [
    OrderTransitionRefused,
    QuantityRefused,
    RefundTooLarge,
    RefundRefused,
    PayeeAccountRefused,
    PayoutRefused,
    *SHUT,
]
"""Why what follows from a decision may not be possible any more."""


class OfCase(Protocol):
    """An input about a case."""

    case_id: strawberry.ID
    idempotency_key: str


Work = Callable[[Transaction, UUID, UUID], Awaitable[object]]


@strawberry.type
class CaseMutations:
    @mutation(problems=[*EXPECTED, UnknownCurrency])
    async def case_open(self, info: Info, input: CaseOpenInput) -> CaseOpened:
        """Let people look at something that no rule stopped. Needs platform.case.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_CASE_WRITE)
        new, request = _new_case(context, input), access.request("caseOpen", input)

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as session:
                if first := await claim(session, NOBODY, allowed.act, request, new.id):
                    return first
                await _require_merchant(session, new.merchant_id)
                return await cases.open_case(session, new, allowed.act)

        case_id = await context.database.run(allowed.act.actor, work)
        return CaseOpened(case=await _found(context, new.merchant_id, case_id))

    @mutation(problems=EXPECTED)
    async def case_comment(self, info: Info, input: CaseCommentInput) -> CaseCommented:
        """Say something about a case, decided or not; the merchant does not see it. Needs platform.case.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CASE_WRITE)
        check_text(input.text, MAX_TEXT, ("input", "text"))

        async def work(tx: Transaction, merchant_id: UUID, case_id: UUID) -> None:
            async with tx.as_platform() as session:
                await cases.comment(session, merchant_id, case_id, input.text.strip(), allowed.act)

        return CaseCommented(case=await _done(info.context, allowed, "caseComment", input, work))

    @mutation(problems=[*EXPECTED, CaseClosed])
    async def case_assign(self, info: Info, input: CaseAssignInput) -> CaseAssigned:
        """Say who takes care of a case. Needs platform.case.write, and so does the person."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_CASE_WRITE)
        account_id = None
        if input.account_id is not None:
            (account_id,) = take_id(context, input.account_id, "Account", 1, ("input", "accountId"))

        async def work(tx: Transaction, merchant_id: UUID, case_id: UUID) -> None:
            async with tx.as_platform() as session:
                await cases.assign(session, merchant_id, case_id, account_id, allowed.act)

        return CaseAssigned(case=await _done(context, allowed, "caseAssign", input, work))

    @mutation(problems=[*EXPECTED, CaseClosed, OwnAct, VotedAlready, *EFFECTS_REFUSE])
    async def case_decide(self, info: Info, input: CaseDecideInput) -> CaseDecided:
        """Approve or reject a case; what follows from it happens at once. Needs platform.case.decide, and what the
        kind's effect needs (docs/permissions.md).

        One rejection ends it, approvals must be as many as it needs. Nobody decides what they opened or caused, and
        nobody counts twice.
        """
        context = info.context
        access.of_platform(context, Permission.PLATFORM_CASE_DECIDE)
        check_text(input.reason, MAX_TEXT, ("input", "reason"))
        part = (input.amount.to_minor("input", "amount"), str(input.amount.currency)) if input.amount else None
        kind = (await _found(context, *_key(context, input))).kind
        allowed = access.of_platform(context, DECIDED_WITH[kind])

        async def work(tx: Transaction, merchant_id: UUID, case_id: UUID) -> None:
            if kind in EFFECTS and kind is not CaseKind.RESTORE_GAP:  # whose end opens the books again
                async with tx.as_platform() as session:
                    await winding_up.refuse_closed(session, merchant_id)
            given = (tx, merchant_id, case_id, input.vote, input.reason.strip(), allowed.act)
            await case_decision.decide(*given, effects=EFFECTS, part=part)

        return CaseDecided(case=await _done(context, allowed, "caseDecide", input, work))

    @mutation(problems=[*EXPECTED, *SHUT])
    async def case_reopen(self, info: Info, input: CaseReopenInput) -> CaseReopened:
        """Have a rejected REVIEW decided once more while its money is still held: two people must agree then, of whom
        whoever reopens it may be one. Needs platform.case.decide, and what the kind's effect needs.
        """
        context = info.context
        access.of_platform(context, Permission.PLATFORM_CASE_DECIDE)
        check_text(input.reason, MAX_TEXT, ("input", "reason"))
        allowed = access.of_platform(context, DECIDED_WITH[CaseKind.REVIEW])

        async def work(tx: Transaction, merchant_id: UUID, case_id: UUID) -> None:
            async with tx.as_platform() as session:
                await winding_up.refuse_closed(session, merchant_id)
            await case_reopening.reopen(tx, merchant_id, case_id, input.reason.strip(), allowed.act)

        return CaseReopened(case=await _done(context, allowed, "caseReopen", input, work))


def _key(context: Context, given: OfCase) -> tuple[UUID, UUID]:
    merchant_id, case_id = take_id(context, given.case_id, "Case", 2, ("input", "caseId"))
    return merchant_id, case_id


async def _done(context: Context, allowed: PlatformAccess, name: str, given: OfCase, work: Work) -> Case:
    """Do it once for the key; the case as it is then."""
    merchant_id, case_id = _key(context, given)
    request = access.request(name, given)

    async def once(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            if await claim(session, NOBODY, allowed.act, request, case_id):
                return
        await work(tx, merchant_id, case_id)

    await context.database.run(allowed.act.actor, once)
    return await _found(context, merchant_id, case_id)


async def _found(context: Context, merchant_id: UUID, case_id: UUID) -> Case:
    found = await case.find(context, merchant_id, case_id)
    if found is None:
        raise NotFound(what="case", path=("input", "caseId"))
    return found


async def _require_merchant(session: PlatformSession, merchant_id: UUID) -> None:
    if merchant_id != NOBODY and not await merchants.by_ids(session, [merchant_id]):
        raise NotFound(what="merchant", path=("input", "merchantId"))


def _new_case(context: Context, given: CaseOpenInput) -> NewCase:
    merchant_id, case_id = NOBODY, uuid4()
    if given.merchant_id is not None:
        (merchant_id,) = take_id(context, given.merchant_id, "MerchantRecord", 1, ("input", "merchantId"))
    check_text(given.title, MAX_TITLE, ("input", "title"))
    return NewCase(
        kind=CaseKind.OTHER,
        merchant_id=merchant_id,
        subject_kind="Case",
        subject_id=str(case_id),
        title=given.title.strip(),
        evidence=facts_of(given.evidence),
        currency=given.amount.currency if given.amount else None,
        amount_minor=given.amount.to_minor("input", "amount") if given.amount else None,
        due_at=given.due_at,
        id=case_id,
    )


def facts_of(given: list[CaseFactInput]) -> list[Fact]:
    """Evidence as it is kept. Raises InvalidInput."""
    if len(given) > MAX_FACTS:
        raise InvalidInput(
            reason=Worded("Give at most {most} pieces of evidence.", most=MAX_FACTS), path=("input", "evidence")
        )
    for position, fact in enumerate(given):
        check_text(fact.name, MAX_FACT_NAME, ("input", "evidence", position, "name"))
        check_text(fact.value, MAX_TEXT, ("input", "evidence", position, "value"))
    return [Fact(fact.name.strip(), fact.value.strip()) for fact in given]
