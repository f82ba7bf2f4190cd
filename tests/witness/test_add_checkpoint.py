"""`POST /add-checkpoint` over HTTP: the statuses of C2SP tlog-witness, and attempts to cheat."""

import base64
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from merchantry.domain.add_checkpoint import MAX_BODY_BYTES, AddCheckpoint
from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import EMPTY_ROOT
from merchantry.domain.note import Note, Signature
from merchantry.transparency.evidence import EvidenceKind
from merchantry.transparency.signing import Signer, cosigned
from tests.witness.conftest import Booth
from tests.witness.paper_log import ORIGIN, SIGNER, Tree

TREE = Tree.of(40)
HASH = base64.b64encode(bytes(32)).decode()


def is_cosigned(booth: Booth, answer: httpx.Response, note: Note) -> bool:
    line = Signature.parse(answer.text.removesuffix("\n"))
    return answer.status_code == 200 and cosigned(note.signed([line]), booth.witness.verifier) is not None


def test_a_log_that_only_grows_is_cosigned(booth: Booth) -> None:
    old = 0
    for size in (0, 1, 2, 7, 8, 8, 9, 40):
        asked = TREE.asked(old, size)
        assert is_cosigned(booth, booth.add(asked.body), asked.note)
        old = size
    assert booth.evidence() == []
    last = booth.client.get(f"{booth.url}/checkpoint", params={"origin": ORIGIN})
    assert Checkpoint.parse(Note.parse(last.text).text) == TREE.checkpoint()
    assert cosigned(Note.parse(last.text), booth.witness.verifier)


def test_another_old_size_is_answered_with_the_size_that_was_cosigned(booth: Booth) -> None:
    booth.add(TREE.asked(0, 9).body)
    for asked in (TREE.asked(0, 12), TREE.asked(8, 12), TREE.asked(10, 12), TREE.asked(0, 5), TREE.asked(0, 9)):
        answer = booth.add(asked.body)
        assert (answer.status_code, answer.text) == (409, "9\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
    assert booth.size() == 9
    assert booth.evidence() == []


def test_an_unknown_log_a_foreign_key_and_a_false_signature_are_refused(booth: Booth) -> None:
    foreign = Signer.log(ORIGIN, bytes(32))
    text = Checkpoint("other.example/log", 3, bytes(32)).text
    unknown = Note(text, (Signer.log("other.example/log", bytes(32)).sign(text),))
    assert booth.add(AddCheckpoint(0, (), unknown).body).status_code == 404
    assert booth.add(AddCheckpoint(0, (), TREE.note(5, foreign)).body).status_code == 403
    false = Signature(ORIGIN, SIGNER.verifier.key_id, bytes(64))
    assert booth.add(AddCheckpoint(0, (), Note(TREE.checkpoint(5).text, (false,))).body).status_code == 403
    moved = Note(TREE.checkpoint(5).text, TREE.note(6).signatures)
    assert booth.add(AddCheckpoint(0, (), moved).body).status_code == 403
    both = TREE.note(5).signed([foreign.sign(TREE.checkpoint(5).text)])
    assert booth.add(AddCheckpoint(0, (), both).body).status_code == 200


def test_only_the_logs_own_signatures_are_kept(booth: Booth) -> None:
    junk = Signature("junk.example", b"junk", b"x" * 30_000)
    booth.add(AddCheckpoint(0, (), TREE.note(5).signed([junk])).body)
    kept = booth.client.get(f"{booth.url}/checkpoint", params={"origin": ORIGIN}).text
    assert [each.name for each in Note.parse(kept).signatures] == [ORIGIN, "auditor.example/witness"]


def test_a_wrong_proof_is_not_cosigned_and_is_not_held_against_the_log(booth: Booth) -> None:
    booth.add(TREE.asked(0, 9).body)
    right = TREE.proof(9, 12)
    for path in ((), right[1:], right[::-1], (*right, bytes(32)), (bytes(32), *right[1:])):
        assert booth.add(TREE.asked(9, 12, path).body).status_code == 422
    assert booth.add(TREE.asked(0, 9, [bytes(32)]).body).status_code == 409
    assert booth.add(TREE.asked(9, 9, [bytes(32)]).body).status_code == 422
    assert booth.evidence() == []
    assert booth.add(TREE.asked(9, 12).body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "", "old\n", "old 0\n", "old -1\n\n{note}", "old 00\n\n{note}", "old 01\n\n{note}", "OLD 0\n\n{note}",
        " old 0\n\n{note}", "old 0\r\n\r\n{note}", "old 0\nAAAA\n\n{note}", "old 0\n!\n\n{note}",
        "old 0\n{hash}=\n\n{note}", "old 0\n {hash}\n\n{note}", "old 0\n\n", "old 0\n\nno note\n", "old 0\n{note}",
        "old 0\n\n\n{note}", "old 11\n\n{note}", "old 0\n" + "{hash}\n" * 64 + "\n{note}",
        "old 99999999999999999999\n\n{note}",
        "old 0\n\nmall.example/log\n01\n{hash}\n\n— a AAAAAAAA\n",
        "old 0\n\nmall.example/log\n0\n{hash}\n\n— a AAAAAAAA\n",
        "old 0\n\nmall.example/log\n9223372036854775808\n{hash}\n\n— a AAAAAAAA\n",
    ],
    ids=range(23),
)  # fmt: skip
def test_what_is_no_request_is_a_bad_request(booth: Booth, body: str) -> None:
    answer = booth.add(body.replace("{hash}", HASH).replace("{note}", str(TREE.note(10))))
    assert answer.status_code == 400
    assert booth.size() is None


def test_bytes_that_are_no_text_and_bodies_without_end_are_refused(booth: Booth) -> None:
    assert booth.add(b"old 0\n\n\xff").status_code == 400
    assert booth.add(b"x" * (MAX_BODY_BYTES + 1)).status_code == 413
    assert booth.client.get(f"{booth.url}/add-checkpoint").status_code == 405


def test_sixty_three_proof_lines_are_read(booth: Booth) -> None:
    booth.add(TREE.asked(0, 9).body)
    assert booth.add(TREE.asked(9, 12, [bytes(32)] * 63).body).status_code == 422


def test_an_empty_tree_has_one_root(booth: Booth) -> None:
    text = Checkpoint(ORIGIN, 0, EMPTY_ROOT).text
    assert booth.add(AddCheckpoint(0, (), Note(text, (SIGNER.sign(text),))).body).status_code == 200


def test_a_replayed_request_moves_nothing_back(booth: Booth) -> None:
    first, second = TREE.asked(0, 9), TREE.asked(9, 12)
    for asked in (first, second):
        assert booth.add(asked.body).status_code == 200
    for asked in (first, second, first):
        answer = booth.add(asked.body)
        assert (answer.status_code, answer.text) == (409, "12\n")
    assert booth.size() == 12


def test_two_roots_of_one_size_are_kept_as_evidence(booth: Booth) -> None:
    fork = TREE.changed(3)
    booth.add(TREE.asked(0, 9).body)
    answer = booth.add(fork.asked(9, 9).body)
    assert (answer.status_code, answer.text) == (409, "9\n")
    booth.add(TREE.asked(9, 12).body)
    assert booth.add(fork.asked(0, 9).body).status_code == 409  # of an older size too
    assert booth.evidence() == [EvidenceKind.FORK]
    with booth.witness.store.reading() as store:
        [found] = store.evidence()
    assert found.evidence.second.text == fork.checkpoint(9).text
    assert booth.size() == 12


def test_a_proof_that_shows_another_beginning_is_evidence_by_itself(booth: Booth) -> None:
    fork = TREE.changed(3)
    booth.add(TREE.asked(0, 9).body)
    assert booth.add(fork.asked(9, 12).body).status_code == 422
    assert booth.evidence() == [EvidenceKind.REWRITTEN]
    assert booth.size() == 9


def test_of_many_at_once_every_size_has_one_root_and_the_size_never_falls(booth: Booth) -> None:
    fork = TREE.changed(0)
    bodies = [tree.asked(old, new).body for tree in (TREE, fork) for old in (0, 5) for new in range(5, 40)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(booth.add, bodies))
    roots: dict[int, set[bytes]] = {}
    for body, answer in zip(bodies, answers, strict=True):
        assert answer.status_code in (200, 409, 422)
        if answer.status_code == 200:
            told = Checkpoint.parse(AddCheckpoint.parse(body.encode()).note.text)
            roots.setdefault(told.size, set()).add(told.root)
    assert all(len(each) == 1 for each in roots.values())
    with booth.witness.store.reading() as store:
        heads = store.heads(ORIGIN, 100)
    assert {head.checkpoint.size for head in heads} == roots.keys()
    assert len({TREE.checkpoint(head.checkpoint.size) == head.checkpoint for head in heads}) == 1  # all of one tree
