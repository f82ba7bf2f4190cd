"""One merchant's commission invoices and self-billed documents recounted: from the entries that statements claim."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select

from merchantry.domain import closing
from merchantry.domain.closing import Charges, Claimable
from merchantry.domain.invoice import InvoiceKind, content_hash
from merchantry.services import invoice, settlement
from merchantry.services.books import Books, Law
from merchantry.tables.merchant import ledger_entry, orders
from merchantry.tables.merchant_settlement import statement, statement_line
from merchantry.tables.settlement import commission_invoice
from tenancy.database import MerchantSession

CLAIMED = (
    select(
        ledger_entry.c.seq,
        ledger_entry.c.kind,
        orders.c.number,
        ledger_entry.c.available_at,
        ledger_entry.c.reverses,
        ledger_entry.c.account,
        ledger_entry.c.currency,
        ledger_entry.c.amount,
        ledger_entry.c.details,
    )
    .join(statement_line, statement_line.c.entry_seq == ledger_entry.c.seq)
    .outerjoin(orders, orders.c.id == ledger_entry.c.order_id)
    .where(statement_line.c.statement_id == bindparam("statement"))
    .order_by(ledger_entry.c.seq)
)
ISSUED = select(commission_invoice).order_by(commission_invoice.c.kind, commission_invoice.c.number)
STATEMENTS = select(statement.c.id, statement.c.number, statement.c.currency).order_by(statement.c.number)


async def check(session: MerchantSession, books: Books) -> None:
    """Each statement has exactly the documents that its entries make, and each series is without gaps."""
    issued = list(await session.execute(ISSUED.where(commission_invoice.c.merchant_id == books.merchant_id)))
    left = {(row.statement_id, InvoiceKind(row.kind)): row for row in issued}
    for each in (await session.execute(STATEMENTS)).all():
        claimed = await _claimed(session, each.id, each.currency)
        due = (*closing.charged(claimed), *closing.bought(claimed))
        for kind, charges in zip(InvoiceKind, due, strict=True):
            _check_one(books, each, kind, charges, left.pop((each.id, kind), None))
    for (statement_id, _), row in left.items():
        if str(statement_id) not in books.lost.statements:
            books.report(Law.INVOICE, row.number, expected="a statement of the merchant", found=statement_id)
    _check_series(books, issued)


async def _claimed(session: MerchantSession, statement_id: UUID, currency: str) -> list[Claimable]:
    rows = await session.execute(CLAIMED, {"statement": statement_id})
    return [each for row in rows for each in settlement.claimables(row) if each.currency == currency]


def _check_one(books: Books, of: Row[Any], kind: InvoiceKind, charges: Charges, row: Row[Any] | None) -> None:
    expected = [(rate, net, tax) for rate, (net, tax) in sorted(charges.items())]
    found = [] if row is None else sorted((line[2], line[1], line[3]) for line in row.lines)
    name = f"{kind} of {of.number}" if row is None else row.number
    if expected != found:
        books.report(Law.INVOICE, name, expected=_told(of.currency, expected), found=_told(of.currency, found))
    if row is None:
        return
    sums = sum(net for _, net, _ in found), sum(tax for _, _, tax in found), of.currency, of.number
    kept = row.net_minor, row.tax_minor, row.currency, row.statement_number
    if sums != kept:
        books.report(Law.INVOICE, name, expected=sums, found=kept)
        return
    try:
        digest = content_hash(invoice.from_row(row)).hex()
    except ValueError as error:
        books.report(Law.INVOICE, name, expected="a document", found=error)
        return
    if digest != bytes(row.content_hash).hex():
        books.report(Law.INVOICE, name, expected=bytes(row.content_hash).hex(), found=digest)


def _check_series(books: Books, issued: Iterable[Row[Any]]) -> None:
    """A series has no gap; a restore takes no number back."""
    last = dict.fromkeys(InvoiceKind, 0)
    for row in issued:
        kind = InvoiceKind(row.kind)
        last[kind] += 1
        expected = f"{row.statement_number.split('-')[0]}-{invoice.LETTER[kind]}{last[kind]:05d}"
        if row.number != expected:
            books.report_once(Law.INVOICE, f"series of {kind}", expected=expected, found=row.number)
            last[kind] = _number(row.number)


def _number(text: str) -> int:
    digits = text.rsplit("-", 1)[-1][1:]
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def _told(currency: str, lines: Iterable[tuple[int, int, int]]) -> str:
    told = [f"{net} {currency} and tax {tax} at {rate} basis points" for rate, net, tax in lines]
    return ", ".join(told) or "no document"
