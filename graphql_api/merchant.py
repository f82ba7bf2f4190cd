"""The merchant that the middleware selected, as its staff see it."""

from datetime import datetime
from functools import partial
from uuid import UUID

import strawberry

from graphql_api import (
    access,
    audit,
    case,
    change,
    chargeback,
    coupon,
    customer,
    machine_token,
    notification,
    order_page,
    payee,
    payout,
    product,
    return_request,
    saved_report,
    settlement_terms,
    split,
    statement,
    webhook,
    winding_up,
)
from graphql_api.audit import AuditEvent, AuditFilterInput
from graphql_api.case import Case
from graphql_api.change import ChangeConnection
from graphql_api.chargeback import Chargeback
from graphql_api.context import Info
from graphql_api.coupon import Coupon
from graphql_api.customer import Customer
from graphql_api.enums import CaseKind, CaseStatus, Language, OrderStatus, PayoutStatus
from graphql_api.machine_token import MachineToken
from graphql_api.notification import Notification
from graphql_api.order import Order
from graphql_api.order_loading import parts_written
from graphql_api.order_views import as_staff_see, may_read_ledger
from graphql_api.payee import PayeeAccount
from graphql_api.payout import Payout
from graphql_api.product import Product
from graphql_api.refund import Refund
from graphql_api.relay import Connection, connection_of, encode_id, page
from graphql_api.return_request import ReturnRequest
from graphql_api.saved_report import SavedReport
from graphql_api.settled import as_staff
from graphql_api.settlement_terms import SettlementSchedules, SettlementTerms, StatementPreview
from graphql_api.shop import Shop
from graphql_api.split import Balance, Split
from graphql_api.staff import StaffMember
from graphql_api.statement import Statement
from graphql_api.told import Kinds
from graphql_api.webhook import WebhookDelivery, WebhookDeliveryFilterInput, WebhookEndpoint
from graphql_api.winding_up import ClosingBlocker
from merchantry.domain.permission import Permission
from merchantry.services import merchant as merchants
from merchantry.services import staff, tracking


@strawberry.type(
    description="The selected merchant. A field that the caller's role may not see is null, with an error that says so."
)
class Merchant:
    id: strawberry.ID
    slug: str

    @strawberry.field
    async def profile(self, info: Info) -> Shop | None:
        """The merchant's public page."""
        allowed = access.of_merchant(info.context, Permission.PRODUCT_READ)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            (found,) = await merchants.by_ids(session, [allowed.merchant_id])
        return Shop.of(found)

    @strawberry.field
    async def document_language(self, info: Info) -> Language | None:
        """What the statements and invoices that are issued from now on are written in. Needs ledger.read."""
        allowed = access.of_merchant(info.context, Permission.LEDGER_READ)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
            profile = await merchants.profile_of(session, allowed.merchant_id)
        return Language(profile.document_language)

    @strawberry.field
    async def products(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Product] | None:
        """Products, newest first. Needs product.read."""
        return await product.products(info, first, after)

    @strawberry.field
    async def orders(
        self,
        info: Info,
        status: list[OrderStatus] | None = None,
        external_ref: str | None = None,
        overdue: bool | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Order] | None:
        """Orders, newest first, of all statuses or of those named, or the one that the merchant's own system calls so.

        Needs order.read.
        """
        return await order_page.of_merchant(
            info, statuses=status, external_ref=external_ref, overdue=overdue, first=first, after=after
        )

    @strawberry.field
    async def order(self, info: Info, number: str) -> Order | None:
        """The order of this number. Needs order.read."""
        allowed = access.of_merchant(info.context, Permission.ORDER_READ)
        async with info.context.database.read(allowed.act.actor) as tx:
            async with tx.as_merchant(allowed.merchant_id) as session:
                view = await tracking.by_number(session, number, parts_written(info, (), for_staff=True))
            if view is None:
                return None
            shown = await as_staff_see(info, tx, allowed.merchant_id, [view], ())
        return shown[view.order.id]

    @strawberry.field
    async def customers(
        self, info: Info, order_number: str | None = None, first: int | None = None, after: str | None = None
    ) -> Connection[Customer] | None:
        """Whoever ordered, who ordered last first; or whose order this is. Needs order.read."""
        return await customer.customers(info, order_number, first, after)

    @strawberry.field
    async def refunds(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Refund] | None:
        """Refunds of all orders, newest first. Needs order.read; what parties gave back needs ledger.read."""
        allowed = access.of_merchant(info.context, Permission.ORDER_READ)
        asked = page("refunds", (datetime, UUID), first, after)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_merchant(allowed.merchant_id) as session:
            found = await tracking.refunds_page(session, limit=asked.limit, after=asked.after)
        with_parties = may_read_ledger(info)
        return connection_of(
            found,
            asked,
            cursor_of=lambda each: (each.occurred_at, each.id),
            node_of=lambda each: Refund.of(allowed.merchant_id, each, for_staff=True, with_parties=with_parties),
        )

    @strawberry.field
    async def returns(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[ReturnRequest] | None:
        """What buyers asked to send back, newest first. Needs order.read."""
        return await return_request.of_merchant(info, first, after)

    @strawberry.field
    async def chargebacks(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Chargeback] | None:
        """What buyers' banks take back, newest first. Needs ledger.read."""
        return await chargeback.of_merchant(info, first, after)

    @strawberry.field
    async def balance(self, info: Info, at: datetime | None = None) -> list[Balance] | None:
        """What the merchant has, by currency, now or at a past moment. Needs ledger.read."""
        return await split.balance(info, at)

    @strawberry.field
    async def splits(self, info: Info, first: int | None = None, after: str | None = None) -> Connection[Split] | None:
        """How each order's money was shared, the latest captured first. Needs ledger.read."""
        return await split.splits(info, first, after)

    @strawberry.field
    async def payee_accounts(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[PayeeAccount] | None:
        """Accounts that the merchant is or was paid to, newest first. Needs payee.read."""
        return await payee.of_merchant(info, first, after)

    @strawberry.field
    async def statements(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Statement] | None:
        """Closed periods, the latest first. Needs ledger.read."""
        return await statement.of_merchant(info, first, after)

    @strawberry.field
    async def statement(self, info: Info, number: str) -> Statement | None:
        """The statement of this number. Needs ledger.read."""
        return await statement.of_number(info, partial(as_staff, info.context), number)

    @strawberry.field
    async def statement_preview(self, info: Info) -> list[StatementPreview] | None:
        """The open period as it stands, by currency. Needs ledger.read."""
        return await settlement_terms.previews(info)

    @strawberry.field
    async def settlement_schedule(self, info: Info) -> SettlementSchedules | None:
        """When periods end, and what was decided to change about it. Needs ledger.read."""
        return SettlementSchedules.of(await settlement_terms.of_merchant(info.context), info.context.clock())

    @strawberry.field
    async def settlement_terms(self, info: Info) -> SettlementTerms | None:
        """What payouts are subject to. Needs ledger.read."""
        return SettlementTerms.of(await settlement_terms.of_merchant(info.context))

    @strawberry.field
    async def payouts(
        self,
        info: Info,
        statuses: list[PayoutStatus] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Payout] | None:
        """Payouts, the latest planned first, of all statuses or of those named. Needs ledger.read."""
        return await payout.of_merchant(info, first, after, statuses)

    @strawberry.field
    async def payout(self, info: Info, number: str) -> Payout | None:
        """The payout of this number. Needs ledger.read."""
        return await payout.of_number(partial(as_staff, info.context), number)

    @strawberry.field
    async def coupons(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Coupon] | None:
        """The merchant's own coupons, newest first. Needs coupon.read."""
        return await coupon.of_merchant(info, first, after)

    @strawberry.field
    async def closing_blockers(self, info: Info) -> list[ClosingBlocker] | None:
        """What stands, or would stand, in the way of closing the merchant. Needs ledger.read."""
        return await winding_up.of_merchant(info)

    @strawberry.field
    async def notifications(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[Notification] | None:
        """What the viewer was told as the merchant's staff, newest first. Needs notification.read."""
        return await notification.of_merchant(info, first, after)

    @strawberry.field
    async def changes(
        self, info: Info, kinds: Kinds = None, first: int | None = None, after: str | None = None
    ) -> ChangeConnection | None:
        """What happened to products, stock and orders, oldest first, as far as the viewer's roles reach; all that is
        kept, or what came behind a cursor, here or of a subscription. Needs notification.read.
        """
        return await change.changes(info, kinds, first, after)

    @strawberry.field
    async def cases(
        self,
        info: Info,
        status: list[CaseStatus] | None = None,
        kind: list[CaseKind] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[Case] | None:
        """Review cases about the merchant that it is told of, newest first. Needs case.read."""
        return await case.of_merchant(info, first=first, after=after, status=status, kind=kind)

    @strawberry.field
    async def reports(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[SavedReport] | None:
        """Saved reports with their files, newest first. Needs report.read."""
        return await saved_report.of_merchant(info, first, after)

    @strawberry.field
    async def audit_events(
        self,
        info: Info,
        filter: AuditFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[AuditEvent] | None:
        """Who did what to what is the merchant's, newest first. Needs audit.read."""
        return await audit.of_merchant(info, filter, first, after)

    @strawberry.field
    async def staff(self, info: Info) -> list[StaffMember] | None:
        """The merchant's people and their roles, at most 500. Needs staff.read."""
        allowed = access.of_merchant(info.context, Permission.STAFF_READ)
        async with info.context.database.read(allowed.act.actor) as tx, tx.as_platform() as session:
            found = await staff.staff(session, allowed.merchant_id)
        return [StaffMember.of(each) for each in found]

    @strawberry.field
    async def machine_tokens(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[MachineToken] | None:
        """The tokens of the merchant's programs, newest first. Needs token.read."""
        return await machine_token.of_merchant(info, first, after)

    @strawberry.field
    async def webhook_endpoints(
        self, info: Info, first: int | None = None, after: str | None = None
    ) -> Connection[WebhookEndpoint] | None:
        """Where the merchant's events are sent, newest first. Needs webhook.read."""
        return await webhook.endpoints(info, first, after, of_platform=False)

    @strawberry.field
    async def webhook_deliveries(
        self,
        info: Info,
        filter: WebhookDeliveryFilterInput | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Connection[WebhookDelivery] | None:
        """What was sent to them, and what is to be, those of the newest events first. Needs webhook.read."""
        return await webhook.deliveries(info, filter, first, after, of_platform=False)


def merchant(info: Info) -> Merchant | None:
    """The merchant that host or header selected; null where none is."""
    found = info.context.caller.merchant
    return Merchant(id=encode_id("Merchant", found.id), slug=found.slug) if found else None
