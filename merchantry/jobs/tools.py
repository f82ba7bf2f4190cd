"""What handlers of jobs are given: the job, and what they work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from pathlib import Path
from uuid import UUID

from merchantry.gateways.payment import PaymentGateway
from merchantry.gateways.payout import PayoutGateway
from merchantry.gateways.smtp import SmtpServer
from merchantry.gateways.webhook import Reach
from merchantry.mail.letters import Sender
from merchantry.services.queue import JobKind
from merchantry.services.vault import Vault
from merchantry.services.webhook_sending import Present
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database

ACTOR = "system:worker"


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. ``leased_until`` is when another worker may take it; None: nobody else knows of it."""

    merchant_id: UUID
    kind: JobKind
    subject_id: UUID
    due_at: datetime
    attempts: int
    leased_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """Where a worker writes the daily backups of all merchants, and how many of each are kept there."""

    directory: Path
    kept: int


@dataclass(frozen=True, slots=True)
class Webhooks:
    """How a worker sends webhooks: where they may go, how their facts are called, how long deliveries are kept."""

    reach: Reach
    present: Present
    kept: timedelta = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Mailing:
    """How a worker sends mail: through which server, as whom, and at which time of day, in the mall's zone, digests."""

    server: SmtpServer
    sender: Sender
    digest_at: time = time(8)


@dataclass(frozen=True, slots=True)
class Tools:
    """What handlers work with."""

    database: Database
    gateway: PaymentGateway
    clock: Callable[[], datetime]
    vault: Vault
    payouts: Mapping[str, PayoutGateway] = field(default_factory=dict)
    """Who carries money to payees, by kind of account: ``bank``, ``wallet``."""
    reports: Path | None = None
    """Where files of saved reports are written; None: this process produces none."""
    backups: BackupPlan | None = None
    """None: this process makes none."""
    log_keys: LogKeys | None = None
    """What the public log is signed with; None: this process does not sequence."""
    witness_policy: WitnessPolicy | None = None
    """Who cosigns the public log; None: nobody is asked, and nothing is confirmed."""
    verify_at: time | None = None
    """At which time of day, in the mall's zone, everything is verified; None: not by this process."""
    webhooks: Webhooks | None = None
    """None: this process sends none."""
    mailing: Mailing | None = None
    """None: there is no mail; nobody is told by it, and nothing waits to be sent."""


class StillOpen(Exception):
    """There is no definite answer yet; the job is tried again later."""
