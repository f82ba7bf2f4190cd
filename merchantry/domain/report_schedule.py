"""When a saved report is produced, and which days it is then about."""

from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from merchantry.domain.report_request import Span
from merchantry.domain.settlement import Cycle, Schedule, period_of

PRODUCED_AT: Final = time(5)
"""The wall-clock time in the platform's zone; some hours after midnight, for what is booked late."""


class ReportSchedule(StrEnum):
    """How often a saved report is produced by itself."""

    NONE = "none"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


_CYCLES: Final = {
    ReportSchedule.DAILY: Cycle.DAILY,
    ReportSchedule.WEEKLY: Cycle.WEEKLY,
    ReportSchedule.MONTHLY: Cycle.MONTHLY,
}


def next_due(schedule: ReportSchedule, after: datetime, zone: ZoneInfo) -> datetime:
    """The next moment, in UTC, at which it is produced: every day, every Monday, or every first of a month.

    Raises KeyError for NONE.
    """
    return period_of(after, Schedule(zone, _CYCLES[schedule], closing=PRODUCED_AT)).ends_at


def last_span(schedule: ReportSchedule, at: datetime, zone: ZoneInfo) -> Span:
    """The last day, week from Monday, or calendar month that is over at a moment. Raises KeyError for NONE."""
    days = Schedule(zone, _CYCLES[schedule])
    current = period_of(at, days)
    last = period_of(current.starts_at - timedelta(microseconds=1), days)
    return Span(last.starts_on, last.ends_on)
