"""What can be shown of an order, and how as much of it is read as is asked for."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    select,
    tuple_,
)

from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.order import Line, Order
from merchantry.services.return_request import Return
from merchantry.services.ship_by import is_overdue
from merchantry.services.written import Lines, Object, text_of
from merchantry.tables.merchant import order_event, order_line, orders, refund, shipment
from tenancy.across import OWN, Across

Names: TypeAlias = tuple[str, ...]

SHAPES: Final = 1_000
"""Selections of columns that are remembered, the latest used the longest."""
WRITTEN: Final = 32
"""Selections of what is written that are remembered: of the greatest, each takes more than half a megabyte."""
ALWAYS: Final = frozenset({"id", "checkout_id", "currency", "placed_at", "captured_at"})
"""What is read of every order, whatever is asked for: cursors, amounts and rights need it."""
BESIDE_WRITTEN: Final = frozenset({"id", "checkout_id", "placed_at"})
"""The same of orders that are written."""


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


class OrderView(NamedTuple):
    """An order with everything that was asked for of it.

    ``written`` is its JSON text, or ``written_lines`` that of its lines, where ``Parts`` wanted that.
    """

    merchant_id: UUID
    order: Order
    shipments: Sequence[Shipment] = ()
    events: Sequence[OrderEvent] = ()
    refunds: Sequence[Refund] = ()
    returns: Sequence[Return] = ()
    chargebacks: Sequence[Chargeback] = ()
    written: str | None = None
    written_lines: str | None = None


@dataclass(frozen=True)
class Parts:
    """Which relations to load; each costs one statement, whatever the number of orders.

    Of orders and lines only ``order_columns`` and ``line_columns`` are read, where they are given: reading any other
    attribute of them raises AttributeError, but for ``ALWAYS``. What is to be ``written`` comes as JSON text: a whole
    order, of which nothing else is loaded then, or the lines.
    """

    lines: bool = True
    shipments: bool = True
    events: bool = True
    refunds: bool = True
    returns: bool = True
    chargebacks: bool = True
    order_columns: frozenset[str] | None = None
    line_columns: frozenset[str] | None = None
    written: Object | Lines | None = None
    is_all: bool = False
    """Whether the transaction reads nothing else, so that it ends with the orders."""

    @cached_property
    def names(self) -> list[str]:
        """The relations, as they are named in ``RELATIONS``."""
        return [name for name in RELATIONS if getattr(self, name)]

    @property
    def head(self) -> "Head":
        """How the orders themselves are read. It is large, and looked up: whoever remembers parts doesn't hold it."""
        if self.order_columns is None:
            return WHOLE
        return _some(self.order_columns) if self.written is None else _written(self.order_columns, self.written)

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


_GIVEN = func.any(bindparam("order_ids", type_=ARRAY(Uuid)))
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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders a page is of; each names a parameter of its statement."""

    after: bool = False
    statuses: bool = False
    external_ref: bool = False
    overdue_at: bool = False


@dataclass(frozen=True)
class Head:
    """How orders themselves are read: which columns, and what a row becomes when its lines are put behind them.

    What is ``written`` stands behind the columns, and needs the parameter ``merchant_key``.
    """

    names: Names
    make: Callable[..., Any]
    written: Object | Lines | None = None

    @cached_property
    def columns(self) -> list[ColumnElement[Any]]:
        """What to select."""
        return self._columns(bindparam("merchant_key", type_=Uuid))

    def _columns(self, merchant_id: ColumnElement[UUID]) -> list[ColumnElement[Any]]:
        columns: list[ColumnElement[Any]] = [orders.c[name] for name in self.names]
        return columns if self.written is None else [*columns, text_of(self.written, merchant_id).label("written")]

    def page(self, filter_: Filter) -> Select[Any]:
        """The newest of these orders, as many as the parameter ``limit`` says."""
        found = self._pages.get(filter_)
        if found is None:
            found = self._pages[filter_] = self._page(filter_)
        return found

    @cached_property
    def _pages(self) -> dict[Filter, Select[Any]]:
        return {}

    def _page(self, filter_: Filter) -> Select[Any]:
        statement = select(*self.columns).order_by(orders.c.placed_at.desc(), orders.c.id.desc())
        if filter_.after:
            after = bindparam("after_at", type_=DateTime(timezone=True)), bindparam("after_id", type_=Uuid)
            statement = statement.where(tuple_(orders.c.placed_at, orders.c.id) < tuple_(*after))
        if filter_.statuses:
            statement = statement.where(orders.c.status == func.any(bindparam("statuses", type_=ARRAY(Text))))
        if filter_.external_ref:
            statement = statement.where(orders.c.external_ref == bindparam("external_ref"))
        if filter_.overdue_at:
            statement = statement.where(is_overdue(bindparam("overdue_at", type_=DateTime(timezone=True))))
        return statement.limit(bindparam("limit", type_=Integer))

    @cached_property
    def by_id(self) -> Select[Any]:
        """The order of the parameter ``id``."""
        return select(*self.columns).where(orders.c.id == bindparam("id"))

    @cached_property
    def by_ids(self) -> Select[Any]:
        """The orders of the parameter ``order_ids``."""
        return select(*self.columns).where(orders.c.id == _GIVEN)

    @cached_property
    def by_number(self) -> Select[Any]:
        """The order of the parameter ``number``."""
        return select(*self.columns).where(orders.c.number == bindparam("number"))

    @cached_property
    def across(self) -> Across:
        """Orders of several merchants, by the parameter ``order_ids``."""
        return Across(select(*self._columns(OWN)).where(orders.c.id == _GIVEN))

    @cached_property
    def status(self) -> int | None:
        """Where in a row the status stands, if it does."""
        return self.names.index("status") if "status" in self.names else None


WHOLE = Head(_named(Order, frozenset(Order.__slots__) - {"lines"}), Order)


@lru_cache(maxsize=SHAPES)
def _some(columns: frozenset[str]) -> Head:
    return _head(columns, None)


@lru_cache(maxsize=WRITTEN)
def _written(columns: frozenset[str], written: Object | Lines) -> Head:
    return _head(columns, written)


def _head(columns: frozenset[str], written: Object | Lines | None) -> Head:
    always = BESIDE_WRITTEN if isinstance(written, Object) else ALWAYS
    names = _named(Order, (columns | always) - {"lines"})
    return Head(names, _partial(Order, (*names, "lines")), written)
