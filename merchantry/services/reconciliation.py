"""Reconciliation: bank lines matched with transfers and the ledger, three ways; every difference becomes a case.

Lines are kept as they came, matched or not. Each is matched in a transaction of its own, so a match that was killed is
simply run again.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Select, Text, and_, cast, exists, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from merchantry.domain.act import Act
from merchantry.domain.case import CaseKind
from merchantry.domain.money import format_minor
from merchantry.domain.payout import Word
from merchantry.domain.reconciliation import LineStatus, MatchedBy, taken_too_much
from merchantry.domain.worded import Worded
from merchantry.gateways.bank_statement import BankLine, BankStatement
from merchantry.services import audit, case, case_end, payout_outcome
from merchantry.services.case import Fact, NewCase
from merchantry.services.payout import Told
from merchantry.tables.case import review_case
from merchantry.tables.payout import payout as payout_table
from merchantry.tables.payout import payout_instruction
from merchantry.tables.platform import NOBODY
from merchantry.tables.reconciliation import bank_line, bank_statement
from tenancy.database import PlatformSession, Transaction
from tenancy.tables import merchant

NEAR = timedelta(days=5)
"""How far apart a transfer and a line without a reference may be to be the same."""

LATE = timedelta(days=5)
"""After how long a transfer that nobody's statement shows is a difference."""


HOW_TO_DECIDE = (
    "bankLineMatch says that the line is the transfer's, and with `difference` who bears it that the amounts differ;"
    " bankLineDismiss, that it is not."
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transfer that a line may be about."""

    merchant_id: UUID
    key: UUID
    payout_id: UUID
    reference: str
    amount_minor: int
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a statement is from. ``digest`` tells files apart: SHA-256 of the bytes and of the statement's place."""

    kind: str
    digest: bytes
    file_name: str


async def take(session: PlatformSession, statement: BankStatement, source: Source, act: Act) -> tuple[UUID, bool]:
    """Keep a statement with its lines: its id, and whether it is new; the very same is kept once."""
    statement_id = uuid4()
    row = {
        "id": statement_id,
        "source": source.kind,
        "reference": statement.id,
        "account": statement.account,
        "currency": statement.currency,
        "opening_minor": statement.opening_minor,
        "closing_minor": statement.closing_minor,
        "content_hash": source.digest,
        "lines": len(statement.lines),
        "imported_by": act.actor,
        "imported_at": act.booked_at,
    }
    statement_row = upsert(bank_statement).values(row).on_conflict_do_nothing().returning(bank_statement.c.id)
    if (await session.execute(statement_row)).first() is None:
        kept = await session.scalar(select(bank_statement.c.id).where(bank_statement.c.content_hash == source.digest))
        return kept, False
    if statement.lines:
        await session.execute(insert(bank_line), [_line_row(statement_id, line) for line in statement.lines])
    after = {"source": source.kind, "file": source.file_name, "reference": statement.id, "lines": len(statement.lines)}
    await audit.record(session, NOBODY, act, "bank_statement.take", str(statement_id), None, after)
    return statement_id, True


def _line_row(statement_id: UUID, line: BankLine) -> dict[str, Any]:
    return {
        "bank_statement_id": statement_id,
        "position": line.position,
        "currency": line.currency,
        "amount_minor": line.amount_minor,
        "booked_on": line.booked_on,
        "value_on": line.value_on,
        "end_to_end_id": line.end_to_end_id,
        "provider_reference": line.reference,
        "text": f"{'return: ' if line.is_return else ''}{line.text}{f' ({line.reason})' if line.reason else ''}"[:500],
        "is_return": line.is_return,
        "status": LineStatus.UNMATCHED.value,
    }


async def unmatched(session: PlatformSession, statement_id: UUID) -> list[int]:
    """The positions of a statement's lines that nothing is known of yet."""
    table = bank_line.c
    statement = select(table.position).where(table.bank_statement_id == statement_id, table.status == "unmatched")
    return list((await session.execute(statement.order_by(table.position))).scalars())


async def match(tx: Transaction, statement_id: UUID, position: int, act: Act) -> tuple[LineStatus, UUID | None]:
    """Find what a line is about, and book what follows: its new status, and the case where there is a difference."""
    async with tx.as_platform() as session:
        line = await locked(session, statement_id, position)
        if line is None or line.status != LineStatus.UNMATCHED:
            return LineStatus(line.status) if line else LineStatus.DISMISSED, None
        found, by = await _transfer_of(session, line)
        reason = await objection(session, line, found) if found else "No transfer fits this line."
        if found and reason is None:
            reason = difference(line, found)
        if found is None or by is None or reason:
            return LineStatus.UNMATCHED, await _difference(session, line, found, reason or "", act)
    told = Told(
        Word.RETURNED if line.is_return else Word.PAID,
        line.provider_reference,
        line.text if line.is_return else None,
        {"bank_statement": str(statement_id), "position": position, "matched_by": by},
    )
    return await book(tx, line, found, by, told, act)


async def book(
    tx: Transaction, line: Row[Any], found: Candidate, by: MatchedBy, told: Told, act: Act
) -> tuple[LineStatus, UUID | None]:
    """The line is about this transfer: what it tells is booked, and the cases about the two have come to their end.

    Where it contradicts what is certain of the transfer already, there is a case about that.
    """
    _, heard = await payout_outcome.hear(tx, found.merchant_id, found.key, told, act)
    status = LineStatus.RETURNED if told.word is Word.RETURNED else LineStatus.MATCHED
    async with tx.as_platform() as session:
        await set_line(session, line, status=status, matched_by=by, merchant_id=found.merchant_id, key=found.key)
        await end_case(session, "Transfer", str(found.key), f"The statement shows {found.reference}.", act)
        if heard.contradicts:
            reason = f"The bank says {told.word}, but the transfer is {found.status} for certain."
            return status, await _difference(session, line, found, reason, act)
        await end_case(session, "BankLine", subject_of(line), f"The line is that of {found.reference}.", act)
        return status, None


async def end_case(session: PlatformSession, subject_kind: str, subject_id: str, reason: str, act: Act) -> None:
    """Nobody needs to look at this difference any more, if anybody had to."""
    await case_end.settle(session, NOBODY, [CaseKind.BANK_DIFFERENCE], (subject_kind, subject_id), reason, act)


def subject_of(line: Row[Any]) -> str:
    """How a case names the line: its node's keys."""
    return f"{line.bank_statement_id} {UUID(int=line.position)}"


async def locked(session: PlatformSession, statement_id: UUID, position: int) -> Row[Any] | None:
    """The line, kept as it is until the transaction ends."""
    table = bank_line.c
    statement = select(bank_line).where(table.bank_statement_id == statement_id, table.position == position)
    return (await session.execute(statement.with_for_update())).one_or_none()


_JOINED = payout_instruction.join(
    payout_table,
    and_(
        payout_table.c.merchant_id == payout_instruction.c.merchant_id,
        payout_table.c.id == payout_instruction.c.payout_id,
    ),
)
_CANDIDATES = select(
    payout_instruction.c.merchant_id,
    payout_instruction.c.key,
    payout_instruction.c.payout_id,
    payout_instruction.c.reference,
    payout_instruction.c.amount_minor,
    payout_table.c.currency,
    payout_instruction.c.status,
).select_from(_JOINED)


async def _transfer_of(session: PlatformSession, line: Row[Any]) -> tuple[Candidate | None, MatchedBy | None]:
    """By reference, then by the provider's own, then by amount and date where exactly one fits."""
    columns = payout_instruction.c
    if line.end_to_end_id and (named := await by_reference(session, line.end_to_end_id)):
        return named, MatchedBy.REFERENCE
    if line.provider_reference:
        theirs = _CANDIDATES.where(columns.provider_reference == line.provider_reference)
        found = await _candidates(session, theirs.where(payout_table.c.currency == line.currency))
        if len(found) == 1:
            return found[0], MatchedBy.PROVIDER_REFERENCE
    if line.end_to_end_id or line.is_return or line.amount_minor >= 0:
        return None, None
    seen = exists().where(bank_line.c.instruction_key == columns.key)
    booked = datetime.combine(line.booked_on, time(12), UTC)
    near = _CANDIDATES.where(
        columns.amount_minor == -line.amount_minor,
        payout_table.c.currency == line.currency,
        columns.status.in_(["asked", "accepted", "unknown"]),
        columns.asked_at.between(booked - NEAR, booked + NEAR),
        ~seen,
    )
    found = await _candidates(session, near.limit(2))
    return (found[0], MatchedBy.AMOUNT_AND_DATE) if len(found) == 1 else (None, None)


async def _candidates(session: PlatformSession, statement: Select[Any]) -> list[Candidate]:
    return [Candidate(**row._asdict()) for row in await session.execute(statement)]


async def by_reference(session: PlatformSession, reference: str) -> Candidate | None:
    """The transfer of ours that has this reference."""
    found = await _candidates(session, _CANDIDATES.where(payout_instruction.c.reference == reference))
    return found[0] if found else None


async def objection(
    session: PlatformSession, line: Row[Any], found: Candidate, *, is_return: bool | None = None
) -> str | None:
    """Why a line and the transfer that it names can't be the same; ``is_return`` where somebody knows better."""
    is_return = line.is_return if is_return is None else is_return
    if line.currency != found.currency or (line.amount_minor > 0) is not is_return:
        wanted = found.amount_minor if is_return else -found.amount_minor
        return Worded(
            "The transfer {transfer} was of {amount}.",
            transfer=found.reference,
            amount=_money(wanted, found.currency),
        )
    standing: str | None = await session.scalar(select(merchant.c.status).where(merchant.c.id == found.merchant_id))
    if standing in ("restoring", "quarantined"):
        return Worded("Its merchant was restored from a backup: take this file once more when that has ended.")
    if standing == "closed":
        return Worded(
            "Its merchant is closed: open it again (merchantry merchant reopen), then take this file once more."
        )
    table = bank_line.c
    status = LineStatus.RETURNED if is_return else LineStatus.MATCHED
    twice = select(table.position).where(table.instruction_key == found.key, table.status == status)
    if (await session.execute(twice.limit(1))).first():
        return Worded("Another line was matched with the transfer {transfer} before.", transfer=found.reference)
    return None


def difference(line: Row[Any], found: Candidate, *, is_return: bool | None = None) -> str | None:
    """What a line and its transfer differ by, and how that is decided; None where they don't."""
    is_return = line.is_return if is_return is None else is_return
    taken_minor = taken_too_much(found.amount_minor, line.amount_minor, is_return=is_return)
    if not taken_minor:
        return None
    asked = _money(found.amount_minor if is_return else -found.amount_minor, found.currency)
    taken = _money(abs(taken_minor), found.currency)
    facts = {"transfer": found.reference, "amount": asked, "taken": taken}
    if taken_minor < 0:
        return Worded(
            "The transfer {transfer} was of {amount}; the bank took {taken} less than it should have.", **facts
        )
    return Worded("The transfer {transfer} was of {amount}; the bank took {taken} more than it should have.", **facts)


def _money(amount_minor: int, currency: str) -> str:
    return f"{format_minor(amount_minor, currency)} {currency}"


async def _difference(session: PlatformSession, line: Row[Any], found: Candidate | None, reason: str, act: Act) -> UUID:
    """A case for people; the line points to it."""
    amount = _money(line.amount_minor, line.currency)
    evidence = [
        Fact("line", subject_of(line), "BankLine"),
        Fact("bookedOn", line.booked_on.isoformat()),
        Fact("amount", amount),
        Fact("endToEndId", line.end_to_end_id or ""),
        Fact("text", line.text),
    ]
    if found:
        evidence += [
            Fact("transfer", found.reference),
            Fact("asked for", _money(found.amount_minor, found.currency)),
            Fact("to be decided", HOW_TO_DECIDE),
        ]
    new = NewCase(
        kind=CaseKind.BANK_DIFFERENCE,
        merchant_id=NOBODY,
        subject_kind="BankLine",
        subject_id=subject_of(line),
        title=f"Bank line of {amount}: {reason}",
        evidence=evidence,
        currency=line.currency,
        amount_minor=abs(line.amount_minor),
    )
    case_id = await case.open_case(session, new, act)
    await session.execute(
        update(bank_line)
        .where(bank_line.c.bank_statement_id == line.bank_statement_id, bank_line.c.position == line.position)
        .values(case_id=case_id)
    )
    return case_id


async def set_line(
    session: PlatformSession,
    line: Row[Any],
    *,
    status: LineStatus,
    matched_by: MatchedBy | None = None,
    merchant_id: UUID | None = None,
    key: UUID | None = None,
) -> None:
    """Write what was found out about a line that is locked."""
    table = bank_line.c
    await session.execute(
        update(bank_line)
        .where(table.bank_statement_id == line.bank_statement_id, table.position == line.position)
        .values(status=status.value, matched_by=matched_by, merchant_id=merchant_id, instruction_key=key)
    )


async def missing_lines(session: PlatformSession, at: datetime, act: Act) -> list[UUID]:
    """The other way round: transfers that were paid, or are still accepted, and that no statement shows in time.

    Each becomes a case, once: what somebody has decided about is not asked again.
    """
    columns = payout_instruction.c
    is_known = exists().where(
        review_case.c.merchant_id == NOBODY,
        review_case.c.kind == CaseKind.BANK_DIFFERENCE,
        review_case.c.subject_kind == "Transfer",
        review_case.c.subject_id == cast(columns.key, Text),
    )
    seen = exists().where(bank_line.c.instruction_key == columns.key, bank_line.c.status == "matched")
    late = _CANDIDATES.where(
        or_(
            and_(columns.status == "paid", columns.answered_at < at - LATE),
            and_(columns.status.in_(["accepted", "unknown"]), columns.asked_at < at - LATE),
        ),
        ~seen,
        ~is_known,
    ).order_by(columns.merchant_id, columns.key)
    opened = []
    for found in await _candidates(session, late):
        amount = f"{format_minor(found.amount_minor, found.currency)} {found.currency}"
        new = NewCase(
            kind=CaseKind.BANK_DIFFERENCE,
            merchant_id=NOBODY,
            subject_kind="Transfer",
            subject_id=str(found.key),
            title=f"No statement shows the transfer {found.reference} of {amount}, which is {found.status}.",
            evidence=[Fact("transfer", found.reference), Fact("status", found.status)],
            currency=found.currency,
            amount_minor=found.amount_minor,
        )
        opened.append(await case.open_case(session, new, act))
    return opened
