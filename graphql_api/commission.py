"""Commission plans: versions, who decides on them, and what a proposal would have come to."""

from datetime import date, datetime
from typing import Annotated

import strawberry
from strawberry.scalars import JSON

from graphql_api import access
from graphql_api.context import Info
from graphql_api.money import Money
from graphql_api.problems import Mistake, mutation
from graphql_api.relay import Connection, PageInfo, connection_of, decode_id, encode_cursor, page
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted, PlanInvalid
from merchantry.domain.permission import Permission
from merchantry.domain.plan import Plan
from merchantry.domain.plan_document import parse_plan, plan_document
from merchantry.domain.replay import Compared
from merchantry.services import commission, replay
from merchantry.services.commission import PlanVersion
from merchantry.services.replay import MerchantReplay
from tenancy.database import Transaction


@strawberry.type(description="One version of a commission plan.")
class CommissionPlan:
    name: str
    version: int
    document: JSON = strawberry.field(description="The rules, in the form that commissionPlanPropose takes.")
    effective_from: datetime
    status: str = strawberry.field(description="proposed, approved or rejected.")
    proposed_by: str
    approved_by: str | None = strawberry.field(description="Who decided, also where it was rejected.")
    approved_at: datetime | None

    @staticmethod
    def of(found: PlanVersion) -> "CommissionPlan":
        """The version as it is stored."""
        return CommissionPlan(
            name=found.name,
            version=found.version,
            document=JSON(plan_document(found.plan)),
            effective_from=found.effective_from,
            status=found.status,
            proposed_by=found.proposed_by,
            approved_by=found.approved_by,
            approved_at=found.approved_at,
        )


@strawberry.type(description="Commission of past orders as it was booked and as it would be, in one currency.")
class ReplayRow:
    merchant: str | None = strawberry.field(description="The merchant's slug; null in totals.")
    currency: str
    orders: int
    booked: Money
    proposed: Money
    change: Money = strawberry.field(description="What the platform gains, or loses where negative; before refunds.")
    booked_returned: Money = strawberry.field(
        description="What refunds of these orders, booked by the end of the span, returned of it."
    )
    proposed_returned: Money = strawberry.field(description="What they would have returned under the plan's policies.")
    net_change: Money = strawberry.field(description="What the platform gains, or loses where negative; after refunds.")

    @staticmethod
    def of(merchant: str | None, currency: str, compared: Compared) -> "ReplayRow":
        """One merchant's, or all."""
        return ReplayRow(
            merchant=merchant,
            currency=currency,
            orders=compared.orders,
            booked=Money.of(compared.booked_minor, currency),
            proposed=Money.of(compared.proposed_minor, currency),
            change=Money.of(compared.change_minor, currency),
            booked_returned=Money.of(compared.booked_returned_minor, currency),
            proposed_returned=Money.of(compared.proposed_returned_minor, currency),
            net_change=Money.of(compared.net_change_minor, currency),
        )


@strawberry.input(description="A version of a commission plan to be.")
class CommissionPlanProposeInput:
    name: str
    document: JSON = strawberry.field(description="The rules, as docs/commission-plans.md describes them.")
    effective_from: datetime


@strawberry.input(description="A proposed version to put into force.")
class CommissionPlanApproveInput:
    name: str
    version: int


@strawberry.input(description="A proposed version that will not come into force.")
class CommissionPlanRejectInput:
    name: str
    version: int
    reason: str


@strawberry.input(description="A plan to run over past orders: a document, or a version that exists.")
class CommissionPlanReplayInput:
    document: JSON | None = None
    name: str | None = None
    version: int | None = None
    from_: Annotated[date, strawberry.argument(name="from")] = strawberry.field(
        name="from", description="The first day of capture that counts, in the platform's time zone."
    )
    to: date = strawberry.field(description="The first day that no longer counts.")
    merchants: list[strawberry.ID] | None = strawberry.field(
        default=None, description="Ids of `platform { merchants }`; all merchants where it is left out."
    )
    first: int | None = None
    after: str | None = None


@strawberry.type(description="The version waits for a second person.")
class CommissionPlanProposed:
    plan: CommissionPlan
    warnings: list[Mistake] = strawberry.field(
        description="What has no effect as things stand: names that nobody has, rules that can never apply."
    )


@strawberry.type(description="The version is in force from its date on.")
class CommissionPlanApproved:
    plan: CommissionPlan


@strawberry.type(description="The version will not come into force.")
class CommissionPlanRejected:
    plan: CommissionPlan


@strawberry.type(description="What a plan would have come to, by merchant and currency; nothing was changed.")
class CommissionPlanReplayed:
    rows: list[ReplayRow]
    totals: list[ReplayRow] = strawberry.field(description="Of all pages together, one for each currency.")
    page_info: PageInfo


async def plans(info: Info, first: int | None, after: str | None) -> Connection[CommissionPlan]:
    """Versions of all plans, by name and version."""
    allowed = access.of_platform(info.context, Permission.PLATFORM_PLAN_READ)
    asked = page("commissionPlans", (str, int), first, after)
    async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
        found = await commission.versions(
            session, limit=asked.limit, after=(asked.after[0], asked.after[1]) if asked.after else None
        )
    return connection_of(found, asked, cursor_of=lambda each: (each.name, each.version), node_of=CommissionPlan.of)


@strawberry.type
class CommissionPlanMutations:
    @mutation(problems=[PlanInvalid, InvalidInput, NotPermitted])
    async def commission_plan_propose(self, info: Info, input: CommissionPlanProposeInput) -> CommissionPlanProposed:
        """Propose a version of a plan; it has no effect until somebody else approves it.

        Refused where another version begins at the same moment.
        """
        allowed = access.of_platform(info.context, Permission.PLATFORM_PLAN_PROPOSE)
        plan = parse_plan(input.document)

        async def work(tx: Transaction) -> tuple[PlanVersion, tuple[tuple[str, str], ...]]:
            async with tx.as_platform() as session:
                made = await commission.propose(session, input.name, plan, input.effective_from, allowed.act)
                return made, await commission.warnings_of(session, input.name, plan)

        found, warnings = await info.context.database.run(allowed.act.actor, work)
        return CommissionPlanProposed(
            plan=CommissionPlan.of(found), warnings=[Mistake(path=path, remedy=remedy) for path, remedy in warnings]
        )

    @mutation(problems=[NotFound, InvalidInput, NotPermitted])
    async def commission_plan_approve(self, info: Info, input: CommissionPlanApproveInput) -> CommissionPlanApproved:
        """Put a proposed version into force from its date on; never by the person who proposed it."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PLAN_APPROVE)

        async def work(tx: Transaction) -> PlanVersion:
            async with tx.as_platform() as session:
                return await commission.approve(session, input.name, input.version, allowed.act)

        found = await info.context.database.run(allowed.act.actor, work)
        return CommissionPlanApproved(plan=CommissionPlan.of(found))

    @mutation(problems=[NotFound, InvalidInput, NotPermitted])
    async def commission_plan_reject(self, info: Info, input: CommissionPlanRejectInput) -> CommissionPlanRejected:
        """Refuse a proposed version, or withdraw it; another can be proposed in its place."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_PLAN_APPROVE)

        async def work(tx: Transaction) -> PlanVersion:
            async with tx.as_platform() as session:
                return await commission.reject(session, input.name, input.version, input.reason, allowed.act)

        found = await info.context.database.run(allowed.act.actor, work)
        return CommissionPlanRejected(plan=CommissionPlan.of(found))

    @mutation(problems=[PlanInvalid, NotFound, InvalidInput, NotPermitted])
    async def commission_plan_replay(self, info: Info, input: CommissionPlanReplayInput) -> CommissionPlanReplayed:
        """Run a plan over past captures, and say what each merchant's commission would have been.

        Changes nothing. Tiers are rated in the order of capture; refunds are left out on both sides.
        """
        allowed = access.of_platform(info.context, Permission.PLATFORM_PLAN_PROPOSE)
        asked = page("commissionPlanReplay", (str, str), input.first, input.after)
        database, actor = info.context.database, allowed.act.actor
        plan = await _plan(info, input, actor)
        chosen = None
        if input.merchants is not None:
            chosen = [
                decode_id(text, "MerchantRecord", 1, ("input", "merchants", position))[0]
                for position, text in enumerate(input.merchants)
            ]
        merchants = await replay.merchants_to_replay(database, actor, chosen)
        found = [each async for each in replay.replay(database, actor, plan, input.from_, input.to, merchants)]
        shown = _rows(found)
        left = [each for each in shown if asked.after is None or (each.merchant, each.currency) > asked.after]
        rows = left[: asked.first]
        ends = [encode_cursor("commissionPlanReplay", (row.merchant or "", row.currency)) for row in rows]
        return CommissionPlanReplayed(
            rows=rows,
            totals=[ReplayRow.of(None, currency, each) for currency, each in replay.totals_of(found).items()],
            page_info=PageInfo(
                has_next_page=len(left) > asked.first,
                has_previous_page=asked.after is not None,
                start_cursor=ends[0] if ends else None,
                end_cursor=ends[-1] if ends else None,
            ),
        )


async def _plan(info: Info, given: CommissionPlanReplayInput, actor: str) -> Plan:
    """The document, or the version that is named."""
    if (given.document is None) == (given.name is None or given.version is None):
        raise InvalidInput(reason="Give either a document, or the name and version of a plan.", path=("document",))
    if given.document is not None:
        return parse_plan(given.document)
    async with info.context.database.read(actor) as tx, tx.as_platform() as session:
        return (await commission.version_of(session, str(given.name), int(given.version or 0))).plan


def _rows(found: list[MerchantReplay]) -> list[ReplayRow]:
    return [
        ReplayRow.of(each.slug, currency, compared) for each in found for currency, compared in each.by_currency.items()
    ]
