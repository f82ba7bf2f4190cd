"""Settlement periods and holds: days of a merchant's zone turned into half-open spans of instants."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo


class Cycle(StrEnum):
    """How often a merchant is settled with."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


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


def period_of(instant: datetime, zone: ZoneInfo, cycle: Cycle, anchor_day: int = 1, closing: time = time(0)) -> Period:
    """The period that the instant belongs to.

    `anchor_day` is the day on which periods start: 1 (Monday) to 7 for weeks; 1 to 31 for months, clamped to the last
    day of shorter ones; days ignore it. `closing` is the wall-clock time at which one period ends and the next starts.
    Raises ValueError for an instant without a zone and an anchor out of its range.
    """
    last_anchor = {Cycle.DAILY: 31, Cycle.WEEKLY: 7, Cycle.MONTHLY: 31}[cycle]
    if not 1 <= anchor_day <= last_anchor:
        raise ValueError(f"A {cycle} cycle starts on a day from 1 to {last_anchor}, not {anchor_day}")

    def boundary(day: date) -> datetime:
        return _instant_of(datetime.combine(day, closing), zone)

    starts_on = _start_of(local_day(instant, zone), cycle, anchor_day)
    # Instants decide, not wall clocks: a clock set back over the closing time shows the old day twice.
    while boundary(starts_on) > instant:
        starts_on = _start_of(starts_on - timedelta(days=1), cycle, anchor_day)
    while boundary(ends_on := _next_start(starts_on, cycle, anchor_day)) <= instant:
        starts_on = ends_on
    return Period(boundary(starts_on), boundary(ends_on), starts_on, ends_on)


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


def _start_of(day: date, cycle: Cycle, anchor_day: int) -> date:
    """The day on which the period that holds this day starts."""
    if cycle is Cycle.DAILY:
        return day
    if cycle is Cycle.WEEKLY:
        return day - timedelta(days=(day.isoweekday() - anchor_day) % 7)
    this_month = _clamped(day, anchor_day)
    return this_month if this_month <= day else _clamped(day.replace(day=1) - timedelta(days=1), anchor_day)


def _next_start(start: date, cycle: Cycle, anchor_day: int) -> date:
    if cycle is Cycle.DAILY:
        return start + timedelta(days=1)
    if cycle is Cycle.WEEKLY:
        return start + timedelta(days=7)
    return _clamped(start.replace(day=1) + timedelta(days=32), anchor_day)


def _clamped(day: date, anchor_day: int) -> date:
    """The anchor in the month of this day, or the month's last day where it is shorter."""
    return day.replace(day=min(anchor_day, monthrange(day.year, day.month)[1]))
