"""Telling people of events: each account that an event is news for gets one notification of it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final
from uuid import UUID, uuid5

from sqlalchemy import and_, delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.mail import TO_GUESTS, next_digest
from merchantry.domain.notification import (
    BY_MAIL,
    IN_LIST,
    NEWS,
    Audience,
    Channel,
    group_of,
    heard_by_platform,
    heard_by_staff,
)
from merchantry.services import guest, mail, mail_address, outbox
from merchantry.services import notification as notifications
from merchantry.services.mail import News
from merchantry.services.mall import mall_zone
from merchantry.services.notification_preference import Preferences, preferences
from merchantry.services.outbox import CursorExpired, Event
from merchantry.tables.notification import notification
from merchantry.tables.outbox import outbox_head
from merchantry.tables.platform import NOBODY
from tenancy.database import PlatformSession
from tenancy.tables import account, membership, platform_role

CONSUMER: Final = "notifications"
BATCH: Final = 100
"""Events of one round: each may be news for all of a merchant's staff."""

Roles = Mapping[UUID, frozenset[str]]
"""By account."""


@dataclass(frozen=True, slots=True)
class Telling:
    """One account is to be told of one event, as this audience, in this way."""

    event: Event
    account_id: UUID
    audience: Audience
    channel: Channel

    @property
    def id(self) -> UUID:
        """Made of the account and the event, so that it is the same however often it is made."""
        return uuid5(self.account_id, str(self.event.id))


async def deliver(session: PlatformSession, now: datetime, digest_at: time | None = None) -> int:
    """One round: read on from where the last ended, and tell whom it concerns. Returns how many events were read.

    ``digest_at`` is when digests are sent, in the mall's zone; None: there is no mail, and all are told in the list.
    """
    after = await outbox.position(session, CONSUMER)
    try:
        events = await outbox.read_with_buyers(session, after, BATCH)
    except CursorExpired:
        after = await session.scalar(select(outbox_head.c.pruned_to))
        events = await outbox.read_with_buyers(session, after, BATCH)
    if not events:
        return 0
    tellings = await tellings_of(session, events)
    written_to = await _written_to(session, tellings) if digest_at else set[UUID]()
    listed = [each for each in tellings if _is_listed(each, written_to)]
    new = await _write(session, listed)
    if digest_at:
        await _ask_for_mail(session, [each for each in tellings if each.account_id in written_to], new, digest_at, now)
        await _write_to_guests(session, events, now)
    told = sorted({each.account_id for each in listed if each.id in new})
    await outbox.read_up_to(session, CONSUMER, events[-1].seq, now)
    if told:
        await notifications.announce(session, told)
    return len(events)


def _is_listed(telling: Telling, written_to: Collection[UUID]) -> bool:
    """Whoever only wants mail, and can't be written to, is told in the list."""
    return telling.channel in IN_LIST or (telling.channel in BY_MAIL and telling.account_id not in written_to)


async def _written_to(session: PlatformSession, tellings: Iterable[Telling]) -> set[UUID]:
    wanting = {each.account_id for each in tellings if each.channel in BY_MAIL}
    return await mail_address.reachable(session, wanting) if wanting else set()


async def _ask_for_mail(
    session: PlatformSession, tellings: Sequence[Telling], new: Collection[UUID], digest_at: time, now: datetime
) -> None:
    """A mail for each, or one a day for those in the list that are new there."""
    by_itself = {Channel.EMAIL, Channel.BOTH}
    await mail.ask(session, [_news(each) for each in tellings if each.channel in by_itself], now)
    for_digest = [_news(each) for each in tellings if each.channel is Channel.DIGEST and each.id in new]
    if for_digest:
        due_at = next_digest(now, digest_at, await mall_zone(session))
        await mail.ask_for_digest(session, for_digest, due_at, now)


async def _write_to_guests(session: PlatformSession, events: Sequence[Event], now: datetime) -> None:
    """Guests have said where they are written to, and nothing else is sent there: they are asked for no wish."""
    about = [event for event in events if event.kind in TO_GUESTS and event.buyer_id is not None]
    guests = await guest.writable(session, {event.buyer_id for event in about if event.buyer_id is not None})
    news = [
        News(uuid5(event.buyer_id, str(event.id)), event.buyer_id, event.seq)
        for event in about
        if event.buyer_id is not None and event.buyer_id in guests
    ]
    await mail.ask_guests(session, news, now)


def _news(telling: Telling) -> News:
    return News(telling.id, telling.account_id, telling.event.seq)


async def tellings_of(session: PlatformSession, events: Sequence[Event]) -> list[Telling]:
    """Whom these events are news for, by the roles and wishes of now."""
    news = [event for event in events if event.kind in NEWS]
    if not news:
        return []
    staff, platform = await _staff(session, {event.merchant_id for event in news}), await _platform(session)
    buyers = await _buyers(session, {event.buyer_id for event in news if event.buyer_id is not None})
    whom = [(event, _told(event, staff.get(event.merchant_id, {}), platform, buyers)) for event in news]
    said = await preferences(session, {account_id for _, accounts in whom for account_id in accounts})
    return [
        Telling(event, account_id, audience, _channel(said, event, account_id, audience))
        for event, accounts in whom
        for account_id, audience in accounts.items()
    ]


def _told(event: Event, staff: Roles, platform: Roles, buyers: Collection[UUID]) -> dict[UUID, Audience]:
    """Whom an event is news for. Whoever is more than one of them is told once: as buyer, else as staff."""
    found = {
        **{each: Audience.PLATFORM for each, roles in platform.items() if event.kind in heard_by_platform(roles)},
        **{each: Audience.STAFF for each, roles in staff.items() if event.kind in heard_by_staff(roles)},
    }
    if event.buyer_id is not None and event.buyer_id in buyers and Audience.BUYER in NEWS[event.kind]:
        found[event.buyer_id] = Audience.BUYER
    return found


def _channel(said: Preferences, event: Event, account_id: UUID, audience: Audience) -> Channel:
    where = event.merchant_id if audience is Audience.STAFF else NOBODY
    return said.of(account_id, where, group_of(event.kind))


async def _staff(session: PlatformSession, merchant_ids: Iterable[UUID]) -> dict[UUID, Roles]:
    """The people of merchants' staff with their roles, by merchant."""
    table = membership.c
    rows = await session.execute(
        select(table.merchant_id, table.account_id, func.array_agg(table.role).label("roles"))
        .where(table.merchant_id == func.any(list(merchant_ids)))
        .group_by(table.merchant_id, table.account_id)
    )
    found: defaultdict[UUID, dict[UUID, frozenset[str]]] = defaultdict(dict)
    for row in rows:
        found[row.merchant_id][row.account_id] = frozenset(row.roles)
    return dict(found)


async def _buyers(session: PlatformSession, buyer_ids: Collection[UUID]) -> frozenset[UUID]:
    """Those buyers that have an account; guests have none, and no list to read."""
    if not buyer_ids:
        return frozenset()
    known = select(account.c.id).where(account.c.id == func.any(list(buyer_ids)))
    return frozenset((await session.execute(known)).scalars())


async def _platform(session: PlatformSession) -> Roles:
    """The people of the platform's staff with their roles."""
    table = platform_role.c
    roles = select(table.account_id, func.array_agg(table.role).label("roles")).group_by(table.account_id)
    return {row.account_id: frozenset(row.roles) for row in await session.execute(roles)}


async def _write(session: PlatformSession, tellings: Sequence[Telling]) -> set[UUID]:
    """Store them, but for what is there already. Returns those that are new."""
    if not tellings:
        return set()
    told = insert(notification).on_conflict_do_nothing().returning(notification.c.id)
    return set((await session.execute(told, list(_rows(tellings)))).scalars())


def _rows(tellings: Iterable[Telling]) -> Iterator[dict[str, Any]]:
    for each in tellings:
        yield {
            "merchant_id": each.event.merchant_id,
            "id": each.id,
            "kind": each.event.kind.value,
            "subject": {**each.event.facts, **(each.event.words or {})},
            "created_at": each.event.booked_at,
            "account_id": each.account_id,
            "audience": each.audience.value,
            "event_id": each.event.id,
            "seq": each.event.seq,
        }


async def prune(session: PlatformSession, before: datetime, most: int = 10_000) -> int:
    """Forget notifications of events that are forgotten, and older ones that were nobody's. Returns how many."""
    table = notification.c
    pruned_to = select(outbox_head.c.pruned_to).scalar_subquery()
    is_old = or_(table.seq <= pruned_to, and_(table.seq.is_(None), table.created_at < before))
    old = select(table.merchant_id, table.id).where(is_old).limit(most).subquery()
    mine = and_(table.merchant_id == old.c.merchant_id, table.id == old.c.id)
    return int((await session.execute(delete(notification).where(mine))).rowcount)
