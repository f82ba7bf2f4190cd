"""Tokens of machines (``mt_<id>_<secret><checksum>``) and of guests (``gt_…``): 256 random bits of which only a
hash is kept.

The checksum tells a mistyped or cut token from a wrong one without a look-up, and lets scanners of leaked secrets be
sure of what they found.
"""

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

PREFIX = "mt_"
GUEST_PREFIX = "gt_"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 43
_CHECKSUM_LENGTH = 6
_FORM = re.compile(rf"(mt_|gt_)([0-9a-f]{{32}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})")


def new_token(token_id: UUID, prefix: str = PREFIX) -> tuple[str, bytes]:
    """A new secret for this id: the token as its holder sends it, and the hash that is kept of it."""
    secret = _base62(secrets.randbits(256), _SECRET_LENGTH)
    body = f"{prefix}{token_id.hex}_{secret}"
    return body + _checksum(body), _hash(secret)


def parse_token(token: str, prefix: str = PREFIX) -> tuple[UUID, bytes] | None:
    """The id of a token and the hash of its secret, or None where it has another form or its checksum is wrong."""
    match = _FORM.fullmatch(token)
    if match is None or match[1] != prefix or _checksum(token[:-_CHECKSUM_LENGTH]) != match[4]:
        return None
    return UUID(match[2]), _hash(match[3])


class SecretUnknown(Exception):
    """The token has no such secret, or has been revoked."""


@dataclass(frozen=True, slots=True)
class KeptToken:
    """What is kept of a token. ``merchant_id`` is None for the platform's; ``previous_hash``, of the secret before it
    was rotated, counts until ``previous_until``."""

    id: UUID
    merchant_id: UUID | None
    name: str
    scopes: frozenset[str]
    secret_hash: bytes
    previous_hash: bytes | None
    previous_until: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def ends_at(self, secret_hash: bytes) -> datetime | None:
        """When a secret with this hash ends, or None for never. Raises SecretUnknown."""
        if self.revoked_at is None and hmac.compare_digest(self.secret_hash, secret_hash):
            return self.expires_at
        if self.revoked_at is None and self.previous_hash and hmac.compare_digest(self.previous_hash, secret_hash):
            return min(filter(None, (self.previous_until, self.expires_at)))
        raise SecretUnknown


def _hash(secret: str) -> bytes:
    """Nothing slower is needed: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(text: str) -> str:
    return _base62(zlib.crc32(text.encode()), _CHECKSUM_LENGTH)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits
