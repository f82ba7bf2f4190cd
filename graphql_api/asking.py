"""What a client asks, read from a request: https://graphql.github.io/graphql-over-http/draft/ with POST and GET."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request

from graphql_api.negotiation import JSON

MAX_BODY_BYTES = 1_000_000
MAX_QUERY_STRING_BYTES = 16_000
MAX_NAME_LENGTH = 200
BODY_SECONDS = 15.0
"""How long a body may take to arrive."""


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client asks to be executed: a document, or what a document is known by, or both."""

    query: str | None
    variables: dict[str, Any] = field(default_factory=dict)
    operation_name: str | None = None
    document_id: str | None = None
    sha256: str | None = None
    """The hash of automatic persisted queries: `extensions.persistedQuery.sha256Hash`."""


class RequestRefused(Exception):
    """A request that is answered without executing anything.

    ``well_formed`` says that it was a GraphQL request, whose failing `application/json` answers with 200.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: dict[str, str] | None = None,
        *,
        code: str = "BAD_REQUEST",
        extensions: dict[str, Any] | None = None,
        well_formed: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.well_formed = well_formed
        self.errors: list[dict[str, Any]] = [{"message": message, "extensions": {"code": code, **(extensions or {})}}]


class DocumentRefused(RequestRefused):
    """A well-formed request whose document can't be run."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(400, str(errors[0]["message"]), well_formed=True)
        self.errors = errors


async def read_body(request: Request) -> GraphQLRequest:
    """What a POST asks. Raises RequestRefused."""
    name, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.replace('"', "").replace(" ", "")
    if name.strip() != JSON or ("charset=" in charset and "charset=utf-8" not in charset):
        raise RequestRefused(415, f"Send the request as {JSON} in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestRefused(415, "Send the request uncompressed.")
    if _declared_length(request) > MAX_BODY_BYTES:
        raise _too_long()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _received(request)
    except TimeoutError as error:
        raise RequestRefused(408, f"The body took longer than {BODY_SECONDS:.0f} seconds to arrive.") from error
    return parsed(_json(body, "The body"))


async def _received(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _too_long()
    return bytes(body)


def _declared_length(request: Request) -> int:
    try:
        return int(request.headers.get("content-length", "0"))
    except ValueError as error:
        raise RequestRefused(400, "The header Content-Length is not a number.") from error


def _too_long() -> RequestRefused:
    return RequestRefused(413, f"The body is longer than {MAX_BODY_BYTES} bytes; send less at once.")


def read_query(request: Request) -> GraphQLRequest:
    """What a GET asks. Raises RequestRefused."""
    if len(request.scope["query_string"]) > MAX_QUERY_STRING_BYTES:
        raise RequestRefused(414, f"The address is longer than {MAX_QUERY_STRING_BYTES} bytes; send it by POST.")
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise RequestRefused(400, f"The parameter {name[:40]} is given twice; give it once.")
        given[name] = value
    for name in ("variables", "extensions"):
        if given.get(name):
            given[name] = _json(given[name].encode("utf-8", "surrogatepass"), f"The parameter {name}")
    return parsed({name: value for name, value in given.items() if value != ""})


def _json(text: bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, f"{what} is not JSON (RFC 8259) in UTF-8.") from error


def parsed(given: Any) -> GraphQLRequest:
    """The request in parsed JSON. Parameters of other names are ignored, as the specification asks."""
    if isinstance(given, list):
        raise RequestRefused(400, "Requests are not taken in batches: send one JSON object a request.")
    if not isinstance(given, dict):
        raise RequestRefused(400, 'The body is not a JSON object; send {"query": "…", "variables": {…}}.')
    query, variables, name = given.get("query"), given.get("variables"), given.get("operationName")
    document_id, sha256 = given.get("documentId"), _sha256(given.get("extensions"))
    if not isinstance(query, str | None):
        raise RequestRefused(400, "The parameter query is not a text; send a GraphQL document.")
    if not isinstance(document_id, str | None):
        raise RequestRefused(400, "The parameter documentId is not a text.")
    if not (query or "").strip() and not document_id and not sha256:
        raise RequestRefused(400, "The parameter query is missing; send a GraphQL document.")
    if not isinstance(variables, dict | None):
        raise RequestRefused(400, "The parameter variables is not a JSON object.")
    if not isinstance(name, str | None) or (name is not None and len(name) > MAX_NAME_LENGTH):
        raise RequestRefused(400, "The parameter operationName is not the name of an operation.")
    if variables and _holds_nul(variables):
        raise RequestRefused(400, "A text in the variables holds the character U+0000; leave it out.")
    return GraphQLRequest(query or None, variables or {}, name or None, document_id or None, sha256)


def _sha256(extensions: Any) -> str | None:
    """The hash of the protocol of automatic persisted queries, version 1. Raises RequestRefused."""
    if extensions is None:
        return None
    if not isinstance(extensions, dict):
        raise RequestRefused(400, "The parameter extensions is not a JSON object.")
    persisted = extensions.get("persistedQuery")
    if persisted is None:
        return None
    if not isinstance(persisted, dict) or persisted.get("version") != 1:
        raise RequestRefused(400, "PersistedQueryNotSupported", code="PERSISTED_QUERY_NOT_SUPPORTED")
    sha256 = persisted.get("sha256Hash")
    if not isinstance(sha256, str) or len(sha256) != 64:
        raise RequestRefused(400, "persistedQuery.sha256Hash is not the SHA-256 of a document in hexadecimal.")
    return sha256.lower()


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
