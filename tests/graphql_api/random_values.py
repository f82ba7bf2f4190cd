"""Random values for a schema's types: mostly what the types promise, now and then what nobody should hand over."""

from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from random import Random
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
)

from graphql_api.plain import DEFINITION

DEEPEST = 7
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Fault(Exception):
    """What a broken property raises."""


class Text(str):
    """A text of a class of its own."""


class Other(Enum):
    """An enum that no schema knows."""

    ONE = 1


class Later:
    """Something to be awaited."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


SCALARS: dict[str, Callable[[Random], Any]] = {
    "String": lambda random: random.choice(["", "tea", "ß\u2028\ud83d\ude00"]),
    "ID": lambda random: random.choice(["T3JkZXIA", "7"]),
    "Int": lambda random: random.choice([0, -1, 2**31 - 1, -(2**31)]),
    "Float": lambda random: random.choice([0.0, -1.5, 3]),
    "Boolean": lambda random: random.random() < 0.5,
    "Decimal": lambda random: random.choice(["12.30", "0"]),
    "CurrencyCode": lambda random: "EUR",
    "DateTime": lambda random: NOON + timedelta(seconds=random.randint(0, 9)),
    "Date": lambda random: date(2026, 3, 1),
    "Time": lambda random: time(12, 30),
    "UUID": lambda random: UUID(int=random.randint(0, 9)),
    "JSON": lambda random: random.choice([{"a": [1, None]}, [], "x", 0]),
}
STRANGE: list[Callable[[Random], Any]] = [
    lambda random: None,
    lambda random: Undefined,
    lambda random: 2**31,
    lambda random: -(2**31) - 1,
    lambda random: True,
    lambda random: 1.0,
    lambda random: 1.5,
    lambda random: float("nan"),
    lambda random: Decimal("1.0"),
    lambda random: "12",
    lambda random: "",
    lambda random: Text("subclass"),
    lambda random: b"bytes",
    lambda random: Other.ONE,
    lambda random: [],
    lambda random: {},
    lambda random: {"__typename": "Order"},
    lambda random: (each for each in ("generator", None)),
    lambda random: {"a set"},
    lambda random: Fault("a value that is an error"),
    lambda random: GraphQLError("a value that is a GraphQL error"),
    lambda random: Later("awaited"),
    lambda random: Later(None),
    lambda random: Later(Fault("awaited in vain")),
    lambda random: SimpleNamespace(id="foreign"),
    lambda random: object,
    lambda random: lambda: "callable",
]


@dataclass
class ValueMaker:
    """Makes values of types, filling those attributes only that a document selects.

    ``trouble`` is the probability that a value is none that its type promises.
    """

    schema: GraphQLSchema
    random: Random
    names: Collection[str]
    trouble: float

    def make(self, type_: GraphQLOutputType, depth: int = 0) -> Any:
        """A value of the type, or a strange one."""
        if self.random.random() < self.trouble:
            return self.random.choice(STRANGE)(self.random)
        if isinstance(type_, GraphQLNonNull):
            return self._some(type_.of_type, depth)
        return None if depth >= DEEPEST or self.random.random() < 0.15 else self._some(type_, depth)

    def _some(self, type_: GraphQLOutputType, depth: int) -> Any:
        match type_:
            case GraphQLList():
                count = 0 if depth >= DEEPEST else self.random.choice([0, 1, 2, 2, 3])
                return self._collection([self.make(type_.of_type, depth + 1) for _ in range(count)])
            case GraphQLScalarType():
                return SCALARS[type_.name](self.random)
            case GraphQLEnumType():
                return self.random.choice(list(type_.wrapped_cls))  # type: ignore[attr-defined]
            case GraphQLInterfaceType() | GraphQLUnionType():
                return self._some(self.random.choice(self.schema.get_possible_types(type_)), depth)
            case GraphQLObjectType():
                return self._object(type_, depth)
        raise AssertionError(type_)

    def _collection(self, items: list[Any]) -> Any:
        if self.random.random() < self.trouble:
            return (item for item in items) if self.random.random() < 0.5 else dict.fromkeys(range(len(items)))
        return tuple(items) if self.random.random() < 0.1 else items

    def _object(self, type_: GraphQLObjectType, depth: int) -> Any:
        definition = type_.extensions[DEFINITION]
        class_ = (definition.concrete_of or definition).origin
        fields = [
            (each.extensions[DEFINITION].python_name, each.type)
            for name, each in type_.fields.items()
            if name in self.names
        ]
        if fields and self.random.random() < self.trouble:
            class_ = self._strange_class(class_, self.random.choice(fields)[0])
        made: Any = class_.__new__(class_)
        for name, field_type in fields:
            if self.random.random() >= self.trouble / 2:
                self._put(made, name, self.make(field_type, depth + 1))
        if self.random.random() < self.trouble:
            strawberry.cast(self.random.choice([class_, int]), made)
        return made

    def _put(self, made: Any, name: str, value: Any) -> None:
        if not hasattr(getattr(type(made), name, None), "__get__"):  # a property of a strange class
            object.__setattr__(made, name, value)

    def _strange_class(self, class_: type, name: str) -> type:
        def broken(_: Any) -> Any:
            raise Fault(f"{name} is broken")

        return self.random.choice(
            [
                type("Sub", (class_,), {}),
                type("Broken", (class_,), {name: property(broken)}),
                type("Computed", (class_,), {name: property(lambda _: "computed")}),
                type("Guessing", (class_,), {"__getattr__": lambda _self, name: name}),
                type("Default", (class_,), {name: "a default"}),
                type("Method", (class_,), {name: broken}),
                type("Failing", (class_, Fault), {}),
            ]
        )
