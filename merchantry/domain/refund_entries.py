"""The entries of refunds and chargebacks: who gives back what, and from where."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from merchantry.domain.beneficiary import BeneficiaryKind
from merchantry.domain.entries import UNRELEASED, Collector
from merchantry.domain.ledger import Account, Entry, EntryKind, Json, Posting
from merchantry.domain.reversal import Reversal
from merchantry.domain.seller import SellerOfRecord, platform_part


class Stage(StrEnum):
    """Where an order's money stands: before its release, and after it."""

    PENDING = "pending"
    AVAILABLE = "available"


@dataclass(frozen=True, slots=True)
class Sale:
    """What the entries about an order's reversal need to know of it."""

    order_id: UUID
    currency: str
    capture_seq: int
    stage: Stage
    collected_by: Collector = Collector.PLATFORM
    seller: SellerOfRecord = SellerOfRecord.AGENT

    @property
    def merchant_account(self) -> Account:
        """The merchant's account that a reversal changes."""
        if self.stage is Stage.AVAILABLE:
            return Account.MERCHANT_AVAILABLE
        return UNRELEASED[self.collected_by]

    @property
    def collected(self) -> bool:
        """Whether the merchant has the buyer's money, and pays it back itself."""
        return self.collected_by is Collector.MERCHANT


def refund(sale: Sale, reversal: Reversal, *, occurred_at: datetime, details: Mapping[str, Json]) -> Entry:
    """Money is owed back to the buyer: each party's part is taken back as its frozen split says.

    Where the merchant collected the money it also pays it back, and only the others' parts are booked: they lower what
    it owes.
    """
    amounts = _taken_back(sale, reversal)
    if sale.collected:
        amounts[sale.merchant_account] += reversal.refund_minor
    else:
        amounts[Account.REFUNDS] = reversal.refund_minor
    return _of_sale(EntryKind.REFUND, sale, amounts, occurred_at, details)


def chargeback(
    sale: Sale,
    reversal: Reversal,
    *,
    excess_minor: int,
    excess_from: Account,
    occurred_at: datetime,
    details: Mapping[str, Json],
) -> Entry:
    """The buyer's bank took money back: as a refund, but the buyer has it already.

    `excess_minor` is what it took above what was left of the sale; it comes out of the account given.
    """
    amounts = _taken_back(sale, reversal)
    amounts[excess_from] = amounts.get(excess_from, 0) - excess_minor
    amounts[Account.BUYER_FUNDS] = reversal.refund_minor + excess_minor
    return _of_sale(EntryKind.CHARGEBACK, sale, amounts, occurred_at, details)


def chargeback_reversed(
    lost: Entry, lost_seq: int, sale: Sale, reversal: Reversal, *, occurred_at: datetime, details: Mapping[str, Json]
) -> Entry:
    """A lost chargeback was won later: everybody has what the reversal took again, and the excess comes back too.

    `reversal` is what its amount takes back now, after other refunds; its roundings may differ from those of the loss.
    Raises ValueError where the entry is no chargeback.
    """
    if lost.kind is not EntryKind.CHARGEBACK:
        raise ValueError(f"Only a chargeback can be reversed, not a {lost.kind}")
    taken_minor = sum(each.amount_minor for each in lost.postings if each.account == Account.BUYER_FUNDS)
    excess_minor = taken_minor - reversal.refund_minor
    by_platform = lost.details["excess_borne_by"] == "platform"
    excess_from = Account.PLATFORM_EXPENSE if by_platform else Account.MERCHANT_AVAILABLE
    amounts = {account: -amount for account, amount in _taken_back(sale, reversal).items()}
    amounts[excess_from] = amounts.get(excess_from, 0) + excess_minor
    amounts[Account.BUYER_FUNDS] = -taken_minor
    return _of_sale(EntryKind.CHARGEBACK_REVERSED, sale, amounts, occurred_at, details, reverses=lost_seq)


def chargeback_fee(
    fee_minor: int, sale: Sale, borne_by: Account, *, occurred_at: datetime, details: Mapping[str, Json]
) -> Entry:
    """What the bank asks for a chargeback, out of the account of whoever bears it."""
    postings = Posting(borne_by, sale.currency, -fee_minor), Posting(Account.PAYMENT_FEE, sale.currency, fee_minor)
    available_at = occurred_at if borne_by is Account.MERCHANT_AVAILABLE else None
    return Entry(EntryKind.CHARGEBACK_FEE, sale.order_id, occurred_at, available_at, None, postings, details)


def _taken_back(sale: Sale, reversal: Reversal) -> dict[Account, int]:
    """What each party loses; the subsidy goes back to the platform."""
    return {
        sale.merchant_account: -reversal.merchant_minor,
        **platform_part(sale.seller, -reversal.commission_minor, -reversal.subsidy_minor),
        Account.COMMISSION_TAX: -reversal.commission_tax_minor,
        Account.PAYMENT_FEE: -reversal.payment_fee_minor,
        Account.SALES_TAX: -reversal.sales_tax_minor,
        Account.SUPPLIER_PAYABLE: -_shares(reversal, BeneficiaryKind.SUPPLIER),
        Account.AFFILIATE_PAYABLE: -_shares(reversal, BeneficiaryKind.AFFILIATE),
    }


def _shares(reversal: Reversal, kind: BeneficiaryKind) -> int:
    return sum(share.amount_minor for share in reversal.shares if share.kind is kind)


def _of_sale(
    kind: EntryKind,
    sale: Sale,
    amounts: Mapping[Account, int],
    occurred_at: datetime,
    details: Mapping[str, Json],
    reverses: int | None = None,
) -> Entry:
    every = tuple(Posting(account, sale.currency, amount) for account, amount in amounts.items())
    postings = tuple(posting for posting in every if posting.amount_minor) or every[:2]
    is_available = any(each.account == Account.MERCHANT_AVAILABLE for each in postings)
    available_at = occurred_at if is_available else None
    corrected = sale.capture_seq if reverses is None else reverses
    return Entry(kind, sale.order_id, occurred_at, available_at, corrected, postings, details)
