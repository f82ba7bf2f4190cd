"""Whoever carries money to payees, as the business sees it: a bank or a wallet provider.

A provider is always asked outside any transaction.
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from merchantry.domain.money import digits

REFERENCE = re.compile(r"(?!/)(?!.*//)(?! )[A-Za-z0-9/\-?:().,'+ ]{1,35}(?<!/)(?<! )")
"""An end-to-end reference as SEPA takes it (EPC230-15): its characters, and slashes only between others."""


class TransferStatus(StrEnum):
    """What a provider says of a transfer. UNKNOWN is our own word for no answer.

    ACCEPTED is taken, but not final. PAID may still become RETURNED: the money was there and came back. Only REJECTED
    and NOT_FOUND say definitely that no money moves under this key.
    """

    ACCEPTED = "accepted"
    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"
    UNKNOWN = "unknown"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class PayeeBank:
    """An account at a bank: by its IBAN, or by its number and the bank's BIC. ``country`` is ISO 3166 alpha-2."""

    holder: str = field(repr=False)
    iban: str | None = field(repr=False)
    account_number: str | None = field(repr=False)
    bic: str | None = field(repr=False)
    country: str


@dataclass(frozen=True, slots=True)
class PayeeWallet:
    """An account at a wallet provider."""

    holder: str = field(repr=False)
    wallet_id: str = field(repr=False)


Payee = PayeeBank | PayeeWallet


@dataclass(frozen=True, slots=True)
class Instruction:
    """One transfer. ``key`` is the same for ever for the same attempt; ``reference`` is what the bank line shows.

    Raises ValueError for amounts that are not positive and for references that a bank would change or refuse.
    """

    key: UUID
    amount_minor: int
    currency: str
    payee: Payee
    reference: str

    def __post_init__(self) -> None:
        digits(self.currency)
        if self.amount_minor <= 0:
            raise ValueError(f"A transfer of {self.amount_minor} was instructed")
        if not REFERENCE.fullmatch(self.reference):
            raise ValueError(f"{self.reference!r} is no reference that banks carry")


@dataclass(frozen=True, slots=True)
class Batch:
    """Instructions of one currency that go out together, to be carried out on a day. The same for every repeat."""

    id: UUID
    created_at: datetime
    currency: str
    execute_on: date


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer about one instruction. ``occurred_at`` is when the provider says that it happened."""

    status: TransferStatus
    provider_reference: str | None = None
    reason: str | None = None
    occurred_at: datetime | None = None


class RepeatDiffers(Exception):
    """A key or batch that the provider has already is asked for with other content: a fault of ours, for a person."""


SEND_SECONDS = 90
"""How long a provider is waited for when a batch is sent."""

FIND_SECONDS = 20
"""How long a provider is waited for when it is asked about one key."""


class PayoutGateway(Protocol):
    """Carries out transfers. Every call may be repeated with the same keys without a second effect."""

    name: str

    def limit_minor(self, currency: str) -> int | None:
        """The most that one transfer may carry; None without a limit."""

    async def send(self, instructions: Sequence[Instruction], batch: Batch) -> Mapping[UUID, Answer]:
        """Have the transfers made. A key without an answer in the result is UNKNOWN.

        Raises RepeatDiffers.
        """

    async def find(self, key: UUID) -> Answer:
        """What became of a transfer. NOT_FOUND only where the provider itself says that it never got this key."""


async def sent(
    gateway: PayoutGateway,
    instructions: Sequence[Instruction],
    batch: Batch,
    *,
    timeout_seconds: float = SEND_SECONDS,
) -> Mapping[UUID, Answer]:
    """An answer for every instruction. A provider that can't be reached, or is silent, has not said no: UNKNOWN."""
    check_batch(instructions, batch)
    reason = "the provider said nothing about it"
    answers: Mapping[UUID, Answer] = {}
    try:
        async with asyncio.timeout(timeout_seconds):
            answers = await gateway.send(instructions, batch)
    except (OSError, TimeoutError) as error:
        reason = type(error).__name__
    silent = Answer(TransferStatus.UNKNOWN, reason=reason)
    return {instruction.key: answers.get(instruction.key, silent) for instruction in instructions}


async def asked(call: Awaitable[Answer], *, timeout_seconds: float = FIND_SECONDS) -> Answer:
    """A provider's answer about one instruction; UNKNOWN where it can't be reached or doesn't answer in time."""
    try:
        async with asyncio.timeout(timeout_seconds):
            return await call
    except (OSError, TimeoutError) as error:
        return Answer(TransferStatus.UNKNOWN, reason=type(error).__name__)


def check_batch(instructions: Sequence[Instruction], batch: Batch) -> None:
    """Raise ValueError for instructions that can't go out together."""
    if not instructions:
        raise ValueError("A batch without instructions")
    if any(instruction.currency != batch.currency for instruction in instructions):
        raise ValueError(f"A batch of {batch.currency} holds instructions in other currencies")
    for facts in ({each.key for each in instructions}, {each.reference for each in instructions}):
        if len(facts) != len(instructions):
            raise ValueError("Two instructions of a batch share a key or a reference")
