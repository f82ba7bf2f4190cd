"""Figures of a worker."""

from prometheus_client import Counter, Histogram

JOBS = Counter("merchantry_jobs_total", "Jobs that a worker ended: done, or failed for now.", ["kind", "outcome"])
JOBS_CLAIMED = Counter("merchantry_jobs_claimed_total", "Jobs that a worker took.", ["kind"])
WEBHOOKS = Counter(
    "merchantry_webhook_attempts_total",
    "Attempts to deliver a webhook: delivered, retried, given_up, disabled; lost where somebody else went on.",
    ["outcome"],
)
WEBHOOK_SECONDS = Histogram(
    "merchantry_webhook_seconds", "What attempts took.", buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
)
MAILS = Counter(
    "merchantry_mails_total",
    "Mails: sent, failed, bad_address, dropped; later, away where they wait; lost where somebody else went on; error.",
    ["outcome"],
)
MAIL_SECONDS = Histogram(
    "merchantry_mail_seconds", "What handing in took.", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40)
)
JOB_SECONDS = Histogram(
    "merchantry_job_seconds", "What jobs took.", ["kind"], buckets=(0.01, 0.05, 0.25, 1, 5, 30, 120, 600, 3600)
)
