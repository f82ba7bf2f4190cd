"""An invoice or credit note as a document: its parties, lines with their tax, and totals by tax rate."""

from datetime import UTC, datetime, time

from merchantry.documents.table import Cell, Column, Document, Table
from merchantry.domain.invoice import Invoice, InvoiceKind, Party, content_hash
from merchantry.domain.money import Money
from merchantry.languages.language import DEFAULT, Language

_NET = Column("net", "Net", 18, is_figure=True)
_RATE = Column("tax_rate_percent", "Tax %", 8, is_figure=True)
_TAX = Column("tax", "Tax", 18, is_figure=True)
_GROSS = Column("gross", "Gross", 18, is_figure=True)
_LINES = (Column("description", "Description", 48, is_word=True), _NET, _RATE, _TAX, _GROSS)
_TITLES = {
    InvoiceKind.INVOICE: "Commission invoice",
    InvoiceKind.CREDIT_NOTE: "Credit note",
    InvoiceKind.SELF_BILLED: "Self-billed invoice",
    InvoiceKind.SELF_BILLED_CREDIT: "Self-billed credit note",
}


def invoice_document(invoice: Invoice, language: Language = DEFAULT) -> Document:
    """The invoice or credit note as all writers take it."""
    lines = Table("Lines", _LINES, _lines(invoice))
    return Document(
        title=_TITLES[invoice.kind],
        number=invoice.number,
        issuer=invoice.issuer.name,
        dated=datetime.combine(invoice.issued_on, time(), UTC),
        facts=_facts(invoice),
        tables=(lines, _totals(invoice)),
        detail=lines,
        keys=(
            (Column("kind", "Kind", 12), invoice.kind),
            (Column("number", "Number", 16), invoice.number),
            (Column("currency", "Currency", 8), invoice.currency),
        ),
        content_hash=content_hash(invoice),
        language=language,
    )


def _facts(invoice: Invoice) -> tuple[tuple[str, Cell], ...]:
    facts: list[tuple[str, Cell]] = [("Issued on", invoice.issued_on), ("Statement", invoice.statement_number)]
    if invoice.corrects is not None:
        facts.append(("Corrects invoice", invoice.corrects))
    return (
        *facts,
        *_party("Issuer", invoice.issuer),
        *_party("Recipient", invoice.recipient),
        ("Currency", invoice.currency),
        ("Net", Money(invoice.net_minor, invoice.currency)),
        ("Tax", Money(invoice.tax_minor, invoice.currency)),
        ("Gross", Money(invoice.gross_minor, invoice.currency)),
    )


def _party(role: str, party: Party) -> tuple[tuple[str, Cell], ...]:
    tax_number = () if party.tax_number is None else ((f"{role}'s tax number", party.tax_number),)
    return (role, party.name), *(("", line) for line in party.address), *tax_number


def _lines(invoice: Invoice) -> tuple[tuple[Cell, ...], ...]:
    return tuple(
        (line.description, *_figures(invoice.currency, line.net_minor, line.tax_rate_bps, line.tax_minor))
        for line in invoice.lines
    )


def _totals(invoice: Invoice) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("Total at this rate", *_figures(invoice.currency, total.net_minor, total.tax_rate_bps, total.tax_minor))
        for total in invoice.by_rate
    ]
    rows.append(("Total", *_figures(invoice.currency, invoice.net_minor, None, invoice.tax_minor)))
    return Table("Totals by tax rate", (Column("total", "", 48, is_word=True), *_LINES[1:]), tuple(rows))


def _figures(currency: str, net_minor: int, rate_bps: int | None, tax_minor: int) -> tuple[Cell, ...]:
    rate = None if rate_bps is None else f"{rate_bps // 100}.{rate_bps % 100:02}"
    gross_minor = net_minor + tax_minor
    return Money(net_minor, currency), rate, Money(tax_minor, currency), Money(gross_minor, currency)
