"""The entries that business makes: what moves between which accounts, and the platform's side of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from merchantry.domain.beneficiary import BeneficiaryKind, Share
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, PlatformAccount, Posting
from merchantry.domain.line_split import LineSplit
from merchantry.domain.seller import PLATFORM_PART, SALES, SellerOfRecord, platform_part, sale_details, whole
from merchantry.domain.split import OrderSplit
from merchantry.domain.tiers import TrueUp


class Collector(StrEnum):
    """Who takes the buyer's money: the platform, or the merchant at the door."""

    PLATFORM = "platform"
    MERCHANT = "merchant"


UNRELEASED: Final[Mapping[Collector, Account]] = MappingProxyType(
    {Collector.PLATFORM: Account.MERCHANT_PENDING, Collector.MERCHANT: Account.MERCHANT_RECEIVABLE}
)
"""Where the merchant's side of an order stands until its release, by who took the money."""

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
        Account.PLATFORM_MARGIN: PlatformAccount.COST_OF_GOODS_PENDING,
        Account.COMMISSION_TAX: PlatformAccount.COMMISSION_TAX_PAYABLE,
        Account.PAYMENT_FEE: PlatformAccount.PAYMENT_FEES_RECOVERED,
        Account.SALES_TAX: PlatformAccount.SALES_TAX_PAYABLE,
        Account.PLATFORM_EXPENSE: PlatformAccount.EXPENSE,
        Account.EXCHANGE_CLEARING: PlatformAccount.EXCHANGE_CLEARING,
    }
)
"""Accounts that are the platform's own, and where its subledger books the same amount; of a margin, what the entry
says of `sales_minor` is booked as sales, and the rest as the cost of goods."""

EARNED: Final[Mapping[PlatformAccount, PlatformAccount]] = MappingProxyType(
    {
        PlatformAccount.COMMISSION_PENDING: PlatformAccount.COMMISSION_EARNED,
        PlatformAccount.SALES_PENDING: PlatformAccount.SALES,
        PlatformAccount.COST_OF_GOODS_PENDING: PlatformAccount.COST_OF_GOODS,
    }
)
"""What is the platform's once the order is released, by where it stood before."""


def captured(
    lines: Sequence[LineSplit], collected_by: Collector, seller: SellerOfRecord = SellerOfRecord.AGENT
) -> dict[Account, int]:
    """What the capture of these lines posts, by account, with zeros.

    What the merchant collected itself never comes in: the merchant owes the platform all that is not its own part, less
    the platform's subsidy.
    """
    shares = [share for line in lines for share in line.shares]
    paid_minor = sum(line.paid_minor for line in lines)
    merchant_minor = sum(line.merchant_minor for line in lines)
    by_platform = collected_by is Collector.PLATFORM
    return {
        Account.BUYER_FUNDS: -paid_minor if by_platform else 0,
        UNRELEASED[collected_by]: merchant_minor if by_platform else merchant_minor - paid_minor,
        **platform_part(
            seller, sum(line.commission_minor for line in lines), sum(line.subsidy_minor for line in lines)
        ),
        Account.COMMISSION_TAX: sum(line.commission_tax_minor for line in lines),
        Account.PAYMENT_FEE: sum(line.payment_fee_minor for line in lines),
        Account.SALES_TAX: sum(line.sales_tax_minor for line in lines),
        Account.SUPPLIER_PAYABLE: _total(shares, BeneficiaryKind.SUPPLIER),
        Account.AFFILIATE_PAYABLE: _total(shares, BeneficiaryKind.AFFILIATE),
    }


def revenue(lines: Sequence[LineSplit]) -> int:
    """What the platform takes for lines that it sells: what the buyer paid, less the sales tax."""
    return sum(line.paid_minor - line.sales_tax_minor for line in lines)


def capture(
    order_id: UUID,
    split: OrderSplit,
    *,
    collected_by: Collector = Collector.PLATFORM,
    seller: SellerOfRecord = SellerOfRecord.AGENT,
    occurred_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """The buyer's money came in, with what the platform adds to it: it is the merchant's to come, and everybody else's
    part of the split."""
    amounts = captured(split.lines, collected_by, seller)
    postings = _kept(*(Posting(account, split.currency, amount) for account, amount in amounts.items()))
    said = {**details, **sale_details(seller, sales_minor=revenue(split.lines))}
    return Entry(EntryKind.CAPTURE, order_id, occurred_at, None, None, postings, said)


def release(
    order_id: UUID,
    amount_minor: int,
    currency: str,
    *,
    unreleased: Account = Account.MERCHANT_PENDING,
    occurred_at: datetime,
    available_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """The hold has ended: what is left of the merchant's part is available, or owed, from `available_at`."""
    postings = _moved(unreleased, Account.MERCHANT_AVAILABLE, amount_minor, currency)
    return Entry(EntryKind.RELEASE, order_id, occurred_at, available_at, None, postings, details)


def tier_true_up(
    order_id: UUID,
    found: TrueUp,
    currency: str,
    *,
    seller: SellerOfRecord = SellerOfRecord.AGENT,
    occurred_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """What an order that reached a step changes for those before it, given to or taken from the available balance.

    Orders of the window are pending and available; they stay as they were booked.
    """
    postings = _charged(seller, found.amount_minor, found.tax_minor, currency)
    said = {**details, **sale_details(seller, purchase_minor=-found.amount_minor)}
    return Entry(EntryKind.TIER_TRUE_UP, order_id, occurred_at, occurred_at, None, postings, said)


def true_up_taken_back(
    order_id: UUID,
    amount_minor: int,
    tax_minor: int,
    currency: str,
    *,
    refund_seq: int,
    seller: SellerOfRecord = SellerOfRecord.AGENT,
    occurred_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """A refund returned commission that a true-up had returned before: the merchant owes it; `refund_seq` is its entry.

    Negative where a refund was undone.
    """
    postings = _charged(seller, amount_minor, tax_minor, currency)
    said = {**details, **sale_details(seller, purchase_minor=-amount_minor)}
    return Entry(EntryKind.TRUE_UP_TAKEN_BACK, order_id, occurred_at, occurred_at, refund_seq, postings, said)


def _charged(seller: SellerOfRecord, amount_minor: int, tax_minor: int, currency: str) -> tuple[Posting, ...]:
    amounts = {
        Account.MERCHANT_AVAILABLE: -amount_minor - tax_minor,
        PLATFORM_PART[seller]: amount_minor,
        Account.COMMISSION_TAX: tax_minor,
    }
    return tuple(
        Posting(account, currency, amount)
        for account, amount in amounts.items()
        if amount or account is Account.MERCHANT_AVAILABLE
    )


def fee_true_up(
    order_id: UUID,
    change_minor: int,
    currency: str,
    *,
    borne_from: Account,
    occurred_at: datetime,
    capture_seq: int,
    details: Mapping[str, Json],
) -> Entry:
    """The provider told its fee: the merchant bears this much more of it than was estimated, or less where negative.

    `borne_from` is where the merchant's part stands: released or not.
    """
    postings = _moved(borne_from, Account.PAYMENT_FEE, change_minor, currency)
    available_at = occurred_at if borne_from is Account.MERCHANT_AVAILABLE else None
    return Entry(EntryKind.FEE_TRUE_UP, order_id, occurred_at, available_at, capture_seq, postings, details)


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

    `earned` says that the order's commission (or margin) was earned already, so a reversal takes it from there.
    """
    sums: Counter[tuple[PlatformAccount, str]] = Counter()
    for posting in entry.postings:
        if account := MIRRORED.get(Account(posting.account)):
            sums[account, posting.currency] += posting.amount_minor
    if sales_minor := whole(entry.details, SALES):
        currency = entry.postings[0].currency  # a sale has one
        sums[PlatformAccount.SALES_PENDING, currency] += sales_minor
        sums[PlatformAccount.COST_OF_GOODS_PENDING, currency] -= sales_minor
    postings: list[Posting] = []
    for (account, currency), amount_minor in sums.items():
        if amount_minor:
            standing = EARNED.get(account, account) if earned else account
            postings += _moved(PlatformAccount.MERCHANT_CLEARING, standing, amount_minor, currency)
    return tuple(postings)


def platform_release(accrued: Mapping[PlatformAccount, int], currency: str) -> tuple[Posting, ...]:
    """The platform's side of a release: what is left of what the order accrued is earned."""
    postings: list[Posting] = []
    for account, amount_minor in accrued.items():
        if amount_minor:
            postings += _moved(account, EARNED[account], amount_minor, currency)
    return tuple(postings)


def accrued(booked: Iterable[Entry]) -> dict[PlatformAccount, int]:
    """What these entries of one unreleased order have accrued to the platform, by where its subledger has it."""
    sums = Counter[PlatformAccount]()
    for entry in booked:
        for posting in platform_side(entry, earned=False):
            if (account := PlatformAccount(posting.account)) in EARNED:
                sums[account] += posting.amount_minor
    return dict(sums)


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
