"""A settlement statement: what became available in a period, entry by entry (docs/statement-format.md)."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from merchantry.domain.canonical import Json, canonical_json, rfc3339
from merchantry.domain.money import digits

FORMAT: Final = "merchantry-statement/v1"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One entry's effect on the available balance. `corrects` is the `seq` of the earlier entry that it corrects.

    `order_number` is None where no order is behind the entry; `text` says for people what it is.
    """

    entry_seq: int
    kind: str
    order_number: str | None
    available_at: datetime
    amount_minor: int
    corrects: int | None
    text: str


@dataclass(frozen=True, slots=True)
class KindTotal:
    """What the entries of one kind sum to."""

    kind: str
    entries: int
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The numbered document that closes a period of one merchant in one currency; made by `statement`.

    The period is half-open, as instants and as days of the merchant's `time_zone`. Lines stand in the order of
    `available_at`, then `entry_seq`; those that came too late for their own period are older than this one. Raises
    ValueError where opening balance and lines, or opening balance and totals, are not the closing balance.
    """

    number: str
    merchant_id: UUID
    merchant_name: str
    currency: str
    period_start: datetime
    period_end: datetime
    starts_on: date
    ends_on: date
    time_zone: str
    opening_minor: int
    lines: tuple[StatementLine, ...]
    closing_minor: int
    by_kind: tuple[KindTotal, ...]

    def __post_init__(self) -> None:
        digits(self.currency)
        _check_period(self)
        _check_lines(self)
        if self.opening_minor + sum(line.amount_minor for line in self.lines) != self.closing_minor:
            raise ValueError(f"Statement {self.number}: opening balance and lines are not the closing balance")
        if self.by_kind != totals_by_kind(self.lines):
            raise ValueError(f"Statement {self.number}: the totals by kind are not those of the lines")


def statement(
    *,
    number: str,
    merchant_id: UUID,
    merchant_name: str,
    currency: str,
    period_start: datetime,
    period_end: datetime,
    starts_on: date,
    ends_on: date,
    time_zone: str,
    opening_minor: int,
    lines: Iterable[StatementLine],
    closing_minor: int,
) -> Statement:
    """The statement of these lines, in any order. `closing_minor` is the balance that the ledger says.

    Raises ValueError where the lines do not lead from the opening to the closing balance, repeat an entry, or are not
    available before the period's end.
    """
    in_order = tuple(sorted(lines, key=_position))
    return Statement(
        number=number,
        merchant_id=merchant_id,
        merchant_name=merchant_name,
        currency=currency,
        period_start=period_start,
        period_end=period_end,
        starts_on=starts_on,
        ends_on=ends_on,
        time_zone=time_zone,
        opening_minor=opening_minor,
        lines=in_order,
        closing_minor=closing_minor,
        by_kind=totals_by_kind(in_order),
    )


def totals_by_kind(lines: Iterable[StatementLine]) -> tuple[KindTotal, ...]:
    """The lines' totals, one for each kind among them, by its name."""
    amounts: dict[str, list[int]] = {}
    for line in lines:
        amounts.setdefault(line.kind, []).append(line.amount_minor)
    return tuple(KindTotal(kind, len(amounts[kind]), sum(amounts[kind])) for kind in sorted(amounts))


def canonical_bytes(statement: Statement) -> bytes:
    """The statement as the bytes that are hashed: RFC 8785 JSON as docs/statement-format.md specifies it.

    Raises ValueError for texts that hold NUL or unpaired surrogates.
    """
    document: Json = {
        "by_kind": [
            {"amount_minor": str(total.amount_minor), "entries": total.entries, "kind": str(total.kind)}
            for total in statement.by_kind
        ],
        "closing_minor": str(statement.closing_minor),
        "currency": statement.currency,
        "ends_on": statement.ends_on.isoformat(),
        "format": FORMAT,
        "lines": [_line_document(line) for line in statement.lines],
        "merchant_id": str(statement.merchant_id),
        "merchant_name": statement.merchant_name,
        "number": statement.number,
        "opening_minor": str(statement.opening_minor),
        "period_end": rfc3339(statement.period_end),
        "period_start": rfc3339(statement.period_start),
        "starts_on": statement.starts_on.isoformat(),
        "time_zone": statement.time_zone,
    }
    return canonical_json(document)


def content_hash(statement: Statement) -> bytes:
    """SHA-256 of the format's name, a newline, and the canonical bytes."""
    return hashlib.sha256(FORMAT.encode("ascii") + b"\n" + canonical_bytes(statement)).digest()


def _line_document(line: StatementLine) -> Json:
    return {
        "amount_minor": str(line.amount_minor),
        "available_at": rfc3339(line.available_at),
        "corrects": line.corrects,
        "entry_seq": line.entry_seq,
        "kind": str(line.kind),
        "order_number": line.order_number,
        "text": line.text,
    }


def _position(line: StatementLine) -> tuple[datetime, int]:
    if line.available_at.tzinfo is None:
        raise ValueError("An instant needs a time zone")
    return line.available_at, line.entry_seq


def _check_period(statement: Statement) -> None:
    if statement.period_start.tzinfo is None or statement.period_end.tzinfo is None:
        raise ValueError("A period's instants need a time zone")
    if statement.period_start >= statement.period_end or statement.starts_on > statement.ends_on:
        raise ValueError(f"Statement {statement.number}: a period ends after its start")


def _check_lines(statement: Statement) -> None:
    positions = [_position(line) for line in statement.lines]
    if positions != sorted(positions):
        raise ValueError(f"Statement {statement.number}: lines stand by the time they became available, then by seq")
    if len({line.entry_seq for line in statement.lines}) != len(positions):
        raise ValueError(f"Statement {statement.number}: an entry stands on one line only")
    for line in statement.lines:
        if line.available_at >= statement.period_end:
            raise ValueError(f"Statement {statement.number}: entry {line.entry_seq} belongs to a later period")
        if line.corrects is not None and line.corrects >= line.entry_seq:
            raise ValueError(f"Statement {statement.number}: entry {line.entry_seq} corrects no earlier entry")
