"""The analyst's connections: what each has seen of the catalogue, and the chunks of statements that it keeps planned.

To plan a statement over many schemas takes PostgreSQL three times as long as to run it, so sums are prepared, each
chunk on one of the connections, with plans for any values. PostgreSQL plans anew by itself whatever a migration, an
ANALYZE or a new schema has touched. Through a pooler that hands one server's process to many nothing is kept.
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection, AsyncCursor, AsyncRawCursor
from psycopg.rows import TupleRow

from tenancy.connections import Pool
from tenancy.metrics import Watcher, told

KEPT = 2_500
"""Schemas in all the chunks that a connection keeps: each takes some 25 kB of its backend's memory."""

STEAL = 4
"""A chunk that another connection keeps is left to it while fewer are waiting: planning it takes as long."""

COMMIT_AND = "COMMIT;"
GENERIC = "SET LOCAL plan_cache_mode = force_generic_plan;"

Driver: TypeAlias = AsyncConnection[TupleRow]


@dataclass(frozen=True, slots=True)
class Part:
    """What a chunk answered."""

    columns: tuple[str, ...]
    rows: list[TupleRow]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A statement over some merchants, with numbered placeholders.

    ``name`` stands for the text: chunks of equal names have equal texts. ``is_kept`` says whether to keep it planned.
    """

    name: str
    text: Callable[[], str]
    merchants: Sequence[UUID]
    tables: Collection[str]
    is_kept: bool

    def seen(self) -> Iterable[tuple[str, UUID]]:
        """What a backend remembers of the catalogue once it has read this."""
        return ((table, merchant) for table in self.tables for merchant in self.merchants)


class Kept:
    """The names of what a connection keeps, those used the longest ago first."""

    def __init__(self) -> None:
        self._schemas: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._schemas

    def add(self, name: str, schemas: int) -> None:
        """Note that it is kept, or was used again."""
        self._schemas.pop(name, None)
        self._schemas[name] = schemas

    def make_room(self, schemas: int, spared: Collection[str]) -> list[str] | None:
        """Forget names until so many schemas more may be kept; returns them. None where only those spared are left."""
        excess = sum(self._schemas.values()) + schemas - KEPT
        forgotten = []
        for name, held in self._schemas.items():
            if excess <= 0:
                break
            if name not in spared:
                forgotten.append(name)
                excess -= held
        if excess > 0:
            return None
        for name in forgotten:
            del self._schemas[name]
        return forgotten

    def clear(self) -> None:
        """Forget all of them."""
        self._schemas.clear()


class Analyst:
    """A connection while a read has it. ``seen`` is what its backend remembers; ``kept`` is None behind a pooler."""

    def __init__(self, driver: Driver, seen: set[Any], kept: Kept | None, watchers: Sequence[Watcher]) -> None:
        self.driver = driver
        self.seen = seen
        self.kept = kept
        self._watchers = watchers

    async def fetch(self, chunk: Chunk, values: list[Any]) -> Part:
        """The rows of a chunk, planned for this once, in the transaction that is under way."""
        self.seen.update(chunk.seen())
        cursor = AsyncRawCursor(self.driver)
        text = chunk.text()
        with told(self._watchers, text):
            await cursor.execute(text.encode(), values, binary=True)
            return await _part(cursor)

    async def fetch_in(self, begin: str, chunk: Chunk, values: list[Any], spared: Collection[str]) -> Part:
        """The rows of a chunk, kept planned where there is room beside those spared, in a transaction that begins so.

        Of what is kept already everything goes in one message.
        """
        prepare = self._prepare(chunk, spared)
        if self.kept is None or prepare is None:
            await self.driver.execute(begin.encode())
            return await self.fetch(chunk, values)
        if prepare:
            self.seen.update(chunk.seen())
        self.kept.add(chunk.name, len(chunk.merchants))
        cursor = AsyncClientCursor(self.driver)
        given = cursor.mogrify(f"({', '.join(['%s'] * len(values))})", values) if values else ""
        with told(self._watchers, f"EXECUTE {chunk.name}"):
            await cursor.execute(f"{begin}{GENERIC}{prepare}EXECUTE {chunk.name}{given}".encode())
            await cursor.set_result(-1)
            return await _part(cursor)

    def _prepare(self, chunk: Chunk, spared: Collection[str]) -> str | None:
        """What to send before the chunk can be executed; None where it isn't to be kept."""
        if self.kept is None or not chunk.is_kept:
            return None
        if chunk.name in self.kept:
            return ""
        forgotten = self.kept.make_room(len(chunk.merchants), spared)
        if forgotten is None:
            return None
        return "".join(f"DEALLOCATE {name};" for name in forgotten) + f"PREPARE {chunk.name} AS {chunk.text()};"

    async def reset(self) -> None:
        """End a transaction that failed; nobody knows what of it was prepared."""
        await self.driver.rollback()
        if self.kept is not None:
            self.kept.clear()
            await self.driver.execute("DEALLOCATE ALL")


class Shared:
    """The chunks of one read, which its connections take one after the other: each those that it keeps first."""

    def __init__(self, chunks: Sequence[Chunk]) -> None:
        self.names = frozenset(chunk.name for chunk in chunks)
        self._waiting = {chunk.name: chunk for chunk in chunks}
        self._claimed: set[str] = set()

    def claimed_by(self, analyst: Analyst) -> list[str]:
        """The names of what this connection keeps; others leave that to it."""
        kept = [name for name in self._waiting if analyst.kept is not None and name in analyst.kept]
        self._claimed.update(kept)
        return kept

    def take(self, own: list[str]) -> Chunk | None:
        """The next chunk for the connection that keeps those; None where nothing is left for it."""
        while own:
            if chunk := self._waiting.pop(own.pop(), None):
                return chunk
        free = next((name for name in self._waiting if name not in self._claimed), None)
        if free is None and len(self._waiting) >= STEAL:
            free = next(reversed(self._waiting))
        return self._waiting.pop(free) if free is not None else None


async def _part(cursor: AsyncCursor[TupleRow]) -> Part:
    return Part(tuple(column.name for column in cursor.description or ()), await cursor.fetchall())


@asynccontextmanager
async def analyst(pool: Pool, most: int) -> AsyncIterator[Analyst]:
    """A connection of the pool, given back without a transaction. Once it has seen more than ``most`` another one takes
    its place."""
    lease = await pool.take()
    is_sound = False
    try:
        if "seen" not in lease.info:
            lease.info.update(kept=Kept() if await _is_direct(lease.driver) else None, seen=set())
        found = Analyst(lease.driver, lease.info["seen"], lease.info["kept"], pool.watchers)
        try:
            yield found
            await found.driver.rollback()
        except BaseException:
            with suppress(psycopg.Error):  # then the connection is worn, and what is raised stays what it is
                await found.reset()
                is_sound = True
            raise
        is_sound = True
    finally:
        lease.give_back(is_worn=not is_sound or len(lease.info.get("seen", ())) > most)


async def _is_direct(driver: Driver) -> bool:
    """Whether the process that answers is the one that was connected to: a pooler makes up the number that it tells."""
    row = await (await driver.execute("SELECT pg_backend_pid()")).fetchone()
    return row is not None and row[0] == driver.info.backend_pid
