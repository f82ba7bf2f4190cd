"""What a witness does by itself, in a thread: follow logs, compare with other witnesses, tell of evidence."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx
import structlog

from merchantry.domain.note import NoteError
from merchantry.witness.alarms import Alarms
from merchantry.witness.comparing import Comparer, PeerUnreadable, heads_of
from merchantry.witness.following import Follower, Verdict
from merchantry.witness.log_reader import LogReader, LogUnreadable
from merchantry.witness.witness import UnknownLog, Witness

POLL_SECONDS: Final = 5.0

log = structlog.get_logger()


@dataclass
class Rounds:
    """Where a witness looks in each round. ``peers`` are other witnesses: URLs, or files of what they cosigned."""

    witness: Witness
    client: httpx.Client
    alarms: Alarms
    log_urls: Sequence[str] = ()
    peers: Sequence[str] = ()
    poll_seconds: float = POLL_SECONDS
    _logs: dict[str, LogReader] = field(default_factory=dict)
    _refusals: dict[str, str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """What was found unproved is counted from round to round."""
        self._followers = [Follower(self.witness, LogReader(self.client, url)) for url in self.log_urls]
        self._comparer = Comparer(self.witness, self._logs)

    def forever(self, stop: threading.Event) -> None:
        """Round after round, until ``stop`` is set. What fails is tried in the next one."""
        while True:
            try:
                self.once()
            except Exception as error:  # whatever it is, the next round may go well, and nobody else looks
                log.exception("witness.round_failed", error=type(error).__name__)
            if stop.wait(self.poll_seconds):
                return

    def once(self) -> bool:
        """One round; whether every log and every peer could be read."""
        looked = [self._look(follower) for follower in self._followers]
        met = [self._meet(peer) for peer in self.peers]
        self.alarms.tell()
        return all((*looked, *met))

    def _look(self, follower: Follower) -> bool:
        try:
            verdict = follower.look()
            self._logs[follower.origin] = follower.log
        except (LogUnreadable, NoteError, UnknownLog) as error:
            log.warning("witness.log_unreadable", log=follower.log.url, reason=str(error))
            return False
        if verdict is not Verdict.UNCHANGED:
            log.info("witness.looked", log=follower.log.url, verdict=verdict.value)
        if verdict in (Verdict.COSIGNED, Verdict.UNCHANGED):
            self._hand_in(follower)
        return verdict is not Verdict.UNPROVED

    def _hand_in(self, follower: Follower) -> None:
        """What the log does not count is told once, not every few seconds: it may name others than us."""
        try:
            refusal = follower.hand_in()
        except LogUnreadable as error:
            log.warning("witness.not_handed_in", log=follower.log.url, reason=str(error))
            return
        if refusal != self._refusals.get(follower.log.url):
            self._refusals[follower.log.url] = refusal
            if refusal is not None:
                log.warning("witness.not_counted", log=follower.log.url, reason=refusal)

    def _meet(self, peer: str) -> bool:
        try:
            outcome = self._comparer.compare(heads_of(self.client, peer), peer)
        except PeerUnreadable as error:
            log.warning("witness.peer_unreadable", reason=str(error))
            return False
        return not outcome.open


@contextmanager
def working(rounds: Rounds) -> Iterator[None]:
    """Rounds in a thread, until the end of the block; the one under way is finished."""
    stop = threading.Event()
    thread = threading.Thread(target=rounds.forever, args=(stop,), name="witness")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
