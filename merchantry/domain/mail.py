"""Mail: what is sent to people, when it is tried again, and the links by which they confirm an address or end mail."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from merchantry.domain.event import EventKind
from merchantry.domain.notification import Audience, NewsGroup

RETRIES: Final[tuple[timedelta, ...]] = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=20),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=8),
    timedelta(hours=12),
)
"""How long after each attempt that was put off comes the next, over a day; after the last it is given up."""

JITTER_PERCENT: Final = 20
"""By how much a wait is drawn out at most, so that what was put off together does not come back together."""

GIVEN_UP_AFTER: Final = timedelta(days=3)
"""News that could not be sent for so long, whatever the reason, are sent no more."""

MOST_IN_DIGEST: Final = 50
"""Of a day's news; beyond, the list of notifications has them."""

TO_GUESTS: Final = frozenset({EventKind.ORDER_PAID, EventKind.ORDER_SHIPPED, EventKind.ORDER_REFUNDED})
"""What guests are written to of, who have no list to read: what they bought, and no news. Nothing of an order
before it is paid for: anybody can type a stranger's address."""

SECRET_BYTES: Final = 32
DIGEST_SCOPE: Final = "digest"
_GROUP: Final = "group:"
_CONFIRM: Final = "confirm:"
_PURPOSE: Final = b"merchantry-mail-link/v1\n"


class MailKind(StrEnum):
    """What a mail is for."""

    NEWS = "news"
    DIGEST = "digest"
    CONFIRMATION = "confirmation"
    GUEST = "guest"


class MailStatus(StrEnum):
    """What became of a mail. DROPPED: by then nobody wanted it, or was to know of it."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    BAD_ADDRESS = "bad_address"
    DROPPED = "dropped"


class AddressStatus(StrEnum):
    """Whether mail goes to an address."""

    UNCONFIRMED = "unconfirmed"
    CONFIRMED = "confirmed"
    REFUSED = "refused"


class Outcome(StrEnum):
    """What the mail server said. AWAY: there was no talking to it, which says nothing about the mail."""

    SENT = "sent"
    LATER = "later"
    REFUSED = "refused"
    BAD_ADDRESS = "bad_address"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Answer:
    """What sending came to; ``code`` is the server's, None where it said nothing."""

    outcome: Outcome
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is told. ``merchant_name`` is of where it happened, None where that is no merchant."""

    kind: EventKind
    audience: Audience
    facts: Mapping[str, Any]
    merchant_name: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail that is ready to be written. ``link`` is the token with which its reader confirms, or ends such mail."""

    id: UUID
    kind: MailKind
    to: str = field(repr=False)
    language: str
    zone: ZoneInfo
    items: Sequence[Item]
    link: str = field(repr=False)
    left_out: int = 0


def wait_after(attempts: int, draw: float) -> timedelta | None:
    """How long until the next attempt after so many were put off; None where it is given up.

    ``draw`` is from 0 to below 1, and says how much of the jitter is taken.
    """
    if attempts > len(RETRIES):
        return None
    return RETRIES[attempts - 1] * (1 + JITTER_PERCENT * draw / 100)


def outcome_of(code: int, said: str, *, is_about_recipient: bool) -> Outcome:
    """What a reply means (RFC 5321, 4.2.1; RFC 3463). A policy (5.7) that refuses a recipient says nothing of them."""
    if 400 <= code < 500:
        return Outcome.LATER
    if is_about_recipient and not said.lstrip().startswith("5.7."):
        return Outcome.BAD_ADDRESS
    return Outcome.REFUSED


def next_digest(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The first moment after now at which clocks of the zone show a time of day."""
    day = now.astimezone(zone).date()
    while (due := datetime.combine(day, at, zone)) <= now:
        day += timedelta(days=1)
    return due


def group_scope(group: NewsGroup) -> str:
    """What a link says that ends mail about a group."""
    return _GROUP + group.value


def confirm_scope(address: str) -> str:
    """What a link says that confirms this address and no other."""
    return _CONFIRM + hashlib.sha256(address.encode()).hexdigest()[:32]


def is_confirmation(scope: str) -> bool:
    """Whether a link confirms an address."""
    return scope.startswith(_CONFIRM)


def groups_of(scope: str) -> list[NewsGroup]:
    """The groups of which a link ends the mail; none for what is no such link."""
    if scope == DIGEST_SCOPE:
        return list(NewsGroup)
    return [group for group in NewsGroup if group_scope(group) == scope]


def link_token(account_id: UUID, scope: str, secret: bytes) -> str:
    """What stands in a link: whose it is, what for, and a signature with the account's own secret."""
    return f"{_text(account_id.bytes + scope.encode())}.{_text(_signature(account_id, scope, secret))}"


def parse_token(token: str) -> tuple[UUID, str, bytes] | None:
    """Whose a link says to be, what for, and its signature, which is not checked yet; None for what is none."""
    head, _, signature = token.partition(".")
    if len(token) > 400 or not token.isascii():
        return None
    try:
        content = _bytes(head)
        return UUID(bytes=content[:16]), content[16:].decode("ascii"), _bytes(signature)
    except ValueError:
        return None


def is_signed(account_id: UUID, scope: str, signature: bytes, secret: bytes) -> bool:
    """Whether the account's secret made the signature."""
    return hmac.compare_digest(_signature(account_id, scope, secret), signature)


def _signature(account_id: UUID, scope: str, secret: bytes) -> bytes:
    return hmac.digest(secret, _PURPOSE + account_id.bytes + scope.encode(), "sha256")


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
