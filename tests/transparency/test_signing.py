"""Notes, checkpoints and signatures, by the examples of the C2SP documents and by trying to cheat."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import ED25519, Note, NoteError, Signature, VerifierKey
from merchantry.transparency.signing import Signer, cosigned, verify

# The example of C2SP tlog-cosignature: a log's checkpoint with a witness's cosignature.
EXAMPLE = """\
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa \
Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 \
jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""
# The key and the note of Go's package golang.org/x/mod/sumdb/note.
PETER = VerifierKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
ANSWER = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
AT = datetime(2026, 3, 5, 12, tzinfo=UTC)
CHECKPOINT = Checkpoint("mall.example/log", 7, bytes(range(32)))


def signed(signer: Signer) -> Note:
    return Note(CHECKPOINT.text, (signer.sign(CHECKPOINT.text),))


def test_the_example_of_the_standard_is_read_and_written_as_it_is() -> None:
    note = Note.parse(EXAMPLE)
    assert str(note) == EXAMPLE
    assert Checkpoint.parse(note.text).size == 20852163
    assert Checkpoint.parse(note.text).text == note.text
    assert [each.name for each in note.signatures] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert int.from_bytes(note.signatures[1].signature[:8], "big") == 1679315147


def test_a_note_of_another_implementation_verifies() -> None:
    verify(Note.parse(ANSWER), PETER)
    with pytest.raises(NoteError, match="not over this text"):
        verify(Note.parse(ANSWER.replace("answer", "Answer")), PETER)


def test_a_signature_is_plain_ed25519_over_the_text() -> None:
    signer = Signer.log("mall.example/log", bytes(range(32)))
    note = signed(signer)
    verify(note, signer.verifier)
    Ed25519PublicKey.from_public_bytes(signer.verifier.public_key).verify(
        note.signatures[0].signature, CHECKPOINT.text.encode()
    )
    assert VerifierKey.parse(str(signer.verifier)) == signer.verifier


def test_a_cosignature_says_when() -> None:
    log, witness = Signer.log("mall.example/log", bytes(32)), Signer.witness("auditor.example/w", bytes([1]) * 32)
    note = signed(log).signed([witness.cosign(CHECKPOINT.text, AT)])
    again = Note.parse(str(note))
    seen = cosigned(again, witness.verifier)
    assert seen is not None
    assert (seen.name, seen.at) == ("auditor.example/w", AT)
    assert cosigned(signed(log), witness.verifier) is None


def test_a_cosignature_moved_to_another_moment_or_text_is_refused() -> None:
    witness = Signer.witness("auditor.example/w", bytes(32))
    line = witness.cosign(CHECKPOINT.text, AT)
    later = Signature(line.name, line.key_id, bytes([*line.signature[:7], line.signature[7] ^ 1]) + line.signature[8:])
    other = Checkpoint(CHECKPOINT.origin, 8, CHECKPOINT.root).text
    for note in (Note(CHECKPOINT.text, (later,)), Note(other, (line,))):
        with pytest.raises(NoteError, match="not over this text"):
            cosigned(note, witness.verifier)


def test_a_key_of_the_same_name_does_not_pass_for_another() -> None:
    ours, theirs = (Signer.log("mall.example/log", bytes([number]) * 32) for number in (1, 2))
    with pytest.raises(NoteError, match="not signed by"):
        verify(signed(theirs), ours.verifier)
    claimed = Signature(ours.verifier.name, ours.verifier.key_id, theirs.sign(CHECKPOINT.text).signature)
    with pytest.raises(NoteError, match="not over this text"):
        verify(Note(CHECKPOINT.text, (claimed,)), ours.verifier)


@pytest.mark.parametrize(
    "text",
    [
        "", "no signatures\n", "text\n\n", "text\n\n- name AAAA\n", "text\n\n— name\n", "text\n\n— name AAAA\n",
        "text\n\n— name !!!!\n", "te\x00xt\n\n— name AAAAAAAA\n", "text\n\n— name AAAAAAAA",
        "text\n\n— na+me AAAAAAAA\n", "x" * 70_000 + "\n\n— name AAAAAAAA\n",
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "name\n", "name\n1\n", "name\n01\nAAAA\n", "name\n-1\nAAAA\n", "name\n1\nAAAA\n", "name\n1\n!\n", "\n1\nAA\n",
     "name\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2J=\n"],
    ids=range(9),
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000+AQ==", "name+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"],
    ids=range(4),
)
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(text)


def test_a_log_does_not_cosign_and_a_witness_does_not_sign() -> None:
    with pytest.raises(NoteError):
        Signer.log("a", bytes(32)).cosign("x\n", AT)
    with pytest.raises(NoteError):
        Signer.witness("a", bytes(32)).sign("x\n")
    with pytest.raises(NoteError):
        Signer("a b", ED25519, bytes(32))
