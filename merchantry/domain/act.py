"""Who does something, and when it happened."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Act:
    """``actor`` is ``buyer:<account>``, ``staff:<account>``, ``platform:<account>`` or ``system:<part>``; of machines
    ``machine:<token>`` at a merchant, ``platform:machine:<token>`` at the platform.

    ``at`` is business time, ``booked_at`` the clock's. The two differ where something is booked late: an import, a job
    after hours without a worker. The rest is known of requests only: ``on_behalf_of`` is ``merchant:<id>`` or
    ``buyer:<account>``, ``client`` the kind of credential (and its id, where it has one), ``request_id`` the request.
    """

    actor: str
    at: datetime
    booked_at: datetime
    on_behalf_of: str | None = None
    client: str | None = None
    request_id: str | None = None

    @property
    def actor_seen_by_merchant(self) -> str:
        """The actor as a merchant's rows keep it: merchants must not recognise a buyer of another merchant."""
        return "buyer" if self.actor.startswith("buyer:") else self.actor
