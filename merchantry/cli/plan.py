"""`merchantry plan`: commission plans."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, as_platform, now, progress_bar, show, with_database
from merchantry.domain.plan_document import plan_from_json
from merchantry.domain.replay import Compared
from merchantry.services import commission, replay
from merchantry.services.commission import PlanVersion
from merchantry.services.mall import mall_zone
from merchantry.services.replay import MerchantReplay
from tenancy.database import Database, PlatformSession

app = typer.Typer(no_args_is_help=True, help="Commission plans.")
MOST_VERSIONS = 10_000


@app.command()
def add(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The plan as JSON.")],
    starts_on: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="Its first day, in the mall's time zone.")
    ],
    name: Annotated[str, typer.Option(help="What merchants' profiles call it.")] = "standard",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Put a version of a plan into force from a day on. An operator here stands outside the four eyes."""
    plan = plan_from_json(file.read_bytes())

    async def install(session: PlatformSession) -> PlanVersion:
        effective_from = starts_on.replace(tzinfo=await mall_zone(session)).astimezone(UTC)
        return await commission.install(session, name, plan, effective_from, now())

    with installation(database_url, data_dir) as opened:
        made = as_platform(opened, install)
    typer.echo(f"Version {made.version} of {made.name} is in force from {made.effective_from.isoformat()}.")


RETURNED = ("booked_returned_minor", "proposed_returned_minor", "net_change_minor")


@app.command("replay")
def replay_it(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The plan as JSON.")],
    date_from: Annotated[
        datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day of capture, in the mall's zone.")
    ],
    date_to: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The first day that no longer counts.")
    ],
    merchant: Annotated[list[str] | None, typer.Option("--merchant", metavar="SLUG", help="May repeat.")] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """What the commission of past orders would have been under a plan. Changes nothing; amounts are in minor units."""
    plan = plan_from_json(file.read_bytes())

    async def run(database: Database) -> list[MerchantReplay]:
        merchants = await replay.merchants_to_replay(database, ACTOR, None)
        chosen = [each for each in merchants if not merchant or each.slug in merchant]
        unknown = set(merchant or ()) - {each.slug for each in chosen}
        if unknown:
            raise CommandRefused(f"There is no merchant {', '.join(sorted(unknown))}.")
        span = date_from.date(), date_to.date()
        found = []
        with progress_bar() as progress:
            task = progress.add_task("Merchants", total=len(chosen))
            async for each in replay.replay(database, ACTOR, plan, *span, chosen):
                found.append(each)
                progress.advance(task)
        return found

    with installation(database_url, data_dir) as opened:
        found = with_database(opened, run)
    table = Table("merchant", "currency", "orders", "booked_minor", "proposed_minor", "change_minor", *RETURNED)
    for each in found:
        for currency, compared in each.by_currency.items():
            table.add_row(each.slug, currency, *_figures(compared))
    for currency, compared in replay.totals_of(found).items():
        table.add_row("all", currency, *_figures(compared))
    show(table)


def _figures(compared: Compared) -> tuple[str, ...]:
    figures = (compared.orders, compared.booked_minor, compared.proposed_minor, compared.change_minor)
    return tuple(map(str, (*figures, *(getattr(compared, name) for name in RETURNED))))


@app.command("list")
def list_them(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """All versions of all plans."""

    async def read(session: PlatformSession) -> list[PlanVersion]:
        return list(await commission.versions(session, limit=MOST_VERSIONS))

    with installation(database_url, data_dir) as opened:
        found = as_platform(opened, read)
    table = Table("plan", "version", "its own name", "rules", "in force from", "status")
    for each in found:
        texts = (each.name, str(each.version), each.plan.name, str(len(each.plan.rules)))
        table.add_row(*texts, each.effective_from.isoformat(), each.status)
    show(table)
