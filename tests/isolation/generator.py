"""Documents made from the schema itself, so that a field or mutation added tomorrow is asked about without being named.

What can't be made (an argument or an input field that the samples don't know) raises :class:`Unsampled`, which fails
the test and says what to add: nobody can forget.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_composite_type,
)

from graphql_api.schema import schema as served

MAX_DEPTH = 8
LEFT_OUT = object()
"""The sample of an argument or input field that is left out on purpose."""

SCHEMA: GraphQLSchema = served._schema


class Unsampled(AssertionError):
    """A field asks for something that the samples don't know."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document about one field, which ``name`` names: ``Merchant.orders``, ``Mutation.orderShip``."""

    name: str
    text: str
    path: tuple[str, ...]


def object_type(name: str) -> GraphQLObjectType:
    """The object type of this name."""
    found = SCHEMA.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def fields_of(type_name: str) -> list[str]:
    """Names of an object type's fields."""
    return list(object_type(type_name).fields)


def node_types() -> list[str]:
    """Every object type that implements Node."""
    interface = SCHEMA.type_map["Node"]
    assert isinstance(interface, GraphQLInterfaceType)
    return sorted(found.name for found in SCHEMA.get_implementations(interface).objects)


def connections_of(type_name: str) -> list[str]:
    """The fields of a type that are paged by a cursor."""
    return [name for name, field in object_type(type_name).fields.items() if "after" in field.args]


def below(root: str, type_name: str, samples: Mapping[str, Any], **arguments: Any) -> Iterator[Document]:
    """One document for each field of the type that ``root`` leads to."""
    for name in fields_of(type_name):
        yield field_document(root, type_name, name, samples, **arguments)


def field_document(root: str, type_name: str, name: str, samples: Mapping[str, Any], **arguments: Any) -> Document:
    """``{ root { name(arguments) { everything } } }``; ``arguments`` replace samples by name."""
    field = object_type(type_name).fields[name]
    asked = f"{name}{_arguments(type_name, name, field, samples, arguments)}{selection(field.type)}"
    return Document(f"{type_name}.{name}", f"{{ {root} {{ {asked} }} }}", (root, name))


def subscription_document(name: str, samples: Mapping[str, Any], **arguments: Any) -> str:
    """The subscription with what an event of it holds, four levels deep, for it is loaded with every event.

    ``arguments`` replace samples by name.
    """
    field = object_type("Subscription").fields[name]
    given = _arguments("Subscription", name, field, samples, arguments)
    asked = _select(get_named_type(field.type), ("",) * (MAX_DEPTH - 4))
    return f"subscription {{ {name}{given} {asked} }}"


def node_document(type_name: str) -> str:
    """Asks for a node and for a list of nodes by the variable ``id``, with everything that the type has."""
    fields = f"__typename ... on {type_name} {selection(object_type(type_name))}"
    return f"query ($id: ID!) {{ node(id: $id) {{ {fields} }} nodes(ids: [$id]) {{ {fields} }} }}"


def mutation_document(name: str) -> str:
    """The mutation with the variable ``input`` and everything that its result can hold."""
    field = object_type("Mutation").fields[name]
    argument = field.args["input"]
    return f"mutation ($input: {argument.type}) {{ {name}(input: $input){selection(field.type)} }}"


def success_of(mutation: str) -> str:
    """The mutation's success type: the first of its union."""
    union = get_named_type(object_type("Mutation").fields[mutation].type)
    assert isinstance(union, GraphQLUnionType)
    return str(union.types[0].name)


def input_of(mutation: str, samples: Mapping[str, Any]) -> dict[str, Any]:
    """The mutation's input, filled from samples by ``Input.field`` or else by the field's name."""
    given = get_named_type(object_type("Mutation").fields[mutation].args["input"].type)
    assert isinstance(given, GraphQLInputObjectType)
    return _filled(given, samples, mutation)


def _filled(given: GraphQLInputObjectType, samples: Mapping[str, Any], mutation: str) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, field in given.fields.items():
        named = get_named_type(field.type)
        keys = (f"{mutation}.{name}", f"{given.name}.{name}", name)
        found = next((samples[key] for key in keys if key in samples), None)
        if found is LEFT_OUT:
            continue
        if found is None and isinstance(named, GraphQLInputObjectType):
            inner = _filled(named, samples, mutation)
            filled[name] = [inner] if _is_list(field.type) else inner
        elif found is None:
            raise Unsampled(
                f"{given.name}.{name} has no sample: add one of {', '.join(keys)} to tests/isolation/samples"
            )
        else:
            filled[name] = found() if isinstance(found, Callable) else found  # type: ignore[arg-type]
    return filled


def _is_list(given: Any) -> bool:
    return isinstance(given.of_type if isinstance(given, GraphQLNonNull) else given, GraphQLList)


def _arguments(
    type_name: str, name: str, field: GraphQLField, samples: Mapping[str, Any], replaced: Mapping[str, Any]
) -> str:
    parts = []
    for argument_name, argument in field.args.items():
        keys = (f"{type_name}.{name}.{argument_name}", argument_name)
        known = [samples[key] for key in keys if key in samples]
        if argument_name in replaced:
            known = [replaced[argument_name]]
        if not known:
            raise Unsampled(f"{keys[0]} has no sample: add it or {argument_name} to tests/isolation/samples.py")
        if known[0] is not LEFT_OUT:
            parts.append(f"{argument_name}: {_literal(known[0], argument.type)}")
    return f"({', '.join(parts)})" if parts else ""


def _literal(value: Any, given: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_literal(each, given) for each in value)}]"
    return value if isinstance(get_named_type(given), GraphQLEnumType) else json.dumps(value)


def selection(given: Any) -> str:
    """Everything below a type: all leaves, and all objects until a type would hold itself."""
    named = get_named_type(given)
    return f" {_select(named, ())}" if is_composite_type(named) else ""


def _select(named: Any, path: tuple[str, ...]) -> str:
    if isinstance(named, GraphQLUnionType):
        return f"{{ __typename {' '.join(f'... on {each.name} {_select(each, path)}' for each in named.types)} }}"
    if isinstance(named, GraphQLInterfaceType) and not path:
        members = SCHEMA.get_possible_types(named)
        return f"{{ __typename {' '.join(f'... on {each.name} {_select(each, (named.name,))}' for each in members)} }}"
    parts = ["__typename"]
    for name, field in named.fields.items():
        below = get_named_type(field.type)
        if any(isinstance(argument.type, GraphQLNonNull) for argument in field.args.values()):
            continue
        if not is_composite_type(below):
            parts.append(_alias(named, name))
        elif below.name not in path and len(path) < MAX_DEPTH:
            parts.append(f"{_alias(named, name)} {_select(below, (*path, named.name))}")
    return f"{{ {' '.join(parts)} }}"


def _alias(named: Any, name: str) -> str:
    """Members of a union may call things of different types the same; what all problems share is the same."""
    return f"{name}_{named.name}: {name}" if named.name in _MEMBERS and name not in _SHARED else name


_SHARED = set(SCHEMA.type_map["Problem"].fields)  # type: ignore[attr-defined]
_MEMBERS = {
    member.name for union in SCHEMA.type_map.values() if isinstance(union, GraphQLUnionType) for member in union.types
}


def enum_values(name: str) -> list[str]:
    """The names of an enum's values."""
    found = SCHEMA.type_map[name]
    assert isinstance(found, GraphQLEnumType)
    return list(found.values)
