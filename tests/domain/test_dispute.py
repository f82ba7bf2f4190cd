from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.dispute import (
    RETURN_STEPS,
    Divided,
    ReturnAct,
    ReturnStatus,
    divide_chargeback,
    held_for,
    moved_hold,
    refuse_late,
    returnable_until,
    step,
)
from merchantry.domain.errors import ReturnRefused, ReturnTooLate

NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)


def test_a_hold_ends_as_much_later_as_its_clock_stood_still() -> None:
    assert moved_hold(NOON + 7 * DAY, NOON + 2 * DAY, NOON + 5 * DAY, ZoneInfo("UTC")) == NOON + 10 * DAY
    assert moved_hold(NOON + 7 * DAY, NOON + 8 * DAY, NOON + 20 * DAY, ZoneInfo("UTC")) == NOON + 7 * DAY


def test_days_that_stood_still_are_calendar_days_also_where_the_clocks_change() -> None:
    """In Berlin the 29th of March 2026 has 23 hours."""
    stopped, resumed = (datetime(2026, 3, day, 12, tzinfo=BERLIN) for day in (27, 31))
    ends = datetime(2026, 4, 1, 9, tzinfo=BERLIN)
    assert moved_hold(ends, stopped, resumed, BERLIN) == datetime(2026, 4, 5, 9, tzinfo=BERLIN)
    before = datetime(2026, 3, 28, 9, tzinfo=BERLIN)
    assert moved_hold(before, stopped, stopped + DAY, BERLIN) == datetime(2026, 3, 29, 9, tzinfo=BERLIN)


instants = st.timedeltas(timedelta(0), timedelta(days=365)).map(lambda span: datetime(2026, 1, 1, tzinfo=UTC) + span)


@given(instants, st.timedeltas(timedelta(0), 30 * DAY), st.timedeltas(timedelta(0), 30 * DAY))
def test_a_hold_never_ends_earlier_for_having_stood_still(ends: datetime, before: timedelta, stood: timedelta) -> None:
    moved = moved_hold(ends, ends - before, ends - before + stood, BERLIN)
    assert moved >= ends
    assert abs((moved - ends) - (stood if before else timedelta(0))) <= timedelta(hours=2)


@pytest.mark.parametrize(
    ("amount", "refunded", "left", "divided"),
    [
        (100, 0, 100, Divided(0, 100, 0)),
        (100, 100, 0, Divided(100, 0, 0)),
        (100, 40, 60, Divided(40, 60, 0)),
        (60, 40, 60, Divided(0, 60, 0)),
        (103, 0, 100, Divided(0, 100, 3)),
        (150, 40, 60, Divided(40, 60, 50)),
    ],
)
def test_what_was_refunded_is_not_lost_again(amount: int, refunded: int, left: int, divided: Divided) -> None:
    assert divide_chargeback(amount, refunded, left) == divided


def test_no_more_is_held_than_is_available() -> None:
    assert [held_for(100, available) for available in (-5, 0, 40, 140)] == [0, 0, 40, 100]


@pytest.mark.parametrize("status", list(ReturnStatus))
@pytest.mark.parametrize("act", list(ReturnAct))
def test_a_return_does_what_the_table_has_and_nothing_else(status: ReturnStatus, act: ReturnAct) -> None:
    if (status, act) in RETURN_STEPS:
        assert step(status, act) is RETURN_STEPS[status, act]
        return
    with pytest.raises(ReturnRefused):
        step(status, act)


def test_days_to_return_run_from_the_last_delivery_or_else_from_completion() -> None:
    until = returnable_until(NOON, NOON + DAY, 14)
    assert until == NOON + 14 * DAY == returnable_until(None, NOON, 14)
    refuse_late(until, until - timedelta(microseconds=1))
    with pytest.raises(ReturnTooLate):
        refuse_late(until, until)
    with pytest.raises(ValueError, match="Nothing has reached"):
        returnable_until(None, None)
