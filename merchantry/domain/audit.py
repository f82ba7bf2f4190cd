"""An event of the audit trail: what it says, the exact bytes that are hashed of it, and its commitment."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from merchantry.domain.canonical import Json, canonical_json, rfc3339

FORMAT: Final = "merchantry-audit-event/v1"
SALT_BYTES: Final = 32
MASK: Final = "***"

SECRET_NAMES: Final = frozenset(
    {
        "account_number",
        "authorization",
        "bic",
        "card_number",
        "contact",
        "email",
        "holder",
        "iban",
        "password",
        "phone",
        "postal_code",
        "private_key",
        "secret",
        "secret_key",
        "sealed",
        "ship_to",
        "signing_key",
        "street",
        "token",
        "wallet_id",
        "webhook_secret",
        "wrapped",
    }
)
"""Names under which facts of an event are masked, at any depth: secrets, account numbers, contact data."""


class Outcome(StrEnum):
    """Whether what was tried was done."""

    DONE = "DONE"
    REFUSED = "REFUSED"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act. ``merchant_id`` is the nil UUID where it concerns no merchant; ``before`` and ``after`` hold what
    changed, or why it was refused."""

    merchant_id: UUID
    id: UUID
    actor: str
    on_behalf_of: str | None
    client: str | None
    request_id: str | None
    act: str
    subject: str
    outcome: Outcome
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    occurred_at: datetime
    booked_at: datetime
    salt: bytes = field(repr=False)

    @property
    def cursor(self) -> tuple[datetime, UUID]:
        """What ``after`` of the next page is."""
        return self.booked_at, self.id


def masked(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with every value under one of ``SECRET_NAMES`` replaced; None stays, so that it shows what was set."""
    return {name: MASK if name in SECRET_NAMES and fact is not None else _masked(fact) for name, fact in facts.items()}


def _masked(fact: Any) -> Any:
    if isinstance(fact, Mapping):
        return masked(fact)
    if isinstance(fact, list | tuple):
        return [_masked(each) for each in fact]
    return fact


def canonical_bytes(event: AuditEvent) -> bytes:
    """The event as the bytes that are hashed: RFC 8785 JSON as docs/audit.md specifies it.

    Raises ValueError where ``before`` or ``after`` hold what a JSON parser or the database could not give back.
    """
    document: Json = {
        "act": event.act,
        "actor": event.actor,
        "after": event.after,
        "before": event.before,
        "booked_at": rfc3339(event.booked_at),
        "client": event.client,
        "format": FORMAT,
        "id": str(event.id),
        "merchant_id": str(event.merchant_id),
        "occurred_at": rfc3339(event.occurred_at),
        "on_behalf_of": event.on_behalf_of,
        "outcome": event.outcome,
        "request_id": event.request_id,
        "subject": event.subject,
    }
    return canonical_json(document)


def commitment(event: AuditEvent) -> bytes:
    """What the public log shows of an event: SHA-256 of the format's name, the event's own salt, and its bytes."""
    if len(event.salt) != SALT_BYTES:
        raise ValueError(f"A salt has {SALT_BYTES} bytes, not {len(event.salt)}")
    return hashlib.sha256(FORMAT.encode("ascii") + b"\n" + event.salt + canonical_bytes(event)).digest()
