"""`merchantry verify`: proofs that what is stored is right. Exit codes: 0 it is, 1 a law is broken, 2 nobody knows."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import orjson
import typer

from merchantry.cli import verify_last, verify_offline
from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import as_platform, ended_by_signals, progress_bar, with_database
from merchantry.cli.verify_offline import Checkpoints, Format, Keys, Output, Quorum, Witnesses
from merchantry.jobs import verifying
from merchantry.jobs.verifying import Progress, Report
from merchantry.services.verification import merchants_to_verify
from merchantry.transparency.mirror import MirrorError, files_at
from merchantry.transparency.trust import Trust
from tenancy.database import Database

app = typer.Typer(invoke_without_command=True, help="Prove that what is stored is right.")
app.command()(verify_offline.receipt)
app.command()(verify_offline.ledger)
app.command()(verify_offline.mirror)

BROKEN = 1

Slug = Annotated[str | None, typer.Option("--merchant", metavar="SLUG", help="Only this merchant's entries and books.")]
Mirror = Annotated[
    str | None,
    typer.Option(metavar="DIR", help="A copy of the log's files, which names the leaves that a checkpoint lacks."),
]
Ledgers = Annotated[
    list[Path] | None,
    typer.Option("--ledger", metavar="FILE", help="Merchants' exported ledgers, which name leaves that are gone."),
]
Work = Callable[[Database, list[tuple[UUID, str]], Report, Progress], Awaitable[None]]


@app.callback()
def everything(
    context: typer.Context,
    checkpoint: Checkpoints = None,
    key: Keys = None,
    witness: Witnesses = None,
    quorum: Quorum = 0,
    mirror: Mirror = None,
    ledger: Ledgers = None,
    merchant: Slug = None,
    security: Annotated[bool, typer.Option("--security", help="Only grants, policies, roles, memberships.")] = False,
    last: Annotated[
        bool, typer.Option("--last", help="What the worker's last verification found, and its code.")
    ] = False,
    output: Output = Format.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """The log, every entry in it, all books, and what guards them. Exit code 1 where a law is broken."""
    if context.invoked_subcommand is not None:
        return
    if last:
        _end_last(database_url, data_dir, output)
        return
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        trust = Trust() if security else _trust(opened, checkpoint, key, witness, quorum, mirror, ledger)

        async def work(
            database: Database, merchants: list[tuple[UUID, str]], report: Report, progress: Progress
        ) -> None:
            if not security:
                await verifying.look_at_log(database, merchants, trust, report, progress)
                await verifying.look_at_books(database, merchants, report, progress)
            await verifying.look_at_guards(opened.logins, report)

        report = _looked(opened, merchant, work)
    _end(report, output)


@app.command("log")
def log_alone(
    checkpoint: Checkpoints = None,
    key: Keys = None,
    witness: Witnesses = None,
    quorum: Quorum = 0,
    mirror: Mirror = None,
    ledger: Ledgers = None,
    merchant: Slug = None,
    output: Output = Format.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Compute the public log again, and hold every entry and audit event, and heads kept elsewhere, against it."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        trust = _trust(opened, checkpoint, key, witness, quorum, mirror, ledger)
        report = _looked(
            opened, merchant, lambda database, *rest: verifying.look_at_log(database, rest[0], trust, *rest[1:])
        )
    _end(report, output)


@app.command()
def books(
    merchant: Slug = None,
    output: Output = Format.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Recount every merchant's books from its entries and orders."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        report = _looked(opened, merchant, verifying.look_at_books)
    _end(report, output)


def _looked(opened: Installation, slug: str | None, work: Work) -> Report:
    async def run(database: Database) -> Report:
        merchants = [each for each in await merchants_to_verify(database) if slug in (None, each[1])]
        if slug is not None and not merchants:
            raise CommandRefused(f"{slug} is no merchant; `merchantry merchant list` shows them.")
        report = Report()
        with progress_bar() as bars:
            tasks = {}

            def progress(part: str, done: int, total: int) -> None:
                if part not in tasks:
                    tasks[part] = bars.add_task(part, total=total)
                bars.update(tasks[part], completed=done, total=total)

            try:
                await work(database, merchants, report, progress)
            except MirrorError as error:
                raise CommandRefused(str(error)) from error
        return report

    return with_database(opened, run)


def _trust(
    opened: Installation,
    checkpoints: list[Path] | None,
    keys: list[str] | None,
    witnesses: list[str] | None,
    quorum: int,
    mirror: str | None,
    ledgers: list[Path] | None,
) -> Trust:
    """What is given; without keys, those that this installation signs with."""
    of_log = verify_offline.keys_of(keys) if keys else opened.log_keys.verifiers
    of_witnesses = verify_offline.witnesses_of(witnesses)
    heads = tuple(verify_offline.head_in(path, of_log, of_witnesses, quorum) for path in checkpoints or ())
    if mirror is not None and not heads:
        raise CommandRefused("--mirror needs a --checkpoint, which says that the copy is the log's.")
    names = {leaf: name for path in ledgers or () for leaf, name in verify_offline.names_in(path)}
    return Trust(of_log, of_witnesses, quorum, heads, None if mirror is None else files_at(mirror), names)


def _end_last(database_url: str | None, data_dir: Path | None, output: Format) -> None:
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        found = as_platform(opened, verify_last.last)
    document = verify_last.document(found)
    typer.echo(orjson.dumps(document).decode() if output is Format.JSON else "\n".join(verify_last.lines(found)))
    if not document["clean"]:
        raise typer.Exit(BROKEN)


def _end(report: Report, output: Format) -> None:
    text = orjson.dumps(report.document()).decode() if output is Format.JSON else "\n".join(_lines(report))
    typer.echo(text)
    if not report.is_clean:
        raise typer.Exit(BROKEN)


def _lines(report: Report) -> Iterator[str]:
    broken = list(report.broken())
    for each in broken:
        yield f"{each['merchant']}: {each['law']}: {each['row']}: counted {each['expected']}, stored {each['found']}"
    for deviation in report.deviations:
        yield f"{deviation.where}: {deviation.what}. Mend it: {deviation.repair}"
    if report.log is not None:
        yield f"{report.log.size} leaves, {report.log.heads} signed heads, root {report.log.root.hex()}."
    yield f"{report.entries} entries of {report.merchants} merchants: {len(broken) or 'no'} laws broken."
    if report.deviations:
        yield f"{len(report.deviations)} rights are not as declared."
