"""How much a document may make validation compare: its work on overlapping fields is quadratic in their number.

graphql-core has a ration of its own, which lasts for some 70 ms; honest documents need a hundredth of it.
"""

from graphql import GraphQLError, OverlappingFieldsCanBeMergedRule, ValidationContext
from graphql.validation.validate import ValidationAbortedError

MAX_COMPARED = 20_000
"""Units of graphql-core's work on overlapping fields, two to five for each two that are compared."""


class Overlaps(OverlappingFieldsCanBeMergedRule):
    """Compares each two fields of one name and each two fragments that stand beside one another, within a ration."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARED


def worded(error: GraphQLError) -> GraphQLError:
    """An error of validation; the one that ends it early says in the library's words nothing to go by."""
    if not isinstance(error, ValidationAbortedError) or "error limit" in error.message:
        return error
    return GraphQLError(
        "The document is too large: the same fields or fragments stand side by side too often. Ask once for each.",
        extensions={"code": "LIMIT_EXCEEDED"},
    )
