"""What was sent to webhook endpoints, and what is to be sent: read, asked for again, tried."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, func, select, tuple_, update

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound
from merchantry.domain.webhook import TEST, DeliveryStatus, EndpointStatus, body_of
from merchantry.services import audit, outbox, webhook
from merchantry.services.vault import Owner, owner_of
from merchantry.tables.webhook import webhook_attempt, webhook_delivery
from tenancy.writes import New, write

SHOWN_ATTEMPTS: Final = 20
"""The latest of one delivery."""

_table = webhook_delivery.c
_attempt = webhook_attempt.c


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event at one endpoint. ``event_id`` is what the receiver gets as ``webhook-id``, at every attempt."""

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    seq: int
    kind: str
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None
    created_at: datetime
    ended_at: datetime | None

    @property
    def cursor(self) -> tuple[int, UUID]:
        """What ``after`` of the next page is."""
        return self.seq, self.id


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and its answer; ``response`` is the first kilobyte."""

    delivery_id: UUID
    number: int
    at: datetime
    milliseconds: int
    status: int | None
    error: str | None
    response: str | None


@dataclass(frozen=True, slots=True)
class Sought:
    """Which deliveries are asked for; None: of any."""

    endpoint_id: UUID | None = None
    status: DeliveryStatus | None = None
    kind: str | None = None
    since: datetime | None = None


COLUMNS = [_table[name] for name in Delivery.__slots__]
ATTEMPT_COLUMNS = [_attempt[name] for name in Attempt.__slots__]


async def deliveries(session: Owner, sought: Sought, limit: int, after: tuple[int, UUID] | None) -> list[Delivery]:
    """The session's own, those of the newest events first."""
    statement = _own(session).order_by(_table.seq.desc(), _table.id.desc()).limit(limit)
    given = {"endpoint_id": sought.endpoint_id, "status": sought.status, "kind": sought.kind}
    for name, value in given.items():
        if value is not None:
            statement = statement.where(_table[name] == value)
    if sought.since is not None:
        statement = statement.where(_table.created_at >= sought.since)
    if after is not None:
        statement = statement.where(tuple_(_table.seq, _table.id) < after)
    return [_from_row(row) for row in await session.execute(statement)]


async def attempts_of(session: Owner, delivery_ids: Collection[UUID]) -> Mapping[UUID, list[Attempt]]:
    """The latest attempts of each delivery, in their order."""
    statement = (
        select(*ATTEMPT_COLUMNS)
        .join(webhook_delivery, _table.id == _attempt.delivery_id)
        .where(
            _attempt.delivery_id == func.any(list(delivery_ids)),
            _table.merchant_id == owner_of(session),
            _attempt.number > _table.attempts - SHOWN_ATTEMPTS,
        )
        .order_by(_attempt.delivery_id, _attempt.number)
    )
    found: defaultdict[UUID, list[Attempt]] = defaultdict(list)
    for row in await session.execute(statement):
        found[row.delivery_id].append(Attempt(**row._asdict()))
    return found


async def delivery(session: Owner, delivery_id: UUID) -> Delivery:
    """One of the session's own. Raises NotFound."""
    row = (await session.execute(_own(session).where(_table.id == delivery_id))).one_or_none()
    if row is None:
        raise NotFound(what="webhook delivery", path=("delivery_id",))
    return _from_row(row)


async def test(session: Owner, endpoint_id: UUID, endpoint_name: str, act: Act) -> Delivery:
    """Send something of the type ``webhook.test`` to an endpoint, once; where such a one waits, that is it.

    ``endpoint_name`` is what the receiver knows the endpoint by. Raises NotFound, InvalidInput.
    """
    await _require_enabled(session, endpoint_id)
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"webhook_test {endpoint_id}"))))
    waiting = _own(session).where(
        _table.endpoint_id == endpoint_id, _table.kind == TEST, _table.status == DeliveryStatus.WAITING.value
    )
    if (row := (await session.execute(waiting.limit(1))).one_or_none()) is not None:
        return _from_row(row)
    delivery_id = uuid4()
    made = {
        "id": delivery_id,
        "merchant_id": owner_of(session),
        "endpoint_id": endpoint_id,
        "event_id": uuid4(),
        "seq": await outbox.newest(session),
        "kind": TEST,
        "body": body_of(TEST, act.at, 1, {"webhook_endpoint": endpoint_name}),
        "status": DeliveryStatus.WAITING.value,
        "next_at": act.booked_at,
        "created_at": act.booked_at,
    }
    noted = audit.event(session, owner_of(session), act, "webhook_endpoint.test", str(endpoint_id))
    await write(session, New(webhook_delivery, made), noted)
    return await delivery(session, delivery_id)


async def replay(session: Owner, delivery_id: UUID, act: Act) -> Delivery:
    """Send one once more, whatever became of it, with all its attempts anew. Raises NotFound, InvalidInput."""
    found = await delivery(session, delivery_id)
    await _require_enabled(session, found.endpoint_id, ("delivery_id",))
    await session.execute(_again(session, act).where(_table.id == delivery_id))
    await audit.record(session, owner_of(session), act, "webhook_delivery.replay", str(delivery_id))
    return await delivery(session, delivery_id)


async def replay_failed(session: Owner, endpoint_id: UUID, since: datetime, act: Act) -> int:
    """Send once more what was given up at an endpoint, of events since a moment. Returns how many.

    Raises NotFound, InvalidInput.
    """
    await _require_enabled(session, endpoint_id)
    failed = _again(session, act).where(
        _table.endpoint_id == endpoint_id,
        _table.status == DeliveryStatus.FAILED.value,
        _table.kind != TEST,
        _table.created_at >= since,
    )
    count = int((await session.execute(failed)).rowcount)
    after = {"since": since.isoformat(), "deliveries": count}
    await audit.record(session, owner_of(session), act, "webhook_endpoint.replay", str(endpoint_id), None, after)
    return count


def _again(session: Owner, act: Act) -> Any:
    anew = {"status": DeliveryStatus.WAITING.value, "failures": 0, "next_at": act.booked_at, "ended_at": None}
    return update(webhook_delivery).where(_table.merchant_id == owner_of(session)).values(anew)


async def _require_enabled(session: Owner, endpoint_id: UUID, path: tuple[str, ...] = ("endpoint_id",)) -> None:
    found = await webhook.find(session, endpoint_id)
    if found.status is not EndpointStatus.ENABLED:
        raise InvalidInput(reason="The endpoint is disabled; enable it first.", path=path)


def _own(session: Owner) -> Select[Any]:
    mine: ColumnElement[bool] = _table.merchant_id == owner_of(session)
    return select(*COLUMNS).where(mine)


def _from_row(row: Any) -> Delivery:
    return Delivery(**{**row._asdict(), "status": DeliveryStatus(row.status)})
