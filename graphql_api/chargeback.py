"""Chargebacks: as the platform works on them, and as the merchant concerned sees them."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import Enum
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.money import Money, MoneyInput
from graphql_api.problems import mutation
from graphql_api.relay import Connection, Node, Parts, connection_of, encode_id, node, page, take_id
from merchantry.domain.act import Act
from merchantry.domain.errors import (
    ChargebackRefused,
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    MerchantClosed,
    MerchantQuarantined,
    MerchantRestoring,
    MixedCurrencies,
    NotFound,
    NotPermitted,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import chargeback, order, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.chargeback import NewChargeback
from merchantry.services.chargeback_entries import Chargeback as StoredChargeback
from merchantry.services.idempotency import claim
from merchantry.tables.dispute import chargeback as table
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

MAX_REASON = 500
MAX_REFERENCE = 100


@strawberry.enum(description="Who bears a chargeback's fee, and what the bank takes above the sale.")
class Bearer(Enum):
    MERCHANT = "merchant"
    PLATFORM = "platform"


@strawberry.type(description="The buyer's bank takes a payment back, for one order of it.")
class Chargeback(Node):
    id: strawberry.ID
    order_id: strawberry.ID
    reference: str = strawberry.field(description="The bank's.")
    round: int = strawberry.field(description="1, or more where the bank opened it again.")
    status: str = strawberry.field(description="opened, lost or won.")
    reason: str
    amount: Money
    covered: Money = strawberry.field(description="What of it had been refunded already; it is not lost again.")
    held: Money = strawberry.field(description="What was kept of the merchant's available money meanwhile.")
    fee: Money
    fee_borne_by: Bearer
    opened_at: datetime
    respond_by: datetime | None
    ended_at: datetime | None

    @staticmethod
    def of(found: StoredChargeback) -> "Chargeback":
        """The chargeback from its row."""
        return Chargeback(
            id=encode_id("Chargeback", found.merchant_id, found.id),
            order_id=encode_id("Order", found.merchant_id, found.order_id),
            reference=found.provider_reference,
            round=found.round,
            status=found.status,
            reason=found.reason,
            amount=Money.of(found.amount_minor, found.currency),
            covered=Money.of(found.covered_minor, found.currency),
            held=Money.of(found.held_minor, found.currency),
            fee=Money.of(found.fee_minor, found.currency),
            fee_borne_by=Bearer(found.fee_borne_by),
            opened_at=found.opened_at,
            respond_by=found.respond_by,
            ended_at=found.ended_at,
        )


async def of_merchant(info: Info, first: int | None, after: str | None) -> Connection[Chargeback]:
    """The selected merchant's, newest first."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    asked = page("chargebacks", (datetime, UUID), first, after)
    own = table.c.merchant_id == allowed.merchant_id
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
        found = await chargeback.page(session, own, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Chargeback.of)


async def of_platform(info: Info, status: str | None, first: int | None, after: str | None) -> Connection[Chargeback]:
    """Those of all merchants, newest first."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_CHARGEBACK_READ)
    asked = page("platformChargebacks", (datetime, UUID), first, after)
    conditions = [] if status is None else [table.c.status == status]
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await chargeback.page(session, *conditions, limit=asked.limit, after=asked.after)
    return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=Chargeback.of)


@node("Chargeback", parts=2)
async def load_chargeback(info: Info, parts: Parts) -> Chargeback | None:
    """The chargeback, for staff of its merchant who may read the ledger, and for the platform's."""
    return await _find(info.context, *parts)


async def _find(context: Context, merchant_id: UUID, chargeback_id: UUID) -> Chargeback | None:
    selected = context.caller.merchant
    if selected and selected.id == merchant_id:
        actor = access.of_merchant(context, Permission.LEDGER_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
            found = await chargeback.find(session, merchant_id, chargeback_id)
    else:
        actor = access.of_platform(context, Permission.PLATFORM_CHARGEBACK_READ).act.actor
        async with context.database.read(actor) as tx, tx.as_platform() as platform:
            found = await chargeback.find(platform, merchant_id, chargeback_id)
    return Chargeback.of(found) if found else None


@strawberry.input(description="What the bank says.")
class ChargebackOpenInput:
    order_id: strawberry.ID
    reference: str = strawberry.field(description="The bank's; the same again opens its next round.")
    amount: MoneyInput
    reason: str
    fee: MoneyInput | None = None
    fee_borne_by: Bearer = Bearer.MERCHANT
    respond_by: datetime | None = None
    idempotency_key: str


@strawberry.input(description="A chargeback that the bank has decided.")
class ChargebackEndInput:
    chargeback_id: strawberry.ID
    idempotency_key: str


@strawberry.type(description="What is available of the merchant's is held; the order's hold stands still.")
class ChargebackOpened:
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
    IdempotencyConflict,
    IdempotencyInProgress,
]

Work = Callable[[Transaction, UUID, UUID, Act], Awaitable[None]]


@strawberry.type
class ChargebackMutations:
    @mutation(
        problems=[*EXPECTED, MerchantClosed, MerchantQuarantined, MerchantRestoring, UnknownCurrency, MixedCurrencies]
    )
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
    async def chargeback_lose(self, info: Info, input: ChargebackEndInput) -> ChargebackLost:
        """The bank has decided for the buyer. Needs platform.chargeback.write."""
        return ChargebackLost(chargeback=await _done(info.context, "chargebackLose", input, chargeback.lose))

    @mutation(problems=EXPECTED)
    async def chargeback_win(self, info: Info, input: ChargebackEndInput) -> ChargebackWon:
        """The bank has decided for the sale. Needs platform.chargeback.write."""
        return ChargebackWon(chargeback=await _done(info.context, "chargebackWin", input, chargeback.win))


async def _done(context: Context, name: str, given: ChargebackEndInput, work: Work) -> Chargeback:
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
        await work(tx, merchant_id, chargeback_id, allowed.act)

    await context.database.run(allowed.act.actor, once)
    return await _shown(context, merchant_id, chargeback_id)


async def _shown(context: Context, merchant_id: UUID, chargeback_id: UUID) -> Chargeback:
    found = await _find(context, merchant_id, chargeback_id)
    if found is None:
        raise NotFound(what="chargeback", path=("input", "chargebackId"))
    return found
