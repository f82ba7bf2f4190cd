"""The pages behind links in mails. GET asks and changes nothing, since programs look at links before people do; POST
does it, as a press of the button or of a mail program's own (RFC 8058)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.languages.language import chosen
from merchantry.mail import words
from merchantry.mail.letters import PARAMETER, PATH, page
from merchantry.services import mail_link
from merchantry.services.mail_link import Link
from merchantry.services.vault import Vault
from tenancy.database import Database, Transaction

ACTOR: Final = "mail-link"
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex",
}


def routes(database: Database, vault: Vault, clock: Callable[[], datetime]) -> Sequence[BaseRoute]:
    """`/mail?link=`: 200, and 404 for whatever is no link that is in force."""

    async def ask(request: Request) -> Response:
        async with database.read(ACTOR) as tx, tx.as_platform() as session:
            link = await mail_link.read(session, vault, _token(request))
        if link is None:
            return _unknown(request)
        text = words.PAGE_CONFIRM if link.confirms else words.PAGE_STOP
        return HTMLResponse(page(text, link.language, words.BUTTON), headers=HEADERS)

    async def follow(request: Request) -> Response:
        async def work(tx: Transaction) -> Link | None:
            async with tx.as_platform() as session:
                return await mail_link.follow(session, vault, _token(request), clock())

        link = await database.run(ACTOR, work)
        if link is None:
            return _unknown(request)
        return HTMLResponse(
            page(words.PAGE_CONFIRMED if link.confirms else words.PAGE_STOPPED, link.language), headers=HEADERS
        )

    return [
        Route(PATH, ask, methods=["GET"]),
        Route(PATH, follow, methods=["POST"]),
    ]


def _token(request: Request) -> str:
    return request.query_params.get(PARAMETER, "")


def _unknown(request: Request) -> Response:
    language = chosen(None, request.headers.get("accept-language"))
    return HTMLResponse(page(words.PAGE_UNKNOWN, language), 404, headers=HEADERS)
