"""Reports as files. What is asked for is read and sent page by page; what a worker produced is sent as it is.

With a merchant selected (by host or X-Merchant) its staff get its own; without one the platform's people get all.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, TypeVar
from uuid import UUID

import structlog
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from graphql_api import access, downloads
from graphql_api.context import Context
from graphql_api.downloads import attached
from graphql_api.http import ContextFactory
from graphql_api.relay import parse_id
from graphql_api.trail import write_reads
from merchantry.domain.errors import InvalidInput, MarketError, NotFound
from merchantry.domain.permission import Permission
from merchantry.domain.report_kind import ReportFormat, ReportKind
from merchantry.domain.report_request import ReportRequest, Span, choose
from merchantry.domain.worded import Worded
from merchantry.services import report_writing, saved_report
from merchantry.services.report_rows import ReportRows, open_report
from merchantry.services.report_writing import MEDIA_TYPES
from merchantry.services.saved_report import ReportFile
from merchantry.tables.platform import NOBODY

log = structlog.get_logger()

PATH: Final = "/reports"
PARAMETERS: Final = ("from", "to", "columns", "merchants", "currency", "statuses")
SHEETS_AT_ONCE: Final = 2
"""A sheet is put together before it is sent."""

CHUNK_BYTES: Final = 65_536
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads, and whose rows: a merchant's, or the platform's where it is None."""

    actor: str
    merchant_id: UUID | None

    @property
    def owner(self) -> UUID:
        """Whose saved reports these are."""
        return self.merchant_id or NOBODY


class _Gone(Exception):
    """The client did not wait."""


def reader(context: Context) -> Reader:
    """Raises NotAuthenticated, NoMerchantSelected, NotPermitted."""
    caller = context.caller
    if caller.merchant is not None or not caller.principal.platform_roles:
        of_merchant = access.of_merchant(context, Permission.REPORT_READ)
        return Reader(of_merchant.act.actor, of_merchant.merchant_id)
    return Reader(access.of_platform(context, Permission.PLATFORM_REPORT_READ).act.actor, None)


def routes(context_factory: ContextFactory, directory: Path | None) -> Sequence[BaseRoute]:
    """The routes of reports. They need the middleware's Caller, as `/graphql` does."""
    turns = asyncio.Semaphore(SHEETS_AT_ONCE)

    async def stream(request: Request) -> Response:
        return await _streamed(request, context_factory(request, request.state.caller), turns)

    async def download(request: Request) -> Response:
        return await _downloaded(request, context_factory(request, request.state.caller), directory)

    return [Route(f"{PATH}/files/{{id}}", _refusing(download)), Route(f"{PATH}/{{kind}}.{{format}}", _refusing(stream))]


def _refusing(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answered(request: Request) -> Response:
        try:
            return await answer(request)
        except (MarketError, GraphQLError) as error:
            return downloads.refused(error)
        except _Gone:
            return Response(status_code=499)

    return answered


async def _streamed(request: Request, context: Context, turns: asyncio.Semaphore) -> Response:
    who = reader(context)
    asked = requested(request)
    await write_reads(context, request.url.path)
    report = await open_report(context.database, who.actor, asked, who.merchant_id)
    headers = {
        **attached(report_writing.file_name(asked)),
        "x-report-as-of": report.as_of.isoformat(),
        "x-report-snapshot": "one" if report.is_one_snapshot else "page",
    }
    media_type = MEDIA_TYPES[asked.format]
    if request.method == "HEAD":
        return Response(headers=headers, media_type=media_type)
    if asked.format is ReportFormat.CSV:
        return StreamingResponse(await _begun(report_writing.chunks(report)), headers=headers, media_type=media_type)
    async with turns:
        sheet = await _unless_gone(request, _sheet(report))
    return StreamingResponse(_pieces(sheet), headers=headers, media_type=media_type)


async def _begun(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, of which the first is there: what fails at once is answered as an error, not as a torn file."""
    first = await anext(chunks)

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_of_them()


async def _sheet(report: ReportRows) -> BinaryIO:
    sheet = TemporaryFile()  # noqa: SIM115 - it is closed by whoever sends it
    try:
        await report_writing.write(report, sheet)
    except BaseException:
        sheet.close()
        raise
    sheet.seek(0)
    return sheet


async def _pieces(sheet: BinaryIO) -> AsyncIterator[bytes]:
    with sheet:
        while piece := await asyncio.to_thread(sheet.read, CHUNK_BYTES):
            yield piece


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work, and stop it where the client does not wait for it."""
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise _Gone
        return task.result()
    finally:
        gone.cancel()
        task.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def requested(request: Request) -> ReportRequest:
    """What path and parameters ask for. Raises InvalidInput, UnknownCurrency."""
    kind, format_ = request.path_params["kind"], request.path_params["format"]
    if kind not in set(ReportKind):
        reason = Worded(
            "There is no report {kind}; ask for one of {kinds}.", kind=kind[:40], kinds=", ".join(ReportKind)
        )
        raise InvalidInput(reason=reason, path=("kind",))
    if format_ not in set(ReportFormat):
        raise InvalidInput(
            reason=Worded("Reports are written as {formats}.", formats=" or ".join(ReportFormat)),
            path=("format",),
        )
    given = _parameters(request)
    choice = choose(
        ReportKind(kind),
        _list(given.get("columns")) or (),
        merchants=_list(given.get("merchants")),
        currency=given.get("currency"),
        statuses=_list(given.get("statuses")) or (),
    )
    return ReportRequest(choice, Span(_day(given, "from"), _day(given, "to")), ReportFormat(format_))


def _parameters(request: Request) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in PARAMETERS:
            reason = Worded(
                "There is no parameter {name}; give of {parameters}.", name=name[:40], parameters=", ".join(PARAMETERS)
            )
            raise InvalidInput(reason=reason, path=(name[:40],))
        if name in given:
            raise InvalidInput(
                reason=Worded("The parameter {name} is given twice; give it once.", name=name), path=(name,)
            )
        given[name] = value
    return given


def _list(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def _day(given: dict[str, str], name: str) -> date:
    text = given.get(name, "")
    try:
        if _DAY.fullmatch(text, endpos=40):
            return date.fromisoformat(text)
    except ValueError:
        pass  # as wrong as what does not look like a day
    raise InvalidInput(reason=Worded("Give {name} as a day such as 2026-03-01.", name=name), path=(name,))


async def _downloaded(request: Request, context: Context, directory: Path | None) -> Response:
    who = reader(context)
    found = await _file(context, who, request.path_params["id"])
    await write_reads(context, request.url.path)
    path = None if directory is None else directory / saved_report.path_of(found.stored_as)
    if path is None or not await asyncio.to_thread(path.is_file):
        log.error("report.file_missing", stored_as=found.stored_as, hint="workers and servers need one directory")
        raise NotFound(what="report file on this server")
    headers = {**attached(found.name), "x-report-as-of": found.as_of.isoformat()}
    return FileResponse(path, media_type=MEDIA_TYPES[found.format], headers=headers)


async def _file(context: Context, who: Reader, text: str) -> ReportFile:
    """The reader's own file. Raises NotFound, alike for what is somebody else's, expired, or no id at all."""
    parsed = parse_id(text)
    found = None
    if parsed is not None and parsed[0] == "ReportFile" and len(parsed[1]) == 2 and parsed[1][0] == who.owner:
        async with context.database.read(who.actor) as tx:
            if who.merchant_id is None:
                async with tx.as_platform() as platform:
                    found = await saved_report.file(platform, NOBODY, parsed[1][1])
            else:
                async with tx.as_merchant(who.merchant_id) as session:
                    found = await saved_report.file(session, who.merchant_id, parsed[1][1])
    if found is None or found.expires_at <= context.clock():
        raise NotFound(what="report file")
    return found
