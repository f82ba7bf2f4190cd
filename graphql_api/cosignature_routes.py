"""Where witnesses that nobody can reach hand in their cosignatures: beside the log's files, for those that it names."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from graphql_api import log_routes
from graphql_api.signed_messages import BodyRefused, body_of
from merchantry.domain.note import NoteError, VerifierKey
from merchantry.services import log, log_witnessing
from merchantry.transparency.evidence import signed_checkpoint
from merchantry.transparency.handed_in import HandedIn, NotCosigned
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import CommitUnknown, Database, PlatformSession, PublicSession

PATH: Final = f"{log_routes.PATH}/cosignatures"
ACTOR: Final = "public:witness"
SIZE_TYPE: Final = "text/x.tlog.size"

logger = structlog.get_logger()


def routes(database: Database, policy: WitnessPolicy | None, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """`GET /log/wanted`, the head that witnesses shall cosign now, and `POST /log/cosignatures`; none without a policy.

    Answers to POST: 200 stored (or stored before), 400 no cosigned checkpoint, 403 no cosignature of a witness of the
    policy, 404 another log, 409 and the log's size for a head that it has not signed, 408, 413, 503.
    """
    if policy is None:
        return []

    async def wanted(session: PublicSession, request: Request) -> Response:
        return await log_routes.note(session, await log_witnessing.wanted(session, clock()))

    async def hand_in(request: Request) -> Response:
        try:
            given = HandedIn.parse(await body_of(request), policy)
            async with database.read(ACTOR) as tx, tx.as_platform() as session:
                answer = await _known(session, given)
            if answer is None:
                async with database.write(ACTOR) as tx, tx.as_platform() as session:
                    await _store(session, given, policy, clock())
            return answer or _said(200, "Stored")
        except BodyRefused as refused:
            return _said(refused.status, str(refused))
        except NotCosigned as error:
            return _said(403, str(error))
        except NoteError as error:
            return _said(400, str(error))
        except (SQLAlchemyError, CommitUnknown) as error:
            logger.warning("log.cosignature_not_heard", error=type(error).__name__)
            return _said(503, "Not now: send it again.")

    return [log_routes.route(database, "wanted", wanted), Route(PATH, hand_in, methods=["POST"])]


async def _known(session: PlatformSession, given: HandedIn) -> Response | None:
    """The answer where there is nothing to store: not exactly a head that the log signed, or nothing new about one.

    So whoever sends again what everybody can read costs no more than a reader.
    """
    origin = await log.origin(session)
    if origin is None or given.checkpoint.origin != origin:
        return _said(404, "This is another log")
    head = await log.head(session, given.checkpoint.size)
    if head is None or head.note(origin).text != given.note.text:
        await _look_into(session, given)
        newest = await log.head(session)
        return Response(f"{newest.size if newest else 0}\n", 409, {"content-type": SIZE_TYPE})
    stored = {each.name for each in await log.cosignatures(session, head.size)}
    return _said(200, "Stored") if stored >= {each.cosigned.name for each in given.cosignatures} else None


async def _store(session: PlatformSession, given: HandedIn, policy: WitnessPolicy, now: datetime) -> None:
    size = given.checkpoint.size
    for each in given.cosignatures:
        if await log_witnessing.add_cosignature(session, size, each.signature, each.cosigned.at, policy.is_met, now):
            logger.info("log.confirmed", size=size)


async def _look_into(session: PlatformSession, given: HandedIn) -> None:
    """A head that is not stored and bears the log's own signature: history was shortened, or there are two."""
    keys = [VerifierKey.parse(each) for each in await log.verifiers(session)]
    try:
        signed_checkpoint(given.note, keys)
    except NoteError:
        return
    names = [each.cosigned.name for each in given.cosignatures]
    logger.critical(
        "log.witness_has_another_head", witnesses=names, size=given.checkpoint.size, remedy="merchantry log check"
    )


def _said(status: int, message: str) -> Response:
    return PlainTextResponse(f"{message}\n", status, {"cache-control": "no-store"})
