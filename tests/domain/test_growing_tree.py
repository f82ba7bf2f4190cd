"""The tree that grows is the tree of the standard, at every size and from every point that it is resumed at."""

from merchantry.domain.growing_tree import FullTile, GrowingTree
from merchantry.domain.merkle import Node, leaf_hash, node_hash, root
from merchantry.domain.tile import WIDTH, perfect

LEAVES = [leaf_hash(number.to_bytes(4, "big")) for number in range(70_000)]
SIZES = [0, 1, 2, 3, 255, 256, 257, 511, 512, 513, 1_000, 65_535, 65_536, 65_537, 70_000]


def levels_of(leaves: list[bytes]) -> list[list[bytes]]:
    """Every perfect subtree's hash, by level and index."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])
    return levels


LEVELS = levels_of(LEAVES)


def hash_of(node: Node) -> bytes:
    return LEVELS[node.level][node.index]


def test_its_root_is_that_of_the_standard_at_every_size() -> None:
    tree = GrowingTree()
    for size, leaf in enumerate([*LEAVES, None]):
        if size in SIZES:
            assert tree.root == root(size, hash_of)
        if leaf is not None:
            tree.append(leaf)


def test_every_tile_is_given_once_when_it_is_full() -> None:
    tree, found = GrowingTree(), list[FullTile]()
    for leaf in LEAVES:
        found += tree.append(leaf)
    expected = [(level, index) for level in (0, 1) for index in range(len(LEAVES) >> 8 * (level + 1))]
    assert sorted((tile.level, tile.index) for tile in found) == expected
    for tile in found:
        hashes = LEVELS[tile.level * 8][tile.index * WIDTH : (tile.index + 1) * WIDTH]
        assert tile.hashes == b"".join(hashes)
        assert tile.root == perfect(hashes)


def test_resumed_anywhere_it_grows_as_if_it_had_never_stopped() -> None:
    for size in SIZES[:-1]:
        tree, whole = GrowingTree.resume(size, hash_of), GrowingTree()
        for leaf in LEAVES[:size]:
            whole.append(leaf)
        assert tree == whole
