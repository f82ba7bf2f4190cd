"""What the platform's people do with payouts: let them go, try again, give up, and say what nobody answered."""

from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol
from uuid import UUID

import strawberry

from graphql_api import access, payout
from graphql_api.access import PlatformAccess
from graphql_api.context import Context, Info
from graphql_api.money import Money, MoneyInput
from graphql_api.payout import Payout
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id
from graphql_api.settlement import moneys
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    OwnAct,
    PayoutRefused,
    UnknownCurrency,
)
from merchantry.domain.payout import Word
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import payout as payouts
from merchantry.services import payout_list, payout_outcome, settlement_terms, winding_up
from merchantry.services.idempotency import Request, claim
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

MAX_REASON = 500
MAX_EVIDENCE = 2_000


@strawberry.enum(description="What became of a transfer that nobody answered for.")
class TransferOutcome(Enum):
    PAID = strawberry.enum_value("paid", description="The money has arrived.")
    REJECTED = strawberry.enum_value("rejected", description="It definitely has not, and never will.")


WORDS = {TransferOutcome.PAID: Word.PAID, TransferOutcome.REJECTED: Word.REJECTED}


@strawberry.input(description="A payout to do something about.")
class PayoutInput:
    payout_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A payout to give up.")
class PayoutCancelInput:
    payout_id: strawberry.ID
    reason: str = strawberry.field(description="Shown to the merchant, also on the next statement.")
    idempotency_key: str


@strawberry.input(description="What somebody found out about a transfer.")
class PayoutResolveInput:
    transfer_id: strawberry.ID
    outcome: TransferOutcome
    evidence: str = strawberry.field(description="How it is known: who at the bank said so, which line.")
    idempotency_key: str


@strawberry.input(description="Amounts above which a person must release a payout, at most one for each currency.")
class PayoutReleaseLimitSetInput:
    limits: list[MoneyInput] = strawberry.field(description="All of them: a currency left out is never held up.")


@strawberry.type(description="The payout goes out.")
class PayoutReleased:
    payout: Payout


@strawberry.type(description="What failed is tried again, under new keys.")
class PayoutRetried:
    payout: Payout


@strawberry.type(description="The payout is given up; its money is available again.")
class PayoutCancelled:
    payout: Payout


@strawberry.type(description="The transfer has its outcome.")
class PayoutResolved:
    payout: Payout


@strawberry.type(description="The limits hold for payouts that are planned from now on.")
class PayoutReleaseLimitSet:
    limits: list[Money]


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    PayoutRefused,
    *SHUT,
    IdempotencyConflict,
    IdempotencyInProgress,
]


class Keyed(Protocol):
    """An input that happens once."""

    idempotency_key: str


Find = Callable[[PlatformSession], Awaitable[UUID]]
Work = Callable[[Transaction, UUID, UUID], Awaitable[object]]


@strawberry.type
class PayoutMutations:
    @mutation(problems=[*EXPECTED, OwnAct])
    async def payout_release(self, info: Info, input: PayoutInput) -> PayoutReleased:
        """Let a payout above the limit go; never by whoever planned it. Needs platform.payout.release."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYOUT_RELEASE)

        async def work(tx: Transaction, merchant_id: UUID, payout_id: UUID) -> None:
            async with tx.as_merchant(merchant_id) as session:
                await payouts.release(session, payout_id, allowed.act)

        return PayoutReleased(payout=await _done(info.context, allowed, "payoutRelease", input, work))

    @mutation(problems=EXPECTED)
    async def payout_retry(self, info: Info, input: PayoutInput) -> PayoutRetried:
        """Try again what definitely failed. Needs platform.payout.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYOUT_WRITE)

        async def work(tx: Transaction, merchant_id: UUID, payout_id: UUID) -> None:
            await payout_outcome.retry(tx, merchant_id, payout_id, allowed.act)

        return PayoutRetried(payout=await _done(info.context, allowed, "payoutRetry", input, work))

    @mutation(problems=EXPECTED)
    async def payout_cancel(self, info: Info, input: PayoutCancelInput) -> PayoutCancelled:
        """Give up a payout of which nothing can arrive any more. Needs platform.payout.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYOUT_WRITE)
        check_text(input.reason, MAX_REASON, ("input", "reason"))

        async def work(tx: Transaction, merchant_id: UUID, payout_id: UUID) -> None:
            await payout_outcome.cancel(tx, merchant_id, payout_id, input.reason.strip(), allowed.act)

        return PayoutCancelled(payout=await _done(info.context, allowed, "payoutCancel", input, work))

    @mutation(problems=EXPECTED)
    async def payout_resolve(self, info: Info, input: PayoutResolveInput) -> PayoutResolved:
        """Say what became of a transfer without an answer, and how it is known; its case ends. Needs
        platform.payout.write."""
        context, path = info.context, ("input", "transferId")
        allowed = access.of_platform(context, Permission.PLATFORM_PAYOUT_WRITE)
        merchant_id, key = take_id(context, input.transfer_id, "PayoutTransfer", 2, path)
        check_text(input.evidence, MAX_EVIDENCE, ("input", "evidence"))
        word, evidence = WORDS[input.outcome], {"text": input.evidence.strip(), "by": allowed.act.actor}

        async def find(session: PlatformSession) -> UUID:
            return await payout_list.payout_of(session, merchant_id, key, path)

        async def work(tx: Transaction, merchant_id: UUID, payout_id: UUID) -> None:
            await payout_outcome.resolve(tx, merchant_id, key, word, evidence, allowed.act)

        return PayoutResolved(
            payout=await _once(context, allowed, access.request("payoutResolve", input), merchant_id, find, work)
        )

    @mutation(problems=[NotPermitted, InvalidInput, UnknownCurrency])
    async def payout_release_limit_set(self, info: Info, input: PayoutReleaseLimitSetInput) -> PayoutReleaseLimitSet:
        """Say from which amounts on a person must release payouts. Needs platform.payout.limit."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PAYOUT_LIMIT)
        limits = minor_by_currency(input.limits, "limits")

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                await settlement_terms.set_release_limits(session, limits, allowed.act)

        await info.context.database.run(allowed.act.actor, work)
        return PayoutReleaseLimitSet(limits=moneys(limits))


def minor_by_currency(given: list[MoneyInput], name: str) -> dict[str, int]:
    """Amounts in minor units by currency. Raises UnknownCurrency, InvalidInput; also where one is named twice."""
    amounts: dict[str, int] = {}
    for position, each in enumerate(given):
        if each.currency in amounts:
            raise InvalidInput(reason="Give one amount for a currency.", path=("input", name, position, "currency"))
        amounts[str(each.currency)] = each.to_minor("input", name, position)
    return amounts


class OfPayout(Keyed, Protocol):
    """An input about a payout."""

    payout_id: strawberry.ID


async def _done(context: Context, allowed: PlatformAccess, name: str, given: OfPayout, work: Work) -> Payout:
    path = ("input", "payoutId")
    merchant_id, payout_id = take_id(context, given.payout_id, "Payout", 2, path)

    async def find(session: PlatformSession) -> UUID:
        return await payout_list.require(session, merchant_id, payout_id, path)

    return await _once(context, allowed, access.request(name, given), merchant_id, find, work)


async def _once(
    context: Context, allowed: PlatformAccess, request: Request, merchant_id: UUID, find: Find, work: Work
) -> Payout:
    """Find the payout, do it once for the key; the payout as it is then."""

    async def once(tx: Transaction) -> UUID:
        async with tx.as_platform() as platform:
            payout_id = await find(platform)
            if await claim(platform, NOBODY, allowed.act, request, payout_id):
                return payout_id
            await winding_up.refuse_closed(platform, merchant_id)
        await work(tx, merchant_id, payout_id)
        return payout_id

    found = await payout.find_any(context, merchant_id, await context.database.run(allowed.act.actor, once))
    if found is None:
        raise NotFound(what="payout", path=("input", "payoutId"))
    return found
