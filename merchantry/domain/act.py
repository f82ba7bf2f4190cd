"""Who does something, and when it happened."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Act:
    """``actor`` is ``buyer:<account>``, ``staff:<account>``, ``platform:<account>`` or ``system:<part>``.

    ``at`` is business time, ``booked_at`` the clock's. The two differ where something is booked late: an import, a job
    after hours without a worker.
    """

    actor: str
    at: datetime
    booked_at: datetime

    @property
    def actor_seen_by_merchant(self) -> str:
        """The actor as a merchant's rows keep it: merchants must not recognise a buyer of another merchant."""
        return "buyer" if self.actor.startswith("buyer:") else self.actor
