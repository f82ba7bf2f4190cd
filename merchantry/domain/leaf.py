"""Leaves of the public log: what binds an entry and the balances after it (docs/ledger-format.md)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from merchantry.domain.canonical import Json, canonical_json
from merchantry.domain.ledger import SALT_BYTES, Entry, canonical_bytes, commitment

LEAF_FORMAT: Final = "merchantry-ledger-leaf/v1"
BALANCES_FORMAT: Final = "merchantry-ledger-balances/v1"

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
    return hashlib.sha256(BALANCES_FORMAT.encode("ascii") + b"\n" + salt + canonical).digest()


def entry_leaf(commitment: bytes, balances: bytes) -> bytes:
    """The leaf of an entry, from the commitment to it and the one to the balances after it."""
    return hashlib.sha256(LEAF_FORMAT.encode("ascii") + b"\n" + commitment + balances).digest()


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
        return commitment(self.salt, canonical_bytes(merchant_id, self.seq, self.entry, self.booked_at))

    def leaf(self, merchant_id: UUID) -> bytes:
        """The entry's leaf. Raises ValueError for what has no canonical bytes."""
        bound = self.commitment(merchant_id)
        if self.balances is None or self.balance_salt is None:
            return bound
        return entry_leaf(bound, balances_commitment(self.balance_salt, self.balances_bytes(merchant_id)))

    def balances_bytes(self, merchant_id: UUID) -> bytes:
        """The balances after the entry, as they are hashed."""
        return balances_bytes(merchant_id, self.seq, running(self.entry, self.balances or ()))


def running(entry: Entry, balances: Sequence[int]) -> list[tuple[str, str, int]]:
    """The balances after an entry with the accounts that they are of."""
    pairs = zip(entry.postings, balances, strict=True)
    return [(str(posting.account), posting.currency, balance_minor) for posting, balance_minor in pairs]
