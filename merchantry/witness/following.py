"""Following a log: whether the head that it serves continues what the witness cosigned; if so, it is cosigned too.

A log that wants cosignatures says under which head; that one is judged first, and handed in.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import ProofError, prefix_plan, prefix_roots
from merchantry.domain.note import Note, NoteError
from merchantry.transparency.evidence import Evidence, EvidenceKind
from merchantry.witness.log_reader import LogReader, LogUnreadable
from merchantry.witness.store import Head
from merchantry.witness.witness import Signed, Witness

UNPROVED_AFTER: Final = 3
"""Looks in a row at which the log did not show that a head continues the last one, before that is held against it."""


class Verdict(StrEnum):
    """What a look at the log came to."""

    COSIGNED = "cosigned"
    UNCHANGED = "unchanged"
    EVIDENCE = "evidence"
    UNPROVED = "unproved"
    """The log does not show it; it may do so at the next look."""


class NotShown(Exception):
    """The log's tiles do not give the root that it signed."""


@dataclass
class Follower:
    """Follows one log. Not for several threads at once."""

    witness: Witness
    log: LogReader
    origin: str = ""
    """What the log calls itself; known once it was looked at."""
    _unproved: dict[Checkpoint, int] = field(default_factory=dict)
    _wanted: Note | None = None

    def look(self) -> Verdict:
        """Look at the log once. Raises LogUnreadable, NoteError, UnknownLog."""
        self._wanted = None
        with suppress(LogUnreadable, NoteError):  # many logs have no such file
            self._wanted = self.log.wanted()
        if self._wanted is None:
            return self._newest()
        wanted = self._look_at_wanted(self._wanted)
        if wanted in (Verdict.EVIDENCE, Verdict.UNPROVED):
            return wanted
        newest = self._newest()
        return wanted if newest is Verdict.UNCHANGED else newest

    def hand_in(self) -> str | None:
        """Hand in our cosignature of the head that the log wanted at the last look, where we have cosigned that head.

        Returns why the log does not count it; None where it does, or where there is nothing to hand in.
        Raises LogUnreadable.
        """
        if self._wanted is None or self.witness.verifier.signatures_in(self._wanted):
            return None
        with self.witness.store.reading() as store:
            head = store.head_at(self.origin, Checkpoint.parse(self._wanted.text).size)
        if head is None or head.note.text != self._wanted.text:
            return None
        return self.log.hand_in(head.note)

    def _look_at_wanted(self, note: Note) -> Verdict:
        """Judge the head that is wanted. One that is smaller than ours is only one of those before it."""
        with self.witness.store.reading() as store:
            signed = self.witness.read(note, store)
            before = store.latest(signed.checkpoint.origin)
        if before is None or signed.checkpoint.size >= before.checkpoint.size:
            return self.judge(signed, before, self.log.url)
        with self.witness.store.writing() as store:
            found = self.witness.compare_known(store, signed, self.log.url)
        return Verdict.UNCHANGED if found is None else Verdict.EVIDENCE

    def _newest(self) -> Verdict:
        """Judge the newest head, and those that came with wrong proofs."""
        before = self._latest_of_all()
        signed = self._served()
        self.origin = signed.checkpoint.origin
        verdict = self.judge(signed, before.get(signed.checkpoint.origin), self.log.url)
        if verdict in (Verdict.COSIGNED, Verdict.UNCHANGED) and self._judge_suspects(signed):
            return Verdict.EVIDENCE
        return verdict

    def _latest_of_all(self) -> dict[str, Head]:
        """What was cosigned before the log is asked: what comes in meanwhile makes no older head a shrunken tree."""
        with self.witness.store.reading() as store:
            found = {key.name: store.latest(key.name) for key in store.trusted()}
        return {origin: head for origin, head in found.items() if head is not None}

    def _served(self) -> Signed:
        note = self.log.checkpoint()
        with self.witness.store.reading() as store:
            return self.witness.read(note, store)

    def judge(self, signed: Signed, before: Head | None, source: str) -> Verdict:
        """Judge a head that the log serves as its newest, and cosign it where it continues the last one."""
        size = before.checkpoint.size if before else 0
        with self.witness.store.writing() as store:
            if self.witness.compare_known(store, signed, source) is not None:
                return Verdict.EVIDENCE
            is_known = store.head_at(signed.checkpoint.origin, signed.checkpoint.size) is not None
            if before is not None and signed.checkpoint.size < size:
                self.witness.keep(store, Evidence(EvidenceKind.SHRUNKEN, before.note, signed.note), source)
                return Verdict.EVIDENCE
        if is_known:
            return Verdict.UNCHANGED
        return self._continued(signed, before, source)

    def _continued(self, signed: Signed, before: Head | None, source: str) -> Verdict:
        if before is not None and (evidence := self._evidence(before, signed)) is not None:
            if evidence.kind is EvidenceKind.UNPROVED and not self._is_enough(signed.checkpoint):
                return Verdict.UNPROVED
            with self.witness.store.writing() as store:
                self.witness.keep(store, evidence, source)
            return Verdict.EVIDENCE
        with self.witness.store.writing() as store:
            latest = store.latest(signed.checkpoint.origin)
            if latest != before:  # somebody submitted a head meanwhile; this one is judged by it at the next look
                return Verdict.UNCHANGED
            self.witness.cosign(store, signed)
        self._unproved.clear()
        return Verdict.COSIGNED

    def _is_enough(self, checkpoint: Checkpoint) -> bool:
        """Whether this has been unproved so often that it is no accident."""
        self._unproved[checkpoint] = self._unproved.get(checkpoint, 0) + 1
        return self._unproved[checkpoint] >= UNPROVED_AFTER

    def _evidence(self, old: Head, new: Signed) -> Evidence | None:
        """What is to be held against the log; None where its tiles show that the new head continues the old one."""
        try:
            return compared(self.log, Signed(old.checkpoint, old.note), new)
        except (NotShown, LogUnreadable):
            return Evidence(EvidenceKind.UNPROVED, old.note, new.note)

    def _judge_suspects(self, newest: Signed) -> bool:
        """Judge, by the tree that the log serves, heads that came with a wrong proof; whether one is evidence."""
        origin, is_found = newest.checkpoint.origin, False
        with self.witness.store.reading() as store:
            suspects = [self.witness.read(note, store) for note in store.suspects(origin)]
        for suspect in suspects:
            if suspect.checkpoint.size > newest.checkpoint.size:
                continue
            try:
                evidence = compared(self.log, suspect, newest)
            except (NotShown, LogUnreadable):
                continue
            with self.witness.store.writing() as store:
                if evidence is not None:
                    self.witness.keep(store, evidence, "submitted before")
                    is_found = True
                store.clear_suspect(suspect.checkpoint)
        return is_found


def compared(log: LogReader, one: Signed, other: Signed) -> Evidence | None:
    """Evidence that two heads are not of one history; None where the log's tiles show that they are.

    Raises NotShown where the tiles are those of neither, LogUnreadable.
    """
    old, new = sorted((one, other), key=lambda each: each.checkpoint.size)
    if old.checkpoint.size == new.checkpoint.size:
        is_same = old.checkpoint.root == new.checkpoint.root
        return None if is_same else Evidence(EvidenceKind.FORK, old.note, new.note)
    if old.checkpoint.size == 0:
        return None  # every tree begins with the empty one, whose root was checked
    path = log.proof(prefix_plan(old.checkpoint.size, new.checkpoint.size), new.checkpoint.size)
    began_with = _prefix(old.checkpoint.size, new.checkpoint, path)
    if began_with == old.checkpoint.root:
        return None
    return Evidence(EvidenceKind.REWRITTEN, old.note, new.note, tuple(path))


def _prefix(size: int, new: Checkpoint, path: Sequence[bytes]) -> bytes:
    try:
        began_with, root = prefix_roots(size, new.size, path)
    except ProofError as error:
        raise NotShown(str(error)) from error
    if root != new.root:
        raise NotShown(f"The log's tiles do not give the root that it signed for {new.size} leaves")
    return began_with
