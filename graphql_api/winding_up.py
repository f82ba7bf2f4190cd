"""Closing a merchant: begun by the platform's people; what stands in its way, for them and for its own staff."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.enums import Obstacle
from graphql_api.merchant_record import MerchantRecord
from graphql_api.money import Money
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id
from merchantry.domain.case import SHOWN_TO_MERCHANTS, CaseKind
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MerchantClosed,
    NotFound,
    NotPermitted,
)
from merchantry.domain.permission import Permission
from merchantry.domain.winding_up import Blocker
from merchantry.jobs import winding_up as jobs
from merchantry.services import merchant as merchants
from merchantry.services import winding_up
from merchantry.services.idempotency import claim
from merchantry.services.merchant import ListedMerchant
from tenancy.database import Transaction


@strawberry.type(description="Something that must end before a merchant can be closed.")
class ClosingBlocker:
    obstacle: Obstacle
    count: int
    until: datetime | None = strawberry.field(description="When it ends by itself, where that is known.")
    amount: Money | None = strawberry.field(description="How much it is, where it is money.")

    @staticmethod
    def of(found: Blocker) -> "ClosingBlocker":
        """The obstacle as it stands."""
        has_amount = found.currency is not None and found.amount_minor is not None
        return ClosingBlocker(
            obstacle=found.obstacle,
            count=found.count,
            until=found.until,
            amount=Money.of(found.amount_minor or 0, found.currency or "") if has_amount else None,
        )


async def of_merchant(info: Info) -> list[ClosingBlocker]:
    """For the merchant's staff; cases that it is not told of are left out."""
    allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
    return await _blockers(info.context, allowed.merchant_id, allowed.act.actor, SHOWN_TO_MERCHANTS)


async def of_platform(info: Info, merchant_id: strawberry.ID) -> list[ClosingBlocker]:
    """For the platform's people. Raises NotFound."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    (chosen,) = take_id(info.context, merchant_id, "MerchantRecord", 1, ("merchant",))
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        if not await merchants.by_ids(session, [chosen]):
            raise NotFound(what="merchant", path=("merchant",))
    return await _blockers(info.context, chosen, allowed.act.actor, tuple(CaseKind))


async def _blockers(
    context: Context, merchant_id: UUID, actor: str, kinds: Collection[CaseKind]
) -> list[ClosingBlocker]:
    async with context.database.read(actor) as tx, tx.as_merchant(merchant_id) as session:
        standing = await winding_up.standing_of(session, kinds)
    return [ClosingBlocker.of(each) for each in winding_up.blockers_of(standing, context.clock())]


@strawberry.input(description="A merchant that is to leave.")
class MerchantCloseInput:
    merchant: strawberry.ID = strawberry.field(description="An id of `platform { merchants }`.")
    reason: str
    idempotency_key: str


@strawberry.type(description="The merchant sells no more. It is closed once nothing stands in the way.")
class MerchantClosingBegun:
    merchant: MerchantRecord
    closing_blockers: list[ClosingBlocker]


@strawberry.input(description="A merchant that is closing.")
class MerchantFinishInput:
    merchant: strawberry.ID = strawberry.field(description="An id of `platform { merchants }`.")
    keep_debt: bool = strawberry.field(
        default=False, description="Close it although it owes: the debt stays a receivable of the platform."
    )


@strawberry.type(description="What could be done now was done: the last settlement, then the end.")
class MerchantFinished:
    merchant: MerchantRecord
    is_closed: bool = strawberry.field(description="Whether its books can only be read from now on.")
    statements: int = strawberry.field(description="Last statements that this request made.")
    payouts: int = strawberry.field(description="Last payouts that this request planned.")
    closing_blockers: list[ClosingBlocker] = strawberry.field(description="What still stands in the way.")


@strawberry.type
class WindingUpMutations:
    @mutation(
        problems=[
            NotFound,
            NotPermitted,
            InvalidInput,
            *SHUT,
            IdempotencyConflict,
            IdempotencyInProgress,
        ]
    )
    async def merchant_close(self, info: Info, input: MerchantCloseInput) -> MerchantClosingBegun:
        """Stop a merchant's sales for good and begin to settle up with it. Needs platform.merchant.close."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_MERCHANT_CLOSE)
        (merchant_id,) = take_id(context, input.merchant, "MerchantRecord", 1, ("input", "merchant"))
        request = access.request("merchantClose", input)

        async def work(tx: Transaction) -> ListedMerchant:
            async with tx.as_platform() as session:
                found = await merchants.by_ids(session, [merchant_id])
                if not found:
                    raise NotFound(what="merchant", path=("input", "merchant"))
                if not await claim(session, merchant_id, allowed.act, request, merchant_id):
                    await winding_up.begin(session, merchant_id, input.reason, allowed.act)
                (found_now,) = await merchants.by_ids(session, [merchant_id])
                return found_now

        closing = await context.database.run(allowed.act.actor, work)
        blockers = await _blockers(context, merchant_id, allowed.act.actor, tuple(CaseKind))
        return MerchantClosingBegun(merchant=MerchantRecord.of(closing), closing_blockers=blockers)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput, *SHUT])
    async def merchant_finish(self, info: Info, input: MerchantFinishInput) -> MerchantFinished:
        """Settle with a closing merchant for the last time, and close it once nothing stands in the way. Repeating it
        does what is left. Needs platform.merchant.close."""
        context, path = info.context, ("input", "merchant")
        allowed = access.of_platform(context, Permission.PLATFORM_MERCHANT_CLOSE)
        (merchant_id,) = take_id(context, input.merchant, "MerchantRecord", 1, path)
        if (await _listed(context, merchant_id, allowed.act.actor)).merchant.status == winding_up.CLOSED:
            raise MerchantClosed
        try:
            done = await jobs.finish(context.database, merchant_id, allowed.act, keep_debt=input.keep_debt)
        except InvalidInput as error:
            error.path = path
            raise
        return MerchantFinished(
            merchant=MerchantRecord.of(await _listed(context, merchant_id, allowed.act.actor)),
            is_closed=done.is_closed,
            statements=len(done.settled.statements),
            payouts=len(done.settled.payouts),
            closing_blockers=[ClosingBlocker.of(each) for each in done.blockers],
        )


async def _listed(context: Context, merchant_id: UUID, actor: str) -> ListedMerchant:
    async with context.database.read(actor) as tx, tx.as_platform() as session:
        found = await merchants.by_ids(session, [merchant_id])
    if not found:
        raise NotFound(what="merchant", path=("input", "merchant"))
    return found[0]
