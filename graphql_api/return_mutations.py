"""What is done about returns: buyers ask, merchants answer and receive."""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.order_mutations import QuantityInput, quantities, require_own
from graphql_api.problems import mutation
from graphql_api.relay import take_id, take_own_id
from graphql_api.return_request import ReturnRequest, find
from merchantry.domain.act import Act
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    InvalidQuantity,
    MarketError,
    NotFound,
    NotPermitted,
    OrderTransitionRefused,
    QuantityRefused,
    RefundTooLarge,
    ReturnRefused,
    ReturnTooLate,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import audit, buyer_index, return_request
from merchantry.services.idempotency import claim
from merchantry.services.return_request import NewReturn
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

MAX_TEXT = 500


@strawberry.input(description="What a buyer wants to send back.")
class ReturnRequestInput:
    order_id: strawberry.ID
    lines: list[QuantityInput]
    reason: str
    note: str = ""
    idempotency_key: str


@strawberry.input(description="A return that the merchant agrees to.")
class ReturnApproveInput:
    return_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A return that the merchant refuses.")
class ReturnRejectInput:
    return_id: strawberry.ID
    answer: str
    idempotency_key: str


@strawberry.input(description="A return that the buyer gives up.")
class ReturnWithdrawInput:
    return_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="Goods that came back.")
class ReturnReceiveInput:
    return_id: strawberry.ID
    restock: bool = strawberry.field(description="Whether they can be sold again.")
    idempotency_key: str


@strawberry.type(description="The merchant has some days to answer.")
class ReturnRequested:
    return_request: ReturnRequest


@strawberry.type(description="The buyer has some days to send.")
class ReturnApproved:
    return_request: ReturnRequest


@strawberry.type(description="The buyer keeps it.")
class ReturnRejected:
    return_request: ReturnRequest


@strawberry.type(description="The buyer keeps it after all.")
class ReturnWithdrawn:
    return_request: ReturnRequest


@strawberry.type(description="The buyer is refunded.")
class ReturnReceived:
    return_request: ReturnRequest


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    ReturnRefused,
    IdempotencyConflict,
    IdempotencyInProgress,
]

Given = ReturnApproveInput | ReturnRejectInput | ReturnReceiveInput
Work = Callable[[Transaction, UUID, UUID, Act], Awaitable[object]]


@strawberry.type
class ReturnMutations:
    @mutation(problems=[*EXPECTED, ReturnTooLate, InvalidQuantity, QuantityRefused])
    async def return_request(self, info: Info, input: ReturnRequestInput) -> ReturnRequested:
        """Ask the merchant to take something back; for the order's buyer."""
        context, path = info.context, ("input", "orderId")
        buyer = access.of_buyer(context)
        merchant_id, order_id = take_id(context, input.order_id, "Order", 2, path)
        check_text(input.reason, MAX_TEXT, ("input", "reason"))
        check_text(input.note, MAX_TEXT, ("input", "note"), shortest=0)
        given = quantities(context, input.lines, order_id, merchant_id) or {}
        new = NewReturn(order_id, given, input.reason.strip(), input.note.strip(), uuid4())
        request = access.request("returnRequest", input)

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as platform:
                await require_own(platform, buyer.account_id, merchant_id, order_id, path)
                if first := await claim(platform, NOBODY, buyer.act, request, new.id):
                    return first
                await audit.record(platform, NOBODY, buyer.act, "return.request", str(new.id))
            async with tx.as_merchant(merchant_id) as session:
                return await return_request.request(session, new, buyer.act)

        made = await context.database.run(buyer.act.actor, work)
        return ReturnRequested(return_request=await _shown(context, merchant_id, made))

    @mutation(problems=EXPECTED)
    async def return_approve(self, info: Info, input: ReturnApproveInput) -> ReturnApproved:
        """Agree to take something back. Needs refund.write."""

        async def work(tx: Transaction, merchant_id: UUID, return_id: UUID, act: Act) -> None:
            async with tx.as_merchant(merchant_id) as session:
                await return_request.approve(session, return_id, None, act)

        return ReturnApproved(return_request=await _done(info.context, "returnApprove", input, work))

    @mutation(problems=EXPECTED)
    async def return_reject(self, info: Info, input: ReturnRejectInput) -> ReturnRejected:
        """Refuse to take something back, and say why. Needs refund.write."""
        check_text(input.answer, MAX_TEXT, ("input", "answer"))

        async def work(tx: Transaction, merchant_id: UUID, return_id: UUID, act: Act) -> None:
            async with tx.as_merchant(merchant_id) as session:
                await return_request.reject(session, return_id, input.answer.strip(), act)

        return ReturnRejected(return_request=await _done(info.context, "returnReject", input, work))

    @mutation(problems=[*EXPECTED, OrderTransitionRefused, QuantityRefused, RefundTooLarge])
    async def return_receive(self, info: Info, input: ReturnReceiveInput) -> ReturnReceived:
        """Say that the goods came back: the buyer is refunded for them. Needs refund.write."""

        async def work(tx: Transaction, merchant_id: UUID, return_id: UUID, act: Act) -> None:
            await return_request.receive(tx, merchant_id, return_id, restock=input.restock, act=act)

        return ReturnReceived(return_request=await _done(info.context, "returnReceive", input, work))

    @mutation(problems=EXPECTED)
    async def return_withdraw(self, info: Info, input: ReturnWithdrawInput) -> ReturnWithdrawn:
        """Keep it after all; for the buyer."""
        context, path = info.context, ("input", "returnId")
        buyer = access.of_buyer(context)
        merchant_id, return_id = take_id(context, input.return_id, "ReturnRequest", 2, path)
        request = access.request("returnWithdraw", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_platform() as platform:
                found = await return_request.find(platform, merchant_id, return_id)
                if found is None or not await buyer_index.of_orders(platform, buyer.account_id, [found.order_id]):
                    raise NotFound(what="return request", path=path)
                if await claim(platform, NOBODY, buyer.act, request, return_id):
                    return
            async with tx.as_merchant(merchant_id) as session:
                await return_request.withdraw(session, return_id, buyer.act)

        await context.database.run(buyer.act.actor, work)
        return ReturnWithdrawn(return_request=await _shown(context, merchant_id, return_id))


async def _done(context: Context, name: str, given: Given, work: Work) -> ReturnRequest:
    """Do it once for the key, as staff of the merchant; the return as it is then."""
    allowed = access.of_merchant(context, Permission.REFUND_WRITE)
    path = ("input", "returnId")
    merchant_id, return_id = take_own_id(context, given.return_id, "ReturnRequest", 2, path, allowed.merchant_id)
    request = access.request(name, given)

    async def once(tx: Transaction) -> None:
        async with tx.as_merchant(merchant_id) as session:
            if await claim(session, merchant_id, allowed.act, request, return_id):
                return
        await work(tx, merchant_id, return_id, allowed.act)

    await context.database.run(allowed.act.actor, once)
    return await _shown(context, merchant_id, return_id)


async def _shown(context: Context, merchant_id: UUID, return_id: UUID) -> ReturnRequest:
    found = await find(context, merchant_id, return_id)
    if found is None:
        raise NotFound(what="return request", path=("input", "returnId"))
    return found
