"""What an operation costs, known from its text and variables before anything is executed.

An object costs 1, a list its length times what one of its items costs, a root field its weight on top. The length of a
list is its `first`, or that of the connection it belongs to, or the number of `ids` given, else ASSUMED_LENGTH. Edges
are free: what they lead to is counted. Fields that @skip or @include may leave out count.

Each selection set, a fragment's too, is read once for a document and added up once for given variables, so a document
that spreads fragments exponentially costs no more to count than to write. As a fragment may stand in connections of
different lengths, what it costs is kept in two figures: once, and for each item of the connection around it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLOutputType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
)

from graphql_api.limits import spread_first
from graphql_api.relay import DEFAULT_FIRST, MAX_FIRST

ASSUMED_LENGTH = 10
"""Items of a list that says nothing of its length."""
ROOT_WEIGHTS = {OperationType.QUERY: 10, OperationType.MUTATION: 50, OperationType.SUBSCRIPTION: 50}
"""Of each root field: a transaction, and for mutations its commit."""


@dataclass(frozen=True, slots=True)
class _Given:
    """A length that a variable gives: a number, or a list."""

    variable: str
    default: int


_Length = int | _Given
_AROUND = -1
"""Stands for the length of the connection around a selection set."""


@dataclass(frozen=True, slots=True)
class _Objects:
    """A field that leads to objects: ``times`` of them; where they are connections, of ``first`` items each."""

    times: _Length
    weight: int
    first: _Length
    below: "Part"


@dataclass(frozen=True, slots=True)
class Part:
    """A selection set: a weight that is always due, the fields that lead to objects, the fragments spread."""

    fixed: int
    fields: list[_Objects]
    spreads: "list[Part]"


@dataclass(slots=True)
class Sum:
    """Adds a plan up for the variables of a request; ``visits`` counts the parts that it looked at."""

    variables: Mapping[str, Any]
    visits: int = 0
    _known: dict[int, tuple[int, int]] = field(default_factory=dict)

    def of(self, plan: list[Part]) -> int:
        """The cost of a plan's last part. Each part refers to earlier ones only."""
        for part in plan:
            self.visits += 1
            self._known[id(part)] = self._figures(part)
        return self._known[id(plan[-1])][0]

    def _figures(self, part: Part) -> tuple[int, int]:
        """What a part costs once, and on top for each item of the connection around it."""
        once, each = part.fixed, 0
        for spread in part.spreads:
            spread_once, spread_each = self._known[id(spread)]
            once, each = once + spread_once, each + spread_each
        for objects in part.fields:
            below_once, below_each = self._known[id(objects.below)]
            one = objects.weight + below_once + below_each * self._length(objects.first)
            if objects.times == _AROUND:
                each += one
            else:
                once += one * self._length(objects.times)
        return once, each

    def _length(self, length: _Length) -> int:
        if isinstance(length, int):
            return length
        given = self.variables.get(length.variable)
        if isinstance(given, list):
            return len(given)
        return _bounded(given) if isinstance(given, int) else length.default


def plan_of(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> list[Part]:
    """How to count an operation of a valid document, whatever its variables will be."""
    return _Planner(schema, document, operation).plan()


class _Planner:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> None:
        self._schema = schema
        self._operation = operation
        self._fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        self._defaults = {
            definition.variable.name.value: _bounded(int(definition.default_value.value))
            for definition in operation.variable_definitions or ()
            if isinstance(definition.default_value, IntValueNode)
        }
        self._of_fragment: dict[str, Part] = {}
        self._plan: list[Part] = []

    def plan(self) -> list[Part]:
        for name in spread_first(self._fragments):
            fragment = self._fragments[name]
            on = self._schema.get_type(fragment.type_condition.name.value)
            self._of_fragment[name] = self._part(fragment.selection_set, on, self._weight_of(on))
        root = self._schema.get_root_type(self._operation.operation)
        self._part(self._operation.selection_set, root, self._weight_of(root))
        return self._plan

    def _weight_of(self, type_: Any) -> int:
        """What each field of a type costs by itself: nothing, but for root fields."""
        roots = (kind for kind in OperationType if self._schema.get_root_type(kind) is type_)
        return next((ROOT_WEIGHTS[kind] for kind in roots), 0)

    def _part(self, selections: SelectionSetNode, on: Any, weight: int) -> Part:
        fixed, fields, spreads = 0, list[_Objects](), list[Part]()
        pending: list[tuple[SelectionSetNode, Any]] = [(selections, on)]
        while pending:
            below, type_ = pending.pop()
            for node in below.selections:
                if isinstance(node, FieldNode):
                    fixed += weight
                    fields += self._objects(node, type_)
                elif isinstance(node, FragmentSpreadNode):
                    spreads.append(self._of_fragment[node.name.value])
                elif isinstance(node, InlineFragmentNode):
                    condition = node.type_condition
                    narrowed = self._schema.get_type(condition.name.value) if condition else type_
                    pending.append((node.selection_set, narrowed))
        part = Part(fixed, fields, spreads)
        self._plan.append(part)
        return part

    def _objects(self, node: FieldNode, parent: GraphQLCompositeType) -> list[_Objects]:
        """What a field leads to: nothing that costs where it is a value."""
        definition = self._schema.get_field(parent, node.name.value)
        if definition is None or node.selection_set is None:
            return []
        named = get_named_type(definition.type)
        if not is_composite_type(named):
            return []
        below = self._part(node.selection_set, named, 0)
        first = self._argument(node, "first", DEFAULT_FIRST if "first" in definition.args else ASSUMED_LENGTH)
        weight = 0 if named.name.endswith("Edge") else 1
        if not _is_list(definition.type):
            return [_Objects(1, weight, first, below)]
        if parent.name.endswith("Connection") and "first" not in definition.args:
            return [_Objects(_AROUND, weight, ASSUMED_LENGTH, below)]
        return [_Objects(self._argument(node, "ids", first), weight, ASSUMED_LENGTH, below)]

    def _argument(self, node: FieldNode, name: str, otherwise: _Length) -> _Length:
        value: ValueNode | None = next((a.value for a in node.arguments or () if a.name.value == name), None)
        if isinstance(value, IntValueNode):
            return _bounded(int(value.value))
        if isinstance(value, ListValueNode):
            return len(value.values)
        if isinstance(value, VariableNode):
            known = value.name.value
            return _Given(known, self._defaults.get(known, otherwise if isinstance(otherwise, int) else ASSUMED_LENGTH))
        return otherwise


def _is_list(type_: GraphQLOutputType) -> bool:
    inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
    return isinstance(inner, GraphQLList)


def _bounded(length: int) -> int:
    """More than MAX_FIRST is refused when it is executed; less than nothing too."""
    return min(max(length, 0), MAX_FIRST)
