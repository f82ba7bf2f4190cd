"""Which fields a client selected below the current one, found by our own walk.

Strawberry's `info.selected_fields` ignores @skip and @include and is exponential in nested fragments.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import strawberry
from graphql import (
    BooleanValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionNode,
    VariableNode,
)


def wanted(info: strawberry.Info[Any, Any], *path: str) -> set[str]:
    """Names of the selected fields (not their aliases) below the current field, or below `path` under it.

    Fields that @skip or @include leave out are not counted; a path that is not selected gives an empty set.
    """
    fragments, variables = info._raw_info.fragments, info.variable_values
    nodes: Sequence[FieldNode] = info._raw_info.field_nodes
    for step in path:
        nodes = _below(nodes, fragments, variables).get(step, [])
    return set(_below(nodes, fragments, variables))


def selects_anywhere(info: strawberry.Info[Any, Any], name: str) -> bool:
    """Whether a field of this name is selected anywhere below the current one; each fragment is entered once."""
    fragments, variables = info._raw_info.fragments, info.variable_values
    pending = list(info._raw_info.field_nodes)
    entered: set[str] = set()
    while pending:
        for selection in _included_below(pending.pop(), fragments, variables, entered):
            if selection.name.value == name:
                return True
            pending.append(selection)
    return False


def _included_below(
    field: FieldNode,
    fragments: Mapping[str, FragmentDefinitionNode],
    variables: Mapping[str, Any],
    entered: set[str],
) -> Iterator[FieldNode]:
    sets = [field.selection_set] if field.selection_set else []
    while sets:
        for selection in sets.pop().selections:
            if not _included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                sets.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in entered:
                entered.add(selection.name.value)
                sets.append(fragments[selection.name.value].selection_set)


def _below(
    nodes: Sequence[FieldNode], fragments: Mapping[str, FragmentDefinitionNode], variables: Mapping[str, Any]
) -> dict[str, list[FieldNode]]:
    """The fields one level below these nodes by name, each fragment entered once."""
    found: dict[str, list[FieldNode]] = {}
    entered: set[str] = set()
    pending: list[Iterator[SelectionNode]] = [iter(n.selection_set.selections) for n in nodes if n.selection_set]
    while pending:
        for selection in pending.pop():
            if not _included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                found.setdefault(selection.name.value, []).append(selection)
            elif isinstance(selection, InlineFragmentNode):
                pending.append(iter(selection.selection_set.selections))
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in entered:
                entered.add(selection.name.value)
                pending.append(iter(fragments[selection.name.value].selection_set.selections))
    return found


def _included(selection: SelectionNode, variables: Mapping[str, Any]) -> bool:
    for directive in selection.directives or ():
        if directive.name.value in ("skip", "include") and directive.arguments:
            condition = _condition(directive.arguments[0].value, variables)
            if condition is (directive.name.value == "skip"):
                return False
    return True


def _condition(value: object, variables: Mapping[str, Any]) -> bool:
    """The value of the one argument `if`; validation has made sure that it is a boolean or a variable that is one."""
    if isinstance(value, VariableNode):
        return bool(variables.get(value.name.value))
    return isinstance(value, BooleanValueNode) and value.value
