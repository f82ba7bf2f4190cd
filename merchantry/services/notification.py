"""What a person was told: read as far as they may hear of it now, and marked as read.

Whoever loses a role no longer sees what they were told in it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Text, and_, cast, false, func, or_, select, update

from merchantry.domain.errors import NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.notification import Audience, NewsGroup, kinds_of
from merchantry.tables.notification import notification
from tenancy.database import PlatformSession, Session
from tenancy.tables import merchant

CHANNEL: Final = "merchantry_notification"
"""Where the accounts are told whose notifications have changed."""

MOST_COUNTED: Final = 1_000
"""Above this nobody wants to know how many exactly."""


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing that an account was told. ``subject`` is what the event says, with words beside it; ``merchant_slug``
    is of where it happened, None where that is no merchant."""

    merchant_id: UUID
    merchant_slug: str | None
    id: UUID
    kind: EventKind
    subject: Mapping[str, Any]
    audience: Audience
    seq: int
    created_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Listener:
    """An account, and the news that its roles of now let it hear: at each merchant, and at the platform."""

    account_id: UUID
    at_merchants: Mapping[UUID, frozenset[EventKind]]
    at_platform: frozenset[EventKind]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which notifications are asked for: unread ones, of some groups, as staff of one merchant."""

    unread: bool = False
    groups: Collection[NewsGroup] | None = None
    merchant_id: UUID | None = None


ALL: Final = Wanted()
COLUMNS = [
    merchant.c.slug.label("merchant_slug") if name == "merchant_slug" else notification.c[name]
    for name in Notification.__slots__
]
FOUND = select(*COLUMNS).select_from(notification.outerjoin(merchant, merchant.c.id == notification.c.merchant_id))


async def page(
    session: PlatformSession, listener: Listener, wanted: Wanted, limit: int, after: int | None = None
) -> list[Notification]:
    """What the listener was told, newest first, below a number."""
    statement = _heard(FOUND, listener, wanted).order_by(notification.c.seq.desc()).limit(limit)
    if after is not None:
        statement = statement.where(notification.c.seq < after)
    return [_from_row(row._asdict()) for row in await session.execute(statement)]


async def find(
    session: PlatformSession, listener: Listener, merchant_id: UUID, notification_id: UUID
) -> Notification | None:
    """One thing that the listener was told."""
    key = and_(notification.c.merchant_id == merchant_id, notification.c.id == notification_id)
    row = (await session.execute(_heard(FOUND, listener, ALL).where(key))).one_or_none()
    return _from_row(row._asdict()) if row else None


async def unread(session: PlatformSession, listener: Listener, wanted: Wanted = ALL) -> int:
    """How many the listener has not read, up to MOST_COUNTED."""
    some = _heard(select(notification.c.id), listener, wanted).where(notification.c.read_at.is_(None))
    found: int = await session.scalar(select(func.count()).select_from(some.limit(MOST_COUNTED).subquery()))
    return found


async def mark(session: PlatformSession, listener: Listener, ids: Collection[UUID], now: datetime | None) -> int:
    """Mark these as read at ``now`` (None: as unread). How many changed. Raises NotFound for what is not theirs."""
    table = notification.c
    heard = _heard(select(table.id), listener, ALL).where(table.id == func.any(list(ids)))
    if set((await session.execute(heard)).scalars()) != set(ids):
        raise NotFound(what="notification", path=("input", "ids"))
    return await _mark(session, listener, table.id == func.any(list(ids)), now)


async def mark_up_to(session: PlatformSession, listener: Listener, seq: int, now: datetime | None) -> int:
    """Mark all that the listener was told up to a number. Returns how many changed."""
    return await _mark(session, listener, notification.c.seq <= seq, now)


async def _mark(session: PlatformSession, listener: Listener, chosen: ColumnElement[bool], now: datetime | None) -> int:
    table = notification.c
    state = table.read_at.is_(None) if now else table.read_at.is_not(None)
    mine = and_(table.account_id == listener.account_id, _audible(listener), chosen, state)
    changed: int = (await session.execute(update(notification).where(mine).values(read_at=now))).rowcount
    if changed:
        await announce(session, [listener.account_id])
    return changed


async def announce(session: Session, account_ids: Sequence[UUID]) -> None:
    """Tell every process, at commit, whose notifications have changed."""
    told = func.unnest(cast(list(map(str, account_ids)), ARRAY(Text))).column_valued("told")
    await session.execute(select(func.pg_notify(CHANNEL, told)))


def _heard(statement: Select[Any], listener: Listener, wanted: Wanted) -> Select[Any]:
    table = notification.c
    statement = statement.where(table.account_id == listener.account_id, _audible(listener))
    if wanted.unread:
        statement = statement.where(table.read_at.is_(None))
    if wanted.groups is not None:
        statement = statement.where(_is_of(kinds_of(wanted.groups)))
    if wanted.merchant_id is not None:
        statement = statement.where(table.merchant_id == wanted.merchant_id, table.audience == Audience.STAFF)
    return statement


def _audible(listener: Listener) -> ColumnElement[bool]:
    """What was told to a buyer, to staff with roles of today, and to people of the platform with theirs."""
    table = notification.c
    return or_(
        table.audience == Audience.BUYER,
        and_(table.audience == Audience.STAFF, _at_merchants(listener)),
        and_(table.audience == Audience.PLATFORM, _is_of(listener.at_platform)),
    )


def _at_merchants(listener: Listener) -> ColumnElement[bool]:
    """By what is heard there: most people have the same roles wherever they have one. Suspended merchants are shut."""
    shut = select(merchant.c.id).where(merchant.c.status == "suspended").correlate(None)
    same: dict[frozenset[EventKind], list[UUID]] = {}
    for merchant_id, kinds in listener.at_merchants.items():
        same.setdefault(kinds, []).append(merchant_id)
    table = notification.c
    choices = [and_(table.merchant_id == func.any(ids), _is_of(kinds)) for kinds, ids in same.items() if kinds]
    return and_(or_(false(), *choices), table.merchant_id.not_in(shut))


def _is_of(kinds: Collection[EventKind]) -> ColumnElement[bool]:
    return notification.c.kind == func.any(sorted(kinds))


def _from_row(row: dict[str, Any]) -> Notification:
    return Notification(**{**row, "kind": EventKind(row["kind"]), "audience": Audience(row["audience"])})
