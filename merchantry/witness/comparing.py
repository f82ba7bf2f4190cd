"""Witnesses compare the heads that each has cosigned: who was shown another tree than the other learns it here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import Note, NoteError, VerifierKey
from merchantry.transparency.evidence import Evidence, EvidenceKind
from merchantry.transparency.signing import cosigned
from merchantry.witness.app import HEADS_FORMAT
from merchantry.witness.following import UNPROVED_AFTER, NotShown, Verdict, compared
from merchantry.witness.log_reader import LogReader, LogUnreadable
from merchantry.witness.witness import Signed, UnknownLog, Witness

MAX_BYTES: Final = 4 * 1024 * 1024


class PeerUnreadable(Exception):
    """The other witness did not answer, or its heads are malformed; the message says what."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What a comparison came to: heads looked at, those that could not be compared, and evidence."""

    heads: int
    open: int
    evidence: int


def heads_of(client: httpx.Client, place: str) -> list[Note]:
    """The heads that another witness cosigned, by its URL or from a file. Raises PeerUnreadable."""
    try:
        document = json.loads(_fetched(client, place) if "://" in place else Path(place).read_bytes())
        if document["format"] != HEADS_FORMAT:
            raise PeerUnreadable(f"{place}: the format is not {HEADS_FORMAT}")
        peer, notes = VerifierKey.parse(document["witness"]), [Note.parse(note) for note in document["checkpoints"]]
        if any(cosigned(note, peer) is None for note in notes):
            raise PeerUnreadable(f"{place} shows heads that it has not cosigned")
    except (OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise PeerUnreadable(f"{place} can't be read: {type(error).__name__}: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise PeerUnreadable(f"{place} shows no heads of a witness: {error}") from error
    return notes


def _fetched(client: httpx.Client, url: str) -> bytes:
    with client.stream("GET", f"{url.rstrip('/')}/checkpoints") as answer:
        answer.raise_for_status()
        body = bytearray()
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise PeerUnreadable(f"{url} answers more than {MAX_BYTES} bytes")
    return bytes(body)


@dataclass
class Comparer:
    """Compares with other witnesses, again and again; ``logs``, by name, show whether two heads are of one history."""

    witness: Witness
    logs: Mapping[str, LogReader] = field(default_factory=dict)
    _unproved: dict[Checkpoint, int] = field(default_factory=dict)

    def compare(self, notes: Sequence[Note], source: str) -> Compared:
        """Compare another witness's heads with ours: of one size at once, the newest of other sizes by the log's tiles.

        What the log does not show after several times is evidence too: it shows each of us another tree.
        """
        total, newest, forks = 0, dict[str, Signed](), 0
        for signed in self._read(notes):
            with self.witness.store.writing() as store:
                fork = self.witness.compare_known(store, signed, source)
            total, forks = total + 1, forks + (fork is not None)
            origin = signed.checkpoint.origin
            if origin not in newest or newest[origin].checkpoint.size < signed.checkpoint.size:
                newest[origin] = signed
        outcomes = [self._by_tiles(signed, source) for signed in newest.values()]
        return Compared(total, outcomes.count(Verdict.UNPROVED), forks + outcomes.count(Verdict.EVIDENCE))

    def _read(self, notes: Sequence[Note]) -> Iterator[Signed]:
        """The heads of logs that we trust, without others' and without what the log has not signed."""
        with self.witness.store.reading() as store:
            for note in notes:
                with suppress(NoteError, UnknownLog):
                    yield self.witness.read(note, store)

    def _by_tiles(self, signed: Signed, source: str) -> Verdict:
        with self.witness.store.reading() as store:
            ours = store.latest(signed.checkpoint.origin)
        if ours is None:
            return Verdict.UNPROVED
        if ours.checkpoint.size == signed.checkpoint.size:
            return Verdict.UNCHANGED  # compared already
        evidence = self._evidence(Signed(ours.checkpoint, ours.note), signed)
        if evidence is None:
            self._unproved.pop(signed.checkpoint, None)
            return Verdict.UNCHANGED
        if evidence.kind is EvidenceKind.UNPROVED and not self._is_enough(signed.checkpoint):
            return Verdict.UNPROVED
        with self.witness.store.writing() as store:
            self.witness.keep(store, evidence, source)
        return Verdict.EVIDENCE

    def _evidence(self, ours: Signed, theirs: Signed) -> Evidence | None:
        unproved, log = Evidence(EvidenceKind.UNPROVED, ours.note, theirs.note), self.logs.get(ours.checkpoint.origin)
        try:
            return unproved if log is None else compared(log, ours, theirs)
        except (NotShown, LogUnreadable):
            return unproved

    def _is_enough(self, checkpoint: Checkpoint) -> bool:
        if checkpoint.origin not in self.logs:
            return False  # nobody was asked
        self._unproved[checkpoint] = self._unproved.get(checkpoint, 0) + 1
        return self._unproved[checkpoint] >= UNPROVED_AFTER
