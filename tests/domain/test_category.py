from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.category import Branch, Days, check_days, inherited, order_hold_days
from merchantry.domain.errors import InvalidInput
from merchantry.domain.settlement import hold_ends_at

BERLIN = ZoneInfo("Europe/Berlin")


def test_a_child_inherits_each_of_its_days_from_the_nearest_that_says_them() -> None:
    found = inherited(
        [
            Branch("phones", "electronics", Days(return_days=30)),
            Branch("electronics", None, Days(hold_days=14, return_days=7)),
            Branch("cases", "phones", Days(hold_days=3)),
            Branch("books", None, Days()),
        ]
    )
    assert found == {
        "electronics": Days(14, 7),
        "phones": Days(14, 30),
        "cases": Days(3, 30),
        "books": Days(),
    }


def test_nothing_stands_above_itself() -> None:
    with pytest.raises(ValueError, match="above itself"):
        inherited([Branch("a", "b", Days()), Branch("b", "a", Days())])


some_days = st.none() | st.integers(0, 365)


@given(st.lists(st.tuples(some_days, some_days), min_size=1, max_size=30), st.data())
def test_what_holds_in_a_category_is_what_the_walk_to_the_root_finds_first(
    own: list[tuple[int | None, int | None]], data: st.DataObject
) -> None:
    parents = [data.draw(st.none() | st.integers(0, each - 1)) if each else None for each in range(len(own))]
    branches = [
        Branch(str(each), None if parent is None else str(parent), Days(*days))
        for each, (parent, days) in enumerate(zip(parents, own, strict=True))
    ]
    found = inherited(data.draw(st.permutations(branches)))

    def walk(position: int, which: int) -> int | None:
        at: int | None = position
        while at is not None:
            if (said := own[at][which]) is not None:
                return said
            at = parents[at]
        return None

    for each in range(len(own)):
        assert found[str(each)] == Days(walk(each, 0), walk(each, 1))


def test_an_orders_hold_is_the_longest_of_its_lines_and_a_line_without_one_has_the_plans() -> None:
    assert order_hold_days([3, None, 5], 7) == 7
    assert order_hold_days([3, None, 20], 7) == 20
    assert order_hold_days([3, 0], 7) == 3
    assert order_hold_days([None], 7) == 7


def test_the_longest_hold_ends_at_the_same_wall_clock_time_also_where_the_clocks_change() -> None:
    """In Berlin the 29th of March 2026 has 23 hours."""
    completed = datetime(2026, 3, 20, 15, 30, tzinfo=BERLIN)
    days = order_hold_days([3, 14], 7)
    assert hold_ends_at(completed, days, BERLIN) == datetime(2026, 4, 3, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize("days", [Days(-1), Days(366), Days(None, -1), Days(0, 366)], ids=["-1", "366", "r-1", "r366"])
def test_days_are_within_a_year(days: Days) -> None:
    with pytest.raises(InvalidInput):
        check_days(days)
