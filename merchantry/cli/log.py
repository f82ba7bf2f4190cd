"""`merchantry log`: the public log as its operator sees it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, home_of, installation, utc_now
from merchantry.cli.log_witnesses import WitnessPolicyFile, policy_in
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, as_platform, now, with_database
from merchantry.domain.note import NoteError
from merchantry.jobs import resuming
from merchantry.jobs.resuming import WitnessesSilent
from merchantry.services import log, log_requirement, log_sequencing, log_witnessing
from merchantry.services.log_requirement import LogRequirement
from merchantry.services.log_sequencing import LogHalted
from merchantry.transparency.log_keys import ENVIRONMENT, FILE, LogKeys
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database, PlatformSession

app = typer.Typer(no_args_is_help=True, help="The public log: how far it is, its keys, its witnesses.")
keys = typer.Typer(no_args_is_help=True, help="The keys that the log signs with.")
app.add_typer(keys, name="keys")


@app.command()
def init(
    origin: Annotated[str, typer.Option(help="The log's name for ever, such as mall.example/log.")],
    data_dir: DataDir = None,
) -> None:
    """Name the log and make its key, before anything is signed. Without this, the first start gives it some name."""
    home = home_of(data_dir)
    try:
        made = LogKeys.load_or_create(home, origin)
    except (NoteError, OSError) as error:
        raise CommandRefused(f"The log's key can't be made: {error}") from error
    if made.origin != origin:
        raise CommandRefused(f"{home / FILE} is of the log {made.origin} already; its name never changes.")
    _tell(made)


@keys.command()
def add(data_dir: DataDir = None) -> None:
    """Make a further key; from the next start on, all sign. Tell it to witnesses before the old one is retired."""
    _change(data_dir, LogKeys.add)


@keys.command()
def retire(data_dir: DataDir = None) -> None:
    """Leave only the newest key; from the next start on, it signs alone."""
    _change(data_dir, LogKeys.retire)


def _change(data_dir: Path | None, change: Callable[[Path], LogKeys]) -> None:
    try:
        made = change(home_of(data_dir))
    except (NoteError, OSError) as error:
        raise CommandRefused(
            f"The keys can't be changed: {error}. Those of {ENVIRONMENT} no command changes."
        ) from error
    _tell(made)


def _tell(made: LogKeys) -> None:
    for each in made.verifiers:
        typer.echo(str(each))


@app.command()
def status(
    witness_policy: WitnessPolicyFile = None, database_url: DatabaseUrl = None, data_dir: DataDir = None
) -> None:
    """How far the log is, what waits for it, and how far each witness has cosigned."""
    policy = policy_in(witness_policy)

    async def read(session: PlatformSession) -> list[str]:
        head, waiting = await log.head(session), await log_sequencing.waiting(session)
        confirmed = await log.confirmed_size(session)
        lines = [
            f"log        {await log.origin(session) or 'not begun'}",
            f"signed     {head.size if head else 0} leaves" + (f" at {head.signed_at.isoformat()}" if head else ""),
            f"confirmed  {confirmed or 0} leaves",
            f"waiting    {waiting} leaves",
            f"required   {(await log_requirement.in_force(session)).value}",
        ]
        for name in _names(policy) or await log_witnessing.names(session):
            lines.append(f"witness    {name}: {await log_witnessing.last_of(session, name)} leaves")
        return lines

    with installation(database_url, data_dir) as opened:
        typer.echo("\n".join(as_platform(opened, read)))


def _names(policy: WitnessPolicy | None) -> list[str]:
    return [each.key.name for each in policy.witnesses] if policy else []


@app.command()
def check(witness_policy: WitnessPolicyFile = None, database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Check that the stored leaves are those that were signed, and continue what witnesses saw. Exit code 1 if not."""
    policy = policy_in(witness_policy)
    with installation(database_url, data_dir) as opened:
        try:
            size = with_database(opened, lambda database: _checked(database, opened, policy))
        except LogHalted as error:
            typer.echo(f"The log can't go on: {error}.", err=True)
            raise typer.Exit(1) from error
        except WitnessesSilent as error:
            raise CommandRefused(f"{error}; see that they run, or that --witness-policy is right.") from error
    heard = "; no witness was asked (--witness-policy)" if policy is None else ", and continue what the witnesses saw"
    typer.echo(f"{size} leaves are those that were signed{heard}.")


async def _checked(database: Database, opened: Installation, policy: WitnessPolicy | None) -> int:
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        head = await log_sequencing.checked_head(session, opened.log_keys, utc_now())
    if policy is not None:
        await resuming.check_history(database, opened.log_keys, policy)
    return head.size


@app.command()
def require(
    requirement: Annotated[LogRequirement, typer.Argument(help="How far in the log entries must be.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "by command",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Let statements close and payouts go only for entries that are so far in the log; as `logRequirementSet`."""
    with installation(database_url, data_dir) as opened:
        as_platform(opened, lambda session: log_requirement.choose(session, requirement, reason, now()))
    typer.echo(f"Statements and payouts wait for: {requirement.value}.")
