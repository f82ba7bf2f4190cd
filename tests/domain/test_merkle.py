"""The Merkle tree, by the published vectors of RFC 6962 and by every pair of sizes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merchantry.domain.merkle import (
    EMPTY_ROOT,
    Node,
    ProofError,
    check_consistency,
    check_inclusion,
    consistency_plan,
    fold,
    inclusion_plan,
    leaf_hash,
    node_hash,
    proof,
    root,
    run_of,
)
from merchantry.domain.tile import WIDTH, Tile, hash_in, perfect, split_hashes, tile_of, tiles_of

MOST = 300
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]

# The test vectors of the certificate-transparency project's tree, which RFC 6962's implementations share.
INPUTS = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def hash_over(leaves: Sequence[bytes], node: Node) -> bytes:
    """A node's hash, straight from the leaves."""
    return perfect(leaves[node.index << node.level : (node.index + 1) << node.level])


def tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962 defines it, by recursion."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(tree_hash(leaves[:middle]), tree_hash(leaves[middle:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_those_of_the_published_vectors(size: int) -> None:
    leaves = [leaf_hash(data) for data in INPUTS[:size]]
    assert root(size, lambda node: hash_over(leaves, node)).hex() == ROOTS[size - 1]


def test_the_root_of_no_leaves_is_the_hash_of_nothing() -> None:
    assert root(0, lambda node: b"") == EMPTY_ROOT


def test_every_leaf_of_every_tree_up_to_300_is_proved_and_no_other_passes() -> None:
    for size in range(1, MOST + 1):
        leaves = LEAVES[:size]
        known = root(size, lambda node: hash_over(LEAVES, node))
        assert known == tree_hash(leaves)
        for index in range(size):
            path = proof(inclusion_plan(index, size), lambda node: hash_over(LEAVES, node))
            check_inclusion(leaves[index], index, size, path, known)
            other = (index + 1) % size
            if other != index:
                with pytest.raises(ProofError):
                    check_inclusion(leaves[other], index, size, path, known)


def test_every_pair_of_sizes_up_to_300_is_proved_consistent() -> None:
    roots = [root(size, lambda node: hash_over(LEAVES, node)) for size in range(MOST + 1)]
    for new in range(1, MOST + 1):
        check_consistency(0, EMPTY_ROOT, new, roots[new], [])
        for old in range(1, new + 1):
            path = proof(consistency_plan(old, new), lambda node: hash_over(LEAVES, node))
            check_consistency(old, roots[old], new, roots[new], path)


@given(st.data())
def test_a_proof_with_a_changed_dropped_or_added_hash_is_refused(data: st.DataObject) -> None:
    new = data.draw(st.integers(2, MOST))
    old = data.draw(st.integers(1, new - 1))
    old_root, new_root = (root(size, lambda node: hash_over(LEAVES, node)) for size in (old, new))
    path = proof(consistency_plan(old, new), lambda node: hash_over(LEAVES, node))
    at = data.draw(st.integers(0, len(path) - 1))
    changed = [*path[:at], bytes(32), *path[at + 1 :]]
    for spoilt in (changed, path[:at] + path[at + 1 :], [*path, bytes(32)]):
        with pytest.raises(ProofError):
            check_consistency(old, old_root, new, new_root, spoilt)
    with pytest.raises(ProofError):
        check_consistency(old, bytes(32), new, new_root, path)
    with pytest.raises(ProofError):
        check_consistency(new, new_root, old, old_root, path)


@given(st.integers(1, 200_000))
def test_a_tree_folds_from_the_tiles_at_its_right_edge(size: int) -> None:
    for node in run_of(0, size):
        tile = tile_of(node, size)
        assert tile in tiles_of(size)
        assert tile.is_within(size)
        assert 1 <= tile.width <= WIDTH
        assert not Tile(tile.level, tile.index, tile.width).is_within(tile.index * WIDTH * 256 ** (tile.level or 0))


def test_a_hash_folds_from_its_tile() -> None:
    leaves = [leaf_hash(bytes([number % 256, number // 256])) for number in range(700)]
    for node in (Node(0, 256), Node(3, 40), Node(7, 4), Node(8, 1)):
        tile = tile_of(node, 700)
        below = [perfect(leaves[at << 8 : (at + 1) << 8]) for at in range(2)] if tile.level else leaves
        hashes = below[tile.index * WIDTH : tile.index * WIDTH + tile.width]
        assert hash_in(tile, split_hashes(b"".join(hashes)), node) == hash_over(leaves, node)


@given(st.integers(0, 63) | st.none(), st.integers(0, 10**12), st.integers(1, WIDTH))
def test_a_tile_has_one_path(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


def test_the_path_of_a_tile_is_as_the_standard_writes_it() -> None:
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(None, 273, 112).path == "tile/entries/273.p/112"


@pytest.mark.parametrize(
    "path",
    ["tile/00/000", "tile/0/0", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/64/000", "tile/0/001x",
     "tile/-1/000", "tile/0/000/", "tile/0/\u0661\u0661\u0661"],
)  # fmt: skip
def test_another_spelling_is_no_tile(path: str) -> None:
    with pytest.raises(ValueError, match="not the path of a tile"):
        Tile.parse(path)


def test_a_run_folds_from_the_right() -> None:
    one, two, three = LEAVES[:3]
    assert fold([one, two, three]) == node_hash(one, node_hash(two, three))
