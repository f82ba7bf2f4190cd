"""Booking: an entry, its balances, its commitment and the platform's side, in the caller's transaction."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update

from merchantry.domain.act import Act
from merchantry.domain.ledger import SALT_BYTES, Entry, EntryKind, Posting, canonical_bytes, commitment
from merchantry.tables.merchant import balance, counter, ledger_entry
from merchantry.tables.platform import log_queue, platform_entry
from merchantry.tables.upsert import adding
from tenancy.database import MerchantSession
from tenancy.writes import New, write

NEXT_SEQ = update(counter).where(counter.c.name == "entry").values(value=counter.c.value + 1).returning(counter.c.value)
OF_ORDER = select(ledger_entry).where(ledger_entry.c.order_id == bindparam("order")).order_by(ledger_entry.c.seq)
ADD_TO_BALANCE = adding(balance, ("account", "currency"), ("amount_minor",))


async def book(session: MerchantSession, entry: Entry, act: Act, platform: Sequence[Posting] = ()) -> int:
    """Append the entry and everything that must be true with it; returns its ``seq``.

    The counter's row orders the merchant's writers until they commit, so that ``seq`` has no gaps and balances can't
    deadlock. ``platform`` are the postings of the platform's own subledger that belong to the entry.
    """
    seq: int = await session.scalar(NEXT_SEQ)
    salt = secrets.token_bytes(SALT_BYTES)
    row = {
        "seq": seq,
        "kind": entry.kind,
        "order_id": entry.order_id,
        "occurred_at": entry.occurred_at,
        "booked_at": act.booked_at,
        "available_at": entry.available_at,
        "reverses": entry.reverses,
        "details": dict(entry.details),
        "salt": salt,
        **_arrays(entry.postings),
    }
    await _add_to_balances(session, entry.postings)
    digest = commitment(salt, canonical_bytes(session.merchant_id, seq, entry, act.booked_at))
    queued = {"merchant_id": session.merchant_id, "seq": seq, "commitment": digest, "booked_at": act.booked_at}
    writes = [New(ledger_entry, row), New(log_queue, queued)]
    if platform:
        beside = {
            "merchant_id": session.merchant_id,
            "seq": seq,
            "kind": entry.kind,
            "occurred_at": entry.occurred_at,
            "booked_at": act.booked_at,
            **_arrays(platform),
        }
        writes.append(New(platform_entry, beside))
    await write(session, *writes)
    return seq


def _arrays(postings: Sequence[Posting]) -> dict[str, list[Any]]:
    return {
        "account": [str(posting.account) for posting in postings],
        "currency": [posting.currency for posting in postings],
        "amount": [posting.amount_minor for posting in postings],
    }


async def _add_to_balances(session: MerchantSession, postings: Sequence[Posting]) -> None:
    sums: dict[tuple[str, str], int] = {}
    for posting in postings:
        key = (str(posting.account), posting.currency)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    rows = [{"account": key[0], "currency": key[1], "amount_minor": sums[key]} for key in sorted(sums)]
    await session.execute(ADD_TO_BALANCE, rows)


@dataclass(frozen=True, slots=True)
class BookedEntry:
    """An entry as it is stored."""

    seq: int
    entry: Entry
    booked_at: datetime
    salt: bytes


async def entry_of(session: MerchantSession, seq: int) -> BookedEntry:
    """The entry with this ``seq``; it must exist."""
    row = (await session.execute(select(ledger_entry).where(ledger_entry.c.seq == seq))).one()
    return booked(row)


async def entries_of(session: MerchantSession, order_id: UUID) -> list[BookedEntry]:
    """Every entry about an order, oldest first."""
    rows = await session.execute(OF_ORDER, {"order": order_id})
    return [booked(row) for row in rows]


def booked(row: Row[Any]) -> BookedEntry:
    """A stored row as an entry; balanced, or it would not be there."""
    postings = tuple(map(Posting, row.account, row.currency, row.amount))
    entry = Entry(
        kind=EntryKind(row.kind),
        order_id=row.order_id,
        occurred_at=row.occurred_at,
        available_at=row.available_at,
        reverses=row.reverses,
        postings=postings,
        details=row.details,
    )
    return BookedEntry(row.seq, entry, row.booked_at, bytes(row.salt))


@dataclass(frozen=True, slots=True)
class Balance:
    """What stands on one account in one currency; a credit is positive."""

    account: str
    currency: str
    amount_minor: int


async def balances(session: MerchantSession) -> list[Balance]:
    """All balances of the merchant."""
    rows = await session.execute(select(balance).order_by(balance.c.currency, balance.c.account))
    return [Balance(row.account, row.currency, row.amount_minor) for row in rows]
