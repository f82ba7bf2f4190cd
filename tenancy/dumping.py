"""Values as PostgreSQL reads them, by the types that statements say of their placeholders.

Where the text says the type (``$1::UUID``), nothing else does: so a statement has one form for all values, and one that
is prepared serves them all. What is not known here, psycopg dumps.
"""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import orjson
import psycopg
from psycopg.pq import Format
from psycopg.types.json import Json, Jsonb
from sqlalchemy import ARRAY, BigInteger, Boolean, Date, DateTime, Dialect, Integer, LargeBinary, String, Uuid
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.types import TypeEngine, UserDefinedType

SAID = 0
"""No type: the statement's text says it."""
BOOL, BYTEA = 16, 17
NULL = b"NULL"


class Records(UserDefinedType[Any]):
    """Rows by their columns' names, as ``json_to_recordset`` reads them: values of all columns' types."""

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "JSON"


class Dumped(NamedTuple):
    """The values of a statement, as libpq takes them."""

    values: list[bytes | None]
    types: tuple[int, ...]
    formats: list[Format]


Text: TypeAlias = Callable[[Any], bytes | None]
"""A value as text; None where it is of another Python type than is usual."""


class Dumper(NamedTuple):
    """How a placeholder's values are dumped, by whom their type is said, and whether they are text.

    ``is_raw`` where SQLAlchemy has nothing to do with them before.
    """

    dump: Text
    type: int = SAID
    format: Format = Format.TEXT
    is_raw: bool = False


def dumper_of(declared: TypeEngine[Any], dialect: Dialect) -> Dumper | None:
    """How values of a declared type are dumped; None where psycopg has to look at each."""
    kind: Any = declared.dialect_impl(dialect)
    if isinstance(kind, Boolean):
        return Dumper(_flag, BOOL)
    if isinstance(kind, LargeBinary):
        return Dumper(_bytes, BYTEA, Format.BINARY)
    if not kind.render_bind_cast:
        return None
    if isinstance(kind, ARRAY):
        item = kind.item_type.dialect_impl(dialect)
        dump, is_raw = _of(item), item._cached_bind_processor(dialect) is None
        return Dumper(_array(dump), is_raw=is_raw) if dump else None
    found = _of(kind)
    return Dumper(found) if found else None


def _of(kind: TypeEngine[Any]) -> Text | None:
    for types, dump in _DUMPS:
        if isinstance(kind, types) and getattr(kind, "timezone", True):
            return dump
    return None


def _integer(value: Any) -> bytes | None:
    return b"%d" % value if type(value) is int else None


def _uuid(value: Any) -> bytes | None:
    return b"%032x" % value.int if isinstance(value, UUID) else None


def _string(value: Any) -> bytes | None:
    if not isinstance(value, str):
        return None
    found = value.encode()
    if b"\0" in found:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return found


def _instant(value: Any) -> bytes | None:
    return value.isoformat().encode() if isinstance(value, datetime) else None


def _day(value: Any) -> bytes | None:
    return value.isoformat().encode() if type(value) is date else None


def _document(value: Any) -> bytes | None:
    if not isinstance(value, Json | Jsonb) or value.dumps is not None:
        return None
    return json.dumps(value.obj).encode()


def _records(value: Any) -> bytes:
    try:
        return orjson.dumps(value, _column, orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError as error:
        raise psycopg.DataError(f"a row can't be written: {error}") from error


def _column(value: Any) -> str:
    """What has no form of its own in JSON, as text of its column's type."""
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise TypeError(f"no column holds {type(value).__name__}")


def _flag(value: Any) -> bytes | None:
    return {True: b"t", False: b"f"}[value] if type(value) is bool else None


def _bytes(value: Any) -> bytes | None:
    return value if type(value) is bytes else None


_DUMPS: tuple[tuple[type[TypeEngine[Any]] | tuple[type[TypeEngine[Any]], ...], Text], ...] = (
    ((Integer, BigInteger), _integer),
    (Uuid, _uuid),
    (DateTime, _instant),
    (Date, _day),
    (String, _string),
    (JSON, _document),
    (Records, _records),
    (Boolean, _flag),
    (LargeBinary, lambda value: b"\\x" + value.hex().encode() if type(value) is bytes else None),
)
"""Text alone: of a list's items."""


def _array(dump: Text) -> Text:
    def dumped(value: Any) -> bytes | None:
        if type(value) is not list and not isinstance(value, tuple):
            return None
        items = []
        for each in value:
            if each is None:
                items.append(NULL)
                continue
            item = dump(each)
            if item is None:
                return None
            if not item.isalnum() or (len(item) == len(NULL) and item.upper() == NULL):
                item = b'"%b"' % item.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
            items.append(item)
        return b"{%b}" % b",".join(items)

    return dumped
