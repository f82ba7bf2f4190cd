"""Explaining any cent: an order's split as it was frozen, and every entry that moved its money since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.leaf import BookedEntry
from merchantry.domain.ledger import EntryKind
from merchantry.domain.receipt import Receipt
from merchantry.services import commission, order, receipt, split
from merchantry.services.commission import Decision
from merchantry.services.ledger import Balance, booked
from merchantry.services.order import ORDER_COLUMNS, Order
from merchantry.services.receipt import Logged
from merchantry.services.split import FrozenLine
from merchantry.tables.merchant import ledger_entry, orders
from tenancy.database import MerchantSession, PlatformSession, Transaction


@dataclass(frozen=True, slots=True)
class Explanation:
    """An order with its split lines, in the order of its own, and its entries, oldest first."""

    order: Order
    lines: Sequence[FrozenLine]
    entries: Sequence[BookedEntry]
    decision: Decision | None = None
    """Who put the plan's version into force; known once ``decided`` was asked."""
    logged: Logged = field(default_factory=Logged)
    """How far the entries are in the public log; known once ``logged`` was asked."""

    @property
    def capture_seq(self) -> int:
        """The entry that recorded the split."""
        return self.order.capture_seq or 0


async def page(session: MerchantSession, *, limit: int, before: int | None) -> list[Explanation]:
    """The merchant's splits, the latest captured first."""
    statement = (
        select(ledger_entry.c.order_id)
        .where(ledger_entry.c.kind == EntryKind.CAPTURE)
        .order_by(ledger_entry.c.seq.desc())
        .limit(limit)
    )
    if before is not None:
        statement = statement.where(ledger_entry.c.seq < before)
    found = await of_orders(session, list((await session.execute(statement)).scalars()))
    return sorted(found, key=lambda each: -each.capture_seq)


async def of_orders(session: MerchantSession, order_ids: Sequence[UUID]) -> list[Explanation]:
    """The splits of those orders that were captured; four statements, whatever their number."""
    given = list(order_ids)
    rows = list(
        await session.execute(
            select(*ORDER_COLUMNS).where(orders.c.id == func.any(given), orders.c.capture_seq.is_not(None))
        )
    )
    lines = await order.lines_of(session, given)
    frozen = await split.lines_of(session, given)
    statement = select(ledger_entry).where(ledger_entry.c.order_id == func.any(given)).order_by(ledger_entry.c.seq)
    entries: dict[UUID, list[BookedEntry]] = {}
    for row in await session.execute(statement):
        entries.setdefault(row.order_id, []).append(booked(row))
    found = [order.from_row(row, lines[row.id]) for row in rows]
    return [Explanation(each, [frozen[line.id] for line in each.lines], entries[each.id]) for each in found]


async def decided(session: PlatformSession, found: Sequence[Explanation]) -> list[Explanation]:
    """The same, with who put each plan's version into force, which is the platform's to read."""
    versions = {(line.plan, line.plan_version) for each in found for line in each.lines}
    decisions = await commission.decisions(session, versions)
    return [replace(each, decision=decisions.get((each.lines[0].plan, each.lines[0].plan_version))) for each in found]


async def logged(
    tx: Transaction, merchant_id: UUID, found: Sequence[Explanation], *, with_receipts: bool
) -> list[Explanation]:
    """The same, with how far their entries are in the public log, and receipts where those are asked for."""
    entries = [entry for each in found for entry in each.entries]
    async with tx.as_merchant(merchant_id) as session:
        known = await receipt.places(session, [each.seq for each in entries])
    made: Mapping[int, Receipt] = {}
    if with_receipts:
        async with tx.as_public() as public:
            made = await receipt.receipts(public, merchant_id, entries, known, for_buyer=False)
    return [replace(each, logged=Logged(known, made)) for each in found]


async def balances_at(session: MerchantSession, moment: datetime) -> list[Balance]:
    """All balances as they stood after everything that was booked until a moment."""
    posting = (
        select(
            func.unnest(ledger_entry.c.account).label("account"),
            func.unnest(ledger_entry.c.currency).label("currency"),
            func.unnest(ledger_entry.c.amount).label("amount"),
        )
        .where(ledger_entry.c.booked_at <= moment)
        .subquery()
    )
    total = func.sum(posting.c.amount).label("total")
    statement = select(posting.c.account, posting.c.currency, total).group_by(posting.c.account, posting.c.currency)
    rows = await session.execute(statement.order_by(posting.c.currency, posting.c.account))
    return [Balance(row.account, row.currency, int(row.total)) for row in rows]
