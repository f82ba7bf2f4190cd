"""A Merkle tree that leaves are appended to: it keeps only what later hashes fold from, however many there are."""

from collections.abc import Callable
from dataclasses import dataclass, field

from merchantry.domain.merkle import EMPTY_ROOT, Node, fold, node_hash, run_of
from merchantry.domain.tile import HEIGHT


@dataclass(frozen=True, slots=True)
class FullTile:
    """A tile that has become full: its hashes, and the hash over them."""

    level: int
    index: int
    hashes: bytes
    root: bytes


@dataclass
class GrowingTree:
    """The tree over the first ``size`` leaves.

    ``peaks`` are the perfect subtrees that it consists of, ``open_tiles`` the hashes of each level's unfinished tile.
    """

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)
    open_tiles: list[list[bytes]] = field(default_factory=lambda: [[]])

    @classmethod
    def resume(cls, size: int, hash_of: Callable[[Node], bytes]) -> "GrowingTree":
        """The tree over the first ``size`` leaves, from hashes that are known."""
        peaks = [hash_of(node) for node in run_of(0, size)]
        return cls(size, peaks, [[hash_of(node) for node in tile] for tile in _open_tiles(size)])

    @staticmethod
    def nodes(size: int) -> list[Node]:
        """The nodes whose hashes :meth:`resume` asks for."""
        return [*run_of(0, size), *(node for tile in _open_tiles(size) for node in tile)]

    @property
    def root(self) -> bytes:
        """The root over the leaves so far."""
        return fold(self.peaks) if self.size else EMPTY_ROOT

    def append(self, leaf: bytes) -> list[FullTile]:
        """Add the hash of the next leaf. Returns the tiles that are full with it, lowest first."""
        full: list[FullTile] = []
        level, rest, node = 0, self.size, leaf
        self.open_tiles[0].append(leaf)
        while rest & 1:
            node = node_hash(self.peaks.pop(), node)
            level, rest = level + 1, rest >> 1
            if level % HEIGHT == 0:
                below = level // HEIGHT - 1
                full.append(FullTile(below, self.size >> level, b"".join(self.open_tiles[below]), node))
                self.open_tiles[below] = []
                if below + 1 == len(self.open_tiles):
                    self.open_tiles.append([])
                self.open_tiles[below + 1].append(node)
        self.peaks.append(node)
        self.size += 1
        return full


def _open_tiles(size: int) -> list[list[Node]]:
    """Of each level the nodes of the tile that is not full yet."""
    found, level = list[list[Node]](), 0
    while level == 0 or size >> level:
        end = size >> level
        found.append([Node(level, index) for index in range(end >> HEIGHT << HEIGHT, end)])
        level += HEIGHT
    return found
