"""Following a log over HTTP whose operator has the key: every way of rewriting history is flagged, with evidence."""

from collections.abc import Callable

import httpx
import pytest

from merchantry.transparency.evidence import EvidenceKind
from merchantry.witness.following import UNPROVED_AFTER, Follower, Verdict
from merchantry.witness.log_reader import LogReader, LogUnreadable
from tests.witness.conftest import Booth
from tests.witness.paper_log import PaperLog, Tree

Log = tuple[PaperLog, str]


@pytest.fixture
def follower(booth: Booth, log: Log) -> Follower:
    """Of the log, having cosigned its ten leaves."""
    follower = Follower(booth.witness, LogReader(booth.client, log[1]))
    assert follower.look() is Verdict.COSIGNED
    return follower


def test_a_log_that_grows_is_cosigned_by_its_tiles_alone(booth: Booth, log: Log, follower: Follower) -> None:
    paper, _ = log
    assert follower.look() is Verdict.UNCHANGED
    for size in (11, 16, 255, 256, 257, 700):
        paper.show(Tree.of(size))
        assert follower.look() is Verdict.COSIGNED
        assert booth.size() == size
    assert booth.evidence() == []
    assert not any("entries" in path for path in paper.asked)


def test_a_partial_tile_that_is_gone_is_read_from_the_full_one(booth: Booth, log: Log, follower: Follower) -> None:
    paper, _ = log
    paper.show(Tree.of(700), Tree.of(200).note())
    assert follower.look() is Verdict.COSIGNED
    assert booth.evidence() == []


@pytest.mark.parametrize(
    ("shown", "kind"),
    [
        (lambda: Tree.of(10).changed(4), EvidenceKind.FORK),
        (lambda: Tree.of(12).changed(4), EvidenceKind.REWRITTEN),
        (lambda: Tree.of(300).changed(0), EvidenceKind.REWRITTEN),
        (lambda: Tree.of(9), EvidenceKind.SHRUNKEN),
        (lambda: Tree.of(9).changed(4), EvidenceKind.SHRUNKEN),
        (lambda: Tree.of(0), EvidenceKind.SHRUNKEN),
    ],
    ids=["same_size", "larger", "much_larger", "smaller", "smaller_and_other", "empty"],
)
def test_a_rewritten_log_is_flagged_at_the_next_look(
    booth: Booth, log: Log, follower: Follower, shown: Callable[[], Tree], kind: EvidenceKind
) -> None:
    log[0].show(shown())
    assert follower.look() is Verdict.EVIDENCE
    assert follower.look() is Verdict.EVIDENCE
    assert booth.evidence() == [kind]
    assert booth.size() == 10


@pytest.mark.parametrize("size", [8, 16, 256], ids=str)
def test_a_rewritten_tree_of_a_power_of_two_is_proved_to_everybody_too(booth: Booth, log: Log, size: int) -> None:
    paper, url = log
    follower = Follower(booth.witness, LogReader(booth.client, url))
    paper.show(Tree.of(size))
    follower.look()
    paper.show(Tree.of(size + 3).changed(1))
    assert follower.look() is Verdict.EVIDENCE
    assert booth.evidence() == [EvidenceKind.REWRITTEN]


def test_a_smaller_tree_that_differs_from_one_cosigned_before_is_a_fork(
    booth: Booth, log: Log, follower: Follower
) -> None:
    paper, _ = log
    paper.show(Tree.of(20))
    follower.look()
    paper.show(Tree.of(10).changed(2))
    assert follower.look() is Verdict.EVIDENCE
    assert booth.evidence() == [EvidenceKind.FORK]


def test_tiles_that_do_not_give_the_signed_root_are_held_against_the_log_after_some_looks(
    booth: Booth, log: Log, follower: Follower
) -> None:
    paper, _ = log
    paper.show(Tree.of(20), Tree.of(20).changed(3).note())
    for _ in range(UNPROVED_AFTER - 1):
        assert follower.look() is Verdict.UNPROVED
        assert booth.evidence() == []
    assert follower.look() is Verdict.EVIDENCE
    assert booth.evidence() == [EvidenceKind.UNPROVED]
    paper.show(Tree.of(20))
    assert follower.look() is Verdict.COSIGNED


def test_a_head_that_came_with_a_wrong_proof_is_judged_by_the_tiles(booth: Booth, log: Log, follower: Follower) -> None:
    paper, _ = log
    honest, fork = Tree.of(20), Tree.of(14).changed(2)
    booth.add(honest.asked(10, 12, [bytes(32)]).body)
    booth.add(fork.asked(10, 14, [bytes(32)]).body)
    assert booth.evidence() == []
    paper.show(honest)
    assert follower.look() is Verdict.EVIDENCE
    assert booth.evidence() == [EvidenceKind.REWRITTEN]
    assert booth.size() == 20
    with booth.witness.store.reading() as store:
        assert store.suspects(fork.checkpoint().origin) == []


def test_a_head_that_was_submitted_meanwhile_makes_no_older_one_a_shrunken_tree(
    booth: Booth, log: Log, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = follower.log.checkpoint

    def late() -> object:
        note = served()
        assert booth.add(Tree.of(30).asked(10).body).status_code == 200
        return note

    monkeypatch.setattr(LogReader, "checkpoint", lambda self: late())
    assert follower.look() is Verdict.UNCHANGED
    assert booth.evidence() == []
    assert booth.size() == 30


def test_what_is_no_log_is_no_evidence(booth: Booth) -> None:
    with httpx.Client(timeout=1) as client:
        for url in ("http://127.0.0.1:1/log", booth.url):
            with pytest.raises(LogUnreadable):
                Follower(booth.witness, LogReader(client, url)).look()
    assert booth.evidence() == []
