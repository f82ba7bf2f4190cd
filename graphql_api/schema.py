"""The one schema; what it is made of is in the module of each noun."""

from collections.abc import Sequence

import strawberry

from graphql_api import log, merchant, platform, relay, saved_report, viewer
from graphql_api.approval_chain import ApprovalChainMutations
from graphql_api.case import Case
from graphql_api.case_mutations import CaseMutations
from graphql_api.category import CategoryQueries
from graphql_api.category_mutations import CategoryMutations
from graphql_api.chargeback_mutations import ChargebackMutations
from graphql_api.checkout import Checkout, Payment
from graphql_api.checkout_mutations import CheckoutMutations
from graphql_api.commission import CommissionPlanMutations
from graphql_api.context import Info
from graphql_api.coupon import Coupon
from graphql_api.coupon_mutations import CouponMutations
from graphql_api.debt import DebtMutations
from graphql_api.email import EmailMutations
from graphql_api.engine import MarketSchema
from graphql_api.erasure import ErasureMutations
from graphql_api.exchange import ExchangeMutations
from graphql_api.guest import GuestMutations
from graphql_api.invoice import CommissionInvoice
from graphql_api.language import LanguageMutations
from graphql_api.listing import Listing
from graphql_api.log import TransparencyLog
from graphql_api.log_mutations import LogMutations
from graphql_api.machine_token import MachineTokenMutations
from graphql_api.merchant import Merchant
from graphql_api.merchant_record import MerchantRecordMutations
from graphql_api.notification import Notification, NotificationMutations
from graphql_api.order import Order
from graphql_api.order_mutations import OrderMutations
from graphql_api.payee import PayeeAccount, PayeeMutations
from graphql_api.payout import Payout
from graphql_api.payout_mutations import PayoutMutations
from graphql_api.platform import Platform
from graphql_api.product import Product, ProductMutations, Variant
from graphql_api.product_upsert import ProductUpsertMutations
from graphql_api.reconciliation import BankLine, BankStatement
from graphql_api.reconciliation_mutations import ReconciliationMutations
from graphql_api.refund_mutations import RefundMutations
from graphql_api.relay import Node
from graphql_api.return_mutations import ReturnMutations
from graphql_api.review import ReviewMutations
from graphql_api.saved_report import ReportForm, SavedReport
from graphql_api.saved_report_mutations import SavedReportMutations
from graphql_api.settlement_mutations import SettlementMutations
from graphql_api.ship_by import ShipByMutations
from graphql_api.shop import ListingQueries, Shop
from graphql_api.shop_mutations import ShopMutations
from graphql_api.split import Split
from graphql_api.staff import StaffMutations
from graphql_api.statement import Statement
from graphql_api.statement_mutations import StatementMutations
from graphql_api.stock import StockMutations
from graphql_api.subscription import Subscription
from graphql_api.tax import TaxMutations
from graphql_api.viewer import Viewer
from graphql_api.webhook import WebhookDelivery, WebhookEndpoint
from graphql_api.webhook_mutations import PlatformWebhookMutations, WebhookMutations
from graphql_api.winding_up import WindingUpMutations


@strawberry.type
class Query(ListingQueries, CategoryQueries):
    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> Node | None:
        """What an id stands for; null for what is missing and for what the caller may not see, alike."""
        return await relay.resolve_node(info, id)

    @strawberry.field
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> Sequence[Node | None]:
        """What up to 100 ids stand for, in their order."""
        return await relay.resolve_nodes(info, ids)

    @strawberry.field
    def viewer(self, info: Info) -> Viewer:
        """Who the token is."""
        return viewer.viewer(info)

    @strawberry.field
    def merchant(self, info: Info) -> Merchant | None:
        """The merchant that the host name or the header X-Merchant selected; null where none is."""
        return merchant.merchant(info)

    @strawberry.field
    def platform(self, info: Info) -> Platform | None:
        """The platform's view; null unless the viewer has a platform role."""
        return platform.platform(info)

    @strawberry.field
    async def log(self, info: Info) -> TransparencyLog:
        """The public log, in which everybody can check that no entry was changed, dropped or shown differently."""
        return await log.transparency_log(info)

    @strawberry.field
    def report_forms(self) -> list[ReportForm]:
        """The kinds of reports that can be downloaded and saved, with their columns."""
        return saved_report.forms()


@strawberry.type
class Mutation(
    CheckoutMutations,
    GuestMutations,
    OrderMutations,
    ShipByMutations,
    ShopMutations,
    RefundMutations,
    ReturnMutations,
    ChargebackMutations,
    DebtMutations,
    ExchangeMutations,
    ErasureMutations,
    ProductMutations,
    ProductUpsertMutations,
    StockMutations,
    CouponMutations,
    TaxMutations,
    StaffMutations,
    MachineTokenMutations,
    NotificationMutations,
    EmailMutations,
    LanguageMutations,
    MerchantRecordMutations,
    WindingUpMutations,
    CategoryMutations,
    CommissionPlanMutations,
    PayeeMutations,
    CaseMutations,
    ApprovalChainMutations,
    ReviewMutations,
    SavedReportMutations,
    StatementMutations,
    SettlementMutations,
    LogMutations,
    PayoutMutations,
    ReconciliationMutations,
    WebhookMutations,
    PlatformWebhookMutations,
):
    pass


schema = MarketSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[
        Checkout,
        Payment,
        Order,
        Notification,
        Product,
        Variant,
        Listing,
        Shop,
        Split,
        PayeeAccount,
        Case,
        SavedReport,
        Statement,
        CommissionInvoice,
        Payout,
        Coupon,
        BankStatement,
        BankLine,
        WebhookEndpoint,
        WebhookDelivery,
    ],
)
