"""The ledger: balanced entries of postings, and the bytes that prove them (docs/ledger-format.md)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from merchantry.domain.canonical import Json as Json
from merchantry.domain.canonical import canonical_json, rfc3339
from merchantry.domain.money import digits

FORMAT: Final = "merchantry-ledger-entry/v1"
SALT_BYTES: Final = 32
_BIGINT: Final = 2**63


class Account(StrEnum):
    """The accounts of a merchant's ledger.

    ``merchant_held`` is what a dispute keeps back (a chargeback, an objection), ``merchant_reserved`` the risk reserve,
    ``merchant_receivable`` what the merchant owes of money that it collected itself. Of what the platform sells in its
    own name it has no commission but a margin: ``platform_margin``.
    """

    BUYER_FUNDS = "buyer_funds"
    MERCHANT_PENDING = "merchant_pending"
    MERCHANT_AVAILABLE = "merchant_available"
    MERCHANT_HELD = "merchant_held"
    MERCHANT_RESERVED = "merchant_reserved"
    IN_PAYOUT = "in_payout"
    PAID_OUT = "paid_out"
    PLATFORM_COMMISSION = "platform_commission"
    PLATFORM_MARGIN = "platform_margin"
    COMMISSION_TAX = "commission_tax"
    PAYMENT_FEE = "payment_fee"
    SALES_TAX = "sales_tax"
    PLATFORM_EXPENSE = "platform_expense"
    AFFILIATE_PAYABLE = "affiliate_payable"
    SUPPLIER_PAYABLE = "supplier_payable"
    REFUNDS = "refunds"
    MERCHANT_RECEIVABLE = "merchant_receivable"
    EXCHANGE_CLEARING = "exchange_clearing"


class PlatformAccount(StrEnum):
    """The accounts of the platform's own subledger.

    ``sales`` is its revenue of what it sells in its own name, net of sales tax, ``cost_of_goods`` (negative) what it
    bought that for; both are pending until the order's release, as commission is.
    """

    MERCHANT_CLEARING = "merchant_clearing"
    COMMISSION_PENDING = "commission_pending"
    COMMISSION_EARNED = "commission_earned"
    COMMISSION_TAX_PAYABLE = "commission_tax_payable"
    SALES_PENDING = "sales_pending"
    SALES = "sales"
    COST_OF_GOODS_PENDING = "cost_of_goods_pending"
    COST_OF_GOODS = "cost_of_goods"
    PAYMENT_FEES_RECOVERED = "payment_fees_recovered"
    SALES_TAX_PAYABLE = "sales_tax_payable"
    EXPENSE = "expense"
    EXCHANGE_CLEARING = "exchange_clearing"


class EntryKind(StrEnum):
    """Why an entry was booked."""

    CAPTURE = "capture"
    RELEASE = "release"
    REFUND = "refund"
    REFUND_SENT = "refund_sent"
    TIER_TRUE_UP = "tier_true_up"
    TRUE_UP_TAKEN_BACK = "true_up_taken_back"
    FEE_TRUE_UP = "fee_true_up"
    ADJUSTMENT = "adjustment"
    HOLD = "hold"
    HOLD_ENDED = "hold_ended"
    RESERVE = "reserve"
    RESERVE_RELEASED = "reserve_released"
    PAYOUT = "payout"
    PAYOUT_PAID = "payout_paid"
    PAYOUT_CANCELLED = "payout_cancelled"
    PAYOUT_RETURNED = "payout_returned"
    CHARGEBACK = "chargeback"
    CHARGEBACK_FEE = "chargeback_fee"
    CHARGEBACK_REVERSED = "chargeback_reversed"
    WRITE_OFF = "write_off"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Posting:
    """One line of an entry. A credit is positive: more is owed to the account's party. A debit is negative."""

    account: str
    currency: str
    amount_minor: int

    def __post_init__(self) -> None:
        digits(self.currency)
        if type(self.amount_minor) is not int or not -_BIGINT < self.amount_minor < _BIGINT:
            raise ValueError(f"A posting needs a whole number of minor units within 64 bits, not {self.amount_minor!r}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One balanced fact of a merchant's ledger, never changed, only reversed.

    `occurred_at` is business time; `available_at` dates a change of the available balance and puts it into a settlement
    period, so an entry has it exactly where it posts to `merchant_available`. `reverses` is the `seq` of the entry that
    this one undoes or corrects. `details` explain the entry and hold no personal data. Raises ValueError where the
    postings do not sum to zero in each currency.
    """

    kind: EntryKind
    order_id: UUID | None
    occurred_at: datetime
    available_at: datetime | None
    reverses: int | None
    postings: tuple[Posting, ...]
    details: Mapping[str, Json]

    def __post_init__(self) -> None:
        for posting in self.postings:
            Account(posting.account)
        _refuse_unbalanced(self.postings)
        if (self.available_at is not None) != any(each.account == Account.MERCHANT_AVAILABLE for each in self.postings):
            raise ValueError("An entry has available_at exactly where it posts to merchant_available")
        for moment in (self.occurred_at, self.available_at):
            if moment is not None and moment.tzinfo is None:
                raise ValueError("An entry's instants need a time zone")


def canonical_bytes(merchant_id: UUID, seq: int, entry: Entry, booked_at: datetime) -> bytes:
    """The entry as the bytes that are hashed: RFC 8785 JSON as docs/ledger-format.md specifies it.

    Raises ValueError for details that hold floats, integers beyond 2^53, NUL or unpaired surrogates, or keys outside
    ASCII: what a JSON parser or the database could not give back as it was.
    """
    document: Json = {
        "available_at": None if entry.available_at is None else rfc3339(entry.available_at),
        "booked_at": rfc3339(booked_at),
        "details": entry.details,
        "format": FORMAT,
        "kind": entry.kind,
        "merchant_id": str(merchant_id),
        "occurred_at": rfc3339(entry.occurred_at),
        "order_id": None if entry.order_id is None else str(entry.order_id),
        "postings": [
            {"account": posting.account, "amount_minor": str(posting.amount_minor), "currency": posting.currency}
            for posting in entry.postings
        ],
        "reverses": entry.reverses,
        "seq": seq,
    }
    return canonical_json(document)


def commitment(salt: bytes, canonical: bytes) -> bytes:
    """What the public log shows of an entry: SHA-256 of the format's name, the entry's own salt, and its bytes."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}")
    return hashlib.sha256(FORMAT.encode("ascii") + b"\n" + salt + canonical).digest()


def _refuse_unbalanced(postings: Sequence[Posting]) -> None:
    sums: dict[str, int] = {}
    for posting in postings:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount_minor
    if len(postings) < 2 or any(sums.values()):
        raise ValueError(f"An entry has at least two postings that sum to zero in each currency, not {sums}")
