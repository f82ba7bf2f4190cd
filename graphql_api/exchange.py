"""Exchanges of a merchant's available balance into another currency."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.money import CurrencyCode, Money, MoneyInput
from graphql_api.problems import SHUT, mutation
from graphql_api.relay import take_id
from merchantry.domain import exchange as rules
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    NotFound,
    NotPermitted,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.services import exchange, winding_up
from merchantry.services import merchant as merchants
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction


@strawberry.type(description="An amount of one currency that became one of another.")
class Exchange:
    from_: Money = strawberry.field(name="from")
    to: Money
    rate: str = strawberry.field(description="Units of the one for one of the other, exact.")
    source: str
    rate_at: datetime

    @staticmethod
    def of(found: rules.Exchange) -> "Exchange":
        """The exchange as it was booked."""
        return Exchange(
            from_=Money.of(found.from_minor, found.from_currency),
            to=Money.of(found.to_minor, found.to_currency),
            rate=found.rate,
            source=found.source,
            rate_at=found.rate_at,
        )


@strawberry.input(description="An available amount to exchange, at a rate that somebody stands for.")
class ExchangeBookInput:
    merchant_id: strawberry.ID
    from_: MoneyInput = strawberry.field(name="from", description="At most what is available.")
    to: CurrencyCode
    rate: str = strawberry.field(description="Units of `to` for one of `from`, as an exact decimal: 0.1834.")
    source: str = strawberry.field(description="Whose rate it is.")
    rate_at: datetime = strawberry.field(description="When it was their rate.")
    idempotency_key: str


@strawberry.type(description="It is a line of the open period in both currencies.")
class ExchangeBooked:
    exchange: Exchange


@strawberry.type
class ExchangeMutations:
    @mutation(
        problems=[
            NotFound,
            NotPermitted,
            InvalidInput,
            UnknownCurrency,
            *SHUT,
            IdempotencyConflict,
            IdempotencyInProgress,
        ]
    )
    async def exchange_book(self, info: Info, input: ExchangeBookInput) -> ExchangeBooked:
        """Exchange what is available of a merchant's, rounded half-up once. Needs platform.exchange.book."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_EXCHANGE_BOOK)
        path = ("input", "merchantId")
        (merchant_id,) = take_id(context, input.merchant_id, "MerchantRecord", 1, path)
        request = access.request("exchangeBook", input)
        made = rules.exchanged(
            uuid4(),
            input.from_.to_minor("input", "from"),
            str(input.from_.currency),
            str(input.to),
            rate=input.rate,
            source=input.source,
            rate_at=input.rate_at,
            at=allowed.act.at,
        )

        async def work(tx: Transaction) -> rules.Exchange:
            async with tx.as_platform() as platform:
                if not await merchants.by_ids(platform, [merchant_id]):
                    raise NotFound(what="merchant", path=path)
                await winding_up.refuse_closed(platform, merchant_id)
                first: UUID | None = await claim(platform, NOBODY, allowed.act, request, made.id)
            async with tx.as_merchant(merchant_id) as session:
                if first:  # the same input, which a repeated key has, comes to the same exchange
                    return replace(made, id=first)
                await exchange.book(session, made, allowed.act)
            return made

        return ExchangeBooked(exchange=Exchange.of(await context.database.run(allowed.act.actor, work)))
