"""When the mall verifies itself, and what that comes to."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)


class VerificationStatus(StrEnum):
    """Where a verification stands."""

    RUNNING = "running"
    CLEAN = "clean"
    BROKEN = "broken"


def last_due(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The latest moment, not after ``now``, at which it is this time of day in a zone."""
    today = now.astimezone(zone).date()
    due = datetime.combine(today, at, zone).astimezone(UTC)
    return due if due <= now else datetime.combine(today - DAY, at, zone).astimezone(UTC)
