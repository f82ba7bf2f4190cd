"""A witness's own key, in a file that only it may read; it never changes."""

import base64
import json
import secrets
from pathlib import Path
from typing import Final

from merchantry.domain.note import NoteError, checked_name
from merchantry.transparency.signing import SEED_BYTES, Signer
from tenancy.private_file import read_or_create

FILE: Final = "witness_key.json"


def make(directory: Path, name: str) -> Signer:
    """The key in the directory, made where there is none.

    Raises NoteError for a malformed name, and where there is a key of another name already.
    """
    checked_name(name)
    read_or_create(directory / FILE, lambda: _text(name))
    signer = load(directory)
    if signer.verifier.name != name:
        raise NoteError(f"{directory / FILE} is the key of {signer.verifier.name} already")
    return signer


def load(directory: Path) -> Signer:
    """The key that was made. Raises NoteError, which never shows it, and FileNotFoundError."""
    path = directory / FILE
    try:
        held = read_or_create(path, _missing)
    except ValueError as error:
        raise NoteError(str(error)) from None
    try:
        document = json.loads(held)
        return Signer.witness(document["name"], base64.b64decode(document["key"], validate=True))
    except (ValueError, TypeError, KeyError):
        raise NoteError(f"{path} holds no key of a witness") from None


def _text(name: str) -> bytes:
    key = base64.b64encode(secrets.token_bytes(SEED_BYTES)).decode()
    return json.dumps({"name": name, "key": key}, indent=1).encode()


def _missing() -> bytes:
    raise FileNotFoundError("There is no key of a witness here")
