"""Statements after they were closed: listed, rebuilt byte for byte, previewed, accepted or objected to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select, tuple_

from merchantry.domain import closing, entries
from merchantry.domain import statement as statements
from merchantry.domain.act import Act
from merchantry.domain.closing import Claimable
from merchantry.domain.errors import InvalidInput, NotFound, StatementDecided
from merchantry.domain.event import EventKind
from merchantry.domain.ledger import EntryKind
from merchantry.domain.settlement import Period, period_at
from merchantry.services import audit, ledger, outbox, payout, queue, settlement
from merchantry.services.queue import JobKind
from merchantry.services.settlement import Conditions, PlannedPayout
from merchantry.tables.merchant import balance, ledger_entry, orders
from merchantry.tables.merchant_settlement import statement, statement_line
from merchantry.tables.payout import payout as payout_table
from tenancy.database import MerchantSession
from tenancy.writes import Changed, write


@dataclass(frozen=True, slots=True)
class ClosedStatement:
    """A statement as it is kept. ``kinds`` holds how many entries of each kind it claims, and their sum."""

    id: UUID
    number: str
    legal_name: str
    currency: str
    starts_at: datetime
    ends_at: datetime
    starts_on: date
    ends_on: date
    time_zone: str
    opening_minor: int
    closing_minor: int
    kinds: dict[str, list[int]]
    entries: int
    content_hash: bytes
    status: str
    closed_at: datetime
    accept_by: datetime
    decided_at: datetime | None
    language: str

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.ends_at, self.id


@dataclass(frozen=True, slots=True)
class ClaimedLine:
    """An entry that a statement claims; with its order, where one is behind it."""

    entry_seq: int
    kind: str
    amount_minor: int
    available_at: datetime
    order_id: UUID | None
    order_number: str | None
    corrects: int | None
    text: str

    @property
    def cursor(self) -> tuple[datetime, int]:
        """What ``after`` of the next page is."""
        return self.available_at, self.entry_seq


COLUMNS = [statement.c[name] for name in ClosedStatement.__slots__]
LINES = (
    select(
        statement_line.c.entry_seq,
        statement_line.c.kind,
        statement_line.c.currency,
        statement_line.c.amount_minor,
        statement_line.c.available_at,
        ledger_entry.c.order_id,
        ledger_entry.c.reverses,
        ledger_entry.c.details,
        orders.c.number,
    )
    .join(ledger_entry, ledger_entry.c.seq == statement_line.c.entry_seq)
    .outerjoin(orders, orders.c.id == ledger_entry.c.order_id)
    .order_by(statement_line.c.available_at, statement_line.c.entry_seq)
)


async def page(
    session: MerchantSession, *, limit: int, after: tuple[datetime, UUID] | None = None
) -> list[ClosedStatement]:
    """The merchant's statements, the latest period first."""
    found = select(*COLUMNS).order_by(statement.c.ends_at.desc(), statement.c.id.desc()).limit(limit)
    if after is not None:
        found = found.where(tuple_(statement.c.ends_at, statement.c.id) < tuple_(*after))
    return [from_row(row) for row in await session.execute(found)]


async def by_ids(session: MerchantSession, statement_ids: Sequence[UUID]) -> dict[UUID, ClosedStatement]:
    """Several statements."""
    rows = await session.execute(select(*COLUMNS).where(statement.c.id.in_(statement_ids)))
    return {row.id: from_row(row) for row in rows}


async def find(session: MerchantSession, statement_id: UUID) -> ClosedStatement:
    """One statement. Raises NotFound."""
    found = await by_ids(session, [statement_id])
    if statement_id not in found:
        raise NotFound(what="statement", path=("statement_id",))
    return found[statement_id]


async def lines(
    session: MerchantSession, statement_id: UUID, *, limit: int, after: tuple[datetime, int] | None = None
) -> list[ClaimedLine]:
    """What a statement claims, the earliest first."""
    found = LINES.where(statement_line.c.statement_id == statement_id).limit(limit)
    if after is not None:
        found = found.where(tuple_(statement_line.c.available_at, statement_line.c.entry_seq) > tuple_(*after))
    return [line_from(row) for row in await session.execute(found)]


async def rebuilt(session: MerchantSession, statement_id: UUID) -> statements.Statement:
    """The statement built again from the ledger; its content hash is the stored one. Raises NotFound."""
    kept = await find(session, statement_id)
    found = LINES.where(statement_line.c.statement_id == statement_id)
    claimed = [line_from(row) for row in await session.execute(found)]
    made = [
        statements.StatementLine(
            entry_seq=each.entry_seq,
            kind=each.kind,
            order_number=each.order_number,
            available_at=each.available_at,
            amount_minor=each.amount_minor,
            corrects=each.corrects,
            text=each.text,
        )
        for each in claimed
    ]
    return statements.statement(
        number=kept.number,
        merchant_id=session.merchant_id,
        merchant_name=kept.legal_name,
        currency=kept.currency,
        period_start=kept.starts_at,
        period_end=kept.ends_at,
        starts_on=kept.starts_on,
        ends_on=kept.ends_on,
        time_zone=kept.time_zone,
        opening_minor=kept.opening_minor,
        lines=made,
        closing_minor=kept.closing_minor,
    )


@dataclass(frozen=True, slots=True)
class Preview:
    """The open period of one currency as it stands: nothing of it is frozen yet."""

    currency: str
    period: Period
    opening_minor: int
    closing_minor: int
    kinds: dict[str, list[int]]


async def preview(session: MerchantSession, conditions: Conditions, at: datetime) -> list[Preview]:
    """What the open period would be closed with if it ended now, by currency."""
    period = period_at(at, conditions.schedules)
    opening, unclaimed = await settlement.unclaimed(session, at)
    found = []
    for currency in sorted({*opening, *unclaimed}):
        claimed: Sequence[Claimable] = unclaimed.get(currency, ())
        kinds: dict[str, list[int]] = {}
        for each in claimed:
            held = kinds.setdefault(each.kind, [0, 0])
            held[0] += 1
            held[1] += each.amount_minor
        opened = opening.get(currency, 0)
        total = opened + sum(each.amount_minor for each in claimed)
        found.append(Preview(currency, period, opened, total, kinds))
    return found


async def accept(session: MerchantSession, statement_id: UUID, act: Act) -> ClosedStatement:
    """The merchant agrees, or has said nothing until the deadline. Raises NotFound, StatementDecided."""
    found = await _locked(session, statement_id)
    if found.status != "issued":
        raise StatementDecided(number=found.number, status=found.status)
    await write(
        session,
        Changed(statement, {"id": statement_id}, {"status": "accepted", "decided_at": act.at}),
        queue.done(session.merchant_id, JobKind.STATEMENT_ACCEPT, statement_id),
        audit.event(session, session.merchant_id, act, "statement.accept", str(statement_id)),
        *outbox.published(session, EventKind.STATEMENT_ACCEPTED, _facts(found), act),
    )
    return replace(found, status="accepted", decided_at=act.at)


@dataclass(frozen=True, slots=True)
class Objection:
    """What an objection did: how much is held while it is decided, and by which entry; the payout that was given up for
    it, and the one that was planned in its place."""

    statement: ClosedStatement
    held_minor: int
    held_seq: int | None
    given_up: UUID | None = None
    planned: PlannedPayout | None = None


async def object_to(
    session: MerchantSession, conditions: Conditions, statement_id: UUID, amount_minor: int, reason: str, act: Act
) -> Objection:
    """The merchant disagrees over an amount: that much of what is not on its way yet is held, and no more.

    A payout that has not gone out is planned anew without it. Raises NotFound, StatementDecided (also after the
    deadline), InvalidInput.
    """
    found = await _locked(session, statement_id)
    if found.status != "issued" or found.accept_by <= act.at:
        raise StatementDecided(number=found.number, status=found.status if found.status != "issued" else "accepted")
    if amount_minor <= 0:
        raise InvalidInput(reason="Give the amount that you object to, above zero.", path=("amount",))
    planned = await _unsent_payout(session, statement_id)
    if planned:
        await payout.cancel(session, planned, f"objection to {found.number}", act)
    available = await _available(session, found.currency)
    held_minor, held_seq = min(amount_minor, max(available, 0)), None
    if held_minor:
        details = {"statement": found.number, "reason": "objection"}
        entry = entries.move(EntryKind.HOLD, held_minor, found.currency, occurred_at=act.at, details=details)
        held_seq = await ledger.book(session, entry, act)
    instead = await _plan_the_rest(session, conditions, found, available - held_minor, act) if planned else None
    after = {"amount_minor": amount_minor, "held_minor": held_minor, "reason": reason}
    facts = {**_facts(found), "amount_minor": amount_minor}
    await write(
        session,
        Changed(statement, {"id": statement_id}, {"status": "objected", "decided_at": act.at}),
        queue.done(session.merchant_id, JobKind.STATEMENT_ACCEPT, statement_id),
        *outbox.published(session, EventKind.STATEMENT_OBJECTED, facts, act),
        audit.event(session, session.merchant_id, act, "statement.object", str(statement_id), None, after),
    )
    return Objection(replace(found, status="objected", decided_at=act.at), held_minor, held_seq, planned, instead)


def _facts(found: ClosedStatement) -> dict[str, Any]:
    return {"statement": found.id, "number": found.number}


async def decide_objection(
    session: MerchantSession, statement_id: UUID, objection: Objection, *, given_minor: int, reason: str, act: Act
) -> None:
    """People have decided: what was held is free again, and what the merchant was right about is given.

    The statement stays as it was frozen; the adjustment is of the open period.
    """
    found = objection.statement
    if objection.held_minor:
        entry = entries.move(
            EntryKind.HOLD_ENDED,
            objection.held_minor,
            found.currency,
            occurred_at=act.at,
            details={"statement": found.number},
            reverses=objection.held_seq,
        )
        await ledger.book(session, entry, act)
    if given_minor:
        given = entries.adjustment(
            given_minor, found.currency, occurred_at=act.at, details={"statement": found.number, "reason": reason}
        )
        await ledger.book(session, given, act, entries.platform_side(given, earned=False))
    after = {"given_minor": given_minor, "reason": reason}
    await write(
        session,
        Changed(statement, {"id": statement_id}, {"status": "accepted", "decided_at": act.at}),
        audit.event(session, session.merchant_id, act, "statement.decide", str(statement_id), None, after),
    )


async def release_reserve(session: MerchantSession, statement_id: UUID, act: Act) -> bool:
    """The reserve's time is over. False where it was released before."""
    job = (session.merchant_id, JobKind.RESERVE_RELEASE, statement_id)
    row = (await session.execute(_lock(statement_id).add_columns(statement.c.reserve_seq))).one()
    await queue.dequeue(session, *job)
    if row.reserve_seq is None:
        return False
    reserved = await ledger.entry_of(session, row.reserve_seq)
    amount_minor = sum(each.amount_minor for each in reserved.entry.postings if each.amount_minor > 0)
    entry = entries.move(
        EntryKind.RESERVE_RELEASED,
        amount_minor,
        row.currency,
        occurred_at=act.at,
        details={"statement": row.number},
        reverses=row.reserve_seq,
    )
    await ledger.book(session, entry, act)
    after = {"amount_minor": amount_minor, "currency": row.currency}
    await write(
        session,
        Changed(statement, {"id": statement_id}, {"reserve_seq": None}),
        audit.event(session, session.merchant_id, act, "reserve.release", str(statement_id), None, after),
    )
    return True


async def _plan_the_rest(
    session: MerchantSession, conditions: Conditions, found: ClosedStatement, available_minor: int, act: Act
) -> PlannedPayout | None:
    decided = closing.payable(
        found.closing_minor,
        0,
        available_minor,
        reserve_bps=0,
        minimum_minor=conditions.minimum_minor.get(found.currency, 0),
    )
    if not decided.payout_minor:
        return None
    return await settlement.plan_payout(
        session, conditions, found.id, found.number, found.currency, decided.payout_minor, act
    )


async def _unsent_payout(session: MerchantSession, statement_id: UUID) -> UUID | None:
    table = payout_table.c
    found: UUID | None = await session.scalar(
        select(table.id).where(
            table.merchant_id == session.merchant_id, table.statement_id == statement_id, table.status == "planned"
        )
    )
    return found


async def _available(session: MerchantSession, currency: str) -> int:
    amount: int | None = await session.scalar(
        select(balance.c.amount_minor).where(balance.c.account == "merchant_available", balance.c.currency == currency)
    )
    return amount or 0


def _lock(statement_id: UUID) -> Select[Any]:
    return select(*COLUMNS).where(statement.c.id == statement_id).with_for_update()


async def _locked(session: MerchantSession, statement_id: UUID) -> ClosedStatement:
    row = (await session.execute(_lock(statement_id))).one_or_none()
    if row is None:
        raise NotFound(what="statement", path=("statement_id",))
    return from_row(row)


def from_row(row: Row[Any]) -> ClosedStatement:
    """A statement from a row of ``COLUMNS``."""
    return ClosedStatement(**{name: getattr(row, name) for name in ClosedStatement.__slots__})


def line_from(row: Row[Any]) -> ClaimedLine:
    """A line from a row of ``LINES``."""
    text = settlement.text_of(EntryKind(row.kind), row.number, row.details)
    return ClaimedLine(
        row.entry_seq, row.kind, row.amount_minor, row.available_at, row.order_id, row.number, row.reverses, text
    )
