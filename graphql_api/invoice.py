"""What the platform charges a merchant for a period, and what it buys from it; and what is given back of either."""

from datetime import date
from uuid import UUID

import strawberry

from graphql_api.context import Info
from graphql_api.enums import InvoiceKind
from graphql_api.money import Money
from graphql_api.relay import Node, Parts, encode_id, node
from graphql_api.settled import of_id
from merchantry.services import invoice_list
from merchantry.services.invoice_list import IssuedInvoice

PATH = "/documents"


@strawberry.type(description="Where a document is downloaded: with the same headers as this request, from this server.")
class DocumentPaths:
    pdf: str
    xlsx: str
    csv: str

    @staticmethod
    def of(kind: str, number: str) -> "DocumentPaths":
        """The paths of the document of this number; ``kind`` is ``statements`` or ``invoices``."""
        return DocumentPaths(**{each: f"{PATH}/{kind}/{number}.{each}" for each in ("pdf", "xlsx", "csv")})


@strawberry.type(description="A statement, as others refer to it.")
class StatementName:
    id: strawberry.ID
    number: str

    @staticmethod
    def of(merchant_id: UUID, statement_id: UUID, number: str) -> "StatementName":
        """The statement of this id and number."""
        return StatementName(id=encode_id("Statement", merchant_id, statement_id), number=number)


@strawberry.type(description="One charge with its tax.")
class CommissionInvoiceLine:
    description: str
    net: Money
    tax_rate_bps: int = strawberry.field(description="The rate in basis points: 1900 is 19 %.")
    tax: Money


@strawberry.type(
    description="The platform's invoice for its commission, or its credit note; or what it issues on the merchant's "
    "behalf for what it bought. Each kind is numbered without gaps."
)
class CommissionInvoice(Node):
    id: strawberry.ID
    kind: InvoiceKind
    number: str
    statement: StatementName
    issuer: str
    recipient: str
    issued_on: date
    net: Money
    tax: Money
    gross: Money
    lines: list[CommissionInvoiceLine]
    content_hash: str = strawberry.field(description="SHA-256 in hexadecimal, as docs/statement-format.md defines it.")
    documents: DocumentPaths

    @staticmethod
    def of(merchant_id: UUID, issued: IssuedInvoice) -> "CommissionInvoice":
        """The document as it was issued."""
        found = issued.document
        return CommissionInvoice(
            id=encode_id("CommissionInvoice", merchant_id, issued.id),
            kind=found.kind,
            number=found.number,
            statement=StatementName.of(merchant_id, issued.statement_id, found.statement_number),
            issuer=found.issuer.name,
            recipient=found.recipient.name,
            issued_on=found.issued_on,
            net=Money.of(found.net_minor, found.currency),
            tax=Money.of(found.tax_minor, found.currency),
            gross=Money.of(found.gross_minor, found.currency),
            lines=[
                CommissionInvoiceLine(
                    description=line.description,
                    net=Money.of(line.net_minor, found.currency),
                    tax_rate_bps=line.tax_rate_bps,
                    tax=Money.of(line.tax_minor, found.currency),
                )
                for line in found.lines
            ],
            content_hash=issued.content_hash.hex(),
            documents=DocumentPaths.of("invoices", found.number),
        )


@node("CommissionInvoice", parts=2)
async def load_invoice(info: Info, parts: Parts) -> CommissionInvoice | None:
    """The document, for staff of its merchant and of the platform who may see settlements."""
    merchant_id, invoice_id = parts
    async with of_id(info.context, merchant_id)() as session:
        found = await invoice_list.by_id(session, invoice_id)
    return CommissionInvoice.of(merchant_id, found) if found else None
