"""`merchantry import`: what was sold elsewhere, through the same services as live traffic."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.progress import TimeRemainingColumn as RemainingColumn
from rich.table import Table
from rich.text import Text

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ended_by_signals, run_async
from merchantry.domain.money import format_minor
from merchantry.domain.plan import Plan
from merchantry.domain.plan_document import plan_from_json
from merchantry.imports.olist.files import CURRENCY, FilesRefused
from merchantry.imports.olist.model import Source, read
from merchantry.imports.olist.report import Counts, Report
from merchantry.imports.olist.run import WORKERS, Stage, run
from merchantry.services.vault import Vault
from tenancy.database import Database
from tenancy.logins import Logins

SOME_WERE_SKIPPED = 1

app = typer.Typer(no_args_is_help=True, help="Bring in what was sold elsewhere.")


class Format(StrEnum):
    """How the report is printed."""

    TABLE = "table"
    JSON = "json"


@app.callback()
def bring_in() -> None:
    """Bring in what was sold elsewhere."""


@app.command()
def olist(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Holds the CSV files, plain or gzipped.")],
    plan: Annotated[Path, typer.Option(metavar="FILE", help="The commission plan, as JSON.")],
    format: Annotated[Format, typer.Option(help="How the report is printed.")] = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Import the Brazilian E-Commerce Public Dataset by Olist. Run it again to resume; nothing comes in twice.

    Exit code 0: everything is in. 1: rows were skipped; the report names them. 2: refused, nothing was changed.
    """
    terms, source = _plan(plan), _source(directory)
    with ended_by_signals(), installation(database_url, data_dir) as opened, _shown() as progress:
        report = run_async(_import(opened.logins, opened.vault, source, terms, progress))
    if format is Format.JSON:
        typer.echo(json.dumps(report.document(), indent=2))
    else:
        _print(report)
    if report.skipped:
        raise typer.Exit(SOME_WERE_SKIPPED)


def _plan(path: Path) -> Plan:
    try:
        return plan_from_json(path.read_bytes())
    except OSError as error:
        raise CommandRefused(f"The plan can't be read ({error}): give --plan a JSON file.") from error


def _source(directory: Path) -> Source:
    try:
        return read(directory, utc_now())
    except FilesRefused as error:
        raise CommandRefused(str(error)) from error


async def _import(logins: Logins, vault: Vault, source: Source, plan: Plan, progress: "_Shown") -> Report:
    # A connection for each worker, so that it meets the merchants' tables that it has just learnt.
    database = Database(logins, pool_size=WORKERS)
    try:
        return await run(database, vault, source, plan, clock=utc_now, progress=progress)
    finally:
        await database.close()


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.0f}/s" if speed else "")


class _Shown:
    """The stages as bars."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[Stage, TaskID] = {}

    def begin(self, stage: Stage, total: int) -> None:
        self._tasks[stage] = self._bars.add_task(stage.capitalize(), total=total)

    def advance(self, stage: Stage, done: int) -> None:
        self._bars.advance(self._tasks[stage], done)


@contextmanager
def _shown() -> Iterator[_Shown]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), RemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _Shown(bars)


def _print(report: Report) -> None:
    console = Console()
    counts = Table("", "checkouts", "merchants", "orders", "lines", title="Imported")
    for name, row in (("now", report.now), ("before", report.before)):
        counts.add_row(name, *_figures(row))
    console.print(counts)
    odd = Table("", "checkouts", title="What is odd in the files, and was imported as it stands")
    for name, number in (
        ("several merchants", report.several_merchants),
        ("several tenders", report.several_tenders),
        ("payment differs from the orders' total", len(report.payment_differs)),
        ("shipped before captured", report.shipped_before_captured),
        ("delivered before captured", report.delivered_before_captured),
        ("delivered before shipped", report.delivered_before_shipped),
        ("not delivered; stays as far as it came", len(report.undelivered)),
    ):
        odd.add_row(name, str(number))
    console.print(odd)
    _print_named(console, report)
    if report.now.checkouts:
        console.print(
            f"{report.now.checkouts} checkouts with their products in {report.seconds:.1f} s: "
            f"{report.checkouts_per_second:.1f} per second."
        )


def _figures(counts: Counts) -> list[str]:
    return [str(number) for number in (counts.checkouts, counts.merchants, counts.orders, counts.lines)]


def _print_named(console: Console, report: Report) -> None:
    if report.payment_differs:
        table = Table("checkout", "orders", "paid", title="Payment differs; the orders' total was captured")
        for each in report.payment_differs:
            orders, paid = (format_minor(amount, CURRENCY) for amount in (each.orders_minor, each.paid_minor))
            table.add_row(each.checkout, orders, paid)
        console.print(table)
    if report.skipped:
        table = Table("file", "line", "reason", "checkout left out", title="Skipped")
        for skipped in report.skipped:
            table.add_row(skipped.file, str(skipped.line), skipped.reason, skipped.checkout or "")
        console.print(table)
