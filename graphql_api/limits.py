"""How much one document may ask for, counted before it is validated.

Each fragment is counted once and its figures are reused wherever it is spread, so counting is linear in the document's
text even where the expanded document would be exponential. Validation has not run yet: fragments may be missing or
spread themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a document may hold. ``depth`` to ``directives`` are of one operation, counted with fragments expanded.

    ``length`` is in characters. What is long belongs in variables.
    """

    length: int = 50_000
    tokens: int = 2500
    depth: int = 15
    fields: int = 1500
    root_fields: int = 20
    aliases: int = 50
    directives: int = 50
    operations: int = 20
    fragments: int = 100


@dataclass(slots=True)
class _Count:
    depth: int = 0
    fields: int = 0
    root_fields: int = 0
    aliases: int = 0
    directives: int = 0

    def add(self, spread: "_Count", level: int) -> None:
        """Count a fragment that is spread `level` fields below the top of this one."""
        self.depth = max(self.depth, level + spread.depth)
        self.fields += spread.fields
        self.root_fields += spread.root_fields if level == 0 else 0
        self.aliases += spread.aliases
        self.directives += spread.directives


_NAMES = {
    "depth": "levels deep",
    "fields": "fields",
    "root_fields": "fields at the root",
    "aliases": "aliases",
    "directives": "directives",
}


def exceeded(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """What the document has too much of, for the first operation that does; empty where all is within the limits."""
    crowd = _too_many_definitions(document, limits)
    if crowd:
        return [crowd]
    fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
    counted = _count_fragments(fragments)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            count = _count(operation.selection_set, counted)
            count.directives += len(operation.directives or ())
            over = [name for name in _NAMES if getattr(count, name) > getattr(limits, name)]
            if over:
                return [_too_much(name, getattr(limits, name), operation) for name in over]
    return []


def _too_many_definitions(document: DocumentNode, limits: Limits) -> GraphQLError | None:
    """Each definition is validated, and compared with others, where no operation uses it too."""
    for name, kind in (("operations", OperationDefinitionNode), ("fragments", FragmentDefinitionNode)):
        limit = getattr(limits, name)
        if sum(isinstance(definition, kind) for definition in document.definitions) > limit:
            return GraphQLError(
                f"The document is too large: more than {limit} {name}. Send only what the operation uses.",
                extensions={"code": "LIMIT_EXCEEDED"},
            )
    return None


def _too_much(name: str, limit: int, operation: OperationDefinitionNode) -> GraphQLError:
    return GraphQLError(
        f"The operation is too large: more than {limit} {_NAMES[name]}. Ask for less at once.",
        nodes=operation,
        extensions={"code": "LIMIT_EXCEEDED"},
    )


def _count_fragments(fragments: dict[str, FragmentDefinitionNode]) -> dict[str, _Count]:
    """Count every fragment after the fragments it spreads. A spread that closes a circle counts nothing."""
    counted: dict[str, _Count] = {}
    for name in spread_first(fragments):
        counted[name] = _count(fragments[name].selection_set, counted)
        counted[name].directives += len(fragments[name].directives or ())
    return counted


def spread_first(fragments: Mapping[str, FragmentDefinitionNode]) -> list[str]:
    """The fragments' names, each after those that it spreads, but for a spread that closes a circle."""
    ordered: dict[str, None] = {}
    for root in fragments:
        path: dict[str, Iterator[str]] = {} if root in ordered else {root: _spreads(fragments[root].selection_set)}
        while path:
            name, spreads = next(reversed(path.items()))
            for spread in spreads:
                if spread in fragments and spread not in ordered and spread not in path:
                    path[spread] = _spreads(fragments[spread].selection_set)
                    break
            else:
                del path[name]
                ordered[name] = None
    return list(ordered)


def _spreads(selections: SelectionSetNode) -> Iterator[str]:
    pending = [selections]
    while pending:
        for node in pending.pop().selections:
            if isinstance(node, FragmentSpreadNode):
                yield node.name.value
            elif below := getattr(node, "selection_set", None):
                pending.append(below)


def _count(selections: SelectionSetNode, fragments: dict[str, _Count]) -> _Count:
    """Count a selection set, taking the figures of spread fragments as counted before."""
    count = _Count()
    pending = [(selections, 0)]
    while pending:
        below, level = pending.pop()
        for node in below.selections:
            count.directives += len(node.directives or ())
            if isinstance(node, FragmentSpreadNode):
                count.add(fragments.get(node.name.value, _Count()), level)
            elif isinstance(node, FieldNode):
                count.fields += 1
                count.root_fields += level == 0
                count.aliases += node.alias is not None
                count.depth = max(count.depth, level + 1)
                if node.selection_set:
                    pending.append((node.selection_set, level + 1))
            else:
                pending.append((node.selection_set, level))  # type: ignore[attr-defined]
    return count
