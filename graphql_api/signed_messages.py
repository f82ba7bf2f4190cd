"""Messages that others post, signed with a secret that both know: what all of their doors have in common."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from merchantry.domain.act import Act
from merchantry.domain.errors import MerchantQuarantined, MerchantRestoring
from merchantry.gateways.payment import MessageUnreadable
from merchantry.gateways.webhook_signature import Secrets, SignatureRefused
from tenancy.database import CommitUnknown

MAX_BODY_BYTES: Final = 65_536
BODY_SECONDS: Final = 10.0
NOT_NOW: Final = (SQLAlchemyError, CommitUnknown, MerchantRestoring, MerchantQuarantined)
"""What passes: the message comes again, and has its effect then."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was signed by the sender of this name."""

    sender: str
    id: str
    body: bytes


class BodyRefused(Exception):
    """A body is too long, too slow, or ends early; the status says which."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def route(
    path: str,
    secrets: Mapping[str, Secrets],
    clock: Callable[[], datetime],
    carry_out: Callable[[Message, Act], Awaitable[Response]],
) -> BaseRoute:
    """`POST {path}/{sender}`: what ``carry_out`` answers to a message that is signed, or 401, 408, 413, 422, 503.

    ``carry_out`` raises MessageUnreadable for a message of another form, and one of ``NOT_NOW``.
    """

    async def hear(request: Request) -> Response:
        sender = request.path_params["sender"]
        try:
            body = await body_of(request)
            message_id = secrets.get(sender, Secrets(())).verify(request.headers, body, clock())
            act = Act(f"system:{sender}", clock(), clock(), request_id=request.state.request_id)
            return await carry_out(Message(sender, message_id, body), act)
        except BodyRefused as refused:
            return said(refused.status, str(refused))
        except SignatureRefused as error:
            log.info("signed_message.refused", door=path, reason=str(error))
            return said(401, "The message is not signed with a secret that is in force, or not just now.")
        except MessageUnreadable as error:
            log.warning("signed_message.unreadable", door=path, sender=sender, reason=str(error))
            return said(422, "The message has another form than this sender's have.")
        except NOT_NOW as error:
            log.warning("signed_message.not_heard", door=path, sender=sender, error=type(error).__name__)
            return said(503, "Not now: send it again.", {"retry-after": "5"})

    return Route(f"{path}/{{sender}}", hear, methods=["POST"])


def said(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer that nobody keeps."""
    return JSONResponse({"message": message}, status, {"cache-control": "no-store", **(headers or {})})


async def body_of(request: Request) -> bytes:
    """The whole body of a message, which is short. Raises BodyRefused: 400, 408, 413."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise BodyRefused(413, f"The body is longer than {MAX_BODY_BYTES} bytes.")
    except TimeoutError:
        raise BodyRefused(408, "The body took too long to arrive.") from None
    except ClientDisconnect:
        raise BodyRefused(400, "The body ended early.") from None
    return bytes(body)
