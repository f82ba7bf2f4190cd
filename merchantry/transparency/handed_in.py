"""What a witness hands in by itself: a head with its cosignature, which counts where the policy names its key."""

from dataclasses import dataclass
from typing import Self

from merchantry.domain.checkpoint import MAX_SIZE, Checkpoint
from merchantry.domain.note import Note, NoteError
from merchantry.transparency.signing import cosigned
from merchantry.transparency.witness_client import Answered
from merchantry.transparency.witness_policy import WitnessPolicy


class NotCosigned(NoteError):
    """A head bears no cosignature of a witness that the policy names, or a false one."""


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A head, as the note says it, and the cosignatures under it that hold. Whether the log signed it is not said."""

    note: Note
    checkpoint: Checkpoint
    cosignatures: tuple[Answered, ...]

    @classmethod
    def parse(cls, body: bytes, policy: WitnessPolicy) -> Self:
        """The note of C2SP tlog-cosignature. Raises NoteError for what is none, NotCosigned.

        Signatures of others are passed over; one that says it is of a witness of the policy and is not spoils the note.
        """
        try:
            note = Note.parse(body.decode())
        except UnicodeDecodeError as error:
            raise NoteError("A note is UTF-8") from error
        checkpoint = Checkpoint.parse(note.text)
        if checkpoint.size > MAX_SIZE:
            raise NoteError("The checkpoint is of no possible tree")
        return cls(note, checkpoint, _cosignatures(note, policy))


def _cosignatures(note: Note, policy: WitnessPolicy) -> tuple[Answered, ...]:
    found = []
    for each in policy.witnesses:
        own = each.key.signatures_in(note)
        if len(own) > 1:
            raise NotCosigned(f"{each.key.name} cosigned more than once; give its last cosignature")
        try:
            if (said := cosigned(note, each.key)) is not None:
                found.append(Answered(own[0], said))
        except NoteError as error:
            raise NotCosigned(str(error)) from error
    if not found:
        raise NotCosigned("The head bears no cosignature of a witness that this log's policy names")
    return tuple(found)
