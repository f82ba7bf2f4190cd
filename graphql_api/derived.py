"""Attributes that are worked out when they are read: what a client doesn't select is not made, nor read from the
database."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from strawberry.utils.str_converters import to_camel_case

from merchantry.services.written import Value


@dataclass(frozen=True, slots=True)
class ForStaff:
    """What only the merchant's staff are shown; null for all others."""

    value: Value


Writable: TypeAlias = Value | ForStaff


class Derived(property):
    """An attribute worked out of others by a pure function: reading it twice, or not at all, makes no difference."""

    def __init__(self, read: Callable[[Any], Any], columns: tuple[str, ...], written: Writable | None) -> None:
        super().__init__(read)
        self.columns = columns
        self.written = written


def derived(read: Callable[[Any], Any], *columns: str, written: Writable | None = None) -> Any:
    """An attribute that is what ``read`` makes of its object. It may not change anything, nor look anything up.

    ``columns`` are those of the stored thing that it is made of. ``written`` says how PostgreSQL makes the same of
    them, if it can.
    """
    return Derived(read, columns, written)


def columns_for(class_: type, fields: Iterable[str]) -> frozenset[str]:
    """The columns that the fields of a class need, by their names in the schema; others than its derived need none."""
    columns = _columns(class_)
    return frozenset(column for field in fields for column in columns.get(field, ()))


@cache
def _columns(class_: type) -> Mapping[str, tuple[str, ...]]:
    return {to_camel_case(name): each.columns for name, each in vars(class_).items() if isinstance(each, Derived)}
