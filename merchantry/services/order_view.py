"""What can be shown of an order, and how as much of it is read as is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, select

from merchantry.services import contact, order_head
from merchantry.services.chargeback_entries import Chargeback
from merchantry.services.order import Line, Order
from merchantry.services.order_head import GIVEN, SHAPES, WHOLE, Head, Names, named, partial
from merchantry.services.return_request import Return
from merchantry.services.written import Lines, Object
from merchantry.tables.merchant import order_event, order_line, refund, shipment
from tenancy.across import Across


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


class WrittenPage(NamedTuple):
    """A page of orders that PostgreSQL wrote: their JSON texts with commas between them."""

    text: str
    found: int
    """How many orders there are of one more than the page holds."""
    ends: tuple[tuple[datetime, UUID], tuple[datetime, UUID]] | None
    """Moment, in UTC, and id of the first and of the last; None where there is no order."""
    contacts: Sequence[contact.Stored] = ()


@dataclass(frozen=True)
class Parts:
    """Which relations to load; each costs one statement, whatever the number of orders.

    Of orders and lines only ``order_columns`` and ``line_columns`` are read, where they are given: reading any other
    attribute of them raises AttributeError, but for ``order_head.ALWAYS``. What is to be ``written`` comes as JSON
    text: a whole order, of which nothing else is loaded then, or the lines.
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
    def head(self) -> Head:
        """How the orders themselves are read. It is large, and looked up: whoever remembers parts doesn't hold it."""
        if self.order_columns is None:
            return WHOLE
        if self.written is None:
            return order_head.some(self.order_columns)
        return order_head.written(self.order_columns, self.written)

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
    make = partial(kind, names) if names else kind
    names = names or kind.__slots__
    statement = select(*(table.c[name] for name in names)).where(table.c.order_id == GIVEN).order_by(*order_by)
    return Relation(statement, make, names.index("order_id"))


RELATIONS = {
    "lines": _relation(order_line, Line, order_line.c.position),
    "shipments": _relation(shipment, Shipment, shipment.c.shipped_at, shipment.c.id),
    "events": _relation(order_event, OrderEvent, order_event.c.seq),
    "refunds": _relation(refund, Refund, refund.c.occurred_at, refund.c.id),
}


@lru_cache(maxsize=SHAPES)
def _lines(columns: frozenset[str]) -> Relation:
    names = named(Line, columns | {"order_id"})
    return _relation(order_line, Line, order_line.c.position, names=names)
