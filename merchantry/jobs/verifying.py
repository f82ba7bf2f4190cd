"""Verifying everything: the log, each entry and event in it, every merchant's books, and what guards them."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import psycopg

from merchantry.services.log_entries import verify_entries
from merchantry.services.log_events import verify_events
from merchantry.services.log_verification import LogVerified, verify_log
from merchantry.services.verification import Verified, verify_books
from merchantry.tables.blueprint import MERCHANT_TABLES, PLATFORM_TABLES
from merchantry.transparency.trust import Trust
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.security import Deviation, deviations

LOG = "log"
Progress = Callable[[str, int, int], None]
"""Told which part, how much of it is done, and of how much."""


def no_progress(part: str, done: int, total: int) -> None:
    """Tells nobody."""


@dataclass
class Report:
    """What a look has come to; parts that were not asked for are None or empty."""

    log: LogVerified | None = None
    merchants: int = 0
    entries: int = 0
    verified: list[Verified] = field(default_factory=list)
    deviations: Sequence[Deviation] = ()

    def broken(self) -> Iterator[dict[str, str]]:
        """Every law that is broken: whose, which, where, what was computed and what is stored."""
        of_log = [Verified(LOG, 0, self.log.broken)] if self.log else []
        for each in (*of_log, *self.verified):
            for broken in each.broken:
                yield {"merchant": each.merchant, **asdict(broken), "law": str(broken.law)}

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any(self.broken()) and not self.deviations

    def document(self) -> dict[str, Any]:
        """The report as JSON values; hashes are hexadecimal."""
        return {
            "clean": self.is_clean,
            "log": None
            if self.log is None
            else {"size": str(self.log.size), "root": self.log.root.hex(), "heads": self.log.heads},
            "merchants": self.merchants,
            "entries": self.entries,
            "broken": list(self.broken()),
            "deviations": [asdict(each) for each in self.deviations],
        }


async def look_at_log(
    database: Database,
    merchants: Sequence[tuple[UUID, str]],
    trust: Trust,
    report: Report,
    progress: Progress = no_progress,
) -> None:
    """The log itself, then each merchant's entries and the audit trail in it. Raises MirrorError."""
    report.log = await verify_log(database, trust, progress=lambda done, total: progress("Leaves", done, total))
    report.verified.append(await verify_events(database))
    report.merchants = len(merchants)
    done = 0
    async for each in verify_entries(database, merchants):
        report.verified.append(each)
        report.entries += each.entries
        progress("Entries, by merchant", done := done + 1, len(merchants))


async def look_at_books(
    database: Database, merchants: Sequence[tuple[UUID, str]], report: Report, progress: Progress = no_progress
) -> None:
    """Every merchant's books."""
    report.merchants, entries, done = len(merchants), 0, 0
    async for each in verify_books(database, merchants):
        report.verified.append(each)
        entries += each.entries
        progress("Books, by merchant", done := done + 1, len(merchants))
    report.entries = max(report.entries, entries)


async def look_at_guards(logins: Logins, report: Report) -> None:
    """Grants, policies, roles."""
    report.deviations = await asyncio.to_thread(_deviations, logins)


def _deviations(logins: Logins) -> list[Deviation]:
    with psycopg.connect(logins.owner) as connection:
        connection.read_only = True
        return sorted(deviations(connection, PLATFORM_TABLES, MERCHANT_TABLES))
