"""Checkpoints: the head of the public log, to be signed (C2SP tlog-checkpoint)."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from merchantry.domain.canonical import rfc3339
from merchantry.domain.merkle import HASH_BYTES
from merchantry.domain.note import NoteError

MAX_SIZE: Final = 2**63 - 1
"""The largest tree; a checkpoint can name larger ones, which are of no possible tree."""

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and the root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The text of a note. Further lines, which others' logs may have, are passed over. Raises NoteError."""
        lines = text.split("\n")
        if len(lines) < 4 or lines[-1] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteError("A checkpoint is the log's name, its size, and its root in Base64, in lines of their own")
        try:
            root = base64.b64decode(lines[2], validate=True)
        except binascii.Error as error:
            raise NoteError("The root of a checkpoint is not Base64") from error
        if len(root) != HASH_BYTES or base64.b64encode(root).decode() != lines[2]:
            raise NoteError(f"The root of a checkpoint has {HASH_BYTES} bytes")
        return cls(lines[0], int(lines[1]), root)


HEAD_FORMAT: Final = "merchantry-log-head/v1"


def head_record(checkpoint: Checkpoint, previous_size: int, signed_at: datetime) -> str:
    """What the log signs beside a checkpoint for itself: when, and the head that came before; 0 before the first.

    A checkpoint says neither; so a head that was dated anew shows, and one that is missing between two others.
    """
    return f"{HEAD_FORMAT}\n{checkpoint.text}{previous_size}\n{rfc3339(signed_at)}\n"
