"""What the platform's people do about settling: run it, and change what a merchant is settled by."""

from datetime import date, datetime, time
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import strawberry

from graphql_api import access, settlement
from graphql_api.context import Info
from graphql_api.enums import Cycle
from graphql_api.money import MoneyInput
from graphql_api.payout_mutations import minor_by_currency
from graphql_api.problems import SHUT, mutation
from graphql_api.settlement import SettlementRun
from graphql_api.settlement_terms import SettlementSchedules, SettlementTerms, conditions
from merchantry.domain.errors import (
    IdempotencyConflict,
    IdempotencyInProgress,
    InvalidInput,
    NotFound,
    NotPermitted,
    SettlementRunning,
    UnknownCurrency,
)
from merchantry.domain.permission import Permission
from merchantry.domain.settlement import Schedule, TermsUnusable
from merchantry.domain.worded import Worded
from merchantry.jobs import settlement as jobs
from merchantry.jobs.tools import Tools
from merchantry.services import merchant as merchants
from merchantry.services import queue, schedule, settlement_run, settlement_terms
from merchantry.services.idempotency import claim
from merchantry.services.queue import JobKind
from merchantry.services.settlement import Conditions
from merchantry.services.settlement_terms import NewTerms
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession, Transaction

MAX_ZONE = 64


@strawberry.input(description="Whom to settle with, and up to when.")
class SettlementRunInput:
    merchant: str | None = strawberry.field(default=None, description="A slug; all merchants where it is left out.")
    until: datetime | None = strawberry.field(default=None, description="A moment that has passed; now by default.")
    idempotency_key: str


@strawberry.input(description="When a merchant's periods end, from the end of its open period on.")
class SettlementScheduleChangeInput:
    merchant: str = strawberry.field(description="A slug.")
    cycle: Cycle
    anchor_day: int = strawberry.field(default=1, description="The day that weeks (1 is Monday) or months start on.")
    every_days: int = strawberry.field(default=1, description="How many days a period of EVERY_N_DAYS has.")
    anchored_on: date | None = strawberry.field(default=None, description="The day that EVERY_N_DAYS counts from.")
    days_of_month: list[int] = strawberry.field(default_factory=list, description="On which DAYS_OF_MONTH start.")
    closing: str = strawberry.field(default="00:00", description="The time of day at which periods end.")
    time_zone: str | None = strawberry.field(default=None, description="An IANA zone; as before where it is left out.")


@strawberry.input(description="What settling with a merchant is subject to; what is left out stays as it is.")
class SettlementTermsSetInput:
    merchant: str = strawberry.field(description="A slug.")
    minimum: list[MoneyInput] | None = strawberry.field(
        default=None, description="The smallest payouts: all of them, one for each currency that has one."
    )
    reserve_bps: int | None = None
    reserve_days: int | None = None
    objection_days: int | None = None


@strawberry.type(description="The run is over for one merchant; over all it has begun, and can be looked at by its id.")
class SettlementRunStarted:
    run: SettlementRun


@strawberry.type(description="The schedule takes effect when the open period ends.")
class SettlementScheduleChanged:
    schedule: SettlementSchedules


@strawberry.type(description="The terms hold for periods that are closed from now on.")
class SettlementTermsSet:
    terms: SettlementTerms


@strawberry.type
class SettlementMutations:
    @mutation(
        problems=[
            NotFound,
            NotPermitted,
            InvalidInput,
            *SHUT,
            SettlementRunning,
            IdempotencyConflict,
            IdempotencyInProgress,
        ]
    )
    async def settlement_run(self, info: Info, input: SettlementRunInput) -> SettlementRunStarted:
        """Close what is due, with one merchant at once, or with all by the worker. Needs platform.settlement.run.

        Doing it again is safe: what is closed stays as it is.
        """
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_RUN)
        request, new_id = access.request("settlementRun", input), uuid4()
        until = input.until or allowed.act.at

        async def begin(tx: Transaction) -> UUID:
            async with tx.as_platform() as session:
                if first := await claim(session, NOBODY, allowed.act, request, new_id):
                    return first
                merchant_id = None if input.merchant is None else await _merchant(session, input.merchant)
                await settlement_run.begin(session, new_id, until, merchant_id, allowed.act)
                due_at = allowed.act.booked_at
                if merchant_id:  # done right here; the worker looks only if this process dies over it
                    due_at += settlement_run.STALE_AFTER
                await queue.enqueue(session, NOBODY, JobKind.SETTLEMENT_RUN, new_id, due_at)
                return new_id

        run_id = await context.database.run(allowed.act.actor, begin)
        if run_id == new_id and input.merchant is not None:
            await jobs.resume(Tools(context.database, context.gateway, context.clock, context.vault), run_id)
        found = await settlement.find_run(context, run_id)
        if found is None:
            raise NotFound(what="settlement run")
        return SettlementRunStarted(run=found)

    @mutation(problems=[NotFound, NotPermitted, InvalidInput])
    async def settlement_schedule_change(
        self, info: Info, input: SettlementScheduleChangeInput
    ) -> SettlementScheduleChanged:
        """Give a merchant another schedule when its open period ends. Needs platform.settlement.write."""
        context = info.context
        allowed = access.of_platform(context, Permission.PLATFORM_SETTLEMENT_WRITE)

        async def work(tx: Transaction) -> Conditions:
            async with tx.as_platform() as session:
                merchant_id = await _merchant(session, input.merchant)
                known = (await schedule.schedules_of(session, [merchant_id]))[merchant_id]
                await schedule.change(session, merchant_id, _schedule(input, known[-1].zone), allowed.act)
            return await conditions(tx, merchant_id, allowed.act.at)

        found = await context.database.run(allowed.act.actor, work)
        return SettlementScheduleChanged(schedule=SettlementSchedules.of(found, allowed.act.at))

    @mutation(problems=[NotFound, NotPermitted, InvalidInput, UnknownCurrency])
    async def settlement_terms_set(self, info: Info, input: SettlementTermsSetInput) -> SettlementTermsSet:
        """Change a merchant's smallest payouts, risk reserve or days to object. Needs platform.settlement.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_SETTLEMENT_WRITE)
        minimum = None if input.minimum is None else minor_by_currency(input.minimum, "minimum")
        wanted = NewTerms(minimum, input.reserve_bps, input.reserve_days, input.objection_days)

        async def work(tx: Transaction) -> Conditions:
            async with tx.as_platform() as session:
                merchant_id = await _merchant(session, input.merchant)
                await settlement_terms.set_terms(session, merchant_id, wanted, allowed.act)
            return await conditions(tx, merchant_id, allowed.act.at)

        found = await info.context.database.run(allowed.act.actor, work)
        return SettlementTermsSet(terms=SettlementTerms.of(found))


async def _merchant(session: PlatformSession, slug: str) -> UUID:
    found = await merchants.by_slug(session, slug)
    if found is None:
        raise NotFound(what="merchant", path=("input", "merchant"))
    return found.merchant.id


def _schedule(given: SettlementScheduleChangeInput, zone_before: ZoneInfo) -> Schedule:
    facts: dict[str, Any] = {"anchored_on": given.anchored_on} if given.anchored_on else {}
    try:
        return Schedule(
            zone=zone_before if given.time_zone is None else _zone(given.time_zone),
            cycle=given.cycle,
            anchor_day=given.anchor_day,
            every_days=given.every_days,
            days_of_month=tuple(sorted(set(given.days_of_month))),
            closing=_closing(given.closing),
            **facts,
        )
    except TermsUnusable as error:
        raise InvalidInput(reason=error.reason, path=(error.fact,)) from error
    except ValueError as error:
        raise InvalidInput(
            reason=Worded("These terms can't be used: {error}.", error=error), path=("input",)
        ) from error


def _zone(name: str) -> ZoneInfo:
    try:
        if len(name) <= MAX_ZONE:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass  # whatever is wrong with it, it is no zone
    reason = "Give the name of a time zone, such as America/Sao_Paulo."
    raise InvalidInput(reason=reason, path=("input", "timeZone"))


def _closing(text: str) -> time:
    try:
        found = time.fromisoformat(text)
        if found.tzinfo is None and found.microsecond == 0:
            return found
    except ValueError:
        pass  # answered below, as what has a zone is
    raise InvalidInput(reason='Give a time of day such as "18:30".', path=("input", "closing"))
