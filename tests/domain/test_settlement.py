from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain import settlement
from merchantry.domain.settlement import Cycle, Period, Schedule, hold_ends_at, local_day, period_at

SAO_PAULO, SHANGHAI, BERLIN = ZoneInfo("America/Sao_Paulo"), ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
# Clock changes at midnight (Sao Paulo, Havana, Beirut), by half an hour (Lord Howe), over a whole day (Apia), to -1:00
# in winter (Dublin), twice more around Ramadan (Casablanca), and quarter-hour offsets (Chatham).
ZONES = [
    *("America/Sao_Paulo", "America/Havana", "Asia/Beirut", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Dublin"),
    *("Africa/Casablanca", "Pacific/Chatham", "America/New_York", "Europe/Berlin", "Asia/Shanghai", "UTC"),
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
closings = st.one_of(st.just(time(0)), st.times().map(lambda moment: moment.replace(second=0, microsecond=0)))
cycles = st.sampled_from([Cycle.DAILY, Cycle.WEEKLY, Cycle.MONTHLY]).flatmap(
    lambda cycle: st.tuples(st.just(cycle), st.integers(1, 7 if cycle is Cycle.WEEKLY else 31))
)
ONE_TICK = timedelta(microseconds=1)


def period_of(instant: datetime, zone: ZoneInfo, cycle: Cycle, anchor_day: int = 1, closing: time = time(0)) -> Period:
    return settlement.period_of(instant, Schedule(zone, cycle, anchor_day=anchor_day, closing=closing))


def utc(*figures: int) -> datetime:
    return datetime(*figures, tzinfo=UTC)  # type: ignore[arg-type,misc]


def test_a_week_starts_on_monday_at_midnight_in_the_merchants_zone() -> None:
    sunday_night = utc(2018, 7, 9, 2, 59, 59)
    assert period_of(sunday_night, SAO_PAULO, Cycle.WEEKLY) == Period(
        utc(2018, 7, 2, 3), utc(2018, 7, 9, 3), date(2018, 7, 2), date(2018, 7, 9)
    )
    assert period_of(utc(2018, 7, 9, 3), SAO_PAULO, Cycle.WEEKLY).starts_on == date(2018, 7, 9)


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_has_23_or_25_hours_where_clocks_change(day: date, hours: int) -> None:
    noon = datetime.combine(day, time(12), BERLIN)
    period = period_of(noon, BERLIN, Cycle.DAILY)
    assert (period.starts_on, period.ends_on) == (day, day + timedelta(days=1))
    assert period.ends_at - period.starts_at == timedelta(hours=hours)


def test_a_midnight_that_the_clocks_skip_starts_the_day_after_the_gap() -> None:
    sunday = period_of(utc(2018, 11, 4, 12), SAO_PAULO, Cycle.DAILY)
    assert (sunday.starts_at, sunday.ends_at) == (utc(2018, 11, 4, 3), utc(2018, 11, 5, 2))


def test_a_midnight_that_comes_twice_starts_the_day_the_first_time() -> None:
    havana = ZoneInfo("America/Havana")
    sunday = period_of(utc(2024, 11, 3, 4, 30), havana, Cycle.DAILY)
    assert (sunday.starts_at, sunday.starts_on) == (utc(2024, 11, 3, 4), date(2024, 11, 3))
    assert period_of(utc(2024, 11, 3, 5, 30), havana, Cycle.DAILY) == sunday


@pytest.mark.parametrize(
    ("instant", "starts_on", "ends_on"),
    [
        (utc(2026, 1, 31, 12), date(2026, 1, 31), date(2026, 2, 28)),
        (utc(2026, 2, 27, 12), date(2026, 1, 31), date(2026, 2, 28)),
        (utc(2026, 2, 28, 12), date(2026, 2, 28), date(2026, 3, 31)),
        (utc(2028, 2, 28, 12), date(2028, 1, 31), date(2028, 2, 29)),
        (utc(2026, 12, 31, 12), date(2026, 12, 31), date(2027, 1, 31)),
        (utc(2027, 1, 1, 12), date(2026, 12, 31), date(2027, 1, 31)),
    ],
)
def test_a_month_from_the_31st_clamps_to_the_last_day(instant: datetime, starts_on: date, ends_on: date) -> None:
    period = period_of(instant, SHANGHAI, Cycle.MONTHLY, anchor_day=31)
    assert (period.starts_on, period.ends_on) == (starts_on, ends_on)


def test_a_week_can_start_on_another_day_and_close_at_another_time() -> None:
    period = period_of(utc(2026, 3, 6, 9), SHANGHAI, Cycle.WEEKLY, anchor_day=5, closing=time(18))
    assert (period.starts_on, period.ends_on) == (date(2026, 2, 27), date(2026, 3, 6))
    assert (period.starts_at, period.ends_at) == (utc(2026, 2, 27, 10), utc(2026, 3, 6, 10))


@pytest.mark.parametrize(("cycle", "anchor_day"), [(Cycle.WEEKLY, 8), (Cycle.WEEKLY, 0), (Cycle.MONTHLY, 32)])
def test_an_anchor_is_a_day_of_its_cycle(cycle: Cycle, anchor_day: int) -> None:
    with pytest.raises(ValueError, match="starts on a day from 1 to"):
        period_of(utc(2026, 1, 1), BERLIN, cycle, anchor_day)


def test_an_instant_needs_a_zone() -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    for ask in (lambda: period_of(naive, BERLIN, Cycle.DAILY), lambda: hold_ends_at(naive, 1, BERLIN)):
        with pytest.raises(ValueError, match="needs a time zone"):
            ask()


@given(instants, zones, cycles, closings)
def test_periods_tile_time_without_gap_or_overlap(
    instant: datetime, zone: ZoneInfo, cycle: tuple[Cycle, int], closing: time
) -> None:
    period = period_of(instant, zone, *cycle, closing)
    assert period.starts_at <= instant < period.ends_at
    assert period_of(period.starts_at, zone, *cycle, closing) == period
    assert period_of(period.ends_at - ONE_TICK, zone, *cycle, closing) == period
    assert period_of(period.ends_at, zone, *cycle, closing).starts_at == period.ends_at
    assert period_of(period.starts_at - ONE_TICK, zone, *cycle, closing).ends_at == period.starts_at


@given(instants, zones, cycles)
def test_a_period_belongs_to_the_days_it_names(instant: datetime, zone: ZoneInfo, cycle: tuple[Cycle, int]) -> None:
    period = period_of(instant, zone, *cycle)
    assert period.starts_on <= local_day(instant, zone) < period.ends_on
    assert local_day(period.starts_at, zone) == period.starts_on


def test_a_hold_ends_at_the_same_wall_clock_time() -> None:
    completed_at = datetime(2026, 3, 24, 15, 30, tzinfo=BERLIN)
    assert hold_ends_at(completed_at, 7, BERLIN) == datetime(2026, 3, 31, 15, 30, tzinfo=BERLIN)
    assert hold_ends_at(completed_at, 7, BERLIN) - completed_at.astimezone(UTC) == timedelta(days=7, hours=-1)
    assert hold_ends_at(completed_at, 7, BERLIN).tzinfo is UTC


def test_a_hold_that_ends_in_a_skipped_hour_moves_forward() -> None:
    assert hold_ends_at(datetime(2026, 3, 22, 2, 30, tzinfo=BERLIN), 7, BERLIN) == utc(2026, 3, 29, 1, 30)


def test_a_hold_that_ends_in_a_doubled_hour_ends_the_first_time() -> None:
    assert hold_ends_at(datetime(2026, 10, 18, 2, 30, tzinfo=BERLIN), 7, BERLIN) == utc(2026, 10, 25, 0, 30)


def test_no_days_mean_no_hold_in_a_doubled_hour_too() -> None:
    second_time = utc(2026, 10, 25, 1, 30)
    assert hold_ends_at(second_time, 0, BERLIN) == second_time


def test_a_hold_has_no_negative_days() -> None:
    with pytest.raises(ValueError, match="no negative days"):
        hold_ends_at(utc(2026, 1, 1), -1, BERLIN)


@given(instants, zones, st.integers(0, 60), st.integers(0, 60))
def test_a_longer_hold_ends_later(completed_at: datetime, zone: ZoneInfo, fewer: int, more: int) -> None:
    first, second = hold_ends_at(completed_at, fewer, zone), hold_ends_at(completed_at, fewer + more, zone)
    assert completed_at <= first <= second


@given(instants, zones, st.integers(0, 60), st.timedeltas(timedelta(hours=3), timedelta(days=400)))
def test_what_completes_later_by_more_than_a_clock_change_is_held_longer(
    completed_at: datetime, zone: ZoneInfo, days: int, later: timedelta
) -> None:
    if zone.key == "Pacific/Apia":  # skipped a whole day once
        later += timedelta(days=1)
    assert hold_ends_at(completed_at, days, zone) < hold_ends_at(completed_at + later, days, zone)


@given(instants, zones, st.integers(1, 60))
def test_a_hold_ends_at_the_wall_clock_time_of_completion_or_after_a_gap(
    completed_at: datetime, zone: ZoneInfo, days: int
) -> None:
    wanted = completed_at.astimezone(zone).replace(tzinfo=None) + timedelta(days=days)
    ended = hold_ends_at(completed_at, days, zone).astimezone(zone).replace(tzinfo=None)
    exists = wanted.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == wanted
    assert ended == wanted if exists else ended > wanted


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    cycle = draw(st.sampled_from(Cycle))
    return Schedule(
        draw(zones),
        cycle,
        anchor_day=draw(st.integers(1, 7 if cycle is Cycle.WEEKLY else 31)),
        every_days=draw(st.integers(1, 40)),
        anchored_on=draw(st.dates(date(2000, 1, 1), date(2040, 1, 1))),
        days_of_month=tuple(draw(st.lists(st.integers(1, 31), min_size=1, max_size=4)))
        if cycle is Cycle.DAYS_OF_MONTH
        else (),
        closing=draw(closings),
    )


@given(schedules(), instants)
def test_periods_of_any_schedule_follow_each_other_without_gap_or_overlap(
    schedule: Schedule, instant: datetime
) -> None:
    period = settlement.period_of(instant, schedule)
    assert period.starts_at <= instant < period.ends_at
    assert settlement.period_of(period.ends_at, schedule).starts_at == period.ends_at
    assert settlement.period_of(period.starts_at - ONE_TICK, schedule).ends_at == period.starts_at


@given(st.lists(schedules(), min_size=1, max_size=3), instants)
def test_a_changed_schedule_takes_over_at_a_boundary_without_gap_or_overlap(
    given_schedules: list[Schedule], instant: datetime
) -> None:
    in_force = [given_schedules[0]]
    for schedule in given_schedules[1:]:
        boundary = period_at(instant, in_force).ends_at
        in_force.append(replace(schedule, effective_at=boundary))
        instant = boundary
    for each in in_force[1:]:
        assert period_at(each.effective_at - ONE_TICK, in_force).ends_at == each.effective_at
        assert period_at(each.effective_at, in_force).starts_at == each.effective_at


def test_given_days_of_the_month_start_periods_and_those_it_lacks_fall_on_its_last() -> None:
    schedule = Schedule(BERLIN, Cycle.DAYS_OF_MONTH, days_of_month=(1, 15, 31))
    starts = [
        settlement.period_of(datetime(2026, 2, day, 12, tzinfo=BERLIN), schedule).starts_on.day for day in (3, 20, 28)
    ]
    assert starts == [1, 15, 28]


def test_every_ten_days_count_from_their_anchor_also_backwards() -> None:
    schedule = Schedule(SHANGHAI, Cycle.EVERY_N_DAYS, every_days=10, anchored_on=date(2026, 1, 1))
    period = settlement.period_of(datetime(2025, 12, 31, 12, tzinfo=SHANGHAI), schedule)
    assert (period.starts_on, period.ends_on) == (date(2025, 12, 22), date(2026, 1, 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cycle": Cycle.DAYS_OF_MONTH},
        {"cycle": Cycle.DAILY, "days_of_month": (1,)},
        {"cycle": Cycle.DAYS_OF_MONTH, "days_of_month": (0,)},
        {"cycle": Cycle.EVERY_N_DAYS, "every_days": 0},
        {"cycle": Cycle.WEEKLY, "anchor_day": 8},
    ],
    ids=str,
)
def test_a_schedule_that_has_no_days_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"[dD]ay"):
        Schedule(BERLIN, **wrong)


def test_no_schedule_is_in_force_before_the_first() -> None:
    with pytest.raises(ValueError, match="No schedule"):
        period_at(utc(1969, 1, 1), [Schedule(BERLIN, Cycle.DAILY)])
