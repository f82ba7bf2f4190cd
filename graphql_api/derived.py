"""Attributes that are worked out when they are read: what a client doesn't select is not made, nor read from the
database."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from strawberry.utils.str_converters import to_camel_case


class Derived(property):
    """An attribute worked out of others by a pure function: reading it twice, or not at all, makes no difference."""

    def __init__(self, read: Callable[[Any], Any], columns: tuple[str, ...]) -> None:
        super().__init__(read)
        self.columns = columns


def derived(read: Callable[[Any], Any], *columns: str) -> Any:
    """An attribute that is what ``read`` makes of its object. It may not change anything, nor look anything up.

    ``columns`` are those of the stored thing that it is made of.
    """
    return Derived(read, columns)


def columns_for(class_: type, fields: Iterable[str]) -> frozenset[str]:
    """The columns that the fields of a class need, by their names in the schema; others than its derived need none."""
    columns = _columns(class_)
    return frozenset(column for field in fields for column in columns.get(field, ()))


@cache
def _columns(class_: type) -> Mapping[str, tuple[str, ...]]:
    return {to_camel_case(name): each.columns for name, each in vars(class_).items() if isinstance(each, Derived)}
