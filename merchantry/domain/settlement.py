"""Settlement periods and holds: days of a merchant's zone turned into half-open spans of instants."""

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from merchantry.domain.worded import Worded

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""Where the first schedule of a merchant is in force from: before anything can have been sold."""


class TermsUnusable(ValueError):
    """Terms that no periods can be made of; ``fact`` is the one that is wrong."""

    def __init__(self, reason: str, fact: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fact = fact


class Cycle(StrEnum):
    """How often a merchant is settled with."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    EVERY_N_DAYS = "every_n_days"
    DAYS_OF_MONTH = "days_of_month"


LAST_ANCHOR: Final = {Cycle.WEEKLY: 7}
MAX_EVERY_DAYS: Final = 366


@dataclass(frozen=True, slots=True)
class Schedule:
    """When periods end, from `effective_at` on, until a later schedule takes over.

    `anchor_day` is the day on which periods start: 1 (Monday) to 7 for weeks; 1 to 31 for months, clamped to the last
    day of shorter ones. `every_days` counts from the day `anchored_on`. `days_of_month` are the days on which periods
    start, clamped as well. `closing` is the wall-clock time at which one period ends and the next starts. Raises
    ValueError for what is out of its range.
    """

    zone: ZoneInfo
    cycle: Cycle
    anchor_day: int = 1
    every_days: int = 1
    anchored_on: date = date(1970, 1, 1)
    days_of_month: tuple[int, ...] = ()
    closing: time = time(0)
    effective_at: datetime = BEGINNING

    def __post_init__(self) -> None:
        last = LAST_ANCHOR.get(self.cycle, 31)
        if not 1 <= self.anchor_day <= last:
            reason = Worded(
                "A {cycle} cycle starts on a day from 1 to {last}, not {given}.",
                cycle=self.cycle,
                last=last,
                given=self.anchor_day,
            )
            raise TermsUnusable(reason, "anchor_day")
        if not 1 <= self.every_days <= MAX_EVERY_DAYS:
            reason = Worded("A cycle has 1 to {most} days, not {given}.", most=MAX_EVERY_DAYS, given=self.every_days)
            raise TermsUnusable(reason, "every_days")
        given = self.days_of_month
        if (self.cycle is Cycle.DAYS_OF_MONTH) != bool(given) or not all(1 <= day <= 31 for day in given):
            reason = Worded(
                "Days of the month are 1 to 31, at least one where they make the cycle, not {given}.",
                given=", ".join(map(str, given)),
            )
            raise TermsUnusable(reason, "days_of_month")


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open span `[starts_at, ends_at)` of instants in UTC.

    `starts_on` and `ends_on` are the days in the merchant's zone whose closing times bound it, half-open as well: the
    week of Monday the 4th has starts_on the 4th and ends_on the 11th.
    """

    starts_at: datetime
    ends_at: datetime
    starts_on: date
    ends_on: date


def period_of(instant: datetime, schedule: Schedule) -> Period:
    """The period of one schedule that the instant belongs to. Raises ValueError for an instant without a zone."""

    def boundary(day: date) -> datetime:
        return _instant_of(datetime.combine(day, schedule.closing), schedule.zone)

    starts_on = _start_of(local_day(instant, schedule.zone), schedule)
    # Instants decide, not wall clocks: a clock set back over the closing time shows the old day twice.
    while boundary(starts_on) > instant:
        starts_on = _start_of(starts_on - timedelta(days=1), schedule)
    while boundary(ends_on := _next_start(starts_on, schedule)) <= instant:
        starts_on = ends_on
    return Period(boundary(starts_on), boundary(ends_on), starts_on, ends_on)


def period_at(instant: datetime, schedules: Sequence[Schedule]) -> Period:
    """The period that the instant belongs to where schedules follow each other, the earliest first.

    A period ends where the next schedule takes over and begins where its own did, so there is neither gap nor overlap.
    Raises ValueError for an instant before the first schedule.
    """
    position = max((at for at, each in enumerate(schedules) if each.effective_at <= instant), default=None)
    if position is None:
        raise ValueError(f"No schedule is in force at {instant}")
    current = schedules[position]
    period = period_of(instant, current)
    if period.starts_at < current.effective_at:
        starts_on = local_day(current.effective_at, current.zone)
        period = replace(period, starts_at=current.effective_at, starts_on=starts_on)
    if position + 1 < len(schedules) and (ends_at := schedules[position + 1].effective_at) < period.ends_at:
        period = replace(period, ends_at=ends_at, ends_on=local_day(ends_at, current.zone))
    return period


def hold_ends_at(completed_at: datetime, days: int, zone: ZoneInfo) -> datetime:
    """The instant in UTC, `days` calendar days after completion, at the same wall-clock time in the zone.

    A time that the clocks skip moves forward by what they skip; of a time that comes twice the first counts. No days
    means no hold. Raises ValueError for an instant without a zone and for negative days.
    """
    if days < 0:
        raise ValueError(f"A hold has no negative days: {days}")
    local = _local(completed_at, zone)
    if days == 0:
        return completed_at.astimezone(UTC)
    return _instant_of(local.replace(tzinfo=None) + timedelta(days=days), zone)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day that the zone's calendar shows at the instant. Raises ValueError for an instant without a zone."""
    return _local(instant, zone).date()


def _local(instant: datetime, zone: ZoneInfo) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("An instant needs a time zone")
    return instant.astimezone(zone)


def _instant_of(wall_clock: datetime, zone: ZoneInfo) -> datetime:
    """fold=0 is the earlier of two, and before a gap's offset, which lands after the gap (PEP 495)."""
    return wall_clock.replace(tzinfo=zone, fold=0).astimezone(UTC)


def _start_of(day: date, schedule: Schedule) -> date:
    """The day on which the period that holds this day starts."""
    match schedule.cycle:
        case Cycle.DAILY:
            return day
        case Cycle.WEEKLY:
            return day - timedelta(days=(day.isoweekday() - schedule.anchor_day) % 7)
        case Cycle.EVERY_N_DAYS:
            return day - timedelta(days=(day - schedule.anchored_on).days % schedule.every_days)
        case _:
            last_month = day.replace(day=1) - timedelta(days=1)
            return max(
                start for start in (*_starts_in(day, schedule), *_starts_in(last_month, schedule)) if start <= day
            )


def _next_start(start: date, schedule: Schedule) -> date:
    match schedule.cycle:
        case Cycle.DAILY:
            return start + timedelta(days=1)
        case Cycle.WEEKLY:
            return start + timedelta(days=7)
        case Cycle.EVERY_N_DAYS:
            return start + timedelta(days=schedule.every_days)
        case _:
            next_month = start.replace(day=1) + timedelta(days=32)
            starts = _starts_in(start, schedule) | _starts_in(next_month, schedule)
            return min(later for later in starts if later > start)


def _starts_in(month: date, schedule: Schedule) -> set[date]:
    """The days of this day's month on which periods start; what the month is too short for falls on its last day."""
    days = schedule.days_of_month or (schedule.anchor_day,)
    return {month.replace(day=min(day, monthrange(month.year, month.month)[1])) for day in days}
