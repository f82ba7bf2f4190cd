"""Reports as files: programs read CSV with amounts in minor units, people XLSX with amounts in their currency."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from merchantry.documents.csv_ import chunks_of_csv, stream_csv
from merchantry.documents.table import Cell, Column
from merchantry.documents.xlsx import stream_xlsx
from merchantry.domain.errors import InvalidInput
from merchantry.domain.money import Money
from merchantry.domain.report_forms import FORMS
from merchantry.domain.report_kind import ColumnType, ReportColumn, ReportFormat
from merchantry.domain.report_request import ReportRequest
from merchantry.domain.worded import Worded
from merchantry.services.report_rows import ReportRows, Row

MEDIA_TYPES: Final = {
    ReportFormat.CSV: "text/csv; charset=utf-8; header=present",
    ReportFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
MAX_SHEET_ROWS: Final = 1_048_575
WIDTHS: Final = {
    ColumnType.TEXT: 18,
    ColumnType.DAY: 12,
    ColumnType.INSTANT: 24,
    ColumnType.COUNT: 10,
    ColumnType.MONEY: 16,
}


@dataclass(slots=True)
class Count:
    """How many rows have been written so far."""

    rows: int = 0


def file_name(request: ReportRequest) -> str:
    """What a browser calls the file: kind and days, such as ``sales_2026-03-01_2026-04-01.csv``."""
    span = request.span
    return f"{request.choice.kind}_{span.date_from}_{span.date_to}.{request.format}"


def chunks(report: ReportRows) -> AsyncIterator[bytes]:
    """The report as CSV, piece by piece, as it is read."""
    return chunks_of_csv(_columns(report), _cells(report, Count()))


async def write(report: ReportRows, out: BinaryIO) -> int:
    """Write the whole report; returns how many rows it has. Raises InvalidInput for more than a sheet holds."""
    count = Count()
    cells = _cells(report, count)
    if report.request.format is ReportFormat.CSV:
        await stream_csv(_columns(report), cells, out)
    else:
        title = FORMS[report.request.choice.kind].title
        await stream_xlsx(_columns(report), cells, out, title=title, dated=report.as_of)
    return count.rows


def _columns(report: ReportRows) -> list[Column]:
    return [
        Column(column.name, column.title, WIDTHS[column.type], is_figure=column.is_figure)
        for column in report.request.choice.shown
    ]


async def _cells(report: ReportRows, count: Count) -> AsyncIterator[tuple[Cell, ...]]:
    shown = report.request.choice.shown
    is_sheet = report.request.format is ReportFormat.XLSX
    async for row in report.rows:
        count.rows += 1
        if is_sheet and count.rows > MAX_SHEET_ROWS:
            reason = Worded(
                "A sheet holds {most} rows, and there are more; ask for csv, or for fewer days.", most=MAX_SHEET_ROWS
            )
            raise InvalidInput(reason=reason, path=("format",))
        yield tuple(_amounts(shown, row)) if is_sheet else row


def _amounts(shown: list[ReportColumn], row: Row) -> Iterator[Cell]:
    """The row with its amounts in its currency, which is chosen wherever an amount is."""
    names = [column.name for column in shown]
    currency = row[names.index("currency")] if "currency" in names else None
    for column, value in zip(shown, row, strict=True):
        if column.type is ColumnType.MONEY and isinstance(value, int) and isinstance(currency, str):
            yield Money(value, currency)
        else:
            yield value
