"""Money of an order that a rule holds: kept from the merchant's available balance once the order's own hold is over.

Before that it is pending, as any order's is. Entries are found by their details, so a dispute's are told apart.
"""

from collections.abc import Sequence

from merchantry.domain import entries
from merchantry.domain.act import Act
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import Account, Entry, EntryKind
from merchantry.domain.review import KEPT_BACK
from merchantry.services import ledger
from merchantry.services.order import Order
from tenancy.database import MerchantSession

REASON = "under review"


def is_kept_back(found: Order) -> bool:
    """Whether an order's money stays with the platform until people have decided, or the buyer has it back."""
    return found.review_status in KEPT_BACK


async def keep(session: MerchantSession, found: Order, payable_minor: int, act: Act) -> None:
    """The order was released: what became available of it is held, from the same moment."""
    if payable_minor > 0 and is_kept_back(found):
        await ledger.book(session, _entry(EntryKind.HOLD, found, payable_minor, act), act)


async def end(session: MerchantSession, found: Order, act: Act, *, at_most_minor: int | None = None) -> int:
    """What is held of an order is available again, or so much of it; returns how much that was."""
    booked = [each for each in await ledger.entries_of(session, found.id) if each.entry.details.get("review")]
    ended = held_minor(booked) if at_most_minor is None else min(held_minor(booked), max(at_most_minor, 0))
    if ended:
        first = next(each.seq for each in booked if each.entry.kind is EntryKind.HOLD)
        await ledger.book(session, _entry(EntryKind.HOLD_ENDED, found, ended, act, reverses=first), act)
    return ended


async def taken_back(session: MerchantSession, found: Order, entry: Entry, act: Act) -> None:
    """An entry takes back what the merchant got for an order: no more of it is held than the merchant still has."""
    if is_kept_back(found) and found.available_at is not None:
        taken = -sum(each.amount_minor for each in entry.postings if each.account == Account.MERCHANT_AVAILABLE)
        await end(session, found, act, at_most_minor=taken)


def held_minor(booked: Sequence[BookedEntry]) -> int:
    """What these entries leave held."""
    return sum(
        posting.amount_minor
        for each in booked
        for posting in each.entry.postings
        if posting.account == Account.MERCHANT_HELD
    )


def _entry(kind: EntryKind, found: Order, amount_minor: int, act: Act, *, reverses: int | None = None) -> Entry:
    return entries.move(
        kind,
        amount_minor,
        found.currency,
        occurred_at=act.at,
        details={"number": found.number, "reason": REASON, "review": True},
        order_id=found.id,
        reverses=reverses,
    )
