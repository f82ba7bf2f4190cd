"""Signed messages over HTTP: https://www.standardwebhooks.com, symmetric signatures (``v1``, HMAC-SHA-256).

Several secrets may be in force at once, so that one is replaced while messages are on their way.
"""

import binascii
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"

TOLERANCE: Final = timedelta(minutes=5)
"""How far a message's time may be from now: what was overheard can't be sent again later."""

MAX_ID_LENGTH: Final = 200
MAX_SIGNATURES: Final = 10
SECRET_PREFIX: Final = "whsec_"
SECRET_BYTES: Final = range(24, 65)
"""How long a secret may be, by the specification."""

_ID = re.compile(rf"[!-~]{{1,{MAX_ID_LENGTH}}}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureRefused(Exception):
    """A message is not signed by whom it should be, or not now. The text is for the log."""


class SecretUnusable(ValueError):
    """A webhook secret is ``whsec_`` and 24 to 64 bytes in base64."""


class Secrets:
    """The secrets that messages may be signed with, the one that new messages are signed with first."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Raises SecretUnusable."""
        self._webhooks = tuple(map(_webhook, texts))

    def __bool__(self) -> bool:
        return bool(self._webhooks)

    def __repr__(self) -> str:
        return "Secrets(…)"

    def sign(self, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """The headers that a message goes with."""
        signature = self._webhooks[0].sign(message_id, at.astimezone(UTC), body.decode())
        return {ID: message_id, TIMESTAMP: str(int(at.timestamp())), SIGNATURE: signature}

    def verify(self, headers: Mapping[str, str], body: bytes, at: datetime) -> str:
        """The id of a message that one of the secrets has signed a moment ago. Raises SignatureRefused."""
        message_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
        if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
            raise SignatureRefused("id or timestamp is missing or malformed")
        try:
            sent_at, text = datetime.fromtimestamp(int(timestamp), UTC), body.decode()
        except (ValueError, OverflowError, OSError):
            raise SignatureRefused("timestamp or body can't be read") from None
        given = headers.get(SIGNATURE, "").split(" ")[:MAX_SIGNATURES]
        wanted = [webhook.sign(message_id, sent_at, text) for webhook in self._webhooks]
        fitting = [hmac.compare_digest(w.encode(), g.encode()) for w in wanted for g in given]
        if not any(fitting):
            raise SignatureRefused("no signature fits")
        if abs(at - sent_at) > TOLERANCE:
            raise SignatureRefused("sent too long ago, or not yet")
        return message_id


def new_secret(random: bytes) -> str:
    """The text of a secret made of these bytes."""
    return SECRET_PREFIX + b64encode(random).decode()


def _webhook(text: str) -> Webhook:
    try:
        if not text.startswith(SECRET_PREFIX):
            raise SecretUnusable(SecretUnusable.__doc__)
        secret = b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise SecretUnusable(SecretUnusable.__doc__) from None
    if len(secret) not in SECRET_BYTES:
        raise SecretUnusable(SecretUnusable.__doc__)
    return Webhook(secret)
