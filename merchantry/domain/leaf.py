"""Leaves of the public log: what binds an entry, and shows nothing of it (docs/ledger-format.md)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from merchantry.domain.canonical import Json, canonical_json, rfc3339
from merchantry.domain.ledger import SALT_BYTES, Account, Entry, EntryKind, canonical_bytes, commitment

LEAF_FORMAT: Final = "merchantry-ledger-leaf/v1"
BALANCES_FORMAT: Final = "merchantry-ledger-balances/v1"
BUYER_FORMAT: Final = "merchantry-buyer-fact/v1"

NO_BUYER: Final = bytes(32)
"""What stands in the leaf of an entry that says nothing to a buyer."""

_BUYERS: Final = {
    EntryKind.CAPTURE: Account.BUYER_FUNDS,
    EntryKind.REFUND: Account.REFUNDS,
    EntryKind.REFUND_SENT: Account.BUYER_FUNDS,
}
"""The posting that says what a buyer paid, is owed back, or was sent."""

Balances = Iterable[tuple[str, str, int]]
"""Account, currency, and what stands on the account after an entry, for each of the entry's postings in their order."""


def balances_bytes(merchant_id: UUID, seq: int, balances: Balances) -> bytes:
    """The balances after the entry ``seq`` as the bytes that are hashed (RFC 8785)."""
    document: Json = {
        "balances": [
            {"account": account, "balance_minor": str(balance_minor), "currency": currency}
            for account, currency, balance_minor in balances
        ],
        "format": BALANCES_FORMAT,
        "merchant_id": str(merchant_id),
        "seq": seq,
    }
    return canonical_json(document)


def balances_commitment(salt: bytes, canonical: bytes) -> bytes:
    """What a leaf shows of balances. The salt is another than the entry's, so that who may see an entry need not."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(salt)}")
    return _hashed(BALANCES_FORMAT, salt + canonical)


def entry_leaf(commitment: bytes, balances: bytes, buyer: bytes) -> bytes:
    """The leaf of an entry, from the commitments to it, to the balances after it, and to what it says to the buyer."""
    return _hashed(LEAF_FORMAT, commitment + balances + buyer)


def buyer_salt(salt: bytes) -> bytes:
    """The salt of what an entry says to its buyer: it leads to no other salt."""
    return _hashed("merchantry-buyer-salt/v1", salt)


def buyer_commitment(salt: bytes, canonical: bytes) -> bytes:
    """What a leaf shows of what an entry says to its buyer."""
    return _hashed(BUYER_FORMAT, salt + canonical)


def _hashed(name: str, content: bytes) -> bytes:
    """The format's name separates these hashes from all others."""
    return hashlib.sha256(name.encode("ascii") + b"\n" + content).digest()


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """An entry as it was written.

    ``balances`` are what stands on each posting's account after the whole entry, in minor units; they and their salt
    are None for entries that were written before balances were bound into leaves.
    """

    seq: int
    entry: Entry
    booked_at: datetime
    salt: bytes
    balances: tuple[int, ...] | None
    balance_salt: bytes | None

    def commitment(self, merchant_id: UUID) -> bytes:
        """What binds the entry."""
        return commitment(self.salt, self.canonical(merchant_id))

    def canonical(self, merchant_id: UUID) -> bytes:
        """The entry's bytes."""
        return canonical_bytes(merchant_id, self.seq, self.entry, self.booked_at)

    def leaf(self, merchant_id: UUID) -> bytes:
        """The entry's leaf. Raises ValueError for what has no canonical bytes."""
        bound = self.commitment(merchant_id)
        if self.balances is None or self.balance_salt is None:
            return bound
        balances = balances_commitment(self.balance_salt, self.balances_bytes(merchant_id))
        return entry_leaf(bound, balances, self.buyer_commitment(merchant_id))

    def buyer_bytes(self, merchant_id: UUID) -> bytes | None:
        """What the entry says to its buyer: a payment, a refund; None where it says nothing. No other party's part."""
        account = _BUYERS.get(self.entry.kind)
        posting = next((each for each in self.entry.postings if each.account == account), None)
        if posting is None or self.entry.order_id is None:
            return None
        document: Json = {
            "amount_minor": str(abs(posting.amount_minor)),
            "currency": posting.currency,
            "format": BUYER_FORMAT,
            "kind": self.entry.kind,
            "merchant_id": str(merchant_id),
            "occurred_at": rfc3339(self.entry.occurred_at),
            "order_id": str(self.entry.order_id),
        }
        return canonical_json(document)

    def buyer_commitment(self, merchant_id: UUID) -> bytes:
        """What the leaf shows of it."""
        said = self.buyer_bytes(merchant_id)
        return NO_BUYER if said is None else buyer_commitment(buyer_salt(self.salt), said)

    def balances_bytes(self, merchant_id: UUID) -> bytes:
        """The balances after the entry, as they are hashed."""
        return balances_bytes(merchant_id, self.seq, running(self.entry, self.balances or ()))


def running(entry: Entry, balances: Sequence[int]) -> list[tuple[str, str, int]]:
    """The balances after an entry with the accounts that they are of."""
    pairs = zip(entry.postings, balances, strict=True)
    return [(str(posting.account), posting.currency, balance_minor) for posting, balance_minor in pairs]
