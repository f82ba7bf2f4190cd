"""The business's enumerations as GraphQL enums. Types import them from here, so that each is described once."""

import strawberry

from merchantry.domain.audit import Outcome
from merchantry.domain.case import CaseKind, CaseStatus, Vote
from merchantry.domain.contact import ContactStatus
from merchantry.domain.coupon import CouponKind, CouponStatus
from merchantry.domain.dispute import ReturnStatus
from merchantry.domain.entries import Collector
from merchantry.domain.erasure import KeptFor as ContactKeptFor
from merchantry.domain.invoice import InvoiceKind
from merchantry.domain.ledger import Account
from merchantry.domain.mail import AddressStatus as MailAddressStatus
from merchantry.domain.notification import Audience, NewsGroup
from merchantry.domain.notification import Channel as NotificationChannel
from merchantry.domain.order import OrderStatus
from merchantry.domain.order_search import OrderSort
from merchantry.domain.parcel import ParcelStatus
from merchantry.domain.payee import PayeeKind, PayeeStatus
from merchantry.domain.payout import PayoutStatus, TransferState
from merchantry.domain.permission import MerchantRole, Permission, PlatformRole
from merchantry.domain.reconciliation import Borne, LineStatus, MatchedBy
from merchantry.domain.report_kind import ColumnType, ReportFormat, ReportKind
from merchantry.domain.report_schedule import ReportSchedule
from merchantry.domain.restore import GapKind as RestoreGapKind
from merchantry.domain.restore import GapStatus as RestoreGapStatus
from merchantry.domain.review import Outcome as ReviewOutcome
from merchantry.domain.review import ReviewStatus
from merchantry.domain.review import RuleSubject as ReviewSubject
from merchantry.domain.seller import SellerOfRecord
from merchantry.domain.settlement import Cycle
from merchantry.domain.stock import StockMode
from merchantry.domain.tax import Remitter
from merchantry.domain.verification import VerificationStatus
from merchantry.domain.webhook import DeliveryStatus as WebhookDeliveryStatus
from merchantry.domain.webhook import DisabledBy as WebhookDisabledBy
from merchantry.domain.webhook import EndpointStatus as WebhookEndpointStatus
from merchantry.domain.winding_up import Obstacle
from merchantry.gateways.payment import ActionKind as PaymentActionKind
from merchantry.jobs.reconciliation import FileKind
from merchantry.languages.language import Language
from merchantry.services.listing import ListingSort
from merchantry.services.refund_sending import RefundOutcome
from merchantry.services.report import Dimension

__all__ = [
    "Account",
    "Audience",
    "Borne",
    "CaseKind",
    "CaseStatus",
    "Collector",
    "ColumnType",
    "ContactKeptFor",
    "ContactStatus",
    "CouponKind",
    "CouponStatus",
    "Cycle",
    "Dimension",
    "FileKind",
    "InvoiceKind",
    "Language",
    "LineStatus",
    "ListingSort",
    "MailAddressStatus",
    "MatchedBy",
    "MerchantRole",
    "NewsGroup",
    "NotificationChannel",
    "Obstacle",
    "OrderSort",
    "OrderStatus",
    "Outcome",
    "ParcelStatus",
    "PayeeKind",
    "PayeeStatus",
    "PaymentActionKind",
    "PayoutStatus",
    "Permission",
    "PlatformRole",
    "RefundOutcome",
    "Remitter",
    "ReportFormat",
    "ReportKind",
    "ReportSchedule",
    "RestoreGapKind",
    "RestoreGapStatus",
    "ReturnStatus",
    "ReviewOutcome",
    "ReviewStatus",
    "ReviewSubject",
    "SellerOfRecord",
    "StockMode",
    "TransferState",
    "VerificationStatus",
    "Vote",
    "WebhookDeliveryStatus",
    "WebhookDisabledBy",
    "WebhookEndpointStatus",
]

strawberry.enum(Account, description="An account of a merchant's ledger.")
strawberry.enum(
    Borne,
    name="BankDifferenceBorne",
    description="Who bears it that a bank moved another amount than it was asked to: MERCHANT has its balance put right"
    " by an adjustment, with PLATFORM it is between the platform and its bank.",
)
strawberry.enum(CaseKind, description="Why something waits for people.")
strawberry.enum(CaseStatus, description="Where a review case stands.")
strawberry.enum(ContactKeptFor, name="ContactKeptFor", description="Why contact data has to stay for now.")
strawberry.enum(ContactStatus, description="Whether contact data of a buyer is shown.")
strawberry.enum(Outcome, name="AuditOutcome", description="Whether what was tried was done.")
strawberry.enum(CouponKind, description="How a coupon's discount is reckoned.")
strawberry.enum(CouponStatus, description="Where a coupon stands.")
strawberry.enum(Collector, name="PaymentCollector", description="Who takes the buyer's money of an order.")
strawberry.enum(Cycle, name="SettlementCycle", description="How often a merchant is settled with.")
strawberry.enum(Dimension, name="ReportDimension", description="What a report's rows are grouped by.")
strawberry.enum(FileKind, name="BankFileKind", description="What a file of a bank or a provider is.")
strawberry.enum(
    InvoiceKind,
    description="What a document does: INVOICE charges commission, CREDIT_NOTE gives it back; SELF_BILLED is the"
    " invoice for what the platform bought, SELF_BILLED_CREDIT takes of it back what was refunded.",
)
strawberry.enum(
    SellerOfRecord,
    description="Who sells to the buyer: AGENT, the merchant, and the platform takes commission; PRINCIPAL, the"
    " platform in its own name, and it owes the merchant the price.",
)
strawberry.enum(Language, description="A language of texts for people.")
strawberry.enum(LineStatus, name="BankLineStatus", description="Where a line of a bank's statement stands.")
strawberry.enum(
    ListingSort,
    name="ListingSort",
    description="In which order listings come. RELEVANCE is the default where words are searched for, NEWEST where none"
    " are. Prices need a currency.",
)
strawberry.enum(
    MailAddressStatus,
    name="MailAddressStatus",
    description="Whether mail goes there: not before it is CONFIRMED, and no more once a mail server REFUSED it.",
)
strawberry.enum(MatchedBy, name="BankLineMatchedBy", description="What a line and a transfer had in common.")
strawberry.enum(MerchantRole, description="What a person is at one merchant.")
strawberry.enum(
    Audience,
    name="NotificationAudience",
    description="As who somebody is told: STAFF of a merchant, BUYER of an order, PLATFORM as its staff.",
)
strawberry.enum(NewsGroup, name="NotificationGroup", description="Kinds of news that are wanted, or not, together.")
strawberry.enum(
    NotificationChannel,
    name="NotificationChannel",
    description="How somebody is told: IN_APP in the list of notifications, EMAIL by a mail for each, BOTH, DIGEST in"
    " the list and by one mail a day, NONE not at all. Whoever can't be written to is told IN_APP instead.",
)
strawberry.enum(Obstacle, name="ClosingObstacle", description="What stands in the way of a merchant's end.")
strawberry.enum(OrderSort, description="What orders are sorted by, the greatest first.")
strawberry.enum(OrderStatus, description="Where an order stands.")
strawberry.enum(ParcelStatus, description="What a carrier says of a parcel.")
strawberry.enum(PayeeKind, description="What an account that a merchant is paid to is.")
strawberry.enum(PayeeStatus, description="Where an account that a merchant is paid to stands.")
strawberry.enum(
    PaymentActionKind, name="PaymentActionKind", description="How a buyer confirms a payment at its provider."
)
strawberry.enum(PayoutStatus, description="Where a payout stands.")
strawberry.enum(Permission, description="What can be done; those that start with PLATFORM reach across merchants.")
strawberry.enum(PlatformRole, description="What a person is at the platform.")
strawberry.enum(RefundOutcome, description="What became of a refund that nobody answered for.")
strawberry.enum(StockMode, description="What a quantity of stock says.")
strawberry.enum(TransferState, name="TransferStatus", description="Where one transfer of a payout stands.")
strawberry.enum(Remitter, name="TaxRemitter", description="Who pays a sales tax to the authority.")
strawberry.enum(ReviewOutcome, name="ReviewOutcome", description="What a review rule made of an act.")
strawberry.enum(ReviewStatus, description="Where an order that a review rule held stands.")
strawberry.enum(ReviewSubject, name="ReviewSubject", description="What a review rule is about.")
strawberry.enum(RestoreGapKind, name="RestoreGapKind", description="What a restored merchant lacks.")
strawberry.enum(RestoreGapStatus, name="RestoreGapStatus", description="What became of what a restore lacked.")
strawberry.enum(ReturnStatus, description="Where a return stands.")
strawberry.enum(ColumnType, name="ReportColumnType", description="What a report's column holds.")
strawberry.enum(ReportFormat, description="How a report is written.")
strawberry.enum(ReportKind, description="What a report has a row for.")
strawberry.enum(ReportSchedule, description="How often a saved report is produced by itself.")
strawberry.enum(VerificationStatus, description="Where a verification stands.")
strawberry.enum(
    WebhookDeliveryStatus, name="WebhookDeliveryStatus", description="What became of an event at a webhook endpoint."
)
strawberry.enum(
    WebhookDisabledBy,
    name="WebhookDisabledBy",
    description="Why a webhook endpoint is sent nothing: PERSON, somebody said so; FAILING, it only failed for five"
    " days; GONE, it answered 410.",
)
strawberry.enum(
    WebhookEndpointStatus, name="WebhookEndpointStatus", description="Whether a webhook endpoint is sent anything."
)
strawberry.enum(Vote, name="CaseVote", description="What somebody makes of a review case.")
