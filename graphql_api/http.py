"""GraphQL over HTTP: https://graphql.github.io/graphql-over-http/draft/ with POST for all and GET for queries.

Where the caller accepts `application/graphql-response+json`, a request that could not be executed answers 400; under
`application/json` such an answer is 200, as that media type's clients expect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.http.ides import get_graphql_ide_html
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from graphql_api.context import Context
from graphql_api.engine import MarketSchema
from graphql_api.errors import answered
from tenancy.principals import Caller

MAX_BODY_BYTES = 1_000_000
MAX_NAME_LENGTH = 200
RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"

ContextFactory = Callable[[Request, Caller], Context]


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks to be executed."""

    query: str
    variables: dict[str, Any]
    operation_name: str | None


class RequestRefused(Exception):
    """A request that is answered without executing anything."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers or {}


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`. Needs the middleware's Caller in `request.state.caller`."""

    def __init__(self, schema: MarketSchema, context_factory: ContextFactory, *, development: bool) -> None:
        self._schema = schema
        self._context_factory = context_factory
        self._page = get_graphql_ide_html().replace("{{SUBSCRIPTION_ENABLED}}", "false") if development else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        response.headers["cache-control"] = "no-store"
        response.headers["vary"] = "Accept, Authorization, X-Merchant"
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        media_type = RESPONSE_JSON
        try:
            if request.method not in ("GET", "POST"):
                raise RequestRefused(405, "Send GraphQL requests by POST, or queries by GET.", {"allow": "GET, POST"})
            page = self._page if request.method == "GET" and "query" not in request.query_params else None
            media_type = _accepted(request, html=page is not None)
            if page is not None and media_type == HTML:
                return HTMLResponse(page)
            asked = await _read_body(request) if request.method == "POST" else _read_query(request)
            return await self._execute(request, asked, media_type)
        except RequestRefused as refused:
            body = orjson.dumps({"errors": [{"message": refused.message, "extensions": {"code": "BAD_REQUEST"}}]})
            shown_as = JSON if media_type == HTML else media_type
            return Response(body, refused.status, refused.headers, shown_as)

    async def _execute(self, request: Request, asked: GraphQLRequest, media_type: str) -> Response:
        prepared = self._schema.prepare(asked.query)
        if prepared.errors:
            return _answer(PreExecutionError(None, prepared.errors), media_type)
        kinds = {
            operation.name.value if operation.name else None: operation.operation for operation in prepared.operations()
        }
        kind = _chosen(kinds, asked.operation_name)
        if kind is OperationType.SUBSCRIPTION:
            raise RequestRefused(400, "Subscriptions are not served over HTTP.")
        if kind is OperationType.MUTATION and request.method != "POST":
            raise RequestRefused(405, "Send mutations by POST.", {"allow": "POST"})
        request.state.operation_name = (asked.operation_name or next(iter(kinds)) or "")[:MAX_NAME_LENGTH]
        result = await self._schema.execute(
            asked.query,
            variable_values=asked.variables,
            context_value=self._context_factory(request, request.state.caller),
            operation_name=asked.operation_name,
        )
        return _answer(result, media_type)


def _chosen(kinds: dict[str | None, OperationType], name: str | None) -> OperationType:
    if name is None and len(kinds) == 1:
        return next(iter(kinds.values()))
    if name is None:
        raise RequestRefused(400, "The document holds several operations: say which by operationName.")
    if name not in kinds:
        raise RequestRefused(400, "The document has no operation of the name given as operationName.")
    return kinds[name]


def _answer(result: ExecutionResult, media_type: str) -> Response:
    errors = result.errors or []
    nothing_ran = isinstance(result, PreExecutionError) or (
        result.data is None and all(error.path is None for error in errors)
    )
    answer: dict[str, Any] = {} if nothing_ran else {"data": result.data}
    if errors:
        answer["errors"] = answered(errors)
    status = 400 if nothing_ran and media_type == RESPONSE_JSON else 200
    return Response(orjson.dumps(answer), status, media_type=media_type)


def _accepted(request: Request, *, html: bool) -> str:
    """The media type to answer with: the one that Accept prefers, the first of ours where it has no preference."""
    offered = (HTML, RESPONSE_JSON, JSON) if html else (RESPONSE_JSON, JSON)
    ranges = dict(_media_range(part) for part in ",".join(request.headers.getlist("accept")).split(",") if part.strip())
    if not ranges:
        return RESPONSE_JSON
    ranked = [(_quality(ranges, media_type), media_type) for media_type in offered]
    # Whoever accepts anything, as most programs do, wants data: the page is for those who name text/html.
    wanted = [(quality, name) for quality, name in ranked if quality > 0 and (name != HTML or HTML in ranges)]
    if not wanted:
        raise RequestRefused(406, f"This endpoint answers as {RESPONSE_JSON} or {JSON}: accept one of them.")
    return max(wanted, key=lambda pair: pair[0])[1]


def _quality(ranges: dict[str, float], media_type: str) -> float:
    major = media_type.partition("/")[0]
    return next((ranges[name] for name in (media_type, f"{major}/*", "*/*") if name in ranges), 0.0)


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, min(max(float(value), 0.0), 1.0)
            except ValueError:
                return name, 0.0
        if key.strip() == "charset" and value.strip(' "') not in ("utf-8", "utf8"):
            return name, 0.0
    return name, 1.0


async def _read_body(request: Request) -> GraphQLRequest:
    name, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.replace('"', "").replace(" ", "")
    if name.strip() != JSON or ("charset=" in charset and "charset=utf-8" not in charset):
        raise RequestRefused(415, f"Send the request as {JSON} in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestRefused(415, "Send the request uncompressed.")
    body = bytearray()
    if _declared_length(request) > MAX_BODY_BYTES:
        raise _too_long()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_long()
    return _parsed(_json(bytes(body), "The body"))


def _declared_length(request: Request) -> int:
    try:
        return int(request.headers.get("content-length", "0"))
    except ValueError as error:
        raise RequestRefused(400, "The header Content-Length is not a number.") from error


def _too_long() -> RequestRefused:
    return RequestRefused(413, f"The body is longer than {MAX_BODY_BYTES} bytes; send less at once.")


def _read_query(request: Request) -> GraphQLRequest:
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise RequestRefused(400, f"The parameter {name[:40]} is given twice; give it once.")
        given[name] = value
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _json(given[name].encode("utf-8", "surrogatepass"), f"The parameter {name}")
    return _parsed(given)


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, f"{what} is not JSON (RFC 8259) in UTF-8.") from error


def _parsed(given: Any) -> GraphQLRequest:
    """The request in parsed JSON. Parameters of other names are ignored, as the specification asks."""
    if not isinstance(given, dict):
        raise RequestRefused(400, 'The body is not a JSON object; send {"query": "…", "variables": {…}}.')
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    if not isinstance(query, str) or not query.strip():
        raise RequestRefused(400, "The parameter query is missing or not a text; send a GraphQL document.")
    if not isinstance(variables, dict | None):
        raise RequestRefused(400, "The parameter variables is not a JSON object.")
    if not isinstance(given.get("extensions"), dict | None):
        raise RequestRefused(400, "The parameter extensions is not a JSON object.")
    if not isinstance(name, str | None) or (name is not None and len(name) > MAX_NAME_LENGTH):
        raise RequestRefused(400, "The parameter operationName is not the name of an operation.")
    if _holds_nul(variables):
        raise RequestRefused(400, "A text in the variables holds the character U+0000; leave it out.")
    return GraphQLRequest(query, variables or {}, name or None)


def _holds_nul(value: Any) -> bool:
    """Whether any text in parsed JSON holds U+0000, which PostgreSQL can't store."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, str) and "\0" in item:
            return True
    return False
