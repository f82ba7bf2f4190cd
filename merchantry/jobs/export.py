"""All that a merchant has, as files: its tables as CSV, its ledger as it can be audited without us, its statements and
invoices as PDF, XLSX and CSV.

Tables are of one snapshot and written anew each time. Documents never change, so those that are there are left. A file
appears under its name once it is whole; killed anywhere, the export is run again.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID

from sqlalchemy import select

from merchantry.documents import csv_, pdf, xlsx
from merchantry.documents.invoice import invoice_document
from merchantry.documents.statement import statement_document
from merchantry.documents.table import Document
from merchantry.services import invoice_list, statement_list
from merchantry.services.ledger_export import ledger_lines
from merchantry.tables.blueprint import MERCHANT_TABLES
from merchantry.tables.merchant_settlement import statement
from merchantry.tables.settlement import commission_invoice
from tenancy.copying import copying
from tenancy.database import Database, MerchantSession

ACTOR = "system:export"
PARTIAL = ".partial"
LEDGER: Final = "ledger.jsonl"
"""The ledger as `merchantry verify ledger` reads it."""

Writer = Callable[[Document, BinaryIO], None]
WRITERS: Final[dict[str, Writer]] = {
    "pdf": pdf.write_document,
    "xlsx": xlsx.write_document,
    "csv": csv_.write_document,
}

Progress = Callable[[int, int], None]
Load = Callable[[MerchantSession, str], Awaitable[Document | None]]


async def export(
    database: Database, merchant_id: UUID, directory: Path, progress: Progress = lambda done, total: None
) -> int:
    """Write everything below a directory; returns how many files there are.

    ``progress`` is told how many are done, of how many. Raises DocumentDiffers where the books no longer say what a
    document said, OSError.
    """
    async with database.read(ACTOR) as tx, tx.as_merchant(merchant_id) as session:
        statements = list((await session.execute(select(statement.c.number).order_by(statement.c.number))).scalars())
        of_merchant = select(commission_invoice.c.number).where(commission_invoice.c.merchant_id == merchant_id)
        invoices = list((await session.execute(of_merchant.order_by(commission_invoice.c.number))).scalars())
    total = 1 + len(MERCHANT_TABLES.tables) + len(WRITERS) * (len(statements) + len(invoices))
    done = 0

    def count(files: int) -> None:
        nonlocal done
        done += files
        progress(done, total)

    await _write_tables(database, merchant_id, directory / "tables", count)
    await write_ledger(database, merchant_id, directory / LEDGER)
    count(1)
    for number in statements:
        await _write_document(database, merchant_id, directory / "statements", number, _statement, count)
    for number in invoices:
        await _write_document(database, merchant_id, directory / "invoices", number, _invoice, count)
    return total


async def _write_tables(database: Database, merchant_id: UUID, directory: Path, count: Callable[[int], None]) -> None:
    _make(directory)
    async with copying(database.logins, merchant_id, MERCHANT_TABLES) as copier:
        for table in copier.tables():
            with _whole(directory / f"{table.name}.csv") as out:
                await copier.write(table, out)
            count(1)


async def write_ledger(database: Database, merchant_id: UUID, path: Path) -> None:
    """Write every entry with its salts, for `merchantry verify ledger`. Raises OSError."""
    async with database.read(ACTOR) as tx, tx.as_merchant(merchant_id) as session:
        with _whole(path) as out:
            async for line in ledger_lines(session):
                out.write(line)


async def _write_document(
    database: Database, merchant_id: UUID, directory: Path, number: str, load: Load, count: Callable[[int], None]
) -> None:
    missing = _missing(directory, number)
    if missing:
        async with database.read(ACTOR) as tx, tx.as_merchant(merchant_id) as session:
            document = await load(session, number)
        if document is None:
            raise LookupError(f"{number} was there a moment ago")
        for name, writer in missing.items():
            with _whole(directory / f"{number}.{name}") as out:
                await asyncio.to_thread(writer, document, out)
    count(len(WRITERS))


async def _statement(session: MerchantSession, number: str) -> Document | None:
    found = await statement_list.proven(session, number)
    return statement_document(found[0], issuer=found[1], language=found[2]) if found else None


async def _invoice(session: MerchantSession, number: str) -> Document | None:
    found = await invoice_list.proven(session, number)
    return invoice_document(found.document, found.language) if found else None


def _make(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)


def _missing(directory: Path, number: str) -> dict[str, Writer]:
    _make(directory)
    return {name: writer for name, writer in WRITERS.items() if not (directory / f"{number}.{name}").exists()}


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name only once everything is in it."""
    partial = path.with_name(path.name + PARTIAL)
    with partial.open("wb") as out:
        yield out
        out.flush()
        os.fsync(out.fileno())
    partial.replace(path)
