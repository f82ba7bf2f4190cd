"""`merchantry plan`: commission plans."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import as_platform, now, show
from merchantry.domain.plan_document import plan_from_json
from merchantry.services import commission
from merchantry.services.commission import PlanVersion
from merchantry.services.mall import mall_zone
from tenancy.database import PlatformSession

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
