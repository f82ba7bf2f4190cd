"""Several writes in one round trip: one statement, of which each write but the last is a common table expression."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BindParameter,
    ColumnElement,
    Delete,
    Insert,
    Table,
    TableValuedAlias,
    Update,
    and_,
    bindparam,
    column,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from tenancy.database import Session

Row = Mapping[str, Any]
Dml = Insert | Update | Delete

SHAPES = 512


@dataclass(frozen=True, slots=True)
class New:
    """A row to insert."""

    table: Table
    row: Row


@dataclass(frozen=True, slots=True)
class Changed:
    """New values for the row that has these values."""

    table: Table
    where: Row
    row: Row


@dataclass(frozen=True, slots=True)
class Gone:
    """The row that has these values is deleted."""

    table: Table
    where: Row


@dataclass(frozen=True, slots=True)
class Added:
    """Sums for the row of this key, which is made where it is missing. Several for one row are summed first."""

    table: Table
    where: Row
    row: Row


@dataclass(frozen=True, slots=True)
class Raised:
    """So much more for the row that has these values, if there is one. Several for one row are summed first."""

    table: Table
    where: Row
    row: Row


@dataclass(frozen=True, slots=True)
class Together:
    """Writes of which none may be without the others."""

    writes: "tuple[Single, ...]"


Single = New | Changed | Gone | Added | Raised
Write = Single | Together


@dataclass(frozen=True, eq=False)
class Shape:
    """What kind of write, to which table, found by which columns, writing which columns; of one row, or of a list.

    There is one of each: they are compared by identity, and a checkout compares hundreds.
    """

    kind: type[Single]
    table: Table
    where: tuple[str, ...]
    names: tuple[str, ...]
    is_list: bool

    @cached_property
    def can_be_list(self) -> bool:
        """Lists are read by ``unnest``, which would take arrays in arrays apart."""
        if self.kind not in (New, Added, Raised):
            return False
        return not any(isinstance(self.table.c[name].type, ARRAY) for name in self.names)


Found = tuple[Row, Row]
"""By which values a row is found, and what is written."""


async def write(session: Session, *writes: Write) -> None:
    """Do them all at once; they see one snapshot, so none may touch a row that another touches.

    Their order is PostgreSQL's affair: rows that others may be locking must be locked already. Rows of one kind are one
    write each table, in the order in which they are given; sums are added in the order of their keys.
    """
    await session.execute(*_asked(session, writes))


def later(session: Session, *writes: Write, refused: Mapping[str, Exception] | None = None) -> None:
    """:func:`write` with whatever is sent next, as `Session.later` does: its errors are raised there."""
    session.later(*_asked(session, writes), refused=refused)


def _asked(session: Session, writes: Iterable[Write]) -> tuple[Dml, dict[str, Any]]:
    gathered = _gathered(writes)
    parameters: dict[str, Any] = {}
    for position, (shape, rows) in enumerate(gathered):
        parameters |= _parameters(shape, position, rows)
    for shape, _ in gathered:
        if name := shape.table.info.get("wakes"):
            session.wake(name)
    return _statement(tuple(shape for shape, _ in gathered)), parameters


def _gathered(writes: Iterable[Write]) -> list[tuple[Shape, Sequence[Found]]]:
    """Rows of one shape together where they can be one list, else one by one."""
    kept: list[tuple[Shape, list[Found]]] = []
    lists: dict[Shape, list[Found]] = {}
    for each in _single(writes):
        where, row = _where(each), _row(each)
        shape = _shape(type(each), each.table, tuple(where), tuple(row))  # type: ignore[arg-type]
        if shape in lists:
            lists[shape].append((where, row))
            continue
        rows = [(where, row)]
        kept.append((shape, rows))
        if shape.can_be_list:
            lists[shape] = rows
    return [_as_list(shape, rows) for shape, rows in kept]


def _single(writes: Iterable[Write]) -> Iterator[Single]:
    for each in writes:
        if isinstance(each, Together):
            yield from each.writes
        else:
            yield each


def _where(each: Single) -> Row:
    return {} if isinstance(each, New) else each.where


def _row(each: Single) -> Row:
    return {} if isinstance(each, Gone) else each.row


@lru_cache(maxsize=SHAPES)
def _shape(
    kind: type[Single], table: Table, where: tuple[str, ...], names: tuple[str, ...], *, is_list: bool = False
) -> Shape:
    """The one shape that is so."""
    return Shape(kind, table, where, names, is_list)


def _as_list(shape: Shape, rows: Sequence[Found]) -> tuple[Shape, Sequence[Found]]:
    if shape.kind in (Added, Raised):
        rows = _summed(rows)
    elif len(rows) == 1:
        return shape, rows
    is_list = _shape(shape.kind, shape.table, shape.where, shape.names, is_list=True)  # type: ignore[arg-type]
    return is_list, rows


def _summed(rows: Sequence[Found]) -> list[Found]:
    """One row for each key, in the order of the keys."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for where, row in rows:
        held = sums.setdefault(tuple(where.values()), dict.fromkeys(row, 0))
        for name, more in row.items():
            held[name] += more
    names = tuple(rows[0][0])
    return [(dict(zip(names, key, strict=True)), sums[key]) for key in sorted(sums)]


def _parameters(shape: Shape, position: int, rows: Sequence[Found]) -> dict[str, Any]:
    if not shape.is_list:
        ((where, row),) = rows
        return {
            **{f"where_{name}_{position}": value for name, value in where.items()},
            **{f"{name}_{position}": value for name, value in row.items()},
        }
    return {
        **{f"where_{name}_{position}": [where[name] for where, _ in rows] for name in shape.where},
        **{f"{name}_{position}": [row[name] for _, row in rows] for name in shape.names},
    }


@lru_cache(maxsize=SHAPES)
def _statement(shapes: tuple[Shape, ...]) -> Dml:
    """Made once for each combination, so that it is compiled once."""
    *others, last = [_many(shape, at) if shape.is_list else _one(shape, at) for at, shape in enumerate(shapes)]
    return last.add_cte(*(each.cte(f"write_{position}") for position, each in enumerate(others)))


def _one(shape: Shape, position: int) -> Dml:
    table = shape.table
    values: dict[str, BindParameter[Any]] = {
        name: bindparam(f"{name}_{position}", type_=table.c[name].type) for name in shape.names
    }
    if shape.kind is New:
        return insert(table).values(values)
    conditions: list[ColumnElement[bool]] = [
        table.c[name] == bindparam(f"where_{name}_{position}", type_=table.c[name].type) for name in shape.where
    ]
    if shape.kind is Gone:
        return delete(table).where(and_(*conditions))
    return update(table).where(and_(*conditions)).values(values)


def _many(shape: Shape, position: int) -> Dml:
    table, names, given = shape.table, (*shape.where, *shape.names), _given(shape, position)
    if shape.kind is Raised:
        conditions: list[ColumnElement[bool]] = [table.c[name] == given.c[name] for name in shape.where]
        return update(table).where(and_(*conditions)).values({n: table.c[n] + given.c[n] for n in shape.names})
    made = postgresql.insert(table).from_select(names, select(*given.c))
    if shape.kind is New:
        return made
    sums = {name: table.c[name] + made.excluded[name] for name in shape.names}
    return made.on_conflict_do_update(index_elements=shape.where, set_=sums)


def _given(shape: Shape, position: int) -> TableValuedAlias:
    """The rows of a list, from one array for each column."""
    parameters = {**{n: f"where_{n}_{position}" for n in shape.where}, **{n: f"{n}_{position}" for n in shape.names}}
    types = {name: shape.table.c[name].type for name in parameters}
    arrays = (bindparam(parameter, type_=ARRAY(types[name], dimensions=1)) for name, parameter in parameters.items())
    columns = (column(name, types[name]) for name in parameters)
    return func.unnest(*arrays).table_valued(*columns, name=f"given_{position}").render_derived()
