"""Runs of settlement, and what a person must release: as the platform's people see them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import strawberry

from graphql_api import access
from graphql_api.context import Context, Info
from graphql_api.money import Money
from graphql_api.relay import Connection, connection_of, encode_id, page, parse_id
from merchantry.domain.case import PEOPLE
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import settlement_run, settlement_terms
from tenancy.database import PlatformSession


@strawberry.type(description="A merchant that a run could not settle with; run again, it does what is left.")
class SettlementFailure:
    merchant: str
    reason: str


@strawberry.type(description="One go at settling with all merchants, or with one.")
class SettlementRun:
    id: strawberry.ID
    merchant: str | None = strawberry.field(description="The slug of the one merchant; null where it is over all.")
    started_by: strawberry.ID | None = strawberry.field(description="The account; null where the program began it.")
    until: datetime
    status: str = strawberry.field(description="running, done or failed.")
    started_at: datetime
    progressed_at: datetime
    finished_at: datetime | None
    merchants: int
    merchants_done: int
    holds_released: int
    statements: int
    payouts: int
    failures: list[SettlementFailure]

    @staticmethod
    def of(found: settlement_run.SettlementRun, slug: str | None) -> "SettlementRun":
        """The run as it stands."""
        role, _, account = found.actor.partition(":")
        return SettlementRun(
            id=encode_id("SettlementRun", found.id),
            merchant=slug,
            started_by=encode_id("Account", UUID(account)) if role in PEOPLE else None,
            until=found.until,
            status=found.status,
            started_at=found.started_at,
            progressed_at=found.progressed_at,
            finished_at=found.finished_at,
            merchants=found.merchants,
            merchants_done=found.merchants_done,
            holds_released=found.holds_released,
            statements=found.statements,
            payouts=found.payouts,
            failures=[SettlementFailure(merchant=merchant, reason=reason) for merchant, reason in found.failures],
        )


async def runs(info: Info, first: int | None, after: str | None) -> Connection[SettlementRun]:
    """``platform { settlementRuns }``. Raises NotPermitted."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    asked = page("settlementRuns", (datetime, UUID), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await settlement_run.page(session, limit=asked.limit, after=asked.after)
        slugs = await _slugs(session, found)
    return connection_of(
        found,
        asked,
        cursor_of=lambda each: each.cursor,
        node_of=lambda each: SettlementRun.of(each, slugs.get(each.merchant_id)),
    )


async def run_of_id(context: Context, id: str) -> SettlementRun | None:
    """``platform { settlementRun }``: None for whatever is no run's id. Raises NotPermitted."""
    access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    kind, parts = parse_id(id) or ("", ())
    return await find_run(context, *parts) if (kind, len(parts)) == ("SettlementRun", 1) else None


async def find_run(context: Context, run_id: UUID) -> SettlementRun | None:
    """A run. Raises NotPermitted."""
    allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await settlement_run.find(session, run_id)
        slugs = await _slugs(session, [found] if found else [])
    return SettlementRun.of(found, slugs.get(found.merchant_id)) if found else None


async def _slugs(session: PlatformSession, found: list[settlement_run.SettlementRun]) -> dict[UUID | None, str]:
    named = await merchants.by_ids(session, {each.merchant_id for each in found if each.merchant_id})
    return {each.merchant.id: each.merchant.slug for each in named}


async def missed_since(info: Info) -> datetime | None:
    """``platform { settlementMissedSince }``. Raises NotPermitted."""
    context = info.context
    allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_READ)
    async with context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        return await settlement_run.missed_since(session, context.clock())


async def release_limits(info: Info) -> list[Money]:
    """``platform { payoutReleaseLimits }``. Raises NotPermitted."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_READ)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        return moneys(await settlement_terms.release_limits(session))


def moneys(amounts: Mapping[str, int]) -> list[Money]:
    """Amounts in minor units by currency."""
    return [Money.of(amounts[currency], currency) for currency in sorted(amounts)]
