"""Keys: a data key per merchant and version, kept wrapped by a master key that lives outside the database.

A wrapped key is nonce, ciphertext and tag under the master key; bound to it are merchant, version and master key, as
`merchantry-vault-key/v1`, a newline, the merchant's 16 bytes, the version in 4 bytes, and the master key's id.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self
from uuid import UUID

from merchantry.vault.cipher import KEY_BYTES, VaultError, decrypt, encrypt
from tenancy.private_file import change, read_or_create

ENVIRONMENT: Final = "MERCHANTRY_MASTER_KEYS"
"""The environment variable that holds a key ring's text, where no file does."""

FILE: Final = "master_keys.json"
"""The file in the data directory that holds a key ring, where the environment holds none."""

_FORMAT: Final = b"merchantry-vault-key/v1\n"
_MASTER_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_VERSION: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class DataKey:
    """The key that a merchant's values are sealed with. Versions count from 1; the highest seals, the others open."""

    merchant_id: UUID
    version: int
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_version(self.version)
        _check_key(self.secret, f"version {self.version} of the data key")


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as the database may keep it: of no use without the master key `master_id`."""

    merchant_id: UUID
    version: int
    master_id: str
    sealed: bytes

    def __post_init__(self) -> None:
        _check_version(self.version)


class MasterKeys:
    """A ring of master keys by id. The current one wraps; all of them unwrap."""

    def __init__(self, keys: Mapping[str, bytes], current_id: str) -> None:
        """Raises VaultError for malformed ids or keys, and a current one that is missing."""
        for master_id, key in keys.items():
            if not _MASTER_ID.fullmatch(master_id):
                raise VaultError(f"The master key's id {master_id!r} is not 1 to 64 letters, digits, '.', '_' or '-'")
            _check_key(key, f"the master key {master_id}")
        if current_id not in keys:
            raise VaultError(f"The current master key {current_id!r} is not in the ring")
        self._keys = MappingProxyType(dict(keys))
        self.current_id = current_id

    def __repr__(self) -> str:
        return f"MasterKeys({', '.join(sorted(self._keys))}; current {self.current_id})"

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys in the ring."""
        return frozenset(self._keys)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The ring of a JSON text: `{"current": "2026-01", "keys": {"2026-01": "…32 bytes in base64…"}}`.

        Raises VaultError, which never shows the text.
        """
        try:
            document = json.loads(text)
            keys = {str(name): base64.b64decode(key, validate=True) for name, key in document["keys"].items()}
            current_id = document["current"]
        except (ValueError, TypeError, KeyError, AttributeError):
            keys, current_id = {}, None
        if not isinstance(current_id, str):
            raise VaultError(
                'Master keys are a JSON object {"current": ID, "keys": {ID: KEY}} with keys of 32 bytes in base64'
            )
        return cls(keys, current_id)

    @classmethod
    def load_or_create(cls, directory: Path) -> Self:
        """The ring in `directory/master_keys.json`, made with one key if missing; for a machine of one's own.

        Raises VaultError where the file is no ring or others than its owner may read it.
        """
        path = directory / FILE
        try:
            return cls._from_bytes(read_or_create(path, lambda: cls.generate("1").to_text().encode()))
        except (ValueError, VaultError) as error:
            raise VaultError(f"{path}: {error}") from None

    @classmethod
    def add_current(cls, directory: Path) -> Self:
        """Add a new random key to the ring in `directory/master_keys.json` and make it the current one.

        Raises VaultError as :meth:`load_or_create` does.
        """
        path = directory / FILE
        try:
            return cls._from_bytes(
                change(path, lambda content: cls._from_bytes(content)._with_next().to_text().encode())
            )
        except (ValueError, VaultError) as error:
            raise VaultError(f"{path}: {error}") from None

    @classmethod
    def _from_bytes(cls, content: bytes) -> Self:
        return cls.from_text(content.decode("utf-8"))

    def _with_next(self) -> "MasterKeys":
        """Numbers count on where the ring's own ids are numbers, and skip what is taken."""
        number = len(self._keys) + 1
        while str(number) in self._keys:
            number += 1
        return self.with_new_current(str(number))

    @classmethod
    def generate(cls, master_id: str) -> Self:
        """A ring of one new random key."""
        return cls({master_id: os.urandom(KEY_BYTES)}, master_id)

    def to_text(self) -> str:
        """The ring as `from_text` reads it, secrets included: for a private file or a secret store only."""
        keys = {name: base64.b64encode(key).decode("ascii") for name, key in sorted(self._keys.items())}
        return json.dumps({"current": self.current_id, "keys": keys}, indent=2) + "\n"

    def with_new_current(self, master_id: str) -> "MasterKeys":
        """The ring with one more random key, which wraps from now on. Raises VaultError for an id in use."""
        if master_id in self._keys:
            raise VaultError(f"The ring has a master key {master_id} already; choose another id")
        return MasterKeys({**self._keys, master_id: os.urandom(KEY_BYTES)}, master_id)

    def without(self, master_id: str) -> "MasterKeys":
        """The ring without a key that wraps nothing any more. Raises VaultError for the current one."""
        if master_id == self.current_id:
            raise VaultError(f"{master_id} is the current master key; make another one current first")
        return MasterKeys({name: key for name, key in self._keys.items() if name != master_id}, self.current_id)

    def _key(self, master_id: str) -> bytes:
        try:
            return self._keys[master_id]
        except KeyError:
            raise VaultError(f"The ring has no master key {master_id!r}; add the one that wrapped this") from None


def new_data_key(merchant_id: UUID, version: int) -> DataKey:
    """A random data key."""
    return DataKey(merchant_id, version, os.urandom(KEY_BYTES))


def wrap(ring: MasterKeys, key: DataKey) -> WrappedKey:
    """The data key, wrapped by the ring's current master key."""
    associated = _associated(key.merchant_id, key.version, ring.current_id)
    sealed = encrypt(ring._key(ring.current_id), key.secret, associated)
    return WrappedKey(key.merchant_id, key.version, ring.current_id, sealed)


def unwrap(ring: MasterKeys, wrapped: WrappedKey) -> DataKey:
    """The data key that was wrapped.

    Raises VaultError where the ring lacks its master key, or the row is another merchant's, version's, or was changed.
    """
    associated = _associated(wrapped.merchant_id, wrapped.version, wrapped.master_id)
    what = f"The data key of merchant {wrapped.merchant_id}, version {wrapped.version},"
    secret = decrypt(ring._key(wrapped.master_id), wrapped.sealed, associated, what)
    return DataKey(wrapped.merchant_id, wrapped.version, secret)


def wrap_secret(ring: MasterKeys, secret: bytes, purpose: bytes) -> tuple[str, bytes]:
    """A secret wrapped by the ring's current master key, for one purpose: the master key's id, and the sealed bytes."""
    return ring.current_id, encrypt(ring._key(ring.current_id), secret, purpose + ring.current_id.encode("utf-8"))


def unwrap_secret(ring: MasterKeys, master_id: str, sealed: bytes, purpose: bytes, what: str) -> bytes:
    """The secret that was wrapped for this purpose. Raises VaultError naming ``what``."""
    return decrypt(ring._key(master_id), sealed, purpose + master_id.encode("utf-8"), what)


def rewrap(rows: Iterable[WrappedKey], ring: MasterKeys) -> Iterator[WrappedKey]:
    """Those rows that another master key than the current wraps, wrapped by the current: the ring holds both.

    Data keys stay, so nothing sealed changes. Raises VaultError at the first row that can't be unwrapped.
    """
    for row in rows:
        if row.master_id != ring.current_id:
            yield wrap(ring, unwrap(ring, row))


def _associated(merchant_id: UUID, version: int, master_id: str) -> bytes:
    return _FORMAT + merchant_id.bytes + version.to_bytes(4, "big") + master_id.encode("utf-8")


def _check_version(version: int) -> None:
    if not 1 <= version <= _MAX_VERSION:
        raise VaultError(f"Versions of a data key count from 1 to {_MAX_VERSION}, not {version}")


def _check_key(key: bytes, what: str) -> None:
    if len(key) != KEY_BYTES:
        raise VaultError(f"A key has {KEY_BYTES} bytes; {what} has {len(key)}")
