"""What the routes that answer files have in common: headers, and refusals in the form of GraphQL's errors."""

from typing import Any, Final

import orjson
from graphql import GraphQLError
from starlette.responses import Response

from graphql_api.access import NoMerchantSelected
from graphql_api.errors import NotAuthenticated
from graphql_api.negotiation import JSON
from merchantry.domain.errors import MarketError, NotFound, NotPermitted

HEADERS: Final = {
    "cache-control": "no-store",
    "vary": "Authorization, X-Merchant",
    "x-content-type-options": "nosniff",
}
STATUSES: Final[dict[type[Exception], int]] = {
    NotAuthenticated: 401,
    NoMerchantSelected: 400,
    NotPermitted: 403,
    NotFound: 404,
}


def attached(name: str) -> dict[str, str]:
    """Headers of a file of this name."""
    return {**HEADERS, "content-disposition": f'attachment; filename="{name}"'}


def refused(error: GraphQLError | MarketError) -> Response:
    """A request that can't be answered: what is wrong, where, and what to send instead."""
    extensions: dict[str, Any] = dict(getattr(error, "extensions", None) or {})
    if isinstance(error, MarketError):
        extensions = {"code": error.code}
        if error.path:
            extensions["path"] = [str(step) for step in error.path]
    return errors(STATUSES.get(type(error), 400), {"message": error.message, "extensions": extensions})


def errors(status: int, error: dict[str, Any]) -> Response:
    """One error under a status."""
    headers = dict(HEADERS)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(orjson.dumps({"errors": [error]}), status, headers, JSON)
