"""Payouts as people look through them: pages, single ones, their transfers, accounts and entries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Select, Uuid, bindparam, func, select, tuple_, union_all

from merchantry.domain.errors import NotFound
from merchantry.domain.ledger import EntryKind
from merchantry.domain.payout import PayoutStatus
from merchantry.services.payout import COLUMNS, TRANSFER_COLUMNS, Payout, Transfer, from_row, transfer_from
from merchantry.tables.merchant import ledger_entry
from merchantry.tables.merchant_settlement import payee_account, statement, statement_line
from merchantry.tables.payout import payout, payout_instruction
from tenancy.database import MerchantSession, PlatformSession

AnySession = MerchantSession | PlatformSession
Path = tuple[str | int, ...]

BEYOND = 2**63 - 1
"""A ``seq`` that no entry has."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where a payout goes, as far as it may be seen."""

    id: UUID
    kind: str
    shown: str
    status: str


@dataclass(frozen=True, slots=True)
class PayoutEntry:
    """An entry that a payout booked; with the statement that claims it, where one does."""

    seq: int
    kind: str
    occurred_at: datetime
    booked_at: datetime
    reverses: int | None
    statement_id: UUID | None
    statement_number: str | None


@dataclass(frozen=True, slots=True)
class Whole:
    """A payout with all that belongs to it. ``transfers`` are by position, then attempt; ``entries`` by ``seq``."""

    payout: Payout
    statement_number: str
    account: Account
    transfers: tuple[Transfer, ...]
    entries: tuple[PayoutEntry, ...]


_table, _transfer = payout.c, payout_instruction.c
TRANSFERS = (
    select(*TRANSFER_COLUMNS)
    .where(
        _transfer.merchant_id == func.any(bindparam("merchants", type_=ARRAY(Uuid))),
        _transfer.payout_id == func.any(bindparam("payouts", type_=ARRAY(Uuid))),
    )
    .order_by(_transfer.payout_id, _transfer.position, _transfer.attempt)
)
ACCOUNTS = select(payee_account.c.id, payee_account.c.kind, payee_account.c.shown, payee_account.c.status).where(
    payee_account.c.id == func.any(bindparam("accounts", type_=ARRAY(Uuid)))
)
NUMBERS = select(statement.c.id, statement.c.number).where(
    statement.c.id == func.any(bindparam("statements", type_=ARRAY(Uuid)))
)

_entry = ledger_entry.c
_SEQS = bindparam("seqs", type_=ARRAY(BigInteger))
_OF_PAYOUTS = union_all(
    select(_entry.seq).where(_entry.seq == func.any(_SEQS)),
    select(_entry.reverses).where(_entry.seq == func.any(_SEQS), _entry.reverses.is_not(None)),
    # What was cancelled is pointed to by the entry that did it, and that pointer has no index.
    select(_entry.seq).where(
        _entry.seq > bindparam("cancelled_after", type_=BigInteger),
        _entry.kind == EntryKind.PAYOUT_CANCELLED,
        _entry.reverses == func.any(_SEQS),
    ),
).subquery()
ENTRIES = (
    select(
        _entry.seq,
        _entry.kind,
        _entry.occurred_at,
        _entry.booked_at,
        _entry.reverses,
        statement.c.id.label("statement_id"),
        statement.c.number.label("statement_number"),
    )
    .outerjoin(statement_line, statement_line.c.entry_seq == _entry.seq)
    .outerjoin(statement, statement.c.id == statement_line.c.statement_id)
    .where(_entry.seq.in_(select(_OF_PAYOUTS.c.seq)))
    .order_by(_entry.seq)
)


async def page(
    session: AnySession,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    statuses: Collection[PayoutStatus] | None = None,
    merchant_id: UUID | None = None,
) -> list[Payout]:
    """The latest planned first; a merchant's session sees its own."""
    found = _visible(session).order_by(_table.planned_at.desc(), _table.id.desc()).limit(limit)
    if statuses is not None:
        found = found.where(_table.status.in_([each.value for each in statuses]))
    if merchant_id is not None:
        found = found.where(_table.merchant_id == merchant_id)
    if after is not None:
        found = found.where(tuple_(_table.planned_at, _table.id) < tuple_(*after))
    return [from_row(row) for row in await session.execute(found)]


async def by_ids(session: MerchantSession, payout_ids: Collection[UUID]) -> list[Payout]:
    """These payouts of the merchant."""
    return [from_row(row) for row in await session.execute(_visible(session).where(_table.id.in_(list(payout_ids))))]


async def by_number(session: MerchantSession, number: str) -> Payout | None:
    """The merchant's payout of this number."""
    row = (await session.execute(_visible(session).where(_table.number == number))).one_or_none()
    return from_row(row) if row else None


async def of_statements(session: MerchantSession, statement_ids: Collection[UUID]) -> list[Payout]:
    """The payouts planned for these statements, the earliest first: those that were cancelled, too."""
    found = _visible(session).where(_table.statement_id == func.any(list(statement_ids)))
    return [from_row(row) for row in await session.execute(found.order_by(_table.planned_at, _table.number))]


async def transfers_of(session: AnySession, payouts: Sequence[Payout]) -> dict[UUID, tuple[Transfer, ...]]:
    """The transfers of several payouts, of whatever merchants the session sees."""
    given = {"merchants": list({each.merchant_id for each in payouts}), "payouts": [each.id for each in payouts]}
    found: dict[UUID, list[Transfer]] = {}
    for row in await session.execute(TRANSFERS, given):
        found.setdefault(row.payout_id, []).append(transfer_from(row))
    return {payout_id: tuple(transfers) for payout_id, transfers in found.items()}


async def whole(session: MerchantSession, payouts: Sequence[Payout]) -> list[Whole]:
    """The merchant's payouts with all that belongs to them: four statements, however many they are."""
    transfers = await transfers_of(session, payouts)
    accounts = {
        row.id: Account(row.id, row.kind, row.shown, row.status)
        for row in await session.execute(ACCOUNTS, {"accounts": [each.payee_account_id for each in payouts]})
    }
    rows = await session.execute(NUMBERS, {"statements": [each.statement_id for each in payouts]})
    numbers = {row.id: row.number for row in rows}
    entries = await _entries_of(session, payouts, transfers)
    return [
        Whole(
            each,
            numbers[each.statement_id],
            accounts[each.payee_account_id],
            transfers.get(each.id, ()),
            _own(each, transfers.get(each.id, ()), entries),
        )
        for each in payouts
    ]


async def _entries_of(
    session: MerchantSession, payouts: Sequence[Payout], transfers: Mapping[UUID, Sequence[Transfer]]
) -> list[PayoutEntry]:
    booked = [each.entry_seq for several in transfers.values() for each in several]
    cancelled = [each.entry_seq for each in payouts if each.status is PayoutStatus.CANCELLED]
    given = {
        "seqs": [*(each.entry_seq for each in payouts), *(seq for seq in booked if seq is not None)],
        "cancelled_after": min(cancelled, default=BEYOND),
    }
    return [PayoutEntry(**row._asdict()) for row in await session.execute(ENTRIES, given)]


def _own(found: Payout, transfers: Sequence[Transfer], entries: Sequence[PayoutEntry]) -> tuple[PayoutEntry, ...]:
    """A payout's own among the entries of several: what planned or cancelled it, what paid or returned a transfer."""
    booked = {each.entry_seq for each in transfers if each.entry_seq is not None}
    behind = {each.reverses for each in entries if each.seq in booked and each.reverses is not None}
    return tuple(
        each
        for each in entries
        if each.seq == found.entry_seq or each.reverses == found.entry_seq or each.seq in booked | behind
    )


async def require(session: PlatformSession, merchant_id: UUID, payout_id: UUID, path: Path) -> UUID:
    """The payout's id, where there is such a payout: before its merchant's schema is entered. Raises NotFound."""
    query = select(_table.id).where(_table.merchant_id == merchant_id, _table.id == payout_id)
    return await _required(session, query, "payout", path)


async def payout_of(session: PlatformSession, merchant_id: UUID, key: UUID, path: Path) -> UUID:
    """The payout that a transfer belongs to. Raises NotFound."""
    query = select(_transfer.payout_id).where(_transfer.merchant_id == merchant_id, _transfer.key == key)
    return await _required(session, query, "payout transfer", path)


async def _required(session: PlatformSession, query: Select[tuple[UUID]], what: str, path: Path) -> UUID:
    found: UUID | None = await session.scalar(query)
    if found is None:
        raise NotFound(what=what, path=path)
    return found


def _visible(session: AnySession) -> Select[Any]:
    found = select(*COLUMNS)
    return found.where(_table.merchant_id == session.merchant_id) if isinstance(session, MerchantSession) else found
