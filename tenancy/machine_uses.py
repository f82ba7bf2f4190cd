"""When machines' tokens were last used: noted in memory by requests, written now and then beside them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func, or_, update
from sqlalchemy.exc import SQLAlchemyError

from tenancy.database import CommitUnknown, Database
from tenancy.tables import machine_token

ACTOR = "directory"
WRITE_SECONDS = 5.0
PRECISION = timedelta(minutes=1)
"""A token's row is written at most so often, however many processes see it used."""
MAX_REMEMBERED = 20_000

log = structlog.get_logger()


class Uses:
    """The uses that one process has seen. ``clock`` gives the instants that are written."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._unwritten: dict[UUID, datetime] = {}
        self._written: dict[UUID, datetime] = {}

    def note(self, token_id: UUID) -> None:
        """A token was used."""
        now, last = self._clock(), self._written.get(token_id)
        if last is None or now - last >= PRECISION:
            self._unwritten[token_id] = now

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write what is noted while the block runs, and at its end."""
        task = asyncio.create_task(self._write_forever())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            await self._write()

    async def _write_forever(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self._write()

    async def _write(self) -> None:
        """Rows that somebody wrote within the last minute are left alone."""
        noted, self._unwritten = self._unwritten, {}
        if not noted:
            return
        if len(self._written) > MAX_REMEMBERED:
            self._written.clear()
        table, at = machine_token.c, max(noted.values())
        is_older = or_(table.last_used_at.is_(None), table.last_used_at <= at - PRECISION)
        statement = update(machine_token).where(table.id == func.any(sorted(noted)), is_older).values(last_used_at=at)
        try:
            async with self._database.write(ACTOR) as tx, tx.as_platform() as session:
                await session.execute(statement)
        except (SQLAlchemyError, OSError, CommitUnknown) as lost:
            log.warning("machine_tokens.uses_not_written", error=type(lost).__name__)
            return
        self._written |= noted
