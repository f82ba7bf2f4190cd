"""Selections of plain attributes, compiled into functions from an object to what is answered of it.

A compiled function knows only how to succeed. Whatever it does not expect (a null where none may be, an awaitable, a
class that computes its attributes, a value that its scalar refuses) makes it raise, and graphql-core then completes the
same value from the start. That repeats nothing: only attributes whose reading runs no code are compiled.
"""

from collections.abc import Callable, Hashable, Sequence
from itertools import chain
from operator import attrgetter
from types import NoneType
from typing import Any, TypeAlias, TypeVar, cast

import orjson
from graphql import (
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    OperationDefinitionNode,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from graphql_api import plain
from graphql_api.leaf import Choose, Complete, as_it_is, leaf
from graphql_api.plain import DEFINITION, Unexpected, require
from merchantry.services.written import HOLE


class Written:
    """Text that is JSON already, but for its holes, in the place of an object or a list. Only compiled functions know
    it. What belongs in the holes is ``of`` what was written, or of each in the list."""

    __slots__ = ("of", "text")

    def __init__(self, text: str, of: Sequence[object]) -> None:
        self.text = text
        self.of = of


Hole: TypeAlias = tuple[Complete, Choose]
"""How what belongs in a hole is read, and how it is answered."""
NodeIds: TypeAlias = tuple[int, ...]
K = TypeVar("K")
V = TypeVar("V")

MAX_CLASSES = 64
"""Classes, and combinations of classes, that one selection remembers."""
MAX_SELECTIONS = 2_000
"""Selections compiled for one operation."""
_CONDITIONS = frozenset({"skip", "include"})


class _Memory(dict[K, V]):
    """Makes what it does not know, and remembers a bounded number of it."""

    def __init__(self, make: Callable[[K], V]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: K) -> V:
        made = self._make(key)
        if len(self) < MAX_CLASSES:
            self[key] = made
        return made


class Compiler:
    """What one operation selects, for one truth of its conditions; compiled when the first value comes along.

    ``conditions`` holds the variables of @skip and @include and nothing else of a request.
    """

    def __init__(
        self, schema: GraphQLSchema, fragments: dict[str, FragmentDetails], conditions: VariableValues
    ) -> None:
        self._schema = schema
        self._fragments = fragments
        self._conditions = conditions
        self._known: dict[tuple[GraphQLOutputType, NodeIds], _Memory[type, Complete]] = {}
        self._found: dict[Hashable, Any] = {}

    def remembered(self, key: Hashable, find: Callable[[], V]) -> V:
        """What is found of the operation's selections, found once: its nodes and conditions stay what they are."""
        if key not in self._found:
            found = find()
            if len(self._found) >= MAX_SELECTIONS:
                return found
            self._found[key] = found
        answer: V = self._found[key]
        return answer

    def complete(self, type_: GraphQLOutputType, fields: FieldDetailsList, value: Any) -> Any:
        """What is answered of a value of a list, an object or an abstract type."""
        return self._choices(type_, fields)[type(value)](value)

    def _choices(self, type_: GraphQLOutputType, fields: FieldDetailsList) -> _Memory[type, Complete]:
        """What completes the values of a list, an object or an abstract type, by their classes."""
        # The nodes live as long as the operation, and no compiler outlives that.
        key = (type_, tuple([id(field.node) for field in fields]))
        found = self._known.get(key)
        if found is None:
            if isinstance(type_, GraphQLList):
                found = _Memory(_list(self._choice(type_.of_type, fields), self._filled(type_.of_type, fields)))
            else:
                found = _Memory(self._object_choice(type_, fields))
            if len(self._known) < MAX_SELECTIONS:
                self._known[key] = found
        return found

    def _choice(self, type_: GraphQLOutputType, fields: FieldDetailsList) -> Choose:
        if isinstance(type_, GraphQLNonNull):
            return self._choice_of_some(type_.of_type, fields)
        choose = self._choice_of_some(type_, fields)
        return lambda class_: as_it_is if class_ is NoneType else choose(class_)

    def _choice_of_some(self, type_: GraphQLOutputType, fields: FieldDetailsList) -> Choose:
        if is_leaf_type(type_):
            return leaf(type_)
        return self._choices(type_, fields).__getitem__

    def _object_choice(self, type_: GraphQLOutputType, fields: FieldDetailsList) -> Choose:
        def choose(class_: type) -> Complete:
            if class_ is Written:
                return self._filled(type_, fields)
            try:
                return self._of_class(type_, fields, class_)
            except Exception:  # graphql-core finds the same fault, and tells the client of it
                return _refuse

        return choose

    def _filled(self, type_: GraphQLOutputType, fields: FieldDetailsList) -> Complete:
        """What fills the holes of what is written, in the order in which they were selected: those of an object, or
        of each in a list.
        """
        holes = _Memory[type, "list[Hole]"](lambda class_: self._holes(type_, fields, class_))

        def fill(value: Written) -> orjson.Fragment:
            if HOLE not in value.text:
                return orjson.Fragment(value.text)
            filling = [_text(each, *hole) for each in value.of for hole in holes[type(each)]]
            pieces = zip(value.text.split(HOLE), [*filling, ""], strict=True)
            return orjson.Fragment("".join(chain.from_iterable(pieces)))

        return fill

    def _holes(self, type_: GraphQLOutputType, fields: FieldDetailsList, class_: type) -> list[Hole]:
        found = cast("GraphQLObjectType", get_named_type(type_))
        if is_abstract_type(found):
            found = plain.object_type(self._schema, found, class_)
        holes: list[Hole] = []
        for group in self.collected(found, fields).values():
            field = found.fields.get(group[0].node.name.value)
            if field and group[0].node.name.value == "node":  # an edge is written with what it leads to
                holes += self._holes(field.type, group, class_)
            elif field and plain.is_hole(class_, attribute := plain.attribute_of(field)):
                holes.append((attrgetter(attribute), _Memory(self._choice(field.type, group)).__getitem__))
        return holes

    def _of_class(self, type_: GraphQLOutputType, fields: FieldDetailsList, class_: type) -> Complete:
        """What completes objects of exactly this class. Raises Unexpected where graphql-core has to."""
        require(plain.is_plain(class_))
        is_abstract = is_abstract_type(type_)
        found = cast("GraphQLObjectType", plain.object_type(self._schema, type_, class_) if is_abstract else type_)
        if found.is_type_of is not None:
            definition = found.extensions[DEFINITION]
            require(definition.is_type_of is None and issubclass(class_, plain.origins(definition)))
        complete = self._object(found, self.collected(found, fields), class_)
        return _uncast(complete) if is_abstract or found.is_type_of is not None else complete

    def collected(self, type_: GraphQLObjectType, fields: FieldDetailsList) -> GroupedFieldSet:
        """What is selected below fields that give an object of this type. Raises Unexpected for @defer and the like."""
        nobody = cast("OperationDefinitionNode", None)  # passed through, and never looked at
        found = collect_subfields(self._schema, self._fragments, self._conditions, nobody, type_, fields)
        require(not found.new_defer_usages)
        for group in found.grouped_field_set.values():
            for field in group:
                require(field.defer_usage is None and field.fragment_variable_values is None)
                require(all(directive.name.value in _CONDITIONS for directive in field.node.directives or ()))
        return found.grouped_field_set

    def below(self, type_: GraphQLOutputType, fields: FieldDetailsList, path: Sequence[str]) -> list[FieldDetailsList]:
        """What is selected under each key where a path of fields ends. Raises Unexpected as :meth:`collected` does."""
        if not path:
            return [fields]
        step, *others = path
        object_type = cast("GraphQLObjectType", get_named_type(type_))
        groups = [group for group in self.collected(object_type, fields).values() if group[0].node.name.value == step]
        return [found for group in groups for found in self.below(object_type.fields[step].type, group, others)]

    def _object(self, type_: GraphQLObjectType, collected: GroupedFieldSet, class_: type) -> Complete:
        attributes: list[str] = []
        choices: list[Choose] = []
        for group in collected.values():
            name = group[0].node.name.value
            if name == "__typename":
                attributes.append("__class__")  # an attribute that every object has, in the place of a constant
                choices.append(_constantly(_constantly(type_.name)))
                continue
            field = type_.fields[name]
            attribute = plain.attribute_of(field)
            require(not field.args and not group[0].node.arguments and plain.is_plain_attribute(class_, attribute))
            attributes.append(attribute)
            choices.append(self._choice(field.type, group))
        return _object(list(collected), attributes, choices)


def _object(keys: list[str], attributes: list[str], choices: list[Choose]) -> Complete:
    """Reads the attributes, answers most of them as they are and completes the others, by the classes of all."""
    if not keys:
        return lambda value: {}
    read = attrgetter(*attributes) if len(attributes) > 1 else _alone(attrgetter(*attributes))

    def others_of(classes: tuple[type, ...]) -> list[tuple[str, int, Complete]]:
        chosen = [choose(class_) for choose, class_ in zip(choices, classes, strict=True)]
        return [(keys[at], at, complete) for at, complete in enumerate(chosen) if complete is not as_it_is]

    others: _Memory[tuple[type, ...], list[tuple[str, int, Complete]]] = _Memory(others_of)

    def complete_object(value: Any) -> dict[str, Any]:
        found = read(value)
        answer = dict(zip(keys, found, strict=True))
        for key, at, complete in others[tuple(map(type, found))]:
            answer[key] = complete(found[at])
        return answer

    return complete_object


def _list(choose: Choose, filled: Complete) -> Choose:
    choices = _Memory(choose)

    def complete_list(value: Any) -> list[Any]:
        return [choices[type(item)](item) for item in value]

    def choose_list(class_: type) -> Complete:
        if class_ is Written:
            return filled
        # Others may be read once only, or be awaited.
        return complete_list if class_ is list or class_ is tuple else _refuse

    return choose_list


def _alone(read: Complete) -> Complete:
    return lambda value: (read(value),)


def _uncast(complete: Complete) -> Complete:
    """Where the type of an object is asked for, an object may have been cast to another one."""

    def complete_uncast(value: Any) -> Any:
        if hasattr(value, TYPE_CAST_ATTRIBUTE):
            raise Unexpected
        return complete(value)

    return complete_uncast


def _text(of: object, read: Complete, choose: Choose) -> str:
    """What belongs in a hole."""
    found = read(of)
    return orjson.dumps(choose(type(found))(found)).decode()


def _refuse(value: Any) -> Any:
    raise Unexpected


def _constantly(value: V) -> Callable[[Any], V]:
    return lambda _: value
