"""`merchantry report`: what the platform's reports say, as a table, JSON or CSV."""

import csv
import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from merchantry.cli import report_rows
from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, with_database
from merchantry.services.report import (
    FURTHER,
    NET,
    PERIOD,
    SETTLED,
    SHOWN,
    Dimension,
    Report,
    commission_report,
    settlement_report,
)
from tenancy.database import Database
from tenancy.directory import merchant_by_slug

DAY = "%Y-%m-%d"
PIPED_WIDTH = 200

app = typer.Typer(no_args_is_help=True, help="Reports over all merchants.")
report_rows.register(app)


class Format(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


From = Annotated[
    datetime | None, typer.Option("--from", formats=[DAY], metavar="DATE", help="The first day; without it, all.")
]
To = Annotated[
    datetime | None, typer.Option("--to", formats=[DAY], metavar="DATE", help="The first day that no longer counts.")
]
By = Annotated[str, typer.Option(metavar="LIST", help=f"Divided by commas: {', '.join(Dimension)}.")]
Merchants = Annotated[list[str] | None, typer.Option("--merchant", metavar="SLUG", help="Only this one; may repeat.")]
Printed = Annotated[Format, typer.Option("--format")]


@app.command()
def commission(
    date_from: From = None,
    date_to: To = None,
    by: By = "",
    merchant: Merchants = None,
    further: Annotated[bool, typer.Option(help="Discounts, taxes and payment fees too.")] = False,
    format: Printed = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Captures and refunds by the mall's day, always by currency as well. Amounts are in minor units."""
    dimensions = _dimensions(by)

    async def read(database: Database) -> Report:
        chosen = await _ids(database, merchant)
        return await commission_report(
            database, date_from=_first(date_from), date_to=_last(date_to), group_by=dimensions, merchants=chosen
        )

    with installation(database_url, data_dir) as opened:
        report = with_database(opened, read)
    _print(report, [*dimensions, "currency", *SHOWN, NET, *(FURTHER if further else ())], format)


@app.command()
def settlement(
    date_from: From = None,
    date_to: To = None,
    by: By = Dimension.MERCHANT.value,
    merchant: Merchants = None,
    format: Printed = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """What became available, by settlement period; the day is the mall's. Amounts are in minor units."""
    dimensions = _dimensions(by)

    async def read(database: Database) -> Report:
        chosen = await _ids(database, merchant)
        return await settlement_report(
            database, date_from=_first(date_from), date_to=_last(date_to), group_by=dimensions, merchants=chosen
        )

    with installation(database_url, data_dir) as opened:
        report = with_database(opened, read)
    _print(report, [*dimensions, *PERIOD, "currency", *SETTLED], format)


def _first(day: datetime | None) -> date:
    return day.date() if day else date.min


def _last(day: datetime | None) -> date:
    return day.date() if day else date.max


def _dimensions(by: str) -> list[Dimension]:
    names = list(dict.fromkeys(name.strip() for name in by.split(",") if name.strip()))
    unknown = [name for name in names if name not in set(Dimension)]
    if unknown:
        raise CommandRefused(f"--by doesn't know {', '.join(unknown)}; choose of {', '.join(Dimension)}.")
    return [Dimension(name) for name in names]


async def _ids(database: Database, slugs: Sequence[str] | None) -> list[UUID] | None:
    if not slugs:
        return None
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        found = {slug: await merchant_by_slug(session, slug) for slug in slugs}
    unknown = [slug for slug, merchant in found.items() if merchant is None]
    if unknown:
        raise CommandRefused(f"There is no merchant {', '.join(unknown)}; `merchantry merchant list` names them all.")
    return [merchant.id for merchant in found.values() if merchant]


def _print(report: Report, columns: Sequence[str], format: Format) -> None:
    rows = [{str(column): _plain(row[column]) for column in columns} for row in report.rows]
    if format is Format.JSON:
        typer.echo(json.dumps({"as_of": report.as_of.isoformat(), "rows": rows}, indent=2))
    elif format is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(map(str, columns)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        table = Table(caption=f"as of {report.as_of:%Y-%m-%d %H:%M:%S %Z}")
        for column in columns:
            is_figure = column in (*SHOWN, *SETTLED, NET, *FURTHER)
            width = max([4, *(len(str(row[column])) for row in rows)])  # names may fold, figures never
            table.add_column(str(column), justify="right" if is_figure else "left", min_width=width, overflow="fold")
        for row in rows:
            table.add_row(*map(str, row.values()))
        console = Console()
        console = console if console.is_terminal else Console(width=PIPED_WIDTH)
        console.print(table)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
