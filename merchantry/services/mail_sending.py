"""How mail gets to people: each is leased to one worker, written when it is sent, and its outcome recorded.

What it says is decided then: by the roles and wishes of that moment, so whoever was dismissed meanwhile, or wants no
mail any more, gets none. Nothing is recorded by a worker whose lease another one has taken over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, update

from merchantry.domain.act import Act
from merchantry.domain.mail import (
    DIGEST_SCOPE,
    GIVEN_UP_AFTER,
    MOST_IN_DIGEST,
    AddressStatus,
    Answer,
    Item,
    Letter,
    MailKind,
    MailStatus,
    Outcome,
    confirm_scope,
    group_scope,
    link_token,
    wait_after,
)
from merchantry.domain.notification import BY_MAIL, Audience, group_of
from merchantry.languages.language import DEFAULT
from merchantry.services import account_setting, guest, mail_address, outbox
from merchantry.services import merchant as merchants
from merchantry.services.mail_address import Address
from merchantry.services.mall import mall_zone
from merchantry.services.notification_delivery import tellings_of
from merchantry.services.outbox import Event
from merchantry.services.vault import Vault
from merchantry.tables.mail import mail
from tenancy.database import PlatformSession

LEASE: Final = timedelta(minutes=5)
"""How long mail is a worker's; what it takes at once is sent in less."""

_table = mail.c
_WAITS = _table.status == MailStatus.WAITING.value


@dataclass(frozen=True, slots=True)
class Held:
    """A mail that this worker sends, as long as the row has the same ``leased_until``."""

    id: UUID
    account_id: UUID
    leased_until: datetime


async def claim(session: PlatformSession, now: datetime, limit: int) -> list[Held]:
    """Lease mail that is due and that no other worker holds, the oldest first."""
    free = (
        select(_table.id)
        .where(_WAITS, _table.next_at <= now, or_(_table.leased_until.is_(None), _table.leased_until < now))
        .order_by(_table.next_at, _table.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    leased = update(mail).where(_table.id.in_(free)).values(leased_until=now + LEASE)
    rows = await session.execute(leased.returning(_table.id, _table.account_id, _table.leased_until, _table.created_at))
    return [Held(row.id, row.account_id, row.leased_until) for row in sorted(rows, key=lambda row: row.created_at)]


async def let_go(session: PlatformSession, held: Sequence[Held]) -> None:
    """Leave mail to whoever comes next."""
    for each in held:
        await session.execute(update(mail).where(_mine(each)).values(leased_until=None))


async def letter(session: PlatformSession, vault: Vault, held: Held, act: Act) -> Letter | MailStatus | None:
    """What is to be sent, or how the mail has ended; None where it is no longer ours. Raises VaultError."""
    row = (await session.execute(select(mail).where(_mine(held)).with_for_update())).one_or_none()
    if row is None:
        return None
    if row.created_at < act.booked_at - GIVEN_UP_AFTER:
        return await _end(session, held, MailStatus.FAILED, act.booked_at)
    if row.kind == MailKind.GUEST:
        return await _to_guest(session, vault, row) or await _end(session, held, MailStatus.DROPPED, act.booked_at)
    address = await mail_address.find(session, vault, held.account_id)
    if address is not None and address.status is AddressStatus.REFUSED:
        return await _end(session, held, MailStatus.BAD_ADDRESS, act.booked_at)
    found = await _written(session, vault, row, address, act) if address else None
    return found or await _end(session, held, MailStatus.DROPPED, act.booked_at)


async def record(
    session: PlatformSession, vault: Vault, held: Held, sent: Letter, answer: Answer, now: datetime, draw: float
) -> MailStatus | None:
    """Write down what an attempt came to, and when the next one is; ``draw`` is its jitter. None: no longer ours.

    Raises VaultError.
    """
    row = (await session.execute(select(mail).where(_mine(held)).with_for_update())).one_or_none()
    if row is None:
        return None
    match answer.outcome:
        case Outcome.AWAY:
            await let_go(session, [held])
            return MailStatus.WAITING
        case Outcome.LATER:
            return await _put_off(session, held, row.attempts + 1, now, draw)
        case Outcome.BAD_ADDRESS:
            ended = await _end(session, held, MailStatus.BAD_ADDRESS, now, row.attempts + 1)
            known = await mail_address.find(session, vault, held.account_id)
            if known is not None and known.email == sent.to:
                await mail_address.refuse(session, held.account_id, known, now)
            return ended
        case Outcome.SENT:
            return await _end(session, held, MailStatus.SENT, now, row.attempts + 1)
        case Outcome.REFUSED:
            return await _end(session, held, MailStatus.FAILED, now, row.attempts + 1)


async def prune(session: PlatformSession, before: datetime, most: int = 5_000) -> int:
    """Forget mail that ended before a moment. Returns how many."""
    old = select(_table.id).where(_table.ended_at < before).limit(most)
    return int((await session.execute(delete(mail).where(_table.id.in_(old)))).rowcount)


async def _written(session: PlatformSession, vault: Vault, row: Row[Any], address: Address, act: Act) -> Letter | None:
    kind, items, scope, left_out = MailKind(row.kind), list[Item](), DIGEST_SCOPE, 0
    if kind is MailKind.CONFIRMATION:
        if not address.is_own or address.status is not AddressStatus.UNCONFIRMED:
            return None
        scope = confirm_scope(address.email)
    elif address.status is AddressStatus.CONFIRMED:
        items = await _items(session, row.account_id, row.events)
        left_out, items = max(0, len(items) - MOST_IN_DIGEST), items[-MOST_IN_DIGEST:]
        if kind is MailKind.NEWS and items:
            scope = group_scope(group_of(items[0].kind))
    if kind is not MailKind.CONFIRMATION and not items:
        return None
    secret = await mail_address.secret_for(session, vault, row.account_id, act)
    language = (await account_setting.languages(session, [row.account_id])).get(row.account_id, DEFAULT)
    link = link_token(row.account_id, scope, secret)
    zone = await mall_zone(session)
    return Letter(row.id, kind, address.email, language.value, zone, items, link, left_out)


async def _to_guest(session: PlatformSession, vault: Vault, row: Row[Any]) -> Letter | None:
    """About the guest's own orders; None once they are erased, or somebody's account has them."""
    mailbox = await guest.mailbox_of(session, vault, row.account_id)
    events = await outbox.read_numbered(session, row.events)
    mine = [event for event in events if event.buyer_id == row.account_id]
    if mailbox is None or not mine:
        return None
    listed = await merchants.by_ids(session, {event.merchant_id for event in mine})
    names = {each.merchant.id: each.profile.display_name for each in listed}
    items = [_item(event, Audience.BUYER, names.get(event.merchant_id)) for event in mine]
    zone = await mall_zone(session)
    given = (mailbox.email, mailbox.language.value, zone, items, mailbox.token or "")
    return Letter(row.id, MailKind.GUEST, *given)


def _item(event: Event, audience: Audience, merchant_name: str | None) -> Item:
    return Item(event.kind, audience, {**event.facts, **(event.words or {})}, merchant_name, event.occurred_at)


async def _items(session: PlatformSession, account_id: UUID, seqs: Sequence[int]) -> list[Item]:
    """What of these events the account may hear, and wants to be written to of."""
    events = await outbox.read_numbered(session, sorted(set(seqs)))
    tellings = [
        each for each in await tellings_of(session, events) if each.account_id == account_id and each.channel in BY_MAIL
    ]
    listed = await merchants.by_ids(session, {each.event.merchant_id for each in tellings})
    at = {each.merchant.id: each for each in listed}
    shut = {key for key, each in at.items() if each.merchant.status == "suspended"}
    return [
        _item(
            each.event,
            each.audience,
            at[each.event.merchant_id].profile.display_name if each.event.merchant_id in at else None,
        )
        for each in tellings
        if each.audience is not Audience.STAFF or each.event.merchant_id not in shut
    ]


async def _put_off(session: PlatformSession, held: Held, attempts: int, now: datetime, draw: float) -> MailStatus:
    wait = wait_after(attempts, draw)
    if wait is None:
        return await _end(session, held, MailStatus.FAILED, now, attempts)
    again = {"attempts": attempts, "next_at": now + wait, "leased_until": None}
    await session.execute(update(mail).where(_mine(held)).values(again))
    return MailStatus.WAITING


async def _end(
    session: PlatformSession, held: Held, status: MailStatus, now: datetime, attempts: int | None = None
) -> MailStatus:
    made = func.coalesce(attempts, _table.attempts)
    ended = {"status": status.value, "next_at": None, "leased_until": None, "ended_at": now, "attempts": made}
    await session.execute(update(mail).where(_mine(held)).values(ended))
    return status


def _mine(held: Held) -> ColumnElement[bool]:
    return and_(_table.id == held.id, _table.leased_until == held.leased_until, _WAITS)
