"""Reading across schemas: one statement, written once against the symbolic schema, over any set of merchants.

The statement is compiled once, rendered for chunks of about 50 schemas as UNION ALL by text replacement, and run as
the analyst on two connections that share one snapshot, with a short transaction per chunk. Where it sums, a branch
gives the rows that are summed and the chunk sums those of all its branches: to plan an aggregate for every schema costs
more than to add up its rows.
A statement for rows instead of sums orders and bounds itself; each chunk answers its first rows, which are merged.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import TupleRow, dict_row
from sqlalchemy import ColumnElement, Label, Select, literal_column
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.functions import sum as sum_

from tenancy.connections import SCHEMAS
from tenancy.database import Database
from tenancy.schemas import MARK, schema_of
from tenancy.statements import numbered

CHUNK = 50
"""Schemas per statement: planning is worse than linear in their number, round trips are cheaper than that."""

CONNECTIONS = 2
READS = 6_000
"""Schemas that an analyst's connection reads before another takes its place, each once for every statement: its backend
remembers some 24 kB for each table that it has seen, with its indexes."""

COMMIT_AND = b"COMMIT;"
MERCHANT_ID = "__merchant_id__"
_OWN: ColumnElement[UUID] = literal_column(f"'{MERCHANT_ID}'::uuid").label("merchant_id")


@dataclass(frozen=True)
class Merged:
    """Rows of all merchants (plain dictionaries) and the moment of the one snapshot they were read in."""

    rows: list[dict[str, Any]]
    as_of: datetime


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

    def merged(self, parts: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
        """The first rows of several answers that are each in order."""
        return list(islice(merge(*parts, key=itemgetter(*self.key), reverse=True), self.limit))


@dataclass(frozen=True, slots=True)
class Branch:
    """The text for one schema, with the symbolic one and numbered placeholders; whose they are, and what is given."""

    text: str
    names: tuple[str, ...]
    defaults: Mapping[str, Any]


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
            statement = statement.add_columns(_OWN)
        compiled = statement.compile(dialect=dialect, schema_translate_map={MARK: MARK}, render_schema_translate=True)
        text, names = numbered(compiled.string)
        return Branch(f"({text})", names, compiled.params)

    @property
    def _rows(self) -> Select[Any]:
        """What the statement sums, row by row. Raises TypeError where it does anything but sum."""
        if self.statement._having_criteria:
            raise TypeError("what is summed across schemas has no HAVING")
        columns = self.statement.selected_columns
        summed = (_argument(columns[name]).label(name) for name in self.sums)
        return self.statement.with_only_columns(*(columns[name] for name in self.group_by), *summed).group_by(None)

    def chunk(self, merchants: Sequence[UUID]) -> str:
        """One statement over some merchants. Schema names and ids are made from UUIDs, never from input."""
        text = self.branch.text
        union = " UNION ALL ".join(
            text.replace(MERCHANT_ID, str(merchant)).replace(MARK, schema_of(merchant)) for merchant in merchants
        )
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
    """Run the statement over the merchants in one snapshot and merge. An error or a cancel leaves nothing running."""
    chunks, values = _chunks(across, merchants, parameters)
    async with database.analyst_slots, _connected(database.analyst, READS) as (lead, visits):
        as_of, snapshot = await _lead(lead, len(chunks), statement_timeout_ms)
        if snapshot is None:
            visits.update((str(merchant), 1) for merchant in merchants)
            parts = [await _fetch(lead, chunk, values) for chunk in chunks]
        else:
            begin = _begin(snapshot, statement_timeout_ms)
            visit = across.branch.text, len(merchants)
            parts = await _parallel(database.analyst, begin, chunks, values, visit)
    return Merged(_merge(across, parts), as_of)


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
    async with _connected(database.pages, SCHEMAS) as (connection, visits):
        visits.update((str(merchant), 1) for merchant in merchants)
        await connection.execute(_begin(None, statement_timeout_ms))
        for across in several:
            chunks, values = _chunks(across, merchants, parameters)
            found.append(_merge(across, [await _fetch(connection, chunk, values) for chunk in chunks]))
    return found


def _chunks(
    across: Across, merchants: Sequence[UUID], parameters: Mapping[str, Any] | None
) -> tuple[list[bytes], list[Any]]:
    """Texts, and the values of their placeholders."""
    given = {**across.branch.defaults, **(parameters or {})}
    chunks = [across.chunk(merchants[at : at + CHUNK]).encode() for at in range(0, len(merchants), CHUNK)]
    return chunks, [given[name] for name in across.branch.names]


async def _lead(lead: AsyncConnection[TupleRow], chunks: int, timeout_ms: int) -> tuple[datetime, str | None]:
    await lead.execute(_begin(None, timeout_ms))
    export = "pg_export_snapshot()" if chunks > 1 else "NULL"
    row = await (await lead.execute(f"SELECT now(), {export}")).fetchone()
    if row is None:
        raise RuntimeError("the database answered no row to SELECT now()")
    return row[0], row[1]


async def _parallel(
    analyst: AsyncEngine, begin: bytes, chunks: list[bytes], values: list[Any], visit: tuple[str, int]
) -> list[list[dict[str, Any]]]:
    """The lead only keeps the snapshot; workers take chunks, each in a short transaction of its own."""
    waiting = list(reversed(chunks))
    parts: list[list[dict[str, Any]]] = []

    async def worker() -> None:
        async with _connected(analyst, READS) as (connection, visits):
            statement, merchants = visit
            visits[statement] = max(visits.get(statement, 0), merchants)
            text = begin
            while waiting:
                chunk = waiting.pop()
                await connection.execute(text)
                parts.append(await _fetch(connection, chunk, values))
                text = COMMIT_AND + begin

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return parts


@asynccontextmanager
async def _connected(engine: AsyncEngine, most: int) -> AsyncIterator[tuple[AsyncConnection[TupleRow], dict[str, int]]]:
    """A connection, given back without a transaction, and what it has visited, which whoever has it writes down.

    After more than ``most`` visits another one takes its place.
    """
    async with engine.connect() as pooled:
        raw = await pooled.get_raw_connection()
        driver = raw.driver_connection
        if not isinstance(driver, AsyncConnection):
            raise TypeError("reading across schemas needs psycopg connections")
        visits: dict[str, int] = raw.info.setdefault("visits", {})
        await driver.set_autocommit(True)  # BEGIN is sent here, with what a transaction is set to
        try:
            yield driver, visits
        finally:
            await driver.rollback()
        if sum(visits.values()) > most:
            await pooled.invalidate()


def _begin(snapshot: str | None, timeout_ms: int) -> bytes:
    """SET TRANSACTION SNAPSHOT must come before the transaction's first query."""
    take = f"SET TRANSACTION SNAPSHOT '{_snapshot_name(snapshot)}';" if snapshot is not None else ""
    limit = f"SET LOCAL statement_timeout = {int(timeout_ms)}"
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{take}{limit}".encode()


def _snapshot_name(text: str) -> str:
    if not all(character in "0123456789ABCDEF-" for character in text):
        raise ValueError("not a snapshot's name")
    return text


async def _fetch(connection: AsyncConnection[TupleRow], chunk: bytes, values: list[Any]) -> list[dict[str, Any]]:
    cursor = AsyncRawCursor(connection, row_factory=dict_row)
    await cursor.execute(chunk, values, binary=True)
    return await cursor.fetchall()


def _merge(across: Across, parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if across.top:
        return across.top.merged(parts)
    if not across.sums or across.with_merchant:  # then each group is of one schema, so of one part
        return [row for part in parts for row in part]
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (row for part in parts for row in part):
        key = tuple(row[name] for name in across.keys)
        held = merged.setdefault(key, row)
        if held is not row:
            for name in across.sums:
                held[name] += row[name]
    return list(merged.values())
