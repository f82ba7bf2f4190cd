"""Documents that the tests of the writers write."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from merchantry.documents.invoice import invoice_document
from merchantry.documents.statement import statement_document
from merchantry.documents.table import Document
from merchantry.domain.invoice import InvoiceKind, InvoiceLine, Party, invoice
from merchantry.domain.statement import StatementLine, statement

START = datetime(2026, 3, 1, 3, tzinfo=UTC)


def a_statement(releases: int = 3, *, currency: str = "BRL", text: str = "Order released") -> Document:
    """Releases of 100.01, 100.02, … (in BRL) and one late correction, after an opening balance below zero."""
    lines = [
        StatementLine(seq, "release", f"S-{seq:06}", START + timedelta(hours=seq), 10_000 + seq, None, text)
        for seq in range(1, releases + 1)
    ]
    lines.append(StatementLine(releases + 1, "adjustment", None, START - timedelta(days=1), -500, 1, "运费更正"))
    made = statement(
        number="ST-000007",
        merchant_id=UUID(int=5),
        merchant_name="Ateliê Sol 太阳 Ltda",
        currency=currency,
        period_start=START,
        period_end=START + timedelta(days=31),
        starts_on=date(2026, 3, 1),
        ends_on=date(2026, 4, 1),
        time_zone="America/Sao_Paulo",
        opening_minor=-1_250,
        lines=lines,
        closing_minor=-1_250 + sum(line.amount_minor for line in lines),
    )
    return statement_document(made, issuer="The Mall")


def a_credit_note() -> Document:
    """A credit note over two tax rates."""
    return invoice_document(
        invoice(
            kind=InvoiceKind.CREDIT_NOTE,
            number="CN-000003",
            issued_on=date(2026, 4, 1),
            issuer=Party("The Mall", ("Rua A 1", "São Paulo"), "12.345.678/0001-00"),
            recipient=Party("Casa Ltda", ("Rua B 2",), None),
            currency="BRL",
            statement_number="ST-000007",
            corrects="INV-000002",
            lines=[InvoiceLine("Commission returned", 5_000, 1_950, 975), InvoiceLine("Fee returned", 300, 0, 0)],
        )
    )


def written(write: Callable[[Document, BinaryIO], None], document: Document) -> bytes:
    """What a writer makes of a document."""
    out = io.BytesIO()
    write(document, out)
    return out.getvalue()
