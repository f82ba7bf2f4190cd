"""Who does something, and when it happened."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Act:
    """``actor`` is ``account:<uuid>`` or ``system:<part>``; ``at`` the business time, ``booked_at`` the clock's.

    The two differ where something is booked late: an import, a job after hours without a worker.
    """

    actor: str
    at: datetime
    booked_at: datetime
