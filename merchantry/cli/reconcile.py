"""`merchantry reconcile`."""

from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ended_by_signals, progress_bar, with_database
from merchantry.domain.act import Act
from merchantry.domain.errors import BankFileInvalid
from merchantry.jobs import reconciliation
from merchantry.jobs.reconciliation import FileKind, Reconciled
from tenancy.database import Database

ACTOR = "system:command"


def reconcile(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, readable=True, help="camt.053, pain.002, or a provider's CSV."),
    ],
    account: Annotated[str, typer.Option(help="What our account with a CSV's provider is called.")] = "wallet",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Match bank statements with payouts and ledger, and hear status reports. A file taken again changes nothing."""

    async def work(database: Database) -> list[Reconciled]:
        done = []
        with progress_bar() as bars:
            for path in files:
                task = bars.add_task(path.name, total=None)

                def show(result: Reconciled, task: object = task) -> None:
                    bars.update(task, completed=result.matched + result.returned + result.unmatched)  # type: ignore[arg-type]

                now = utc_now()
                try:
                    act, data = Act(ACTOR, now, now), path.read_bytes()
                    taken = await reconciliation.take_file(
                        database, data, act, file_name=path.name, account=account, progress=show
                    )
                except BankFileInvalid as error:
                    raise CommandRefused(f"{path}: {error.message}") from error
                done.append(taken)
        return done

    with ended_by_signals(), installation(database_url, data_dir) as opened:
        results = with_database(opened, work)
    for path, result in zip(files, results, strict=True):
        typer.echo(f"{path.name} ({result.kind}): {_said(result)}")


def _said(result: Reconciled) -> str:
    if result.kind is FileKind.PAIN_002:
        return f"{result.answers} transfers heard of."
    taken = f"{result.statements} statements" + (f", {result.repeated} taken before" if result.repeated else "")
    return (
        f"{taken}; {result.matched} lines matched, {result.returned} returns, "
        f"{result.unmatched} without a match; {len(result.cases)} differences to look at."
    )
