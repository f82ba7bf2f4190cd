"""How people want to hear of news: by group, at one merchant or everywhere."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.notification import DEFAULT, Channel, NewsGroup
from merchantry.tables.notification import notification_preference
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession
from tenancy.tables import merchant


@dataclass(frozen=True, slots=True)
class Preference:
    """What an account said. ``merchant_id`` is NOBODY's where it is said for everything else."""

    account_id: UUID
    merchant_id: UUID
    group: NewsGroup
    channel: Channel
    merchant_slug: str | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What some accounts said."""

    said: dict[tuple[UUID, UUID, NewsGroup], Channel]

    def of(self, account_id: UUID, merchant_id: UUID, group: NewsGroup) -> Channel:
        """How the account hears of the group at a merchant: as it said there, else as it said in general."""
        here = self.said.get((account_id, merchant_id, group))
        return here or self.said.get((account_id, NOBODY, group), DEFAULT)


_NEW = insert(notification_preference)
SET = _NEW.on_conflict_do_update(
    index_elements=["account_id", "merchant_id", "kinds"],
    set_={"channel": _NEW.excluded.channel, "set_at": _NEW.excluded.set_at},
)


async def set_channel(session: PlatformSession, given: Preference, now: datetime) -> None:
    """From now on the account hears so of the group."""
    row = {
        "account_id": given.account_id,
        "merchant_id": given.merchant_id,
        "kinds": given.group.value,
        "channel": given.channel.value,
        "set_at": now,
    }
    await session.execute(SET, row)


async def preferences(session: PlatformSession, account_ids: Collection[UUID]) -> Preferences:
    """What these accounts said."""
    table = notification_preference.c
    statement = select(table.account_id, table.merchant_id, table.kinds, table.channel)
    rows = await session.execute(statement.where(table.account_id == func.any(list(account_ids))))
    return Preferences(
        {(row.account_id, row.merchant_id, NewsGroup(row.kinds)): Channel(row.channel) for row in rows.all()}
    )


async def said_by(session: PlatformSession, account_id: UUID) -> list[Preference]:
    """What an account said: in general first, then by merchant."""
    said = (await preferences(session, [account_id])).said
    slugs = await slugs_of(session, {merchant_id for _, merchant_id, _ in said})
    found = [
        Preference(account_id, merchant_id, group, channel, slugs.get(merchant_id))
        for (_, merchant_id, group), channel in said.items()
    ]
    return sorted(found, key=lambda each: (each.merchant_slug or "", each.group))


async def slugs_of(session: PlatformSession, merchant_ids: Collection[UUID]) -> dict[UUID, str]:
    """Merchants' slugs."""
    rows = await session.execute(
        select(merchant.c.id, merchant.c.slug).where(merchant.c.id == func.any([*merchant_ids]))
    )
    return {row.id: row.slug for row in rows}
