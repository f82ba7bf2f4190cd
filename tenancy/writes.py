"""Several writes in one round trip: one statement, of which each write but the last is a common table expression."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Delete, Insert, Table, Update, and_, bindparam, delete, insert, update

from tenancy.database import Session

Row = Mapping[str, Any]
Dml = Insert | Update | Delete
Shape = tuple[str, Table, tuple[str, ...], tuple[str, ...]]
"""What kind of write, to which table, found by which columns, writing which columns."""

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
class Together:
    """Writes of which none may be without the others."""

    writes: "tuple[Single, ...]"


Single = New | Changed | Gone
Write = Single | Together


async def write(session: Session, *writes: Write) -> None:
    """Do them all at once; they see one snapshot, so none may touch a row that another touches.

    Their order is PostgreSQL's affair: rows that others may be locking must be locked already.
    """
    single = tuple(_single(writes))
    parameters = {
        f"{name}_{position}": value
        for position, each in enumerate(single)
        for part in (_where(each), _row(each))
        for name, value in part.items()
    }
    await session.execute(_statement(tuple(map(_shape, single))), parameters)
    for each in single:
        if name := each.table.info.get("wakes"):
            session.wake(name)


def _single(writes: Iterable[Write]) -> Iterator[Single]:
    for each in writes:
        if isinstance(each, Together):
            yield from each.writes
        else:
            yield each


def _where(each: Single) -> Row:
    return {} if isinstance(each, New) else {f"where_{name}": value for name, value in each.where.items()}


def _row(each: Single) -> Row:
    return {} if isinstance(each, Gone) else each.row


def _shape(each: Single) -> Shape:
    where = () if isinstance(each, New) else tuple(each.where)
    return type(each).__name__, each.table, where, tuple(_row(each))


@lru_cache(maxsize=SHAPES)
def _statement(shapes: tuple[Shape, ...]) -> Dml:
    """Made once for each combination, so that it is compiled once."""
    *others, last = [_one(shape, position) for position, shape in enumerate(shapes)]
    return last.add_cte(*(each.cte(f"write_{position}") for position, each in enumerate(others)))


def _one(shape: Shape, position: int) -> Dml:
    kind, table, where, names = shape
    values = {name: bindparam(f"{name}_{position}", type_=table.c[name].type) for name in names}
    if kind == New.__name__:
        return insert(table).values(values)
    conditions: list[ColumnElement[bool]] = [
        table.c[name] == bindparam(f"where_{name}_{position}", type_=table.c[name].type) for name in where
    ]
    if kind == Gone.__name__:
        return delete(table).where(and_(*conditions))
    return update(table).where(and_(*conditions)).values(values)
