"""The ASGI application: request log, tenancy, the GraphQL endpoint, and health."""

import re
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import structlog
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from graphql_api import documents, report_routes
from graphql_api.door import Door, Rules
from graphql_api.engine import MarketSchema
from graphql_api.errors import log_fault
from graphql_api.http import COST_HEADER, ContextFactory, GraphQLEndpoint
from graphql_api.invoice import PATH
from graphql_api.leaving import Leaving
from graphql_api.metrics import REQUESTS
from graphql_api.origin import PROVING_HEADERS
from graphql_api.websocket import SocketEndpoint
from tenancy.middleware import OnRefused, TenancyMiddleware, Verifier
from tenancy.principals import Directory

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")

log = structlog.get_logger()


def create_app(
    *,
    schema: MarketSchema,
    directory: Directory,
    verifier: Verifier,
    mall_domain: str,
    rules: Rules,
    readiness: Callable[[], Awaitable[bool]],
    context_factory: ContextFactory,
    reports: Path | None = None,
    on_refused: OnRefused | None = None,
    lifespan: Lifespan[Starlette] | None = None,
    extra_routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application: `/graphql`, `/documents`, `/reports`, `/health/live`, `/health/ready` and the extra routes.

    ``reports`` is the directory that workers write saved reports to.
    """
    leaving = Leaving()
    door = Door(schema, rules, leaving)
    app = Starlette(
        routes=[
            Route("/graphql", GraphQLEndpoint(door, context_factory)),
            WebSocketRoute("/graphql", SocketEndpoint(door, context_factory)),
            *documents.routes(context_factory),
            *report_routes.routes(context_factory, reports),
            Route("/health/live", _live),
            Route("/health/ready", _ready(readiness, leaving)),
            *extra_routes,
        ],
        middleware=[
            Middleware(RequestLog, leaving=leaving),
            *_cross_origin(rules.allowed_origins),
            Middleware(
                TenancyMiddleware,
                directory=directory,
                verifier=verifier,
                mall_domain=mall_domain,
                prefixes=("/graphql", PATH, report_routes.PATH),
                on_refused=on_refused,
            ),
        ],
        lifespan=lifespan,
    )
    app.state.leaving = leaving
    return app


def _cross_origin(allowed: Collection[str]) -> list[Middleware]:
    """What tells browsers that pages of these origins may call the API (https://fetch.spec.whatwg.org/#cors-protocol)."""
    if not allowed:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=sorted(allowed),
        allow_methods=("GET", "POST"),
        allow_headers=("authorization", "content-type", "x-merchant", COST_HEADER, "x-request-id", *PROVING_HEADERS),
        expose_headers=("x-request-id", "retry-after"),
    )
    return [cors]


async def _live(request: Request) -> Response:
    return JSONResponse({"status": "live"})


def _ready(readiness: Callable[[], Awaitable[bool]], leaving: Leaving) -> Callable[[Request], Awaitable[Response]]:
    async def ready(request: Request) -> Response:
        is_ready = not leaving and await readiness()
        return JSONResponse({"status": "ready"}) if is_ready else JSONResponse({"status": "not ready"}, 503)

    return ready


class RequestLog:
    """Gives every request an id, which its log lines and its answer bear, and logs one line about it at its end.

    Logged are method, path, status, time, merchant and operation name; never headers, queries, variables or answers.
    What nobody caught below is answered here, masked. While the process is leaving, connections end with their answer:
    one that was accepted at the last moment would otherwise be served on, and be cut in the end.
    """

    def __init__(self, app: ASGIApp, leaving: Leaving) -> None:
        self._app = app
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope))
        state = scope["state"] = {**scope.get("state", {}), "request_id": request_id}
        answered_with: dict[str, int] = {}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered_with["status"] = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                if self._leaving:
                    headers["connection"] = "close"
            await send(message)

        started = time.perf_counter()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                fault_id = log_fault(error)
                if scope["type"] == "websocket" or answered_with:
                    raise
                await _internal_error(fault_id)(scope, receive, send_with_id)
            finally:
                _log_request(scope, state, answered_with, time.perf_counter() - started)


def _request_id(headers: Headers) -> str:
    given = headers.getlist("x-request-id")
    return given[0] if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]) else str(uuid4())


def _internal_error(fault_id: str) -> Response:
    error = {"message": "Internal error", "extensions": {"code": "INTERNAL", "id": fault_id}}
    return Response(orjson.dumps({"errors": [error]}), 500, media_type="application/json")


def _log_request(scope: Scope, state: dict[str, Any], answered_with: dict[str, int], seconds: float) -> None:
    if scope["type"] == "http":
        REQUESTS.labels(answered_with.get("status", 499)).inc()
    caller = state.get("caller")
    merchant = caller.merchant.slug if caller and caller.merchant else None
    log.info(
        "request",
        method=scope.get("method", "WEBSOCKET"),
        path=scope["path"],
        status=answered_with.get("status"),
        ms=round(seconds * 1000, 1),
        merchant=merchant,
        operation=state.get("operation_name"),
    )
