"""How webhooks get from the outbox to their endpoints: one row per endpoint and event, sent by one worker at a time.

An endpoint is leased as a whole, so that its deliveries are sent one after the other, whoever sends them; first
attempts in the order of the events. Nothing is recorded by a worker whose lease another one has taken over.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy import delete, exists, func, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row

from merchantry.domain.act import Act
from merchantry.domain.webhook import (
    TEST,
    Answer,
    DeliveryStatus,
    EndpointStatus,
    body_of,
    disabled_by,
    pause_after,
    wait_after,
)
from merchantry.services import outbox, webhook
from merchantry.services.outbox import BATCH, CursorExpired, Event
from merchantry.services.vault import Vault
from merchantry.tables.platform import NOBODY
from merchantry.tables.webhook import webhook_attempt, webhook_delivery, webhook_endpoint
from tenancy.database import PlatformSession, Transaction
from tenancy.writes import Changed, New, write

CONSUMER: Final = "webhooks"
LEASE: Final = timedelta(seconds=60)
"""How long an endpoint is a worker's; renewed with every delivery, each of which takes less."""

Present = Callable[[Event], tuple[Mapping[str, Any], str | None]]
"""An event's facts as the API calls them, and the id of its merchant, where it has one."""

_endpoint = webhook_endpoint.c
_delivery = webhook_delivery.c
_WAITS = _delivery.status == DeliveryStatus.WAITING.value

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Lane:
    """An endpoint that this worker sends to. ``leased_until`` says so as long as the row has the same."""

    endpoint_id: UUID
    merchant_id: UUID
    leased_until: datetime


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is sent next. ``failures`` are those of this delivery since it was last asked for."""

    delivery_id: UUID
    event_id: UUID
    kind: str
    url: str
    body: bytes
    secrets: Sequence[bytes]
    attempts: int
    failures: int


async def fan_out(session: PlatformSession, present: Present, now: datetime) -> int:
    """Write a delivery for each endpoint that the next events concern, and move the cursor. Returns how many events.

    One worker at a time; the others find nothing to do.
    """
    if not await session.scalar(select(func.pg_try_advisory_xact_lock(func.hashtext(CONSUMER)))):
        return 0
    after = await outbox.position(session, CONSUMER)
    try:
        events = await outbox.read(session, after)
    except CursorExpired:
        log.error("webhooks.events_missed", after=after)
        events = await outbox.read(session, outbox.OLDEST)
    if not events:
        return 0
    endpoints = await _endpoints_of(session, {event.merchant_id for event in events} | {NOBODY})
    rows = [
        _row(endpoint, event, present, now)
        for event in events
        for owner in dict.fromkeys((event.merchant_id, NOBODY))
        for endpoint in endpoints[owner]
        if _is_told(endpoint, event)
    ]
    for start in range(0, len(rows), BATCH):
        await session.execute(insert(webhook_delivery).on_conflict_do_nothing(), rows[start : start + BATCH])
    await outbox.read_up_to(session, CONSUMER, events[-1].seq, now)
    return len(events)


async def _endpoints_of(session: PlatformSession, owners: set[UUID]) -> Mapping[UUID, list[Row[Any]]]:
    wanted = select(_endpoint.id, _endpoint.merchant_id, _endpoint.kinds, _endpoint.since_seq).where(
        _endpoint.status == EndpointStatus.ENABLED.value, _endpoint.merchant_id == func.any(list(owners))
    )
    found: defaultdict[UUID, list[Row[Any]]] = defaultdict(list)
    for row in await session.execute(wanted.with_for_update(read=True, key_share=True)):
        found[row.merchant_id].append(row)
    return found


def _is_told(endpoint: Row[Any], event: Event) -> bool:
    """Whether an endpoint gets an event: of its merchant, of its kinds, and told after it was made."""
    if event.seq <= endpoint.since_seq or (endpoint.kinds is not None and event.kind.value not in endpoint.kinds):
        return False
    return endpoint.merchant_id == NOBODY or event.kind.declared.staff is not None


def _row(endpoint: Row[Any], event: Event, present: Present, now: datetime) -> dict[str, Any]:
    facts, merchant = present(event)
    whose = merchant if endpoint.merchant_id == NOBODY else None
    return {
        "id": uuid4(),
        "merchant_id": endpoint.merchant_id,
        "endpoint_id": endpoint.id,
        "event_id": event.id,
        "seq": event.seq,
        "kind": event.kind.value,
        "body": body_of(event.kind.value, event.occurred_at, event.version, facts, whose),
        "status": DeliveryStatus.WAITING.value,
        "next_at": now,
        "created_at": now,
    }


async def claim(session: PlatformSession, now: datetime, limit: int) -> list[Lane]:
    """Lease endpoints at which something is due and that no other worker holds."""
    of_it = (_delivery.endpoint_id == _endpoint.id) & _WAITS
    free = (
        select(_endpoint.id)
        .where(
            _endpoint.status == EndpointStatus.ENABLED.value,
            or_(_endpoint.leased_until.is_(None), _endpoint.leased_until < now),
            or_(_endpoint.paused_until.is_(None), _endpoint.paused_until <= now),
            or_(
                exists().where(of_it, _delivery.attempts == 0),
                exists().where(of_it, _delivery.attempts > 0, _delivery.next_at <= now),
            ),
        )
        .order_by(_endpoint.leased_until.asc().nulls_first(), _endpoint.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    leased = update(webhook_endpoint).where(_endpoint.id.in_(free)).values(leased_until=now + LEASE)
    rows = await session.execute(leased.returning(_endpoint.id, _endpoint.merchant_id, _endpoint.leased_until))
    return [Lane(row.id, row.merchant_id, row.leased_until) for row in rows]


async def next_of(tx: Transaction, vault: Vault, lane: Lane, now: datetime) -> tuple[Lane, Outgoing] | None:
    """What is due next at an endpoint that is still ours, with the lease renewed; None, and given up, where nothing is.

    Raises VaultError.
    """
    async with tx.as_platform() as session:
        endpoint = await _held(session, lane)
        if endpoint is None:
            return None
        is_open = endpoint.status == EndpointStatus.ENABLED.value and not (
            endpoint.paused_until and endpoint.paused_until > now
        )
        row = await _due(session, lane.endpoint_id, now) if is_open else None
        until = now + LEASE if row is not None else None
        await session.execute(_leased(lane).values(leased_until=until))
        if row is None or until is None:
            return None
        if lane.merchant_id == NOBODY:
            secrets = await webhook.secrets_of(session, vault, lane.endpoint_id, now)
    if lane.merchant_id != NOBODY:
        async with tx.as_merchant(lane.merchant_id) as own:
            secrets = await webhook.secrets_of(own, vault, lane.endpoint_id, now)
    named = {name: getattr(row, name) for name in ("event_id", "kind", "attempts", "failures")}
    outgoing = Outgoing(row.id, url=endpoint.url, body=bytes(row.body), secrets=secrets, **named)
    return replace(lane, leased_until=until), outgoing


async def let_go(session: PlatformSession, lane: Lane) -> None:
    """Leave an endpoint to whoever comes next."""
    await session.execute(_leased(lane).values(leased_until=None))


async def record(
    session: PlatformSession, lane: Lane, sent: Outgoing, answer: Answer, at: datetime, act: Act, draw: float
) -> str | None:
    """Write down what an attempt, begun ``at``, came to, and when the next one is; ``draw`` is its jitter.

    Returns the outcome: delivered, retried, given_up, disabled; None where the endpoint is no longer ours, or gone.
    """
    endpoint = await _held(session, lane)
    if endpoint is None:
        return None
    now = act.booked_at
    changes, wait, by = _consequences(endpoint, sent, answer, now, draw)
    ended = wait is None
    status = DeliveryStatus.DELIVERED if answer.is_success else DeliveryStatus.FAILED if ended else None
    row = {
        "attempts": sent.attempts + 1,
        "failures": 0 if answer.is_success else sent.failures + 1,
        "status": (status or DeliveryStatus.WAITING).value,
        "next_at": None if wait is None else now + wait,
        "ended_at": now if ended else None,
    }
    attempt = {
        "merchant_id": lane.merchant_id,
        "delivery_id": sent.delivery_id,
        "number": sent.attempts + 1,
        "at": at,
        "milliseconds": max(0, (now - at) // timedelta(milliseconds=1)),
        "status": answer.status,
        "error": answer.error,
        "response": answer.response,
    }
    if not await session.scalar(select(_delivery.id).where(_delivery.id == sent.delivery_id).with_for_update()):
        return None
    changed = [Changed(webhook_delivery, {"id": sent.delivery_id}, row)]
    changed += [Changed(webhook_endpoint, {"id": lane.endpoint_id}, changes)] if changes else []
    await write(session, New(webhook_attempt, attempt), *changed)
    if by is not None:
        await webhook.tell_disabled(session, lane.merchant_id, lane.endpoint_id, by, act)
        return "disabled"
    return "delivered" if answer.is_success else "given_up" if ended else "retried"


def _consequences(
    endpoint: Row[Any], sent: Outgoing, answer: Answer, now: datetime, draw: float
) -> tuple[dict[str, Any], timedelta | None, Any]:
    """What changes of the endpoint, when the delivery is tried again, and why the endpoint is disabled if it is."""
    if answer.is_success:
        well = {"failures": 0, "failing_since": None, "paused_until": None}
        return (well if endpoint.failures else {}), None, None
    wait = None if sent.kind == TEST else wait_after(sent.failures + 1, draw)
    if sent.kind == TEST:
        return {}, wait, None
    since = endpoint.failing_since or now
    pause = pause_after(endpoint.failures + 1)
    changes: dict[str, Any] = {"failures": endpoint.failures + 1, "failing_since": since}
    changes["paused_until"] = None if pause is None else now + pause
    by = disabled_by(answer, since, now) if endpoint.status == EndpointStatus.ENABLED.value else None
    if by is not None:
        changes |= {"status": EndpointStatus.DISABLED.value, "disabled_by": by.value}
    return changes, wait, by


async def prune(session: PlatformSession, before: datetime, most: int = 5_000) -> int:
    """Forget deliveries of events before a moment, with their attempts. Returns how many."""
    old = select(_delivery.id).where(_delivery.created_at < before).limit(most)
    return int((await session.execute(delete(webhook_delivery).where(_delivery.id.in_(old)))).rowcount)


async def _held(session: PlatformSession, lane: Lane) -> Row[Any] | None:
    mine = (_endpoint.id == lane.endpoint_id) & (_endpoint.leased_until == lane.leased_until)
    return (await session.execute(select(webhook_endpoint).where(mine).with_for_update())).one_or_none()


def _leased(lane: Lane) -> Any:
    return update(webhook_endpoint).where(_endpoint.id == lane.endpoint_id, _endpoint.leased_until == lane.leased_until)


async def _due(session: PlatformSession, endpoint_id: UUID, now: datetime) -> Row[Any] | None:
    """The oldest new one, or what is tried again where that was due before."""
    mine = select(webhook_delivery).where(_delivery.endpoint_id == endpoint_id, _WAITS)
    new = mine.where(_delivery.attempts == 0).order_by(_delivery.seq, _delivery.created_at, _delivery.id).limit(1)
    again = mine.where(_delivery.attempts > 0, _delivery.next_at <= now).order_by(_delivery.next_at).limit(1)
    either = union_all(new.subquery().select(), again.subquery().select()).subquery()
    return (await session.execute(select(either).order_by(either.c.next_at).limit(1))).one_or_none()
