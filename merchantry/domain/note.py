"""Signed notes (C2SP signed-note): a text with signatures under it, each by a name and the id of a key.

Only the form; who signs and checks is in :mod:`merchantry.transparency`.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ED25519: Final = 0x01
"""The type of a plain Ed25519 signature over the text."""

COSIGNATURE: Final = 0x04
"""The type of a witness's Ed25519 cosignature with its moment (C2SP tlog-cosignature)."""

MAX_NOTE_BYTES: Final = 64 * 1024
MAX_SIGNATURES: Final = 100
_NAME: Final = re.compile(r"[^\s+]+")
_KEY: Final = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_LINE: Final = "\N{EM DASH} "


class NoteError(ValueError):
    """A note, a signature or a key is malformed, or not by whom it says."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A line under a note: whose it is, the id of the key, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        """The line as it stands under the note, with its newline."""
        return f"{_LINE}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> "Signature":
        """A line without its newline. Raises NoteError."""
        name, space, encoded = line.removeprefix(_LINE).partition(" ")
        if not line.startswith(_LINE) or not space:
            raise NoteError("A line under a note is no signature")
        raw = _decoded(encoded)
        if len(raw) < 5:
            raise NoteError("A signature is too short")
        return cls(checked_name(name), raw[:4], raw[4:])


@dataclass(frozen=True, slots=True)
class Note:
    """A text, which ends with a newline, and its signatures in their order."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(each.line for each in self.signatures)}"

    @classmethod
    def parse(cls, note: str) -> "Note":
        """Raises NoteError for what is no note."""
        if len(note.encode("utf-8", "surrogatepass")) > MAX_NOTE_BYTES:
            raise NoteError(f"A note has at most {MAX_NOTE_BYTES} bytes")
        if any(character < " " and character != "\n" for character in note):
            raise NoteError("A note holds no control characters but newlines")
        text, blank, below = note.rpartition("\n\n")
        if not blank or not text or not below.endswith("\n"):
            raise NoteError("A note is a text, an empty line, and signatures")
        lines = below.removesuffix("\n").split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise NoteError(f"A note has at most {MAX_SIGNATURES} signatures")
        return cls(f"{text}\n", tuple(map(Signature.parse, lines)))

    def signed(self, signatures: Iterable[Signature]) -> "Note":
        """The note with further signatures."""
        return Note(self.text, (*self.signatures, *signatures))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key as it is given out: ``name+id+type and key``. ``kind`` is the type of its signatures."""

    name: str
    kind: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """Which key it is: 4 bytes of a hash over name, type and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public_key).digest()[:4]

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.kind]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises NoteError for what is no key, and for an id that is not the key's."""
        match = _KEY.fullmatch(text.strip())
        if match is None:
            raise NoteError("A verifier key is its name, '+', 8 hexadecimal digits, '+', and the key in Base64")
        name, key_id, encoded = match.groups()
        raw = _decoded(encoded)
        if len(raw) != 33 or raw[0] not in (ED25519, COSIGNATURE):
            raise NoteError("A verifier key is an Ed25519 key of a log (type 1) or of a witness (type 4)")
        key = cls(name, raw[0], raw[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"The id {key_id} is not that of the key of {name}; was it cut or mistyped?")
        return key

    def signatures_in(self, note: Note) -> list[Signature]:
        """The note's signatures that say they are this key's."""
        return [each for each in note.signatures if each.name == self.name and each.key_id == self.key_id]


def checked_name(name: str) -> str:
    """The name of a key. Raises NoteError for white space and plus signs."""
    if not _NAME.fullmatch(name):
        raise NoteError(f"A key's name has neither white space nor '+': {name!r}")
    return name


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise NoteError("Base64 is malformed") from error
