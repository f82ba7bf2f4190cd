"""What a document asks for, by the names of its fields, found once and remembered with the document."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    value_from_ast_untyped,
    visit,
)

MAX_ROOTS = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """Every field's name, and those of the first two levels as ``platform.payouts``; of all operations together."""

    fields: frozenset[str] = frozenset()
    roots: tuple[str, ...] = ()


NOTHING = Asked()


def asked_of(document: DocumentNode) -> Asked:
    """What a valid document asks for."""
    names = _Names()
    visit(document, names)
    roots = sorted({name for name, _ in _roots(document)})
    return Asked(frozenset(names.found), tuple(roots[:MAX_ROOTS]))


def texts_given(document: DocumentNode, variables: Mapping[str, Any]) -> Iterator[str]:
    """The texts that arguments of the first two levels hold, alone or in lists."""
    for _, field in _roots(document):
        for argument in field.arguments or ():
            given = value_from_ast_untyped(argument.value, dict(variables))
            yield from (each for each in (given if isinstance(given, list) else [given]) if isinstance(each, str))


class _Names(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.found.add(node.name.value)


def _roots(document: DocumentNode) -> Iterator[tuple[str, FieldNode]]:
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    for operation in document.definitions:
        if not isinstance(operation, OperationDefinitionNode):
            continue
        for root in _below(operation.selection_set, fragments):
            yield root.name.value, root
            for child in _below(root.selection_set, fragments):
                yield f"{root.name.value}.{child.name.value}", child


def _below(selected: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]) -> Iterator[FieldNode]:
    """The fields of one level, each fragment entered once."""
    entered: set[str] = set()
    pending = [selected] if selected else []
    while pending:
        for selection in pending.pop().selections:
            if isinstance(selection, FieldNode):
                yield selection
            elif isinstance(selection, InlineFragmentNode):
                pending.append(selection.selection_set)
            elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in entered:
                entered.add(selection.name.value)
                pending.append(fragments[selection.name.value].selection_set)
