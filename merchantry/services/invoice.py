"""The platform's invoices for its commission, and its credit notes: one of each for a statement, where due; and the
same two for what it bought from the merchant, which it issues on the merchant's behalf.

Each merchant has its own series of each, without gaps: `100001-C00007`, `100001-N00002`, `100001-B00003`,
`100001-R00001`.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, bindparam, select, update

from merchantry.domain import closing
from merchantry.domain.act import Act
from merchantry.domain.closing import Charges, Claimable
from merchantry.domain.invoice import Invoice, InvoiceKind, InvoiceLine, Party, content_hash, invoice
from merchantry.domain.statement import Statement
from merchantry.languages.language import Language
from merchantry.services import audit
from merchantry.tables.merchant import counter
from merchantry.tables.platform import mall
from merchantry.tables.settlement import commission_invoice
from tenancy.database import MerchantSession
from tenancy.writes import New, write

LETTER = {
    InvoiceKind.INVOICE: "C",
    InvoiceKind.CREDIT_NOTE: "N",
    InvoiceKind.SELF_BILLED: "B",
    InvoiceKind.SELF_BILLED_CREDIT: "R",
}
WORDS = {
    InvoiceKind.INVOICE: "Commission",
    InvoiceKind.CREDIT_NOTE: "Commission returned",
    InvoiceKind.SELF_BILLED: "Goods bought",
    InvoiceKind.SELF_BILLED_CREDIT: "Goods bought and returned",
}
BY_THE_MERCHANT = (InvoiceKind.SELF_BILLED, InvoiceKind.SELF_BILLED_CREDIT)
"""What the merchant would issue, and the platform issues for it: it is the recipient."""

NEXT = (
    update(counter)
    .where(counter.c.name == bindparam("counter_name"))
    .values(value=counter.c.value + 1)
    .returning(counter.c.value)
)


async def issue(
    session: MerchantSession,
    statement_id: UUID,
    made: Statement,
    claimed: Sequence[Claimable],
    language: Language,
    act: Act,
) -> list[UUID]:
    """Write what a closed period is charged and credited, and what was bought in it; nothing where it is nothing.

    ``language`` is what their PDFs are written in, for ever.
    """
    charges = (*closing.charged(claimed), *closing.bought(claimed))
    issued = []
    for kind, by_rate in zip(InvoiceKind, charges, strict=True):
        if by_rate:
            issued.append(await _issue(session, statement_id, made, kind, by_rate, language, act))
    return issued


async def _issue(
    session: MerchantSession,
    statement_id: UUID,
    made: Statement,
    kind: InvoiceKind,
    by_rate: Charges,
    language: Language,
    act: Act,
) -> UUID:
    number: int = await session.scalar(NEXT, {"counter_name": kind.value})
    platform: str = await session.scalar(select(mall.c.name))
    issuer, recipient = platform, made.merchant_name
    if kind in BY_THE_MERCHANT:
        issuer, recipient = f"{platform}, on behalf of {made.merchant_name}", platform
    document = _document(
        kind=kind,
        number=f"{made.number.split('-')[0]}-{LETTER[kind]}{number:05d}",
        issued_on=made.ends_on,
        issuer=issuer,
        recipient=recipient,
        currency=made.currency,
        statement_number=made.number,
        lines=[[WORDS[kind], net, rate, tax] for rate, (net, tax) in sorted(by_rate.items())],
    )
    invoice_id = uuid4()
    row = {
        "merchant_id": session.merchant_id,
        "id": invoice_id,
        "kind": kind.value,
        "number": document.number,
        "statement_id": statement_id,
        "statement_number": made.number,
        "issuer": issuer,
        "recipient": recipient,
        "currency": made.currency,
        "net_minor": document.net_minor,
        "tax_minor": document.tax_minor,
        "lines": [[line.description, line.net_minor, line.tax_rate_bps, line.tax_minor] for line in document.lines],
        "issued_on": document.issued_on,
        "content_hash": content_hash(document),
        "language": language.value,
    }
    after = {"number": document.number, "gross_minor": document.gross_minor, "currency": document.currency}
    await write(
        session,
        New(commission_invoice, row),
        audit.event(session, session.merchant_id, act, _did(kind), str(invoice_id), None, after),
    )
    return invoice_id


def _did(kind: InvoiceKind) -> str:
    return f"{kind}.issue" if kind in BY_THE_MERCHANT else f"commission_{kind}.issue"


def from_row(row: Row[Any]) -> Invoice:
    """The document as it was issued, from its stored row. Its content hash is the stored one."""
    return _document(
        kind=InvoiceKind(row.kind),
        number=row.number,
        issued_on=row.issued_on,
        issuer=row.issuer,
        recipient=row.recipient,
        currency=row.currency,
        statement_number=row.statement_number,
        lines=row.lines,
    )


def _document(
    *,
    kind: InvoiceKind,
    number: str,
    issued_on: date,
    issuer: str,
    recipient: str,
    currency: str,
    statement_number: str,
    lines: list[list[Any]],
) -> Invoice:
    return invoice(
        kind=kind,
        number=number,
        issued_on=issued_on,
        issuer=Party(issuer, (), None),
        recipient=Party(recipient, (), None),
        currency=currency,
        statement_number=statement_number,
        corrects=None,
        lines=[InvoiceLine(words, net, rate, tax) for words, net, rate, tax in lines],
    )
