"""Verifying the books: what is kept beside the ledger is recounted from the rows it follows from.

Each merchant is read in one snapshot, the ledger in pages, so that a long one needs no more memory than a short one.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, func, or_, select

from merchantry.services import settled_books
from merchantry.services.books import AVAILABLE_FIGURES, Books, Broken, Law, SplitPart
from merchantry.services.mall import mall_zone
from merchantry.services.schedule import schedules_of
from merchantry.services.totals import FIGURES
from merchantry.tables.merchant import (
    balance,
    counter,
    daily_available,
    daily_total,
    ledger_entry,
    order_line,
    orders,
    split_line,
)
from merchantry.tables.platform import log_queue, platform_entry
from tenancy.database import Database, MerchantSession, Transaction
from tenancy.tables import merchant

ACTOR = "system:verify"
PAGE = 1_000
"""Entries that are read at once."""

MOST_ORDERS = 100
"""Orders that are named where many break the same law."""


@dataclass(frozen=True, slots=True)
class Verified:
    """One merchant's books after they were recounted; ``broken`` is empty where they are right."""

    merchant: str
    entries: int
    broken: tuple[Broken, ...]


async def merchants_to_verify(database: Database) -> list[tuple[UUID, str]]:
    """Every merchant, whatever its status, by slug."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        rows = await session.execute(select(merchant.c.id, merchant.c.slug).order_by(merchant.c.slug))
        return [(row.id, row.slug) for row in rows]


async def verify_books(database: Database, merchants: Sequence[tuple[UUID, str]]) -> AsyncIterator[Verified]:
    """Recount the books of these merchants (ids and slugs), one after the other."""
    for merchant_id, slug in merchants:
        async with database.read(ACTOR) as tx:
            books = await _books(tx, merchant_id)
            await _walk(tx, books)
            async with tx.as_merchant(merchant_id) as session:
                await _compare(session, books)
                await settled_books.check(session, books)
        yield Verified(slug, books.entries_read, tuple(books.broken))


async def _books(tx: Transaction, merchant_id: UUID) -> Books:
    async with tx.as_platform() as session:
        schedules = await schedules_of(session, [merchant_id])
        zone = await mall_zone(session)
    return Books(merchant_id, zone, schedules[merchant_id])


async def _walk(tx: Transaction, books: Books) -> None:
    """Show the books every entry, with its commitment and the platform's side."""
    last = 0
    while True:
        async with tx.as_merchant(books.merchant_id) as session:
            page = select(ledger_entry).where(ledger_entry.c.seq > last).order_by(ledger_entry.c.seq).limit(PAGE)
            rows = (await session.execute(page)).all()
            parts = await _parts(session, [row.order_id for row in rows if row.order_id])
        end = rows[-1].seq if rows else None
        beside = await _beside(tx, books.merchant_id, last, end)
        for row in rows:
            books.add(row, parts.get(row.order_id, []), *(found.pop(row.seq, None) for found in beside))
        for found, law in zip(beside, (Law.ENTRY_COMMITTED, Law.PLATFORM_SIDE), strict=True):
            for seq in sorted(found):
                books.report(law, f"entry {seq}", expected="nothing", found="a row without an entry")
        if end is None:
            return
        last = end


async def _parts(session: MerchantSession, order_ids: Sequence[UUID]) -> dict[UUID, list[SplitPart]]:
    """The split lines of some orders, with what they are split from."""
    statement = (
        select(
            split_line.c.order_id,
            order_line.c.category,
            order_line.c.goods_minor,
            order_line.c.shipping_minor,
            split_line.c.commission_minor,
            split_line.c.merchant_minor,
        )
        .join(order_line, order_line.c.id == split_line.c.order_line_id)
        .where(split_line.c.order_id == func.any(list(order_ids)))
    )
    found: dict[UUID, list[SplitPart]] = {}
    for row in await session.execute(statement):
        order_id, *part = tuple(row)
        found.setdefault(order_id, []).append(SplitPart(*part))
    return found


async def _beside(
    tx: Transaction, merchant_id: UUID, after: int, end: int | None
) -> tuple[dict[int, Row[Any]], dict[int, Row[Any]]]:
    """Commitments and platform entries of the merchant behind ``after``, up to ``end`` where there is one."""
    found: list[dict[int, Row[Any]]] = []
    async with tx.as_platform() as session:
        for table in (log_queue, platform_entry):
            statement = select(table).where(table.c.merchant_id == merchant_id, table.c.seq > after)
            if end is not None:
                statement = statement.where(table.c.seq <= end)
            found.append({row.seq: row for row in await session.execute(statement)})
    return found[0], found[1]


async def _compare(session: MerchantSession, books: Books) -> None:
    """What is kept, against what was counted."""
    given: int | None = await session.scalar(select(counter.c.value).where(counter.c.name == "entry"))
    books.check_sequence(given)
    kept = [(row[:2], row[2:]) for row in await _rows(session, balance)]
    books.check(Law.BALANCE, "balance", ["amount_minor"], dict(kept), books.balances)
    kept = [(row[:3], row[3 : 3 + len(FIGURES)]) for row in await _rows(session, daily_total)]
    books.check(Law.DAILY_TOTAL, "daily_total", FIGURES, dict(kept), books.daily_totals)
    kept = [(row[:4], row[4:]) for row in await _rows(session, daily_available)]
    books.check(Law.DAILY_AVAILABLE, "daily_available", AVAILABLE_FIGURES, dict(kept), books.daily_available)
    for row in await session.execute(_MISSPLIT):
        expected = f"commission {row.split_commission} of {row.split_gross}"
        found = f"commission {row.commission_minor} of {row.gross}"
        books.report(Law.ORDER_COMMISSION, f"order {row.number}", expected=expected, found=found)


async def _rows(session: MerchantSession, table: Table) -> list[tuple[Any, ...]]:
    """All rows of a small table, as tuples in the order of its columns: the key first, then the figures."""
    return [tuple(row) for row in await session.execute(select(table))]


_split = (
    select(
        split_line.c.order_id,
        func.sum(split_line.c.commission_minor).label("split_commission"),
        func.sum(split_line.c.commission_minor + split_line.c.merchant_minor).label("split_gross"),
    )
    .group_by(split_line.c.order_id)
    .subquery()
)
_gross = orders.c.goods_minor + orders.c.shipping_minor
_MISSPLIT = (
    select(orders.c.number, orders.c.commission_minor, _gross.label("gross"), *_split.c)
    .outerjoin(_split, _split.c.order_id == orders.c.id)
    .where(
        or_(orders.c.capture_seq.is_not(None), _split.c.order_id.is_not(None)),
        or_(
            orders.c.commission_minor.is_distinct_from(_split.c.split_commission),
            _gross.is_distinct_from(_split.c.split_gross),
        ),
    )
    .order_by(orders.c.number)
    .limit(MOST_ORDERS)
)
