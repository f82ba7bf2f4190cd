"""How the mall is, for metrics and alarms: work that waits, the log, merchants by version, backups, verifications.

Each is one statement over ``platform``, run by a scraper of its own and not by requests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

JOBS: Final = """
SELECT kind, count(*) FILTER (WHERE due_at <= now()), count(*) FILTER (WHERE leased_until > now()),
       count(*) FILTER (WHERE last_error IS NOT NULL),
       coalesce(extract(epoch FROM now() - min(due_at) FILTER (WHERE due_at <= now())), 0)
FROM platform.job GROUP BY kind
"""
LOG: Final = """
SELECT coalesce((SELECT max(size) FROM platform.log_checkpoint), 0),
       (SELECT count(*) FROM platform.log_queue),
       coalesce((SELECT extract(epoch FROM now() - min(booked_at)) FROM platform.log_queue), 0),
       coalesce((SELECT extract(epoch FROM now() - max(signed_at)) FROM platform.log_checkpoint), 0)
"""
MERCHANTS: Final = "SELECT status, version, count(*) FROM platform.merchant GROUP BY status, version"
BACKUPS: Final = """
SELECT count(*) FILTER (WHERE taken_at IS NULL), coalesce(max(extract(epoch FROM now() - taken_at)), 0)
FROM (SELECT max(b.taken_at) AS taken_at
      FROM platform.merchant m LEFT JOIN platform.merchant_backup b ON b.merchant_id = m.id
      WHERE m.status <> 'closed' GROUP BY m.id) AS latest
"""
VERIFICATION: Final = """
SELECT coalesce(extract(epoch FROM now() - coalesce((SELECT max(started_at) FROM platform.verification
                                                     WHERE status <> 'running'),
                                                    (SELECT min(created_at) FROM platform.merchant))), 0),
       coalesce((SELECT broken FROM platform.verification WHERE status <> 'running'
                 ORDER BY finished_at DESC LIMIT 1), 0)
"""

WEBHOOKS: Final = """
SELECT count(*), count(*) FILTER (WHERE d.attempts > 0),
       coalesce(extract(epoch FROM now() - min(d.created_at) FILTER (WHERE d.attempts = 0)), 0)
FROM platform.webhook_delivery d JOIN platform.webhook_endpoint e ON e.id = d.endpoint_id
WHERE d.status = 'waiting' AND e.status = 'enabled'
"""
MAIL: Final = """
SELECT count(*), count(*) FILTER (WHERE attempts > 0),
       coalesce(extract(epoch FROM now() - min(next_at) FILTER (WHERE next_at <= now())), 0)
FROM platform.mail WHERE status = 'waiting'
"""
ADDRESSES: Final = "SELECT count(*) FROM platform.mail_address WHERE refused_at IS NOT NULL"
ENDPOINTS: Final = "SELECT status, count(*) FROM platform.webhook_endpoint GROUP BY status"
OUTBOX: Final = """
SELECT head.seq - coalesce((SELECT seq FROM platform.outbox_consumer WHERE name = 'webhooks'), 0)
FROM platform.outbox_head head
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """One gauge: its name without the prefix, what it says, its labels' names, and values by labels."""

    name: str
    text: str
    labels: tuple[str, ...]
    statement: str
    column: int

    def values(self, rows: list[tuple[object, ...]]) -> Iterator[tuple[tuple[str, ...], float]]:
        """The gauge's values, of the rows that its statement answered."""
        for row in rows:
            yield tuple(str(row[at]) for at in range(len(self.labels))), float(str(row[self.column]))


FIGURES: Final = (
    Figure("jobs_due", "Jobs whose time has come.", ("kind",), JOBS, 1),
    Figure("jobs_leased", "Jobs that a worker holds.", ("kind",), JOBS, 2),
    Figure("jobs_failing", "Jobs whose last attempt failed.", ("kind",), JOBS, 3),
    Figure("jobs_oldest_due_seconds", "For how long the oldest job has been due.", ("kind",), JOBS, 4),
    Figure("log_size", "Leaves of the public log that are signed.", (), LOG, 0),
    Figure("log_queue", "Leaves that wait for their place in the public log.", (), LOG, 1),
    Figure("log_queue_oldest_seconds", "For how long the oldest leaf has waited.", (), LOG, 2),
    Figure("log_signed_age_seconds", "Since when the log's head was not signed anew.", (), LOG, 3),
    Figure("merchants", "Merchants.", ("status", "version"), MERCHANTS, 2),
    Figure("merchants_without_backup", "Merchants that were never backed up.", (), BACKUPS, 0),
    Figure("backup_oldest_seconds", "Age of the latest backup of the merchant whose is the oldest.", (), BACKUPS, 1),
    Figure("verification_age_seconds", "Since when nothing was verified by itself.", (), VERIFICATION, 0),
    Figure("verification_broken", "What the last verification found wrong.", (), VERIFICATION, 1),
    Figure("webhooks_waiting", "Deliveries that wait, at endpoints that are enabled.", (), WEBHOOKS, 0),
    Figure("webhooks_retrying", "Those of them that have failed before.", (), WEBHOOKS, 1),
    Figure("webhooks_oldest_seconds", "For how long the oldest has waited for its first attempt.", (), WEBHOOKS, 2),
    Figure("webhooks_unread", "Events that have not been divided among endpoints.", (), OUTBOX, 0),
    Figure("webhook_endpoints", "Endpoints.", ("status",), ENDPOINTS, 1),
    Figure("mail_waiting", "Mails that wait, those of later digests too.", (), MAIL, 0),
    Figure("mail_retrying", "Those of them that a mail server has put off.", (), MAIL, 1),
    Figure("mail_oldest_seconds", "For how long the oldest has been due.", (), MAIL, 2),
    Figure("mail_addresses_refused", "Addresses that a mail server does not know.", (), ADDRESSES, 0),
)
