"""The `errors` of an answer: the caller's own mistakes stay readable, faults of ours are masked under an id."""

from typing import Any
from uuid import uuid4

import structlog
from graphql import GraphQLError

from graphql_api.metrics import FAULTS
from graphql_api.outages import outage
from merchantry.domain.errors import MarketError

# Messages quote what they complain of: a short request must not be answered at length.
MAX_MESSAGE_LENGTH = 1000
MAX_LOCATIONS = 5

log = structlog.get_logger()


class NotAuthenticated(GraphQLError):
    """Nobody is signed in, and the field needs somebody."""

    def __init__(self) -> None:
        super().__init__(
            "Sign in first: send the header 'Authorization: Bearer <token>'.", extensions={"code": "UNAUTHENTICATED"}
        )


class Forbidden(GraphQLError):
    """Whoever is signed in lacks a right that the field needs."""

    def __init__(self, permission: str) -> None:
        super().__init__(
            f"This needs the permission {permission}; ask for a role that has it.",
            extensions={"code": "FORBIDDEN", "permission": permission},
        )


def answered(errors: list[GraphQLError]) -> list[dict[str, Any]]:
    """The errors as they are answered. What nobody expected is logged whole and shown as an id only."""
    return [_answered(error) for error in errors]


def _answered(error: GraphQLError) -> dict[str, Any]:
    cause = _cause(error)
    cause = cause and (outage(cause) or cause)
    shown: dict[str, Any] = dict(error.formatted)
    shown["message"] = error.message[:MAX_MESSAGE_LENGTH]
    if "locations" in shown:
        shown["locations"] = shown["locations"][:MAX_LOCATIONS]
    if isinstance(cause, MarketError):
        shown["message"] = cause.message
        shown["extensions"] = {"code": cause.code, "path": [str(step) for step in cause.path]}
    elif cause is not None:
        shown["message"] = "Internal error"
        shown["extensions"] = {"code": "INTERNAL", "id": log_fault(cause, path=error.path)}
    return shown


def _cause(error: GraphQLError) -> BaseException | None:
    """What was raised behind a GraphQL error; None where the error itself was meant for the caller.

    A bad variable carries a GraphQL error as its original, so only the innermost original tells. A bare GraphQL error
    that belongs to a field but to no place in the document comes from a value of ours that its scalar can't represent.
    """
    innermost = error
    while isinstance(innermost.original_error, GraphQLError):
        innermost = innermost.original_error
    if innermost.original_error is None and type(innermost) is GraphQLError and error.path and not innermost.nodes:
        return innermost
    return innermost.original_error


def log_fault(cause: BaseException, **facts: object) -> str:
    """Log an error that nobody expected, with its traceback, and give the id that leads to it."""
    fault_id = str(uuid4())
    FAULTS.inc()
    log.error("fault", id=fault_id, exc_info=cause, **facts)
    return fault_id
