"""Leaves of compiled selections: scalars and enums, answered as they are where their class says that this will do."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.type.scalars import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from strawberry.execution.is_awaitable import optimized_is_awaitable as is_awaitable

from graphql_api.plain import Unexpected

Complete: TypeAlias = Callable[[Any], Any]
"""From a value to what is answered of it; raises whatever it likes where graphql-core has to do it."""
Choose: TypeAlias = Callable[[type], Complete]
"""What completes the values of exactly this class."""
V = TypeVar("V")

_AS_THEY_ARE: Mapping[object, type] = {GraphQLString: str, GraphQLID: str, GraphQLBoolean: bool}


def leaf(type_: GraphQLLeafType) -> Choose:
    """What completes the values of a scalar or an enum."""
    coerce = type_.coerce_output_value
    general = _coercing(coerce)
    if type_ is GraphQLInt:
        special: dict[type, Complete] = {int: _int}
    elif isinstance(type_, GraphQLEnumType):
        special = _members(type_)
    else:
        as_they_are = str if coerce is str else _AS_THEY_ARE.get(type_)
        special = {as_they_are: as_it_is} if as_they_are else {}
    return lambda class_: special.get(class_, general)


def _coercing(coerce: Callable[[Any], Any]) -> Complete:
    def complete_leaf(value: Any) -> Any:
        if value is None or value is Undefined or isinstance(value, Exception) or is_awaitable(value):
            raise Unexpected
        coerced = coerce(value)
        if coerced is None or coerced is Undefined or is_awaitable(coerced):
            raise Unexpected
        return coerced

    return complete_leaf


def _int(value: Any) -> Any:
    if GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT:
        return value
    raise Unexpected


def _members(type_: GraphQLEnumType) -> dict[type, Complete]:
    """How members of the enum's own class are looked up; graphql-core searches for them, each time anew."""
    class_ = getattr(type_, "wrapped_cls", None)
    names: dict[int, str] = {}
    for member in class_ or ():
        with suppress(Exception):  # such a member is refused when it comes
            names[id(member)] = type_.coerce_output_value(member)

    def complete_member(value: Any) -> Any:
        return names[id(value)]

    return {class_: complete_member} if class_ else {}


def as_it_is(value: V) -> V:
    """The value itself."""
    return value
