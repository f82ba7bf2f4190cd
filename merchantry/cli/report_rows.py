"""`merchantry report sales|sale-lines|refunds|statements|payouts|taxes`: reports with a row for each of them."""

import io
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from rich.console import Console
from rich.table import Table

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, with_database
from merchantry.domain.report_forms import FORMS
from merchantry.domain.report_kind import ReportFormat, ReportKind
from merchantry.domain.report_request import FIRST_DAY, LAST_DAY, ReportRequest, Span, choose
from merchantry.services import report_writing
from merchantry.services.report_rows import ReportRows, open_report
from tenancy.database import Database

KINDS: Final = (
    ReportKind.SALES,
    ReportKind.SALE_LINES,
    ReportKind.REFUNDS,
    ReportKind.STATEMENTS,
    ReportKind.PAYOUTS,
    ReportKind.TAXES,
)
"""The others have commands of their own, with dimensions."""

SHOWN_ROWS: Final = 1_000
DAY: Final = "%Y-%m-%d"
PIPED_WIDTH: Final = 400


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


Write = Callable[[ReportRows, BinaryIO], Any]


def register(app: typer.Typer) -> None:
    """Add a command for each kind."""
    for kind in KINDS:
        form = FORMS[kind]
        names = ", ".join(column.name for column in form.columns)
        about = f"A row for each {form.row}; counted on {form.counted_on}. Columns: {names}."
        app.command(kind.value.replace("_", "-"), help=about)(_command(kind))


def _command(kind: ReportKind) -> Callable[..., None]:
    def command(
        date_from: Annotated[
            datetime | None, typer.Option("--from", formats=[DAY], metavar="DATE", help="The first day.")
        ] = None,
        date_to: Annotated[
            datetime | None, typer.Option("--to", formats=[DAY], metavar="DATE", help="The first that doesn't count.")
        ] = None,
        columns: Annotated[str, typer.Option(metavar="LIST", help="Divided by commas, in the order wanted.")] = "",
        merchant: Annotated[
            list[str] | None, typer.Option("--merchant", metavar="SLUG", help="Only this one; may repeat.")
        ] = None,
        currency: Annotated[str | None, typer.Option(metavar="CODE", help="Only this currency.")] = None,
        status: Annotated[
            list[str] | None, typer.Option("--status", metavar="STATUS", help="Only this one; may repeat.")
        ] = None,
        format: Annotated[Format, typer.Option("--format")] = Format.TABLE,
        out: Annotated[
            Path | None, typer.Option("--out", dir_okay=False, metavar="FILE", help="Where to write, if not here.")
        ] = None,
        database_url: DatabaseUrl = None,
        data_dir: DataDir = None,
    ) -> None:
        names = [name.strip() for name in columns.split(",") if name.strip()]
        choice = choose(kind, names, merchants=merchant or None, currency=currency, statuses=status or ())
        span = Span(date_from.date() if date_from else FIRST_DAY, date_to.date() if date_to else LAST_DAY)
        is_sheet = format is Format.XLSX
        if is_sheet and out is None:
            raise CommandRefused("--format xlsx makes a file: say where by --out.")
        request = ReportRequest(choice, span, ReportFormat.XLSX if is_sheet else ReportFormat.CSV)

        async def work(database: Database) -> None:
            report = await open_report(database, ACTOR, request, None)
            with _opened(out) as stream:
                await WRITERS[format](report, stream)

        with installation(database_url, data_dir) as opened:
            with_database(opened, work)

    return command


@contextmanager
def _opened(out: Path | None) -> Iterator[BinaryIO]:
    if out is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with out.open("wb") as file:
            yield file
    except OSError as error:
        raise CommandRefused(f"{out} can't be written ({error.strerror}): choose another --out.") from error


async def _json(report: ReportRows, out: BinaryIO) -> None:
    """An object with as_of and rows, a row on each line, written as they are read."""
    names = report.request.choice.columns
    out.write(f'{{"as_of": {json.dumps(report.as_of.isoformat())}, "rows": ['.encode())
    divider = "\n"
    async for row in report.rows:
        shown = dict(zip(names, map(_plain, row), strict=True))
        out.write(f"{divider}{json.dumps(shown, ensure_ascii=False)}".encode())
        divider = ",\n"
    out.write(b"\n]}\n")


async def _table(report: ReportRows, out: BinaryIO) -> None:
    """As many rows as somebody may look at; the other formats have them all."""
    table = Table(caption=f"as of {report.as_of:%Y-%m-%d %H:%M:%S %Z}; amounts in minor units")
    for column in report.request.choice.shown:
        table.add_column(column.name, justify="right" if column.is_figure else "left", overflow="fold")
    is_whole = True
    async for row in _first(report.rows, SHOWN_ROWS + 1):
        is_whole = table.row_count < SHOWN_ROWS
        if is_whole:
            table.add_row(*("" if value is None else str(_plain(value)) for value in row))
    terminal, text = Console(), io.StringIO()
    Console(file=text, width=terminal.width if terminal.is_terminal else PIPED_WIDTH).print(table)
    out.write(text.getvalue().encode())
    if not is_whole:
        typer.echo(f"There are more than {SHOWN_ROWS} rows; --format csv, json or xlsx has them all.", err=True)


async def _first(rows: AsyncIterator[Any], most: int) -> AsyncIterator[Any]:
    for _ in range(most):
        try:
            yield await anext(rows)
        except StopAsyncIteration:
            return


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


WRITERS: Final[dict[Format, Write]] = {
    Format.TABLE: _table,
    Format.JSON: _json,
    Format.CSV: report_writing.write,
    Format.XLSX: report_writing.write,
}
