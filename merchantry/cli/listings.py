"""`merchantry listings`: what the mall finds listings by, made anew."""

from functools import partial
from uuid import UUID

import typer
from sqlalchemy import select

from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import now, progress_bar, with_database
from merchantry.services import catalogue
from tenancy.database import Database, Transaction
from tenancy.tables import merchant

ACTOR = "system:listings"

app = typer.Typer(no_args_is_help=True, help="Keep what the mall shows of products.")


@app.callback()
def _group() -> None:
    """Keeps `index` a command of its own."""


@app.command()
def index(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Write every published product's words, prices and stock anew: once after an upgrade, or whenever in doubt."""
    with installation(database_url, data_dir) as opened:
        count = with_database(opened, _index)
    typer.echo(f"{count} listings written.")


async def _index(database: Database) -> int:
    """A transaction for each merchant that sells."""
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        found = await session.execute(select(merchant.c.id).where(merchant.c.status == "active"))
        merchants, count = found.scalars().all(), 0
    with progress_bar() as progress:
        task = progress.add_task("Merchants", total=len(merchants))
        for merchant_id in merchants:
            count += await database.run(ACTOR, partial(_relist, merchant_id))
            progress.advance(task)
    return count


async def _relist(merchant_id: UUID, tx: Transaction) -> int:
    async with tx.as_merchant(merchant_id) as session:
        return await catalogue.relist(session, now())
