"""Orders as they are shown: to their merchant from its own schema, to their buyer across the merchants' schemas."""

from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Integer, Select, Table, bindparam, func, select, tuple_

from merchantry.domain.act import Act
from merchantry.domain.order import OrderStatus
from merchantry.services import chargeback, return_request
from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.order import Line, Order
from merchantry.services.return_request import Return
from merchantry.services.ship_by import is_overdue
from merchantry.tables.merchant import order_event, order_line, orders, refund, shipment
from merchantry.tables.platform import buyer_order
from tenancy.across import Across, read_few_across
from tenancy.database import Database, MerchantSession, PlatformSession

B = TypeVar("B", Return, Chargeback)
Names: TypeAlias = tuple[str, ...]

SHAPES: Final = 1_000
"""Selections of columns that are remembered, the latest used the longest."""
ALWAYS: Final = frozenset({"id", "checkout_id", "currency", "placed_at", "captured_at"})
"""What is read of every order, whatever is asked for: cursors, amounts and rights need it."""


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
    status: str | None
    expected_on: date | None
    updates: Sequence[Mapping[str, Any]]


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
    kind: str
    currency: str
    amount_minor: int
    commission_minor: int
    merchant_minor: int
    line_ids: Sequence[UUID]
    quantities: Sequence[int]
    goods_minor: Sequence[int]
    shipping_minor: Sequence[int]
    parties: Mapping[str, Any]
    restocked: bool
    reason: str
    requested_by: str
    status: str
    failure: str | None
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
    returns: Sequence[Return] = ()
    chargebacks: Sequence[Chargeback] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """Which relations to load; each costs one statement, whatever the number of orders.

    Of orders and lines only ``order_columns`` and ``line_columns`` are read, where they are given: reading any other
    attribute of them raises AttributeError, but for ``ALWAYS``.
    """

    lines: bool = True
    shipments: bool = True
    events: bool = True
    refunds: bool = True
    returns: bool = True
    chargebacks: bool = True
    order_columns: frozenset[str] | None = None
    line_columns: frozenset[str] | None = None

    @property
    def names(self) -> list[str]:
        """The relations, as they are named in ``RELATIONS``."""
        return [name for name in RELATIONS if getattr(self, name)]

    @property
    def head(self) -> "Head":
        """How the orders themselves are read."""
        return WHOLE if self.order_columns is None else _some(self.order_columns)

    def relation(self, name: str) -> "Relation":
        """How a relation is read."""
        if name == "lines" and self.line_columns is not None:
            return _lines(self.line_columns)
        return RELATIONS[name]


@dataclass(frozen=True)
class Relation:
    """What belongs to orders: the statement that reads it for the parameter ``order_ids``, and what a row becomes.

    Columns stand in the order of the fields, so that a thing is made of a row as it is.
    """

    statement: Select[Any]
    make: Callable[..., Any]
    order_id: int
    """Where in a row the order's id stands."""

    @cached_property
    def across(self) -> Across:
        """The same over several merchants."""
        return Across(self.statement)


def _relation(table: Table, kind: type[Any], *order_by: ColumnElement[Any], names: Names = ()) -> Relation:
    """``names`` are the columns to read; all where there are none."""
    make = _partial(kind, names) if names else kind
    names = names or kind.__slots__
    statement = select(*(table.c[name] for name in names)).where(table.c.order_id == _GIVEN).order_by(*order_by)
    return Relation(statement, make, names.index("order_id"))


def _partial(kind: type[Any], names: Names) -> Callable[..., Any]:
    """Makes a thing that has these attributes of its kind, and the properties that are worked out of them."""
    properties = {name: each for name, each in vars(kind).items() if isinstance(each, property)}
    return type(kind.__name__, (namedtuple(kind.__name__, names),), {"__slots__": (), **properties})


def _named(kind: type[Any], columns: frozenset[str]) -> Names:
    """Columns in the order of the kind's attributes."""
    return tuple(name for name in kind.__slots__ if name in columns)


_GIVEN = func.any(bindparam("order_ids"))
RELATIONS = {
    "lines": _relation(order_line, Line, order_line.c.position),
    "shipments": _relation(shipment, Shipment, shipment.c.shipped_at, shipment.c.id),
    "events": _relation(order_event, OrderEvent, order_event.c.seq),
    "refunds": _relation(refund, Refund, refund.c.occurred_at, refund.c.id),
}


@lru_cache(maxsize=SHAPES)
def _lines(columns: frozenset[str]) -> Relation:
    names = _named(Line, columns | {"order_id"})
    return _relation(order_line, Line, order_line.c.position, names=names)


@dataclass(frozen=True)
class Head:
    """How orders themselves are read: which columns, and what a row becomes when its lines are put behind them."""

    names: Names
    make: Callable[..., Any]

    @cached_property
    def columns(self) -> list[Column[Any]]:
        """What to select."""
        return [orders.c[name] for name in self.names]

    @cached_property
    def newest(self) -> Select[Any]:
        """The newest orders, as many as the parameter ``limit`` says."""
        newest_first = select(*self.columns).order_by(orders.c.placed_at.desc(), orders.c.id.desc())
        return newest_first.limit(bindparam("limit", type_=Integer))

    @cached_property
    def by_id(self) -> Select[Any]:
        """The order of the parameter ``id``."""
        return select(*self.columns).where(orders.c.id == bindparam("id"))

    @cached_property
    def across(self) -> Across:
        """Orders of several merchants, by the parameter ``order_ids``."""
        return Across(select(*self.columns).where(orders.c.id == _GIVEN))

    @cached_property
    def status(self) -> int | None:
        """Where in a row the status stands, if it does."""
        return self.names.index("status") if "status" in self.names else None


WHOLE = Head(_named(Order, frozenset(Order.__slots__) - {"lines"}), Order)


@lru_cache(maxsize=SHAPES)
def _some(columns: frozenset[str]) -> Head:
    names = _named(Order, (columns | ALWAYS) - {"lines"})
    return Head(names, _partial(Order, (*names, "lines")))


async def page(
    session: MerchantSession,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None,
    statuses: Sequence[OrderStatus] | None = None,
    external_ref: str | None = None,
    overdue_at: datetime | None = None,
    parts: Parts,
) -> list[OrderView]:
    """The merchant's orders, newest first; with ``overdue_at`` those that should have been shipped at that moment."""
    statement, given = parts.head.newest, {"limit": limit}
    if after is not None:
        statement = statement.where(tuple_(orders.c.placed_at, orders.c.id) < tuple_(*after))
    if statuses:
        statement = statement.where(orders.c.status.in_(statuses))
    if external_ref is not None:
        statement = statement.where(orders.c.external_ref == external_ref)
    if overdue_at is not None:
        statement = statement.where(is_overdue(overdue_at))
    return await _views(session, statement, parts, given)


async def refunds_page(session: MerchantSession, *, limit: int, after: tuple[datetime, UUID] | None) -> list[Refund]:
    """The merchant's refunds, newest first."""
    table = refund.c
    statement = select(*(table[name] for name in Refund.__slots__)).limit(limit)
    statement = statement.order_by(table.occurred_at.desc(), table.id.desc())
    if after is not None:
        statement = statement.where(tuple_(table.occurred_at, table.id) < tuple_(*after))
    return [Refund(**row._asdict()) for row in await session.execute(statement)]


async def refund_of_id(session: MerchantSession, refund_id: UUID) -> Refund | None:
    """The merchant's refund of this id."""
    table = refund.c
    row = (
        await session.execute(select(*(table[name] for name in Refund.__slots__)).where(table.id == refund_id))
    ).one_or_none()
    return Refund(**row._asdict()) if row else None


async def by_number(session: MerchantSession, number: str, parts: Parts) -> OrderView | None:
    """The merchant's order of this number."""
    found = await _views(session, select(*parts.head.columns).where(orders.c.number == number), parts)
    return found[0] if found else None


async def by_id(session: MerchantSession, order_id: UUID, parts: Parts) -> OrderView | None:
    """The merchant's order of this id."""
    found = await _views(session, parts.head.by_id, parts, {"id": order_id})
    return found[0] if found else None


async def by_ids(session: MerchantSession, order_ids: Collection[UUID], parts: Parts) -> list[OrderView]:
    """Those of the merchant's orders that have one of these ids."""
    if not order_ids:
        return []
    return await _views(session, select(*parts.head.columns).where(orders.c.id == func.any(list(order_ids))), parts)


async def refunds_of_ids(session: MerchantSession, refund_ids: Collection[UUID]) -> list[Refund]:
    """Those of the merchant's refunds that have one of these ids."""
    if not refund_ids:
        return []
    table = refund.c
    statement = select(*(table[name] for name in Refund.__slots__)).where(table.id == func.any(list(refund_ids)))
    return [Refund(**row._asdict()) for row in await session.execute(statement)]


async def _views(
    session: MerchantSession, statement: Select[Any], parts: Parts, parameters: Mapping[str, Any] | None = None
) -> list[OrderView]:
    rows = (await session.execute(statement, parameters)).all()
    related = {}
    if rows:
        at = parts.head.names.index("id")
        given = {"order_ids": [row[at] for row in rows]}
        for name in parts.names:
            relation = parts.relation(name)
            related[name] = _by_order(relation, (await session.execute(relation.statement, given)).all())
        if parts.returns:
            related["returns"] = _grouped(await return_request.of_orders(session, given["order_ids"]))
        if parts.chargebacks:
            related["chargebacks"] = _grouped(await chargeback.of_orders(session, given["order_ids"]))
    return [_view(session.merchant_id, parts.head, row, related) for row in rows]


def as_placed(merchant_id: UUID, order: Order, act: Act) -> OrderView:
    """An order that was placed by this act, as it would be read back: one event has happened to it."""
    placed = OrderEvent(order.id, order.events, "place", act.actor_seen_by_merchant, act.at, {})
    return OrderView(merchant_id, order, events=(placed,))


async def of_buyer(database: Database, index: Sequence["IndexedOrder"], parts: Parts) -> list[OrderView]:
    """Orders of any merchants, by the buyer's own index; one statement for each relation, in one snapshot.

    Chargebacks are between merchant, platform and bank: buyers see none.
    """
    if not index:
        return []
    merchants = sorted({entry.merchant_id for entry in index}, key=lambda merchant: merchant.hex)
    several = [parts.head.across, *(parts.relation(name).across for name in parts.names)]
    given = {"order_ids": [entry.order_id for entry in index]}
    found, *others = await read_few_across(database, several, merchants, parameters=given)
    related = {
        name: _by_order(parts.relation(name), map(_without_merchant, rows))
        for name, rows in zip(parts.names, others, strict=True)
    }
    if parts.returns:
        async with database.read("viewer") as tx, tx.as_platform() as session:
            related["returns"] = _grouped(await return_request.of_orders(session, given["order_ids"]))
    rows = {row["id"]: _without_merchant(row) for row in found}
    head = parts.head
    return [_view(entry.merchant_id, head, rows[entry.order_id], related) for entry in index if entry.order_id in rows]


def _grouped(found: Iterable[B]) -> dict[UUID, list[B]]:
    by_order: dict[UUID, list[B]] = {}
    for each in found:
        by_order.setdefault(each.order_id, []).append(each)
    return by_order


def _without_merchant(row: Mapping[str, Any]) -> list[Any]:
    """The columns of a statement, of a row that was read across merchants."""
    _, *values = row.values()
    return values


def _by_order(relation: Relation, rows: Iterable[Sequence[Any]]) -> dict[UUID, list[Any]]:
    found: dict[UUID, list[Any]] = {}
    for row in rows:
        found.setdefault(row[relation.order_id], []).append(relation.make(*row))
    return found


def _view(
    merchant_id: UUID, head: Head, row: Sequence[Any], related: Mapping[str, Mapping[UUID, list[Any]]]
) -> OrderView:
    values = [*row]
    if head.status is not None:
        values[head.status] = OrderStatus(values[head.status])
    order_id = values[head.names.index("id")]
    lines, *others = (related.get(name, {}).get(order_id, ()) for name in (*RELATIONS, "returns", "chargebacks"))
    return OrderView(merchant_id, head.make(*values, tuple(lines)), *others)


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
