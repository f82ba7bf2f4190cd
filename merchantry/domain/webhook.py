"""Webhooks: events that are sent to somebody's URL, signed as Standard Webhooks says (https://www.standardwebhooks.com).

What is sent is JSON: ``type``, ``timestamp``, ``version`` and ``data``. Its id is the event's, at every attempt.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from merchantry.domain.errors import InvalidInput, NotPermitted
from merchantry.domain.event import EventKind
from merchantry.domain.permission import Permission
from merchantry.domain.worded import Worded

SECRET_BYTES: Final = 32
SECRET_PREFIX: Final = "whsec_"
TEST: Final = "webhook.test"
"""The type of what is sent to try an endpoint; the one that is no event."""

RETRIES: Final[tuple[timedelta, ...]] = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""How long after each attempt that failed comes the next; after the last it is given up."""

JITTER_PERCENT: Final = 20
"""By how much a wait is drawn out at most, so that what failed together does not come back together."""

FAILURES_UNTIL_PAUSE: Final = 5
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=10)
DISABLED_AFTER: Final = timedelta(days=5)
"""An endpoint that only failed for so long is sent nothing more until somebody enables it."""

LONGEST_OVERLAP: Final = timedelta(days=7)
GONE: Final = 410


class EndpointStatus(StrEnum):
    """Whether an endpoint is sent anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"


class DisabledBy(StrEnum):
    """Why an endpoint is sent nothing."""

    PERSON = "person"
    FAILING = "failing"
    GONE = "gone"


class DeliveryStatus(StrEnum):
    """What became of one event at one endpoint."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt came to: the HTTP status, or an error without one, and the beginning of what was answered."""

    status: int | None
    error: str | None = None
    response: str | None = None

    @property
    def is_success(self) -> bool:
        """Any 2xx: then the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def check_kinds(kinds: Collection[EventKind] | None, held: Collection[Permission], *, of_platform: bool) -> None:
    """Refuse kinds of events of which whoever asks is not told themselves; None stands for all.

    Raises NotPermitted, and InvalidInput for an empty choice.
    """
    if kinds is not None and not kinds:
        raise InvalidInput(reason="Choose at least one kind, or leave it out for all.", path=("kinds",))
    for kind in kinds or EventKind:
        needed = kind.declared.platform if of_platform else kind.declared.staff
        if needed is not None and needed not in held:
            raise NotPermitted(permission=needed, path=("kinds",))
        if needed is None and kinds is not None:
            raise InvalidInput(reason=Worded("Merchants are not told of {kind}.", kind=kind), path=("kinds",))


def body_of(
    type_: str, timestamp: datetime, version: int, data: Mapping[str, Any], merchant: str | None = None
) -> bytes:
    """What is sent. ``merchant`` is whose the event is, where the platform is told."""
    content = {"type": type_, "timestamp": _instant(timestamp), "version": version, "data": dict(data)}
    if merchant is not None:
        content["merchant"] = merchant
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def headers_of(event_id: UUID, at: datetime, body: bytes, secrets: Sequence[bytes]) -> dict[str, str]:
    """The three headers that prove who sent it: one signature for each secret that counts."""
    seconds = str(int(at.timestamp()))
    signed = b".".join((str(event_id).encode(), seconds.encode(), body))
    signatures = [base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode() for secret in secrets]
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{each}" for each in signatures),
    }


def secret_text(secret: bytes) -> str:
    """A secret as its owner is shown it, once."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def wait_after(failures: int, draw: float) -> timedelta | None:
    """How long until the next attempt after so many have failed; None where it is given up.

    ``draw`` is from 0 to below 1, and says how much of the jitter is taken.
    """
    if failures > len(RETRIES):
        return None
    return timedelta(seconds=RETRIES[failures - 1].total_seconds() * (1 + JITTER_PERCENT * draw / 100))


def pause_after(failures: int) -> timedelta | None:
    """How long an endpoint is left alone after so many failures in a row, whatever was sent; None: not at all."""
    if failures < FAILURES_UNTIL_PAUSE:
        return None
    doublings = min(failures - FAILURES_UNTIL_PAUSE, 10)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


def disabled_by(answer: Answer, failing_since: datetime, at: datetime) -> DisabledBy | None:
    """Why a failure is the end of an endpoint, where it is."""
    if answer.status == GONE:
        return DisabledBy.GONE
    return DisabledBy.FAILING if at - failing_since >= DISABLED_AFTER else None
