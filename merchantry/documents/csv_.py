"""CSV (RFC 4180): UTF-8 without a byte order mark, CRLF, a header of column names."""

import csv
import io
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, Final

from merchantry.documents.table import Cell, Column, Document, Row, check_row, exact

_CHUNK_BYTES: Final = 65_536
_FORMULA_STARTS: Final = tuple("=+-@\t\r\n＝＋－＠")


def write_csv(columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO) -> None:
    """Write the table row by row, in constant memory. Raises ValueError for rows that do not fit the columns."""
    with _adding(columns, out) as add:
        for row in rows:
            add(row)


async def stream_csv(columns: Sequence[Column], rows: AsyncIterable[Row], out: BinaryIO) -> None:
    """`write_csv` of rows that are still being read."""
    with _adding(columns, out) as add:
        async for row in rows:
            add(row)


async def chunks_of_csv(columns: Sequence[Column], rows: AsyncIterable[Row]) -> AsyncIterator[bytes]:
    """`write_csv` in pieces of about 64 KiB, each made when it is asked for."""
    out = io.BytesIO()
    with _adding(columns, out) as add:
        async for row in rows:
            add(row)
            if out.tell() >= _CHUNK_BYTES:
                yield out.getvalue()
                out.seek(0)
                out.truncate()
    yield out.getvalue()


def write_document(document: Document, out: BinaryIO) -> None:
    """Write the document's detail, each row led by the document's keys."""
    columns = [*(column for column, _ in document.keys), *document.detail.columns]
    values = tuple(value for _, value in document.keys)
    write_csv(columns, ((*values, *row) for row in document.detail.rows), out)


@contextmanager
def _adding(columns: Sequence[Column], out: BinaryIO) -> Iterator[Callable[[Row], None]]:
    """What adds a row. CRLF also because csv quotes only those line breaks that its own line ends consist of."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=False)
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow(column.name for column in columns)

        def add(row: Row) -> None:
            check_row(columns, row)
            writer.writerow(_safe(cell) for cell in row)

        yield add
    finally:
        text.detach()


def _safe(cell: Cell) -> str:
    """The cell, with an apostrophe before a text that a spreadsheet would take for a formula."""
    text = exact(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(_FORMULA_STARTS) else text
