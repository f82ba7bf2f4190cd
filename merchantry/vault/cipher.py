"""AES-256-GCM (NIST SP 800-38D) as the vault uses it: random nonces, and associated data that says what is sealed."""

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16


class VaultError(Exception):
    """Something sealed can't be opened, or a key can't be used. The message holds no secret."""


def encrypt(key: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Nonce, ciphertext and tag. One key may encrypt 2^32 times, as the standard says of random nonces."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, associated)


def decrypt(key: bytes, sealed: bytes, associated: bytes, what: str) -> bytes:
    """The plaintext of nonce, ciphertext and tag. Raises VaultError naming `what` where any bit is another."""
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise VaultError(f"{what} is cut short")
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], associated)
    except InvalidTag:
        raise VaultError(f"{what} was changed, moved, or sealed with another key") from None
