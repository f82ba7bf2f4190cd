"""What a merchant makes of a statement: it agrees, or objects to an amount."""

from uuid import uuid4

import strawberry

from graphql_api import access, case, statement
from graphql_api.case import Case
from graphql_api.context import Context, Info
from graphql_api.money import MoneyInput
from graphql_api.problems import mutation
from graphql_api.relay import Parts, take_own_id
from graphql_api.settlement_terms import conditions
from graphql_api.statement import Statement
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    MarketError,
    NotFound,
    NotPermitted,
    StatementDecided,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.domain.text import check_text
from merchantry.services import objection
from merchantry.services import statement as statements
from merchantry.services.idempotency import claim
from merchantry.services.objection import Dispute
from tenancy.database import Transaction

MAX_REASON = 1_000


@strawberry.input(description="A statement that the merchant agrees with.")
class StatementAcceptInput:
    statement_id: strawberry.ID
    idempotency_key: str


@strawberry.input(description="A statement that the merchant disagrees with.")
class StatementObjectInput:
    statement_id: strawberry.ID
    amount: MoneyInput = strawberry.field(description="How much too little it is, in the statement's currency.")
    reason: str
    idempotency_key: str


@strawberry.type(description="The merchant has agreed; nothing can be objected to any more.")
class StatementAccepted:
    statement: Statement


@strawberry.type(description="People will decide the case. As much of the amount as is not on its way yet is held.")
class StatementObjected:
    statement: Statement
    case: Case


EXPECTED: list[type[MarketError]] = [
    NotFound,
    NotPermitted,
    InvalidInput,
    StatementDecided,
    IdempotencyConflict,
    IdempotencyInProgress,
]


def _own(context: Context, text: str, allowed: access.MerchantAccess) -> Parts:
    return take_own_id(context, text, "Statement", 2, ("input", "statementId"), allowed.merchant_id)


@strawberry.type
class StatementMutations:
    @mutation(problems=EXPECTED)
    async def statement_accept(self, info: Info, input: StatementAcceptInput) -> StatementAccepted:
        """Agree with a statement, which silence does too after its deadline. Needs statement.decide."""
        context = info.context
        allowed = access.of_merchant(context, Permission.STATEMENT_DECIDE)
        merchant_id, statement_id = _own(context, input.statement_id, allowed)
        request = access.request("statementAccept", input)

        async def work(tx: Transaction) -> None:
            async with tx.as_merchant(merchant_id) as session:
                if not await claim(session, merchant_id, allowed.act, request, statement_id):
                    await statements.accept(session, statement_id, allowed.act)

        await context.database.run(allowed.act.actor, work)
        return StatementAccepted(statement=await statement.find(context, merchant_id, statement_id))

    @mutation(problems=[*EXPECTED, UnknownCurrency])
    async def statement_object(self, info: Info, input: StatementObjectInput) -> StatementObjected:
        """Object to a statement before its deadline: a review case is opened. Needs statement.decide."""
        context = info.context
        allowed = access.of_merchant(context, Permission.STATEMENT_DECIDE)
        merchant_id, statement_id = _own(context, input.statement_id, allowed)
        check_text(input.reason, MAX_REASON, ("input", "reason"))
        amount_minor = input.amount.to_minor("input", "amount")
        said = Dispute(statement_id, amount_minor, input.amount.currency, input.reason.strip())
        request, new_id = access.request("statementObject", input), uuid4()

        async def work(tx: Transaction) -> Parts:
            terms = await conditions(tx, merchant_id, allowed.act.at)
            async with tx.as_merchant(merchant_id) as session:
                if first := await claim(session, merchant_id, allowed.act, request, new_id):
                    return merchant_id, first
                made = await objection.object_to(session, terms, said, new_id, allowed.act)
            await objection.look_again(tx, merchant_id, made, allowed.act)
            return merchant_id, new_id

        opened = await case.load_case(info, await context.database.run(allowed.act.actor, work))
        if not isinstance(opened, Case):
            raise NotFound(what="case")
        return StatementObjected(statement=await statement.find(context, merchant_id, statement_id), case=opened)
