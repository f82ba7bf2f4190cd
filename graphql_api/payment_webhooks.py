"""Where payment providers tell what became of charges: signed webhooks, each of which has its effect once.

Answers say nothing of what exists: 401 to whom is not the provider, 202 to the provider for what is not known here.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.domain.act import Act
from merchantry.gateways.payment import MessageUnreadable, PaymentGateway
from merchantry.gateways.webhook_signature import Secrets, SignatureRefused
from merchantry.services import payment_message
from tenancy.database import CommitUnknown, Database

PATH: Final = "/webhooks/payments"
MAX_BODY_BYTES: Final = 65_536
BODY_SECONDS: Final = 10.0

log = structlog.get_logger()


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def routes(
    database: Database,
    gateways: Mapping[str, PaymentGateway],
    secrets: Mapping[str, Secrets],
    clock: Callable[[], datetime],
) -> Sequence[BaseRoute]:
    """`POST /webhooks/payments/{provider}`: 200 done (or done before), 202 nothing to do, 401, 408, 413, 422, 503."""

    async def hear(request: Request) -> Response:
        name = request.path_params["provider"]
        try:
            body = await _body(request)
            message_id = secrets.get(name, Secrets(())).verify(request.headers, body, clock())
            told = gateways[name].told(body)
        except _Refused as refused:
            return _said(refused.status, str(refused))
        except (SignatureRefused, KeyError) as error:
            log.info("payment_webhook.refused", reason=str(error) if isinstance(error, SignatureRefused) else "unknown")
            return _said(401, "The message is not signed with a secret that is in force, or not just now.")
        except MessageUnreadable as error:
            log.warning("payment_webhook.unreadable", provider=name, reason=str(error))
            return _said(422, "The message has another form than this provider's have.")
        if told is None:
            return _said(202, "There is nothing to do.")
        act = Act(f"system:{name}", clock(), clock(), request_id=request.state.request_id)
        try:
            known = await database.run(act.actor, lambda tx: payment_message.hear(tx, name, message_id, told, act))
        except (SQLAlchemyError, CommitUnknown) as error:  # it comes again, and has its effect then
            log.warning("payment_webhook.not_heard", payment=str(told.key), error=type(error).__name__)
            return _said(503, "Not now: send it again.", {"retry-after": "5"})
        return _said(200, "Done.") if known else _said(202, "There is nothing to do.")

    return [Route(f"{PATH}/{{provider}}", hear, methods=["POST"])]


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise _Refused(413, f"The body is longer than {MAX_BODY_BYTES} bytes.")
    except TimeoutError:
        raise _Refused(408, "The body took too long to arrive.") from None
    except ClientDisconnect:
        raise _Refused(400, "The body ended early.") from None
    return bytes(body)


def _said(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"message": message}, status, {"cache-control": "no-store", **(headers or {})})
