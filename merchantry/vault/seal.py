"""Values sealed for one place: merchant, table, row and column. Anywhere else they don't open.

Sealed bytes are: the format's version 1 (1 byte), the data key's version (4 bytes, big-endian), the nonce (12 bytes),
ciphertext and tag (16 bytes). Bound to them are `merchantry-vault-value/v1`, a newline, the merchant's 16 bytes, the
key's version (4 bytes), the row's 16 bytes, and `table.column`.
"""

import re
from typing import Final
from uuid import UUID

from merchantry.vault.cipher import VaultError, decrypt, encrypt
from merchantry.vault.keys import DataKey

OVERHEAD_BYTES: Final = 1 + 4 + 12 + 16
"""How much longer than its plaintext a sealed value is."""

_FORMAT: Final = b"merchantry-vault-value/v1\n"
_FORMAT_VERSION: Final = 1
_HEADER_BYTES: Final = 5
_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def seal(key: DataKey, plaintext: bytes, *, table: str, row_id: UUID, column: str) -> bytes:
    """The value, encrypted for this place. Two seals of one value differ. Raises ValueError for names that are none."""
    header = bytes([_FORMAT_VERSION]) + key.version.to_bytes(4, "big")
    return header + encrypt(key.secret, plaintext, _associated(key, table, row_id, column))


def open_(key: DataKey, sealed: bytes, *, table: str, row_id: UUID, column: str) -> bytes:
    """The value that was sealed with this key for this place. Raises VaultError for any other, and what was changed."""
    version = key_version(sealed)
    if version != key.version:
        raise VaultError(f"{table}.{column} is sealed with version {version} of the data key, not {key.version}")
    associated = _associated(key, table, row_id, column)
    return decrypt(key.secret, sealed[_HEADER_BYTES:], associated, f"{table}.{column} of row {row_id}")


def reseal(old: DataKey, new: DataKey, sealed: bytes, *, table: str, row_id: UUID, column: str) -> bytes:
    """The value, opened with the old key and sealed with the new one: both are one merchant's. Raises VaultError."""
    if old.merchant_id != new.merchant_id:
        raise VaultError("A value is sealed anew for its own merchant only")
    return seal(
        new, open_(old, sealed, table=table, row_id=row_id, column=column), table=table, row_id=row_id, column=column
    )


def key_version(sealed: bytes) -> int:
    """Which version of the merchant's data key opens this. Raises VaultError for what was not sealed here."""
    if len(sealed) < OVERHEAD_BYTES:
        raise VaultError("A sealed value is cut short")
    if sealed[0] != _FORMAT_VERSION:
        raise VaultError(f"A sealed value has format {sealed[0]}, which this program doesn't know")
    return int.from_bytes(sealed[1:_HEADER_BYTES], "big")


def _associated(key: DataKey, table: str, row_id: UUID, column: str) -> bytes:
    """Fixed lengths, then names without a dot in them, so that no two places share these bytes."""
    if not (_NAME.fullmatch(table) and _NAME.fullmatch(column)):
        raise ValueError(f"{table!r}.{column!r} is not a column's name")
    place = f"{table}.{column}".encode("ascii")
    return _FORMAT + key.merchant_id.bytes + key.version.to_bytes(4, "big") + row_id.bytes + place
