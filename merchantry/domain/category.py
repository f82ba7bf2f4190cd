"""What a product's category says about time: how long the merchant's money is held, how long goods can be returned, in
how many days they are to be shipped."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from merchantry.domain.errors import InvalidInput
from merchantry.domain.worded import Worded

MOST_DAYS: Final = 365
SHIP_DAYS: Final = 7
"""Days in which goods are to be shipped whose category says nothing."""


@dataclass(frozen=True, slots=True)
class Days:
    """Calendar days of the hold after completion, days in which a return can be asked for, and calendar days after
    payment by the end of which goods are to be shipped.

    None where nothing is said: then the commission plan's hold applies, and the mall's usual days.
    """

    hold_days: int | None = None
    return_days: int | None = None
    ship_days: int | None = None


NAMES: Final = Days.__slots__


@dataclass(frozen=True, slots=True)
class Branch:
    """A category with the one above it, and what it says itself."""

    code: str
    parent: str | None
    own: Days


def inherited(branches: Collection[Branch]) -> dict[str, Days]:
    """What holds in each category: its own days, or else those of the nearest one above that says them.

    Each of them is inherited for itself. Raises ValueError where a category stands above itself.
    """
    by_code = {each.code: each for each in branches}
    found: dict[str, Days] = {}
    for each in branches:
        _settle(each, by_code, found)
    return found


def _settle(branch: Branch, by_code: Mapping[str, Branch], found: dict[str, Days]) -> None:
    path: list[Branch] = []
    at: Branch | None = branch
    while at is not None and at.code not in found:
        path.append(at)
        if len(path) > len(by_code):
            raise ValueError(f"The category {branch.code} stands above itself")
        at = None if at.parent is None else by_code[at.parent]
    above = Days() if at is None else found[at.code]
    for each in reversed(path):
        own = {name: value for name in NAMES if (value := getattr(each.own, name)) is not None}
        above = replace(above, **own)
        found[each.code] = above


def order_hold_days(lines: Iterable[int | None], plan_days: int) -> int:
    """An order's hold is the longest of its lines'; a line whose category says none has the plan's."""
    return max((plan_days if days is None else days for days in lines), default=plan_days)


def order_ship_days(lines: Iterable[int | None]) -> int:
    """An order is to be shipped within the longest of its lines' days."""
    return max((SHIP_DAYS if days is None else days for days in lines), default=SHIP_DAYS)


def check_days(days: Days) -> None:
    """Raises InvalidInput for fewer than no days, and for more than a year."""
    for name in NAMES:
        value = getattr(days, name)
        if value is not None and not 0 <= value <= MOST_DAYS:
            raise InvalidInput(
                reason=Worded("Give 0 to {most} days, or none to take those above.", most=MOST_DAYS), path=(name,)
            )
