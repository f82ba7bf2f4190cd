"""The witness itself: judges heads of a log by what it has cosigned, and cosigns what continues it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from merchantry.domain.add_checkpoint import AddCheckpoint
from merchantry.domain.checkpoint import MAX_SIZE, Checkpoint
from merchantry.domain.merkle import EMPTY_ROOT, ProofError, check_consistency, prefix_roots
from merchantry.domain.note import Note, NoteError, Signature, VerifierKey
from merchantry.transparency.evidence import Evidence, EvidenceKind, only_of_log, signed_checkpoint
from merchantry.transparency.signing import Signer
from merchantry.witness.store import Head, Reading, Store, Writing

SIZE_TYPE: Final = "text/x.tlog.size"
SUBMITTED: Final = "add-checkpoint"


class UnknownLog(Exception):
    """No key of this log is trusted here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a log is answered: a status of HTTP and a text."""

    status: int
    text: str
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Signed:
    """A head that a log signed, with nothing but its signatures under it."""

    checkpoint: Checkpoint
    note: Note


class Witness:
    """Cosigns with its key what its store says it may. Its methods block; any number may run at once."""

    def __init__(self, signer: Signer, store: Store, clock: Callable[[], datetime]) -> None:
        self.signer, self.store, self.clock = signer, store, clock

    @property
    def verifier(self) -> VerifierKey:
        """Its public key."""
        return self.signer.verifier

    def trust(self, keys: Sequence[VerifierKey]) -> None:
        """Trust keys of logs, for ever."""
        with self.store.writing() as store:
            for key in keys:
                store.trust(key, self.clock())

    def read(self, note: Note, store: Reading) -> Signed:
        """A head of a log that is trusted. Raises NoteError, UnknownLog."""
        checkpoint = _possible(note)
        keys = store.trusted(checkpoint.origin)
        if not keys:
            raise UnknownLog(checkpoint.origin)
        signed_checkpoint(note, keys)
        return Signed(checkpoint, only_of_log(note, keys))

    def add_checkpoint(self, body: bytes) -> Answer:
        """C2SP tlog-witness: compare with the last cosigned head and store the new one, in one transaction."""
        try:
            asked = AddCheckpoint.parse(body)
            _possible(asked.note)
        except NoteError as error:
            return Answer(400, f"{error}\n")
        with self.store.writing() as store:
            try:
                signed = self.read(asked.note, store)
            except UnknownLog:
                return Answer(404, "This log is unknown here\n")
            except NoteError as error:
                return Answer(403, f"{error}\n")
            if asked.old > signed.checkpoint.size:
                return Answer(400, "The old size is larger than the checkpoint's\n")
            self.compare_known(store, signed, SUBMITTED)
            return self._judged(store, asked, signed)

    def _judged(self, store: Writing, asked: AddCheckpoint, signed: Signed) -> Answer:
        checkpoint, latest = signed.checkpoint, store.latest(signed.checkpoint.origin)
        size, root = (latest.checkpoint.size, latest.checkpoint.root) if latest else (0, EMPTY_ROOT)
        if asked.old != size or (checkpoint.size == size and checkpoint.root != root):
            return Answer(409, f"{size}\n", SIZE_TYPE)
        try:
            check_consistency(size, root, checkpoint.size, checkpoint.root, asked.proof)
        except ProofError as error:
            self._not_proved(store, latest, signed, asked.proof)
            return Answer(422, f"{error}\n")
        return Answer(200, self.cosign(store, signed).line)

    def _not_proved(self, store: Writing, latest: Head | None, signed: Signed, path: Sequence[bytes]) -> None:
        """Anybody can send a wrong proof with a right head; but a proof that folds to the new root tells on the log."""
        if latest is not None and _begins_otherwise(latest.checkpoint, signed.checkpoint, path):
            evidence = Evidence(EvidenceKind.REWRITTEN, latest.note, signed.note, tuple(path))
            self.keep(store, evidence, SUBMITTED)
        elif store.head_at(signed.checkpoint.origin, signed.checkpoint.size) is None:
            store.add_suspect(signed.checkpoint, signed.note, self.clock())

    def cosign(self, store: Writing, signed: Signed) -> Signature:
        """Cosign a head that continues the last one, or is it. The caller has checked that, in this transaction."""
        at = self.clock()
        line = self.signer.cosign(signed.note.text, at)
        if store.head_at(signed.checkpoint.origin, signed.checkpoint.size) is None:
            store.add_head(Head(signed.checkpoint, signed.note.signed([line]), at))
        return line

    def compare_known(self, store: Writing, signed: Signed, source: str) -> Evidence | None:
        """Keep evidence where a head of this size with another root was cosigned."""
        known = store.head_at(signed.checkpoint.origin, signed.checkpoint.size)
        if known is None or known.checkpoint.root == signed.checkpoint.root:
            return None
        evidence = Evidence(EvidenceKind.FORK, known.note, signed.note)
        self.keep(store, evidence, source)
        return evidence

    def keep(self, store: Writing, evidence: Evidence, source: str) -> None:
        """Keep evidence, for ever."""
        origin = Checkpoint.parse(evidence.first.text).origin
        store.add_evidence(origin, evidence, source, self.clock())


def _possible(note: Note) -> Checkpoint:
    """The checkpoint of a note. Raises NoteError where no tree is such."""
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.size > MAX_SIZE or (checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT):
        raise NoteError("The checkpoint is of no possible tree")
    return checkpoint


def _begins_otherwise(old: Checkpoint, new: Checkpoint, path: Sequence[bytes]) -> bool:
    if not 0 < old.size < new.size:
        return False
    try:
        began_with, root = prefix_roots(old.size, new.size, path)
    except ProofError:
        return False
    return root == new.root and began_with != old.root
