"""The answer to an operation, as every transport sends it."""

import re
from typing import Any

from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from graphql_api.errors import answered

PARTIAL_SUCCESS = 294
MAX_REFUSALS = 10
"""Mistakes told of a request that was not run, in its variables for instance: it must not be answered at length."""
_SUGGESTION = re.compile(r" Did you mean [^?]*\?")


def answer_of(result: ExecutionResult, *, suggesting: bool) -> tuple[dict[str, Any], int]:
    """The answer, and the status that says how it went: 200, 294 where data has errors beside it, 400 without data.

    ``suggesting`` says whether errors may tell which names were probably meant.
    """
    found = result.errors or []
    nothing_ran = isinstance(result, PreExecutionError) or (
        result.data is None and all(error.path is None for error in found)
    )
    errors = answered(found[:MAX_REFUSALS] if nothing_ran else found)
    answer: dict[str, Any] = {} if nothing_ran else {"data": result.data}
    if errors:
        answer["errors"] = errors if suggesting else [_without_suggestion(error) for error in errors]
    return answer, 400 if nothing_ran else PARTIAL_SUCCESS if errors else 200


def _without_suggestion(error: dict[str, Any]) -> dict[str, Any]:
    return {**error, "message": _SUGGESTION.sub("", error["message"])}
