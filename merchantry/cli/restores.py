"""`merchantry merchant restore|replay|recheck|undo-restore`: one merchant as it was."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.backups import merchant_of
from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ended_by_signals, now, progress_bar, with_database
from merchantry.domain.money import format_minor
from merchantry.jobs import receipt_replay
from merchantry.jobs import restore as jobs
from merchantry.jobs.restore import File, Restored
from merchantry.services.restore_gap import Gap
from merchantry.transparency.trust import Trust
from merchantry.vault.container import Reader
from tenancy.database import Database

QUARANTINED = 1
SHOWN = 50

BackupFile = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False)]
Plain = Annotated[bool, typer.Option("--plain", help="Take a file that is not encrypted: nothing proves who wrote it.")]


def restore(
    file: BackupFile,
    merchant: Annotated[str | None, typer.Option(metavar="SLUG", help="Refuse a file of any other merchant.")] = None,
    plain: Plain = False,
    accept_broken: Annotated[
        bool, typer.Option("--accept-broken", help="Although the books in the file break laws; verify tells which.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Restore a merchant from a backup. Its requests are refused meanwhile; everybody else goes on.

    Exit code 0: everything agrees. 1: quarantined, with what is missing. 2: refused; the merchant has what it had.
    """
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        done = _restored(opened, file, merchant, plain=plain, accepts_broken=accept_broken)
    _tell(done)


def replay(
    slug: str,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE…", exists=True, dir_okay=False)] = None,
    receipts: Annotated[
        list[Path] | None,
        typer.Option(
            "--receipts", metavar="DIR|FILE", exists=True, help="The merchant's receipts of lost entries; repeatable."
        ),
    ] = None,
    plain: Plain = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Add what a quarantined merchant lacks: from newer backups, which hold every entry that is there already, or from
    its own receipts (--receipts), which go on behind the last entry without a hole."""
    if bool(files) == bool(receipts):
        raise CommandRefused("Give newer backups, or receipts with --receipts DIR|FILE.")
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        if receipts:
            done = _replayed(opened, slug, receipts)
        for file in sorted(files or (), key=lambda each: str(_read(each).manifest["taken_at"])):
            done = _restored(opened, file, slug, plain=plain, continues=True)
            if not done.gaps:
                break
    _tell(done)


def recheck(slug: str, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Look again what a restored merchant lacks; where that is nothing, its quarantine ends. Cleans up after a kill."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        merchant_id = merchant_of(opened, slug)
        done = with_database(opened, lambda database: jobs.recover(database, merchant_id, slug, now()))
    _tell(done)


def undo_restore(slug: str, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Take a restore back that has not ended (killed, or quarantined): the merchant has what it had before it."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        merchant_id = merchant_of(opened, slug)
        done = with_database(opened, lambda database: jobs.abandon(database, merchant_id, slug, now()))
    _tell(done)


def manifest(file: BackupFile) -> None:
    """Print what a backup says of itself; no key is needed."""
    import orjson

    with file.open("rb") as opened:
        typer.echo(orjson.dumps(dict(Reader(opened).manifest), option=orjson.OPT_INDENT_2).decode())


def _restored(opened: Installation, path: Path, slug: str | None, *, plain: bool, **how: bool) -> Restored:
    file = File(path, opened.vault.ring, plain)

    async def work(database: Database) -> Restored:
        with progress_bar() as bars:
            task = bars.add_task("Tables", total=None)
            show: Callable[[int, int], None] = lambda done, total: bars.update(task, completed=done, total=total)  # noqa: E731
            return await jobs.restore(database, file, now(), slug=slug, progress=show, **how)

    try:
        return with_database(opened, work)
    except OSError as error:
        raise CommandRefused(f"The file can't be read: {error}") from error


def _replayed(opened: Installation, slug: str, places: list[Path]) -> Restored:
    merchant_id = merchant_of(opened, slug)
    files = [file for place in places for file in (sorted(place.glob("*.json")) if place.is_dir() else [place])]
    if not files:
        raise CommandRefused("There is no receipt (*.json) in that directory.")
    found = [(str(file), _document(file)) for file in files]
    trust = Trust(opened.log_keys.verifiers)
    return with_database(
        opened, lambda database: receipt_replay.replay(database, merchant_id, slug, found, trust, now())
    )


def _document(file: Path) -> object:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CommandRefused(f"{file}: it is no receipt: {error}") from error


def _read(path: Path) -> Reader:
    with path.open("rb") as opened:
        return Reader(opened)


def _tell(done: Restored) -> None:
    if not done.gaps:
        typer.echo(f"{done.slug} is {done.status}; its books, the log and the platform agree.")
        return
    typer.echo(f"{done.slug} is quarantined: it can only be read. It lacks:")
    for gap in done.gaps[:SHOWN]:
        typer.echo(f"  {_line(gap)}")
    if len(done.gaps) > SHOWN:
        typer.echo(f"  and {len(done.gaps) - SHOWN} more; platform {{ restoreGaps }} lists all.")
    typer.echo(
        f"Replay it (merchantry merchant replay {done.slug} FILE…), let two people approve its case, "
        f"or take the restore back (merchantry merchant undo-restore {done.slug})."
    )
    raise typer.Exit(QUARANTINED)


def _line(gap: Gap) -> str:
    name = gap.details.get("number") or gap.details.get("title") or gap.subject
    parts = [f"{gap.kind} {name}", gap.entry_kind or ""]
    if gap.amount_minor is not None and gap.currency is not None:
        parts.append(f"{format_minor(gap.amount_minor, gap.currency)} {gap.currency}")
    if gap.kind == "order" and gap.details.get("restored"):
        parts.append(f"{gap.details['restored']} instead of {gap.details['status']}")
    return ", ".join(part for part in parts if part)
