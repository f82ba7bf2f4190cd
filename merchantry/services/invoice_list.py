"""Commission invoices and credit notes as people look through them, proven before they are shown."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from merchantry.domain import invoice as invoices
from merchantry.domain.invoice import Invoice, InvoiceKind
from merchantry.languages.language import Language
from merchantry.services import invoice
from merchantry.services.statement_list import DocumentDiffers
from merchantry.tables.settlement import commission_invoice
from tenancy.database import MerchantSession

_table = commission_invoice.c
_ORDER = func.array_position([kind.value for kind in InvoiceKind], _table.kind)


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """A document with the keys that find it, the hash that it was issued with, and the language of its PDF."""

    id: UUID
    statement_id: UUID
    document: Invoice
    content_hash: bytes
    language: Language


async def of_statements(session: MerchantSession, statement_ids: Collection[UUID]) -> list[IssuedInvoice]:
    """What was issued with these statements, in the order of the kinds: invoices before credit notes."""
    query = _own(session).where(_table.statement_id == func.any(list(statement_ids)))
    return await _found(session, query.order_by(_ORDER, _table.number))


async def by_id(session: MerchantSession, invoice_id: UUID) -> IssuedInvoice | None:
    """One of the merchant's documents."""
    return next(iter(await _found(session, _own(session).where(_table.id == invoice_id))), None)


async def proven(session: MerchantSession, number: str) -> IssuedInvoice | None:
    """The document of this number. Raises DocumentDiffers where it is not what was issued."""
    found = next(iter(await _found(session, _own(session).where(_table.number == number))), None)
    if found is None:
        return None
    if invoices.content_hash(found.document) != found.content_hash:
        raise DocumentDiffers(f"invoice {number} of merchant {session.merchant_id}")
    return found


def _own(session: MerchantSession) -> Select[Any]:
    return select(commission_invoice).where(_table.merchant_id == session.merchant_id)


async def _found(session: MerchantSession, query: Select[Any]) -> list[IssuedInvoice]:
    return [
        IssuedInvoice(row.id, row.statement_id, invoice.from_row(row), bytes(row.content_hash), Language(row.language))
        for row in await session.execute(query)
    ]
