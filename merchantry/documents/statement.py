"""A settlement statement as a document: its facts, totals by kind, and lines with a running balance."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from merchantry.documents.table import Cell, Column, Document, Table
from merchantry.domain.money import Money
from merchantry.domain.statement import Statement, content_hash
from merchantry.languages.language import DEFAULT, Language

_KINDS = (
    Column("kind", "Kind", 24, is_word=True),
    Column("entries", "Entries", 10, is_figure=True),
    Column("amount", "Amount", 20, is_figure=True),
)
_LINES = (
    Column("available_at", "Available", 23),
    Column("entry", "Entry", 8, is_figure=True),
    Column("kind", "Kind", 15, is_word=True),
    Column("order", "Order", 16),
    Column("text", "Text", 26),
    Column("corrects", "Corrects", 8, is_figure=True),
    Column("amount", "Amount", 15, is_figure=True),
    Column("balance", "Balance", 15, is_figure=True),
)
OPENING = "opening"
CLOSING = "closing"


def statement_document(statement: Statement, *, issuer: str, language: Language = DEFAULT) -> Document:
    """The statement as all writers take it; instants are shown in its own time zone. `issuer` is the platform's name.

    Its lines stand between a row of kind `opening` and one of kind `closing`, which have no amount, only a balance.
    """
    lines = Table("Lines", _LINES, _rows(statement))
    return Document(
        title="Settlement statement",
        number=statement.number,
        issuer=issuer,
        dated=statement.period_end,
        facts=_facts(statement, issuer),
        tables=(_kinds(statement), lines),
        detail=lines,
        keys=(
            (Column("statement", "Statement", 16), statement.number),
            (Column("currency", "Currency", 8), statement.currency),
        ),
        content_hash=content_hash(statement),
        language=language,
    )


def _facts(statement: Statement, issuer: str) -> tuple[tuple[str, Cell], ...]:
    zone = ZoneInfo(statement.time_zone)
    last_day = max(statement.starts_on, statement.ends_on - timedelta(days=1))
    return (
        ("Merchant", statement.merchant_name),
        ("Merchant id", str(statement.merchant_id)),
        ("Issuer", issuer),
        ("First day", statement.starts_on),
        ("Last day", last_day),
        ("From", statement.period_start.astimezone(zone)),
        ("Before", statement.period_end.astimezone(zone)),
        ("Time zone", statement.time_zone),
        ("Currency", statement.currency),
        ("Opening balance", Money(statement.opening_minor, statement.currency)),
        ("Closing balance", Money(statement.closing_minor, statement.currency)),
        ("Lines", len(statement.lines)),
    )


def _kinds(statement: Statement) -> Table:
    """From the opening balance over each kind to the closing balance."""

    def money(amount_minor: int) -> Money:
        return Money(amount_minor, statement.currency)

    rows: list[tuple[Cell, ...]] = [(OPENING, None, money(statement.opening_minor))]
    rows += [(total.kind, total.entries, money(total.amount_minor)) for total in statement.by_kind]
    rows += [(CLOSING, None, money(statement.closing_minor))]
    return Table("Totals by kind", _KINDS, tuple(rows))


def _rows(statement: Statement) -> tuple[tuple[Cell, ...], ...]:
    zone = ZoneInfo(statement.time_zone)
    balance = Money(statement.opening_minor, statement.currency)
    rows: list[tuple[Cell, ...]] = [
        (statement.period_start.astimezone(zone), None, OPENING, None, None, None, None, balance)
    ]
    for line in statement.lines:
        amount = Money(line.amount_minor, statement.currency)
        balance += amount
        when = line.available_at.astimezone(zone)
        rows.append((when, line.entry_seq, line.kind, line.order_number, line.text, line.corrects, amount, balance))
    rows.append((statement.period_end.astimezone(zone), None, CLOSING, None, None, None, None, balance))
    return tuple(rows)
