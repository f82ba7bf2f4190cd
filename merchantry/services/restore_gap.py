"""What a restored schema lacks: entries, orders, statements and products that the platform knows of.

The platform's rows are not rolled back with a merchant's schema, so each thing that happened after the backup and left
a trace there is named; stock and texts that were changed leave none.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.sql import Select

from merchantry.domain.restore import GapKind
from merchantry.services.lost_books import OPEN, REPLAYED, WRITTEN_OFF, mirrored_back
from merchantry.tables.backup import restore_gap
from merchantry.tables.dispute import chargeback
from merchantry.tables.log import log_leaf, log_queue
from merchantry.tables.merchant import ledger_entry, orders, product
from merchantry.tables.merchant_settlement import statement
from merchantry.tables.payout import payout, payout_instruction
from merchantry.tables.platform import buyer_order, listing, platform_entry
from merchantry.tables.settlement import commission_invoice
from tenancy.database import MerchantSession, PlatformSession, Transaction

ENTRY, ORDER, STATEMENT, PRODUCT = GapKind
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that the platform knows of. An entry's ``seq`` and ``entry_kind``; an amount where it is known.

    An order that is there, but not as far as the platform knows it to be, is missing too: ``details`` say both.
    """

    kind: str
    subject: str
    seq: int | None = None
    entry_kind: str | None = None
    currency: str | None = None
    amount_minor: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others."""
        return self.kind, self.subject


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing, as it is kept: open, replayed or written off."""

    merchant_id: UUID
    restore_id: UUID
    position: int
    kind: str
    subject: str
    seq: int | None
    entry_kind: str | None
    currency: str | None
    amount_minor: int | None
    details: dict[str, Any]
    status: str
    case_id: UUID | None
    reason: str | None
    found_at: datetime
    ended_at: datetime | None


async def known_to_log(session: PlatformSession, merchant_id: UUID) -> dict[int, bytes]:
    """The leaf of every entry that the public log has, or has been given, by ``seq``."""
    found: dict[int, bytes] = {}
    for table in (log_leaf, log_queue):
        of_merchant = select(table.c.seq, table.c.leaf).where(table.c.merchant_id == merchant_id)
        rows = await session.execute(of_merchant.where(table.c.kind == ENTRY))
        found |= {row.seq: bytes(row.leaf) for row in rows}
    return found


async def find(tx: Transaction, merchant_id: UUID) -> list[Missing]:
    """Everything that the platform knows of and the merchant's schema lacks, in one snapshot; entries by number."""
    async with tx.as_merchant(merchant_id) as session:
        seqs = set((await session.execute(select(ledger_entry.c.seq))).scalars())
        statuses = {row.id: row.status for row in await session.execute(select(orders.c.id, orders.c.status))}
        statements = {str(each) for each in (await session.execute(select(statement.c.id))).scalars()}
        products = set((await session.execute(select(product.c.id))).scalars())
    async with tx.as_platform() as platform:
        accepted = await _written_off(platform, merchant_id)
        found = [
            *await _entries(platform, merchant_id, seqs),
            *await _orders(platform, merchant_id, statuses),
            *await _statements(platform, merchant_id, statements),
            *await _products(platform, merchant_id, products),
        ]
    return [each for each in found if each.key not in accepted]


async def _written_off(session: PlatformSession, merchant_id: UUID) -> set[tuple[str, str]]:
    table = restore_gap.c
    rows = await session.execute(
        select(table.kind, table.subject).where(table.merchant_id == merchant_id, table.status == WRITTEN_OFF)
    )
    return {(row.kind, row.subject) for row in rows}


async def _entries(session: PlatformSession, merchant_id: UUID, seqs: Collection[int]) -> list[Missing]:
    known = await known_to_log(session, merchant_id)
    sides = await _by_seq(session, select(platform_entry).where(platform_entry.c.merchant_id == merchant_id))
    told = await _told_elsewhere(session, merchant_id)
    missing = sorted((known.keys() | sides.keys() | told.keys()) - set(seqs))
    return [_entry(seq, known.get(seq), sides.get(seq), told.get(seq)) for seq in missing]


def _entry(seq: int, leaf: bytes | None, side: Row[Any] | None, told: Missing | None) -> Missing:
    details: dict[str, Any] = {"leaf": leaf.hex() if leaf else None}
    if side is not None:
        sums = mirrored_back(side.account, side.currency, side.amount)
        details["platform"] = [[account, currency, str(amount)] for (account, currency), amount in sums.items()]
        details["booked_at"] = side.booked_at.isoformat()
    if told is not None:
        details |= told.details
    if told is not None:
        return Missing(ENTRY, str(seq), seq, told.entry_kind, told.currency, told.amount_minor, details)
    if side is not None:
        postings = sorted(zip(side.currency, side.amount, strict=True), key=lambda each: -each[1])
        currency, amount = postings[0]
        return Missing(ENTRY, str(seq), seq, side.kind, currency, amount, details)
    return Missing(ENTRY, str(seq), seq, UNKNOWN, details=details)


async def _told_elsewhere(session: PlatformSession, merchant_id: UUID) -> dict[int, Missing]:
    """Entries that rows about payouts and chargebacks point to."""
    found: dict[int, Missing] = {}

    def tell(seq: int | None, kind: str, row: Row[Any], **details: str) -> None:
        if seq is not None:
            found[seq] = Missing(ENTRY, str(seq), seq, kind, row.currency, row.amount_minor, details)

    for row in await session.execute(select(payout).where(payout.c.merchant_id == merchant_id)):
        tell(row.entry_seq, "payout", row, payout=row.number)
    transfer = payout_instruction.c
    asked = select(transfer.entry_seq, transfer.status, transfer.amount_minor, transfer.reference, payout.c.currency)
    joined = asked.join(payout, (payout.c.merchant_id == transfer.merchant_id) & (payout.c.id == transfer.payout_id))
    for row in await session.execute(joined.where(transfer.merchant_id == merchant_id)):
        tell(row.entry_seq, f"payout_{row.status}", row, transfer=row.reference)
    for row in await session.execute(select(chargeback).where(chargeback.c.merchant_id == merchant_id)):
        tell(row.hold_seq, "hold", row, chargeback=row.provider_reference)
        tell(row.entry_seq, "chargeback", row, chargeback=row.provider_reference)
    return found


async def _orders(session: PlatformSession, merchant_id: UUID, statuses: Mapping[UUID, str]) -> list[Missing]:
    table = buyer_order.c
    statement = select(buyer_order).where(table.merchant_id == merchant_id).order_by(table.placed_at, table.order_id)
    return [
        Missing(
            ORDER,
            str(row.order_id),
            currency=row.currency,
            amount_minor=row.total_minor,
            details={"number": row.number, "status": row.status, "restored": statuses.get(row.order_id)},
        )
        for row in await session.execute(statement)
        if statuses.get(row.order_id) != row.status
    ]


async def _statements(session: PlatformSession, merchant_id: UUID, statements: Collection[str]) -> list[Missing]:
    found: dict[str, Missing] = {}
    invoices = select(commission_invoice).where(commission_invoice.c.merchant_id == merchant_id)
    for row in await session.execute(invoices.order_by(commission_invoice.c.number)):
        details = {"number": row.statement_number, "invoice": row.number}
        found[str(row.statement_id)] = Missing(STATEMENT, str(row.statement_id), details=details)
    payouts = select(payout).where(payout.c.merchant_id == merchant_id).order_by(payout.c.number)
    for row in await session.execute(payouts):
        subject = str(row.statement_id)
        details = {**(found[subject].details if subject in found else {}), "payout": row.number}
        found[subject] = Missing(
            STATEMENT, subject, currency=row.currency, amount_minor=row.amount_minor, details=details
        )
    return [each for each in found.values() if each.subject not in statements]


async def _products(session: PlatformSession, merchant_id: UUID, products: Collection[UUID]) -> list[Missing]:
    table = listing.c
    statement = select(table.product_id, table.title).where(table.merchant_id == merchant_id).order_by(table.product_id)
    return [
        Missing(PRODUCT, str(row.product_id), details={"title": row.title})
        for row in await session.execute(statement)
        if row.product_id not in products
    ]


async def _by_seq(session: PlatformSession, statement: Select[Any]) -> dict[int, Row[Any]]:
    return {row.seq: row for row in await session.execute(statement)}


async def reconcile(
    session: PlatformSession, merchant_id: UUID, restore_id: UUID, missing: Collection[Missing], at: datetime
) -> list[Gap]:
    """Keep what is missing now: what was missing and is there again is replayed. Returns what is open."""
    held = {(each.kind, each.subject): each for each in await gaps_of(session, merchant_id, restore_id)}
    keys = {each.key for each in missing}
    replayed = [each.position for key, each in held.items() if each.status == OPEN and key not in keys]
    if replayed:
        await _end(session, merchant_id, restore_id, replayed, REPLAYED, at)
    new = [each for each in missing if held.get(each.key) is None or held[each.key].status != OPEN]
    first = 1 + max((each.position for each in held.values()), default=0)
    rows = [
        {
            "merchant_id": merchant_id,
            "restore_id": restore_id,
            "position": first + offset,
            **{name: getattr(each, name) for name in ("kind", "subject", "seq", "entry_kind")},
            "currency": each.currency,
            "amount_minor": each.amount_minor,
            "details": dict(each.details),
            "status": OPEN,
            "found_at": at,
        }
        for offset, each in enumerate(new)
    ]
    if rows:
        await session.execute(insert(restore_gap), rows)
    return [each for each in await gaps_of(session, merchant_id, restore_id) if each.status == OPEN]


async def write_off(
    session: PlatformSession, merchant_id: UUID, restore_id: UUID, case_id: UUID, reason: str, at: datetime
) -> None:
    """Two people have accepted that what is open is lost."""
    await session.execute(
        update(restore_gap)
        .where(
            restore_gap.c.merchant_id == merchant_id,
            restore_gap.c.restore_id == restore_id,
            restore_gap.c.status == OPEN,
        )
        .values(status=WRITTEN_OFF, case_id=case_id, reason=reason, ended_at=at)
    )


async def gaps_of(
    session: PlatformSession | MerchantSession,
    merchant_id: UUID,
    restore_id: UUID | None = None,
    *,
    limit: int | None = None,
    after: tuple[UUID, int] | None = None,
) -> list[Gap]:
    """What one restore of a merchant lacks, or all of them, in their order."""
    table = restore_gap.c
    statement = select(restore_gap).where(table.merchant_id == merchant_id).order_by(table.restore_id, table.position)
    if restore_id is not None:
        statement = statement.where(table.restore_id == restore_id)
    if after is not None:
        statement = statement.where(func.row(table.restore_id, table.position) > func.row(*after))
    rows = (await session.execute(statement.limit(limit))).mappings()
    return [Gap(**row) for row in rows]


async def _end(
    session: PlatformSession, merchant_id: UUID, restore_id: UUID, positions: list[int], status: str, at: datetime
) -> None:
    table = restore_gap.c
    await session.execute(
        update(restore_gap)
        .where(table.merchant_id == merchant_id, table.restore_id == restore_id, table.position.in_(positions))
        .values(status=status, ended_at=at)
    )
