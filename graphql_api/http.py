"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/ with POST for all and GET for queries.

Where the caller accepts `application/graphql-response+json`, a request that could not be executed answers 400, and one
that has data and errors 294; under `application/json` both are 200, as that media type's clients expect.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html

from graphql_api import events
from graphql_api.answer import answer_of
from graphql_api.asking import GraphQLRequest, RequestRefused, read_body, read_query
from graphql_api.connected import while_connected
from graphql_api.context import Context
from graphql_api.door import Door, Operation, Payer, cost_shown
from graphql_api.negotiation import EVENTS, HTML, JSON, RESPONSE_JSON, media_ranges, preferred
from graphql_api.origin import refuse_forged
from tenancy.principals import Caller

COST_HEADER = "x-merchantry-cost"
"""Whoever sends it is shown `extensions.cost`."""

ContextFactory = Callable[[HTTPConnection, Caller], Context]


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`. Needs the middleware's Caller in `request.state.caller`."""

    def __init__(self, door: Door, context_factory: ContextFactory) -> None:
        self._door = door
        self._context_factory = context_factory
        page = get_graphql_ide_html().replace("{{SUBSCRIPTION_ENABLED}}", "true")
        self._page = page if door.rules.development else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        response.headers["cache-control"] = "no-store"
        response.headers["vary"] = "Accept, Accept-Language, Authorization, X-Merchant"
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        media_type = JSON
        try:
            if request.method not in ("GET", "POST"):
                raise RequestRefused(405, "Send GraphQL requests by POST, or queries by GET.", {"allow": "GET, POST"})
            ranges = media_ranges(request)
            if self._page is not None and _is_for_the_page(request, ranges):
                return HTMLResponse(self._page)
            # Whoever accepts anything is probably a client of old, who would not know the newer type.
            offered = (RESPONSE_JSON, JSON) if RESPONSE_JSON in ranges else (JSON, RESPONSE_JSON)
            accepted = preferred(ranges, offered)
            media_type = accepted or JSON
            if accepted is None and not ranges.get(EVENTS):
                raise RequestRefused(406, f"This endpoint answers as {RESPONSE_JSON} or {JSON}: accept one of them.")
            asked = await read_body(request) if request.method == "POST" else read_query(request)
            return await self._answer(request, asked, accepted, ranges)
        except RequestRefused as refused:
            await self._door.hold_back(refused)
            status = 200 if refused.well_formed and media_type == JSON else refused.status
            return Response(orjson.dumps({"errors": refused.errors}), status, refused.headers, media_type)

    async def _answer(
        self, request: Request, asked: GraphQLRequest, accepted: str | None, ranges: dict[str, float]
    ) -> Response:
        if request.method == "GET":
            refuse_forged(request, self._door.rules.allowed_origins)
        payer = Payer.of(request.state.caller, request.client.host if request.client else "")
        operation = self._door.read(asked, payer)
        request.state.operation_name = operation.name or ""
        if operation.kind is not OperationType.QUERY and request.method != "POST":
            raise RequestRefused(405, "Send mutations and subscriptions by POST.", {"allow": "POST"})
        if operation.kind is OperationType.SUBSCRIPTION:
            if not ranges.get(EVENTS):
                raise RequestRefused(406, f"Subscriptions are answered as {EVENTS}: accept it, or use a WebSocket.")
            self._door.charge(payer, operation.cost)
            context = self._context_factory(request, request.state.caller)
            lost = partial(request.state.loss, request.scope["headers"], request.state.caller)
            return await events.stream(self._door, operation, payer, context, lost)
        if accepted is None:
            raise RequestRefused(406, f"Only subscriptions are answered as {EVENTS}: accept {RESPONSE_JSON}.")
        return await self._execute(request, operation, payer, accepted)

    async def _execute(self, request: Request, operation: Operation, payer: Payer, media_type: str) -> Response:
        standing = self._door.charge(payer, operation.cost)
        is_query = operation.kind is OperationType.QUERY
        context = self._context_factory(request, request.state.caller)
        context.takes_written = is_query
        watching = while_connected(request.receive) if is_query else nullcontext()
        async with watching, self._door.admitted(payer, operation.cost):
            result = await self._door.execute(operation, context)
        answer, status = answer_of(result, suggesting=self._door.rules.development)
        if standing and COST_HEADER in request.headers:
            answer["extensions"] = {"cost": cost_shown(operation.cost, standing)}
        shown_status = status if media_type == RESPONSE_JSON else 200
        return Response(orjson.dumps(answer), shown_status, media_type=media_type)


def _is_for_the_page(request: Request, ranges: dict[str, float]) -> bool:
    """Whoever accepts anything, as most programs do, wants data: the page is for those who name text/html."""
    if request.method != "GET" or HTML not in ranges or "query" in request.query_params:
        return False
    return preferred(ranges, (HTML, RESPONSE_JSON, JSON)) == HTML
