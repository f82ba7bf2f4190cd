"""Events: what the mall tells of itself, each kind declared once. docs/events.md is made from it.

A kind is a noun and a past tense. Its facts are ids and figures, never anything about a person. What is added to a kind
keeps its version; what is taken away or means something else gets the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from merchantry.domain.permission import Permission

_P = Permission


class FactType(StrEnum):
    """What a fact of an event is."""

    ID = "id"
    TEXT = "text"
    MINOR = "minor units"
    COUNT = "count"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class FactOf:
    """One fact that events of a kind carry. Those that are not ``always`` there may be left out."""

    name: str
    type: FactType
    meaning: str
    always: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """A kind of event: what it means, what it says, and whom it concerns.

    Staff of the merchant need ``staff``, people of the platform ``platform``; None: they are not told. Buyers are told
    of their own orders only. What of it people find among their notifications says ``domain.notification``.
    """

    meaning: str
    facts: tuple[FactOf, ...]
    staff: Permission | None
    platform: Permission
    to_buyer: bool = False
    version: int = 1


class EventKind(StrEnum):
    """Everything that is told."""

    ORDER_CREATED = "order.created"
    ORDER_PAID = "order.paid"
    ORDER_SHIPPED = "order.shipped"
    ORDER_DELIVERED = "order.delivered"
    ORDER_COMPLETED = "order.completed"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_REFUNDED = "order.refunded"
    ORDER_HELD = "order.held"
    ORDER_OVERDUE = "order.overdue"
    SHIPMENT_UPDATED = "shipment.updated"
    REVIEW_DECIDED = "review.decided"
    SPLIT_RECORDED = "split.recorded"
    SPLIT_RELEASED = "split.released"
    REFUND_REQUESTED = "refund.requested"
    REFUND_SENT = "refund.sent"
    REFUND_FAILED = "refund.failed"
    REFUND_UNKNOWN = "refund.unknown"
    RETURN_REQUESTED = "return.requested"
    RETURN_APPROVED = "return.approved"
    RETURN_REJECTED = "return.rejected"
    RETURN_RECEIVED = "return.received"
    RETURN_WITHDRAWN = "return.withdrawn"
    RETURN_EXPIRED = "return.expired"
    CHARGEBACK_OPENED = "chargeback.opened"
    CHARGEBACK_RESPONDED = "chargeback.responded"
    CHARGEBACK_OVERDUE = "chargeback.overdue"
    CHARGEBACK_WON = "chargeback.won"
    CHARGEBACK_LOST = "chargeback.lost"
    STATEMENT_CLOSED = "statement.closed"
    STATEMENT_ACCEPTED = "statement.accepted"
    STATEMENT_OBJECTED = "statement.objected"
    PAYOUT_PLANNED = "payout.planned"
    PAYOUT_SENDING = "payout.sending"
    PAYOUT_SENT = "payout.sent"
    PAYOUT_PAID = "payout.paid"
    PAYOUT_FAILED = "payout.failed"
    PAYOUT_UNKNOWN = "payout.unknown"
    PAYOUT_RETURNED = "payout.returned"
    PAYOUT_CANCELLED = "payout.cancelled"
    PAYOUT_NO_PAYEE_ACCOUNT = "payout.no_payee_account"
    PAYEE_ADDED = "payee_account.added"
    PAYEE_VERIFIED = "payee_account.verified"
    PAYEE_FLAGGED = "payee_account.flagged"
    PAYEE_UNFLAGGED = "payee_account.unflagged"
    PAYEE_RETIRED = "payee_account.retired"
    CASE_OPENED = "case.opened"
    CASE_DECIDED = "case.decided"
    PRODUCT_CREATED = "product.created"
    PRODUCT_CHANGED = "product.changed"
    PRODUCT_PUBLISHED = "product.published"
    PRODUCT_UNPUBLISHED = "product.unpublished"
    STOCK_ADJUSTED = "stock.adjusted"
    REPORT_PRODUCED = "report.produced"
    REPORT_FAILED = "report.failed"
    WEBHOOK_DISABLED = "webhook_endpoint.disabled"
    MERCHANT_CREATED = "merchant.created"
    MERCHANT_SUSPENDED = "merchant.suspended"
    MERCHANT_RESUMED = "merchant.resumed"
    MERCHANT_CLOSING = "merchant.closing"
    MERCHANT_CLOSED = "merchant.closed"
    MERCHANT_REOPENED = "merchant.reopened"

    @property
    def declared(self) -> Declared:
        """What it means and whom it concerns."""
        return CATALOGUE[self]


def _id(name: str, meaning: str) -> FactOf:
    return FactOf(name, FactType.ID, meaning)


_ORDER: Final = (_id("order", "the order"), FactOf("number", FactType.TEXT, "its number"))
_OF_ORDER: Final = _ORDER[:1]
_STATUS: Final = FactOf("status", FactType.TEXT, "where it stands now")
_CURRENCY: Final = FactOf("currency", FactType.TEXT, "ISO 4217")
_REFUND: Final = (_id("refund", "the refund"), *_OF_ORDER, FactOf("amount_minor", FactType.MINOR, "its amount"))
_RETURN: Final = (_id("return", "the return"), *_OF_ORDER)
_CHARGEBACK: Final = (_id("chargeback", "the chargeback"), *_OF_ORDER)
_STATEMENT: Final = (_id("statement", "the statement"), FactOf("number", FactType.TEXT, "its number"))
_PAYOUT: Final = (_id("payout", "the payout"), FactOf("number", FactType.TEXT, "its number"))
_PAYOUT_MONEY: Final = (*_PAYOUT, FactOf("amount_minor", FactType.MINOR, "its amount"), _CURRENCY)
_PAYEE: Final = (_id("payee_account", "the account"),)
_CASE: Final = (
    _id("case", "the case"),
    FactOf("kind", FactType.TEXT, "its kind"),
    FactOf("status", FactType.TEXT, "where it stands now"),
    FactOf("merchant", FactType.ID, "whom it is about, where that merchant is not told", always=False),
)
_PRODUCT: Final = _id("product", "the product")
_MERCHANT: Final = (_id("merchant", "the merchant"), FactOf("slug", FactType.TEXT, "its slug", always=False))


def _order(meaning: str, *more: FactOf, to_buyer: bool = True) -> Declared:
    return Declared(
        meaning=meaning,
        facts=(*_ORDER, *more),
        staff=_P.ORDER_READ,
        platform=_P.PLATFORM_SETTLEMENT_READ,
        to_buyer=to_buyer,
    )


def _refund(meaning: str, *more: FactOf) -> Declared:
    return Declared(
        meaning=meaning,
        facts=(*_REFUND, *more),
        staff=_P.ORDER_READ,
        platform=_P.PLATFORM_SETTLEMENT_READ,
        to_buyer=True,
    )


def _return(meaning: str) -> Declared:
    return Declared(
        meaning=meaning,
        facts=_RETURN,
        staff=_P.ORDER_READ,
        platform=_P.PLATFORM_SETTLEMENT_READ,
        to_buyer=True,
    )


def _chargeback(meaning: str, *facts: FactOf) -> Declared:
    return Declared(meaning=meaning, facts=facts, staff=_P.ORDER_READ, platform=_P.PLATFORM_CHARGEBACK_READ)


def _money(meaning: str, *facts: FactOf, staff: Permission = _P.LEDGER_READ, version: int = 1) -> Declared:
    return Declared(
        meaning=meaning,
        facts=facts,
        staff=staff,
        platform=_P.PLATFORM_SETTLEMENT_READ,
        version=version,
    )


def _case(meaning: str, *facts: FactOf) -> Declared:
    return Declared(meaning=meaning, facts=facts, staff=_P.CASE_READ, platform=_P.PLATFORM_CASE_READ)


def _shop(meaning: str, *facts: FactOf, staff: Permission | None = _P.PRODUCT_READ) -> Declared:
    return Declared(meaning=meaning, facts=facts, staff=staff, platform=_P.PLATFORM_MERCHANT_READ)


_K = EventKind
_MINOR = FactType.MINOR

CATALOGUE: Final[Mapping[EventKind, Declared]] = MappingProxyType(
    {
        _K.ORDER_CREATED: _order(
            "An order was placed; nothing is paid yet.",
            FactOf("total_minor", _MINOR, "what the buyer is to pay"),
            _CURRENCY,
        ),
        _K.ORDER_PAID: _order("Its money is captured, or the merchant collects it; it can be shipped.", _STATUS),
        _K.ORDER_SHIPPED: _order("A parcel left.", _STATUS, _id("shipment", "the parcel")),
        _K.ORDER_DELIVERED: _order("A parcel arrived.", _STATUS, _id("shipment", "the parcel")),
        _K.ORDER_COMPLETED: _order("The buyer has it, or the days are over; its hold begins.", _STATUS),
        _K.ORDER_CANCELLED: _order("It was called off, or never paid.", _STATUS),
        _K.ORDER_REFUNDED: _order(
            "Something of it was refunded.",
            _STATUS,
            FactOf("refund", FactType.ID, "the refund, where money goes back", always=False),
            FactOf("amount_minor", _MINOR, "how much goes back", always=False),
        ),
        _K.ORDER_HELD: _order("Its money will be held until people have looked at it.", to_buyer=False),
        _K.ORDER_OVERDUE: _order(
            "It was to be shipped by now, and was not, or not wholly.",
            _STATUS,
            FactOf("ship_by", FactType.INSTANT, "by when it was to be shipped"),
            to_buyer=False,
        ),
        _K.SHIPMENT_UPDATED: _order(
            "A carrier told where a parcel is.",
            _id("shipment", "the parcel"),
            FactOf("status", FactType.TEXT, "what its carrier says of it now"),
            FactOf("expected_on", FactType.TEXT, "the day on which it is expected to arrive", always=False),
        ),
        _K.REVIEW_DECIDED: _order("People have looked at a held order.", _STATUS, to_buyer=False),
        _K.SPLIT_RECORDED: _money(
            "An order's money was divided, and is pending.",
            *_ORDER,
            _CURRENCY,
            FactOf("merchant_minor", _MINOR, "the merchant's part"),
            FactOf("commission_minor", _MINOR, "commission, its tax and fees"),
            FactOf("entry", FactType.COUNT, "the ledger entry's number"),
        ),
        _K.SPLIT_RELEASED: _money(
            "Its hold is over: the merchant's part is available.",
            *_ORDER,
            _CURRENCY,
            FactOf("payable_minor", _MINOR, "what became available; below zero is owed"),
        ),
        _K.REFUND_REQUESTED: _refund("Money goes back to the buyer, or was handed back.", _STATUS),
        _K.REFUND_SENT: _refund("The buyer has it.", _STATUS),
        _K.REFUND_FAILED: _refund("The provider refuses it; people look at it.", _STATUS),
        _K.REFUND_UNKNOWN: _refund("The provider does not say what became of it; it is asked again.", _STATUS),
        _K.RETURN_REQUESTED: _return("A buyer wants to send something back."),
        _K.RETURN_APPROVED: _return("The merchant, or its silence, agreed."),
        _K.RETURN_REJECTED: _return("The merchant refused."),
        _K.RETURN_RECEIVED: _return("The merchant has it; the buyer is refunded."),
        _K.RETURN_WITHDRAWN: _return("The buyer keeps it after all."),
        _K.RETURN_EXPIRED: _return("Nothing was sent in time."),
        _K.CHARGEBACK_OPENED: _chargeback(
            "A bank takes a payment back.", *_CHARGEBACK, FactOf("amount_minor", _MINOR, "how much")
        ),
        _K.CHARGEBACK_RESPONDED: _chargeback("The bank was sent evidence.", *_CHARGEBACK),
        _K.CHARGEBACK_OVERDUE: _chargeback("The bank's deadline has passed.", *_CHARGEBACK[:1], _CASE[0]),
        _K.CHARGEBACK_WON: _chargeback(
            "The bank decided for the sale.", *_CHARGEBACK, FactOf("amount_minor", _MINOR, "how much")
        ),
        _K.CHARGEBACK_LOST: _chargeback(
            "The bank decided for the buyer.", *_CHARGEBACK, FactOf("amount_minor", _MINOR, "how much")
        ),
        _K.STATEMENT_CLOSED: _money(
            "A period was settled.", *_STATEMENT, _CURRENCY, FactOf("closing_minor", _MINOR, "its closing balance")
        ),
        _K.STATEMENT_ACCEPTED: _money("The merchant, or its silence, accepted.", *_STATEMENT),
        _K.STATEMENT_OBJECTED: _money(
            "The merchant disagrees.", *_STATEMENT, FactOf("amount_minor", _MINOR, "over how much")
        ),
        _K.PAYOUT_PLANNED: _money("Money is reserved for a payout.", *_PAYOUT_MONEY),
        _K.PAYOUT_SENDING: _money("Its transfers are being asked for, or asked for again.", *_PAYOUT_MONEY),
        _K.PAYOUT_SENT: _money("The provider has taken it on.", *_PAYOUT_MONEY),
        _K.PAYOUT_PAID: _money("It has arrived.", *_PAYOUT_MONEY),
        _K.PAYOUT_FAILED: _money("It definitely was not paid.", *_PAYOUT_MONEY),
        _K.PAYOUT_UNKNOWN: _money("Nobody knows yet what became of it.", *_PAYOUT_MONEY),
        _K.PAYOUT_RETURNED: _money("It arrived, and came back.", *_PAYOUT_MONEY),
        _K.PAYOUT_CANCELLED: _money("What was not paid of it is available again.", *_PAYOUT_MONEY),
        _K.PAYOUT_NO_PAYEE_ACCOUNT: _money("There was no account to pay to; the balance is carried.", *_STATEMENT),
        _K.PAYEE_ADDED: _money("An account was added.", *_PAYEE, staff=_P.PAYEE_READ),
        _K.PAYEE_VERIFIED: _money("The platform has verified it.", *_PAYEE, staff=_P.PAYEE_READ),
        _K.PAYEE_FLAGGED: _money("Nothing is paid to it until people have looked.", *_PAYEE, staff=_P.PAYEE_READ),
        _K.PAYEE_UNFLAGGED: _money("It can be paid to again.", *_PAYEE, staff=_P.PAYEE_READ),
        _K.PAYEE_RETIRED: _money("It is out of use.", *_PAYEE, staff=_P.PAYEE_READ),
        _K.CASE_OPENED: _case("Something waits for people.", *_CASE),
        _K.CASE_DECIDED: _case(
            "A case came to its end: approved, rejected, withdrawn or settled.",
            *_CASE,
            FactOf("granted_minor", _MINOR, "how much of its amount was approved", always=False),
            FactOf("currency", FactType.TEXT, "ISO 4217", always=False),
        ),
        _K.PRODUCT_CREATED: _shop("There is a new product, a draft, with its variants, prices and stock.", _PRODUCT),
        _K.PRODUCT_CHANGED: _shop(
            "Its texts, images, category, prices, variants or references are others than before; told once for all "
            "that one transaction changed of it.",
            _PRODUCT,
        ),
        _K.PRODUCT_PUBLISHED: _shop("The mall shows a product.", _PRODUCT),
        _K.PRODUCT_UNPUBLISHED: _shop("The mall shows it no longer.", _PRODUCT),
        _K.STOCK_ADJUSTED: _shop(
            "Somebody counted or changed the stock; sales and returns are told as orders.",
            _id("variant", "the variant"),
            FactOf("on_hand", FactType.COUNT, "pieces in the house now"),
            FactOf("product", FactType.ID, "the product that it is a variant of", always=False),
        ),
        _K.REPORT_PRODUCED: _shop(
            "A saved report has a new file.",
            _id("report", "the report"),
            _id("file", "its file"),
            staff=_P.REPORT_READ,
        ),
        _K.REPORT_FAILED: _shop("A saved report could not be made.", _id("report", "the report"), staff=_P.REPORT_READ),
        _K.WEBHOOK_DISABLED: _shop(
            "Nothing is sent to a webhook endpoint any more: it only failed, or said that it is gone.",
            _id("webhook_endpoint", "the endpoint"),
            FactOf("reason", FactType.TEXT, "failing or gone"),
            staff=_P.WEBHOOK_READ,
        ),
        _K.MERCHANT_CREATED: _shop("A merchant joined.", *_MERCHANT, staff=_P.STAFF_READ),
        _K.MERCHANT_SUSPENDED: _shop("It can do nothing for now.", *_MERCHANT, staff=_P.STAFF_READ),
        _K.MERCHANT_RESUMED: _shop("It can act again.", *_MERCHANT, staff=_P.STAFF_READ),
        _K.MERCHANT_CLOSING: _shop("It leaves: it sells no longer.", *_MERCHANT, staff=_P.STAFF_READ),
        _K.MERCHANT_CLOSED: _shop("It has left; its books can only be read.", *_MERCHANT, staff=_P.STAFF_READ),
        _K.MERCHANT_REOPENED: _shop("Its books can be written again.", *_MERCHANT, staff=_P.STAFF_READ),
    }
)


MIRRORED: Final = frozenset(
    kind
    for kind, each in CATALOGUE.items()
    if each.staff is not None and not {"order", "product", "variant"}.isdisjoint(fact.name for fact in each.facts)
)
"""What a merchant's own systems go by to have its products, stock and orders as they are here."""


def check(kind: EventKind, facts: Mapping[str, Any]) -> None:
    """Raise ValueError where facts are not those that the kind declares: names, and which must be there."""
    declared, needed = _named(kind)
    unknown, missing = facts.keys() - declared, needed - facts.keys()
    if unknown or missing:
        raise ValueError(f"{kind} is told with {sorted(unknown)} it does not declare, and without {sorted(missing)}")


@cache
def _named(kind: EventKind) -> tuple[frozenset[str], frozenset[str]]:
    """The names of a kind's facts, and of those that are always there."""
    declared = kind.declared.facts
    return frozenset(fact.name for fact in declared), frozenset(fact.name for fact in declared if fact.always)


def markdown() -> str:
    """Every kind as a Markdown table: what it means, whom it concerns, what it says."""
    rows = [["event", "means", "who is told", "facts"], ["---"] * 4]
    rows += [
        [f"`{kind}` v{each.version}", each.meaning, _told(each), ", ".join(map(_fact, each.facts))]
        for kind, each in CATALOGUE.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"


def _told(each: Declared) -> str:
    whom = [f"staff with `{each.staff}`"] if each.staff else []
    whom += ["the buyer"] if each.to_buyer else []
    whom += [f"the platform with `{each.platform}`"]
    return ", ".join(whom)


def _fact(fact: FactOf) -> str:
    return f"`{fact.name}` ({fact.type}: {fact.meaning}{'' if fact.always else '; not always'})"
