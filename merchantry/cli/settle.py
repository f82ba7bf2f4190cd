"""`merchantry settle`."""

from datetime import datetime
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ended_by_signals, progress_bar, with_database
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs.handlers import Tools
from merchantry.jobs.worker import run_due
from merchantry.services.queue import JobKind
from tenancy.database import Database


def settle(
    until: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="With its zone, such as 2018-09-01T00:00:00-03:00; now if not given."),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Make available what was held until an instant. A worker does the same by itself."""
    moment = _moment(until)

    async def work(database: Database) -> int:
        with progress_bar() as bars:
            task = bars.add_task("Holds", total=None)
            return await run_due(
                # Releasing asks nothing of a payment provider.
                Tools(database, Sandbox(database, utc_now, ""), utc_now),
                moment,
                kinds=[JobKind.HOLD_RELEASE],
                progress=lambda done: bars.update(task, completed=done),
            )

    with ended_by_signals(), installation(database_url, data_dir) as opened:
        done = with_database(opened, work)
    typer.echo(f"{done} orders whose hold ended by {moment.isoformat()} are available.")


def _moment(text: str | None) -> datetime:
    if text is None:
        return utc_now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandRefused(f"--until {text} is no instant; give one such as 2018-09-01T00:00:00-03:00.") from error
    if moment.tzinfo is None:
        raise CommandRefused(f"--until {text} has no zone; add one, such as {text}Z or {text}-03:00.")
    if moment > utc_now():
        raise CommandRefused("--until lies in the future; holds can only be released once they have ended.")
    return moment
