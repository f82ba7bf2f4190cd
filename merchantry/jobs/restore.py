"""Restoring a merchant from a backup. Each step can be killed: the old content stays until the new one is proven.

1. The whole file is read and proven; nothing has happened yet. 2. The merchant is *restoring*. 3. Its schema stands
aside and the file's content in its place, in one transaction. 4. The books are verified. 5. What the platform knows of
and the books lack is the gap: without one the merchant is what it was before, with one it is quarantined.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.jobs.restored_work import Progress, RestoreRefused, Work, as_owner, clean_up, drop_prior, replace
from merchantry.services import catalogue, restore_gap, restore_write_off, restored_schema, restoring
from merchantry.services import merchant as merchants
from merchantry.services.lost_books import WRITTEN_OFF
from merchantry.services.restore_gap import Gap
from merchantry.services.restoring import LOADING, QUARANTINED, REPLAYING, Restore
from merchantry.tables.blueprint import MERCHANT_TABLES
from merchantry.vault.container import FileDamaged, Reader
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database, Transaction
from tenancy.read_only import make_writable
from tenancy.schemas import schema_of


@dataclass(frozen=True, slots=True)
class Restored:
    """How a restore ended: ``gaps`` are open where the merchant is quarantined."""

    slug: str
    status: str
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A backup's file and what opens it. ``is_plain`` says that one that nobody sealed is taken all the same."""

    path: Path
    ring: MasterKeys | None
    is_plain: bool = False


async def restore(
    database: Database,
    file: File,
    act: Act,
    *,
    slug: str | None = None,
    continues: bool = False,
    accepts_broken: bool = False,
    progress: Progress = lambda done, total: None,
) -> Restored:
    """Restore the merchant of a file; where a ``slug`` is given, of no other merchant.

    ``accepts_broken``: although the file's own books break laws. ``continues``: only where the file goes on where the
    books end (a replay). Raises RestoreRefused, FileDamaged, VaultError, OSError; the merchant then has what it had
    before, and is what it was.
    """
    with file.path.open("rb") as opened:
        reader = Reader(opened)
        if not reader.is_encrypted and not file.is_plain:
            raise RestoreRefused("The file is not encrypted, so nothing proves who wrote it; --plain takes it anyway.")
        merchant_id, slug = await _merchant_of(database, reader, slug, act)
        await asyncio.to_thread(restored_schema.prove, reader, file.ring)
        taken_at = datetime.fromisoformat(str(reader.manifest["taken_at"]))
        held = await database.run(act.actor, lambda tx: _open(tx, merchant_id))
        if continues and (held is None or held.status == LOADING):
            raise RestoreRefused(f"{slug} is not quarantined, so nothing is to be replayed.")
        begun = await database.run(act.actor, lambda tx: _begin(tx, merchant_id, str(file.path), taken_at, act))
        work = Work(database, begun, slug, act)
        try:
            await asyncio.to_thread(replace, database, begun, reader, file.ring, continues, progress)
            await work.look()
            if not accepts_broken:
                await work.refuse_broken()
        except BaseException as error:
            await work.undo()
            if isinstance(error, restored_schema.Diverged):
                raise RestoreRefused(str(error)) from error
            raise
    return await settle(database, merchant_id, slug, act)


async def settle(database: Database, merchant_id: UUID, slug: str, act: Act) -> Restored:
    """Look what is still missing: quarantine the merchant, or let it be what it was.

    It can be repeated, and does nothing where no restore is open.
    """
    restore = await database.run(act.actor, lambda tx: _open(tx, merchant_id))
    if restore is None:
        return Restored(slug, await _status(database, merchant_id, act), ())
    gaps = await Work(database, restore, slug, act).look()
    if gaps:
        await database.run(act.actor, lambda tx: restoring.quarantine(tx, restore, gaps, act))
        await asyncio.to_thread(as_owner, database, lambda each: drop_prior(each, restore))
        return Restored(slug, QUARANTINED, tuple(gaps))
    await asyncio.to_thread(as_owner, database, lambda c: make_writable(c, schema_of(merchant_id), MERCHANT_TABLES))
    await database.run(act.actor, lambda tx: _finish(tx, restore, act))
    await asyncio.to_thread(as_owner, database, lambda connection: clean_up(connection, restore))
    return Restored(slug, restore.status_before, ())


async def recover(database: Database, merchant_id: UUID, slug: str, act: Act) -> Restored:
    """After a kill: what was not proven is taken back. Then :func:`settle`; both can be repeated."""
    restore = await database.run(act.actor, lambda tx: _open(tx, merchant_id))
    if restore is not None and restore.status in (LOADING, REPLAYING):
        await Work(database, restore, slug, act).undo()
    return await settle(database, merchant_id, slug, act)


async def abandon(database: Database, merchant_id: UUID, slug: str, act: Act) -> Restored:
    """Take back a restore that has not ended, killed or quarantined: the merchant has what it had before it.

    Raises RestoreRefused where there is nothing to take back.
    """
    restore = await database.run(act.actor, lambda tx: _open(tx, merchant_id))
    if restore is None:
        raise RestoreRefused(f"No restore of {slug} is open.")
    await Work(database, restore, slug, act).undo(to_quarantine=False)
    return Restored(slug, restore.status_before, ())


async def _merchant_of(database: Database, reader: Reader, slug: str | None, act: Act) -> tuple[UUID, str]:
    try:
        merchant_id = UUID(str(reader.manifest["merchant"]["id"]))
        named = str(reader.manifest["merchant"]["slug"])
        UUID(str(reader.header["merchant"]["id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise FileDamaged("The file does not say whose it is.") from error
    async with database.read(act.actor) as tx, tx.as_platform() as session:
        found = await merchants.by_ids(session, [merchant_id])
    if not found:
        raise RestoreRefused(f"The file is of {named}, which is no merchant of this installation.")
    if slug is not None and found[0].merchant.slug != slug:
        raise RestoreRefused(f"The file is of {found[0].merchant.slug}, not of {slug}.")
    return merchant_id, found[0].merchant.slug


async def _status(database: Database, merchant_id: UUID, act: Act) -> str:
    async with database.read(act.actor) as tx, tx.as_platform() as session:
        [found] = await merchants.by_ids(session, [merchant_id])
        return found.merchant.status


async def _begin(tx: Transaction, merchant_id: UUID, file: str, taken_at: datetime, act: Act) -> Restore:
    async with tx.as_platform() as session:
        return await restoring.begin(session, merchant_id, file, taken_at, act)


async def _open(tx: Transaction, merchant_id: UUID) -> Restore | None:
    async with tx.as_platform() as session:
        return await restoring.open_restore(session, merchant_id)


async def _finish(tx: Transaction, restore: Restore, act: Act) -> None:
    """The books are written again: what was given up has an adjustment, and the merchant is what it was."""
    async with tx.as_platform() as session:
        gaps = await restore_gap.gaps_of(session, restore.merchant_id, restore.id)
    given_up = [each for each in gaps if each.status == WRITTEN_OFF]
    await restore_write_off.book(tx, restore.merchant_id, given_up, act)
    async with tx.as_merchant(restore.merchant_id) as own:
        await restoring.unlist(own, given_up)
        await catalogue.relist(own, act)
        await catalogue.tell_all_changed(own, act)
    async with tx.as_platform() as session:
        await restoring.finish(session, restore, act)
