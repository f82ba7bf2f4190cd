"""Descriptions of the values of enums."""

from collections.abc import Mapping
from typing import Final

from merchantry.domain import errors
from merchantry.domain.errors import MarketError
from merchantry.domain.permission import Permission


def _codes(root: type[MarketError]) -> dict[str, str]:
    """What each problem says, by its code."""
    found = {}
    for error in root.__subclasses__():
        if error.__module__ == errors.__name__:
            found[error.code] = (error.__doc__ or "").split("\n\n")[0].strip().replace("\n    ", " ")
            found |= _codes(error)
    return found


_ACTS = {"READ": "See", "WRITE": "Change", "RUN": "Run", "SHIP": "Send", "BOOK": "Book", "ERASE": "Erase"}


def _permissions() -> dict[str, str]:
    """What each permission is about, told by its own words."""
    found = {}
    for permission in Permission:
        *about, act = permission.name.removeprefix("PLATFORM_").split("_")
        reach = ", of every merchant" if permission.name.startswith("PLATFORM_") else ""
        said = _ACTS.get(act, act.capitalize())
        found[permission.name] = f"{said}: {' '.join(about).lower()}{reach} (`{permission.value}`)."
    return found


VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    "Permission": _permissions(),
    "ListingSort": {
        "RELEVANCE": "What fits the words best, first.",
        "NEWEST": "What was published last, first.",
        "PRICE_ASC": "The cheapest first.",
        "PRICE_DESC": "The dearest first.",
        "TITLE": "By title.",
    },
    "SellerOfRecord": {
        "AGENT": "The merchant sells; the platform takes a commission.",
        "PRINCIPAL": "The platform sells, and owes the merchant for the goods.",
    },
    "Account": {
        "BUYER_FUNDS": "What buyers paid for the merchant's orders.",
        "MERCHANT_PENDING": "The merchant's, until the order is complete and its hold is over.",
        "MERCHANT_AVAILABLE": "The merchant's, to be paid out.",
        "MERCHANT_HELD": "What a chargeback or an objection keeps back.",
        "MERCHANT_RESERVED": "The risk reserve.",
        "IN_PAYOUT": "Reserved for a payout that is under way.",
        "PAID_OUT": "What the merchant was paid.",
        "PLATFORM_COMMISSION": "The platform's commission.",
        "COMMISSION_TAX": "Tax on the commission.",
        "PAYMENT_FEE": "What payment providers charge, as far as the merchant bears it.",
        "SALES_TAX": "Sales tax that the platform remits.",
        "PLATFORM_EXPENSE": "What the platform adds of its own: its discounts, above all.",
        "AFFILIATE_PAYABLE": "Owed to affiliates.",
        "SUPPLIER_PAYABLE": "Owed to suppliers.",
        "REFUNDS": "What went back to buyers.",
        "MERCHANT_RECEIVABLE": "What the merchant owes of money that it collected itself.",
        "PLATFORM_MARGIN": "The platform's margin on what it sold itself, less its own discount.",
        "EXCHANGE_CLEARING": "Between the two sides of an exchange of currencies.",
    },
    "NotificationGroup": {
        "ORDERS": "Orders and their refunds.",
        "RETURNS": "What buyers send back.",
        "DISPUTES": "Chargebacks and cases.",
        "SETTLEMENT": "Statements, payouts, and accounts to be paid to.",
        "REPORTS": "Saved reports.",
        "WEBHOOKS": "Webhook endpoints.",
        "MERCHANTS": "Merchants that come, stop or leave.",
    },
    "NotificationAudience": {
        "STAFF": "As one of the merchant's people.",
        "BUYER": "As the buyer.",
        "PLATFORM": "As one of the platform's people.",
    },
    "NotificationChannel": {
        "IN_APP": "In the list of notifications.",
        "EMAIL": "By a mail for each, and not in the list.",
        "BOTH": "In the list, and by a mail for each.",
        "DIGEST": "In the list, and by one mail a day.",
        "NONE": "Not at all.",
    },
    "MailAddressStatus": {
        "UNCONFIRMED": "Nobody has followed the link that was sent there.",
        "CONFIRMED": "Mail goes there.",
        "REFUSED": "A mail server knows no such address.",
    },
    "Language": {"EN": "English.", "ZH_HANS": "Chinese, in simplified characters."},
    "WebhookEndpointStatus": {"ENABLED": "It is sent events.", "DISABLED": "It is sent nothing."},
    "WebhookDisabledBy": {
        "PERSON": "Somebody disabled it.",
        "FAILING": "It only failed for days.",
        "GONE": "It answered that it is gone for good.",
    },
    "WebhookDeliveryStatus": {
        "WAITING": "It will be sent, or sent again.",
        "DELIVERED": "The endpoint has taken it.",
        "FAILED": "It was given up; it can be sent again by hand.",
    },
    "AuditOutcome": {"DONE": "It was done.", "REFUSED": "It was refused; nothing changed."},
    "BankDifferenceBorne": {
        "MERCHANT": "The merchant's balance is put right.",
        "PLATFORM": "It is between the platform and its bank.",
    },
    "BankFileKind": {
        "CAMT_053": "A bank's statement, ISO 20022.",
        "PAIN_002": "A bank's report on transfers, ISO 20022.",
        "PROVIDER_CSV": "A provider's statement, as CSV.",
    },
    "BankLineMatchedBy": {
        "REFERENCE": "Our reference stands in the line.",
        "PROVIDER_REFERENCE": "The provider's reference stands in the line.",
        "AMOUNT_AND_DATE": "Only one transfer has this amount on this day.",
        "PERSON": "Somebody said so.",
    },
    "BankLineStatus": {
        "UNMATCHED": "Nobody knows yet what it is.",
        "MATCHED": "It is a transfer of ours.",
        "RETURNED": "It brings a transfer back.",
        "DISMISSED": "It is nothing of ours.",
    },
    "Bearer": {"MERCHANT": "The merchant bears it.", "PLATFORM": "The platform bears it."},
    "CaseKind": {
        "STATEMENT_OBJECTION": "A merchant disagrees with a statement.",
        "PAYOUT_UNKNOWN": "Nobody knows whether a transfer was made.",
        "PAYOUT_FAILED": "A transfer was refused.",
        "PAYOUT_RETURNED": "A transfer came back.",
        "PAYOUT_RELEASE": "A payout is so large that a person must release it.",
        "PAYEE_CHANGE": "A merchant is to be paid to another account.",
        "BANK_DIFFERENCE": "A bank moved another amount than it was asked to.",
        "REFUND_APPROVAL": "A refund is so large that a person must approve it.",
        "REFUND_FAILED": "A refund was refused by the payment provider.",
        "REFUND_UNKNOWN": "Nobody knows whether a refund was made.",
        "GIVE_BACK_FAILED": "Money that was paid too late does not go back to its buyer.",
        "CHARGEBACK": "A buyer's bank takes money back.",
        "WRITE_OFF": "A debt is to be given up.",
        "SETTLEMENT_MISSED": "A run of settlement that was due did not happen.",
        "REVIEW": "A review rule has flagged or held something.",
        "RESTORE_GAP": "A restored merchant lacks something.",
        "LAW_BROKEN": "A verification found that what is stored is not right.",
        "OTHER": "Anything else that people should look at.",
    },
    "CaseStatus": {
        "OPEN": "It waits for people.",
        "APPROVED": "Enough people approved.",
        "REJECTED": "Somebody rejected it.",
        "WITHDRAWN": "Who opened it took it back.",
        "SETTLED": "What it was about came to its end without a vote.",
    },
    "CaseVote": {"APPROVE": "It may be done.", "REJECT": "It may not be done."},
    "ClosingObstacle": {
        "OPEN_ORDER": "Orders that are not complete.",
        "HOLD": "Orders whose hold is not over.",
        "OPEN_REFUND": "Refunds that are under way.",
        "OPEN_RETURN": "Returns that are not decided.",
        "OPEN_CHARGEBACK": "Chargebacks that are not decided.",
        "OPEN_CASE": "Review cases about the merchant.",
        "OPEN_PAYOUT": "Payouts that are under way.",
        "MONEY_SET_ASIDE": "Money that is held or reserved.",
        "RETURN_WINDOW": "Buyers can still ask for returns.",
        "CHARGEBACK_WINDOW": "Buyers' banks can still take money back.",
        "NOT_PAID_OUT": "Money that was not paid out.",
        "DEBT": "What the merchant owes.",
        "UNDECIDED_STATEMENT": "Statements that can still be objected to.",
        "WORK_TO_DO": "Jobs that have not run yet.",
    },
    "ContactKeptFor": {
        "OPEN_ORDER": "The order is not at its end.",
        "OPEN_DISPUTE": "A return or a chargeback is open.",
        "RETENTION": "The law wants it kept for now.",
        "CLOSED_MERCHANT": "The merchant's schema can't be written at present.",
    },
    "ContactStatus": {
        "SHOWN": "It is shown.",
        "WITHHELD": "It is there, but not for this reader.",
        "ERASED": "It is gone for ever.",
    },
    "CouponKind": {"PERCENT": "A part of the goods.", "AMOUNT": "A fixed amount."},
    "CouponStatus": {
        "ACTIVE": "It can be used, within its dates.",
        "PAUSED": "It can't be used for now.",
        "ENDED": "It can't be used any more.",
    },
    "InvoiceKind": {
        "INVOICE": "It charges commission.",
        "CREDIT_NOTE": "It gives commission back.",
        "SELF_BILLED": "The platform's bill to itself, for the merchant, of what it bought.",
        "SELF_BILLED_CREDIT": "What was taken back of such bills.",
    },
    "MerchantRole": {
        "OWNER": "May do everything.",
        "MANAGER": "Runs the shop: products, orders, refunds.",
        "FULFILMENT": "Counts stock and ships.",
        "ACCOUNTANT": "Reads money, and accepts statements or objects to them.",
        "VIEWER": "Reads products and orders.",
    },
    "OrderSort": {"PLACED_AT": "The newest first.", "TOTAL": "The greatest total first."},
    "ParcelStatus": {
        "PICKED_UP": "The carrier has it.",
        "IN_TRANSIT": "It is on its way.",
        "OUT_FOR_DELIVERY": "It is to arrive today.",
        "DELIVERED": "It has arrived.",
        "EXCEPTION": "Something is in its way.",
        "RETURNED": "It went back to the merchant.",
    },
    "OrderStatus": {
        "AWAITING_PAYMENT": "The buyer has not paid.",
        "TO_SHIP": "Paid; nothing has left.",
        "PARTIALLY_SHIPPED": "Some has left.",
        "SHIPPED": "Everything has left.",
        "DELIVERED": "Everything has arrived.",
        "COMPLETED": "The buyer has confirmed, or the days to do so are over.",
        "CANCELLED": "Called off before anything left.",
        "REFUNDED": "Everything went back to the buyer.",
    },
    "PayeeKind": {"BANK": "An account at a bank.", "WALLET": "A wallet of a provider."},
    "PayeeStatus": {
        "COOLING": "New; it has to wait and to be verified.",
        "VERIFIED": "It can be paid to.",
        "FLAGGED": "Something is wrong with it; nothing is paid to it.",
        "RETIRED": "Another one has taken its place.",
    },
    "PaymentCollector": {
        "PLATFORM": "The platform takes it.",
        "MERCHANT": "The merchant takes it, on delivery or offline.",
    },
    "PayoutStatus": {
        "PLANNED": "Its money is reserved.",
        "SENDING": "The provider is being asked.",
        "SENT": "The provider has accepted it.",
        "PAID": "The merchant has it.",
        "FAILED": "It was definitely not made.",
        "UNKNOWN": "Nobody knows; its money stays reserved.",
        "RETURNED": "It came back.",
        "CANCELLED": "It was called off before it was sent.",
    },
    "PlatformRole": {
        "ADMIN": "Runs the mall.",
        "FINANCE": "Settles, pays out, refunds.",
        "REVIEWER": "Decides cases.",
        "ANALYST": "Reads reports and records that show no buyer.",
        "AUDITOR": "Reads everything, changes nothing.",
    },
    "ProblemCode": _codes(MarketError),
    "RefundOutcome": {"SENT": "The buyer has the money.", "NOT_SENT": "The buyer does not have the money."},
    "ReportColumnType": {
        "TEXT": "A text.",
        "DAY": "A day.",
        "INSTANT": "A moment, in UTC.",
        "COUNT": "A number.",
        "MONEY": "An amount in minor units of the row's currency.",
    },
    "ReportDimension": {
        "MERCHANT": "The merchant.",
        "CATEGORY": "The category; an order counts once in each that it touches.",
        "DAY": "The day, in the mall's time zone.",
        "WEEK": "The week, by its Monday.",
        "MONTH": "The calendar month.",
    },
    "ReportFormat": {"CSV": "Comma-separated text, UTF-8.", "XLSX": "A sheet for Excel and its like."},
    "ReportKind": {
        "SALES": "A row for each order captured.",
        "SALE_LINES": "A row for each line captured.",
        "COMMISSION": "A row for each group of captures.",
        "REFUNDS": "A row for each refund.",
        "SETTLEMENT": "A row for each settlement period.",
        "STATEMENTS": "A row for each statement.",
        "PAYOUTS": "A row for each payout.",
        "TAXES": "A row for each rate of sales tax.",
    },
    "ReportSchedule": {
        "NONE": "Only when asked for.",
        "DAILY": "Each day, of the day before.",
        "WEEKLY": "Each Monday, of the week before.",
        "MONTHLY": "On the first, of the month before.",
    },
    "RestoreGapKind": {
        "ENTRY": "Entries of the ledger.",
        "ORDER": "An order.",
        "STATEMENT": "A statement.",
        "PRODUCT": "A product.",
    },
    "RestoreGapStatus": {
        "OPEN": "Nothing was done about it.",
        "REPLAYED": "It was booked again.",
        "WRITTEN_OFF": "It was given up.",
    },
    "ReturnStatus": {
        "REQUESTED": "The buyer has asked.",
        "APPROVED": "The buyer may send it.",
        "REJECTED": "The buyer may not.",
        "RECEIVED": "It came back.",
        "REFUNDED": "Its money is on its way to the buyer.",
        "EXPIRED": "It did not come back in time.",
        "WITHDRAWN": "The buyer changed their mind.",
    },
    "ReviewOutcome": {
        "PASS": "Nothing to say.",
        "FLAG": "People should look at it; it goes on.",
        "HOLD": "Its money waits for people.",
    },
    "ReviewStatus": {
        "HELD": "Its money waits for people.",
        "CLEARED": "People found nothing wrong.",
        "REFUSED": "People refused it.",
    },
    "ReviewSubject": {
        "ORDER": "Orders.",
        "SPLIT": "How an order's money is shared.",
        "PRICE": "Prices.",
        "REFUND": "Refunds.",
        "PAYOUT": "Payouts.",
        "PAYEE": "Accounts that merchants are paid to.",
    },
    "SettlementCycle": {
        "DAILY": "Every day.",
        "WEEKLY": "Every week.",
        "MONTHLY": "Every month.",
        "EVERY_N_DAYS": "Every so many days.",
        "DAYS_OF_MONTH": "On certain days of the month.",
    },
    "PaymentActionKind": {
        "REDIRECT": "Go to a page of the provider.",
        "QR_CODE": "Scan a code with a telephone.",
    },
    "StockMode": {
        "SET": "So many are on hand.",
        "ADJUST": "So many came in, or (negative) are gone.",
    },
    "TaxRemitter": {"MERCHANT": "The merchant.", "PLATFORM": "The platform."},
    "TransferStatus": {
        "CREATED": "It is to be made.",
        "ASKED": "The provider is being asked.",
        "ACCEPTED": "The provider has accepted it.",
        "PAID": "It arrived.",
        "REJECTED": "It was definitely not made.",
        "UNKNOWN": "Nobody knows.",
        "RETURNED": "It came back.",
    },
    "VerificationStatus": {
        "RUNNING": "Somebody is at it, or will go on with it.",
        "CLEAN": "Nothing is wrong.",
        "BROKEN": "Something is not right, as its findings say.",
    },
}
"""By the enum's name and the value's. A problem's code says what the problem says."""
