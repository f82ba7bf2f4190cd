"""Sales tax: what is on a line, and the rates that the platform sets."""

from datetime import datetime
from uuid import uuid4

import strawberry

from graphql_api import access
from graphql_api.context import Info
from graphql_api.enums import Remitter
from graphql_api.money import Money
from graphql_api.problems import mutation
from graphql_api.relay import Connection, connection_of, page
from merchantry.domain import tax as rules
from merchantry.domain import tax_rate
from merchantry.domain.errors import IdempotencyConflict, IdempotencyInProgress, InvalidInput, NotPermitted
from merchantry.domain.permission import Permission
from merchantry.services import tax
from merchantry.services.idempotency import claim
from merchantry.tables.platform import NOBODY
from tenancy.database import Transaction


@strawberry.type(description="The sales tax of a line, frozen when the order is placed.")
class LineTax:
    rate_bps: int = strawberry.field(description="The rate in basis points: 1900 is 19 %.")
    jurisdiction: str = strawberry.field(description="Whose tax it is, such as DE or US-CA.")
    inclusive: bool = strawberry.field(description="Whether it is part of the prices; otherwise it comes on top.")
    amount: Money

    @staticmethod
    def of(found: rules.LineTax | None, currency: str) -> "LineTax | None":
        """The tax of a line that has one."""
        if found is None:
            return None
        return LineTax(
            rate_bps=found.rate_bps,
            jurisdiction=found.jurisdiction,
            inclusive=found.inclusive,
            amount=Money.of(found.tax_minor, currency),
        )


@strawberry.type(description="A rate of sales tax, in force until a later one of the same place and category is.")
class TaxRate:
    country: str
    region: str | None = strawberry.field(description="None where it is the whole country's.")
    category: str | None = strawberry.field(description="None where it is for everything.")
    jurisdiction: str
    rate_bps: int = strawberry.field(description="In basis points: 1900 is 19 %.")
    inclusive: bool
    covers_shipping: bool
    remitted_by: Remitter
    effective_from: datetime

    @staticmethod
    def of(found: tax_rate.TaxRate) -> "TaxRate":
        """The rate as it is stored."""
        return TaxRate(
            country=found.country,
            region=found.region or None,
            category=found.category or None,
            jurisdiction=found.jurisdiction,
            rate_bps=found.rate_bps,
            inclusive=found.inclusive,
            covers_shipping=found.covers_shipping,
            remitted_by=found.remitted_by,
            effective_from=found.effective_from,
        )


async def tax_rates(info: Info, first: int | None, after: str | None) -> Connection[TaxRate]:
    """All rates, by place, category and moment."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_TAX_READ)
    asked = page("taxRates", (str, str, str, datetime), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await tax.page(session, limit=asked.limit, after=asked.after)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: (each.country, each.region, each.category, each.effective_from),
        node_of=TaxRate.of,
    )


@strawberry.input(description="A rate of sales tax. A rate of 0 ends a tax; what is set is never changed.")
class TaxRateSetInput:
    country: str = strawberry.field(description="Where the goods go: ISO 3166-1 alpha-2, such as DE.")
    region: str | None = strawberry.field(default=None, description="The second part of ISO 3166-2: CA of US-CA.")
    category: str | None = strawberry.field(default=None, description="A category's code; everything without it.")
    jurisdiction: str = strawberry.field(description="Whose tax it is, as it is shown: DE, US-CA.")
    rate_bps: int = strawberry.field(description="In basis points: 1900 is 19 %.")
    inclusive: bool = strawberry.field(description="Whether the prices hold the tax; otherwise it is added.")
    covers_shipping: bool = False
    remitted_by: Remitter = strawberry.field(
        default=Remitter.MERCHANT, description="Who pays it to the authority; what the platform remits, it keeps."
    )
    effective_from: datetime | None = strawberry.field(default=None, description="From now on where it is left out.")
    idempotency_key: str


@strawberry.type(description="The rate is in force from its moment on, for what is placed then.")
class TaxRateWasSet:
    tax_rate: TaxRate


@strawberry.type
class TaxMutations:
    @mutation(problems=[InvalidInput, NotPermitted, IdempotencyConflict, IdempotencyInProgress])
    async def tax_rate_set(self, info: Info, input: TaxRateSetInput) -> TaxRateWasSet:
        """Set a rate of sales tax. Orders that are placed keep theirs. Needs platform.tax.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_TAX_WRITE)
        request = access.request("taxRateSet", input)
        rate = tax_rate.TaxRate(
            id=uuid4(),
            country=input.country,
            region=input.region or "",
            category=input.category or "",
            jurisdiction=input.jurisdiction,
            rate_bps=input.rate_bps,
            inclusive=input.inclusive,
            covers_shipping=input.covers_shipping,
            remitted_by=input.remitted_by,
            effective_from=input.effective_from or allowed.act.at,
        )

        async def work(tx: Transaction) -> tax_rate.TaxRate:
            async with tx.as_platform() as session:
                if first := await claim(session, NOBODY, allowed.act, request, rate.id):
                    return await tax.by_id(session, first)
                return await tax.set_rate(session, rate, allowed.act)

        return TaxRateWasSet(tax_rate=TaxRate.of(await info.context.database.run(allowed.act.actor, work)))
