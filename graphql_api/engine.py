"""The schema class that this API is made with: documents are parsed, limited and validated once and then remembered."""

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from inspect import isawaitable
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FloatValueNode,
    GraphQLError,
    GraphQLSchema,
    IntValueNode,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    StringValueNode,
    Visitor,
    parse,
    specified_rules,
    validate,
    visit,
)
from graphql import ExecutionResult as CoreResult
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.validation_rules.maybe_null import MaybeNullValidationRule
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError

from graphql_api.asked import NOTHING, Asked, asked_of
from graphql_api.context import Context
from graphql_api.cost import Part
from graphql_api.execution import compiled_executor
from graphql_api.glossary import describe
from graphql_api.instant import INSTANT
from graphql_api.limits import Limits, exceeded
from graphql_api.money import SCALARS
from graphql_api.overlaps import Overlaps, worded
from graphql_api.problems import PROBLEMS
from graphql_api.trail import WatchedReads, watched

MAX_REMEMBERED_LENGTH = 250_000
"""Characters of remembered documents together. A parsed one takes some hundred times the memory of its text."""


MAX_NUMBER_LENGTH = 400
_LONG_NUMBER = re.compile(rf"[0-9.]{{{MAX_NUMBER_LENGTH}}}")
MAX_VALIDATION_ERRORS = 3
"""Enough to find one's mistake by; each takes time to word, and more of it the more wrong a document is."""
_GENERAL = [Overlaps if rule is OverlappingFieldsCanBeMergedRule else rule for rule in specified_rules]
RULES = (*_GENERAL, MaybeNullValidationRule, OneOfInputValidationRule)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document that has been checked; it may run only where `errors` is empty."""

    text: str
    document: DocumentNode | None
    errors: list[GraphQLError]
    asked: Asked = NOTHING
    plans: dict[str | None, list[Part]] = field(default_factory=dict)
    """How to count the cost of each operation, by its name; filled when an operation is first asked for."""

    def operations(self) -> list[OperationDefinitionNode]:
        """The operations of the document, in its order."""
        definitions = self.document.definitions if self.document else ()
        return [definition for definition in definitions if isinstance(definition, OperationDefinitionNode)]


class _PreparedDocument(SchemaExtension):
    """Hands the schema the document prepared for this text, so that it is neither parsed nor validated again."""

    def on_parse(self) -> Iterator[None]:
        prepared = _prepare(self.execution_context)
        if prepared.document is None:
            raise prepared.errors[0]
        if isinstance(self.execution_context.context, Context):
            self.execution_context.context.asked = prepared.asked
        self.execution_context.graphql_document = prepared.document
        yield

    def on_validate(self) -> Iterator[None]:
        self.execution_context.pre_execution_errors = _prepare(self.execution_context).errors
        yield


def _prepare(context: ExecutionContext) -> Prepared:
    if not isinstance(context.schema, MarketSchema):
        raise TypeError("documents are prepared by a MarketSchema")
    return context.schema.prepare(context.query or "")


class MarketSchema(strawberry.Schema):
    """A schema with our scalars, every problem type, and limits on documents."""

    def __init__(
        self,
        query: type,
        mutation: type | None = None,
        subscription: type | None = None,
        types: Iterable[type] = (),
        limits: Limits = Limits(),
    ) -> None:
        self._limits = limits
        self._prepared: OrderedDict[str, Prepared] = OrderedDict()
        self._remembered_length = 0
        super().__init__(
            query=query,
            mutation=mutation,
            subscription=subscription,
            types=[*types, *PROBLEMS.values()],
            extensions=[WatchedReads, _PreparedDocument],
            execution_context_class=compiled_executor(),
            config=StrawberryConfig(scalar_map={**SCALARS, datetime: INSTANT}),
        )
        describe(self._schema)

    async def run(
        self, prepared: Prepared, name: str | None, variables: dict[str, Any], context: Context
    ) -> ExecutionResult:
        """Run a query or a mutation of a document that may run.

        It is :meth:`execute` without Strawberry's way through extensions, which would take as long as a small query.
        """
        if prepared.document is None:
            raise ValueError("the document is none")
        if self.execution_context_class is StrawberryGraphQLCoreExecutionContext:
            return await self.execute(prepared.text, variables, context, operation_name=name)
        context.asked = prepared.asked
        try:
            executor = self.execution_context_class.build(
                self._schema,
                prepared.document,
                context_value=context,
                raw_variable_values=variables,
                operation_name=name,
                is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
            )
            if isinstance(executor, list):
                return PreExecutionError(data=None, errors=executor)
            result = executor.execute_operation()
            if isawaitable(result):
                result = await result
            if not isinstance(result, CoreResult):
                raise TypeError("an answer comes as a whole")
            await watched(context, prepared.document, variables)
        except Exception as error:
            found = error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            return PreExecutionError(data=None, errors=[found])
        return ExecutionResult(data=result.data, errors=result.errors)

    def execute_as_it_comes(self) -> None:
        """From now on compile nothing: what compiling gains is measured against that."""
        self.execution_context_class = StrawberryGraphQLCoreExecutionContext

    def forget(self) -> None:
        """Remember no document that has been prepared."""
        self._prepared.clear()
        self._remembered_length = 0

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Log nothing here: the answer's errors are logged where they are masked, once and with their ids."""

    @property
    def graphql_schema(self) -> GraphQLSchema:
        """The schema as graphql-core knows it."""
        return self._schema

    def prepare(self, text: str, *, suggesting: bool = True) -> Prepared:
        """The document of this text, checked. What may run is remembered, the latest used the longest.

        ``suggesting`` says whether errors may tell which names were probably meant.
        """
        prepared = self._prepared.get(text)
        if prepared is not None:
            self._prepared.move_to_end(text)
            return prepared
        prepared = self._check(text, suggesting=suggesting)
        if not prepared.errors:
            self._remember(text, prepared)
        return prepared

    def _remember(self, text: str, prepared: Prepared) -> None:
        self._prepared[text] = prepared
        self._remembered_length += len(text)
        while self._remembered_length > MAX_REMEMBERED_LENGTH and len(self._prepared) > 1:
            forgotten, _ = self._prepared.popitem(last=False)
            self._remembered_length -= len(forgotten)

    def _check(self, text: str, *, suggesting: bool) -> Prepared:
        limits = self._limits
        try:
            document = parse(
                text, max_tokens=limits.tokens, max_source_length=limits.length, max_comments=limits.tokens
            )
            errors = exceeded(document, limits) or _unfit_values(text, document)
            errors = errors or self._invalid(document, suggesting=suggesting)
            return Prepared(text, document, errors, NOTHING if errors else asked_of(document))
        except GraphQLError as error:
            return Prepared(text, None, [error])

    def _invalid(self, document: DocumentNode, *, suggesting: bool) -> list[GraphQLError]:
        errors = validate(
            self._schema,
            document,
            RULES,
            max_errors=MAX_VALIDATION_ERRORS,
            hide_suggestions=not suggesting,
            allow_empty_selection_sets=False,
        )
        return [worded(error) for error in errors]


def _unfit_values(text: str, document: DocumentNode) -> list[GraphQLError]:
    """What no argument can hold: PostgreSQL stores no NUL, and Python reads no number of thousands of digits."""
    if "\\u" not in text and "\0" not in text and not _LONG_NUMBER.search(text):
        return []
    visitor = _UnfitFinder()
    visit(document, visitor)
    return visitor.errors[:1]


class _UnfitFinder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.errors: list[GraphQLError] = []

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        if "\0" in node.value:
            self.errors.append(GraphQLError("A text holds the character U+0000; leave it out.", nodes=node))

    def enter_int_value(self, node: IntValueNode, *_: object) -> None:
        self._check_length(node)

    def enter_float_value(self, node: FloatValueNode, *_: object) -> None:
        self._check_length(node)

    def _check_length(self, node: IntValueNode | FloatValueNode) -> None:
        if len(node.value) > MAX_NUMBER_LENGTH:
            self.errors.append(GraphQLError(f"A number has more than {MAX_NUMBER_LENGTH} digits.", nodes=node))
