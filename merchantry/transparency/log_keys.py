"""The log's own keys, kept outside the database. All sign: while keys change, the former one and the new one."""

import base64
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from merchantry.domain.note import NoteError, Signature, VerifierKey
from merchantry.transparency.signing import SEED_BYTES, Signer
from tenancy.private_file import change, read_or_create

ENVIRONMENT: Final = "MERCHANTRY_LOG_KEYS"
"""The environment variable that holds the keys' text, where no file does."""

FILE: Final = "log_keys.json"
"""The file in the data directory that holds the keys, where the environment holds none."""


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's name, which never changes, and its signers; the last is the newest."""

    origin: str
    signers: tuple[Signer, ...]

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """The public keys, oldest first."""
        return tuple(each.verifier for each in self.signers)

    def sign(self, text: str) -> tuple[Signature, ...]:
        """Every key's signature under a checkpoint's text."""
        return tuple(each.sign(text) for each in self.signers)

    @classmethod
    def from_seeds(cls, origin: str, seeds: Sequence[bytes]) -> Self:
        """Raises NoteError for a malformed name or key, and where there is no key."""
        if not seeds:
            raise NoteError("A log needs a key to sign with")
        return cls(origin, tuple(Signer.log(origin, seed) for seed in seeds))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The keys of a JSON text: ``{"origin": "mall.example/log", "keys": ["…32 bytes in base64…"]}``, newest last.

        Raises NoteError, which never shows the text.
        """
        try:
            document = json.loads(text)
            seeds = [base64.b64decode(key, validate=True) for key in document["keys"]]
            origin = document["origin"]
        except (ValueError, TypeError, KeyError):
            raise NoteError('Keys of a log are a JSON object {"origin": NAME, "keys": [32 bytes in base64]}') from None
        if not isinstance(origin, str):
            raise NoteError("The origin of a log is a text such as mall.example/log")
        return cls.from_seeds(origin, seeds)

    @classmethod
    def load_or_create(cls, directory: Path, origin: str | None = None) -> Self:
        """The keys in ``directory/log_keys.json``, made with one key if missing.

        Without an ``origin`` a new log gets a name of its own. Raises NoteError where the file holds no keys or others
        than its owner may read it.
        """
        path = directory / FILE
        try:
            return cls.from_text(read_or_create(path, lambda: _made(origin or _own_name())).decode())
        except (ValueError, NoteError) as error:
            raise NoteError(f"{path}: {error}") from None

    @classmethod
    def add(cls, directory: Path) -> Self:
        """Add a new key to ``directory/log_keys.json``; from now on both sign."""
        return cls._change(directory, lambda keys: [*keys, _new_key()])

    @classmethod
    def retire(cls, directory: Path) -> Self:
        """Leave only the newest key: what it signs, it signs alone."""
        return cls._change(directory, lambda keys: keys[-1:])

    @classmethod
    def _change(cls, directory: Path, change_keys: Callable[[list[str]], list[str]]) -> Self:
        def changed(content: bytes) -> bytes:
            document = json.loads(content)
            return _text(document["origin"], change_keys(document["keys"]))

        return cls.from_text(change(directory / FILE, changed).decode())

    @classmethod
    def given(cls, directory: Path) -> Self:
        """The environment's keys, else those in this directory. Raises NoteError, OSError."""
        text = os.environ.get(ENVIRONMENT)
        if not text:
            return cls.load_or_create(directory)
        try:
            return cls.from_text(text)
        except NoteError as error:
            raise NoteError(f"{ENVIRONMENT}: {error}") from None


def _made(origin: str) -> bytes:
    return _text(origin, [_new_key()])


def _text(origin: str, keys: Sequence[str]) -> bytes:
    return json.dumps({"origin": origin, "keys": list(keys)}, indent=1).encode()


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(SEED_BYTES)).decode()


def _own_name() -> str:
    return f"merchantry-{secrets.token_hex(6)}/log"
