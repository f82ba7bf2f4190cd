"""Answers that PostgreSQL writes: of each row the JSON text that a client asked for, with its own names for the keys.

What is written is declared in the terms below and holds columns by their names. Keys and constants are bound like any
other value: no statement's text is made of what a client sent. The text is never null.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.sql.visitors import ExternallyTraversible, replacement_traverse

from merchantry.domain.money import CURRENCY_DIGITS
from merchantry.tables.merchant import order_line, orders

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text in every row; None is null."""

    text: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A column as it is: text, a number, a flag, a moment or a day."""

    column: str


@dataclass(frozen=True, slots=True)
class Member:
    """A column with the value of an enum's member, shown by the member's name, which is the value in capitals."""

    column: str


@dataclass(frozen=True, slots=True)
class Identifier:
    """The opaque id of a thing: ``prefix``, the merchant's key if it is ``of_merchant``, and keys in columns."""

    prefix: bytes
    of_merchant: bool
    columns: Names


@dataclass(frozen=True, slots=True)
class Cursor:
    """The opaque cursor of a row: its list's name and, in their order, the columns that order it."""

    list_name: str
    columns: Names


@dataclass(frozen=True, slots=True)
class Decimal:
    """An amount as decimal text: some columns' minor units without those of others, with the order's currency."""

    plus: Names
    minus: Names = ()


@dataclass(frozen=True, slots=True)
class Currency:
    """The currency of the order."""


@dataclass(frozen=True)
class Object:
    """An object: keys with what stands under them."""

    members: tuple[tuple[str, "Value"], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(self.members)

    @cached_property
    def size(self) -> int:
        """Of how many values it is made, those of objects in it among them."""
        return len(self.members) + sum(_inner_size(value) for _, value in self.members)


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of the order, each of which is such an object."""

    line: Object


@dataclass(frozen=True, slots=True)
class Hole:
    """What isn't for PostgreSQL to write: the text has ``HOLE`` in its place, for whoever answers to fill in."""


HOLE: Final = "\x01"
"""No JSON text holds this character, which texts in it spell otherwise."""

Value: TypeAlias = Constant | Stored | Member | Identifier | Cursor | Decimal | Currency | Object | Lines | Hole
Piece: TypeAlias = str | ColumnElement[str]
"""Of a text: what is the same in every row, or what is worked out."""


def _inner_size(value: Value) -> int:
    inner = value.line if isinstance(value, Lines) else value
    return inner.size if isinstance(inner, Object) else 0


_MERCHANT_ID: Final = column("merchant_id", Uuid)
"""In the place of the id that :func:`text_of` is given."""
_SECONDS: Final = 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'
_MICROSECONDS: Final = 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'


def text_of(value: Value, merchant_id: ColumnElement[UUID]) -> ColumnElement[str]:
    """The JSON text of a value, for each order that a statement reads; ``merchant_id`` is whose they are."""

    def put(element: ExternallyTraversible, **_: Any) -> ExternallyTraversible | None:
        return merchant_id if element is _MERCHANT_ID else None

    return replacement_traverse(_joined(_pieces(value, orders)), {}, put)


def _pieces(value: Value, table: Table) -> Iterator[Piece]:
    if isinstance(value, Constant):
        yield orjson.dumps(value.text).decode()
    elif isinstance(value, Stored):
        yield from _or_null(table.c[value.column], _column(table.c[value.column]))
    elif isinstance(value, Member):
        yield from _or_null(table.c[value.column], ['"', func.upper(table.c[value.column]), '"'])
    elif isinstance(value, Identifier):
        yield from ('"', _identifier(value, table), '"')
    elif isinstance(value, Cursor):
        yield from ('"', _cursor(value, table), '"')
    elif isinstance(value, Decimal):
        yield from ('"', _decimal(value, table), '"')
    elif isinstance(value, Currency):
        yield from ('"', orders.c.currency, '"')
    elif isinstance(value, Object):
        yield from _object(value, table)
    elif isinstance(value, Hole):
        yield HOLE
    else:
        yield from ("[", func.coalesce(_lines(value.line), _fixed("")), "]")


def _object(value: Object, table: Table) -> Iterator[Piece]:
    before = "{"
    for key, member in value.members:
        yield f'{before}"{key}":'
        yield from _pieces(member, table)
        before = ","
    yield "}" if value.members else "{}"


def _lines(line: Object) -> Any:
    each = _joined(_pieces(line, order_line))
    together = func.string_agg(each, aggregate_order_by(COMMA, order_line.c.position))
    return select(together).where(order_line.c.order_id == orders.c.id).correlate(orders).scalar_subquery()


def _joined(pieces: Iterable[Piece]) -> ColumnElement[str]:
    """One text of all pieces, of which those that are known are put together first."""
    found: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, str) and found and isinstance(found[-1], str):
            found[-1] += piece
        else:
            found.append(piece)
    first, *others = [literal(piece, Text) if isinstance(piece, str) else piece for piece in found]
    for other in others:
        first = first.concat(other)
    return first


def _fixed(text: str) -> ColumnElement[str]:
    """A text of our own, as SQL writes it: it is the same in all statements, and need not be bound."""
    return literal_column(f"'{text}'", Text)


COMMA: Final = _fixed(",")
"""Between texts that are put together."""


def _column(column: Column[Any]) -> list[Piece]:
    type_ = column.type
    if isinstance(type_, String):
        return [cast(func.to_json(column), Text)]
    if isinstance(type_, Uuid):
        return ['"', cast(column, Text), '"']
    if isinstance(type_, DateTime):
        return ['"', _instant(column), '"']
    if isinstance(type_, Integer | Boolean) and not isinstance(type_, BigInteger):
        return [cast(column, Text)]
    raise ValueError(f"nothing says how a column of {type_!r} is written")


def _or_null(column: Column[Any], pieces: list[Piece]) -> list[Piece]:
    return [func.coalesce(_joined(pieces), _fixed("null"))] if column.nullable else pieces


def _instant(column: Column[Any]) -> ColumnElement[str]:
    """As ISO 8601 in UTC; parts of a second only where there are any."""
    is_whole = func.date_trunc(_fixed("second"), column) == column
    form = case((is_whole, _fixed(_SECONDS)), else_=_fixed(_MICROSECONDS))
    return func.to_char(func.timezone(_fixed("UTC"), column), form)


def _identifier(value: Identifier, table: Table) -> ColumnElement[str]:
    key: ColumnElement[Any] = literal_column(rf"'\x{value.prefix.hex()}'::bytea", LargeBinary)
    if value.of_merchant:
        key = key.concat(func.uuid_send(_MERCHANT_ID))
    for name in value.columns:
        key = key.concat(func.uuid_send(table.c[name]))
    return _opaque(key)


def _cursor(value: Cursor, table: Table) -> ColumnElement[str]:
    pieces: list[Piece] = [f'["{value.list_name}"']
    for name in value.columns:
        pieces += [",", *_column(table.c[name])]
    return _opaque(func.convert_to(_joined([*pieces, "]"]), _fixed("UTF8")))


def _opaque(key: ColumnElement[Any]) -> ColumnElement[str]:
    """Base64 for addresses, without what fills it up."""
    written = func.translate(func.encode(key, _fixed("base64")), literal_column(r"E'+/\n'"), _fixed("-_"))
    return func.rtrim(written, _fixed("="))


def _decimal(value: Decimal, table: Table) -> ColumnElement[str]:
    first, *others = (table.c[name] for name in value.plus)
    total: ColumnElement[Any] = first
    for each in others:
        total = total + each
    for name in value.minus:
        total = total - table.c[name]
    return cast(total * _UNIT, Text)


def _power(digits: int) -> ColumnElement[Any]:
    return literal_column(f"{10**-digits:.{digits}f}" if digits else "1")


def _codes(currencies: Iterable[str]) -> ColumnElement[Any]:
    return literal_column(f"'{{{','.join(currencies)}}}'::text[]")


def _unit() -> ColumnElement[Any]:
    """A minor unit of the order's currency, with as many digits as that has. What nearly all have is found first."""
    others = {code: count for code, count in CURRENCY_DIGITS.items() if count != _USUAL_DIGITS}
    rare = [
        (orders.c.currency == func.any(_codes(code for code in others if others[code] == count)), _power(count))
        for count in sorted(set(others.values()))
    ]
    return case((orders.c.currency == func.any(_codes(others)), case(*rare)), else_=_power(_USUAL_DIGITS))


_USUAL_DIGITS: Final = 2
_UNIT: Final = _unit()
