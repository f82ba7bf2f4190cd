"""What the platform does about chargebacks: opened as the bank says, answered, and ended as the bank decides."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.case_mutations import CaseFactInput, facts_of
from graphql_api.chargeback import Bearer, Chargeback, find
from graphql_api.context import Context, Info
from graphql_api.money import MoneyInput
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id
from merchantry.domain.act import Act
from merchantry.domain.errors import (
    ChargebackRefused,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    MixedCurrencies,
    NotFound,
    NotPermitted,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import chargeback, chargeback_case, order, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.chargeback import NewChargeback
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

MAX_REASON = 500
MAX_REFERENCE = 100


@strawberry.input(description="What the bank says.")
class ChargebackOpenInput:
    order_id: strawberry.ID
    reference: str = strawberry.field(description="The bank's; the same again opens its next round.")
    amount: MoneyInput
    reason: str
    fee: MoneyInput | None = None
    fee_borne_by: Bearer = Bearer.MERCHANT
    respond_by: datetime | None = strawberry.field(
        default=None, description="Until when the bank wants an answer: the case is due then."
    )
    idempotency_key: str


@strawberry.input(description="What the bank was sent about a chargeback.")
class ChargebackRespondInput:
    chargeback_id: strawberry.ID
    evidence: list[CaseFactInput] = strawberry.field(description="At least one piece; what was sent before stays.")
    idempotency_key: str


@strawberry.input(description="A chargeback that the bank has decided.")
class ChargebackEndInput:
    chargeback_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="What is available of the merchant's is held; the order's hold stands still.")
class ChargebackOpened:
    chargeback: Chargeback


@strawberry.type(description="The evidence is with the chargeback and its case; nothing is due until the bank decides.")
class ChargebackResponded:
    chargeback: Chargeback


@strawberry.type(description="What is left of the sale is taken back from its parties.")
class ChargebackLost:
    chargeback: Chargeback


@strawberry.type(description="What was held is free, and what an earlier round took is back.")
class ChargebackWon:
    chargeback: Chargeback


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    ChargebackRefused,
    *SHUT,
    IdempotencyConflict,
    IdempotencyInProgress,
]


class OfChargeback(Protocol):
    """An input about a chargeback."""

    chargeback_id: strawberry.ID
    idempotency_key: str


Work = Callable[[Transaction, UUID, UUID, Act], Awaitable[None]]


@strawberry.type
class ChargebackMutations:
    @mutation(problems=[*EXPECTED, UnknownCurrency, MixedCurrencies])
    async def chargeback_open(self, info: Info, input: ChargebackOpenInput) -> ChargebackOpened:
        """A buyer's bank has opened a chargeback, or its next round. Needs platform.chargeback.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_CHARGEBACK_WRITE)
        merchant_id, order_id = take_id(context, input.order_id, "Order", 2, ("input", "orderId"))
        check_text(input.reason, MAX_REASON, ("input", "reason"))
        check_text(input.reference, MAX_REFERENCE, ("input", "reference"))
        amount_minor = input.amount.to_minor("input", "amount")
        fee_minor = input.fee.to_minor("input", "fee") if input.fee else 0
        if amount_minor < 1 or fee_minor < 0:
            raise InvalidInput(reason="Give an amount above zero, and a fee that is not below.", path=("input",))
        new = NewChargeback(
            order_id,
            input.reference.strip(),
            amount_minor,
            input.reason.strip(),
            fee_minor=fee_minor,
            fee_borne_by=input.fee_borne_by.value,
            respond_by=input.respond_by,
        )
        request = access.request("chargebackOpen", input)

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as platform:
                if first := await claim(platform, NOBODY, allowed.act, request, new.id):
                    return first
                if not await merchants.by_ids(platform, [merchant_id]):
                    raise NotFound(what="order", path=("input", "orderId"))
                await winding_up.refuse_closed(platform, merchant_id)
            async with tx.as_merchant(merchant_id) as session:
                currency = await order.currency_of(session, order_id)
            given = {each.currency for each in (input.amount, input.fee) if each}
            if given != {currency}:
                raise MixedCurrencies(currencies=(currency, *sorted(given - {currency})), path=("input", "amount"))
            return await chargeback.open_(tx, merchant_id, new, allowed.act)

        made = await context.database.run(allowed.act.actor, work)
        return ChargebackOpened(chargeback=await _shown(context, merchant_id, made))

    @mutation(problems=EXPECTED)
    async def chargeback_respond(self, info: Info, input: ChargebackRespondInput) -> ChargebackResponded:
        """Keep what the bank was sent about an open chargeback. Needs platform.chargeback.write."""
        access.of_platform(info.context, Permission.PLATFORM_CHARGEBACK_WRITE)
        if not input.evidence:
            raise InvalidInput(reason="Give at least one piece of evidence.", path=("input", "evidence"))
        evidence = facts_of(input.evidence)

        async def work(tx: Transaction, merchant_id: UUID, chargeback_id: UUID, act: Act) -> None:
            async with tx.as_platform() as session:
                await chargeback_case.respond(session, merchant_id, chargeback_id, evidence, act)

        return ChargebackResponded(chargeback=await _done(info.context, "chargebackRespond", input, work))

    @mutation(problems=EXPECTED)
    async def chargeback_lose(self, info: Info, input: ChargebackEndInput) -> ChargebackLost:
        """The bank has decided for the buyer. Needs platform.chargeback.write."""
        return ChargebackLost(chargeback=await _done(info.context, "chargebackLose", input, chargeback.lose))

    @mutation(problems=EXPECTED)
    async def chargeback_win(self, info: Info, input: ChargebackEndInput) -> ChargebackWon:
        """The bank has decided for the sale. Needs platform.chargeback.write."""
        return ChargebackWon(chargeback=await _done(info.context, "chargebackWin", input, chargeback.win))


async def _done(context: Context, name: str, given: OfChargeback, work: Work) -> Chargeback:
    """Do it once for the key; the chargeback as it is then."""
    allowed = access.of_platform(context, Permission.PLATFORM_CHARGEBACK_WRITE)
    merchant_id, chargeback_id = take_id(context, given.chargeback_id, "Chargeback", 2, ("input", "chargebackId"))
    request = access.request(name, given)

    async def once(tx: Transaction) -> None:
        async with tx.as_platform() as platform:
            if await claim(platform, NOBODY, allowed.act, request, chargeback_id):
                return
            if await chargeback.find(platform, merchant_id, chargeback_id) is None:
                raise NotFound(what="chargeback", path=("input", "chargebackId"))
            await winding_up.refuse_closed(platform, merchant_id)
        await work(tx, merchant_id, chargeback_id, allowed.act)

    await context.database.run(allowed.act.actor, once)
    return await _shown(context, merchant_id, chargeback_id)


async def _shown(context: Context, merchant_id: UUID, chargeback_id: UUID) -> Chargeback:
    found = await find(context, merchant_id, chargeback_id)
    if found is None:
        raise NotFound(what="chargeback", path=("input", "chargebackId"))
    return found
