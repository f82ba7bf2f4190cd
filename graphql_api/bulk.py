"""Rows that are done many at once: each has a result of its own."""

import strawberry

from graphql_api.problems import ProblemCode
from merchantry.services.bulk import Refused


@strawberry.type(description="A row that did nothing, and why. The other rows are as if it had not been sent.")
class RowRefused:
    row: int = strawberry.field(description="Its place among the rows, from 0.")
    code: ProblemCode
    message: str
    path: list[str] = strawberry.field(description="What of the row caused it; at most 10 steps.")

    @staticmethod
    def of(row: int, refused: Refused) -> "RowRefused":
        """The refusal as it is kept."""
        return RowRefused(row=row, code=ProblemCode(refused.code), message=refused.message, path=list(refused.path))
