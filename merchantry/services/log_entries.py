"""Verifying one merchant's entries against the public log: each has its one leaf, made of it as it is stored.

One snapshot for each merchant, its ledger in pages.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, or_, select
from sqlalchemy.exc import DBAPIError

from merchantry.services import ledger
from merchantry.services.books import UNREADABLE, Law
from merchantry.services.ledger import ENTRY
from merchantry.services.log_laws import Findings, LogLaw, subject
from merchantry.services.lost_books import ACCEPTED, lost_of
from merchantry.services.verification import Verified
from merchantry.tables.log import log_leaf, log_queue
from merchantry.tables.merchant import counter, ledger_entry
from tenancy.database import Database, MerchantSession, PlatformSession, Transaction, sqlstate

ACTOR = "system:verify"
PAGE = 2_000
"""Entries that are read at once."""


@dataclass
class _Entries:
    """How far the look at one merchant has come."""

    merchant_id: UUID
    last_seq: int
    lost: frozenset[int]
    found: Findings = field(default_factory=Findings)
    read: int = 0
    last_place: tuple[int, int] = (0, -1)
    """Where the last leaf was: in the log (0) or the queue (1), and where there."""


async def verify_entries(
    database: Database,
    merchants: Collection[tuple[UUID, str]],
    *,
    after: Mapping[UUID, int] | None = None,
    accepted: Collection[str] = ACCEPTED,
) -> AsyncIterator[Verified]:
    """Hold the entries of these merchants (ids and slugs) against the log, one merchant after the other.

    ``after`` are entries, by merchant, up to which they were found right before. ``accepted`` are the statuses of what
    a restore lacks that break no law.
    """
    for merchant_id, slug in merchants:
        async with database.read(ACTOR) as tx:
            walk = await _walked(tx, merchant_id, (after or {}).get(merchant_id, 0), accepted)
        yield Verified(slug, walk.read, walk.found.all())


async def _walked(tx: Transaction, merchant_id: UUID, after: int, accepted: Collection[str]) -> _Entries:
    async with tx.as_platform() as platform:
        lost = await lost_of(platform, merchant_id, accepted)
    walk = _Entries(merchant_id, after, lost.entries)
    while True:
        async with tx.as_merchant(merchant_id) as session:
            rows = await _page(session, walk)
        begin, end = walk.last_seq, rows[-1].seq if rows else None
        async with tx.as_platform() as platform:
            leaves = await _leaves(platform, merchant_id, begin, end)
        for row in rows:
            _check_sequence(walk, row.seq)
            _check_entry(walk, row, leaves.pop(row.seq, []))
        for seq in sorted(leaves.keys() - walk.lost):
            walk.found.report(LogLaw.ENTRY_LOGGED, f"entry {seq}", expected="an entry", found="only its leaf")
        if end is None:
            break
        walk.last_seq = end
    await _check_rest(tx, walk, counted_from=after)
    return walk


async def _page(session: MerchantSession, walk: _Entries) -> Sequence[Row[Any]]:
    """The next entries. One that can't even be read, such as with a moment after the year 9999, does not hide others:
    of such a page only the numbers are read, and then each entry by itself."""
    table = ledger_entry.c
    page = select(ledger_entry).where(table.seq > walk.last_seq).order_by(table.seq).limit(PAGE)
    try:
        return (await session.execute(page)).all()
    except DBAPIError as error:
        if sqlstate(error) is not None:
            raise  # the server's own, not one of what it sent
    rows: list[Row[Any]] = []
    numbers = await session.execute(select(table.seq).where(table.seq > walk.last_seq).order_by(table.seq).limit(PAGE))
    for seq in sorted(set(numbers.scalars())):
        try:
            rows += (await session.execute(select(ledger_entry).where(table.seq == seq))).all()
        except DBAPIError as error:
            walk.found.report(LogLaw.ENTRY_LEAF, f"entry {seq}", expected="an entry", found=error.orig)
    return rows


async def _leaves(
    session: PlatformSession, merchant_id: UUID, after: int, end: int | None
) -> dict[int, list[tuple[tuple[int, int], Row[Any]]]]:
    """Leaves of entries behind ``after``, up to ``end`` where there is one, with where each of them is."""
    found: dict[int, list[tuple[tuple[int, int], Row[Any]]]] = {}
    for kind, table, place in ((0, log_leaf, log_leaf.c.leaf_index), (1, log_queue, log_queue.c.position)):
        own = [table.c.merchant_id == merchant_id, table.c.seq > after]
        if end is not None:
            own.append(table.c.seq <= end)
        for row in await session.execute(select(table, place.label("place")).where(*own).order_by(place)):
            found.setdefault(row.seq, []).append(((kind, -1 if row.place is None else row.place), row))
    return found


def _check_sequence(walk: _Entries, seq: int) -> None:
    expected = walk.last_seq + 1
    while expected in walk.lost:
        expected += 1
    if seq != expected:
        missing = f"entry {expected}" if seq - expected < 2 else f"entries {expected} to {seq - 1}"
        walk.found.report(Law.ENTRY_SEQUENCE, f"entry {seq}", expected=missing, found=f"entry {seq}")
    walk.last_seq = seq
    walk.read += 1


def _check_entry(walk: _Entries, row: Row[Any], leaves: list[tuple[tuple[int, int], Row[Any]]]) -> None:
    name = f"entry {row.seq}"
    if len(leaves) != 1:
        walk.found.report(LogLaw.ENTRY_LOGGED, name, expected="one leaf", found=f"{len(leaves)} leaves")
        return
    [(place, leaf)] = leaves
    if place <= walk.last_place:
        walk.found.report(LogLaw.ENTRY_LOGGED, name, expected="a leaf after those before it", found=f"leaf {place[1]}")
    walk.last_place = place
    if leaf.kind != ENTRY or leaf.event_id is not None:
        found = subject(leaf.kind, leaf.seq, leaf.event_id)
        walk.found.report(LogLaw.ENTRY_LOGGED, name, expected="a leaf of an entry", found=found)
    if place[0] == 1 and leaf.booked_at != row.booked_at:
        walk.found.report(LogLaw.ENTRY_LOGGED, name, expected=row.booked_at, found=leaf.booked_at)
    try:
        expected = ledger.booked(row).leaf(walk.merchant_id).hex()
    except UNREADABLE as error:
        walk.found.report(LogLaw.ENTRY_LEAF, name, expected=bytes(leaf.leaf or b"").hex(), found=error)
        return
    if expected != (found := bytes(leaf.leaf or b"").hex()):
        walk.found.report(LogLaw.ENTRY_LEAF, name, expected=expected, found=found)


async def _check_rest(tx: Transaction, walk: _Entries, *, counted_from: int) -> None:
    """What a walk by numbers does not meet: rows without one, rows that are there twice, entries cut off at the end."""
    table = ledger_entry.c
    async with tx.as_merchant(walk.merchant_id) as session:
        given: int | None = await session.scalar(select(counter.c.value).where(counter.c.name == "entry"))
        is_new = or_(table.seq.is_(None), table.seq > counted_from, table.seq < 1)
        stored: int = await session.scalar(select(func.count()).select_from(ledger_entry).where(is_new)) or 0
        if stored != walk.read:
            strays = (
                select(table.seq, func.count().label("rows"))
                .group_by(table.seq)
                .having(or_(func.count() > 1, table.seq.is_(None), table.seq < 1))
            )
            for row in await session.execute(strays.limit(100)):
                walk.found.report(
                    Law.ENTRY_SEQUENCE, f"entry {row.seq}", expected="one entry", found=f"{row.rows} rows"
                )
    _check_counter(walk, given)
    async with tx.as_platform() as platform:
        for leaf_table in (log_leaf, log_queue):
            of = leaf_table.c
            stray: ColumnElement[bool] = or_(of.seq < 1, of.seq.is_(None) & of.event_id.is_(None))
            strays = select(of.kind, of.seq, of.event_id).where(of.merchant_id == walk.merchant_id, stray)
            for row in await platform.execute(strays.limit(100)):
                name = subject(row.kind, row.seq, row.event_id)
                walk.found.report(LogLaw.ENTRY_LOGGED, name, expected="a leaf of an entry", found="a leaf of none")


def _check_counter(walk: _Entries, given: int | None) -> None:
    last = walk.last_seq
    while last + 1 in walk.lost:
        last += 1
    if given is None or given != last:
        row = f"entry {last + 1}" if given is not None and given > last else "counter entry"
        walk.found.report(Law.ENTRY_SEQUENCE, row, expected=f"the last entry is {given}", found=f"it is {last}")
