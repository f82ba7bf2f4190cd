"""From a request's host, header and token to its Caller, once, before anything else looks at it.

Unknown, suspended and foreign merchants, and whatever names a merchant in a way that could be read in two ways, get one
and the same refusal, so that it says nothing about which merchants exist.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

import orjson
import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from tenancy.issuers import KeysUnavailable
from tenancy.machine_tokens import GUEST_PREFIX, PREFIX
from tenancy.metrics import TOKENS_REFUSED
from tenancy.principals import ANONYMOUS, Caller, Directory, Merchant, Principal
from tenancy.tokens import Claims, TokenRefused

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HOST = re.compile(
    r"(?P<name>[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_-])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_REFUSED = orjson.dumps(
    {"errors": [{"message": "No such merchant for this token.", "extensions": {"code": "MERCHANT_REFUSED"}}]}
)
_UNAUTHENTICATED = orjson.dumps(
    {
        "errors": [
            {
                "message": "The bearer token is not accepted. Send 'Authorization: Bearer <token>' with one that is "
                "meant for this server and has not expired; its issuer has a new one.",
                "extensions": {"code": "UNAUTHENTICATED"},
            }
        ]
    }
)
_UNAVAILABLE = orjson.dumps(
    {
        "errors": [
            {
                "message": "The token's issuer can't be asked for its keys at present. Repeat in a moment.",
                "extensions": {"code": "ISSUER_UNAVAILABLE"},
            }
        ]
    }
)

log = structlog.get_logger()


class Verifier(Protocol):
    """Knows whether a token is an issuer's."""

    async def claims(self, token: str) -> Claims:
        """What a token says that is accepted. Raises TokenRefused, KeysUnavailable."""
        ...


OnRefused = Callable[[Principal, str, str | None], Awaitable[None]]
"""Told who asked, which merchant was named, and the request's id."""


RETRY_SECONDS = 1.0
CHECKS = 2
"""Connections that are looked at again at once, after somebody's rights have changed."""


class Loss(Enum):
    """Why a connection that lasts must end. The values are told."""

    EXPIRED = "Token expired"
    RIGHTS = "Forbidden"


class MerchantRefused(Exception):
    """The one refusal, of whatever names no merchant that the caller may act for."""


class TenancyMiddleware:
    """Puts a :class:`Caller` in `scope["state"]["caller"]` of every request below the given path prefixes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        directory: Directory,
        verifier: Verifier,
        mall_domain: str,
        prefixes: Collection[str] = ("/graphql",),
        on_refused: OnRefused | None = None,
    ) -> None:
        """``on_refused`` is told of somebody who named a merchant that is not there or not theirs, alike."""
        self._app = app
        self._directory = directory
        self._verifier = verifier
        self._domain = "." + mall_domain.lower().strip(".")
        self._on_refused = on_refused
        self._checks = asyncio.Semaphore(CHECKS)
        self._prefixes = tuple(prefix.rstrip("/") for prefix in prefixes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or not self._guards(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            caller = await self.caller(scope["headers"], scope.get("state", {}).get("request_id"))
        except MerchantRefused:
            await _refuse(scope, receive, send, 403, _REFUSED)
            return
        except KeysUnavailable:
            await _refuse(scope, receive, send, 503, _UNAVAILABLE)
            return
        except TokenRefused:
            await _refuse(scope, receive, send, 401, _UNAUTHENTICATED)
            return
        scope.setdefault("state", {})["caller"] = caller
        if scope["type"] == "websocket":
            scope["state"]["identify"] = self.caller  # browsers can't send headers with a WebSocket: it asks later
        scope["state"]["loss"] = self.loss
        await self._app(scope, receive, send)

    def _guards(self, path: str) -> bool:
        return any(path == prefix or path.startswith(prefix + "/") for prefix in self._prefixes)

    async def caller(self, headers: Collection[tuple[bytes, bytes]], request_id: str | None = None) -> Caller:
        """Who these headers say is calling. Raises MerchantRefused, TokenRefused."""
        token = _bearer_token(_single(headers, b"authorization"))
        slug = self._slug(_single(headers, b"host"), _single(headers, b"x-merchant"))
        try:
            by_token = None if token is None else await self._by_token(token)
        except TokenRefused as refusal:
            TOKENS_REFUSED.inc()
            log.info("token.refused", reason=refusal.reason)
            raise
        # Both look-ups come before any decision, so that a foreign merchant takes as long as an unknown one.
        merchant = None if slug is None else await self._directory.merchant_by_slug(slug)
        caller = Caller(ANONYMOUS, None) if by_token is None else await self._principal_of(by_token)
        if slug is not None and not _may_act(caller.principal, merchant):
            if self._on_refused and not caller.principal.is_anonymous:
                await self._on_refused(caller.principal, slug, request_id)
            raise MerchantRefused
        return replace(caller, merchant=merchant)

    async def _by_token(self, token: str) -> Claims | Principal:
        if token.startswith(PREFIX):
            return await self._directory.machine(token)
        if token.startswith(GUEST_PREFIX):
            return await self._directory.guest(token)
        return await self._verifier.claims(token)

    async def _principal_of(self, found: Claims | Principal) -> Caller:
        if isinstance(found, Principal) and found.guest:
            return Caller(found, None, "guest", found.guest.expires_at)
        if isinstance(found, Principal):
            return Caller(found, None, "machine", found.machine.expires_at if found.machine else None)
        principal = await self._directory.principal(found.issuer, found.subject, found.email)
        client = f"token:{found.token_id}" if found.token_id else "token"
        return Caller(principal, None, client, found.expires_at)

    async def loss(self, headers: Collection[tuple[bytes, bytes]], caller: Caller) -> Loss:
        """Wait until the caller of a connection is no longer who it was when it came: the token has ended, or merchant
        or rights have changed. Nobody in particular stays so for ever."""
        if caller.principal.is_anonymous:
            await asyncio.Event().wait()
        remaining = None if caller.expires_at is None else (caller.expires_at - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(remaining):
                with self._directory.watching(caller.principal, caller.merchant) as woken:
                    woken.set()  # something may have changed before anybody watched
                    while True:
                        await woken.wait()
                        woken.clear()
                        if await self._differs(headers, caller):
                            return Loss.RIGHTS
        except TimeoutError:
            return Loss.EXPIRED

    async def _differs(self, headers: Collection[tuple[bytes, bytes]], caller: Caller) -> bool:
        """Whether these headers now say something else. Where nobody can tell, it is found out later."""
        while True:
            try:
                async with self._checks:
                    return await self.caller(headers) != caller
            except (MerchantRefused, TokenRefused):
                return True
            except Exception as error:  # the database or an issuer is away: nothing is delivered meanwhile
                log.warning("connection.not_checked", error=type(error).__name__)
                await asyncio.sleep(RETRY_SECONDS)

    def _slug(self, host: str | None, header: str | None) -> str | None:
        """The merchant that host and header name, if any; refused where they disagree or one is malformed."""
        named = [slug for slug in (self._slug_of_host(host), header) if slug is not None]
        if not named:
            return None
        if len(set(named)) > 1 or not _SLUG.fullmatch(named[0]):
            raise MerchantRefused
        return named[0]

    def _slug_of_host(self, host: str | None) -> str | None:
        if host is None:
            return None
        match = _HOST.fullmatch(host)
        if match is None:
            raise MerchantRefused
        name = match["name"].lower()
        return name.removesuffix(self._domain) if name.endswith(self._domain) else None


def _single(headers: Collection[tuple[bytes, bytes]], name: bytes) -> str | None:
    """The value of a header that may come once at most: of two, proxies and servers disagree which one counts."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise MerchantRefused
    return values[0].decode("latin-1") if values else None


def _bearer_token(authorization: str | None) -> str | None:
    if authorization is None:
        return None
    match = _BEARER.fullmatch(authorization)
    if match is None:
        raise TokenRefused("malformed")
    return match[1]


def _may_act(principal: Principal, merchant: Merchant | None) -> bool:
    return merchant is not None and merchant.is_admitted and merchant.id in principal.memberships


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, body: bytes) -> None:
    if scope["type"] == "websocket":
        await receive()  # websocket.connect; closing before accepting answers the handshake with 403
        await send({"type": "websocket.close", "code": 1008})
        return
    headers = [_JSON, _NO_STORE, (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
    if status == 503:
        headers.append((b"retry-after", b"10"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
