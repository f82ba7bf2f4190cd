"""Ed25519 signatures under notes: the log's own, and witnesses' cosignatures (C2SP signed-note, tlog-cosignature)."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from merchantry.domain.note import COSIGNATURE, ED25519, Note, NoteError, Signature, VerifierKey, checked_name

SEED_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
_TIMESTAMP: Final = struct.Struct(">Q")
_MAX_SECONDS: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A witness's signature that holds: who saw the checkpoint as the newest of its log, and when."""

    name: str
    at: datetime


class Signer:
    """A private key with its name. ``kind`` says whose: a log's (ED25519) or a witness's (COSIGNATURE)."""

    def __init__(self, name: str, kind: int, seed: bytes) -> None:
        """``seed``: the 32 secret bytes. Raises NoteError for a name with white space or '+'."""
        if len(seed) != SEED_BYTES or kind not in (ED25519, COSIGNATURE):
            raise NoteError(f"A key is made of {SEED_BYTES} secret bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(checked_name(name), kind, self._key.public_key().public_bytes_raw())

    @classmethod
    def log(cls, name: str, seed: bytes) -> Self:
        """A log's."""
        return cls(name, ED25519, seed)

    @classmethod
    def witness(cls, name: str, seed: bytes) -> Self:
        """A witness's."""
        return cls(name, COSIGNATURE, seed)

    def __repr__(self) -> str:
        return f"Signer({self.verifier})"

    def sign(self, text: str) -> Signature:
        """The log's signature under a checkpoint's text."""
        if self.verifier.kind != ED25519:
            raise NoteError("A witness cosigns, with the moment")
        return Signature(self.verifier.name, self.verifier.key_id, self._key.sign(text.encode()))

    def cosign(self, text: str, at: datetime) -> Signature:
        """The witness's: that at this moment the checkpoint is the newest of its log that it knows."""
        if self.verifier.kind != COSIGNATURE:
            raise NoteError("Only a witness cosigns")
        seconds = int(at.timestamp())
        signature = _TIMESTAMP.pack(seconds) + self._key.sign(_cosigned(text, seconds))
        return Signature(self.verifier.name, self.verifier.key_id, signature)


def verify(note: Note, key: VerifierKey) -> None:
    """That the log with this key signed the note. Raises NoteError.

    A signature that says it is the key's and is not spoils the note, whatever others stand beside it.
    """
    signatures = key.signatures_in(note)
    if not signatures:
        raise NoteError(f"The note is not signed by {key.name}, key {key.key_id.hex()}")
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    for each in signatures:
        try:
            public.verify(each.signature, note.text.encode())
        except InvalidSignature as error:
            raise NoteError(f"The signature of {key.name} is not over this text") from error


def cosigned(note: Note, key: VerifierKey) -> Cosigned | None:
    """What the witness with this key says of the note; None where it says nothing. Raises NoteError for a false one."""
    signatures = key.signatures_in(note)
    if not signatures:
        return None
    public = Ed25519PublicKey.from_public_bytes(key.public_key)
    latest = 0
    for each in signatures:
        if len(each.signature) != _TIMESTAMP.size + SIGNATURE_BYTES:
            raise NoteError(f"The cosignature of {key.name} has not its length")
        seconds: int = _TIMESTAMP.unpack(each.signature[: _TIMESTAMP.size])[0]
        try:
            public.verify(each.signature[_TIMESTAMP.size :], _cosigned(note.text, seconds))
        except InvalidSignature as error:
            raise NoteError(f"The cosignature of {key.name} is not over this text") from error
        latest = max(latest, seconds)
    if latest > _MAX_SECONDS:
        raise NoteError(f"The cosignature of {key.name} has no moment")
    return Cosigned(key.name, _instant(latest, key.name))


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _instant(seconds: int, name: str) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise NoteError(f"The cosignature of {name} has no moment") from error
