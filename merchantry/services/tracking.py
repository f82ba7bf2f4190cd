"""Orders as they are shown: to their merchant from its own schema, to their buyer across the merchants' schemas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, func, select, tuple_

from merchantry.domain.order import OrderStatus
from merchantry.services.order import LINE_COLUMNS, ORDER_COLUMNS, Line, Order
from merchantry.tables.merchant import order_event, order_line, orders, refund, shipment
from merchantry.tables.platform import buyer_order
from tenancy.across import Across, read_few_across
from tenancy.database import Database, MerchantSession, PlatformSession


@dataclass(frozen=True, slots=True)
class Shipment:
    """A parcel and what is in it."""

    id: UUID
    order_id: UUID
    carrier: str
    tracking_number: str
    line_ids: Sequence[UUID]
    quantities: Sequence[int]
    shipped_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """Something that happened to an order."""

    order_id: UUID
    seq: int
    kind: str
    actor: str
    occurred_at: datetime
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refund:
    """Money of an order on its way back to the buyer."""

    id: UUID
    order_id: UUID
    currency: str
    amount_minor: int
    reason: str
    status: str
    occurred_at: datetime
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order with everything that was asked for of it."""

    merchant_id: UUID
    order: Order
    shipments: Sequence[Shipment] = ()
    events: Sequence[OrderEvent] = ()
    refunds: Sequence[Refund] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Which relations to load; each costs one statement, whatever the number of orders."""

    lines: bool = True
    shipments: bool = True
    events: bool = True
    refunds: bool = True


SHIPMENT = select(*(shipment.c[name] for name in Shipment.__slots__)).order_by(shipment.c.shipped_at, shipment.c.id)
EVENT = select(*(order_event.c[name] for name in OrderEvent.__slots__)).order_by(order_event.c.seq)
REFUND = select(*(refund.c[name] for name in Refund.__slots__)).order_by(refund.c.occurred_at, refund.c.id)
LINE = select(*LINE_COLUMNS).order_by(order_line.c.position)


async def page(
    session: MerchantSession,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None,
    statuses: Sequence[OrderStatus] | None = None,
    parts: Parts,
) -> list[OrderView]:
    """The merchant's orders, newest first."""
    statement = select(*ORDER_COLUMNS).order_by(orders.c.placed_at.desc(), orders.c.id.desc()).limit(limit)
    if after is not None:
        statement = statement.where(tuple_(orders.c.placed_at, orders.c.id) < tuple_(*after))
    if statuses:
        statement = statement.where(orders.c.status.in_(statuses))
    return await _views(session, statement, parts)


async def by_number(session: MerchantSession, number: str, parts: Parts) -> OrderView | None:
    """The merchant's order of this number."""
    found = await _views(session, select(*ORDER_COLUMNS).where(orders.c.number == number), parts)
    return found[0] if found else None


async def by_id(session: MerchantSession, order_id: UUID, parts: Parts) -> OrderView | None:
    """The merchant's order of this id."""
    found = await _views(session, select(*ORDER_COLUMNS).where(orders.c.id == order_id), parts)
    return found[0] if found else None


async def _views(session: MerchantSession, statement: Select[Any], parts: Parts) -> list[OrderView]:
    rows = [row._asdict() for row in await session.execute(statement)]
    found = _Found(rows)
    for name, relation in _relations(parts):
        given = {"order_ids": [row["id"] for row in rows]}
        found.add(name, [row._asdict() for row in await session.execute(relation, given)] if rows else [])
    return [found.view(session.merchant_id, row) for row in rows]


async def of_buyer(database: Database, index: Sequence["IndexedOrder"], parts: Parts) -> list[OrderView]:
    """Orders of any merchants, by the buyer's own index; one statement for each relation, in one snapshot."""
    if not index:
        return []
    merchants = sorted({entry.merchant_id for entry in index}, key=lambda merchant: merchant.hex)
    given = {"order_ids": [entry.order_id for entry in index]}

    relations = _relations(parts)
    statements = [select(*ORDER_COLUMNS).where(orders.c.id == _given_ids()), *(each for _, each in relations)]
    rows_of_orders, *related = await read_few_across(
        database, list(map(Across, statements)), merchants, parameters=given
    )
    found = _Found(rows_of_orders)
    for (name, _), rows_of_relation in zip(relations, related, strict=True):
        found.add(name, rows_of_relation)
    rows = {row["id"]: row for row in found.rows}
    return [found.view(entry.merchant_id, rows[entry.order_id]) for entry in index if entry.order_id in rows]


def _relations(parts: Parts) -> list[tuple[str, Select[Any]]]:
    wanted = [
        ("lines", parts.lines, LINE.where(order_line.c.order_id == _given_ids())),
        ("shipments", parts.shipments, SHIPMENT.where(shipment.c.order_id == _given_ids())),
        ("events", parts.events, EVENT.where(order_event.c.order_id == _given_ids())),
        ("refunds", parts.refunds, REFUND.where(refund.c.order_id == _given_ids())),
    ]
    return [(name, statement) for name, is_wanted, statement in wanted if is_wanted]


def _given_ids() -> Any:
    return func.any(bindparam("order_ids"))


@dataclass
class _Found:
    """Rows of orders and of their relations, to be put together."""

    rows: list[dict[str, Any]]
    related: dict[str, dict[UUID, list[dict[str, Any]]]] = field(default_factory=dict)

    def add(self, name: str, rows: list[dict[str, Any]]) -> None:
        by_order = self.related.setdefault(name, {})
        for row in rows:
            row.pop("merchant_id", None)
            by_order.setdefault(row["order_id"], []).append(row)

    def view(self, merchant_id: UUID, row: Mapping[str, Any]) -> OrderView:
        fields = {name: row[name] for name in Order.__slots__ if name != "lines"}
        fields["status"] = OrderStatus(fields["status"])
        lines = tuple(Line(**line) for line in self._of("lines", row["id"]))
        return OrderView(
            merchant_id,
            Order(**fields, lines=lines),
            [Shipment(**each) for each in self._of("shipments", row["id"])],
            [OrderEvent(**each) for each in self._of("events", row["id"])],
            [Refund(**each) for each in self._of("refunds", row["id"])],
        )

    def _of(self, name: str, order_id: UUID) -> list[dict[str, Any]]:
        return self.related.get(name, {}).get(order_id, [])


@dataclass(frozen=True, slots=True)
class IndexedOrder:
    """A line of a buyer's own index of orders."""

    merchant_id: UUID
    order_id: UUID
    checkout_id: UUID
    number: str
    merchant_name: str
    status: str
    currency: str
    total_minor: int
    placed_at: datetime


INDEX = select(*(buyer_order.c[name] for name in IndexedOrder.__slots__))


async def index_page(
    session: PlatformSession, buyer_id: UUID, *, limit: int, after: tuple[datetime, UUID] | None
) -> list[IndexedOrder]:
    """A buyer's orders of all merchants, newest first."""
    statement = (
        INDEX.where(buyer_order.c.buyer_id == buyer_id)
        .order_by(buyer_order.c.placed_at.desc(), buyer_order.c.order_id.desc())
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(buyer_order.c.placed_at, buyer_order.c.order_id) < tuple_(*after))
    return [IndexedOrder(**row._asdict()) for row in await session.execute(statement)]


async def index_of(session: PlatformSession, buyer_id: UUID, order_ids: Sequence[UUID]) -> list[IndexedOrder]:
    """Those of the orders that are the buyer's."""
    mine = INDEX.where(buyer_order.c.buyer_id == buyer_id, buyer_order.c.order_id == func.any(list(order_ids)))
    return [IndexedOrder(**row._asdict()) for row in await session.execute(mine)]


async def index_of_checkouts(session: PlatformSession, checkout_ids: Sequence[UUID]) -> list[IndexedOrder]:
    """The orders of some checkouts, by merchant."""
    statement = INDEX.where(buyer_order.c.checkout_id == func.any(list(checkout_ids)))
    rows = await session.execute(statement.order_by(buyer_order.c.checkout_id, buyer_order.c.merchant_id))
    return [IndexedOrder(**row._asdict()) for row in rows]
