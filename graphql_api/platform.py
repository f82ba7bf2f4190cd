"""What the platform's own people see and do, across all merchants."""

from datetime import date, datetime
from typing import Annotated

import strawberry

from graphql_api import (
    access,
    approval_chain,
    audit,
    case,
    chargeback,
    commission,
    coupon,
    debt,
    log_mutations,
    machine_token,
    order_search,
    payee,
    payout,
    reconciliation,
    report,
    restore_gap,
    review,
    saved_report,
    settled,
    settlement,
    settlement_terms,
    statement,
    tax,
    verification,
    webhook,
    winding_up,
)
from graphql_api.approval_chain import ApprovalChain
from graphql_api.audit import AuditEvent, AuditFilterInput
from graphql_api.case import Case
from graphql_api.category import Category
from graphql_api.chargeback import Chargeback
from graphql_api.commission import CommissionPlan
from graphql_api.context import Info
from graphql_api.coupon import Coupon
from graphql_api.debt import Debt
from graphql_api.enums import CaseKind, CaseStatus, Dimension, OrderSort, PayoutStatus
from graphql_api.log_mutations import LogRequirement
from graphql_api.machine_token import MachineToken
from graphql_api.merchant_record import MerchantRecord
from graphql_api.money import Money
from graphql_api.order_search import OrderFilterInput, OrderRecord, RefundFilterInput, RefundRecord
from graphql_api.payout import Payout, PayoutRecord
from graphql_api.problems import mutation
from graphql_api.reconciliation import Reconciliation
from graphql_api.relay import Connection, connection_of, page
from graphql_api.report import CommissionReport, SettlementReport
from graphql_api.restore_gap import RestoreGap
from graphql_api.review import ReviewRules, ReviewVerdict
from graphql_api.saved_report import SavedReport
from graphql_api.selection import wanted
from graphql_api.settlement import SettlementRun
from graphql_api.settlement_terms import SettlementSchedules, SettlementTerms
from graphql_api.statement import Statement
from graphql_api.tax import TaxRate
from graphql_api.verification import Verification
from graphql_api.webhook import WebhookDelivery, WebhookDeliveryFilterInput, WebhookEndpoint
from graphql_api.winding_up import ClosingBlocker
from merchantry.domain.category import Days
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.permission import Permission, may
from merchantry.services import backup, category
from merchantry.services import merchant as merchants
from tenancy.database import Transaction

From = Annotated[date, strawberry.argument(name="from", description="The first day that counts.")]
To = Annotated[date, strawberry.argument(description="The first day that no longer counts.")]


@strawberry.type(description="The platform's view. A field that the caller's role may not see is null, with an error.")
class Platform:
    @strawberry.field
    async def merchants(
        self, info: Info, status: str | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[MerchantRecord] | None:
        """Merchants by slug. Needs platform.merchant.read."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_MERCHANT_READ)
        asked = page("merchants", (str,), first, after)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            found = await merchants.list_merchants(
                session, asked.first, (asked.after[0],) if asked.after else None, status=status
            )
        return connection_of(found, asked, cursor_of=lambda each: each.cursor, node_of=MerchantRecord.of)

    @strawberry.field
    async def merchant(self, info: Info, slug: str) -> MerchantRecord | None:
        """The merchant of this slug, whatever its status. Needs platform.merchant.read."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_MERCHANT_READ)
        roles = info.context.caller.principal.platform_roles
        shows_accounts = "payeeAccounts" in wanted(info) and may(roles, Permission.PLATFORM_PAYEE_VERIFY)
        async with info.context.database.read(allowed.act.actor) as tx:
            async with tx.as_platform() as session:
                found = await merchants.by_slug(session, slug)
                if found is None:
                    return None
                latest = await backup.of_merchant(session, found.merchant.id) if "lastBackupAt" in wanted(info) else []
            accounts = await payee.in_use(tx, found.merchant.id) if shows_accounts else None
            return MerchantRecord.of(found, accounts, latest[0].taken_at if latest else None)

    @strawberry.field
    async def orders(
        self,
        info: Info,
        filter: OrderFilterInput | None = None,
        sort: OrderSort = OrderSort.PLACED_AT,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[OrderRecord] | None:
        """Orders of all merchants that fit the filter. Needs platform.order.read; no buyer is shown."""
        return await order_search.orders(info, filter, sort, first, after)

    @strawberry.field
    async def refunds(
        self,
        info: Info,
        filter: RefundFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[RefundRecord] | None:
        """Refunds of all merchants that fit the filter, newest first. Needs platform.order.read."""
        return await order_search.refunds(info, filter, first, after)

    @strawberry.field
    async def commission_report(
        self,
        info: Info,
        from_: From,
        to: To,
        group_by: list[Dimension],
        merchants: list[strawberry.ID] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> CommissionReport | None:
        """Captures with `from <= day < to` in the platform's time zone, always by currency too.

        `merchants` are ids of `platform { merchants }`; all merchants where it is left out. Needs platform.report.read.
        """
        return await report.commission_report(info, from_, to, group_by, merchants, first, after)

    @strawberry.field
    async def settlement_report(
        self,
        info: Info,
        from_: From,
        to: To,
        group_by: list[Dimension] | None = None,
        merchants: list[strawberry.ID] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> SettlementReport | None:
        """What became available on days with `from <= day < to`, by settlement period and currency.

        By MERCHANT too, where `groupBy` is left out; CATEGORY is refused, because an order becomes available as a
        whole. Needs platform.report.read.
        """
        dimensions = [Dimension.MERCHANT] if group_by is None else group_by
        return await report.settlement_report(info, from_, to, dimensions, merchants, first, after)

    @strawberry.field
    async def commission_plans(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[CommissionPlan] | None:
        """Versions of all plans, by name and version. Needs platform.plan.read."""
        return await commission.plans(info, first, after)

    @strawberry.field
    async def coupons(
        self, info: Info, merchant: strawberry.ID | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[Coupon] | None:
        """Coupons of a merchant (an id of `platform { merchants }`), newest first; the platform's own without it.

        Needs platform.coupon.read.
        """
        return await coupon.of_platform(info, merchant, first, after)

    @strawberry.field
    async def tax_rates(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[TaxRate] | None:
        """Rates of sales tax, past, present and to come, by country, region, category and moment.

        Needs platform.tax.read.
        """
        return await tax.tax_rates(info, first, after)

    @strawberry.field
    async def approval_chains(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[ApprovalChain] | None:
        """Versions of how many people must agree to what, by kind; a kind without one has the usual chain.

        Needs platform.case.read.
        """
        return await approval_chain.chains(info, first, after)

    @strawberry.field
    async def cases(
        self,
        info: Info,
        status: list[CaseStatus] | None = None,
        kind: list[CaseKind] | None = None,
        merchant: strawberry.ID | None = None,
        mine: bool = False,
        overdue: bool = False,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Case] | None:
        """Review cases, newest first; `mine` are those that the viewer takes care of, `overdue` those that are open and
        were due. Needs platform.case.read."""
        return await case.of_platform(
            info, first=first, after=after, status=status, kind=kind, merchant=merchant, mine=mine, overdue=overdue
        )

    @strawberry.field
    async def case(self, info: Info, id: strawberry.ID) -> Case | None:
        """The case of this id. Needs platform.case.read."""
        return await case.of_id(info.context, id)

    @strawberry.field
    async def restore_gaps(
        self, info: Info, merchant: strawberry.ID, first: int | None = None, after: str | None = None
    ) -> Connection[RestoreGap] | None:
        """What a merchant's restores lacked, and what became of it. Needs platform.case.read."""
        return await restore_gap.of_platform(info, merchant, first, after)

    @strawberry.field
    async def verifications(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Verification] | None:
        """What the daily verifications found, the latest first. Needs platform.verification.read."""
        return await verification.of_platform(info, first, after)

    @strawberry.field
    async def settlement_runs(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[SettlementRun] | None:
        """Runs of settlement, the latest first. Needs platform.settlement.read."""
        return await settlement.runs(info, first, after)

    @strawberry.field
    async def settlement_run(self, info: Info, id: strawberry.ID) -> SettlementRun | None:
        """The run of this id. Needs platform.settlement.read."""
        return await settlement.run_of_id(info.context, id)

    @strawberry.field
    async def settlement_missed_since(self, info: Info) -> datetime | None:
        """Since when a run over all merchants is overdue; null where none is. Needs platform.settlement.read."""
        return await settlement.missed_since(info)

    @strawberry.field
    async def closing_blockers(self, info: Info, merchant: strawberry.ID) -> list[ClosingBlocker] | None:
        """What stands, or would stand, in the way of closing a merchant. Needs platform.settlement.read."""
        return await winding_up.of_platform(info, merchant)

    @strawberry.field
    async def settlement_schedule(self, info: Info, merchant: strawberry.ID) -> SettlementSchedules | None:
        """When a merchant's periods end. Needs platform.settlement.read."""
        found = await settlement_terms.of_platform(info.context, merchant)
        return SettlementSchedules.of(found, info.context.clock())

    @strawberry.field
    async def settlement_terms(self, info: Info, merchant: strawberry.ID) -> SettlementTerms | None:
        """What a merchant's payouts are subject to. Needs platform.settlement.read."""
        return SettlementTerms.of(await settlement_terms.of_platform(info.context, merchant))

    @strawberry.field
    async def statements(
        self, info: Info, merchant: strawberry.ID, first: int | None = None, after: str | None = None
    ) -> Connection[Statement] | None:
        """A merchant's closed periods, the latest first. Needs platform.settlement.read."""
        return await statement.of_platform(info, merchant, first, after)

    @strawberry.field
    async def statement(self, info: Info, number: str) -> Statement | None:
        """The statement of this number, whoever's it is. Needs platform.settlement.read."""
        try:
            return await statement.of_number(info, await settled.of_number(info.context, number), number)
        except NotFound:
            return None

    @strawberry.field
    async def payouts(
        self,
        info: Info,
        statuses: list[PayoutStatus] | None = None,
        merchant: strawberry.ID | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[PayoutRecord] | None:
        """Payouts of all merchants, or of one, the latest planned first. Needs platform.settlement.read."""
        return await payout.of_platform(info, first, after, statuses, merchant)

    @strawberry.field
    async def payout(self, info: Info, number: str) -> Payout | None:
        """All of the payout of this number, whoever's it is. Needs platform.settlement.read."""
        try:
            return await payout.of_number(await settled.of_number(info.context, number), number)
        except NotFound:
            return None

    @strawberry.field
    async def log_requirement(self, info: Info) -> LogRequirement | None:
        """How far in the public log entries must be before statements close and payouts are sent. Needs
        platform.settlement.read."""
        return await log_mutations.requirement(info)

    @strawberry.field
    async def payout_release_limits(self, info: Info) -> list[Money] | None:
        """Amounts above which a person must release a payout. Needs platform.settlement.read."""
        return await settlement.release_limits(info)

    @strawberry.field
    async def chargebacks(
        self, info: Info, status: str | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[Chargeback] | None:
        """Chargebacks of all merchants, newest first. Needs platform.chargeback.read."""
        return await chargeback.of_platform(info, status, first, after)

    @strawberry.field
    async def debts(self, info: Info) -> list[Debt] | None:
        """What merchants' last statements left owing, the oldest 1,000. Needs platform.debt.read."""
        return await debt.debts(info)

    @strawberry.field
    async def review_rules(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[ReviewRules] | None:
        """Versions of the review rules, the newest first. Needs platform.review.read."""
        return await review.versions(info, first, after)

    @strawberry.field
    async def review_trail(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="An order's, a payout's or a payee account's.")],
    ) -> list[ReviewVerdict] | None:
        """What every review rule made of an order with its refunds, of a payout or of an account.

        Needs platform.review.read.
        """
        return await review.trail(info, id)

    @strawberry.field
    async def reports(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[SavedReport] | None:
        """The platform's saved reports with their files, newest first. Needs platform.report.read."""
        return await saved_report.of_platform(info, first, after)

    @strawberry.field
    def reconciliation(self, info: Info) -> Reconciliation | None:
        """What banks and providers say, beside what we know. Needs platform.reconciliation.read."""
        return reconciliation.of_platform(info.context)

    @strawberry.field
    async def audit_events(
        self,
        info: Info,
        filter: AuditFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[AuditEvent] | None:
        """Who did what, in all merchants and on the platform, newest first. Needs platform.audit.read."""
        return await audit.of_platform(info, filter, first, after)

    @strawberry.field
    async def machine_tokens(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[MachineToken] | None:
        """The tokens of the platform's own programs, newest first. Needs platform.token.read."""
        return await machine_token.of_platform(info, first, after)

    @strawberry.field
    async def webhook_endpoints(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[WebhookEndpoint] | None:
        """Where the platform's own copy of all events is sent, newest first. Needs platform.webhook.read."""
        return await webhook.endpoints(info, first, after, of_platform=True)

    @strawberry.field
    async def webhook_deliveries(
        self,
        info: Info,
        filter: WebhookDeliveryFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[WebhookDelivery] | None:
        """What was sent to the platform's own endpoints, those of the newest events first. Needs
        platform.webhook.read."""
        return await webhook.deliveries(info, filter, first, after, of_platform=True)


def platform(info: Info) -> Platform | None:
    """The platform's view; null unless the viewer has a platform role."""
    return Platform() if info.context.caller.principal.platform_roles else None


@strawberry.input(description="A category of products to be.")
class CategoryCreateInput:
    code: str = strawberry.field(description="Lower-case letters, digits, and single - or _ between them.")
    name: str
    parent: str | None = None


@strawberry.type(description="Products can be put into the category.")
class CategoryCreated:
    category: Category


@strawberry.input(description="What a category says of days. What is left out is inherited from above.")
class CategoryDaysSetInput:
    code: str
    hold_days: int | None = strawberry.field(
        default=None, description="Calendar days from completion until the money is available, 0 to 365."
    )
    return_days: int | None = strawberry.field(
        default=None, description="Days after the last delivery in which a return can be asked for; 0: none can."
    )
    ship_days: int | None = strawberry.field(
        default=None, description="Calendar days after payment in which it is to be shipped, 0 to 365."
    )


@strawberry.type(description="The days hold for orders that are placed from now on; others keep theirs.")
class CategoryDaysWereSet:
    category: Category


@strawberry.type
class PlatformMutations:
    @mutation(problems=[InvalidInput, NotPermitted])
    async def category_create(self, info: Info, input: CategoryCreateInput) -> CategoryCreated:
        """Add a category to the mall. Needs platform.category.create."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CATEGORY_CREATE)

        async def work(tx: Transaction) -> Category:
            async with tx.as_platform() as session:
                await category.create_category(session, input.code, input.name, allowed.act, parent=input.parent)
                return Category.tree(await category.categories(session))[input.code]

        return CategoryCreated(category=await info.context.database.run(allowed.act.actor, work))

    @mutation(problems=[InvalidInput, NotFound, NotPermitted])
    async def category_days_set(self, info: Info, input: CategoryDaysSetInput) -> CategoryDaysWereSet:
        """Say how long money is held, goods can be returned, and take to ship. Needs platform.category.write."""
        allowed = access.of_platform(info.context, Permission.PLATFORM_CATEGORY_WRITE)
        days = Days(input.hold_days, input.return_days, input.ship_days)

        async def work(tx: Transaction) -> Category:
            async with tx.as_platform() as session:
                await category.set_days(session, input.code, days, allowed.act)
                return Category.tree(await category.categories(session))[input.code]

        return CategoryDaysWereSet(category=await info.context.database.run(allowed.act.actor, work))
