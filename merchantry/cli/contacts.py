"""`merchantry contacts`: buyers' contact data is sealed, kept as long as the law wants, and erased."""

from typing import Annotated
from uuid import UUID

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import ACTOR, as_platform, ended_by_signals, now, progress_bar, with_database
from merchantry.domain.erasure import Kept
from merchantry.jobs.erasure import Erased, erase
from merchantry.services import contact_conversion, erasure
from merchantry.services import merchant as merchants
from merchantry.services.erasure import Erasure
from merchantry.services.vault import Vault
from tenancy.database import Database, PlatformSession, Transaction

app = typer.Typer(no_args_is_help=True, help="Buyers' contact data.")
PAGE = 500


@app.command()
def seal(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Seal the addresses that an earlier version wrote in clear. Run it again to resume; it ends when none is left."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        vault = opened.vault
        sealed, closed = with_database(opened, lambda database: _seal(database, vault))
    typer.echo(f"{sealed} addresses were sealed.")
    if closed:
        typer.echo(
            f"{closed} are left in schemas of closed merchants, which are read-only: reopen them first.", err=True
        )
        raise typer.Exit(1)


async def _seal(database: Database, vault: Vault) -> tuple[int, int]:
    """How many were sealed, and how many are left in schemas that nobody can write."""
    sealed = left = 0
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        found = await _merchants(session)
    with progress_bar() as bars:
        task = bars.add_task("Merchants", total=len(found) + 1)
        for merchant_id, status in [*found, (None, "active")]:
            if status == "closed" and merchant_id:
                async with database.read(ACTOR) as tx, tx.as_merchant(merchant_id) as merchant_session:
                    left += await contact_conversion.in_clear(merchant_session)
            else:
                sealed += await _seal_all(database, vault, merchant_id)
            bars.advance(task)
    async with database.write(ACTOR) as tx, tx.as_platform() as session:
        await contact_conversion.forget_quotes(session, now().at)
    return sealed, left


async def _seal_all(database: Database, vault: Vault, merchant_id: UUID | None) -> int:
    async def some(tx: Transaction) -> int:
        async with tx.as_merchant(merchant_id) if merchant_id else tx.as_platform() as session:
            return await contact_conversion.seal_some(session, vault, now())

    total = 0
    while count := await database.run(ACTOR, some):
        total += count
    return total


async def _merchants(session: PlatformSession) -> list[tuple[UUID, str]]:
    found: list[tuple[UUID, str]] = []
    after = None
    while True:
        page = await merchants.list_merchants(session, PAGE, after)
        found += [(each.merchant.id, each.merchant.status) for each in page[:PAGE]]
        if len(page) <= PAGE:
            return found
        after = page[PAGE - 1].cursor


@app.command()
def keep(
    days: Annotated[int, typer.Option(min=0, max=36_500, help="After an order has ended.")],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Say how long the law wants contact data to be kept; erasure waits for it."""
    with installation(database_url, data_dir) as opened:
        as_platform(opened, lambda session: erasure.set_keeping(session, days, now()))
    typer.echo(f"Contact data is kept for {days} days after an order has ended, then it can be erased.")


@app.command("erase")
def erase_(
    account: Annotated[str, typer.Argument(help="The buyer's account, a UUID.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the audit trail.")],
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Destroy a buyer's contact data in all merchants and on the platform. Run it again to resume."""
    try:
        buyer_id = UUID(account)
    except ValueError as error:
        raise CommandRefused(f"{account} is no UUID: give the account as audit events name it.") from error
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        erased = with_database(opened, lambda database: _erase(database, buyer_id, reason))
    typer.echo(f"{erased.orders} orders lost their contact data now.")
    for each in erased.kept:
        typer.echo(f"Kept: {_kept(each)}")
    typer.echo("Done." if erased.erasure.done_at else "The worker goes on when what is kept may go.")


async def _erase(database: Database, buyer_id: UUID, reason: str) -> Erased:
    async def ask(tx: Transaction) -> Erasure:
        async with tx.as_platform() as session:
            return await erasure.request(session, buyer_id, reason, now())

    asked = await database.run(ACTOR, ask)
    return await erase(database, asked.id, now())


def _kept(each: Kept) -> str:
    until = each.until.isoformat() if each.until else "its end"
    return f"order {each.order_id} of merchant {each.merchant_id}, {each.why}, until {until}"
