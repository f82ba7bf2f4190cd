"""Everything is verified once a day; what is wrong becomes a case, a line of the log and a figure.

After the log each merchant is a step of its own, written down before the next: a verification that was stopped or
killed goes on behind the last.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted

from merchantry.domain.act import Act
from merchantry.domain.verification import VerificationStatus, last_due
from merchantry.jobs import verifying
from merchantry.jobs.heartbeat import heartbeat
from merchantry.jobs.tools import Tools
from merchantry.jobs.verifying import Report
from merchantry.services import verification_case, verification_run
from merchantry.services.log_entries import verify_entries
from merchantry.services.lost_books import ALL
from merchantry.services.mall import mall_zone
from merchantry.services.verification import verify_books
from merchantry.services.verification_run import Finding, TakenOver, Verification
from merchantry.tables.platform import NOBODY
from merchantry.transparency.trust import Trust
from tenancy.database import CommitLost, CommitUnknown

ACTOR: Final = "system:verify"
LOOK_EVERY_SECONDS: Final = 60.0
TELL_EVERY_SECONDS: Final = 10.0
UNREADABLE: Final = "what is stored can be read"
RIGHTS: Final = "rights are as they are declared"
AWAY: Final = (OperationalError, InterfaceError, PoolExhausted, CommitUnknown, CommitLost, OSError)
"""What says nothing of the books: the database was away. The step is done again."""

log = structlog.get_logger()


class Stopped(Exception):
    """The worker ends; somebody goes on with the rest."""


async def verify_forever(tools: Tools, stop: asyncio.Event, *, look_every_seconds: float = LOOK_EVERY_SECONDS) -> None:
    """Verify once a day until ``stop`` is set; of several workers one does it. At once over where it is turned off."""
    if tools.verify_at is None or tools.log_keys is None:
        return
    while not stop.is_set():
        try:
            await verify_if_due(tools, stop.is_set)
        except (Stopped, TakenOver) as error:
            log.info("verification.left", reason=type(error).__name__)
        except Exception as error:  # the next look may go well, and nobody else verifies
            log.exception("verification.failed", error=type(error).__name__)
        try:
            async with asyncio.timeout(look_every_seconds):
                await stop.wait()
        except TimeoutError:
            continue


async def verify_if_due(tools: Tools, is_ended: Callable[[], bool] = lambda: False) -> Verification | None:
    """Verify where the time of day has come since the last one. None where nothing is due, or somebody is at it.

    Raises Stopped once ``is_ended``, TakenOver.
    """
    if tools.verify_at is None:
        return None
    now = tools.clock()
    async with tools.database.read(ACTOR) as tx, tx.as_platform() as session:
        before = await verification_run.last_started_at(session)
        due = last_due(now, tools.verify_at, await mall_zone(session))
    return await verify(tools, is_ended) if before is not None and before < due else None


async def verify(tools: Tools, is_ended: Callable[[], bool] = lambda: False) -> Verification | None:
    """Verify now, or go on with a verification that nobody is at. None where somebody is.

    Raises Stopped once ``is_ended``, TakenOver.
    """
    async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
        begun = await verification_run.begin(session, uuid4(), tools.clock())
    if begun is None:
        return None
    walk = _Walk(tools, begun, is_ended)
    async with heartbeat(TELL_EVERY_SECONDS, walk.beat):
        await walk.go()
        await walk.finish()
    return walk.run


@dataclass
class _Walk:
    """How far the look has come."""

    tools: Tools
    run: Verification
    is_ended: Callable[[], bool]

    async def beat(self) -> None:
        async with self.tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            await verification_run.beat(session, self.run, self.tools.clock())

    async def go(self) -> None:
        if self.run.after_id is None:
            await self._look_at_log()
        async with self.tools.database.read(ACTOR) as tx, tx.as_platform() as session:
            merchants = await verification_run.merchants_after(session, self.run.after_id or NOBODY)
        for merchant_id, slug in merchants:
            self._refuse_when_ended()
            await self._look_at_merchant(merchant_id, slug)

    async def finish(self) -> None:
        now = self.tools.clock()
        async with self.tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            case_id = await verification_case.ask(session, self.run, Act(ACTOR, now, now))
            self.run = await verification_run.finish(session, self.run, case_id, now)
        run, figures = self.run, {"merchants": self.run.merchants_done, "entries": self.run.entries}
        if run.status is VerificationStatus.BROKEN:
            log.critical("verification.broken", findings=run.broken, case=str(run.case_id), **figures)
        else:
            log.info("verification.clean", size=run.log_size, **figures)

    async def _look_at_log(self) -> None:
        report = Report()
        keys = self.tools.log_keys
        trust = Trust(keys.verifiers if keys else ())

        async def look() -> None:
            await verifying.look_at_log(self.tools.database, [], trust, report, self._refuse_when_ended)
            await verifying.look_at_guards(self.tools.database.logins, report)

        unread = await self._read(verifying.LOG, "the log", look)
        broken = [
            Finding(each["merchant"], each["law"], each["row"], each["expected"], each["found"])
            for each in report.broken()
        ]
        rights = [Finding("platform", RIGHTS, each.where, "no deviation", each.what) for each in report.deviations]
        figures: dict[str, Any] = {}
        if report.log is not None:
            figures = {"log_size": report.log.size, "log_root": report.log.root, "heads": report.log.heads}
        await self._add([*broken, *rights, *unread], after_id=NOBODY, **figures)

    async def _look_at_merchant(self, merchant_id: UUID, slug: str) -> None:
        """What a restore lacks and nobody has given up yet has a case of its own."""
        findings, entries = list[Finding](), 0

        async def look() -> None:
            nonlocal entries
            for looking in (verify_entries, verify_books):
                async for each in looking(self.tools.database, [(merchant_id, slug)], accepted=ALL):
                    entries = max(entries, each.entries)
                    findings.extend(Finding(slug, str(b.law), b.row, b.expected, b.found) for b in each.broken)

        is_skipped = not await self._is_readable(merchant_id)
        if not is_skipped:
            unread = await self._read(slug, "its books", look)
            is_skipped = bool(unread) and not await self._is_readable(merchant_id)  # a restore began meanwhile
            findings.extend(unread)
        done, skipped = self.run.merchants_done, self.run.merchants_skipped
        figures = {"merchants_skipped": skipped + 1} if is_skipped else {"merchants_done": done + 1}
        read = self.run.entries + (0 if is_skipped else entries)
        await self._add([] if is_skipped else findings, after_id=merchant_id, entries=read, **figures)

    async def _read(self, whose: str, what: str, look: Callable[[], Awaitable[None]]) -> list[Finding]:
        """Look, and find that something can't even be read: a look that fails is no clean one."""
        try:
            await look()
        except (Stopped, *AWAY):
            raise
        except Exception as error:  # whatever a tampered row provokes, the others are looked at, and it is told
            log.exception("verification.unreadable", whose=whose, error=type(error).__name__)
            return [Finding(whose, UNREADABLE, what, "rows", f"{type(error).__name__}: {error}")]
        return []

    async def _is_readable(self, merchant_id: UUID) -> bool:
        async with self.tools.database.read(ACTOR) as tx, tx.as_platform() as session:
            return await verification_run.is_readable(session, merchant_id)

    async def _add(self, findings: list[Finding], **figures: Any) -> None:
        async with self.tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            self.run = await verification_run.add(session, self.run, findings, self.tools.clock(), **figures)

    def _refuse_when_ended(self, *progress: object) -> None:
        if self.is_ended():
            raise Stopped
