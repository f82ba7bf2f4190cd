"""Statements of wallet providers: CSV with a header, in UTF-8.

| column | |
|---|---|
| `date` | `2026-03-31`, the provider's day |
| `amount` | a plain decimal, signed as on our account with the provider: what it paid out is negative |
| `currency` | ISO 4217 |
| `reference` | what we instructed the transfer with; empty where it was none |
| `provider_reference` | the provider's own; may be empty |
| `kind` | `payout`, `return` (of a payout), `fee`, `deposit` (from us) |

Other columns are ignored; the order does not matter.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from enum import StrEnum
from io import StringIO

from merchantry.domain.errors import BankFileInvalid, MarketError
from merchantry.domain.money import parse_minor
from merchantry.gateways.bank_statement import BankLine, BankStatement

COLUMNS = ("date", "amount", "currency", "reference", "provider_reference", "kind")
MAX_BYTES = 32 * 2**20
MOST_PROBLEMS = 20


class Kind(StrEnum):
    """Why the balance changed."""

    PAYOUT = "payout"
    RETURN = "return"
    FEE = "fee"
    DEPOSIT = "deposit"


_LOWERS = (Kind.PAYOUT, Kind.FEE)


def read(data: bytes, account: str) -> tuple[BankStatement, ...]:
    """A statement of our account for each currency in the file; none where it has no lines.

    Raises BankFileInvalid with every line that is wrong.
    """
    lines: list[BankLine] = []
    problems: list[str] = []
    for number, row in _rows(data):
        try:
            lines.append(_line(row))
        except (MarketError, ValueError) as error:
            problems.append(f"line {number}: {str(error).rstrip('.')}")
    if problems:
        more = f"; and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
        raise BankFileInvalid(reason=f"{'; '.join(problems[:MOST_PROBLEMS])}{more}.")
    currencies = sorted({line.currency for line in lines})
    return tuple(_statement(account, currency, lines) for currency in currencies)


def _rows(data: bytes) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Each row with the line that it ends on."""
    if len(data) > MAX_BYTES:
        raise BankFileInvalid(reason=f"It has more than {MAX_BYTES // 2**20} MiB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BankFileInvalid(reason=f"It is not UTF-8, from byte {error.start} on.") from None
    reader = csv.DictReader(StringIO(text, newline=""), strict=True)
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise BankFileInvalid(reason=f"line 1: the column {', '.join(missing)} is missing.")
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise BankFileInvalid(reason=f"line {reader.reader.line_num}: {error}.") from None


def _line(row: Mapping[str, str]) -> BankLine:
    if None in row or None in row.values():
        raise ValueError("it has another number of fields than the header")
    cells = {column: row[column].strip() for column in COLUMNS}
    if not all(cell.isprintable() for cell in cells.values()):
        raise ValueError("it has characters that can't be shown")
    if cells["kind"] not in set(Kind):
        raise ValueError(f"{cells['kind'][:20]!r} is no kind; it must be {', '.join(Kind)}")
    kind = Kind(cells["kind"])
    amount_minor = parse_minor(cells["amount"], cells["currency"])
    if amount_minor == 0 or (amount_minor < 0) != (kind in _LOWERS):
        raise ValueError(f"a {kind} of {cells['amount']} has the wrong sign")
    booked_on = _day(cells["date"])
    return BankLine(
        position=0,
        amount_minor=amount_minor,
        currency=cells["currency"],
        booked_on=booked_on,
        value_on=booked_on,
        end_to_end_id=cells["reference"] or None,
        reference=cells["provider_reference"] or None,
        text=kind,
        is_return=kind is Kind.RETURN,
        reason=None,
    )


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:20]!r} is no date such as 2026-03-31") from None
    if day.isoformat() != text:
        raise ValueError(f"{text!r} is no date such as 2026-03-31")
    return day


def _statement(account: str, currency: str, lines: list[BankLine]) -> BankStatement:
    own = [line for line in lines if line.currency == currency]
    first, last = min(line.booked_on for line in own), max(line.booked_on for line in own)
    return BankStatement(
        id=f"{currency} {first}/{last}",
        account=account,
        currency=currency,
        opening_minor=None,
        closing_minor=None,
        from_on=first,
        to_on=last,
        lines=tuple(replace(line, position=position) for position, line in enumerate(own, start=1)),
    )
