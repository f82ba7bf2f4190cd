"""Events: written in the transaction of the change, numbered once that is committed, read in the order of the numbers.

A cursor is the number of the last event that was read. Numbers are given after commit, so nothing is ever told with a
number below one that was told before; of two changes of which the second waited for the first, the first is told first.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import Select, Text, bindparam, cast, delete, exists, func, select, update
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.event import EventKind, FactType, check
from merchantry.domain.notification import NEWS
from merchantry.tables.outbox import WAKES, outbox, outbox_consumer, outbox_head, outbox_pruned
from merchantry.tables.platform import NOBODY, buyer_order
from tenancy.database import MerchantSession, PlatformSession, Session
from tenancy.writes import New, write

CHANNEL: Final = "merchantry_outbox"
"""Where the number of the newest event is told."""

BATCH: Final = 500
OLDEST: Final = 0
"""The cursor before the first event."""


class CursorExpired(Exception):
    """Events after the cursor are no longer kept: read anew what you have derived from them."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. ``id`` is the same however often it is read; ``facts`` are as its kind declares them.

    ``merchant_id`` is NOBODY's where no merchant is told. ``actor`` is the kind of actor: buyer, staff, platform,
    system. ``buyer_id`` is known only where the platform reads for buyers, ``words`` only where it reads for all.
    """

    seq: int
    merchant_id: UUID
    id: UUID
    kind: EventKind
    version: int
    order_id: UUID | None
    facts: Mapping[str, Any]
    actor: str
    occurred_at: datetime
    booked_at: datetime
    buyer_id: UUID | None = None
    words: Mapping[str, Any] | None = field(default=None, repr=False)


COLUMNS = [outbox.c[name] for name in Event.__slots__ if name not in ("buyer_id", "words")]


async def publish(
    session: MerchantSession | PlatformSession,
    kind: EventKind,
    facts: Mapping[str, Any],
    act: Act,
    *,
    merchant_id: UUID | None = None,
    news: Mapping[str, Any] | None = None,
) -> None:
    """Tell of a change, in its transaction; see :func:`published`."""
    await write(session, *published(session, kind, facts, act, merchant_id=merchant_id, news=news))


async def publish_many(session: MerchantSession, kind: EventKind, facts: Iterable[Mapping[str, Any]], act: Act) -> None:
    """Tell of several changes of one kind in their transaction, with one statement."""
    if rows := [_row(session.merchant_id, kind, each, act) for each in facts]:
        await session.execute(insert(outbox), rows)
        session.wake(WAKES)


def published(
    session: MerchantSession | PlatformSession,
    kind: EventKind,
    facts: Mapping[str, Any],
    act: Act,
    *,
    merchant_id: UUID | None = None,
    news: Mapping[str, Any] | None = None,
) -> list[New]:
    """What :func:`publish` writes, to be written together with the change.

    A merchant's session tells as that merchant; the platform's as ``merchant_id``, or as NOBODY, of which only the
    platform is told. ``news`` are words that notifications have beside the facts, and events have not.
    """
    if isinstance(session, MerchantSession):
        merchant_id = session.merchant_id
    row = _row(merchant_id or NOBODY, kind, facts, act)
    if news and kind in NEWS:
        row["words"] = dict(news)
    return [New(outbox, row)]


def publish_as_owner(
    connection: psycopg.Connection[tuple[object, ...]],
    merchant_id: UUID,
    kind: EventKind,
    facts: Mapping[str, Any],
    act: Act,
) -> None:
    """:func:`publish` where the owner of the tables acts: for what changes schemas and roles."""
    row = _row(merchant_id, kind, facts, act)
    connection.execute(
        "INSERT INTO platform.outbox"
        " (merchant_id, id, kind, version, order_id, facts, actor, occurred_at, booked_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [Jsonb(value) if isinstance(value, dict) else value for value in row.values()],
    )


def _row(merchant_id: UUID, kind: EventKind, facts: Mapping[str, Any], act: Act) -> dict[str, Any]:
    given = {name: value for name, value in facts.items() if value is not None}
    check(kind, given)
    types = {fact.name: fact.type for fact in kind.declared.facts}
    return {
        "merchant_id": merchant_id,
        "id": uuid4(),
        "kind": kind.value,
        "version": kind.declared.version,
        "order_id": given.get("order") if types.get("order") is FactType.ID else None,
        "facts": {name: _plain(value) for name, value in given.items()},
        "actor": act.actor.partition(":")[0],
        "occurred_at": act.at,
        "booked_at": act.booked_at,
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, int) else value.isoformat() if isinstance(value, datetime) else str(value)


_waiting = (
    select(outbox.c.merchant_id, outbox.c.id, func.row_number().over(order_by=outbox.c.position).label("place"))
    .where(outbox.c.seq.is_(None))
    .order_by(outbox.c.position)
    .limit(bindparam("most"))
    .cte("waiting")
)
_head = select(outbox_head.c.seq).cte("head")
_numbered = (
    update(outbox)
    .where(outbox.c.merchant_id == _waiting.c.merchant_id, outbox.c.id == _waiting.c.id)
    .values(seq=_head.c.seq + _waiting.c.place)
    .returning(outbox.c.seq)
    .cte("numbered")
)
_done = (
    select(func.count().label("events"), func.max(_numbered.c.seq).label("newest")).select_from(_numbered).cte("done")
)
_told = (
    update(outbox_head)
    .where(_done.c.events > 0)
    .values(seq=_done.c.newest)
    .returning(func.pg_notify(CHANNEL, cast(outbox_head.c.seq, Text)))
    .cte("told")
)
HOLD = select(outbox_head.c.seq).with_for_update()
NUMBER = select(_done.c.events).add_cte(_told)
WAITING = select(exists().where(outbox.c.seq.is_(None)))


async def is_waiting(session: PlatformSession) -> bool:
    """Whether an event has no number yet."""
    return bool(await session.scalar(WAITING))


def numbering(session: PlatformSession, most: int = BATCH) -> tuple[Select[Any], Mapping[str, Any]]:
    """What gives committed events their numbers, tells every process, and answers how many there were. It is the
    transaction's last statement.

    Whoever holds the head gives the next numbers, after all whom it waited for: so each number is below those of all
    that were committed later. Only this tells by NOTIFY; transactions that did would commit one after the other.
    """
    session.later(HOLD)  # the statement after it sees what was committed until then
    return NUMBER, {"most": most}


async def newest(session: MerchantSession | PlatformSession) -> int:
    """The cursor after the last event that has a number."""
    found: int = await session.scalar(select(outbox_head.c.seq))
    return found


async def read(
    session: MerchantSession | PlatformSession,
    after: int,
    limit: int = BATCH,
    *,
    merchant_id: UUID | None = None,
    kinds: Collection[EventKind] | None = None,
    subject: tuple[str, str] | None = None,
) -> list[Event]:
    """The next events after a cursor: a merchant's session reads its own, the platform's a merchant's or all.

    ``subject`` is a fact and its value. Raises CursorExpired.
    """
    if isinstance(session, MerchantSession):
        merchant_id = session.merchant_id
    statement = _after(select(*COLUMNS), after, limit)
    if merchant_id is not None:
        statement = statement.where(outbox.c.merchant_id == merchant_id)
    if kinds is not None:
        statement = statement.where(outbox.c.kind == func.any([kind.value for kind in kinds]))
    return await _read(session, _about(statement, subject), after, merchant_id)


async def read_for_buyer(
    session: PlatformSession,
    buyer_id: UUID,
    after: int,
    limit: int = BATCH,
    *,
    subject: tuple[str, str] | None = None,
) -> list[Event]:
    """The next events about a buyer's orders, or one thing of theirs, of kinds that buyers are told of.

    Raises CursorExpired.
    """
    told = [kind.value for kind in EventKind if kind.declared.to_buyer]
    statement = _after(_with_buyers(is_outer=False), after, limit).where(
        buyer_order.c.buyer_id == buyer_id, outbox.c.order_id.is_not(None), outbox.c.kind == func.any(told)
    )
    return await _read(session, _about(statement, subject), after)


async def read_with_buyers(session: PlatformSession, after: int, limit: int = BATCH) -> list[Event]:
    """The next events of all, with the buyers whom they concern: for whoever hands them on. Raises CursorExpired."""
    statement = _with_buyers(is_outer=True).add_columns(outbox.c.words)
    return await _read(session, _after(statement, after, limit), after)


async def read_numbered(session: PlatformSession, seqs: Collection[int]) -> list[Event]:
    """The events with these numbers that are still kept, with the buyers whom they concern, in their order."""
    numbered = _with_buyers(is_outer=True).add_columns(outbox.c.words).where(outbox.c.seq == func.any(list(seqs)))
    return await _read(session, numbered.order_by(outbox.c.seq), OLDEST)


def _about(statement: Select[Any], subject: tuple[str, str] | None) -> Select[Any]:
    if subject is None:
        return statement
    name, value = subject
    if name == "order":
        return statement.where(outbox.c.order_id == UUID(value))
    return statement.where(outbox.c.facts[name].astext == value)


def _with_buyers(*, is_outer: bool) -> Select[Any]:
    of_order = (buyer_order.c.merchant_id == outbox.c.merchant_id) & (buyer_order.c.order_id == outbox.c.order_id)
    return select(*COLUMNS, buyer_order.c.buyer_id).select_from(outbox.join(buyer_order, of_order, isouter=is_outer))


def _after(statement: Select[Any], after: int, limit: int) -> Select[Any]:
    return statement.where(outbox.c.seq > after).order_by(outbox.c.seq).limit(limit)


async def _read(session: Session, statement: Select[Any], after: int, merchant_id: UUID | None = None) -> list[Event]:
    rows = await session.execute(statement)
    found = [Event(**{**row._asdict(), "kind": EventKind(row.kind)}) for row in rows]
    if found and found[0].seq == after + 1:
        return found  # numbers have no gaps: nothing between is gone
    if OLDEST < after < await _pruned_to(session, merchant_id):
        raise CursorExpired
    return found


async def _pruned_to(session: Session, merchant_id: UUID | None) -> int:
    """The last event that is gone: of a merchant, else of all."""
    if merchant_id is None:
        return int(await session.scalar(select(outbox_head.c.pruned_to)))
    last = select(outbox_pruned.c.seq).where(outbox_pruned.c.merchant_id == merchant_id)
    return await session.scalar(last) or OLDEST


async def position(session: PlatformSession, consumer: str, merchant_id: UUID = NOBODY) -> int:
    """Up to where a consumer has read; OLDEST where it is new. Held until the transaction ends."""
    table = outbox_consumer.c
    statement = select(table.seq).where(table.name == consumer, table.merchant_id == merchant_id).with_for_update()
    found: int | None = await session.scalar(statement)
    return OLDEST if found is None else found


_MOVED = insert(outbox_consumer)
MOVE = _MOVED.on_conflict_do_update(
    index_elements=["merchant_id", "name"], set_={"seq": _MOVED.excluded.seq, "updated_at": _MOVED.excluded.updated_at}
)


async def read_up_to(
    session: PlatformSession, consumer: str, seq: int, now: datetime, merchant_id: UUID = NOBODY
) -> None:
    """Remember that a consumer has done with everything up to here: in the transaction of what it did."""
    row = {"name": consumer, "merchant_id": merchant_id, "seq": seq, "updated_at": now}
    await session.execute(MOVE, row)


PRUNED = insert(outbox_pruned)
LAST_PRUNED: Final[Mapping[str, Any]] = {
    "index_elements": ["merchant_id"],
    "set_": {"seq": PRUNED.excluded.seq},
}


async def prune(session: PlatformSession, before: datetime, most: int = 10_000) -> int:
    """Forget the oldest events, booked before a moment. Returns how many."""
    table = outbox.c
    oldest = select(table.seq, table.booked_at).where(table.seq.is_not(None)).order_by(table.seq).limit(most).subquery()
    old = select(func.max(oldest.c.seq)).where(oldest.c.booked_at < before)
    up_to = await session.scalar(old)
    if up_to is None:
        return 0
    last = select(table.merchant_id, func.max(table.seq)).where(table.seq <= up_to).group_by(table.merchant_id)
    await session.execute(PRUNED.from_select(["merchant_id", "seq"], last).on_conflict_do_update(**LAST_PRUNED))
    gone = await session.execute(delete(outbox).where(table.seq <= up_to))
    await session.execute(update(outbox_head).values(pruned_to=up_to))
    return int(gone.rowcount)
