"""How orders themselves are read: which of them, which columns, and what PostgreSQL writes of them."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from merchantry.domain.order import OrderStatus
from merchantry.services import contact
from merchantry.services.order import Order
from merchantry.services.ship_by import is_overdue
from merchantry.services.written import COMMA, Lines, Object, text_of
from merchantry.tables.merchant import orders
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
GIVEN: Final = func.any(bindparam("order_ids", type_=ARRAY(Uuid)))
"""The orders of the parameter ``order_ids``."""
MOST: Final = 101
"""Of how many orders a page may be. PostgreSQL is told, or it would plan for a tenth of all orders, find that dear, and
plan anew each time."""
CONTACTS: Final = ("ids", "in_clear", "sealed", "keys")
"""What a page in one row has of its orders' contacts, a list of each."""
_MOMENT: Final = DateTime(timezone=True)
_LIMIT: Final = bindparam("limit", type_=Integer)
_MERCHANT: Final = bindparam("merchant_key", type_=Uuid)
_ONE: Final = literal_column("1", Integer)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which orders a page is of; each names a parameter of its statement."""

    after: bool = False
    statuses: bool = False
    external_ref: bool = False
    overdue_at: bool = False

    @property
    def is_narrow(self) -> bool:
        """Whether few orders may be left of many."""
        return self.statuses or self.external_ref or self.overdue_at


@dataclass(frozen=True, slots=True)
class Wanted:
    """The newest orders, as many as ``limit`` says: of some statuses, or the one that the merchant's own system calls
    so; with ``overdue_at`` those that should have been shipped at that moment; ``after`` the one with this moment and
    id. Raises ValueError for a limit above ``MOST``.
    """

    limit: int
    after: tuple[datetime, UUID] | None = None
    statuses: Sequence[OrderStatus] | None = None
    external_ref: str | None = None
    overdue_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.limit > MOST:
            raise ValueError(f"a page is of at most {MOST} orders")

    @property
    def filter(self) -> Filter:
        """What makes a statement of its own."""
        return Filter(
            self.after is not None, bool(self.statuses), self.external_ref is not None, self.overdue_at is not None
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """What the statement is given."""
        given: dict[str, Any] = {"limit": self.limit}
        if self.after is not None:
            given["after_at"], given["after_id"] = self.after
        if self.statuses:
            given["statuses"] = [each.value for each in self.statuses]
        if self.external_ref is not None:
            given["external_ref"] = self.external_ref
        if self.overdue_at is not None:
            given["overdue_at"] = self.overdue_at
        return given


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
        return self._columns(_MERCHANT)

    def _columns(self, merchant_id: ColumnElement[UUID]) -> list[ColumnElement[Any]]:
        columns: list[ColumnElement[Any]] = [orders.c[name] for name in self.names]
        return columns if self.written is None else [*columns, text_of(self.written, merchant_id).label("written")]

    def page(self, filter_: Filter) -> Select[Any]:
        """The newest of these orders, as many as the parameter ``limit`` says."""
        found = self._pages.get(filter_)
        if found is None:
            found = self._pages[filter_] = _first(self._newest(filter_), filter_)
        return found

    def page_in_one(self, filter_: Filter, *, with_contacts: bool) -> Select[Any]:
        """The same in one row: the texts of all but the order one too many, and how many orders there are; moment and
        id of the first, moment and id of the last of those that are written; what is stored of their contacts.
        """
        found = self._pages_in_one.get((filter_, with_contacts))
        if found is None:
            found = _in_one(self._newest(filter_), filter_, with_contacts=with_contacts)
            self._pages_in_one[filter_, with_contacts] = found
        return found

    @cached_property
    def _pages(self) -> dict[Filter, Select[Any]]:
        return {}

    @cached_property
    def _pages_in_one(self) -> dict[tuple[Filter, bool], Select[Any]]:
        return {}

    def _newest(self, filter_: Filter) -> Select[Any]:
        statement = select(*self.columns).order_by(*_newest_first(orders))
        if filter_.after:
            after = bindparam("after_at", type_=_MOMENT), bindparam("after_id", type_=Uuid)
            statement = statement.where(tuple_(orders.c.placed_at, orders.c.id) < tuple_(*after))
        if filter_.statuses:
            statement = statement.where(orders.c.status == func.any(bindparam("statuses", type_=ARRAY(Text))))
        if filter_.external_ref:
            statement = statement.where(orders.c.external_ref == bindparam("external_ref"))
        if filter_.overdue_at:
            statement = statement.where(is_overdue(bindparam("overdue_at", type_=_MOMENT)))
        return statement

    @cached_property
    def by_id(self) -> Select[Any]:
        """The order of the parameter ``id``."""
        return select(*self.columns).where(orders.c.id == bindparam("id"))

    @cached_property
    def by_ids(self) -> Select[Any]:
        """The orders of the parameter ``order_ids``."""
        return select(*self.columns).where(orders.c.id == GIVEN)

    @cached_property
    def by_number(self) -> Select[Any]:
        """The order of the parameter ``number``."""
        return select(*self.columns).where(orders.c.number == bindparam("number"))

    @cached_property
    def across(self) -> Across:
        """Orders of several merchants, by the parameter ``order_ids``."""
        return Across(select(*self._columns(OWN)).where(orders.c.id == GIVEN))

    @cached_property
    def status(self) -> int | None:
        """Where in a row the status stands, if it does."""
        return self.names.index("status") if "status" in self.names else None


def _newest_first(of: FromClause) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return of.c.placed_at.desc(), of.c.id.desc()


def _first(statement: Select[Any], filter_: Filter) -> Select[Any]:
    if filter_.is_narrow:
        return statement.limit(_LIMIT)
    few = statement.limit(literal_column(str(MOST), Integer)).subquery("few")
    return select(*few.c).order_by(*_newest_first(few)).limit(_LIMIT)


def _in_one(statement: Select[Any], filter_: Filter, *, with_contacts: bool) -> Select[Any]:
    if with_contacts:
        statement = contact.beside(statement, _MERCHANT)
    place = func.row_number().over(order_by=_newest_first(orders)).label("place")
    rows = _first(statement.add_columns(place), filter_).subquery("found")
    order = _newest_first(rows)
    is_shown = rows.c.place < _LIMIT
    text = func.string_agg(rows.c.written, aggregate_order_by(COMMA, *order)).filter(is_shown)
    found = func.count()
    moments = func.array_agg(aggregate_order_by(rows.c.placed_at, *order), type_=ARRAY(_MOMENT))
    ids = func.array_agg(aggregate_order_by(rows.c.id, *order), type_=ARRAY(Uuid))
    last = func.least(found, _LIMIT - _ONE)
    one = select(
        text.label("text"),
        found.label("found"),
        moments[_ONE].label("first_at"),
        ids[_ONE].label("first_id"),
        moments[last].label("last_at"),
        ids[last].label("last_id"),
    )
    if not with_contacts:
        return one
    stored = (rows.c.id, cast(rows.c.ship_to, Text), rows.c.contact, rows.c.sealed)
    several = [func.array_agg(aggregate_order_by(each, *order), type_=ARRAY(each.type)) for each in stored]
    return one.add_columns(*(each.filter(is_shown).label(name) for name, each in zip(CONTACTS, several, strict=True)))


def partial(kind: type[Any], names: Names) -> Callable[..., Any]:
    """Makes a thing that has these attributes of its kind, and the properties that are worked out of them."""
    properties = {name: each for name, each in vars(kind).items() if isinstance(each, property)}
    return type(kind.__name__, (namedtuple(kind.__name__, names),), {"__slots__": (), **properties})


def named(kind: type[Any], columns: frozenset[str]) -> Names:
    """Columns in the order of the kind's attributes."""
    return tuple(name for name in kind.__slots__ if name in columns)


WHOLE: Final = Head(named(Order, frozenset(Order.__slots__) - {"lines"}), Order)
"""Orders with all their columns."""


@lru_cache(maxsize=SHAPES)
def some(columns: frozenset[str]) -> Head:
    """Orders with these columns."""
    return _head(columns, None)


@lru_cache(maxsize=WRITTEN)
def written(columns: frozenset[str], value: Object | Lines) -> Head:
    """Orders with these columns, and what is to be written of them."""
    return _head(columns, value)


def _head(columns: frozenset[str], value: Object | Lines | None) -> Head:
    always = BESIDE_WRITTEN if isinstance(value, Object) else ALWAYS
    names = named(Order, (columns | always) - {"lines"})
    return Head(names, partial(Order, (*names, "lines")), value)
