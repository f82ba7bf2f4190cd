"""Booking: an entry, its balances, its commitment and the platform's side, in the caller's transaction."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, FromClause, Row, bindparam, exists, func, select, true, update

from merchantry.domain.act import Act
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import SALT_BYTES, Entry, EntryKind, Posting
from merchantry.tables.log import log_queue
from merchantry.tables.merchant import balance, counter, ledger_entry
from merchantry.tables.platform import platform_entry
from tenancy.database import MerchantSession
from tenancy.writes import Added, New, Write, write

OF_ORDER = select(ledger_entry).where(ledger_entry.c.order_id == bindparam("order")).order_by(ledger_entry.c.seq)


@dataclass(frozen=True, slots=True)
class Held:
    """The merchant's ledger, nobody else's until the transaction ends: the number of the next entry, and what stands on
    each account in each currency."""

    seq: int
    balances: Mapping[tuple[str, str], int]


def holding(after: CTE | None = None) -> tuple[FromClause, list[ColumnElement[Any]]]:
    """What holds the ledger inside a statement, and the columns that :func:`held` reads; ``after`` is locked before.

    The counter's row orders the merchant's writers until they commit, so that numbers have no gaps and balances can't
    deadlock. Balances are read by locking them: whoever waited for the counter sees what was written meanwhile.
    """
    counting = update(counter).where(counter.c.name == "entry").values(value=counter.c.value + 1)
    if after is not None:
        counting = counting.where(exists(select(after)))
    numbered = counting.returning(counter.c.value).cte("numbered")
    columns = balance.c.account, balance.c.currency, balance.c.amount_minor
    standing = select(*columns).select_from(numbered.join(balance, true())).with_for_update(of=balance).cte("standing")
    balances = select(func.jsonb_agg(func.jsonb_build_array(*standing.c))).scalar_subquery()
    return numbered, [numbered.c.value.label("seq"), balances.label("balances")]


def held(seq: int, balances: Sequence[tuple[str, str, int]] | None) -> Held:
    """The ledger from the columns of :func:`holding`."""
    return Held(seq, {(account, currency): amount for account, currency, amount in balances or ()})


_numbered, _columns = holding()
HOLD = select(*_columns).select_from(_numbered)

ENTRY = "entry"
"""The kind of leaf that an entry has in the public log."""


async def hold(session: MerchantSession) -> Held:
    """The ledger as it is now, locked before its next entry is booked."""
    row = (await session.execute(HOLD)).one()
    return held(row.seq, row.balances)


async def book(session: MerchantSession, entry: Entry, act: Act, platform: Sequence[Posting] = ()) -> int:
    """Append the entry and everything that must be true with it; returns its ``seq``.

    ``platform`` are the postings of the platform's own subledger that belong to the entry.
    """
    books = await hold(session)
    await write(session, *await booking(session, books, entry, act, platform))
    return books.seq


async def booking(
    session: MerchantSession, books: Held, entry: Entry, act: Act, platform: Sequence[Posting] = ()
) -> list[Write]:
    """What :func:`book` writes, once the ledger is held, to be written together with something else.

    All of it is to be written before another entry is booked. Reads once more where an account has no balance yet.
    """
    sums = _sums(entry.postings)
    stands = books.balances
    if sums.keys() - stands.keys():  # none that was there as the statement began: somebody may have made one meanwhile
        stands = {(each.account, each.currency): each.amount_minor for each in await balances(session)}
    keys = [(str(posting.account), posting.currency) for posting in entry.postings]
    after = tuple(stands.get(key, 0) + sums[key] for key in keys)
    salt, balance_salt = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(SALT_BYTES)
    made = BookedEntry(books.seq, entry, act.booked_at, salt, after, balance_salt)
    row = {
        "seq": made.seq,
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
    return [
        New(ledger_entry, row),
        New(log_queue, _queued(session.merchant_id, made)),
        *(
            Added(balance, {"account": account, "currency": currency}, {"amount_minor": amount})
            for (account, currency), amount in sums.items()
        ),
        *([New(platform_entry, _beside(session.merchant_id, made, platform))] if platform else []),
    ]


def _beside(merchant_id: UUID, made: BookedEntry, platform: Sequence[Posting]) -> dict[str, Any]:
    """The platform's side of an entry."""
    return {
        "merchant_id": merchant_id,
        "seq": made.seq,
        "kind": made.entry.kind,
        "occurred_at": made.entry.occurred_at,
        "booked_at": made.booked_at,
        **_arrays(platform),
    }


def _sums(postings: Sequence[Posting]) -> dict[tuple[str, str], int]:
    """What is added to each account in each currency."""
    sums: dict[tuple[str, str], int] = {}
    for posting in postings:
        key = (str(posting.account), posting.currency)
        sums[key] = sums.get(key, 0) + posting.amount_minor
    return sums


def _arrays(postings: Sequence[Posting]) -> dict[str, list[Any]]:
    return {
        "account": [str(posting.account) for posting in postings],
        "currency": [posting.currency for posting in postings],
        "amount": [posting.amount_minor for posting in postings],
    }


def _queued(merchant_id: UUID, made: BookedEntry) -> dict[str, Any]:
    leaf = made.leaf(merchant_id)
    return {"merchant_id": merchant_id, "kind": ENTRY, "seq": made.seq, "leaf": leaf, "booked_at": made.booked_at}


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
