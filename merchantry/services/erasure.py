"""Erasing a buyer: contact data is destroyed in every merchant's schema and in ``platform``; books and trail stay.

The key of each order's contact data is deleted, which makes it unreadable wherever a copy of it is, and the rows are
emptied. One transaction for each merchant, then one of the platform; all of it can be repeated, and what is done is
found done. What has to be kept yet is looked at again by a job.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import Row, delete, exists, func, or_, select, update

from merchantry.domain.act import Act
from merchantry.domain.erasure import Holder, Kept, KeptFor, kept
from merchantry.domain.errors import NotFound
from merchantry.domain.notification import Audience
from merchantry.domain.order import OrderStatus
from merchantry.domain.text import check_text
from merchantry.services import audit, mail_address, queue
from merchantry.services.queue import JobKind
from merchantry.tables.contact import contact_key, erasure
from merchantry.tables.merchant import orders
from merchantry.tables.notification import notification
from merchantry.tables.platform import NOBODY, buyer_order, checkout, checkout_quote, mall
from tenancy.database import MerchantSession, PlatformSession, Transaction
from tenancy.directory import announce
from tenancy.tables import account, guest, membership, merchant, platform_role
from tenancy.writes import New, write

MAX_REASON: Final = 500
LOOK_AGAIN: Final = timedelta(days=1)
"""When an order that is open, or disputed, is looked at again."""

MOMENTS: Final = ("placed_at", "captured_at", "last_delivered_at", "completed_at", "cancelled_at")


@dataclass(frozen=True, slots=True)
class Erasure:
    """A request to erase a buyer's contact data."""

    id: UUID
    buyer_id: UUID
    requested_by: str
    reason: str
    requested_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class AtMerchant:
    """What became of a buyer's orders at one merchant: all of them, those emptied now, those that keep their data."""

    seen: frozenset[UUID]
    erased: int
    kept: tuple[Kept, ...]


COLUMNS = [erasure.c[name] for name in Erasure.__slots__]


async def request(session: PlatformSession, buyer_id: UUID, reason: str, act: Act) -> Erasure:
    """Begin to erase a buyer; one that is under way already is gone on with. Raises NotFound, InvalidInput."""
    check_text(reason, MAX_REASON, ("reason",))
    known = [select(table.c.id).where(table.c.id == buyer_id).with_for_update() for table in (account, guest)]
    if await session.scalar(known[0]) is None and await session.scalar(known[1]) is None:
        raise NotFound(what="account", path=("input", "accountId"))
    under_way = select(*COLUMNS).where(erasure.c.buyer_id == buyer_id, erasure.c.done_at.is_(None))
    asked = audit.event(session, NOBODY, act, "buyer.erase_request", str(buyer_id), None, {"reason": reason})
    if row := (await session.execute(under_way)).first():
        await write(session, asked)
        return Erasure(**row._asdict())
    made = Erasure(uuid4(), buyer_id, act.actor, reason, act.at, None)
    await write(
        session,
        New(erasure, {name: getattr(made, name) for name in Erasure.__slots__}),
        queue.asked(NOBODY, JobKind.BUYER_ERASE, made.id, act.at),
        asked,
    )
    return made


async def find(session: PlatformSession, erasure_id: UUID) -> Erasure:
    """The request of this id. Raises NotFound."""
    row = (await session.execute(select(*COLUMNS).where(erasure.c.id == erasure_id))).one_or_none()
    if row is None:
        raise NotFound(what="erasure")
    return Erasure(**row._asdict())


async def merchants_of(session: PlatformSession, buyer_id: UUID) -> list[UUID]:
    """The merchants that a buyer has orders of, in the order in which they are locked."""
    statement = select(buyer_order.c.merchant_id).distinct().where(buyer_order.c.buyer_id == buyer_id)
    return list((await session.execute(statement.order_by(buyer_order.c.merchant_id))).scalars())


async def erase_at(tx: Transaction, merchant_id: UUID, buyer_id: UUID, act: Act) -> AtMerchant:
    """Destroy what may go of a buyer's contact data at one merchant."""
    async with tx.as_platform() as platform:
        table = buyer_order.c
        mine = select(table.order_id).where(table.merchant_id == merchant_id, table.buyer_id == buyer_id)
        order_ids = list((await platform.execute(mine)).scalars())
        keep_days: int = await platform.scalar(select(mall.c.keep_contacts_days))
        status = await platform.scalar(select(merchant.c.status).where(merchant.c.id == merchant_id))
    async with tx.as_merchant(merchant_id) as session:
        rows = await _holders(session, order_ids, is_closed=status == "closed")
        verdicts = {row.id: _kept(merchant_id, row, keep_days, act, is_closed=status == "closed") for row in rows}
        gone = [order_id for order_id, verdict in verdicts.items() if verdict is None]
        if gone and status != "closed":
            await session.execute(
                update(orders).where(orders.c.id == func.any(gone)).values(contact=None, ship_to=None)
            )
    async with tx.as_platform() as platform:
        erased = await _destroy_keys(platform, merchant_id, gone)
        if erased:
            after = {"orders": sorted(map(str, gone))}
            seen_by = Act(act.actor_seen_by_merchant, act.at, act.booked_at, None, act.client, act.request_id)
            await audit.record(platform, merchant_id, seen_by, "contact.erase", "orders", None, after)
    count = erased if status == "closed" else len(gone)
    return AtMerchant(frozenset(order_ids), count, tuple(each for each in verdicts.values() if each))


async def _holders(session: MerchantSession, order_ids: Sequence[UUID], *, is_closed: bool) -> list[Row[Any]]:
    """Orders that hold contact data yet, locked unless nobody can write in the schema."""
    table = orders.c
    columns = (table.id, table.status, table.open_disputes, table.ship_to, *(table[name] for name in MOMENTS))
    statement = select(*columns).where(
        table.id == func.any(list(order_ids)), or_(table.contact.is_not(None), table.ship_to.is_not(None))
    )
    statement = statement.order_by(table.id)
    return list(await session.execute(statement if is_closed else statement.with_for_update()))


def _kept(merchant_id: UUID, row: Row[Any], keep_days: int, act: Act, *, is_closed: bool) -> Kept | None:
    if is_closed and row.ship_to is not None:
        return Kept(merchant_id, row.id, KeptFor.CLOSED_MERCHANT)
    ended_at = max(moment for name in MOMENTS if (moment := getattr(row, name)) is not None)
    holder = Holder(merchant_id, row.id, OrderStatus(row.status), row.open_disputes, ended_at)
    return kept(holder, keep_days, act.booked_at)


async def _destroy_keys(session: PlatformSession, owner: UUID, subject_ids: Collection[UUID]) -> int:
    table = contact_key.c
    gone = delete(contact_key).where(table.merchant_id == owner, table.subject_id == func.any(list(subject_ids)))
    return (await session.execute(gone)).rowcount


async def finish(session: PlatformSession, found: Erasure, at_merchants: Sequence[AtMerchant], act: Act) -> Erasure:
    """Destroy what the platform has of the buyer, but for checkouts of orders that keep their data.

    Where nothing is kept the account forgets who it was, and the request is done; else it is looked at again.
    """
    verdicts = [each for at in at_merchants for each in at.kept]
    done_with = frozenset[UUID]().union(*(at.seen for at in at_merchants)) - {each.order_id for each in verdicts}
    left = await _erase_checkouts(session, found.buyer_id, done_with)
    await session.execute(delete(checkout_quote).where(checkout_quote.c.buyer_id == found.buyer_id))
    if verdicts or left:
        again = [each.until for each in verdicts if each.until] if all(each.until for each in verdicts) else []
        due_at = min(again) if again and not left else act.booked_at + LOOK_AGAIN
        await queue.enqueue(session, NOBODY, JobKind.BUYER_ERASE, found.id, due_at)
        return found
    await _forget_account(session, found.buyer_id)
    await session.execute(
        update(erasure).where(erasure.c.id == found.id, erasure.c.done_at.is_(None)).values(done_at=act.booked_at)
    )
    await queue.dequeue(session, NOBODY, JobKind.BUYER_ERASE, found.id)
    after = {"orders": len(done_with), "requested_by": found.requested_by, "reason": found.reason}
    await audit.record(session, NOBODY, act, "buyer.erase", str(found.buyer_id), None, after)
    return await find(session, found.id)


async def _erase_checkouts(session: PlatformSession, buyer_id: UUID, done_with: Collection[UUID]) -> int:
    """Empty the checkouts of which every order is done with. Returns how many orders are not."""
    table = buyer_order.c
    rows = (await session.execute(select(table.order_id, table.checkout_id).where(table.buyer_id == buyer_id))).all()
    open_ = {row.checkout_id for row in rows if row.order_id not in done_with}
    gone = sorted({row.checkout_id for row in rows} - open_)
    await session.execute(update(checkout).where(checkout.c.id == func.any(gone)).values(contact=None, ship_to=None))
    await _destroy_keys(session, NOBODY, gone)
    return sum(row.order_id not in done_with for row in rows)


async def _forget_account(session: PlatformSession, buyer_id: UUID) -> None:
    """Whoever signs in again is somebody new. Staff stay who they are: that is no data of a buyer."""
    told = (notification.c.account_id == buyer_id) & (notification.c.audience == Audience.BUYER)
    await session.execute(delete(notification).where(told))
    await mail_address.forget(session, buyer_id)
    is_staff = or_(
        exists().where(membership.c.account_id == account.c.id),
        exists().where(platform_role.c.account_id == account.c.id),
    )
    forgotten = update(account).where(account.c.id == buyer_id, ~is_staff)
    await session.execute(forgotten.values(email=None, subject=f"erased:{buyer_id}"))
    await session.execute(update(guest).where(guest.c.id == buyer_id).values(contact=None))
    await _destroy_keys(session, NOBODY, [buyer_id])
    await announce(session, buyer_id)


async def set_keeping(session: PlatformSession, days: int, act: Act) -> None:
    """How long contact data stays after an order has ended, whoever asks for its erasure: what the law wants."""
    held = await session.scalar(select(mall.c.keep_contacts_days).where(mall.c.id == 1).with_for_update())
    await session.execute(update(mall).where(mall.c.id == 1).values(keep_contacts_days=days))
    await audit.record(session, NOBODY, act, "mall.keep_contacts", "mall", {"days": held}, {"days": days})
