"""What a notification says: one sentence for each kind of news, and who it is told to."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from merchantry.domain.event import EventKind
from merchantry.domain.notification import Audience
from merchantry.languages.catalogue import translated
from merchantry.languages.formats import money
from merchantry.languages.language import Language

_K = EventKind

TEXTS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        _K.ORDER_CREATED: "New order {number} for {total}.",
        _K.ORDER_HELD: "Order {number} waits for people to look at it.",
        _K.ORDER_OVERDUE: "Order {number} was to be shipped by now.",
        _K.REVIEW_DECIDED: "People have looked at order {number}.",
        _K.REFUND_FAILED: "A refund of an order failed; the provider refuses it.",
        _K.RETURN_REQUESTED: "A buyer wants to send something back.",
        _K.RETURN_APPROVED: "A return was approved.",
        _K.RETURN_REJECTED: "A return was refused.",
        _K.RETURN_RECEIVED: "A return has arrived; the buyer is refunded.",
        _K.RETURN_WITHDRAWN: "A buyer keeps what was to be returned.",
        _K.RETURN_EXPIRED: "A return has expired; nothing was sent in time.",
        _K.CHARGEBACK_OPENED: "A bank takes a payment back.",
        _K.CHARGEBACK_OVERDUE: "A bank's deadline to answer a chargeback has passed.",
        _K.CHARGEBACK_WON: "A chargeback was won.",
        _K.CHARGEBACK_LOST: "A chargeback was lost.",
        _K.STATEMENT_CLOSED: "Statement {number} is closed with a balance of {closing}.",
        _K.STATEMENT_OBJECTED: "Somebody objects to statement {number}.",
        _K.PAYOUT_PLANNED: "Payout {number} of {amount} is planned.",
        _K.PAYOUT_SENDING: "Payout {number} of {amount} is being sent.",
        _K.PAYOUT_SENT: "Payout {number} of {amount} was sent.",
        _K.PAYOUT_PAID: "Payout {number} of {amount} has arrived.",
        _K.PAYOUT_FAILED: "Payout {number} of {amount} failed.",
        _K.PAYOUT_UNKNOWN: "Nobody knows yet what became of payout {number} of {amount}.",
        _K.PAYOUT_RETURNED: "Payout {number} of {amount} came back.",
        _K.PAYOUT_CANCELLED: "Payout {number} of {amount} was cancelled.",
        _K.PAYOUT_NO_PAYEE_ACCOUNT: "There is no account to pay statement {number} to.",
        _K.PAYEE_ADDED: "An account to be paid to was added.",
        _K.PAYEE_VERIFIED: "An account to be paid to was verified.",
        _K.PAYEE_FLAGGED: "Nothing is paid to an account until people have looked at it.",
        _K.PAYEE_UNFLAGGED: "An account can be paid to again.",
        _K.PAYEE_RETIRED: "An account to be paid to is out of use.",
        _K.CASE_OPENED: "A case waits for people.",
        _K.CASE_DECIDED: "A case has come to its end.",
        _K.REPORT_PRODUCED: "A saved report has a new file.",
        _K.REPORT_FAILED: "A saved report could not be made.",
        _K.WEBHOOK_DISABLED: "Nothing is sent to a webhook endpoint any more.",
        _K.MERCHANT_SUSPENDED: "A merchant was suspended.",
        _K.MERCHANT_CLOSING: "A merchant is leaving.",
        _K.MERCHANT_CLOSED: "A merchant has left.",
    }
)
"""For staff and the platform. In braces are facts of the event, amounts without ``_minor``."""

TO_BUYERS: Final[Mapping[EventKind, str]] = MappingProxyType(
    {
        _K.ORDER_CREATED: "Your order {number} for {total} was placed.",
        _K.ORDER_PAID: "Your order {number} is paid.",
        _K.ORDER_SHIPPED: "A parcel of your order {number} is on its way.",
        _K.ORDER_DELIVERED: "A parcel of your order {number} has arrived.",
        _K.ORDER_CANCELLED: "Your order {number} was cancelled.",
        _K.ORDER_REFUNDED: "Something of your order {number} was refunded.",
        _K.REFUND_SENT: "Your refund was sent.",
        _K.RETURN_APPROVED: "Your return was approved; send the goods back.",
        _K.RETURN_REJECTED: "Your return was refused.",
        _K.RETURN_RECEIVED: "Your return has arrived; you are refunded.",
        _K.RETURN_EXPIRED: "Your return has expired; nothing was sent in time.",
    }
)
"""For buyers."""


def sentence(kind: EventKind, audience: Audience, facts: Mapping[str, Any], language: Language) -> str:
    """What somebody is told, in their language. Texts that people wrote (names, reasons) are in none of them."""
    template = (TO_BUYERS if audience is Audience.BUYER else TEXTS)[kind]
    return translated(template, language).format_map(_written(facts, language))


def _written(facts: Mapping[str, Any], language: Language) -> dict[str, str]:
    currency = facts.get("currency")
    amounts = {
        name.removesuffix("_minor"): money(value, currency, language)
        for name, value in facts.items()
        if name.endswith("_minor") and currency
    }
    return {**{name: str(value) for name, value in facts.items()}, **amounts}
