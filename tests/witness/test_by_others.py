"""What we write is checked by programs of others: proofs, checkpoints, cosignatures, and Ed25519 of another library."""

from datetime import UTC, datetime

import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofbundle import checkpoint as other_notes
from proofbundle import merkle as other_tree
from tamperlog import merkle as third_tree

from merchantry.domain.merkle import inclusion_plan, leaf_hash, proof
from merchantry.domain.note import Note
from merchantry.transparency.signing import Signer
from tests.witness.paper_log import ORIGIN, SIGNER, Tree

TREE = Tree.of(600)
WITNESS = Signer.witness("auditor.example/witness", bytes([7]) * 32)
ROOTS = {size: TREE.checkpoint(size).root for size in range(1, 601)}
AT = datetime(2026, 3, 5, 12, tzinfo=UTC)


def test_roots_are_those_of_two_other_programs() -> None:
    for size in range(1, 131):
        leaves = TREE.leaves[:size]
        assert other_tree.merkle_tree_hash(leaves) == ROOTS[size]
        assert third_tree.merkle_root([leaf_hash(leaf) for leaf in leaves]) == ROOTS[size]


@pytest.mark.parametrize("new", [*range(1, 40), 64, 65, 127, 128, 129, 256, 257, 600], ids=str)
def test_consistency_proofs_convince_two_other_programs(new: int) -> None:
    for old in range(1, new + 1):
        path = list(TREE.proof(old, new))
        assert other_tree.verify_consistency(old, new, path, ROOTS[old], ROOTS[new])
        third_tree.verify_consistency(old, ROOTS[old], new, ROOTS[new], path)
        if path:
            wrong = [*path[:-1], bytes(32)]
            assert not other_tree.verify_consistency(old, new, wrong, ROOTS[old], ROOTS[new])


@given(st.integers(1, 600).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))))
def test_inclusion_proofs_convince_two_other_programs(place: tuple[int, int]) -> None:
    index, size = place
    path = proof(inclusion_plan(index, size), TREE.hash_of)
    leaf = TREE.leaves[index]
    assert other_tree.verify_inclusion(leaf, index, size, path, ROOTS[size])
    third_tree.verify_inclusion(index, size, leaf_hash(leaf), path, ROOTS[size])


def test_checkpoints_and_cosignatures_convince_another_program() -> None:
    note = TREE.note()
    cosigned = str(note.signed([WITNESS.cosign(note.text, AT)]))
    told = other_notes.verify_checkpoint(cosigned, str(SIGNER.verifier))
    assert (told["ok"], told["origin"], told["tree_size"]) == (True, ORIGIN, 600)
    seen = other_notes.verify_cosignature(cosigned, str(WITNESS.verifier))
    assert (seen["ok"], seen["timestamp"]) == (True, int(AT.timestamp()))
    moved = cosigned.replace("\n600\n", "\n601\n")
    assert not other_notes.verify_checkpoint(moved, str(SIGNER.verifier))["ok"]
    assert not other_notes.verify_cosignature(moved, str(WITNESS.verifier))["ok"]


def test_signatures_are_ed25519_of_another_library() -> None:
    note = TREE.note()
    nacl.signing.VerifyKey(SIGNER.verifier.public_key).verify(note.text.encode(), note.signatures[0].signature)
    line = WITNESS.cosign(note.text, AT)
    message = f"cosignature/v1\ntime {int(AT.timestamp())}\n{note.text}".encode()
    nacl.signing.VerifyKey(WITNESS.verifier.public_key).verify(message, line.signature[8:])
    theirs = nacl.signing.SigningKey(bytes(range(32))).sign(note.text.encode()).signature
    assert theirs == note.signatures[0].signature
    assert Note.parse(str(note)) == note
