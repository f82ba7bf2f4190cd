"""What is left of an order when its hold ends: its entries so far, refunds among them, added up."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from merchantry.domain.closing import Charges, charges_of, summed
from merchantry.domain.entries import UNRELEASED, Collector, accrued
from merchantry.domain.ledger import Account, Entry, EntryKind, PlatformAccount


@dataclass(frozen=True, slots=True)
class Left:
    """What an order still comes to, in minor units of its currency.

    `merchant_minor` is the merchant's side, which a release moves; it is negative where the merchant owes.
    `accrued` is what the platform has accrued, by the account of its subledger: commission, or sales and the cost of
    goods. `charges` is what the merchant is charged, whoever gets it.
    """

    merchant_minor: int
    accrued: Mapping[PlatformAccount, int]
    charges: Charges


def left(entries: Iterable[Entry], collected_by: Collector) -> Left:
    """What is left after these entries of one unreleased order.

    A true-up of tiers is beside the point: it is about the orders before this one, and available at once.
    """
    sums, charges = Counter[str](), Charges()
    own = [entry for entry in entries if entry.kind not in (EntryKind.TIER_TRUE_UP, EntryKind.TRUE_UP_TAKEN_BACK)]
    for entry in own:
        posted = Counter[str]()
        for posting in entry.postings:
            posted[posting.account] += posting.amount_minor
        sums.update(posted)
        of_rate = charges_of(entry.details, (posted[Account.PLATFORM_COMMISSION], posted[Account.COMMISSION_TAX]))
        if len(charges) == 1 and not {"commission_tax_bps", "charges"} & entry.details.keys():
            of_rate = dict(zip(charges, of_rate.values(), strict=True))  # an entry that names no rate has the order's
        charges = summed([charges, of_rate])
    return Left(sums[UNRELEASED[collected_by]], accrued(own), charges)
