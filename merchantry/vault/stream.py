"""A long text sealed chunk by chunk: what is missing, moved, doubled or changed is found at its chunk.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015) over AES-256-GCM. A chunk's nonce is 7 zero bytes, its number (4 bytes, big-endian) and 1 for
the last chunk, else 0; so a key seals one stream only. Bound to every chunk are the bytes that the stream begins with.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from merchantry.vault.cipher import TAG_BYTES, VaultError

MOST_CHUNKS: Final = 2**32
_PREFIX: Final = bytes(7)


class StreamKey:
    """The key of one stream, at its next chunk: for sealing, or for opening, from the first chunk to the last."""

    def __init__(self, secret: bytes, associated: bytes) -> None:
        self._cipher = AESGCM(secret)
        self._associated = associated
        self._number = 0

    def seal(self, chunk: bytes, *, is_last: bool) -> bytes:
        """Ciphertext and tag of the next chunk."""
        return self._cipher.encrypt(self._nonce(is_last), chunk, self._associated)

    def open(self, sealed: bytes, *, is_last: bool) -> bytes:
        """The next chunk. Raises VaultError where it is not exactly what was sealed at this place."""
        number = self._number
        if len(sealed) < TAG_BYTES:
            raise VaultError(f"Chunk {number} is cut short")
        try:
            return self._cipher.decrypt(self._nonce(is_last), sealed, self._associated)
        except InvalidTag:
            raise VaultError(f"Chunk {number} was changed, moved, or sealed with another key") from None

    def _nonce(self, is_last: bool) -> bytes:
        if self._number >= MOST_CHUNKS:
            raise VaultError("The stream is too long for one key")
        nonce = _PREFIX + self._number.to_bytes(4, "big") + bytes([is_last])
        self._number += 1
        return nonce
