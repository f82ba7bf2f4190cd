"""`merchantry migrate`."""

from typing import Annotated

import typer
from rich.table import Table

from merchantry.cli import installation
from merchantry.cli.installation import Installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import progress_bar, show
from merchantry.tables.blueprint import merchant_revisions, platform_revisions
from tenancy.migrations import BASE, Outcome, versions

NAMED = 20
"""Merchants that are behind and named; where there are more, their number is enough."""


def migrate(
    status: Annotated[bool, typer.Option("--status", help="Only show who is at which version.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Bring the platform's schema, then every merchant's, to the newest version. Run it again to resume."""
    with installation.installation(database_url, data_dir, migrates=False) as opened:
        if status:
            _show_status(opened)
            return
        with progress_bar() as progress:
            task = progress.add_task("Merchants", total=None)
            outcome = installation.migrate(
                opened, lambda done, total: progress.update(task, completed=done, total=total)
            )
            progress.update(task, total=progress.tasks[0].completed)
    _show_outcome(outcome)
    if outcome.failed:
        raise typer.Exit(1)


def _show_outcome(outcome: Outcome) -> None:
    retried = f", {outcome.retries} attempts repeated because of locks" if outcome.retries else ""
    newest = f"platform {platform_revisions().head}, merchants {merchant_revisions().head}"
    typer.echo(f"Newest version: {newest}. {outcome.migrated} merchants migrated{retried}.")
    for schema, reason in sorted(outcome.failed.items()):
        typer.echo(f"{schema} was left as it was: {' '.join(reason.split())}", err=True)
    if outcome.stopped:
        typer.echo("Stopped there; the others are untouched. Mend the cause and run this again.", err=True)


def _show_status(opened: Installation) -> None:
    platform = installation.version(opened)
    found = versions(opened.logins.owner) if platform != BASE else {}
    newest = merchant_revisions().head
    table = Table("schema", "version", "newest", "how many", "behind")
    table.add_row("platform", platform, platform_revisions().head, "1", _behind(platform, platform_revisions().head))
    for version, slugs in sorted(found.items()):
        more = f" and {len(slugs) - NAMED} more" if len(slugs) > NAMED else ""
        names = "" if version == newest else ", ".join(slugs[:NAMED]) + more
        table.add_row("merchant", version, newest, str(len(slugs)), names)
    show(table)


def _behind(version: str, newest: str) -> str:
    return "" if version == newest else "run `merchantry migrate`"
