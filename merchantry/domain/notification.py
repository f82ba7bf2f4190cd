"""Notifications: which events are news for whom, and how people want to hear of them."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from merchantry.domain.event import CATALOGUE, EventKind
from merchantry.domain.permission import Permission, may


class Audience(StrEnum):
    """As who somebody is told."""

    STAFF = "staff"
    BUYER = "buyer"
    PLATFORM = "platform"


class NewsGroup(StrEnum):
    """Kinds of events that people want, or don't want, to hear of together."""

    ORDERS = "orders"
    RETURNS = "returns"
    DISPUTES = "disputes"
    SETTLEMENT = "settlement"
    REPORTS = "reports"
    WEBHOOKS = "webhooks"
    MERCHANTS = "merchants"


class Channel(StrEnum):
    """How somebody is told of a group of kinds. DIGEST: in the list, and by one mail a day."""

    IN_APP = "in_app"
    EMAIL = "email"
    BOTH = "both"
    DIGEST = "digest"
    NONE = "none"


DEFAULT: Final = Channel.IN_APP
"""Of whoever has not said anything."""

BY_MAIL: Final = frozenset({Channel.EMAIL, Channel.BOTH, Channel.DIGEST})
IN_LIST: Final = frozenset({Channel.IN_APP, Channel.BOTH, Channel.DIGEST})

_K = EventKind
_S, _B, _P = Audience
_OF_STAFF: Final = frozenset({_S})
_OF_BUYERS: Final = frozenset({_B})
_OF_PLATFORM: Final = frozenset({_P})
_OF_STAFF_AND_BUYERS: Final = frozenset({_S, _B})
_OF_STAFF_AND_PLATFORM: Final = frozenset({_S, _P})

NEWS: Final[Mapping[EventKind, frozenset[Audience]]] = MappingProxyType(
    {
        _K.ORDER_CREATED: _OF_STAFF_AND_BUYERS,
        _K.ORDER_PAID: _OF_BUYERS,
        _K.ORDER_SHIPPED: _OF_BUYERS,
        _K.ORDER_DELIVERED: _OF_BUYERS,
        _K.ORDER_CANCELLED: _OF_BUYERS,
        _K.ORDER_REFUNDED: _OF_BUYERS,
        _K.ORDER_HELD: _OF_STAFF_AND_PLATFORM,
        _K.ORDER_OVERDUE: _OF_STAFF_AND_PLATFORM,
        _K.REVIEW_DECIDED: _OF_STAFF,
        _K.REFUND_SENT: _OF_BUYERS,
        _K.REFUND_FAILED: _OF_STAFF_AND_PLATFORM,
        _K.RETURN_REQUESTED: _OF_STAFF,
        _K.RETURN_APPROVED: _OF_STAFF_AND_BUYERS,
        _K.RETURN_REJECTED: _OF_STAFF_AND_BUYERS,
        _K.RETURN_RECEIVED: _OF_STAFF_AND_BUYERS,
        _K.RETURN_WITHDRAWN: _OF_STAFF,
        _K.RETURN_EXPIRED: _OF_STAFF_AND_BUYERS,
        _K.CHARGEBACK_OPENED: _OF_STAFF_AND_PLATFORM,
        _K.CHARGEBACK_OVERDUE: _OF_STAFF_AND_PLATFORM,
        _K.CHARGEBACK_WON: _OF_STAFF_AND_PLATFORM,
        _K.CHARGEBACK_LOST: _OF_STAFF_AND_PLATFORM,
        _K.STATEMENT_CLOSED: _OF_STAFF,
        _K.STATEMENT_OBJECTED: _OF_STAFF_AND_PLATFORM,
        _K.PAYOUT_PLANNED: _OF_STAFF,
        _K.PAYOUT_SENDING: _OF_STAFF,
        _K.PAYOUT_SENT: _OF_STAFF,
        _K.PAYOUT_PAID: _OF_STAFF,
        _K.PAYOUT_FAILED: _OF_STAFF_AND_PLATFORM,
        _K.PAYOUT_UNKNOWN: _OF_STAFF_AND_PLATFORM,
        _K.PAYOUT_RETURNED: _OF_STAFF_AND_PLATFORM,
        _K.PAYOUT_CANCELLED: _OF_STAFF,
        _K.PAYOUT_NO_PAYEE_ACCOUNT: _OF_STAFF_AND_PLATFORM,
        _K.PAYEE_ADDED: _OF_STAFF_AND_PLATFORM,
        _K.PAYEE_VERIFIED: _OF_STAFF,
        _K.PAYEE_FLAGGED: _OF_STAFF_AND_PLATFORM,
        _K.PAYEE_UNFLAGGED: _OF_STAFF,
        _K.PAYEE_RETIRED: _OF_STAFF,
        _K.CASE_OPENED: _OF_PLATFORM,
        _K.CASE_DECIDED: _OF_STAFF_AND_PLATFORM,
        _K.REPORT_PRODUCED: _OF_STAFF,
        _K.REPORT_FAILED: _OF_STAFF,
        _K.WEBHOOK_DISABLED: _OF_STAFF_AND_PLATFORM,
        _K.MERCHANT_SUSPENDED: _OF_PLATFORM,
        _K.MERCHANT_CLOSING: _OF_PLATFORM,
        _K.MERCHANT_CLOSED: _OF_PLATFORM,
    }
)
"""For whom an event is news; all others are told to programs only."""

_GROUPS: Final[Mapping[str, NewsGroup]] = MappingProxyType(
    {
        "order": NewsGroup.ORDERS,
        "review": NewsGroup.ORDERS,
        "refund": NewsGroup.ORDERS,
        "return": NewsGroup.RETURNS,
        "chargeback": NewsGroup.DISPUTES,
        "case": NewsGroup.DISPUTES,
        "statement": NewsGroup.SETTLEMENT,
        "payout": NewsGroup.SETTLEMENT,
        "payee_account": NewsGroup.SETTLEMENT,
        "report": NewsGroup.REPORTS,
        "webhook_endpoint": NewsGroup.WEBHOOKS,
        "merchant": NewsGroup.MERCHANTS,
    }
)


def group_of(kind: EventKind) -> NewsGroup:
    """The group that a kind of news belongs to. Raises KeyError for what is no news."""
    return _GROUPS[kind.partition(".")[0]]


def kinds_of(groups: Collection[NewsGroup]) -> frozenset[EventKind]:
    """The kinds of news of these groups."""
    return frozenset(kind for kind in NEWS if group_of(kind) in groups)


@lru_cache(maxsize=1024)
def heard_by_staff(rights: frozenset[str]) -> frozenset[EventKind]:
    """The news that somebody with these roles (or permissions, of a machine) at a merchant is told."""
    if not may(rights, Permission.NOTIFICATION_READ):
        return frozenset()
    return frozenset(kind for kind in NEWS if _S in NEWS[kind] and _may_be_told(rights, CATALOGUE[kind].staff))


@lru_cache(maxsize=1024)
def heard_by_platform(rights: frozenset[str]) -> frozenset[EventKind]:
    """The news that somebody with these roles at the platform is told."""
    return frozenset(kind for kind in NEWS if _P in NEWS[kind] and may(rights, CATALOGUE[kind].platform))


def _may_be_told(rights: Collection[str], needed: Permission | None) -> bool:
    return needed is not None and may(rights, needed)


def markdown() -> str:
    """Every kind of news as a Markdown table: for whom, and in which group."""
    rows = [["event", "group", "for"], ["---"] * 3]
    rows += [
        [f"`{kind}`", f"`{group_of(kind).name}`", ", ".join(each for each in Audience if each in audiences)]
        for kind, audiences in NEWS.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n"
