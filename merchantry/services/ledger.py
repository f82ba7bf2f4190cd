"""Booking: an entry, its balances, its commitment and the platform's side, in the caller's transaction."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Row, Text, bindparam, column, func, select, true, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import SALT_BYTES, Entry, EntryKind, Posting
from merchantry.tables.log import log_queue
from merchantry.tables.merchant import balance, counter, ledger_entry
from merchantry.tables.platform import platform_entry
from tenancy.database import MerchantSession
from tenancy.writes import New, write

OF_ORDER = select(ledger_entry).where(ledger_entry.c.order_id == bindparam("order")).order_by(ledger_entry.c.seq)

_numbered = (
    update(counter).where(counter.c.name == "entry").values(value=counter.c.value + 1).returning(counter.c.value)
).cte("numbered")
_sums = (
    func.unnest(
        bindparam("accounts", type_=ARRAY(Text)),
        bindparam("currencies", type_=ARRAY(Text)),
        bindparam("amounts", type_=ARRAY(BigInteger)),
    )
    .table_valued(column("account", Text), column("currency", Text), column("amount_minor", BigInteger), name="sums")
    .render_derived()
)
_insert = insert(balance).from_select(
    ["account", "currency", "amount_minor"],
    select(*_sums.c).select_from(_numbered.join(_sums, true())),  # joined, so that the counter's row is locked first
)
_added = (
    _insert.on_conflict_do_update(
        index_elements=[balance.c.account, balance.c.currency],
        set_={"amount_minor": balance.c.amount_minor + _insert.excluded.amount_minor},
    )
    .returning(balance.c.account, balance.c.currency, balance.c.amount_minor)
    .cte("added")
)
NUMBER_AND_ADD = select(_numbered.c.value, *_added.c).select_from(_numbered.join(_added, true()))
"""The next ``seq``, and each account's balance after the entry's sums were added."""

ENTRY = "entry"
"""The kind of leaf that an entry has in the public log."""


async def book(session: MerchantSession, entry: Entry, act: Act, platform: Sequence[Posting] = ()) -> int:
    """Append the entry and everything that must be true with it; returns its ``seq``.

    The counter's row orders the merchant's writers until they commit, so that ``seq`` has no gaps and balances can't
    deadlock. ``platform`` are the postings of the platform's own subledger that belong to the entry.
    """
    seq, after = await _number_and_add(session, entry.postings)
    salt, balance_salt = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(SALT_BYTES)
    made = BookedEntry(seq, entry, act.booked_at, salt, after, balance_salt)
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
        "balance_after": list(after),
        "balance_salt": balance_salt,
        **_arrays(entry.postings),
    }
    writes = [New(ledger_entry, row), New(log_queue, _queued(session.merchant_id, made))]
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


def _queued(merchant_id: UUID, made: BookedEntry) -> dict[str, Any]:
    leaf = made.leaf(merchant_id)
    return {"merchant_id": merchant_id, "kind": ENTRY, "seq": made.seq, "leaf": leaf, "booked_at": made.booked_at}


async def _number_and_add(session: MerchantSession, postings: Sequence[Posting]) -> tuple[int, tuple[int, ...]]:
    """The entry's ``seq``, and what stands on each posting's account now."""
    sums: dict[tuple[str, str], int] = {}
    for posting in postings:
        key = (str(posting.account), posting.currency)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    accounts, currencies = zip(*sorted(sums), strict=True)
    given = {"accounts": list(accounts), "currencies": list(currencies), "amounts": [sums[key] for key in sorted(sums)]}
    rows = (await session.execute(NUMBER_AND_ADD, given)).all()
    after = {(row.account, row.currency): row.amount_minor for row in rows}
    return rows[0].value, tuple(after[str(posting.account), posting.currency] for posting in postings)


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
    after = None if row.balance_after is None else tuple(row.balance_after)
    balance_salt = None if row.balance_salt is None else bytes(row.balance_salt)
    return BookedEntry(row.seq, entry, row.booked_at, bytes(row.salt), after, balance_salt)


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
