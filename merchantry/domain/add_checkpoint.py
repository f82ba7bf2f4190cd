"""What a log asks a witness for: to cosign a checkpoint that begins with the one it cosigned last (C2SP tlog-witness).

The same bytes are made by the log and read by the witness.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from merchantry.domain.merkle import HASH_BYTES
from merchantry.domain.note import MAX_NOTE_BYTES, Note, NoteError

MAX_PROOF_LINES: Final = 63
MAX_BODY_BYTES: Final = MAX_NOTE_BYTES + 64 * 64
_OLD: Final = re.compile(r"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """``old``: the size that the witness cosigned last, from which ``proof`` leads to the checkpoint in ``note``."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    @property
    def body(self) -> str:
        """As it is sent."""
        lines = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.proof)
        return f"old {self.old}\n{lines}\n{self.note}"

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Raises NoteError for what is no such request; each has one spelling."""
        try:
            above, blank, note = body.decode().partition("\n\n")
        except UnicodeDecodeError as error:
            raise NoteError("A request is UTF-8") from error
        first, *lines = above.split("\n")
        old = _OLD.fullmatch(first)
        if old is None or not blank:
            raise NoteError("A request is 'old', a size, proof lines, an empty line, and a checkpoint")
        if len(lines) > MAX_PROOF_LINES:
            raise NoteError(f"A consistency proof has at most {MAX_PROOF_LINES} lines")
        return cls(int(old[1]), tuple(map(_hash, lines)), Note.parse(note))


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("A line of a consistency proof is not Base64") from error
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != line:
        raise NoteError(f"A line of a consistency proof is a hash of {HASH_BYTES} bytes in Base64")
    return found
