"""Attributes that are worked out when they are read: what a client doesn't select is not made."""

from collections.abc import Callable
from typing import Any


class Derived(property):
    """An attribute worked out of others by a pure function: reading it twice, or not at all, makes no difference."""


def derived(read: Callable[[Any], Any]) -> Any:
    """An attribute that is what ``read`` makes of its object. It may not change anything, nor look anything up."""
    return Derived(read)
