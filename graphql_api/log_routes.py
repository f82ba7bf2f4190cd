"""The public log as files: heads and tiles as others' tools read them (C2SP tlog-checkpoint, tlog-tiles)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.domain.tile import Tile
from merchantry.services import log
from tenancy.database import Database, PublicSession

PATH: Final = "/log"
ACTOR: Final = "public:log"
FOR_EVER: Final = "public, max-age=31536000, immutable"
FOR_A_MOMENT: Final = "public, max-age=1"

Answer = Callable[[PublicSession, Request], Awaitable[Response]]


def routes(database: Database) -> Sequence[BaseRoute]:
    """`/log/checkpoint`, `/log/confirmed`, `/log/keys` and `/log/tile/…`; for everybody."""
    return [
        route(database, "checkpoint", _checkpoint),
        route(database, "confirmed", _confirmed),
        route(database, "keys", _keys),
        route(database, "{tile:path}", _tile),
    ]


def route(database: Database, path: str, answer: Answer) -> Route:
    """A file of the log."""

    async def answered(request: Request) -> Response:
        async with database.read(ACTOR) as tx, tx.as_public() as session:
            response = await answer(session, request)
        response.headers["access-control-allow-origin"] = "*"
        return response

    return Route(f"{PATH}/{path}", answered)


async def _checkpoint(session: PublicSession, request: Request) -> Response:
    """The newest head, with the cosignatures that it has by now."""
    return await note(session, await log.head(session))


async def _confirmed(session: PublicSession, request: Request) -> Response:
    """The newest head that a quorum of witnesses has cosigned."""
    size = await log.confirmed_size(session)
    return await note(session, None if size is None else await log.head(session, size))


async def note(session: PublicSession, head: log.Head | None) -> Response:
    """A head, with the cosignatures that it has by now."""
    name = await log.origin(session)
    if head is None or name is None:
        return _missing("The log has no such head yet")
    signed = head.note(name).signed(await log.cosignatures(session, head.size))
    return PlainTextResponse(str(signed), headers={"cache-control": FOR_A_MOMENT})


async def _keys(session: PublicSession, request: Request) -> Response:
    """The keys that the log signs with or has signed with, one in a line."""
    keys = await log.verifiers(session)
    return PlainTextResponse("".join(f"{key}\n" for key in keys), headers={"cache-control": FOR_A_MOMENT})


async def _tile(session: PublicSession, request: Request) -> Response:
    try:
        tile = Tile.parse(request.path_params["tile"])
    except ValueError:
        return _missing("There is no such tile")
    head = await log.head(session)
    body = None if head is None else await log.tile_body(session, tile, head.size)
    if body is None:
        return _missing("The log has no such tile yet")
    return Response(body, media_type="application/octet-stream", headers={"cache-control": FOR_EVER})


def _missing(message: str) -> Response:
    return PlainTextResponse(f"{message}\n", 404, headers={"cache-control": FOR_A_MOMENT})
