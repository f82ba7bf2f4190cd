"""Several writes in one round trip: one statement, of which each write but the last is a common table expression."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Delete,
    Insert,
    Table,
    Update,
    bindparam,
    column,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from tenancy.database import Session
from tenancy.dumping import Records

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
    """What kind of write, to which table, found by which columns, writing which columns.

    There is one of each: they are compared by identity, and a checkout compares hundreds.
    """

    kind: type[Single]
    table: Table
    where: tuple[str, ...]
    names: tuple[str, ...]


async def write(session: Session, *writes: Write) -> None:
    """Do them all at once; they see one snapshot, so none may touch a row that another touches.

    Their order is PostgreSQL's affair: rows that others may be locking must be locked already. New rows of one kind are
    one write each table, in the order in which they are given; sums are added in the order of their keys.
    """
    await session.execute(*_asked(session, writes))


def later(session: Session, *writes: Write, refused: Mapping[str, Exception] | None = None) -> None:
    """:func:`write` with whatever is sent next, as `Session.later` does: its errors are raised there."""
    session.later(*_asked(session, writes), refused=refused)


def _asked(session: Session, writes: Iterable[Write]) -> tuple[Dml, dict[str, Any]]:
    gathered = _gathered(writes)
    parameters: dict[str, Any] = {}
    for position, (shape, each) in enumerate(gathered):
        parameters |= _parameters(shape, position, each)
        if name := shape.table.info.get("wakes"):
            session.wake(name)
    return _statement(tuple([shape for shape, _ in gathered])), parameters


def _gathered(writes: Iterable[Write]) -> list[tuple[Shape, list[Any]]]:
    """Writes of one shape together, but those that change or remove a row one by one."""
    gathered: list[tuple[Shape, list[Any]]] = []
    lists: dict[Shape, list[Any]] = {}
    for each in _single(writes):
        where = () if isinstance(each, New) else tuple(each.where)
        names = () if isinstance(each, Gone) else tuple(each.row)
        shape = _shape(type(each), each.table, where, names)  # type: ignore[arg-type]
        if shape in lists:
            lists[shape].append(each)
            continue
        gathered.append((shape, [each]))
        if shape.kind not in (Changed, Gone):
            lists[shape] = gathered[-1][1]
    return gathered


def _single(writes: Iterable[Write]) -> Iterator[Single]:
    for each in writes:
        if isinstance(each, Together):
            yield from each.writes
        else:
            yield each


@lru_cache(maxsize=SHAPES)
def _shape(kind: type[Single], table: Table, where: tuple[str, ...], names: tuple[str, ...]) -> Shape:
    """The one shape that is so."""
    return Shape(kind, table, where, names)


def _summed(writes: Sequence[Added | Raised]) -> list[tuple[Row, Row]]:
    """One row for each key, in the order of the keys."""
    if len(writes) == 1:
        return [(writes[0].where, writes[0].row)]
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for each in writes:
        held = sums.setdefault(tuple(each.where.values()), dict.fromkeys(each.row, 0))
        for name, more in each.row.items():
            held[name] += more
    names = tuple(writes[0].where)
    return [(dict(zip(names, key, strict=True)), sums[key]) for key in sorted(sums)]


def _parameters(shape: Shape, position: int, writes: Sequence[Any]) -> dict[str, Any]:
    if shape.kind is New:
        return {f"given_{position}": [each.row for each in writes]}
    if shape.kind is Added:
        return {f"given_{position}": [{**where, **row} for where, row in _summed(writes)]}
    if shape.kind is Raised:
        summed = _summed(writes)
        return {
            **{f"where_{name}_{position}": [where[name] for where, _ in summed] for name in shape.where},
            **{f"{name}_{position}": [row[name] for _, row in summed] for name in shape.names},
        }
    (each,) = writes
    found = {f"where_{name}_{position}": each.where[name] for name in shape.where}
    return {**found, **{f"{name}_{position}": each.row[name] for name in shape.names}}


@lru_cache(maxsize=SHAPES)
def _statement(shapes: tuple[Shape, ...]) -> Dml:
    """Made once for each combination, so that it is compiled once."""
    *others, last = [_MADE_BY[shape.kind](shape, at) for at, shape in enumerate(shapes)]
    return last.add_cte(*(each.cte(f"write_{position}") for position, each in enumerate(others)))


def _inserted(shape: Shape, position: int) -> postgresql.Insert:
    """The rows are one document, read as a table: so nothing looks at each value here, and PostgreSQL at no array for
    each column."""
    names = (*shape.where, *shape.names)
    columns = [column(name, shape.table.c[name].type) for name in names]
    document = bindparam(f"given_{position}", type_=Records())
    given = func.json_to_recordset(document).table_valued(*columns).render_derived(f"rows_{position}", with_types=True)
    return postgresql.insert(shape.table).from_select(names, select(*given.c))


def _added(shape: Shape, position: int) -> postgresql.Insert:
    made = _inserted(shape, position)
    sums = {name: shape.table.c[name] + made.excluded[name] for name in shape.names}
    return made.on_conflict_do_update(index_elements=shape.where, set_=sums)


def _raised(shape: Shape, position: int) -> Update:
    """The rows come from arrays, of which PostgreSQL expects few rows, as there are: so it looks each up by its key."""
    table = shape.table
    parameters = {**{n: f"where_{n}_{position}" for n in shape.where}, **{n: f"{n}_{position}" for n in shape.names}}
    types = {name: table.c[name].type for name in parameters}
    arrays = (bindparam(parameter, type_=ARRAY(types[name], dimensions=1)) for name, parameter in parameters.items())
    columns = (column(name, types[name]) for name in parameters)
    given = func.unnest(*arrays).table_valued(*columns).render_derived(f"rows_{position}")
    found = (table.c[name] == given.c[name] for name in shape.where)
    return update(table).where(*found).values({name: table.c[name] + given.c[name] for name in shape.names})


def _changed(shape: Shape, position: int) -> Update:
    values = {name: bindparam(f"{name}_{position}", type_=shape.table.c[name].type) for name in shape.names}
    return update(shape.table).where(*_found(shape, position)).values(values)


def _gone(shape: Shape, position: int) -> Delete:
    return delete(shape.table).where(*_found(shape, position))


def _found(shape: Shape, position: int) -> Iterator[ColumnElement[bool]]:
    for name in shape.where:
        value = shape.table.c[name]
        yield value == bindparam(f"where_{name}_{position}", type_=value.type)


_MADE_BY: Final[Mapping[type[Single], Callable[[Shape, int], Dml]]] = {
    New: _inserted,
    Added: _added,
    Raised: _raised,
    Changed: _changed,
    Gone: _gone,
}
