"""`merchantry audit`: the trail, filtered, as a table, JSON or CSV; printed as it is read, however long it is."""

import csv
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir, past_instant
from merchantry.cli.running import ACTOR, ended_by_signals, with_database
from merchantry.domain.audit import AuditEvent, Outcome
from merchantry.services.audit_search import AuditFilter, events
from tenancy.database import Database
from tenancy.directory import merchant_by_slug

PAGE = 1_000
COLUMNS = (
    "booked_at",
    "occurred_at",
    "actor",
    "on_behalf_of",
    "client",
    "request_id",
    "act",
    "subject",
    "outcome",
    "merchant_id",
    "id",
    "before",
    "after",
)
WIDTHS = {"booked_at": 32, "actor": 45, "act": 28, "subject": 36, "outcome": 7}
"""What the table shows, and how wide: it is printed before all rows are known."""

Printer = Callable[[dict[str, Any]], None]


class Format(StrEnum):
    """How the events are printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def audit(
    actor: Annotated[str | None, typer.Option(help="One actor, or with * at its end several: staff:*.")] = None,
    act: Annotated[str | None, typer.Option(help="One act, or with * at its end several: payout.*.")] = None,
    subject: Annotated[str | None, typer.Option()] = None,
    request: Annotated[str | None, typer.Option(help="The id of a request.")] = None,
    merchant: Annotated[list[str] | None, typer.Option(metavar="SLUG", help="Only of this; may repeat.")] = None,
    outcome: Annotated[Outcome | None, typer.Option()] = None,
    from_: Annotated[str | None, typer.Option("--from", metavar="INSTANT", help="The earliest booking.")] = None,
    to: Annotated[str | None, typer.Option(metavar="INSTANT", help="Before this booking.")] = None,
    text: Annotated[str | None, typer.Option(help="Some of before or after; needs --from.")] = None,
    format: Annotated[Format, typer.Option()] = Format.TABLE,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Print the audit trail, newest first."""
    wanted = AuditFilter(
        actor=actor,
        act=act,
        subject=subject,
        request_id=request,
        outcome=outcome,
        starts_at=past_instant("--from", from_) if from_ else None,
        ends_at=past_instant("--to", to) if to else None,
        text=text,
    )
    with ended_by_signals(), installation(database_url, data_dir) as opened, _printer(format) as show:
        with_database(opened, lambda database: _print(database, wanted, merchant, show))


async def _print(database: Database, wanted: AuditFilter, slugs: list[str] | None, show: Printer) -> None:
    async for event in _found(database, await _with_merchants(database, wanted, slugs)):
        row = {name: getattr(event, name) for name in COLUMNS}
        row |= {name: row[name].isoformat() for name in ("booked_at", "occurred_at")}
        show({**row, "merchant_id": str(event.merchant_id), "id": str(event.id)})


async def _with_merchants(database: Database, wanted: AuditFilter, slugs: list[str] | None) -> AuditFilter:
    if not slugs:
        return wanted
    ids: list[UUID] = []
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        for slug in slugs:
            found = await merchant_by_slug(session, slug)
            if found is None:
                raise CommandRefused(f"There is no merchant {slug}; merchantry merchant list names them.")
            ids.append(found.id)
    return wanted.of(*ids)


async def _found(database: Database, wanted: AuditFilter) -> AsyncIterator[AuditEvent]:
    """Page by page, each a short transaction: what is booked meanwhile is newer than all that is printed."""
    after = None
    while True:
        async with database.read(ACTOR) as tx, tx.as_platform() as session:
            page = await events(session, wanted, PAGE, after)
        for event in page[:PAGE]:
            yield event
        if len(page) <= PAGE:
            return
        after = page[PAGE - 1].cursor


@contextmanager
def _printer(format: Format) -> Iterator[Printer]:
    if format is Format.CSV:
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        yield lambda row: writer.writerow([_cell(row[name]) for name in COLUMNS])
    elif format is Format.JSON:
        began: list[bool] = []

        def show(row: dict[str, Any]) -> None:
            typer.echo((",\n" if began else "[\n") + json.dumps(row, ensure_ascii=False), nl=False)
            began.append(True) if not began else None

        yield show
        typer.echo("\n]" if began else "[]")
    else:
        typer.echo("  ".join(name.ljust(width) for name, width in WIDTHS.items()))
        yield lambda row: typer.echo("  ".join(str(row[name]).ljust(width) for name, width in WIDTHS.items()))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
