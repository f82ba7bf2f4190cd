"""The steps of a restore: a file's content takes the place of what there was, is judged, and stays or is taken back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from merchantry.domain.act import Act
from merchantry.services import restore_gap, restored_schema, restoring
from merchantry.services.books import Broken
from merchantry.services.lost_books import ALL
from merchantry.services.restore_gap import Gap
from merchantry.services.restoring import CLOSED, REPLAYING, Restore
from merchantry.services.verification import verify_books
from merchantry.tables.blueprint import MERCHANT_TABLES
from merchantry.vault.container import Reader
from merchantry.vault.keys import MasterKeys
from tenancy import replacing
from tenancy.database import Database, Transaction
from tenancy.read_only import make_read_only, make_writable
from tenancy.replacing import Connection
from tenancy.schemas import schema_of

LOCK_TIMEOUT_MS: Final = 10_000
"""How long is waited for whoever writes in the old content."""

Progress = Callable[[int, int], None]


class RestoreRefused(Exception):
    """The file can't be restored here; the merchant has what it had. The message says why."""


@dataclass(frozen=True, slots=True)
class Work:
    """A restore that is under way."""

    database: Database
    restore: Restore
    slug: str
    act: Act

    async def refuse_broken(self) -> None:
        """Raise RestoreRefused where the file's own books are not right; what is missing breaks no law yet."""
        merchant = (self.restore.merchant_id, self.slug)
        async for found in verify_books(self.database, [merchant], accepted=ALL):
            if found.broken:
                raise RestoreRefused(
                    "\n".join(["The books in the file are not right:", *map(_told, found.broken[:20])])
                )

    async def look(self) -> list[Gap]:
        """Keep what is missing now; returns what is open of it."""
        merchant_id, act = self.restore.merchant_id, self.act
        async with self.database.read(act.actor) as tx:
            missing = await restore_gap.find(tx, merchant_id)

        async def keep(tx: Transaction) -> list[Gap]:
            async with tx.as_platform() as session:
                return await restore_gap.reconcile(session, merchant_id, self.restore.id, missing, act.at)

        return await self.database.run(act.actor, keep)

    async def undo(self, *, to_quarantine: bool | None = None) -> None:
        """Everything as it was before the last file: in quarantine, where one had been restored already."""
        back = self.restore.status == REPLAYING if to_quarantine is None else to_quarantine
        await asyncio.to_thread(as_owner, self.database, lambda each: _put_back(each, self.restore, to_quarantine=back))
        await self.look()

        async def move(tx: Transaction) -> None:
            async with tx.as_platform() as session:
                await restoring.undo(session, self.restore, self.act, to_quarantine=back)

        await self.database.run(self.act.actor, move)


def _told(broken: Broken) -> str:
    return f"  {broken.law}: {broken.row}: counted {broken.expected}, stored {broken.found}"


def replace(
    database: Database, restore: Restore, reader: Reader, ring: MasterKeys | None, continues: bool, progress: Progress
) -> None:
    """The file's content takes the place of what is there, in one transaction.

    What a killed restore left in the way is thrown away.
    """
    schema = schema_of(restore.merchant_id)

    def work(connection: Connection) -> None:
        before = _before(restore)
        replacing.put_back(connection, schema, before)
        replacing.set_aside(connection, schema, before)
        restored_schema.fill(connection, restore.merchant_id, reader, ring, progress)
        if continues:
            restored_schema.refuse_divergence(connection, schema, before)

    as_owner(database, work)
    as_owner(database, lambda connection: replacing.analyze(connection, schema))


def _before(restore: Restore) -> str:
    """Where the content stands that a file's replaces: a quarantine keeps what there was before it, too."""
    schema = schema_of(restore.merchant_id)
    return replacing.prior_of(schema) if restore.status == REPLAYING else replacing.aside_of(schema)


def _put_back(connection: Connection, restore: Restore, *, to_quarantine: bool) -> None:
    """After a quarantine that goes on, the content before the last file; else that before the first one."""
    schema = schema_of(restore.merchant_id)
    if to_quarantine:
        replacing.put_back(connection, schema, replacing.prior_of(schema))
        return
    replacing.drop(connection, replacing.prior_of(schema))
    replacing.put_back(connection, schema)
    if restore.status_before != CLOSED:
        make_writable(connection, schema, MERCHANT_TABLES)


def clean_up(connection: Connection, restore: Restore) -> None:
    """What stood aside is gone: the restore has ended."""
    schema = schema_of(restore.merchant_id)
    for each in (replacing.aside_of(schema), replacing.prior_of(schema)):
        replacing.drop(connection, each)
    if restore.status_before == CLOSED:
        make_read_only(connection, schema)


def as_owner(database: Database, work: Callable[[Connection], Any]) -> None:
    """One transaction as the owner of the tables."""
    with psycopg.connect(database.logins.owner) as connection:
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])
        work(connection)


def drop_prior(connection: Connection, restore: Restore) -> None:
    """What a replayed file took the place of is gone: that file is proven."""
    replacing.drop(connection, replacing.prior_of(schema_of(restore.merchant_id)))
