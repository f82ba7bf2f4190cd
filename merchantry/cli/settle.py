"""`merchantry settle`."""

from datetime import datetime
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir, past_instant
from merchantry.cli.running import ended_by_signals, progress_bar, with_database
from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import settlement
from merchantry.jobs.settlement import Tally
from merchantry.jobs.tools import Tools
from merchantry.services import merchant as merchants
from merchantry.services import settlement_run
from merchantry.services.vault import Vault
from tenancy.database import Database

ACTOR = "system:command"


def settle(
    until: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="With its zone, such as 2018-09-01T00:00:00-03:00; now if not given."),
    ] = None,
    merchant: Annotated[str | None, typer.Option(metavar="SLUG", help="Only this merchant; all if not given.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Settle nothing; fail where a run was missed.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Release what was held until an instant, close the periods that have ended, and plan payouts.

    A worker does the same by itself every hour. Stopped or killed, it is simply run again.
    """
    moment = utc_now() if until is None else past_instant("--until", until)
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        if check:
            with_database(opened, _check)
            return
        tally = with_database(opened, lambda database: _settle(database, opened.vault, moment, merchant))
    typer.echo(
        f"{tally.merchants} merchants until {moment.isoformat()}: {tally.holds_released} holds released, "
        f"{tally.statements} statements, {tally.payouts} payouts."
    )
    for slug, reason in tally.failures:
        typer.echo(f"  {slug}: {reason}", err=True)
    if tally.failures:
        raise CommandRefused(f"{len(tally.failures)} merchants could not be settled with; run again.")


async def _settle(database: Database, vault: Vault, moment: datetime, slug: str | None) -> Tally:
    merchant_id = None
    if slug is not None:
        async with database.read(ACTOR) as tx, tx.as_platform() as session:
            found = await merchants.by_slug(session, slug)
        if found is None:
            raise CommandRefused(f"--merchant {slug} is no merchant; `merchantry merchant list` shows them.")
        merchant_id = found.merchant.id
    # Settling asks nothing of payment providers, and sends nothing to payees: a worker does.
    tools = Tools(database, Sandbox(database, utc_now, ""), utc_now, vault)
    with progress_bar() as bars:
        task = bars.add_task("Merchants", total=None)

        def show(tally: Tally) -> None:
            bars.update(task, total=tally.merchants, completed=tally.merchants_done)

        now = utc_now()
        try:
            return await settlement.run(tools, moment, Act(ACTOR, moment, now), merchant_id=merchant_id, progress=show)
        except MarketError as error:
            raise CommandRefused(error.message) from error


async def _check(database: Database) -> None:
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        missed = await settlement_run.missed_since(session, utc_now())
        last = await settlement_run.last_until(session)
    if missed:
        raise CommandRefused(f"Nothing has been settled since {missed.isoformat()}; see that a worker runs.")
    typer.echo(f"Settled until {last.isoformat() if last else 'never'}.")
