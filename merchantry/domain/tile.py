"""Tiles: the tree in pieces that never change once they are full (C2SP tlog-tiles).

A tile of level L holds up to 256 hashes of nodes of level 8·L, side by side; it stands for a subtree of 8 levels.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from merchantry.domain.merkle import HASH_BYTES, Node, node_hash, run_of

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile."""

ENTRIES: Final = "entries"
_PATH: Final = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_MAX_LEVEL: Final = 63


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """A tile, or a bundle of entries where ``level`` is None; ``width`` below 256: a partial one."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where the tile is found, such as ``tile/0/x001/x234/067.p/8``."""
        level = ENTRIES if self.level is None else str(self.level)
        groups, rest = [f"{self.index % 1000:03}"], self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(reversed(groups))}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        """The tile at this path. Raises ValueError for what no log has: the one spelling of each tile is its path."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise ValueError(f"{path!r} is not the path of a tile")
        level, groups, width = match.groups()
        index = int(groups.replace("x", "").replace("/", ""))
        tile = cls(None if level == ENTRIES else int(level), index, int(width) if width else WIDTH)
        if tile.path != path or (tile.level or 0) > _MAX_LEVEL:
            raise ValueError(f"{path!r} is not the path of a tile")
        return tile

    def is_within(self, size: int) -> bool:
        """Whether a tree of ``size`` leaves has as many hashes as this tile shows."""
        return self.index * WIDTH + self.width <= size >> (HEIGHT * (self.level or 0))


def tile_of(node: Node, size: int) -> Tile:
    """The tile of the tree of ``size`` leaves that shows a node's hash, or the hashes that it folds from."""
    level, above = divmod(node.level, HEIGHT)
    index = (node.index << above) >> HEIGHT
    return Tile(level, index, min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH))


def hash_in(tile: Tile, hashes: Sequence[bytes], node: Node) -> bytes:
    """A node's hash from the hashes of its tile."""
    above = node.level % HEIGHT
    begin = (node.index << above) - tile.index * WIDTH
    return perfect(hashes[begin : begin + (1 << above)])


def perfect(hashes: Sequence[bytes]) -> bytes:
    """The hash over a power of two of neighbouring hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(*level[at : at + 2]) for at in range(0, len(level), 2)]
    return level[0]


def tiles_of(size: int) -> list[Tile]:
    """The tiles at the right edge of a tree, from which its root folds."""
    return sorted({tile_of(node, size) for node in run_of(0, size)})


def split_hashes(body: bytes) -> list[bytes]:
    """A tile's body as hashes. Raises ValueError where it is cut."""
    if not body or len(body) % HASH_BYTES:
        raise ValueError(f"A tile consists of hashes of {HASH_BYTES} bytes; this one has {len(body)} bytes")
    return [body[at : at + HASH_BYTES] for at in range(0, len(body), HASH_BYTES)]
