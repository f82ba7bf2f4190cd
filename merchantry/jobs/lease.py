"""Leases of claimed jobs: whoever works renews them, so that a long job is not taken for that of a dead worker."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, tuple_, update

from merchantry.jobs.heartbeat import heartbeat
from merchantry.jobs.tools import ACTOR, Job, Tools
from merchantry.tables.platform import job as job_table

Key = tuple[UUID, str, UUID]


@dataclass(frozen=True, slots=True)
class Lease:
    """How long a claimed job is its worker's, by the clock, and after how many seconds of work that is said again."""

    span: timedelta
    renew_every_seconds: float


LEASE: Final = Lease(timedelta(minutes=2), 10.0)


class Held:
    """The jobs of a batch that are not done yet, with the ends of their leases."""

    def __init__(self, tools: Tools, jobs: Sequence[Job], lease: Lease) -> None:
        self._tools, self._lease = tools, lease
        self._ends: dict[Key, datetime] = {_key(job): job.leased_until for job in jobs if job.leased_until is not None}

    def let_go(self, job: Job) -> None:
        """The job is done, or failed: its row is somebody else's to write."""
        self._ends.pop(_key(job), None)

    async def renew(self) -> None:
        """Renew the leases that still end as we said; a row that a handler is just writing is left to the next time."""
        if not self._ends:
            return
        table, ends = job_table.c, self._tools.clock() + self._lease.span
        key = tuple_(table.merchant_id, table.kind, table.subject_id)
        ours = [(*each, until) for each, until in self._ends.items()]
        chosen = (
            select(table.merchant_id, table.kind, table.subject_id)
            .where(tuple_(table.merchant_id, table.kind, table.subject_id, table.leased_until).in_(ours))
            .with_for_update(skip_locked=True)
        )
        renewed = (
            update(job_table)
            .where(key.in_(chosen))
            .values(leased_until=ends)
            .returning(table.merchant_id, table.kind, table.subject_id)
        )
        async with self._tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            rows = [(row.merchant_id, row.kind, row.subject_id) for row in await session.execute(renewed)]
        for each in rows:
            if each in self._ends:
                self._ends[each] = ends


@asynccontextmanager
async def held(tools: Tools, jobs: Sequence[Job], lease: Lease) -> AsyncIterator[Held]:
    """Keep the jobs of a batch while they are worked on."""
    found = Held(tools, jobs, lease)
    async with heartbeat(lease.renew_every_seconds, found.renew):
        yield found


def _key(job: Job) -> Key:
    return job.merchant_id, job.kind.value, job.subject_id
