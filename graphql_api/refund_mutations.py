"""What staff of a merchant, and the platform's finance, do with refunds."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import RefundOutcome
from graphql_api.money import MoneyInput
from graphql_api.order_mutations import QuantityInput, quantities
from graphql_api.problems import SHUT, mutation
from graphql_api.refund import Refund
from graphql_api.relay import encode_id, take_id
from merchantry.domain.act import Act
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    InvalidQuantity,
    MarketError,
    MixedCurrencies,
    NotFound,
    NotPermitted,
    OrderTransitionRefused,
    QuantityRefused,
    RefundRefused,
    RefundTooLarge,
    UnknownCurrency,
)
from merchantry.domain.permission import MerchantRole, Permission, PlatformRole, Role, may
from merchantry.domain.refund import Asked
from merchantry.domain.text import check_text
from merchantry.services import order, refund_approval, refund_sending, tracking, winding_up
from merchantry.services.idempotency import claim
from merchantry.services.refund import NewRefund
from merchantry.tables.platform import NOBODY
from tenancy.database import MerchantSession, Transaction

MAX_TEXT = 500


@strawberry.input(description="What goes back to the buyer; everything that is left where neither is named.")
class RefundCreateInput:
    order_id: strawberry.ID
    lines: list[QuantityInput] | None = strawberry.field(
        default=None, description="Pieces; those that have not shipped are taken first, and cancelled."
    )
    shipping: MoneyInput | None = strawberry.field(default=None, description="How much of what shipping cost.")
    amount: MoneyInput | None = strawberry.field(default=None, description="An amount without goods (goodwill).")
    restock: bool = strawberry.field(
        default=False, description="The pieces came back and can be sold again; then only shipped ones are taken."
    )
    tenders: list[int] | None = strawberry.field(
        default=None,
        description="Positions of tenders that get their money first; the last tender first where left out.",
    )
    reason: str
    idempotency_key: str


@strawberry.input(description="A refund that its provider refused, to be sent again.")
class RefundRetryInput:
    refund_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A refused refund that the buyer got by other means.")
class RefundMarkOfflineInput:
    refund_id: strawberry.ID
    evidence: str = strawberry.field(description="How, and where that can be seen: a transfer's reference.")
    idempotency_key: str


@strawberry.input(description="What somebody found out about a refund without an answer.")
class RefundResolveInput:
    refund_id: strawberry.ID
    outcome: RefundOutcome
    evidence: str = strawberry.field(description="How it is known: who at the provider said so, which line.")
    idempotency_key: str


@strawberry.type(description="The buyer is owed the money; or other people are asked, where it is above one's limit.")
class RefundCreated:
    refund: Refund | None
    approval_case_id: strawberry.ID | None = strawberry.field(description="The case that waits for approval.")


@strawberry.type(description="The provider is asked again, under a new key.")
class RefundRetried:
    refund: Refund


@strawberry.type(description="The buyer has the money.")
class RefundMarkedOffline:
    refund: Refund


@strawberry.type(description="The refund has its outcome; what was not sent has failed, and may be sent again.")
class RefundResolved:
    refund: Refund


EXPECTED: list[type[MarketError]] = [NotFound, NotPermitted, InvalidInput, IdempotencyConflict, IdempotencyInProgress]


@dataclass(frozen=True, slots=True)
class Refunder:
    """Who refunds: staff of the order's merchant, or the platform's finance for any merchant."""

    act: Act
    roles: Collection[Role]
    claims_as: UUID
    may_read_ledger: bool


def refunder(context: Context, merchant_id: UUID) -> Refunder:
    """Raises NotAuthenticated, NotPermitted; NotFound for another merchant's where the platform has given no right."""
    principal, merchant = context.caller.principal, context.caller.merchant
    is_platform = may(principal.platform_roles, Permission.PLATFORM_REFUND_WRITE)
    if merchant is not None or not is_platform:
        act = access.of_merchant(context, Permission.REFUND_WRITE).act
        if merchant is None or merchant.id != merchant_id:
            raise NotFound(what="order", path=("input", "orderId"))
        roles = principal.roles_in(merchant_id)
        may_read = may(roles, Permission.LEDGER_READ)
        known = [role for role in MerchantRole if role in roles]  # a machine holds permissions instead
        return Refunder(act, known, merchant_id, may_read)
    act = access.of_platform(context, Permission.PLATFORM_REFUND_WRITE).act
    return Refunder(act, [PlatformRole(role) for role in principal.platform_roles], NOBODY, True)


class OfRefund(Protocol):
    """An input about a refund."""

    refund_id: strawberry.ID
    idempotency_key: str


Work = Callable[[Transaction, UUID, UUID, Act], Awaitable[object]]


@strawberry.type
class RefundMutations:
    @mutation(
        problems=[
            *EXPECTED,
            *SHUT,
            OrderTransitionRefused,
            RefundTooLarge,
            InvalidQuantity,
            QuantityRefused,
            UnknownCurrency,
            MixedCurrencies,
        ]
    )
    async def refund_create(self, info: Info, input: RefundCreateInput) -> RefundCreated:
        """Give a buyer money back. Needs refund.write, or platform.refund.write where no merchant is selected.

        What goes beyond the limit of one's role, all refunds of the order together, waits for others' approval.
        """
        context = info.context
        merchant_id, order_id = take_id(context, input.order_id, "Order", 2, ("input", "orderId"))
        who = refunder(context, merchant_id)
        check_text(input.reason, MAX_TEXT, ("input", "reason"))
        given = quantities(context, input.lines, order_id, merchant_id)
        request, refund_id = access.request("refundCreate", input), uuid4()

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as platform:
                if first := await claim(platform, who.claims_as, who.act, request, refund_id):
                    return first
                await winding_up.refuse_closed(platform, merchant_id)
            async with tx.as_merchant(merchant_id) as session:
                asked = await _asked(session, input, given, order_id)
            new = NewRefund(
                order_id,
                input.reason.strip(),
                asked,
                restock=input.restock,
                tenders=tuple(input.tenders or ()),
                id=refund_id,
            )
            await refund_approval.create(tx, merchant_id, new, who.roles, who.act)
            return refund_id

        made = await context.database.run(who.act.actor, work)
        found = await _find(context, who, merchant_id, made)
        return RefundCreated(refund=found, approval_case_id=None if found else encode_id("Case", merchant_id, made))

    @mutation(problems=[*EXPECTED, *SHUT, RefundRefused])
    async def refund_retry(self, info: Info, input: RefundRetryInput) -> RefundRetried:
        """Have a refused refund sent again, under a new key. Needs refund.write, or platform.refund.write."""

        async def work(tx: Transaction, merchant_id: UUID, refund_id: UUID, act: Act) -> None:
            await refund_sending.retry(tx, merchant_id, refund_id, act)

        return RefundRetried(refund=await _done(info.context, "refundRetry", input, work))

    @mutation(problems=[*EXPECTED, *SHUT, RefundRefused])
    async def refund_mark_offline(self, info: Info, input: RefundMarkOfflineInput) -> RefundMarkedOffline:
        """Say that the buyer got a refused refund by other means. Needs refund.write, or platform.refund.write."""
        check_text(input.evidence, MAX_TEXT, ("input", "evidence"))

        async def work(tx: Transaction, merchant_id: UUID, refund_id: UUID, act: Act) -> None:
            await refund_sending.mark_offline(tx, merchant_id, refund_id, input.evidence.strip(), act)

        return RefundMarkedOffline(refund=await _done(info.context, "refundMarkOffline", input, work))

    @mutation(problems=[*EXPECTED, *SHUT, RefundRefused])
    async def refund_resolve(self, info: Info, input: RefundResolveInput) -> RefundResolved:
        """Say what became of a refund without an answer, and how it is known; its case ends. Needs
        platform.refund.write."""
        access.of_platform(info.context, Permission.PLATFORM_REFUND_WRITE)
        check_text(input.evidence, MAX_TEXT, ("input", "evidence"))

        async def work(tx: Transaction, merchant_id: UUID, refund_id: UUID, act: Act) -> None:
            await refund_sending.resolve(tx, merchant_id, refund_id, input.outcome, input.evidence.strip(), act)

        return RefundResolved(refund=await _done(info.context, "refundResolve", input, work))


async def _asked(
    session: MerchantSession, given: RefundCreateInput, pieces: dict[UUID, int] | None, order_id: UUID
) -> Asked | None:
    """What is asked for in the order's currency; None for everything."""
    amounts = {name: each for name in ("shipping", "amount") if (each := getattr(given, name)) is not None}
    if not amounts and pieces is None:
        return None
    currency = await order.currency_of(session, order_id)
    minor = {name: each.to_minor("input", name) for name, each in amounts.items()}
    for name, each in amounts.items():
        if each.currency != currency:
            raise MixedCurrencies(currencies=(currency, each.currency), path=("input", name))
    return Asked(pieces or {}, minor.get("shipping", 0), minor.get("amount", 0), are_back=given.restock)


async def _done(context: Context, name: str, given: OfRefund, work: Work) -> Refund:
    """Do it once for the key; the refund as it is then."""
    merchant_id, _, refund_id = take_id(context, given.refund_id, "Refund", 3, ("input", "refundId"))
    who = refunder(context, merchant_id)
    request = access.request(name, given)

    async def once(tx: Transaction) -> None:
        async with tx.as_platform() as platform:
            if await claim(platform, who.claims_as, who.act, request, refund_id):
                return
            await winding_up.refuse_closed(platform, merchant_id)
        await work(tx, merchant_id, refund_id, who.act)

    await context.database.run(who.act.actor, once)
    found = await _find(context, who, merchant_id, refund_id)
    if found is None:
        raise NotFound(what="refund", path=("input", "refundId"))
    return found


async def _find(context: Context, who: Refunder, merchant_id: UUID, refund_id: UUID) -> Refund | None:
    async with context.database.read(who.act.actor) as tx, tx.as_merchant(merchant_id) as session:
        found = await tracking.refund_of_id(session, refund_id)
    return Refund.of(merchant_id, found, for_staff=True, with_parties=who.may_read_ledger) if found else None
