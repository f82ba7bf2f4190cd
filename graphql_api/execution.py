"""graphql-core's executor, which hands selections of plain attributes to functions compiled once for each document."""

import weakref
from collections import OrderedDict
from typing import Any, ClassVar

from graphql import (
    DirectiveNode,
    GraphQLAbstractType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    Node,
    OperationDefinitionNode,
    Undefined,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.collect_fields import FieldDetailsList, FragmentDetails
from graphql.execution.values import VariableValues
from graphql.pyutils import Path
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graphql_api.compilation import Compiler
from graphql_api.context import Context

MAX_VARIANTS = 16
"""Truths of one operation's conditions that are remembered, the latest used the longest."""


class Plans:
    """What is compiled of one schema's operations. It holds no operation, and forgets what belongs to one that is gone.

    Whoever remembers parsed documents so bounds this too.
    """

    def __init__(self) -> None:
        self._operations: dict[int, _Variants] = {}

    def __len__(self) -> int:
        """How many operations something is compiled of."""
        return len(self._operations)

    def sizes(self) -> list[int]:
        """Of how many truths of its conditions each operation is compiled."""
        return [len(variants.compilers) for variants in self._operations.values()]

    def compiler(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        variables: VariableValues,
    ) -> Compiler:
        """The compiler of an operation, for the truth that its conditions have with these variables."""
        key = id(operation)
        variants = self._operations.get(key)
        if variants is None:
            variants = self._operations[key] = _Variants(schema, operation, fragments)
            weakref.finalize(operation, self._operations.pop, key, None)
        return variants.compiler(variables)


class _Variants:
    """The compilers of one operation by the truth of its conditions."""

    def __init__(
        self, schema: GraphQLSchema, operation: OperationDefinitionNode, fragments: dict[str, FragmentDetails]
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._names = _conditions([operation, *(fragment.definition for fragment in fragments.values())])
        self.compilers: OrderedDict[tuple[object, ...], Compiler] = OrderedDict()

    def compiler(self, variables: VariableValues) -> Compiler:
        truth = tuple([variables.coerced.get(name) for name in self._names])
        compiler = self.compilers.get(truth)
        if compiler is None:
            compiler = Compiler(self._schema, self._fragments, self._only_conditions(variables))
            self.compilers[truth] = compiler
            while len(self.compilers) > MAX_VARIANTS:
                self.compilers.popitem(last=False)
        elif len(self.compilers) > 1:
            self.compilers.move_to_end(truth)
        return compiler

    def _only_conditions(self, variables: VariableValues) -> VariableValues:
        """Nothing else of a request is kept."""
        sources = {name: variables.sources[name] for name in self._names if name in variables.sources}
        coerced = {name: variables.coerced[name] for name in self._names if name in variables.coerced}
        return VariableValues(sources, coerced)


class _Conditions(Visitor):
    """Collects the variables in @skip and @include."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def enter_directive(self, node: DirectiveNode, *_: object) -> None:
        if node.name.value in ("skip", "include"):
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    self.names[argument.value.name.value] = None


def _conditions(nodes: list[Node]) -> list[str]:
    found = _Conditions()
    for node in nodes:
        visit(node, found)
    return list(found.names)


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Completes lists and objects by compiled functions, and by itself whatever these don't expect.

    The answer is graphql-core's: errors and where they are, how far nulls spread, and the order of keys.
    """

    plans: ClassVar[Plans]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._compiler: Compiler | None = None
        is_watched = self.middleware_manager is not None and self.middleware_manager.middlewares
        if not is_watched and self.abort_signal is None:
            self._compiler = self.plans.compiler(self.schema, self.operation, self.fragments, self.variable_values)
            if isinstance(self.context_value, Context):
                self.context_value.compiler = self._compiler

    def _compiled(self, type_: GraphQLOutputType, fields: FieldDetailsList, position: Any, value: Any) -> Any:
        """What is answered of the value; Undefined where graphql-core has to find out."""
        if self._compiler is None or position is not None:
            return Undefined
        try:
            return self._compiler.complete(type_, fields, value)
        except Exception:  # whatever it is, graphql-core meets it again and tells of it
            return Undefined

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """As graphql-core's."""
        answer = self._compiled(return_type, field_details_list, position_context, result)
        if answer is not Undefined:
            return answer
        return super().complete_list_value(return_type, field_details_list, info, path, result, position_context)

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """As graphql-core's."""
        answer = self._compiled(return_type, field_details_list, position_context, result)
        if answer is not Undefined:
            return answer
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def complete_abstract_value(
        self,
        return_type: GraphQLAbstractType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """As graphql-core's."""
        answer = self._compiled(return_type, field_details_list, position_context, result)
        if answer is not Undefined:
            return answer
        return super().complete_abstract_value(return_type, field_details_list, info, path, result, position_context)


def compiled_executor() -> type[CompiledExecutor]:
    """An executor class with plans of its own, for one schema."""
    return type("CompiledExecutor", (CompiledExecutor,), {"plans": Plans()})
