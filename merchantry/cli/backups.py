"""`merchantry merchant backup|drill`: copies of merchants that can be restored one by one."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, as_platform, ended_by_signals, progress_bar, with_database
from merchantry.jobs import backing_up, drill
from merchantry.jobs.backup import Taking
from merchantry.jobs.drill import Drilled
from merchantry.jobs.restore import File
from merchantry.jobs.tools import BackupPlan
from merchantry.services import backup as backups
from merchantry.services import merchant as merchants
from merchantry.services.backup import Backup
from merchantry.tables.platform import NOBODY
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database, PlatformSession

SOME_WRONG = 1

Slug = Annotated[str | None, typer.Argument(help="The merchant; none with --all.")]
To = Annotated[Path | None, typer.Option("--to", metavar="FILE_OR_DIR", help="Where it is written.")]
Plain = Annotated[bool, typer.Option("--plain", help="Encrypt nothing: whoever has the file can read it.")]

BackupsDir = Annotated[
    Path | None,
    typer.Option(
        "--backups",
        envvar="MERCHANTRY_BACKUPS",
        file_okay=False,
        help="Back every merchant up into this directory once a day. Without one no backups are made.",
    ),
]
BackupsKept = Annotated[int, typer.Option("--backups-kept", min=1, help="How many of each merchant's are kept there.")]


def backup_plan(directory: Path | None, kept: int) -> BackupPlan | None:
    """What a worker is given; the directory is made. Raises CommandRefused."""
    if directory is None:
        return None
    return BackupPlan(_directory(directory), kept)


def backup(
    slug: Slug = None,
    to: To = None,
    plain: Plain = False,
    everybody: Annotated[bool, typer.Option("--all", help="Every merchant, into a directory; resumable.")] = False,
    younger_than: Annotated[
        float, typer.Option(metavar="HOURS", help="With --all: merchants with a backup of this age are skipped.")
    ] = 12,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail where a backup is too old.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Write all that a merchant has into one file, of one moment, encrypted. Others go on writing meanwhile."""
    if check + everybody + (slug is not None) != 1:
        raise CommandRefused("Name one merchant, or give --all, or --check.")
    if to is None and not check:
        raise CommandRefused("Say where to: --to FILE_OR_DIR.")
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        ring = None if plain or check else opened.vault.ring
        if check:
            _check(opened)
        elif slug is None and to is not None:
            _all(opened, _directory(to), ring, timedelta(hours=younger_than))
        elif slug is not None and to is not None:
            _one(opened, slug, to, ring)


def _one(opened: Installation, slug: str, to: Path, ring: MasterKeys | None) -> None:
    taking = Taking(opened.logins, merchant_of(opened, slug), slug, ring, ACTOR)

    async def work(database: Database) -> Backup:
        with progress_bar() as bars:
            task = bars.add_task("Tables", total=None)
            return await backing_up.take(
                database, taking, to, lambda done, total: bars.update(task, completed=done, total=total)
            )

    try:
        made = with_database(opened, work)
    except OSError as error:
        raise CommandRefused(f"The file can't be written: {error}") from error
    how = "encrypted" if made.is_encrypted else "NOT encrypted"
    typer.echo(f"{made.stored_as}: {made.size_bytes} bytes, {how}, to entry {made.last_seq} of {slug}.")
    typer.echo(f"SHA-256 {made.sha256.hex()}")


def _all(opened: Installation, to: Path, ring: MasterKeys | None, age: timedelta) -> None:
    async def work(database: Database) -> tuple[int, list[backing_up.Failure]]:
        with progress_bar() as bars:
            task = bars.add_task("Merchants", total=None)
            return await backing_up.take_all(
                database,
                to,
                ring,
                ACTOR,
                younger_than=age,
                progress=lambda done, total: bars.update(task, completed=done, total=total),
            )

    made, failures = with_database(opened, work)
    typer.echo(f"{made} merchants were backed up into {to}.")
    for each in failures:
        typer.echo(f"  {each.slug}: {each.reason}", err=True)
    if failures:
        raise CommandRefused(f"{len(failures)} merchants could not be backed up; run it again.")


def _check(opened: Installation) -> None:
    due = as_platform(opened, lambda session: backups.too_old(session, utc_now(), backups.ALARM_AFTER))
    for each in due:
        typer.echo(f"  {each.slug}: {each.latest_at.isoformat() if each.latest_at else 'never'}", err=True)
    if due:
        hours = int(backups.ALARM_AFTER.total_seconds() // 3600)
        raise CommandRefused(f"{len(due)} merchants have no backup of the last {hours} hours.")
    typer.echo("Every merchant's latest backup is young enough.")


def drills(
    slug: Slug = None,
    sample: Annotated[int, typer.Option(min=0, help="So many merchants, chosen at random.")] = 0,
    plain: Annotated[bool, typer.Option("--plain", help="Take backups that are not encrypted, too.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Restore the latest backup into a database of its own, verify its books there, and drop it again.

    Exit code 0: the books are right. 1: a law is broken. 2: it could not be restored.
    """
    if (slug is None) == (sample == 0):
        raise CommandRefused("Name one merchant, or give --sample N.")
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        chosen = _chosen(opened, slug, sample)
        ring = opened.vault.ring
        found = [_drilled(opened, each, ring, plain) for each in chosen]
    for each in found:
        state = f"{len(each.broken)} laws broken" if each.broken else "no law broken"
        typer.echo(
            f"{each.slug}: {each.entries} entries, {state}; "
            f"restored in {each.load_seconds:.1f} s, verified in {each.verify_seconds:.1f} s."
        )
        for law in each.broken:
            typer.echo(f"  {law.law}: {law.row}: counted {law.expected}, stored {law.found}")
    if any(each.broken for each in found):
        raise typer.Exit(SOME_WRONG)


def _chosen(opened: Installation, slug: str | None, sample: int) -> Sequence[Backup]:
    async def latest(session: PlatformSession) -> list[Backup]:
        if slug is not None:
            found = await merchants.by_slug(session, slug)
            return await backups.of_merchant(session, found.merchant.id if found else NOBODY)
        return await backups.latest(session)

    found = as_platform(opened, latest)
    if not found:
        raise CommandRefused("There is no backup to try; make one: merchantry merchant backup SLUG --to DIR")
    return found if slug is not None else random.sample(found, min(sample, len(found)))


def _drilled(opened: Installation, made: Backup, ring: MasterKeys, is_plain: bool) -> Drilled:
    file = File(Path(made.stored_as), ring if made.is_encrypted else None, is_plain)
    if not made.is_encrypted and not is_plain:
        raise CommandRefused(f"{made.stored_as} is not encrypted; --plain takes it anyway.")
    try:
        return asyncio.run(drill.drill(opened.logins, file))
    except OSError as error:
        raise CommandRefused(f"{made.stored_as} can't be read: {error}") from error


def merchant_of(opened: Installation, slug: str) -> UUID:
    """The merchant's id. Raises CommandRefused."""

    async def find(session: PlatformSession) -> UUID:
        found = await merchants.by_slug(session, slug)
        if found is None:
            raise CommandRefused(f"{slug} is no merchant; `merchantry merchant list` shows them.")
        return found.merchant.id

    return as_platform(opened, find)


def _directory(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandRefused(f"The directory can't be made ({error}); choose another.") from error
    return path.absolute()
