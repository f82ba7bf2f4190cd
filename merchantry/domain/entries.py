"""The entries that business makes: what moves between which accounts, and the platform's side of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from merchantry.domain.beneficiary import BeneficiaryKind, Share
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, PlatformAccount, Posting
from merchantry.domain.split import OrderSplit

MOVES: Final[Mapping[EntryKind, tuple[Account, Account]]] = MappingProxyType(
    {
        EntryKind.REFUND_SENT: (Account.REFUNDS, Account.BUYER_FUNDS),
        EntryKind.HOLD: (Account.MERCHANT_AVAILABLE, Account.MERCHANT_HELD),
        EntryKind.HOLD_ENDED: (Account.MERCHANT_HELD, Account.MERCHANT_AVAILABLE),
        EntryKind.RESERVE: (Account.MERCHANT_AVAILABLE, Account.MERCHANT_RESERVED),
        EntryKind.RESERVE_RELEASED: (Account.MERCHANT_RESERVED, Account.MERCHANT_AVAILABLE),
        EntryKind.PAYOUT: (Account.MERCHANT_AVAILABLE, Account.IN_PAYOUT),
        EntryKind.PAYOUT_PAID: (Account.IN_PAYOUT, Account.PAID_OUT),
        EntryKind.PAYOUT_CANCELLED: (Account.IN_PAYOUT, Account.MERCHANT_AVAILABLE),
        EntryKind.PAYOUT_RETURNED: (Account.PAID_OUT, Account.MERCHANT_AVAILABLE),
        EntryKind.WRITE_OFF: (Account.PLATFORM_EXPENSE, Account.MERCHANT_AVAILABLE),
    }
)
"""The kinds that move one amount: from which account to which."""

MIRRORED: Final[Mapping[Account, PlatformAccount]] = MappingProxyType(
    {
        Account.PLATFORM_COMMISSION: PlatformAccount.COMMISSION_PENDING,
        Account.COMMISSION_TAX: PlatformAccount.COMMISSION_TAX_PAYABLE,
        Account.PAYMENT_FEE: PlatformAccount.PAYMENT_FEES_RECOVERED,
        Account.SALES_TAX: PlatformAccount.SALES_TAX_PAYABLE,
        Account.PLATFORM_EXPENSE: PlatformAccount.EXPENSE,
    }
)
"""Accounts that are the platform's own, and where its subledger books the same amount."""


def capture(order_id: UUID, split: OrderSplit, *, occurred_at: datetime, details: Mapping[str, Json]) -> Entry:
    """The buyer's money came in, with what the platform adds to it: it is the merchant's to come, and everybody else's
    part of the split."""
    shares = [share for line in split.lines for share in line.shares]
    amounts = {
        Account.BUYER_FUNDS: -split.paid_minor,
        Account.MERCHANT_PENDING: split.merchant_minor,
        Account.PLATFORM_COMMISSION: split.commission_minor,
        Account.COMMISSION_TAX: split.commission_tax_minor,
        Account.PAYMENT_FEE: split.payment_fee_minor,
        Account.SALES_TAX: split.sales_tax_minor,
        Account.SUPPLIER_PAYABLE: _total(shares, BeneficiaryKind.SUPPLIER),
        Account.AFFILIATE_PAYABLE: _total(shares, BeneficiaryKind.AFFILIATE),
        Account.PLATFORM_EXPENSE: -split.subsidy_minor,
    }
    postings = _kept(*(Posting(account, split.currency, amount) for account, amount in amounts.items()))
    return Entry(EntryKind.CAPTURE, order_id, occurred_at, None, None, postings, details)


def release(
    order_id: UUID,
    merchant_minor: int,
    currency: str,
    *,
    occurred_at: datetime,
    available_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """The hold has ended: what is left of the merchant's part is available, or owed, from `available_at`."""
    postings = _moved(Account.MERCHANT_PENDING, Account.MERCHANT_AVAILABLE, merchant_minor, currency)
    return Entry(EntryKind.RELEASE, order_id, occurred_at, available_at, None, postings, details)


def refund(capture: Entry, capture_seq: int, *, occurred_at: datetime, details: Mapping[str, Json]) -> Entry:
    """What was captured is owed back to the buyer: each party's part is reversed from the stored entry.

    For orders whose money has not been released. Raises ValueError where the entry is no capture.
    """
    if capture.kind is not EntryKind.CAPTURE:
        raise ValueError(f"Only a capture can be refunded, not a {capture.kind}")
    paid = [posting for posting in capture.postings if posting.account == Account.BUYER_FUNDS]
    parties = [posting for posting in capture.postings if posting.account != Account.BUYER_FUNDS]
    postings = (
        *(Posting(posting.account, posting.currency, -posting.amount_minor) for posting in parties),
        *(Posting(Account.REFUNDS, posting.currency, -posting.amount_minor) for posting in paid),
    )
    return Entry(EntryKind.REFUND, capture.order_id, occurred_at, None, capture_seq, postings, details)


def move(
    kind: EntryKind,
    amount_minor: int,
    currency: str,
    *,
    occurred_at: datetime,
    details: Mapping[str, Json],
    order_id: UUID | None = None,
    reverses: int | None = None,
) -> Entry:
    """An amount moves between the two accounts of its kind (`MOVES`). Raises ValueError below zero."""
    _refuse_negative(amount_minor)
    debited, credited = MOVES[kind]
    available_at = occurred_at if Account.MERCHANT_AVAILABLE in (debited, credited) else None
    postings = _moved(debited, credited, amount_minor, currency)
    return Entry(kind, order_id, occurred_at, available_at, reverses, postings, details)


def adjustment(
    amount_minor: int,
    currency: str,
    *,
    occurred_at: datetime,
    details: Mapping[str, Json],
    corrects: int | None = None,
) -> Entry:
    """The platform gives the merchant this much, or takes it where negative; `corrects` is the entry it is about."""
    postings = _moved(Account.PLATFORM_EXPENSE, Account.MERCHANT_AVAILABLE, amount_minor, currency)
    return Entry(EntryKind.ADJUSTMENT, None, occurred_at, occurred_at, corrects, postings, details)


def platform_side(entry: Entry, *, earned: bool) -> tuple[Posting, ...]:
    """The same in the platform's own subledger: what its accounts get comes from the merchant's clearing.

    `earned` says that the order's commission was earned already, so a reversal takes it from there.
    """
    postings: list[Posting] = []
    for posting in entry.postings:
        account = MIRRORED.get(Account(posting.account))
        if account is PlatformAccount.COMMISSION_PENDING and earned:
            account = PlatformAccount.COMMISSION_EARNED
        if account and posting.amount_minor:
            clearing = PlatformAccount.MERCHANT_CLEARING
            postings += _moved(clearing, account, posting.amount_minor, posting.currency)
    return tuple(postings)


def platform_release(commission_minor: int, currency: str) -> tuple[Posting, ...]:
    """The platform's side of a release: what is left of the order's commission is earned."""
    if not commission_minor:
        return ()
    return _moved(PlatformAccount.COMMISSION_PENDING, PlatformAccount.COMMISSION_EARNED, commission_minor, currency)


def _total(shares: Sequence[Share], kind: BeneficiaryKind) -> int:
    return sum(share.amount_minor for share in shares if share.kind is kind)


def _moved(debited: str, credited: str, amount_minor: int, currency: str) -> tuple[Posting, ...]:
    return Posting(debited, currency, -amount_minor), Posting(credited, currency, amount_minor)


def _kept(*postings: Posting) -> tuple[Posting, ...]:
    """Without the postings of nothing, but for two where all are: an entry has two sides even over nothing."""
    return tuple(posting for posting in postings if posting.amount_minor) or postings[:2]


def _refuse_negative(amount_minor: int) -> None:
    if amount_minor < 0:
        raise ValueError(f"An amount to book is not negative: {amount_minor}")
