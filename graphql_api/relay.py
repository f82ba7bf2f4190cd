"""Relay's conventions: opaque ids, nodes by id, and connections with keyset cursors.

Ids and cursors are not secret and prove nothing. Whoever sends one gets what its session may read, so another
merchant's id answers exactly as one that does not exist, and as one that is malformed.
"""

import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

import orjson
import strawberry

from graphql_api.access import NoMerchantSelected
from graphql_api.compilation import Written
from graphql_api.context import Context, Info
from graphql_api.derived import derived
from graphql_api.errors import Forbidden, NotAuthenticated
from graphql_api.instant import utc
from merchantry.domain.errors import InvalidInput, NotFound, NotPermitted
from merchantry.domain.worded import Worded

DEFAULT_FIRST = 20
MAX_FIRST = 100
MAX_NODES = 100
MAX_ID_LENGTH = 160
MAX_CURSOR_LENGTH = 1024
_UUID_BYTES = 16
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

Parts: TypeAlias = tuple[UUID, ...]
Loader: TypeAlias = Callable[[Info, Parts], Awaitable["Node | None"]]
Ends: TypeAlias = tuple[tuple[object, ...], tuple[object, ...]]
"""The values that order the first and the last row of a page."""
T = TypeVar("T")
Row = TypeVar("Row")


def encode_id(kind: str, *parts: UUID) -> strawberry.ID:
    """The opaque id of a thing: its kind and the keys that find it, for a merchant's things the merchant's first."""
    return strawberry.ID(_to_text(id_prefix(kind) + b"".join(part.bytes for part in parts)))


def id_prefix(kind: str) -> bytes:
    """What the ids of a kind begin with, before the keys."""
    return kind.encode() + b"\0"


def parse_id(text: str) -> tuple[str, Parts] | None:
    """Kind and keys of an opaque id, or None where it is not one."""
    data = _from_text(text, MAX_ID_LENGTH)
    kind, separator, keys = (data or b"").partition(b"\0")
    if not separator or not keys or len(keys) % _UUID_BYTES or not kind.isalnum():
        return None
    parts = tuple(UUID(bytes=keys[at : at + _UUID_BYTES]) for at in range(0, len(keys), _UUID_BYTES))
    return kind.decode(), parts


def decode_id(text: str, kind: str, parts: int, path: tuple[str | int, ...] = ()) -> Parts:
    """The keys of an opaque id of this kind. Raises NotFound for whatever is not such an id."""
    found = parse_id(text)
    if found is None or found[0] != kind or len(found[1]) != parts:
        raise NotFound(what=_WORD_START.sub(" ", kind).lower(), path=path)
    return found[1]


def take_id(context: Context, text: str, kind: str, parts: int, path: tuple[str | int, ...] = ()) -> Parts:
    """As :func:`decode_id`, and remembers how the client called the row, so that problems call it the same."""
    keys = decode_id(text, kind, parts, path)
    context.given_ids[keys[-1]] = text
    context.given_paths[keys[-1]] = path
    return keys


def take_own_id(
    context: Context, text: str, kind: str, parts: int, path: tuple[str | int, ...], merchant_id: UUID
) -> Parts:
    """As :func:`take_id`, of a thing in the merchant's schema; another merchant's id is as unknown as none at all."""
    keys = take_id(context, text, kind, parts, path)
    if keys[0] != merchant_id:
        raise NotFound(what=_WORD_START.sub(" ", kind).lower(), path=path)
    return keys


def encode_cursor(list_name: str, values: tuple[object, ...]) -> str:
    """The opaque cursor of a row in the named list, by the values that order it: UUIDs, instants, days, ints, texts."""
    return _to_text(orjson.dumps([list_name, *values]))


def decode_cursor(text: str, list_name: str, types: tuple[type, ...]) -> tuple[Any, ...]:
    """The values of a cursor that :func:`encode_cursor` made for the same list.

    Raises InvalidInput for anything else: other lists' cursors, broken ones, values of other types.
    """
    try:
        name, *values = orjson.loads(_from_text(text, MAX_CURSOR_LENGTH) or b"")
        if name == list_name and len(values) == len(types):
            return tuple(_read_value(value, type_) for value, type_ in zip(values, types, strict=True))
    except (ValueError, TypeError):
        pass  # every way of being broken gets the one answer below
    reason = "This is not a cursor of this list; send an endCursor or a cursor that the same list answered, or none."
    raise InvalidInput(reason=reason, path=("after",))


def _read_value(value: object, type_: type) -> object:
    if type_ is int:
        if type(value) is int and -(2**63) <= value < 2**63:
            return value
    elif isinstance(value, str) and "\0" not in value:
        if type_ is str:
            return value
        if type_ is UUID:
            return UUID(value)
        if type_ is date:
            return date.fromisoformat(value)
        if type_ is datetime:
            return utc(datetime.fromisoformat(value))
    raise ValueError(type_.__name__)


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(text: str, max_length: int) -> bytes | None:
    """The bytes of a text that :func:`_to_text` made, and of no other spelling of the same bytes."""
    if len(text) > max_length or not text.isascii():
        return None
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if _to_text(data) == text else None


@strawberry.interface(description="Whatever has an id of its own.")
class Node:
    id: strawberry.ID


@dataclass(frozen=True, slots=True)
class _Kind:
    parts: int
    load: Loader


_KINDS: dict[str, _Kind] = {}


def node(kind: str, *, parts: int) -> Callable[[Loader], Loader]:
    """Register the loader of a kind of node, whose ids have so many keys.

    The loader reads through the caller's own session and answers None for what is missing there, foreign or not.
    """

    def register(loader: Loader) -> Loader:
        if kind in _KINDS:
            raise ValueError(f"the node kind {kind} has two loaders")
        _KINDS[kind] = _Kind(parts, loader)
        return loader

    return register


def node_id(kind: str, *parts: UUID) -> strawberry.ID | None:
    """The opaque id of a thing, None where there are no nodes of such a kind, or they have another number of keys."""
    known = _KINDS.get(kind)
    return encode_id(kind, *parts) if known and known.parts == len(parts) else None


async def resolve_node(info: Info, id: str) -> Node | None:
    """The node of an id, or None: malformed, of no kind, missing, foreign and forbidden all answer alike."""
    found = parse_id(id)
    kind = _KINDS.get(found[0]) if found else None
    if found is None or kind is None or len(found[1]) != kind.parts:
        return None
    try:
        return await kind.load(info, found[1])
    except (NotFound, NotPermitted, NotAuthenticated, NoMerchantSelected, Forbidden):
        return None


async def resolve_nodes(info: Info, ids: Sequence[str]) -> list[Node | None]:
    """The nodes of up to 100 ids in their order, each loaded once. Raises InvalidInput for more."""
    if len(ids) > MAX_NODES:
        raise InvalidInput(reason=Worded("Ask for at most {most} nodes at once.", most=MAX_NODES), path=("ids",))
    loaded = {id: await resolve_node(info, id) for id in dict.fromkeys(ids)}
    return [loaded[id] for id in ids]


@strawberry.type(description="Where a connection's page lies in its list.")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type(description="One row of a connection.")
class Edge(Generic[T]):
    node: T
    cursor: str


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    edges: list[Edge[T]]
    nodes: list[T]
    page_info: PageInfo


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are asked for: at most `first` of them, after the row with these ordering values."""

    list_name: str
    first: int
    after: tuple[Any, ...] | None

    @property
    def limit(self) -> int:
        """How many rows to fetch: one more than asked for tells whether there is a next page."""
        return self.first + 1


def page(list_name: str, types: tuple[type, ...], first: int | None, after: str | None) -> Page:
    """The page asked for, of a list ordered by values of these types. Raises InvalidInput."""
    size = DEFAULT_FIRST if first is None else first
    if not 1 <= size <= MAX_FIRST:
        raise InvalidInput(reason=Worded("Ask for 1 to {most} rows at once.", most=MAX_FIRST), path=("first",))
    return Page(list_name, size, None if after is None else decode_cursor(after, list_name, types))


def connection_of(
    rows: Sequence[Row], page: Page, *, cursor_of: Callable[[Row], tuple[object, ...]], node_of: Callable[[Row], T]
) -> Connection[T]:
    """The connection of the rows fetched with `page.limit`; `cursor_of` gives the values that order them."""
    shown = rows[: page.first]
    edges = [_RowEdge(row, node_of(row), page.list_name, cursor_of) for row in shown]
    ends = (cursor_of(shown[0]), cursor_of(shown[-1])) if shown else None
    return Connection(edges=[*edges], nodes=[edge.node for edge in edges], page_info=_page_info(page, len(rows), ends))


def written_connection(
    text: str, page: Page, *, of: Sequence[object], found: int, ends: Ends | None
) -> Connection[Any]:
    """The same of rows whose JSON PostgreSQL wrote, with commas between them: of the one list that is selected. What
    belongs in their holes is ``of`` these, row by row.
    """
    rows = cast("Any", Written(f"[{text}]", of))
    return Connection(edges=rows, nodes=rows, page_info=_page_info(page, found, ends))


def _page_info(page: Page, found: int, ends: Ends | None) -> PageInfo:
    start, end = (encode_cursor(page.list_name, values) for values in ends) if ends else (None, None)
    return PageInfo(
        has_next_page=found > page.first,
        has_previous_page=page.after is not None,
        start_cursor=start,
        end_cursor=end,
    )


class _RowEdge(Edge[T]):
    """An edge that makes its cursor when it is asked for one."""

    cursor = derived(lambda self: encode_cursor(self.list_name, self.cursor_of(self.row)))

    def __init__(self, row: Row, node: T, list_name: str, cursor_of: Callable[[Row], tuple[object, ...]]) -> None:
        self.row = row
        self.node = node
        self.list_name = list_name
        self.cursor_of = cursor_of
