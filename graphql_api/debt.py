"""What merchants owe the platform, and asking two people to write it off."""

from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.money import CurrencyCode, Money
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import encode_id, take_id
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    NotFound,
    NotPermitted,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import debt, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction

MAX_REASON = 500


@strawberry.type(description="What a merchant's last statement left owing.")
class Debt:
    merchant_id: strawberry.ID
    merchant: str = strawberry.field(description="The merchant's slug.")
    amount: Money
    since: datetime = strawberry.field(description="The end of the statement that was the first below zero.")
    age_days: int


MAX_DEBTS = 1_000
"""That are shown at once; the oldest come first."""


async def debts(info: Info) -> list[Debt]:
    """All debts, the oldest first."""
    access.of_platform(info.context, Permission.PLATFORM_DEBT_READ)
    now = info.context.clock()
    return [
        Debt(
            merchant_id=encode_id("MerchantRecord", each.merchant_id),
            merchant=each.slug,
            amount=Money.of(each.amount_minor, each.currency),
            since=each.since,
            age_days=(now - each.since).days,
        )
        for each in (await debt.debts(info.context.database))[:MAX_DEBTS]
    ]


@strawberry.input(description="A debt that will not be paid.")
class DebtWriteOffProposeInput:
    merchant_id: strawberry.ID
    currency: CurrencyCode
    reason: str
    idempotency_key: str


@strawberry.type(description="The case waits for two people.")
class DebtWriteOffProposed:
    case_id: strawberry.ID


@strawberry.type
class DebtMutations:
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
    async def debt_write_off_propose(self, info: Info, input: DebtWriteOffProposeInput) -> DebtWriteOffProposed:
        """Ask two others to write off what a merchant owes now. Needs platform.debt.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_DEBT_WRITE)
        path = ("input", "merchantId")
        (merchant_id,) = take_id(context, input.merchant_id, "MerchantRecord", 1, path)
        check_text(input.reason, MAX_REASON, ("input", "reason"))
        request = access.request("debtWriteOffPropose", input)

        async def work(tx: Transaction) -> UUID:
            async with tx.as_platform() as platform:
                if not await merchants.by_ids(platform, [merchant_id]):
                    raise NotFound(what="merchant", path=path)
                await winding_up.refuse_closed(platform, merchant_id)
            reason = input.reason.strip()
            case_id = await debt.propose_write_off(tx, merchant_id, input.currency, reason, allowed.act)
            async with tx.as_platform() as platform:
                return await claim(platform, NOBODY, allowed.act, request, case_id) or case_id

        case_id = await context.database.run(allowed.act.actor, work)
        return DebtWriteOffProposed(case_id=encode_id("Case", merchant_id, case_id))
