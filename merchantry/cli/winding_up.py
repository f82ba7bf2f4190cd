"""`merchantry merchant close|finish|reopen|export`: a merchant leaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import as_platform, ended_by_signals, now, progress_bar, with_database
from merchantry.domain.money import format_minor
from merchantry.domain.winding_up import Blocker
from merchantry.jobs import export as exporting
from merchantry.jobs import winding_up as jobs
from merchantry.services import merchant as merchants
from merchantry.services import sealing, winding_up
from tenancy.database import Database, PlatformSession

Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit trail.")]


def close(slug: str, reason: Reason, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Stop a merchant's sales for good and begin to settle up with it; its staff go on shipping and reading."""
    with installation(database_url, data_dir) as opened:
        merchant_id = _merchant(opened, slug)
        as_platform(opened, lambda session: winding_up.begin(session, merchant_id, reason, now()))
        blockers = with_database(
            opened, lambda database: jobs.blockers_now(database, merchant_id, now(), keep_debt=False)
        )
    typer.echo(f"{slug} is closing.")
    _tell(slug, blockers)


def finish(
    slug: str,
    keep_debt: Annotated[
        bool, typer.Option("--keep-debt", help="Close it although it owes: the debt stays a receivable.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Settle with a closing merchant for the last time, and close it once nothing stands in the way. Repeatable."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        merchant_id = _merchant(opened, slug)
        done = with_database(opened, lambda database: jobs.finish(database, merchant_id, now(), keep_debt=keep_debt))
    if done.settled.statements:
        typer.echo(f"{len(done.settled.statements)} last statements, {len(done.settled.payouts)} payouts.")
    if done.is_closed:
        typer.echo(f"{slug} is closed. Its books can be read, and nothing can be written in them.")
    else:
        _tell(slug, done.blockers)


def reopen(slug: str, reason: Reason, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Let a closed merchant's books be written again, such as for a payout that its bank returned."""
    with installation(database_url, data_dir) as opened:
        sealing.reopen(opened.logins.owner, _merchant(opened, slug), reason, now())
    typer.echo(f"{slug} is closing again: merchantry merchant finish {slug}")


def export(
    slug: str,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made where it is missing.")],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Write a merchant's tables as CSV, its statements and invoices as PDF, XLSX and CSV. Stopped, run it again."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        merchant_id = _merchant(opened, slug)
        files = with_database(opened, lambda database: _export(database, merchant_id, directory))
    typer.echo(f"{files} files of {slug} are in {directory}.")


async def _export(database: Database, merchant_id: UUID, directory: Path) -> int:
    with progress_bar() as bars:
        task = bars.add_task("Files", total=None)
        return await exporting.export(
            database, merchant_id, directory, lambda done, total: bars.update(task, completed=done, total=total)
        )


def _merchant(opened: Installation, slug: str) -> UUID:
    async def find(session: PlatformSession) -> UUID:
        found = await merchants.by_slug(session, slug)
        if found is None:
            raise CommandRefused(f"{slug} is no merchant; `merchantry merchant list` shows them.")
        return found.merchant.id

    return as_platform(opened, find)


def _tell(slug: str, blockers: Sequence[Blocker]) -> None:
    if not blockers:
        typer.echo(f"Nothing stands in the way: merchantry merchant finish {slug}")
        return
    typer.echo("What stands in the way of its end:")
    for each in blockers:
        typer.echo(f"  {_line(each)}")


def _line(each: Blocker) -> str:
    parts = [each.obstacle.value.replace("_", " ")]
    if each.currency is not None and each.amount_minor is not None:
        parts.append(f"{format_minor(each.amount_minor, each.currency)} {each.currency}")
    elif each.until is None or each.count > 1:
        parts.append(str(each.count))
    if each.until is not None:
        parts.append(f"until {each.until.isoformat()}")
    return ", ".join(parts)
