"""Reading across schemas: one statement, written once against the symbolic schema, over any set of merchants.

The statement is compiled once, rendered for chunks of about 50 schemas as UNION ALL of partial aggregates by text
replacement, and run as the analyst on two connections that share one snapshot, with a short transaction per chunk.
A statement for rows instead of sums orders and bounds itself; each chunk answers its first rows, which are merged.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow, dict_row
from sqlalchemy import Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncEngine

from tenancy.database import Database
from tenancy.schemas import MARK, schema_of

CHUNK = 50
"""Schemas per statement: planning is worse than linear in their number, round trips are cheaper than that."""

CONNECTIONS = 2
MERCHANT_ID = "__merchant_id__"


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


@dataclass(frozen=True)
class Across:
    """A statement for many schemas: a SELECT over symbolic tables, and how chunks are merged.

    ``group_by`` and ``sums`` name the statement's columns; each chunk answers partial sums, which are summed again.
    ``with_merchant`` adds the column ``merchant_id``. Without ``sums`` the rows are collected, or, with ``top``, the
    first of them all.
    """

    statement: Select[Any]
    group_by: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    with_merchant: bool = True
    top: "Top | None" = None

    @cached_property
    def branch(self) -> tuple[str, dict[str, Any]]:
        """The text of one branch, with the symbolic schema, and its parameters."""
        dialect = postgresql.psycopg.dialect()  # type: ignore[no-untyped-call]
        compiled = self.statement.compile(
            dialect=dialect, schema_translate_map={MARK: MARK}, render_schema_translate=True
        )
        merchant = f"'{MERCHANT_ID}'::uuid AS merchant_id, " if self.with_merchant else ""
        sums = (f"{name}::bigint AS {name}" for name in self.sums)
        columns = ", ".join((*self.group_by, *sums)) if self.sums else "branch.*"
        branch = f"SELECT {merchant}{columns} FROM ({compiled.string}) AS branch"  # noqa: S608
        return branch, dict(compiled.params)

    def chunk(self, branch: str, merchants: Sequence[UUID]) -> str:
        """One statement over some merchants. Schema names and ids are made from UUIDs, never from input."""
        union = " UNION ALL ".join(
            branch.replace(MERCHANT_ID, str(merchant)).replace(MARK, schema_of(merchant)) for merchant in merchants
        )
        if self.top:
            return self.top.first_of(union)
        if not self.sums or self.with_merchant:
            return union  # each group is of one merchant, so of one branch: nothing is left to sum
        keys = ", ".join(self.keys)
        sums = ", ".join(f"sum({name})::bigint AS {name}" for name in self.sums)
        grouping = f" GROUP BY {keys}" if keys else ""
        return f"SELECT {keys}{', ' if keys else ''}{sums} FROM ({union}) AS branches{grouping}"  # noqa: S608

    @property
    def keys(self) -> tuple[str, ...]:
        """What rows are merged by."""
        return (*(("merchant_id",) if self.with_merchant else ()), *self.group_by)


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
    async with database.analyst_slots, database.analyst.connect() as lead_connection:
        lead: AsyncConnection[TupleRow] = await _driver(lead_connection)
        try:
            as_of, snapshot = await _lead(lead, len(chunks), statement_timeout_ms)
            if snapshot is None:
                parts = [await _fetch(lead, chunk, values) for chunk in chunks]
            else:
                parts = await _parallel(database.analyst, lead, snapshot, chunks, values, statement_timeout_ms)
        finally:
            await lead.rollback()
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
    async with database.pages.connect() as pooled:
        connection: AsyncConnection[TupleRow] = await _driver(pooled)
        try:
            await _begin(connection, None, statement_timeout_ms)
            for across in several:
                chunks, values = _chunks(across, merchants, parameters)
                found.append(_merge(across, [await _fetch(connection, chunk, values) for chunk in chunks]))
        finally:
            await connection.rollback()
    return found


def _chunks(
    across: Across, merchants: Sequence[UUID], parameters: Mapping[str, Any] | None
) -> tuple[list[str], dict[str, Any]]:
    branch, defaults = across.branch
    chunks = [across.chunk(branch, merchants[i : i + CHUNK]) for i in range(0, len(merchants), CHUNK)]
    return chunks, {**defaults, **(parameters or {})}


async def _lead(lead: AsyncConnection[TupleRow], chunks: int, timeout_ms: int) -> tuple[datetime, str | None]:
    await _begin(lead, None, timeout_ms)
    export = "pg_export_snapshot()" if chunks > 1 else "NULL"
    row = await (await lead.execute(f"SELECT now(), {export}")).fetchone()
    if row is None:
        raise RuntimeError("the database answered no row to SELECT now()")
    return row[0], row[1]


async def _parallel(
    analyst: AsyncEngine,
    lead: AsyncConnection[TupleRow],
    snapshot: str,
    chunks: list[str],
    values: dict[str, Any],
    timeout_ms: int,
) -> list[list[dict[str, Any]]]:
    """The lead only keeps the snapshot; workers take chunks, each in a short transaction of its own."""
    waiting = list(reversed(chunks))
    parts: list[list[dict[str, Any]]] = []

    async def worker() -> None:
        async with analyst.connect() as pooled:
            connection = await _driver(pooled)
            while waiting:
                chunk = waiting.pop()
                try:
                    await _begin(connection, snapshot, timeout_ms)
                    parts.append(await _fetch(connection, chunk, values))
                finally:
                    await connection.rollback()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(worker())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return parts


async def _driver(connection: Any) -> AsyncConnection[TupleRow]:
    driver = (await connection.get_raw_connection()).driver_connection
    if not isinstance(driver, AsyncConnection):
        raise TypeError("reading across schemas needs psycopg connections")
    return driver


async def _begin(connection: AsyncConnection[TupleRow], snapshot: str | None, timeout_ms: int) -> None:
    """SET TRANSACTION SNAPSHOT must come before the transaction's first query."""
    await connection.rollback()
    await connection.set_autocommit(False)
    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    if snapshot is not None:
        await connection.execute(f"SET TRANSACTION SNAPSHOT '{_snapshot_name(snapshot)}'")
    await connection.execute("SELECT set_config('statement_timeout', %s, true)", [str(timeout_ms)])


def _snapshot_name(text: str) -> str:
    if not all(character in "0123456789ABCDEF-" for character in text):
        raise ValueError("not a snapshot's name")
    return text


async def _fetch(connection: AsyncConnection[TupleRow], chunk: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(chunk.encode(), values)
        return await cursor.fetchall()


def _merge(across: Across, parts: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    if across.top:
        return across.top.merged(parts)
    if not across.sums:
        return [row for part in parts for row in part]
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in (row for part in parts for row in part):
        key = tuple(row[name] for name in across.keys)
        held = merged.setdefault(key, row)
        if held is not row:
            for name in across.sums:
                held[name] += row[name]
    return list(merged.values())
