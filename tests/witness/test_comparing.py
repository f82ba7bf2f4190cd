"""Split view: what one witness was shown, another was not; they find out when they compare."""

import json
from pathlib import Path

import httpx
import pytest

from merchantry.transparency.evidence import EvidenceKind
from merchantry.witness.app import heads_document
from merchantry.witness.comparing import Compared, Comparer, PeerUnreadable, heads_of
from merchantry.witness.following import UNPROVED_AFTER
from merchantry.witness.log_reader import LogReader
from tests.witness.conftest import Booth, Booths
from tests.witness.paper_log import ORIGIN, PaperLog, Tree

Log = tuple[PaperLog, str]


def meet(booth: Booth, other: Booth, log_url: str | None = None) -> Compared:
    """Compare what they cosigned, as often as it takes."""
    comparer = Comparer(booth.witness, {ORIGIN: LogReader(booth.client, log_url)} if log_url else {})
    with httpx.Client() as client:
        for _ in range(UNPROVED_AFTER):
            found = comparer.compare(heads_of(client, other.url), other.url)
    return found


@pytest.fixture
def pair(booths: Booths) -> tuple[Booth, Booth]:
    return booths("anna"), booths("bert")


def test_split_view_of_one_size_is_flagged_by_both_at_the_next_exchange(pair: tuple[Booth, Booth]) -> None:
    anna, bert = pair
    assert anna.add(Tree.of(20).asked(0).body).status_code == 200
    assert bert.add(Tree.of(20).changed(7).asked(0).body).status_code == 200
    for one, other in ((anna, bert), (bert, anna)):
        assert meet(one, other).evidence == 1
        assert one.evidence() == [EvidenceKind.FORK]


def test_split_view_is_flagged_by_an_older_head_of_the_same_size(pair: tuple[Booth, Booth]) -> None:
    anna, bert = pair
    for size, old in ((20, 0), (30, 20)):
        anna.add(Tree.of(40).asked(old, size).body)
    bert.add(Tree.of(40).changed(7).asked(0, 20).body)
    assert meet(anna, bert).evidence == 1
    assert meet(bert, anna).evidence == 1


def test_split_view_of_different_sizes_is_flagged_by_the_logs_own_tiles(pair: tuple[Booth, Booth], log: Log) -> None:
    anna, bert = pair
    paper, url = log
    larger = Tree.of(30).changed(7)
    anna.add(Tree.of(20).asked(0).body)
    bert.add(larger.asked(0).body)
    paper.show(larger)
    for one, other in ((anna, bert), (bert, anna)):
        meet(one, other, url)
        assert one.evidence() == [EvidenceKind.REWRITTEN]


def test_a_log_that_shows_each_witness_only_its_own_tree_is_flagged_as_well(
    pair: tuple[Booth, Booth], log: Log
) -> None:
    anna, bert = pair
    paper, url = log
    anna.add(Tree.of(20).asked(0).body)
    bert.add(Tree.of(30).changed(7).asked(0).body)
    paper.show(Tree.of(20))  # what it shows to anna
    meet(anna, bert, url)
    paper.show(Tree.of(40))
    meet(bert, anna, url)
    assert anna.evidence() == [EvidenceKind.UNPROVED]
    assert bert.evidence() == [EvidenceKind.UNPROVED]


def test_witnesses_of_one_history_have_nothing_against_the_log(pair: tuple[Booth, Booth], log: Log) -> None:
    anna, bert = pair
    paper, url = log
    anna.add(Tree.of(40).asked(0, 20).body)
    bert.add(Tree.of(40).asked(0, 33).body)
    paper.show(Tree.of(40))
    assert meet(anna, bert, url) == Compared(1, 0, 0)
    assert meet(bert, anna, url) == Compared(1, 0, 0)
    assert meet(anna, bert) == Compared(1, 1, 0)  # without the log, nobody can say
    assert anna.evidence() == bert.evidence() == []


def test_heads_are_exchanged_as_files_too(pair: tuple[Booth, Booth], tmp_path: Path) -> None:
    anna, bert = pair
    anna.add(Tree.of(20).asked(0).body)
    bert.add(Tree.of(20).changed(7).asked(0).body)
    file = tmp_path / "heads.json"
    file.write_text(json.dumps(heads_document(bert.witness)))
    Comparer(anna.witness).compare(heads_of(anna.client, str(file)), "a file")
    assert anna.evidence() == [EvidenceKind.FORK]


def test_a_witness_can_not_be_made_to_accuse_a_log_by_heads_that_it_has_not_signed(
    pair: tuple[Booth, Booth], tmp_path: Path
) -> None:
    anna, bert = pair
    anna.add(Tree.of(20).asked(0).body)
    text = Tree.of(20).changed(7).note().text
    forged = Tree.of(20).note().signatures
    note = f"{text}\n{''.join(each.line for each in forged)}"
    line = bert.witness.signer.cosign(text, bert.witness.clock()).line
    document = heads_document(bert.witness) | {"checkpoints": [note + line]}
    file = tmp_path / "heads.json"
    file.write_text(json.dumps(document))
    assert Comparer(anna.witness).compare(heads_of(anna.client, str(file)), "a file").heads == 0
    assert anna.evidence() == []


@pytest.mark.parametrize(
    "document",
    ["", "[]", "{}", '{"format": "merchantry-witness-heads/v1"}', '{"format": "other"}', "uncosigned"],
    ids=range(6),
)
def test_what_are_no_heads_of_a_witness_is_refused(pair: tuple[Booth, Booth], tmp_path: Path, document: str) -> None:
    file = tmp_path / "heads.json"
    uncosigned = heads_document(pair[0].witness) | {"checkpoints": [str(Tree.of(3).note())]}
    file.write_text(json.dumps(uncosigned) if document == "uncosigned" else document)
    for place in (str(file), str(tmp_path / "missing"), "http://127.0.0.1:1"):
        with pytest.raises(PeerUnreadable):
            heads_of(pair[0].client, place)
