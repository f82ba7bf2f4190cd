"""Jobs of saved reports: producing their files, and deleting them when their time is over.

A file is written beside its final name, moved there, and only then told of in the database; what a killed worker leaves
is unknown to the database and swept away in time.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4, uuid5
from zoneinfo import ZoneInfo

import structlog

from merchantry.domain.act import Act
from merchantry.domain.errors import MarketError, NotFound
from merchantry.domain.event import EventKind
from merchantry.domain.report_request import ReportRequest
from merchantry.jobs.tools import ACTOR, Job, Tools
from merchantry.services import outbox, queue, report_writing, saved_report
from merchantry.services.report_rows import ReportRows, open_report
from merchantry.services.saved_report import KEPT_FOR, AnySession, ReportFile, SavedReport
from merchantry.tables.platform import NOBODY
from tenancy.database import MerchantSession, Transaction

ATTEMPTS: Final = 5
"""After so many a report is left until it is due again, and its failure is told."""

LEFT_OVER: Final = timedelta(days=1)
PART: Final = ".part"
FAULT: Final = "Something went wrong on our side; it is tried again when it is next due, or when you ask for it."

log = structlog.get_logger()


class NoDirectory(Exception):
    """This process has no directory for reports; another worker produces them."""


@dataclass(frozen=True, slots=True)
class Written:
    """A whole file that is not under its final name yet."""

    path: Path
    rows: int
    size_bytes: int
    sha256: bytes


async def produce(tools: Tools, job: Job) -> None:
    """Write the file of a saved report. What fails is kept on it, tried again, and told once it is given up."""
    directory = _directory(tools)
    async with tools.database.read(ACTOR) as tx, _whose(tx, job.merchant_id) as session:
        zone = await saved_report.mall_zone(session)
        try:
            found = await saved_report.find(session, job.merchant_id, job.subject_id)
        except NotFound:
            found = None
    if found is None:
        await tools.database.run(ACTOR, lambda tx: _finished(tx, job))
        return
    try:
        await _produce(tools, job, found, zone, directory)
    except Exception as error:  # whatever it is, it is told to whoever waits for the report
        is_last = isinstance(error, MarketError) or job.attempts >= ATTEMPTS
        message = error.message if isinstance(error, MarketError) else FAULT
        await tools.database.run(ACTOR, lambda tx: _failed(tx, job, found, message, tools.clock(), last=is_last))
        if not is_last:
            raise
        log.warning("report.given_up", report=str(found.id), exc_info=error)


async def forget(tools: Tools, job: Job) -> None:
    """A file's time is over: it goes first, then what the database says of it."""
    directory = _directory(tools)
    async with tools.database.read(ACTOR) as tx, _whose(tx, job.merchant_id) as session:
        found = await saved_report.file(session, job.merchant_id, job.subject_id)
    if found is not None:
        (directory / saved_report.path_of(found.stored_as)).unlink(missing_ok=True)

    async def work(tx: Transaction) -> None:
        async with _whose(tx, job.merchant_id) as session:
            await saved_report.forget(session, job.merchant_id, job.subject_id)

    await tools.database.run(ACTOR, work)


def _directory(tools: Tools) -> Path:
    if tools.reports is None:
        raise NoDirectory("no directory for reports is set")
    tools.reports.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tools.reports


@asynccontextmanager
async def _whose(tx: Transaction, merchant_id: UUID) -> AsyncIterator[AnySession]:
    """The session of whose report it is."""
    if merchant_id == NOBODY:
        async with tx.as_platform() as platform:
            yield platform
    else:
        async with tx.as_merchant(merchant_id) as session:
            yield session


async def _produce(tools: Tools, job: Job, found: SavedReport, zone: ZoneInfo, directory: Path) -> None:
    _sweep(directory, tools.clock())
    request = found.request(job.due_at, zone)
    owner = None if found.merchant_id == NOBODY else found.merchant_id
    report = await open_report(tools.database, ACTOR, request, owner)
    written = await _written(report, directory)
    final = directory / f"{uuid4().hex}.{found.format}"
    try:
        written.path.rename(final)
        made = _file(found, request, report, written, final.name, job.due_at, tools.clock())
        if not await tools.database.run(ACTOR, lambda tx: _produced(tx, made, job.due_at)):
            final.unlink()
    except BaseException:
        # A commit that was not answered may have happened: the file stays, and is told of or swept.
        written.path.unlink(missing_ok=True)
        raise


async def _written(report: ReportRows, directory: Path) -> Written:
    path = directory / f"{uuid4().hex}{PART}"
    try:
        with path.open("xb") as out:
            path.chmod(0o600)
            rows = await report_writing.write(report, out)
        with path.open("rb") as whole:
            sha256 = await asyncio.to_thread(hashlib.file_digest, whole, "sha256")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Written(path, rows, path.stat().st_size, sha256.digest())


def _file(
    found: SavedReport,
    request: ReportRequest,
    report: ReportRows,
    written: Written,
    stored_as: str,
    due_at: datetime,
    now: datetime,
) -> ReportFile:
    """One file for each time that it is due, however many workers produce it."""
    return ReportFile(
        merchant_id=found.merchant_id,
        id=uuid5(found.id, due_at.isoformat()),
        report_id=found.id,
        name=report_writing.file_name(request),
        format=found.format,
        date_from=request.span.date_from,
        date_to=request.span.date_to,
        as_of=report.as_of,
        row_count=written.rows,
        size_bytes=written.size_bytes,
        sha256=written.sha256,
        stored_as=stored_as,
        produced_at=now,
        expires_at=now + KEPT_FOR,
    )


async def _produced(tx: Transaction, made: ReportFile, due_at: datetime) -> bool:
    async with _whose(tx, made.merchant_id) as session:
        is_kept = await saved_report.produced(session, made, due_at)
        if is_kept and isinstance(session, MerchantSession):
            facts, act = {"report": made.report_id, "file": made.id}, Act(ACTOR, made.produced_at, made.produced_at)
            await outbox.publish(session, EventKind.REPORT_PRODUCED, facts, act, news={"name": made.name})
        return is_kept


async def _failed(tx: Transaction, job: Job, found: SavedReport, message: str, now: datetime, *, last: bool) -> None:
    async with _whose(tx, job.merchant_id) as session:
        await saved_report.failed(session, job.merchant_id, found.id, job.due_at, message, now, last=last)
        if last and isinstance(session, MerchantSession):
            news, act = {"name": found.name, "reason": message}, Act(ACTOR, now, now)
            await outbox.publish(session, EventKind.REPORT_FAILED, {"report": found.id}, act, news=news)


async def _finished(tx: Transaction, job: Job) -> None:
    async with _whose(tx, job.merchant_id) as session:
        await queue.finished(session, job.merchant_id, job.kind, job.subject_id, job.due_at)


def _sweep(directory: Path, now: datetime) -> None:
    """Remove parts of files that a killed worker left, and files that nothing can lead to any more."""
    for path in directory.iterdir():
        kept_for = LEFT_OVER if path.suffix == PART else KEPT_FOR + LEFT_OVER
        with suppress(FileNotFoundError):  # another worker sweeps too
            if now.timestamp() - path.stat().st_mtime > kept_for.total_seconds():
                path.unlink()
