"""Random documents over a schema, and a schema whose root answers whatever a test puts there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from graphql import (
    GraphQLAbstractType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
    is_required_argument,
)

DEEPEST = 5
CONDITIONS = 3
Composite = GraphQLObjectType | GraphQLInterfaceType | GraphQLUnionType


def with_open_root(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema's types below a root of which every field answers what the root value holds under its name."""
    roots = (schema.query_type, schema.mutation_type, schema.subscription_type)
    composite = [
        found
        for found in schema.type_map.values()
        if is_composite_type(found) and found not in roots and not found.name.startswith("__")
    ]
    fields: dict[str, GraphQLField] = {}
    for found in composite:
        shapes: dict[str, GraphQLOutputType] = {
            f"one{found.name}": found,
            f"some{found.name}": GraphQLNonNull(found),
            f"all{found.name}": GraphQLNonNull(GraphQLList(GraphQLNonNull(found))),
            f"any{found.name}": GraphQLList(found),
        }
        fields |= {name: GraphQLField(shape, resolve=_from_root(name)) for name, shape in shapes.items()}
    opened = GraphQLSchema(
        query=GraphQLObjectType("Query", fields),
        types=[found for found in composite if isinstance(found, GraphQLNamedType)],
        directives=schema.directives,
    )
    opened._strawberry_schema = schema._strawberry_schema  # type: ignore[attr-defined]
    return opened


def _from_root(name: str) -> Any:
    return lambda root, _info: root[name]


@dataclass
class DocumentWriter:
    """Writes one document, of at most so many fields."""

    schema: GraphQLSchema
    random: Random
    left: int = 60
    fragments: list[tuple[str, str, str]] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    """Names of fields that the document selects somewhere."""

    def write(self) -> str:
        """The document's text."""
        root = self.schema.query_type
        assert root is not None
        wanted = self.random.sample(sorted(root.fields), k=min(self.random.randint(1, 3), len(root.fields)))
        selections = [self._field(root, name, 0) for name in wanted]
        if self.random.random() < 0.2:  # the same fields once more, to be merged
            selections.append(self._field(root, wanted[0], 0, alias=False))
        body = " ".join(filter(None, selections)) + " __typename"
        fragments = " ".join(f"fragment {name} on {type_} {body}" for name, type_, body in self.fragments)
        given = [f"$c{number}: Boolean!" for number in range(CONDITIONS) if f"$c{number}" in body + fragments]
        if "$d" in body + fragments:
            given.append("$d: Boolean! = true")
        return f"query {'(' + ', '.join(given) + ')' if given else ''} {{ {body} }} {fragments}"

    def _selection_set(self, type_: Composite, depth: int) -> str:
        found = [self._selection(type_, depth) for _ in range(self.random.randint(1, 6))]
        return "{ " + (" ".join(filter(None, found)) or "__typename") + " }"

    def _selection(self, type_: Composite, depth: int) -> str:
        chance = self.random.random()
        if chance < 0.08:
            return f"__typename{self._directive()}"
        if chance < 0.2 or isinstance(type_, GraphQLUnionType):
            return self._fragment(type_, depth)
        return self._field(type_, self.random.choice(sorted(type_.fields)), depth)

    def _fragment(self, type_: Composite, depth: int) -> str:
        condition = self.random.choice([type_, type_, *self._possible(type_)])
        known = [name for name, on, _ in self.fragments if on == condition.name]
        if known and self.random.random() < 0.4:
            return f"...{self.random.choice(known)}{self._directive()}"
        if depth >= DEEPEST:
            return ""
        body = self._selection_set(condition, depth)
        if self.random.random() < 0.5:
            on = f" on {condition.name}" if condition is not type_ or self.random.random() < 0.5 else ""
            return f"...{on}{self._directive()} {body}"
        name = f"F{len(self.fragments)}"
        self.fragments.append((name, condition.name, body))
        return f"...{name}{self._directive()}"

    def _possible(self, type_: Composite) -> Sequence[Composite]:
        if isinstance(type_, GraphQLInterfaceType | GraphQLUnionType):
            abstract: GraphQLAbstractType = type_
            return self.schema.get_possible_types(abstract)
        return list(type_.interfaces)

    def _field(self, type_: GraphQLObjectType | GraphQLInterfaceType, name: str, depth: int, alias: bool = True) -> str:
        definition = type_.fields[name]
        self.left -= 1
        inner = get_named_type(definition.type)
        is_composite = is_composite_type(inner)
        if (
            self.left < 0
            or (is_composite and depth >= DEEPEST)
            or any(map(is_required_argument, definition.args.values()))
        ):
            return ""
        self.names.add(name)
        key = f"{type_.name}_{name}{self.random.randint(0, 1)}: " if alias and self.random.random() < 0.3 else ""
        below = f" {self._selection_set(inner, depth + 1)}" if isinstance(inner, Composite) else ""
        return f"{key}{name}{self._directive()}{below}"

    def _directive(self) -> str:
        if self.random.random() > 0.12:
            return ""
        name = self.random.choice(["skip", "include"])
        value = self.random.choice(["true", "false", "$d", *(f"$c{number}" for number in range(CONDITIONS))])
        return f" @{name}(if: {value})"
