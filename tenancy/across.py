"""Reading across schemas: one statement, written once against the symbolic schema, over any set of merchants.

The statement is compiled once, rendered for chunks of about 50 schemas as UNION ALL by text replacement, and run as
the analyst on two connections that share one snapshot, with a short transaction per chunk. Where it sums, a branch
gives the rows that are summed and the chunk sums those of all its branches: to plan an aggregate for every schema costs
more than to add up its rows.
A statement for rows instead of sums orders and bounds itself; each chunk answers its first rows, which are merged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import blake2b
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from psycopg.rows import TupleRow
from sqlalchemy import ColumnElement, Label, Select, Table, literal_column
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.functions import sum as sum_
from sqlalchemy.sql.visitors import iterate

from tenancy.analysts import COMMIT_AND, Chunk, Driver, Part, Shared, analyst
from tenancy.connections import Pool
from tenancy.database import Database
from tenancy.schemas import MARK, schema_of
from tenancy.statements import numbered

CHUNK = 50
"""Schemas per statement: planning is worse than linear in their number, round trips are cheaper than that."""

CONNECTIONS = 2
SEEN = 6_000
"""Tables that an analyst's connection reads before another takes its place: its backend remembers some 24 kB of each,
with its indexes."""

SEEN_FOR_PAGES = 1_000
"""The same of the more and smaller ones that read for pages."""

MERCHANT_ID = "__merchant_id__"
OWN: ColumnElement[UUID] = literal_column(f"'{MERCHANT_ID}'::uuid")
"""In a statement that is run across, the id of the merchant whose schema is read."""


@dataclass(frozen=True)
class Merged:
    """Rows of all merchants, the names of their columns, and the moment of the one snapshot they were read in."""

    columns: tuple[str, ...]
    values: list[TupleRow]
    as_of: datetime

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.values]


@dataclass(frozen=True, slots=True)
class Top:
    """The first ``limit`` rows of all schemas, greatest first.

    ``key`` names columns that together tell every row from all others and are NULL in none; the statement must itself
    be ordered by them, descending, and bounded by the same limit, so that each schema reads no more than it must.
    Their values are compared here too: numbers, moments, UUIDs; no texts, whose order is the collation's.
    """

    key: tuple[str, ...]
    limit: int

    def first_of(self, rows: str) -> str:
        """A statement for the first of these rows."""
        order = ", ".join(f"{name} DESC" for name in self.key)
        return f"SELECT * FROM ({rows}) AS branches ORDER BY {order} LIMIT {int(self.limit)}"  # noqa: S608

    def merged(self, parts: Sequence[Part]) -> list[TupleRow]:
        """The first rows of several answers that are each in order."""
        key = itemgetter(*map(parts[0].columns.index, self.key))
        return list(islice(merge(*(part.rows for part in parts), key=key, reverse=True), self.limit))


@dataclass(frozen=True, slots=True)
class Branch:
    """The text for one schema, with the symbolic one and numbered placeholders; whose they are, what is given, and the
    names of the tables that are read."""

    text: str
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    tables: frozenset[str]


@dataclass(frozen=True)
class Across:
    """A statement for many schemas: a SELECT over symbolic tables, and how chunks are merged.

    ``group_by`` and ``sums`` name the statement's columns, the latter ``sum()`` of something each; chunks answer
    partial sums, which are summed again. ``with_merchant`` adds the column ``merchant_id``. Without ``sums`` the rows
    are collected, or, with ``top``, the first of them all.
    """

    statement: Select[Any]
    group_by: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    with_merchant: bool = True
    top: "Top | None" = None

    @cached_property
    def branch(self) -> "Branch":
        """One branch of a chunk, compiled."""
        dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
        statement = self._rows if self.sums else self.statement
        if self.with_merchant:
            statement = statement.add_columns(OWN.label("merchant_id"))
        compiled = statement.compile(dialect=dialect, schema_translate_map={MARK: MARK}, render_schema_translate=True)
        text, names = numbered.__wrapped__(compiled.string)
        tables = frozenset(each.name for each in iterate(statement) if isinstance(each, Table))
        return Branch(f"({text})", names, compiled.params, tables)

    @property
    def _rows(self) -> Select[Any]:
        """What the statement sums, row by row. Raises TypeError where it does anything but sum."""
        if self.statement._having_criteria:
            raise TypeError("what is summed across schemas has no HAVING")
        columns = self.statement.selected_columns
        summed = (_argument(columns[name]).label(name) for name in self.sums)
        return self.statement.with_only_columns(*(columns[name] for name in self.group_by), *summed).group_by(None)

    def chunk(self, merchants: Sequence[UUID]) -> Chunk:
        """The statement over some merchants."""
        told = (self._merged(""), self.branch.text, *(merchant.hex for merchant in merchants))
        name = f"c{blake2b(' '.join(told).encode(), digest_size=16).hexdigest()}"
        return Chunk(name, lambda: self.text(merchants), merchants, self.branch.tables, is_kept=bool(self.sums))

    def text(self, merchants: Sequence[UUID]) -> str:
        """A chunk's SQL. Schema names and ids are made from UUIDs, never from input."""
        branch = self.branch.text
        return self._merged(
            " UNION ALL ".join(
                branch.replace(MERCHANT_ID, str(merchant)).replace(MARK, schema_of(merchant)) for merchant in merchants
            )
        )

    def _merged(self, union: str) -> str:
        if self.top:
            return self.top.first_of(union)
        if not self.sums:
            return union
        keys = ", ".join(self.keys)
        sums = ", ".join(f"sum({name})::bigint AS {name}" for name in self.sums)
        grouping = f" GROUP BY {keys}" if keys else ""
        return f"SELECT {keys}{', ' if keys else ''}{sums} FROM ({union}) AS branches{grouping}"  # noqa: S608

    @property
    def keys(self) -> tuple[str, ...]:
        """What rows are merged by."""
        return (*(("merchant_id",) if self.with_merchant else ()), *self.group_by)


def _argument(column: Any) -> ColumnElement[Any]:
    element = column.element if isinstance(column, Label) else column
    if not isinstance(element, sum_):
        raise TypeError(f"not a sum, so not to be summed across schemas: {column}")
    (argument,) = element.clauses
    return argument


async def read_across(
    database: Database,
    across: Across,
    merchants: Sequence[UUID],
    *,
    parameters: Mapping[str, Any] | None = None,
    statement_timeout_ms: int = 30_000,
) -> Merged:
    """Run the statement over the merchants in one snapshot and merge. An error or a cancel leaves nothing running.

    Sums are kept planned, chunk by chunk: give the merchants in an order in which new ones come last.
    """
    chunks, values = _chunks(across, merchants), _values(across, parameters)
    async with database.analyst_slots, analyst(database.analyst, SEEN) as lead:
        as_of, snapshot = await _lead(lead.driver, len(chunks), statement_timeout_ms)
        if snapshot is None:
            parts = [await lead.fetch(chunk, values) for chunk in chunks]
        else:
            parts = await _parallel(database.analyst, _begin(snapshot, statement_timeout_ms), chunks, values)
    return _merged(across, parts, as_of)


async def read_few_across(
    database: Database,
    several: Sequence[Across],
    merchants: Sequence[UUID],
    *,
    parameters: Mapping[str, Any],
    statement_timeout_ms: int = 10_000,
) -> list[list[dict[str, Any]]]:
    """The rows of several statements over few merchants (a page), in one snapshot.

    One connection, of a pool that reports don't use, so that no report keeps a buyer waiting.
    """
    found = []
    async with analyst(database.pages, SEEN_FOR_PAGES) as reader:
        as_of, _ = await _lead(reader.driver, 1, statement_timeout_ms)
        for across in several:
            values = _values(across, parameters)
            parts = [await reader.fetch(chunk, values) for chunk in _chunks(across, merchants)]
            found.append(_merged(across, parts, as_of).rows)
    return found


def _chunks(across: Across, merchants: Sequence[UUID]) -> list[Chunk]:
    return [across.chunk(merchants[at : at + CHUNK]) for at in range(0, len(merchants), CHUNK)]


def _values(across: Across, parameters: Mapping[str, Any] | None) -> list[Any]:
    """The values of the placeholders, in the order of their numbers."""
    given = {**across.branch.defaults, **(parameters or {})}
    return [given[name] for name in across.branch.names]


async def _lead(lead: Driver, chunks: int, timeout_ms: int) -> tuple[datetime, str | None]:
    """Begin; the moment of the snapshot, and its name where more than one transaction is to read in it."""
    export = "pg_export_snapshot()" if chunks > 1 else "NULL"
    cursor = await lead.execute(f"{_begin(None, timeout_ms)}SELECT now(), {export}")
    await cursor.set_result(-1)
    row = await cursor.fetchone()
    if row is None:
        raise RuntimeError("the database answered no row to SELECT now()")
    return row[0], row[1]


async def _parallel(pool: Pool, begin: str, chunks: Sequence[Chunk], values: list[Any]) -> list[Part]:
    """The lead only keeps the snapshot; workers take chunks, each in a short transaction of its own."""
    shared = Shared(chunks)
    parts: list[Part] = []

    async def worker() -> None:
        async with analyst(pool, SEEN) as own:
            kept = shared.claimed_by(own)
            text = begin
            while chunk := shared.take(kept):
                parts.append(await own.fetch_in(text, chunk, values, shared.names))
                text = COMMIT_AND + begin

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return parts


def _begin(snapshot: str | None, timeout_ms: int) -> str:
    """SET TRANSACTION SNAPSHOT must come before the transaction's first query."""
    take = f"SET TRANSACTION SNAPSHOT '{_snapshot_name(snapshot)}';" if snapshot is not None else ""
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{take}SET LOCAL statement_timeout = {int(timeout_ms)};"


def _snapshot_name(text: str) -> str:
    if not all(character in "0123456789ABCDEF-" for character in text):
        raise ValueError("not a snapshot's name")
    return text


def _merged(across: Across, parts: Sequence[Part], as_of: datetime) -> Merged:
    columns = parts[0].columns if parts else ()
    if across.top and parts:
        return Merged(columns, across.top.merged(parts), as_of)
    rows = [row for part in parts for row in part.rows]
    if across.sums and not across.with_merchant:  # otherwise each group is of one schema, so of one part
        rows = _summed(across, columns, rows)
    return Merged(columns, rows, as_of)


def _summed(across: Across, columns: Sequence[str], rows: Sequence[TupleRow]) -> list[TupleRow]:
    """The sums of all chunks' sums; keys come first, sums after them."""
    keys = len(across.keys)
    summed: dict[TupleRow, list[int]] = {}
    for row in rows:
        held = summed.setdefault(row[:keys], [0] * (len(columns) - keys))
        for at, figure in enumerate(row[keys:]):
            held[at] += figure or 0  # of no rows at all the sum is NULL
    return [(*key, *figures) for key, figures in summed.items()]
