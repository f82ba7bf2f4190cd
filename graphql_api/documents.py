"""Statements and invoices as files: who may read them in the API downloads them, with the same headers.

What is shown is built again from the ledger; where it is not what was issued, nothing is shown.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from io import BytesIO
from typing import BinaryIO, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from graphql_api import downloads, settled
from graphql_api.access import NoMerchantSelected
from graphql_api.context import Context
from graphql_api.downloads import attached, errors
from graphql_api.errors import NotAuthenticated, log_fault
from graphql_api.http import ContextFactory
from graphql_api.invoice import PATH
from graphql_api.settled import Reader
from graphql_api.trail import write_reads
from merchantry.documents import csv_, pdf, xlsx
from merchantry.documents.invoice import invoice_document
from merchantry.documents.statement import statement_document
from merchantry.documents.table import Document
from merchantry.domain.errors import NotFound, NotPermitted
from merchantry.services import invoice_list, numbers, statement_list
from merchantry.services.statement_list import DocumentDiffers

AT_ONCE: Final = 2
"""Files made at the same time: each may hold a whole period's lines."""

Load = Callable[[Reader, str], Awaitable[Document | None]]
Writer = Callable[[Document, BinaryIO], None]

FORMATS: Final[dict[str, tuple[Writer, str]]] = {
    "pdf": (pdf.write_document, "application/pdf"),
    "xlsx": (xlsx.write_document, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "csv": (csv_.write_document, "text/csv; charset=utf-8"),
}


def routes(context_factory: ContextFactory) -> Sequence[BaseRoute]:
    """The download routes. They need the middleware's Caller, as `/graphql` does."""
    turns = asyncio.Semaphore(AT_ONCE)

    def route(kind: str, load: Load) -> Route:
        async def download(request: Request) -> Response:
            context = context_factory(request, request.state.caller)
            return await _answered(context, request.path_params, load, turns)

        return Route(f"{PATH}/{kind}/{{number}}.{{format}}", download)

    return [route("statements", _statement), route("invoices", _invoice)]


async def _statement(reader: Reader, number: str) -> Document | None:
    async with reader() as session:
        found = await statement_list.proven(session, number)
    return statement_document(found[0], issuer=found[1], language=found[2]) if found else None


async def _invoice(reader: Reader, number: str) -> Document | None:
    async with reader() as session:
        found = await invoice_list.proven(session, number)
    return invoice_document(found.document, found.language) if found else None


async def _answered(context: Context, asked: dict[str, str], load: Load, turns: asyncio.Semaphore) -> Response:
    try:
        if asked["format"] not in FORMATS or not numbers.is_number(asked["number"]):
            raise NotFound(what="document")
        document = await load(await _reader(context, asked["number"]), asked["number"])
        if document is None:
            raise NotFound(what="document")
    except (NotAuthenticated, NoMerchantSelected, NotPermitted, NotFound) as refused:
        return downloads.refused(refused)
    except DocumentDiffers as differs:
        return _differs(log_fault(differs))
    await write_reads(context, f"{PATH}/{document.number}.{asked['format']}")
    write, media_type = FORMATS[asked["format"]]
    async with turns:
        data = await asyncio.to_thread(_bytes, write, document)
    name = f"{document.number}.{asked['format']}"
    return Response(data, media_type=media_type, headers=attached(name))


async def _reader(context: Context, number: str) -> Reader:
    """As the selected merchant; without one, the platform's people read the merchant that the number names."""
    caller = context.caller
    if caller.merchant is not None or not caller.principal.platform_roles:
        return lambda: settled.as_staff(context)
    return await settled.of_number(context, number)


def _bytes(write: Writer, document: Document) -> bytes:
    out = BytesIO()
    write(document, out)
    return out.getvalue()


def _differs(fault_id: str) -> Response:
    message = "This document is not shown, because the books no longer say what it said; the platform must look at it."
    return errors(500, {"message": message, "extensions": {"code": "DOCUMENT_DIFFERS", "id": fault_id}})
