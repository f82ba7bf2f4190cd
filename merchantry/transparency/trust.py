"""What a verifier trusts from elsewhere: the log's keys, witnesses and how many of them, and heads kept apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import ED25519, Note, NoteError, VerifierKey
from merchantry.transparency.mirror import Files
from merchantry.transparency.signing import cosigned, verify


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys of the log (any of them counts), keys of witnesses and how many of those must have signed.

    ``heads`` are what notes say that were kept elsewhere, each checked; ``mirror`` are the log's files, which name the
    leaf where a head differs. ``names`` say of leaves what they are of, from ledgers that were exported: nobody else
    can tell of a leaf that is gone.
    """

    keys: tuple[VerifierKey, ...] = ()
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    heads: tuple[Checkpoint, ...] = ()
    mirror: Files | None = None
    names: Mapping[bytes, str] = field(default_factory=dict)


def checked_head(note: Note, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey], quorum: int) -> Checkpoint:
    """What a note says, where one of the log's keys signed it and a quorum of witnesses cosigned it. Raises NoteError.

    A signature that claims to be of a given key and is not spoils the note.
    """
    checkpoint = Checkpoint.parse(note.text)
    if not any(key.signatures_in(note) for key in keys):
        named = ", ".join(str(each) for each in keys)
        raise NoteError(f"The head of {checkpoint.size} leaves is signed by none of the given keys: {named}")
    for key in keys:
        if key.name != checkpoint.origin:
            raise NoteError(f"The head is of the log {checkpoint.origin}, the key of {key.name}")
        if key.signatures_in(note):
            verify(note, key)
    seen = {found.name for key in witnesses if (found := cosigned(note, key)) is not None}
    if len(seen) < quorum:
        raise NoteError(
            f"The head of {checkpoint.size} leaves is cosigned by {len(seen)} of the given witnesses, not by {quorum}"
        )
    return checkpoint


def log_key(text: str) -> VerifierKey:
    """A log's key as it is given out. Raises NoteError, for a witness's key too."""
    key = VerifierKey.parse(text)
    if key.kind != ED25519:
        raise NoteError(f"{key.name} is the key of a witness, not of a log")
    return key
