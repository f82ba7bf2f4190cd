"""Backups of merchants as the platform knows them: which were made, how old the latest is, which are no longer kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert

from merchantry.tables.backup import merchant_backup
from tenancy.database import PlatformSession
from tenancy.tables import merchant

EVERY: Final = timedelta(hours=24)
"""How often a merchant is backed up where a worker does it."""

ALARM_AFTER: Final = timedelta(hours=26)
"""An active merchant's latest backup is never older than this, unless something is wrong."""

WITHOUT: Final = ("closed", "restoring", "quarantined")
"""Of merchants with these no backup is made by itself: nothing changes there, or what is there is not right."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A file that was written, and the moment whose state it holds."""

    merchant_id: UUID
    id: UUID
    taken_at: datetime
    stored_as: str
    size_bytes: int
    sha256: bytes
    is_encrypted: bool
    version: str
    last_seq: int
    made_by: str


@dataclass(frozen=True, slots=True)
class Due:
    """A merchant whose latest backup, where there is one, is too old."""

    merchant_id: UUID
    slug: str
    latest_at: datetime | None


async def record(session: PlatformSession, made: Backup) -> None:
    """A file was written."""
    row = {name: getattr(made, name) for name in Backup.__slots__}
    await session.execute(insert(merchant_backup).values(row).on_conflict_do_nothing())


async def forget(session: PlatformSession, made: Sequence[Backup]) -> None:
    """These files are gone."""
    table = merchant_backup.c
    for each in made:
        await session.execute(delete(merchant_backup).where(table.merchant_id == each.merchant_id, table.id == each.id))


async def of_merchant(session: PlatformSession, merchant_id: UUID, limit: int = 1) -> list[Backup]:
    """A merchant's backups, the latest first."""
    table = merchant_backup.c
    statement = select(merchant_backup).where(table.merchant_id == merchant_id)
    rows = (await session.execute(statement.order_by(table.taken_at.desc()).limit(limit))).mappings()
    return [Backup(**row) for row in rows]


async def latest(session: PlatformSession) -> list[Backup]:
    """The latest backup of every merchant."""
    table = merchant_backup.c
    statement = select(merchant_backup).ext(distinct_on(table.merchant_id))
    rows = await session.execute(statement.order_by(table.merchant_id, table.taken_at.desc()))
    return [Backup(**row) for row in rows.mappings()]


async def made_since(session: PlatformSession, age: timedelta, directory: str) -> list[Backup]:
    """Backups in a directory that are younger than this."""
    table = merchant_backup.c
    statement = select(merchant_backup).where(
        table.taken_at > func.now() - age, table.stored_as.startswith(f"{directory.rstrip('/')}/", autoescape=True)
    )
    return [Backup(**row) for row in (await session.execute(statement)).mappings()]


async def too_old(session: PlatformSession, at: datetime, age: timedelta, limit: int | None = None) -> list[Due]:
    """Merchants without a backup of this age, those that have waited longest first. New merchants have their time."""
    latest = (
        select(merchant_backup.c.merchant_id, func.max(merchant_backup.c.taken_at).label("latest_at"))
        .group_by(merchant_backup.c.merchant_id)
        .subquery()
    )
    since = func.coalesce(latest.c.latest_at, merchant.c.created_at)
    statement = (
        select(merchant.c.id, merchant.c.slug, latest.c.latest_at)
        .outerjoin(latest, latest.c.merchant_id == merchant.c.id)
        .where(merchant.c.status.not_in(WITHOUT), since <= at - age)
        .order_by(since, merchant.c.id)
        .limit(limit)
    )
    return [Due(row.id, row.slug, row.latest_at) for row in await session.execute(statement)]
