"""`merchantry keys`: the keys that payee accounts and buyers' contact data are encrypted with."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from merchantry.cli.failures import CommandRefused
from merchantry.cli.installation import Installation, are_master_keys_given, installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir, past_instant
from merchantry.cli.running import ACTOR, as_platform, ended_by_signals, now, progress_bar, show, with_database
from merchantry.services import keys
from merchantry.services.vault import Vault
from merchantry.tables.platform import NOBODY
from merchantry.vault.keys import ENVIRONMENT, MasterKeys
from tenancy.database import Database, Transaction

app = typer.Typer(no_args_is_help=True, help="Keys that payee accounts and contacts are encrypted with.")


@app.command("list")
def list_them(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """The master keys, and how many data keys of merchants each of them wraps. Shows no key."""
    with installation(database_url, data_dir) as opened:
        ring = opened.vault.ring
        wrapped = as_platform(opened, keys.wrapped_by)
    table = Table("master key", "is", "data keys")
    for master_id in sorted({*ring.ids, *wrapped}):
        table.add_row(master_id, _standing(ring, master_id), str(wrapped.get(master_id, 0)))
    show(table)


def _standing(ring: MasterKeys, master_id: str) -> str:
    if master_id not in ring.ids:
        return "missing"
    return "current" if master_id == ring.current_id else "kept"


@app.command()
def rotate(database_url: DatabaseUrl = None, data_dir: DataDir = None) -> None:
    """Make a new master key and wrap every merchant's data key with it. Run it again to resume."""
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        ring = _ring_to_wrap_with(opened)
        done = with_database(opened, lambda database: _rewrap(database, ring))
    typer.echo(f"The master key {ring.current_id} is current. {done} data keys were wrapped anew.")


def _ring_to_wrap_with(opened: Installation) -> MasterKeys:
    """The ring as it is where a rotation was not finished, else one with a new current key."""
    ring = opened.vault.ring
    if as_platform(opened, keys.wrapped_by).keys() - {ring.current_id}:
        return ring
    if are_master_keys_given():
        raise CommandRefused(
            f"Every data key is wrapped by {ring.current_id}, the current key of {ENVIRONMENT}, which no command"
            " changes: add a key to it, give it to every process, make it current, and run this again."
        )
    return MasterKeys.add_current(opened.data_dir)


async def _rewrap(database: Database, ring: MasterKeys) -> int:
    async def some(tx: Transaction) -> int:
        async with tx.as_platform() as session:
            return await keys.rewrap_some(session, ring, now())

    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        wrapped = await keys.wrapped_by(session)
    total = sum(count for master_id, count in wrapped.items() if master_id != ring.current_id)
    done = 0
    with progress_bar() as bars:
        task = bars.add_task("Data keys", total=total)
        while count := await database.run(ACTOR, some):
            done += count
            bars.update(task, completed=done)
    return done


@app.command("re-encrypt")
def re_encrypt(
    before: Annotated[
        str | None,
        typer.Option(metavar="INSTANT", help="Replace data keys made before this; now if not given."),
    ] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Give every merchant and the platform a new data key, and seal everything with it.

    What is printed first says how to resume.
    """
    moment = utc_now() if before is None else past_instant("--before", before)
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        typer.echo(
            f"If this is interrupted, resume it: merchantry keys re-encrypt --before {moment.isoformat()}", err=True
        )
        vault = opened.vault
        merchants, accounts = with_database(opened, lambda database: _re_encrypt(database, vault, moment))
    typer.echo(f"{accounts} accounts of {merchants} merchants were sealed anew.")


async def _re_encrypt(database: Database, vault: Vault, before: datetime) -> tuple[int, int]:
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        found = await keys.merchants_with_keys(session)
    counts = []
    with progress_bar() as bars:
        task = bars.add_task("Merchants", total=len(found))
        for merchant_id in found:
            counts.append(await _re_encrypt_one(database, vault, merchant_id, before))
            await _re_encrypt_contacts(database, vault, merchant_id)
            bars.advance(task)
    await _re_encrypt_platform(database, vault, before)
    return sum(1 for count in counts if count), sum(counts)


async def _re_encrypt_one(database: Database, vault: Vault, merchant_id: UUID, before: datetime) -> int:
    async def work(tx: Transaction) -> int:
        async with tx.as_merchant(merchant_id) as session:
            accounts = await keys.re_encrypt(session, vault, before, now())
            await keys.re_encrypt_webhooks(session, vault)
            return accounts

    return await database.run(ACTOR, work)


async def _re_encrypt_platform(database: Database, vault: Vault, before: datetime) -> None:
    async def renew(tx: Transaction) -> None:
        async with tx.as_platform() as session:
            await keys.renew(session, vault, before, now())
            await keys.re_encrypt_webhooks(session, vault)

    await database.run(ACTOR, renew)
    await _re_encrypt_contacts(database, vault, None)


async def _re_encrypt_contacts(database: Database, vault: Vault, merchant_id: UUID | None) -> None:
    """Of a merchant, or of the platform; some at a time."""
    after: UUID | None = NOBODY
    while after is not None:
        since = after

        async def some(tx: Transaction, since: UUID = since) -> UUID | None:
            async with tx.as_merchant(merchant_id) if merchant_id else tx.as_platform() as session:
                return await keys.re_encrypt_contacts(session, vault, since)

        after = await database.run(ACTOR, some)
