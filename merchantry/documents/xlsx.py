"""XLSX by XlsxWriter, in constant memory.

Amounts are numbers in their currency's format, written digit by digit from a Decimal. A spreadsheet keeps 15 digits, so
longer figures are written as texts. Texts are never formulas, links or markup.
"""

import asyncio
from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final

from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from merchantry.documents.table import Cell, Column, Document, Row, check_row, exact, shown
from merchantry.domain.money import Money, digits

_EXACT_DIGITS: Final = 15
_MAX_TEXT: Final = 32_767
_MAX_ROWS: Final = 1_048_576
_FACTS: Final = (Column("fact", "", 24), Column("value", "", 60))
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_numbers": False,
    "strings_to_urls": False,
}


def write_xlsx(columns: Sequence[Column], rows: Iterable[Row], out: BinaryIO, *, title: str, dated: datetime) -> None:
    """Write one sheet row by row. `dated` is the instant that the file says it was made at.

    Raises ValueError for rows that do not fit the columns, and for what a sheet can't hold: more than 1,048,575 rows,
    texts beyond 32,767 characters.
    """
    with _workbook(out, {"title": title}, dated) as workbook:
        sheet = _Sheet(workbook, title, columns)
        for row in rows:
            sheet.add(row)


async def stream_xlsx(
    columns: Sequence[Column], rows: AsyncIterable[Row], out: BinaryIO, *, title: str, dated: datetime
) -> None:
    """`write_xlsx` of rows that are still being read; the file is put together in a thread."""
    with _workbook(out, {"title": title}, dated) as workbook:
        sheet = _Sheet(workbook, title, columns)
        async for row in rows:
            sheet.add(row)
        await asyncio.to_thread(workbook.close)


def write_document(document: Document, out: BinaryIO) -> None:
    """Write the document: a sheet of facts, then a sheet for each table."""
    properties = {
        "title": f"{document.title} {document.number}",
        "author": document.issuer,
        "comments": document.hash_shown,
    }
    with _workbook(out, properties, document.dated) as workbook:
        sheet = _Sheet(workbook, document.title, _FACTS)
        for fact in (("Number", document.number), *document.facts, ("Content", document.hash_shown)):
            sheet.add(fact)
        for table in document.tables:
            sheet = _Sheet(workbook, table.title, table.columns)
            for row in table.rows:
                sheet.add(row)


@contextmanager
def _workbook(out: BinaryIO, properties: dict[str, str], dated: datetime) -> Iterator[Workbook]:
    """A workbook that is put together at the end, and leaves no temporary files whatever happens."""
    with TemporaryDirectory() as directory:
        workbook = Workbook(out, {**_OPTIONS, "tmpdir": directory})
        try:
            workbook.set_properties({**properties, "created": dated.astimezone(UTC)})
            yield workbook
            if not workbook.fileclosed:
                workbook.close()
        finally:
            for sheet in workbook.worksheets():
                sheet._opt_close()


class _Sheet:
    """A sheet that takes rows one after the other."""

    def __init__(self, workbook: Workbook, title: str, columns: Sequence[Column]) -> None:
        self._workbook = workbook
        self._columns = columns
        self._sheet: Worksheet = workbook.add_worksheet(title)
        self._formats: dict[str, Format] = {}
        self._next = 0
        heading = {is_figure: workbook.add_format({"bold": True}) for is_figure in (False, True)}
        heading[True].set_align("right")
        for position, column in enumerate(columns):
            self._sheet.set_column(position, position, column.width)
            if column.title:
                self._sheet.write_string(0, position, column.title, heading[column.is_figure])
        if any(column.title for column in columns):
            self._sheet.freeze_panes(1, 0)
            self._next = 1

    def add(self, row: Row) -> None:
        """Write the next row."""
        check_row(self._columns, row)
        if self._next >= _MAX_ROWS:
            raise ValueError(f"A sheet holds {_MAX_ROWS} rows; write this many as CSV")
        for position, cell in enumerate(row):
            self._write(position, cell)
        self._next += 1

    def _write(self, position: int, cell: Cell) -> None:
        if cell is None or cell == "":
            return
        if isinstance(cell, date) and not isinstance(cell, datetime):
            day = datetime.combine(cell, time())
            self._sheet.write_datetime(self._next, position, day, self._format("yyyy-mm-dd"))
        elif isinstance(cell, int | Money) and _is_exact(number := Decimal(exact(cell))):
            places = digits(cell.currency) if isinstance(cell, Money) else 0
            pattern = "#,##0" if isinstance(cell, Money) else "0"
            pattern += f".{'0' * places}" if places else ""
            # A Decimal's own digits reach the file: XlsxWriter makes no float of it. Its annotation says less.
            self._sheet.write_number(self._next, position, number, self._format(pattern))  # type: ignore[call-overload]
        else:
            self._write_text(position, shown(cell))

    def _write_text(self, position: int, text: str) -> None:
        if len(text.encode("utf-16-le")) // 2 > _MAX_TEXT:
            raise ValueError(f"A cell holds {_MAX_TEXT} characters; this text has {len(text)}")
        if text.startswith("<r>") and text.endswith("</r>"):
            text += " "  # in constant memory XlsxWriter takes such a text for its own markup
        self._sheet.write_string(self._next, position, text)

    def _format(self, pattern: str) -> Format:
        found = self._formats.get(pattern)
        if found is None:
            found = self._formats[pattern] = self._workbook.add_format({"num_format": pattern})
        return found


def _is_exact(number: Decimal) -> bool:
    return len(number.as_tuple().digits) <= _EXACT_DIGITS
