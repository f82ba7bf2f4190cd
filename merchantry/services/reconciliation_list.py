"""Statements and their lines as people look through them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, and_, func, select, tuple_

from merchantry.domain.reconciliation import LineStatus, MatchedBy
from merchantry.tables.payout import payout, payout_instruction
from merchantry.tables.reconciliation import bank_line, bank_statement
from tenancy.database import PlatformSession


@dataclass(frozen=True, slots=True)
class TakenStatement:
    """A statement that was taken, and how many of its lines are matched or dismissed."""

    id: UUID
    source: str
    reference: str
    account: str
    currency: str
    opening_minor: int | None
    closing_minor: int | None
    lines: int
    imported_by: str
    imported_at: datetime
    decided: int

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.imported_at, self.id


@dataclass(frozen=True, slots=True)
class TakenLine:
    """A line as it is kept."""

    bank_statement_id: UUID
    position: int
    currency: str
    amount_minor: int
    booked_on: date
    end_to_end_id: str | None
    provider_reference: str | None
    text: str
    status: LineStatus
    matched_by: MatchedBy | None
    merchant_id: UUID | None
    instruction_key: UUID | None
    case_id: UUID | None

    @property
    def cursor(self) -> tuple[date, UUID, int]:
        """What ``after`` of the next page is."""
        return self.booked_on, self.bank_statement_id, self.position


_STATEMENT_COLUMNS = [bank_statement.c[name] for name in TakenStatement.__slots__ if name != "decided"]
_LINE_COLUMNS = [bank_line.c[name] for name in TakenLine.__slots__]


async def statements(
    session: PlatformSession,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    only: UUID | None = None,
) -> list[TakenStatement]:
    """Statements that were taken, the latest first; ``only`` this one."""
    table = bank_statement.c
    counted = select(func.count()).where(
        bank_line.c.bank_statement_id == table.id, bank_line.c.status != LineStatus.UNMATCHED
    )
    found = select(*_STATEMENT_COLUMNS, counted.scalar_subquery().label("decided"))
    found = found.order_by(table.imported_at.desc(), table.id.desc()).limit(limit)
    if only is not None:
        found = found.where(table.id == only)
    if after is not None:
        found = found.where(tuple_(table.imported_at, table.id) < tuple_(*after))
    return [TakenStatement(**row._asdict()) for row in await session.execute(found)]


async def lines(
    session: PlatformSession,
    *,
    limit: int,
    statement_id: UUID | None = None,
    status: LineStatus | None = None,
    after: tuple[date, UUID, int] | None = None,
) -> list[TakenLine]:
    """Lines, of one statement or all, the latest booked first."""
    table = bank_line.c
    key = (table.booked_on, table.bank_statement_id, table.position)
    found = select(*_LINE_COLUMNS).order_by(*(column.desc() for column in key)).limit(limit)
    if statement_id is not None:
        found = found.where(table.bank_statement_id == statement_id)
    if status is not None:
        found = found.where(table.status == status)
    if after is not None:
        found = found.where(tuple_(*key) < tuple_(*after))
    return [_line(row) for row in await session.execute(found)]


async def statement(session: PlatformSession, statement_id: UUID) -> TakenStatement | None:
    """One statement."""
    found = await statements(session, limit=1, only=statement_id)
    return found[0] if found else None


async def line(session: PlatformSession, statement_id: UUID, position: int) -> TakenLine | None:
    """One line."""
    table = bank_line.c
    found = select(*_LINE_COLUMNS).where(table.bank_statement_id == statement_id, table.position == position)
    row = (await session.execute(found)).one_or_none()
    return _line(row) if row else None


def _line(row: Row[Any]) -> TakenLine:
    matched_by = MatchedBy(row.matched_by) if row.matched_by else None
    return TakenLine(**{**row._asdict(), "status": LineStatus(row.status), "matched_by": matched_by})


@dataclass(frozen=True, slots=True)
class PaidBy:
    """The payout that a line is about."""

    merchant_id: UUID
    payout_id: UUID
    number: str
    reference: str


async def payouts_of(session: PlatformSession, lines: Sequence[TakenLine]) -> dict[UUID, PaidBy]:
    """The payouts that lines are about, by the key of the transfer."""
    keys = [(each.merchant_id, each.instruction_key) for each in lines if each.instruction_key]
    transfer = payout_instruction.c
    joined = and_(payout.c.merchant_id == transfer.merchant_id, payout.c.id == transfer.payout_id)
    chosen = (
        select(transfer.key, transfer.merchant_id, transfer.payout_id, payout.c.number, transfer.reference)
        .select_from(payout_instruction.join(payout, joined))
        .where(tuple_(transfer.merchant_id, transfer.key).in_(keys))
    )
    rows = await session.execute(chosen) if keys else ()
    return {row.key: PaidBy(row.merchant_id, row.payout_id, row.number, row.reference) for row in rows}
