"""Evidence against a log: two heads that it signed itself and that are not of one history.

FORK and REWRITTEN prove it to anybody who has the log's key. SHRUNKEN and UNPROVED are what a witness saw: the two
heads may be of one history, but the log served the older one, or would not show that they are.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Self

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import ProofError, prefix_roots
from merchantry.domain.note import Note, NoteError, VerifierKey
from merchantry.transparency.signing import verify

FORMAT: Final = "merchantry-log-evidence/v1"


class EvidenceKind(StrEnum):
    """What two heads show."""

    FORK = "fork"
    """Two roots for one size."""
    REWRITTEN = "rewritten"
    """The larger tree begins with another one than the smaller tree; the proof folds to both."""
    SHRUNKEN = "shrunken"
    """The log served the second, smaller head after the first one."""
    UNPROVED = "unproved"
    """The log would not show that the larger tree begins with the smaller one."""


PROOFS: Final = frozenset({EvidenceKind.FORK, EvidenceKind.REWRITTEN})
"""The kinds that convince everybody."""


class EvidenceError(ValueError):
    """Evidence is malformed, or does not show what it claims."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Two signed notes. For REWRITTEN, ``proof`` is the hashes of ``prefix_plan`` between their sizes."""

    kind: EvidenceKind
    first: Note
    second: Note
    proof: tuple[bytes, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "format": FORMAT,
            "kind": self.kind.value,
            "first": str(self.first),
            "second": str(self.second),
            "proof": [base64.b64encode(each).decode() for each in self.proof],
        }

    @classmethod
    def parse(cls, document: object) -> Self:
        """Raises EvidenceError."""
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise EvidenceError(f"Evidence is a JSON object whose format is {FORMAT}")
        try:
            proof = tuple(base64.b64decode(each, validate=True) for each in document["proof"])
            first, second = Note.parse(document["first"]), Note.parse(document["second"])
            return cls(EvidenceKind(document["kind"]), first, second, proof)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EvidenceError(f"Evidence has kind, first, second and proof: {error}") from error

    def check(self, keys: Sequence[VerifierKey]) -> None:
        """That the log with one of these keys signed both heads and that they are what ``kind`` says.

        Raises EvidenceError, also for kinds that prove nothing to others.
        """
        if self.kind not in PROOFS:
            raise EvidenceError(f"What is {self.kind} was seen by a witness; the heads alone don't show it")
        try:
            old, new = (signed_checkpoint(note, keys) for note in (self.first, self.second))
            if old.origin != new.origin:
                raise EvidenceError("The heads are of two logs")
            is_shown = self._is_fork(old, new) if self.kind is EvidenceKind.FORK else self._is_rewritten(old, new)
        except (NoteError, ProofError) as error:
            raise EvidenceError(str(error)) from error
        if not is_shown:
            raise EvidenceError(f"The heads of {old.size} and {new.size} may be of one history")

    def _is_fork(self, old: Checkpoint, new: Checkpoint) -> bool:
        return old.size == new.size and old.root != new.root

    def _is_rewritten(self, old: Checkpoint, new: Checkpoint) -> bool:
        if not 0 < old.size < new.size:
            return False
        began_with, root = prefix_roots(old.size, new.size, self.proof)
        return root == new.root and began_with != old.root


def signed_checkpoint(note: Note, keys: Sequence[VerifierKey]) -> Checkpoint:
    """What a note says that bears a signature of one of a log's keys, whose name is the checkpoint's. Raises NoteError.

    Signatures of others are passed over; a false one in the name of a key is not.
    """
    checkpoint = Checkpoint.parse(note.text)
    own = [key for key in keys if key.name == checkpoint.origin and key.signatures_in(note)]
    if not own:
        raise NoteError(f"The head of {checkpoint.origin} is not signed by any key of it that is trusted here")
    for key in own:
        verify(note, key)
    return checkpoint


def only_of_log(note: Note, keys: Sequence[VerifierKey]) -> Note:
    """The note without lines that anybody could have put under it."""
    return Note(note.text, tuple(line for key in keys for line in key.signatures_in(note)))
