"""Verifying the books: what is kept beside the ledger is recounted from the rows it follows from.

Each merchant is read in one snapshot, the ledger in pages, so that a long one needs no more memory than a short one.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Row, Select, Table, cast, func, or_, select

from merchantry.domain.entries import Collector
from merchantry.domain.seller import SellerOfRecord
from merchantry.services import commission, invoiced_books, refunded_books, settled_books
from merchantry.services.books import AVAILABLE_FIGURES, Books, Broken, Law, SplitPart
from merchantry.services.lost_books import ACCEPTED, lost_of
from merchantry.services.mall import mall_zone
from merchantry.services.schedule import schedules_of
from merchantry.services.split import FROZEN, PARTIES, frozen_split
from merchantry.services.totals import FIGURES
from merchantry.services.volume import KEY
from merchantry.tables.log import log_leaf, log_queue
from merchantry.tables.merchant import (
    balance,
    counter,
    daily_available,
    daily_total,
    ledger_entry,
    order_line,
    orders,
    split_line,
    volume,
)
from merchantry.tables.platform import platform_entry
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


async def verify_books(
    database: Database, merchants: Sequence[tuple[UUID, str]], *, accepted: Collection[str] = ACCEPTED
) -> AsyncIterator[Verified]:
    """Recount the books of these merchants (ids and slugs), one after the other.

    ``accepted`` are the statuses of what a restore lacks that break no law.
    """
    for merchant_id, slug in merchants:
        async with database.read(ACTOR) as tx:
            books = await _books(tx, merchant_id, accepted)
            await _walk(tx, books)
            async with tx.as_merchant(merchant_id) as session:
                await _compare(session, books)
                await settled_books.check(session, books)
                await invoiced_books.check(session, books)
                await refunded_books.check(session, books)
            async with tx.as_platform() as platform:
                await refunded_books.check_payments(platform, merchant_id, books)
        yield Verified(slug, books.entries_read, tuple(books.broken))


async def recounted(
    database: Database, merchant_id: UUID, accepted: Collection[str] = ACCEPTED, further: Sequence[Any] = ()
) -> Books:
    """What a merchant's entries add up to, whatever is kept beside them; ``further``, with the same columns, as if they
    stood behind the last one."""
    async with database.read(ACTOR) as tx:
        books = await _books(tx, merchant_id, accepted)
        await _walk(tx, books, further)
    return books


async def _books(tx: Transaction, merchant_id: UUID, accepted: Collection[str]) -> Books:
    async with tx.as_platform() as session:
        schedules = await schedules_of(session, [merchant_id])
        zone = await mall_zone(session)
        lost = await lost_of(session, merchant_id, accepted)
    return Books(merchant_id, zone, schedules[merchant_id], lost=lost)


async def _walk(tx: Transaction, books: Books, further: Sequence[Any] = ()) -> None:
    """Show the books every entry, with its commitment and the platform's side."""
    last = 0
    while True:
        async with tx.as_merchant(books.merchant_id) as session:
            page = select(ledger_entry).where(ledger_entry.c.seq > last).order_by(ledger_entry.c.seq).limit(PAGE)
            rows: Sequence[Any] = (await session.execute(page)).all()
            if not rows:
                rows, further = further, ()
            parts = await _parts(session, books, [row.order_id for row in rows if row.order_id])
        await _learn_tiers(tx, books, (part for of_order in parts.values() for part in of_order))
        end = rows[-1].seq if rows else None
        leaves, sides = await _beside(tx, books.merchant_id, last, end)
        for row in rows:
            books.add(row, parts.get(row.order_id, []), leaves.pop(row.seq, None), sides.pop(row.seq, None))
        for seq in sorted(sides.keys() & books.lost.entries):
            books.lost.add_side(sides[seq])
        for left, law in ((leaves, Law.ENTRY_COMMITTED), (sides, Law.PLATFORM_SIDE)):
            for seq in sorted(left.keys() - books.lost.entries):
                books.report(law, f"entry {seq}", expected="nothing", found="a row without an entry")
        if end is None:
            return
        last = end


async def _parts(session: MerchantSession, books: Books, order_ids: Sequence[UUID]) -> dict[UUID, list[SplitPart]]:
    """The split lines of some orders, in the order of theirs, with what they are split from."""
    statement = (
        FROZEN.add_columns(orders.c.collected_by, orders.c.seller_of_record)
        .join(orders, orders.c.id == split_line.c.order_id)
        .where(split_line.c.order_id == func.any(list(order_ids)))
        .order_by(order_line.c.position)
    )
    found: dict[UUID, list[SplitPart]] = {}
    for row in await session.execute(statement):
        try:
            frozen = frozen_split(row)
        except (ValueError, KeyError, TypeError) as error:
            books.report_once(Law.SPLIT_LINE, f"split line {row.order_line_id}", expected="a computation", found=error)
            continue
        part = SplitPart(
            id=row.order_line_id,
            category=row.category,
            collected_by=Collector(row.collected_by),
            seller=SellerOfRecord(row.seller_of_record),
            plan=(row.plan, row.plan_version),
            split=frozen,
            parts=tuple(getattr(row, name) for name in PARTIES),
        )
        found.setdefault(row.order_id, []).append(part)
    return found


async def _learn_tiers(tx: Transaction, books: Books, parts: Iterable[SplitPart]) -> None:
    """Tell the books the tiers of the plan versions that these lines were rated by."""
    rated = {part.plan for part in parts if part.split.commission.tier_mode is not None}
    unknown = sorted(rated - books.volumes.tiers.keys())
    if unknown:
        async with tx.as_platform() as session:
            for version in await commission.versions_of(session, unknown):
                tiers = {rule.name: rule.terms.tiers for rule in version.plan.rules if rule.terms.tiers is not None}
                books.volumes.tiers[version.name, version.version] = tiers


async def _beside(
    tx: Transaction, merchant_id: UUID, after: int, end: int | None
) -> tuple[dict[int, bytes], dict[int, Row[Any]]]:
    """Leaves and platform entries of the merchant behind ``after``, up to ``end`` where there is one."""

    def of(table: Table, *columns: Column[Any]) -> Select[Any]:
        statement = select(*columns).where(table.c.merchant_id == merchant_id, table.c.seq > after)
        return statement if end is None else statement.where(table.c.seq <= end)

    leaves: dict[int, bytes] = {}
    async with tx.as_platform() as session:
        for table in (log_leaf, log_queue):
            rows = await session.execute(of(table, table.c.seq, table.c.leaf))
            leaves |= {row.seq: bytes(row.leaf) for row in rows}
        sides = {row.seq: row for row in await session.execute(of(platform_entry, *platform_entry.c))}
    return leaves, sides


async def _compare(session: MerchantSession, books: Books) -> None:
    """What is kept, against what was counted."""
    given: int | None = await session.scalar(select(counter.c.value).where(counter.c.name == "entry"))
    books.check_sequence(given)
    books.check_adjusted()
    kept = [(row[:2], row[2:]) for row in await _rows(session, balance)]
    books.check(Law.BALANCE, "balance", ["amount_minor"], dict(kept), books.balances)
    kept = [(row[:3], row[3 : 3 + len(FIGURES)]) for row in await _rows(session, daily_total)]
    books.check(Law.DAILY_TOTAL, "daily_total", FIGURES, dict(kept), books.daily_totals)
    kept = [(row[:4], row[4:]) for row in await _rows(session, daily_available)]
    books.check(Law.DAILY_AVAILABLE, "daily_available", AVAILABLE_FIGURES, dict(kept), books.daily_available)
    kept = [(row[: len(KEY)], row[len(KEY) :]) for row in await _rows(session, volume)]
    books.check_volumes(dict(kept))
    for row in await session.execute(_MISSPLIT):
        expected = f"commission {row.split_commission} of {row.split_gross}"
        found = f"commission {row.commission_minor} of {row.gross}"
        books.report(Law.ORDER_COMMISSION, f"order {row.number}", expected=expected, found=found)


async def _rows(session: MerchantSession, table: Table) -> list[tuple[Any, ...]]:
    """All rows of a small table, as tuples in the order of its columns: the key first, then the figures."""
    return [tuple(row) for row in await session.execute(select(table))]


_charged = func.coalesce(
    cast(func.jsonb_extract_path_text(split_line.c.explanation, "commission", "commission_minor"), BigInteger),
    split_line.c.commission_minor,
)
_parties = reduce(add, (split_line.c[name] for name in PARTIES))
_split = (
    select(
        split_line.c.order_id,
        func.sum(_charged).label("split_commission"),
        func.sum(_parties).label("split_gross"),
    )
    .group_by(split_line.c.order_id)
    .subquery()
)
_gross = orders.c.goods_minor + orders.c.shipping_minor + orders.c.added_tax_minor - orders.c.discount_merchant_minor
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
