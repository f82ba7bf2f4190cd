"""The payment provider as the business sees it. A provider is always asked outside any transaction."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID


class ChargeStatus(StrEnum):
    """What a provider says of a charge. UNKNOWN is our own word for no answer."""

    CAPTURED = "captured"
    PENDING = "pending"
    ACTION_REQUIRED = "action_required"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tender:
    """One means of payment and its part of the amount."""

    method: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Charge:
    """What a provider is asked for. ``key`` is the same for every attempt to ask for the same thing."""

    key: UUID
    currency: str
    amount_minor: int
    tenders: Sequence[Tender]


class ActionKind(StrEnum):
    """What a buyer has to do before a charge can be captured."""

    REDIRECT = "redirect"
    QR_CODE = "qr_code"


@dataclass(frozen=True, slots=True)
class Action:
    """REDIRECT: go to the address in ``value``. QR_CODE: scan a code of the text in it. None expires by itself."""

    kind: ActionKind
    value: str
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """A provider's answer. ``action`` comes with ACTION_REQUIRED."""

    status: ChargeStatus
    reference: str | None = None
    action: Action | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider says of a charge unasked; ``key`` is the charge's."""

    key: UUID
    outcome: Outcome


class MessageUnreadable(Exception):
    """A provider's message has another form than it should have; the text says what is wrong with it."""


ANSWER_SECONDS = 20
"""How long a provider is waited for."""


async def asked(call: Awaitable[Outcome], *, timeout_seconds: float = ANSWER_SECONDS) -> Outcome:
    """A provider's answer. One that can't be reached, or doesn't answer in time, has not said no: UNKNOWN."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await call
    except (OSError, TimeoutError) as error:
        return Outcome(ChargeStatus.UNKNOWN, reason=type(error).__name__)


class PaymentGateway(Protocol):
    """A payment provider. Every call may be repeated with the same key without a second effect."""

    name: str
    methods: frozenset[str]

    async def charge(self, charge: Charge) -> Outcome:
        """Take the buyer's money."""

    async def find(self, key: UUID) -> Outcome:
        """What became of a charge. UNKNOWN for one that has not come in: it may be on its way."""

    async def cancel(self, key: UUID) -> Outcome:
        """Give a charge up unless it is captured; the answer says which.

        One that has not come in yet is given up too: when it comes, nothing is taken.
        """

    async def refund(self, key: UUID, charge_key: UUID, amount_minor: int, tenders: Sequence[Tender]) -> Outcome:
        """Send money of a captured charge back, so much to each of these tenders.

        CAPTURED means that it is done, DECLINED that it never will be unless it is asked for again; PENDING and UNKNOWN
        are no answer.
        """

    def told(self, body: bytes) -> Told | None:
        """What a webhook's body says; None where it is about nothing that matters here. Raises MessageUnreadable.

        Whether it is the provider's is known by then (`gateways.webhook_signature`).
        """
