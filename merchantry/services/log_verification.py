"""Verifying the public log: leaves, tiles and heads are computed again from the leaves, and held against what is kept
elsewhere.

One snapshot, in pages, however long the log is. Whether the leaves are those of the entries is asked of each merchant
by itself (:mod:`merchantry.services.log_entries`).
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.growing_tree import FullTile, GrowingTree
from merchantry.domain.merkle import EMPTY_ROOT, HASH_BYTES, Node, leaf_hash, run_of
from merchantry.domain.tile import HEIGHT, WIDTH
from merchantry.services import log, log_heads
from merchantry.services.books import Broken
from merchantry.services.log_heads import Keys
from merchantry.services.log_laws import Findings, LogLaw, named, subject
from merchantry.tables.log import log_leaf, log_tile
from merchantry.tables.platform import NOBODY
from merchantry.transparency.mirror import checked_leaves
from merchantry.transparency.trust import Trust
from tenancy.database import Database, PlatformSession
from tenancy.tables import merchant

ACTOR = "system:verify"
PAGE = 16 * WIDTH
"""Leaves that are read at once."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LogVerified:
    """The log after it was computed again: how many leaves there are, their root, and how many heads were checked."""

    size: int
    root: bytes
    heads: int
    broken: tuple[Broken, ...]


@dataclass
class _Walk:
    """How far the look has come."""

    session: PlatformSession
    trust: Trust
    slugs: Mapping[UUID, str]
    total: int
    found: Findings = field(default_factory=Findings)
    tree: GrowingTree = field(default_factory=GrowingTree)
    keys: Keys = field(default_factory=Keys)
    heads: int = 0
    last_head: int = 0
    """The size of the last head that was checked."""
    next_index: int = 0
    """Where the next leaf should say that it stands: behind the last one, so that a gap is told of once."""
    tiles: int = 0
    open_rows: list[Row[Any]] = field(default_factory=list)
    """Leaves of the unfinished tile."""

    def name(self, row: Row[Any]) -> str:
        """Whose leaf it is, and of what."""
        return named(self.slugs, row.merchant_id, subject(row.kind, row.seq, row.event_id))


async def verify_log(
    database: Database,
    trust: Trust | None = None,
    *,
    since: Checkpoint | None = None,
    progress: Progress = lambda done, total: None,
) -> LogVerified:
    """Compute the log again and hold it against its heads, its tiles and what is trusted from elsewhere.

    ``since`` is a tree that was found right before: only what came after it is read, and that the tree is still there.
    ``progress`` is told how many leaves are done, of how many. Raises MirrorError where the trusted copy of the log is
    not that of a trusted head.
    """
    async with database.read(ACTOR) as tx, tx.as_platform() as session:
        total: int = await session.scalar(select(func.count()).select_from(log_leaf)) or 0
        walk = _Walk(session, trust or Trust(), await _slugs(session), total)
        walk.keys = await log_heads.keys(session, walk.trust, walk.found)
        if since is not None:
            await _resume(walk, since)
        began = walk.tree.size
        heads_before, walk.last_head = await log_heads.last_before(session, began)
        walk.next_index = began
        mirrored = _mirrored(walk)
        _check_trusted(walk)
        async for page in _pages(session, began):
            await _check_page(walk, page, mirrored)
            progress(walk.tree.size, total)
        _check_shortened(walk, mirrored)
        await _check_numbering(walk, began)
        await _check_stray_tiles(walk, began)
        await log_heads.check_stray(session, walk.found, walk.keys, walk.tree.size, walk.heads + heads_before)
        return LogVerified(walk.tree.size, walk.tree.root, walk.heads, walk.found.all())


async def _slugs(session: PlatformSession) -> dict[UUID, str]:
    rows = await session.execute(select(merchant.c.id, merchant.c.slug))
    return {NOBODY: "platform", **{row.id: row.slug for row in rows}}


async def _resume(walk: _Walk, since: Checkpoint) -> None:
    """Begin where an earlier look ended, if what it saw is still there."""
    nodes = [*run_of(0, since.size), *_open_nodes(since.size)]
    try:
        hashes = await log.hashes(walk.session, nodes, since.size)
        tree = GrowingTree.resume(since.size, hashes.__getitem__)
        is_same = tree.root == since.root
    except (LookupError, ValueError):
        is_same = False
    if is_same:
        walk.tree = tree
        walk.tiles = sum(since.size >> HEIGHT * level for level in range(1, 9))
        walk.open_rows = list(await _rows(walk.session, since.size >> HEIGHT << HEIGHT, since.size))
    else:
        row = f"the tree of {since.size} leaves that was verified before"
        walk.found.report(LogLaw.TRUSTED, row, expected=since.root.hex(), found="other leaves")


def _open_nodes(size: int) -> Iterator[Node]:
    """The nodes of each level's unfinished tile."""
    level = 0
    while level == 0 or size >> level:
        end = size >> level
        yield from (Node(level, index) for index in range(end >> HEIGHT << HEIGHT, end))
        level += HEIGHT


async def _pages(session: PlatformSession, begin: int) -> AsyncIterator[Sequence[Row[Any]]]:
    """Leaves in their order. A page ends between tiles, so that a place that is there twice is in one page."""
    table = log_leaf.c
    while begin is not None:
        end = (begin // PAGE + 1) * PAGE
        if rows := await _rows(session, begin, end):
            yield rows
        begin = await session.scalar(select(func.min(table.leaf_index)).where(table.leaf_index >= end))


async def _rows(session: PlatformSession, begin: int, end: int) -> Sequence[Row[Any]]:
    table = log_leaf.c
    of_page = select(log_leaf).where(table.leaf_index >= begin, table.leaf_index < end).order_by(table.leaf_index)
    return (await session.execute(of_page)).all()


async def _check_page(walk: _Walk, rows: Sequence[Row[Any]], mirrored: Iterator[bytes]) -> None:
    first, last = walk.tree.size, walk.tree.size + len(rows)
    heads = await log_heads.between(walk.session, first, last)
    tiles = await _tiles(walk.session, 0, first >> HEIGHT, last >> HEIGHT)
    for row in rows:
        leaf = _check_leaf(walk, row, next(mirrored, None))
        walk.open_rows.append(row)
        for tile in walk.tree.append(leaf_hash(leaf)):
            stored = tiles if tile.level == 0 else await _tiles(walk.session, tile.level, tile.index, tile.index + 1)
            _check_tile(walk, tile, stored.get(tile.index))
        for head in heads.get(walk.tree.size, ()):
            walk.heads += 1
            log_heads.check(walk.found, walk.keys, head, walk.tree.root, walk.last_head)
            walk.last_head = head.size
        _check_trusted(walk)


def _check_leaf(walk: _Walk, row: Row[Any], kept: bytes | None) -> bytes:
    """The next leaf: its place, its merchant, and that of the trusted copy, where there is one."""
    place, leaf = walk.tree.size, bytes(row.leaf or b"")
    if row.leaf_index != walk.next_index:
        expected, found = f"leaf {walk.next_index}", f"leaf {row.leaf_index}"
        walk.found.report(LogLaw.LEAVES, walk.name(row), expected=expected, found=found)
    walk.next_index = row.leaf_index + 1
    if row.merchant_id not in walk.slugs:
        walk.found.report(LogLaw.LEAVES, f"leaf {place}", expected="a leaf of somebody", found=walk.name(row))
    if kept is not None and kept != leaf:
        of = walk.trust.names.get(kept) or walk.name(row)
        walk.found.report(LogLaw.TRUSTED, f"{of}, leaf {place}", expected=kept.hex(), found=leaf.hex())
    return leaf


async def _tiles(session: PlatformSession, level: int, begin: int, end: int) -> dict[int, Row[Any]]:
    table = log_tile.c
    asked = select(log_tile).where(table.level == level, table.tile_index >= begin, table.tile_index < end)
    return {row.tile_index: row for row in await session.execute(asked)}


def _check_tile(walk: _Walk, tile: FullTile, stored: Row[Any] | None) -> None:
    walk.tiles += 1
    name = f"tile {tile.level}/{tile.index}"
    rows: list[Row[Any]] = []
    if tile.level == 0:
        rows, walk.open_rows = walk.open_rows, []
    if stored is None:
        walk.found.report(LogLaw.TILE, name, expected="a tile", found="none")
        return
    kept = bytes(stored.hashes or b"")
    for at in range(0, max(len(kept), len(tile.hashes)), HASH_BYTES):
        one, other = tile.hashes[at : at + HASH_BYTES], kept[at : at + HASH_BYTES]
        if one != other:
            place = at // HASH_BYTES
            of = f" ({walk.name(rows[place])})" if place < len(rows) else ""
            walk.found.report(LogLaw.TILE, f"{name} hash {place}{of}", expected=one.hex(), found=other.hex())
    if bytes(stored.root or b"") != tile.root:
        walk.found.report(LogLaw.TILE, f"{name} root", expected=tile.root.hex(), found=bytes(stored.root or b"").hex())


def _check_trusted(walk: _Walk) -> None:
    """Heads that were kept elsewhere, of the size that the tree has now."""
    for head in walk.trust.heads:
        if head.size == walk.tree.size and head.root != (walk.tree.root if head.size else EMPTY_ROOT):
            row = f"the trusted head of {head.size}"
            walk.found.report(LogLaw.TRUSTED, row, expected=head.root.hex(), found=walk.tree.root.hex())


def _mirrored(walk: _Walk) -> Iterator[bytes]:
    """The leaves of the greatest trusted head, from the copy of the log that was kept elsewhere."""
    heads, mirror = walk.trust.heads, walk.trust.mirror
    if mirror is None or not heads or walk.tree.size:
        return iter(())
    return chain.from_iterable(checked_leaves(mirror, max(heads, key=lambda head: head.size)))


def _check_shortened(walk: _Walk, mirrored: Iterator[bytes]) -> None:
    for place, leaf in enumerate(mirrored, walk.tree.size):
        of = walk.trust.names.get(leaf)
        row = f"{of}, leaf {place}" if of else f"leaf {place}"
        walk.found.report(LogLaw.TRUSTED, row, expected=leaf.hex(), found="no leaf")
    for head in walk.trust.heads:
        if head.size > walk.tree.size:
            row, found = f"the trusted head of {head.size}", f"a log of {walk.tree.size} leaves"
            walk.found.report(LogLaw.TRUSTED, row, expected=f"at least {head.size} leaves", found=found)


async def _check_numbering(walk: _Walk, began: int) -> None:
    """Rows without a place that a walk from the beginning meets."""
    if walk.tree.size == walk.total and began == 0:
        return
    table = log_leaf.c
    strays = select(log_leaf).where(table.leaf_index.is_(None) | (table.leaf_index < 0))
    for row in await walk.session.execute(strays.limit(100)):
        walk.found.report(LogLaw.LEAVES, walk.name(row), expected="a place in the log", found=f"leaf {row.leaf_index}")


async def _check_stray_tiles(walk: _Walk, began: int) -> None:
    """Tiles that no full subtree stands behind."""
    table = log_tile.c
    stored: int = await walk.session.scalar(select(func.count()).select_from(log_tile)) or 0
    if stored == walk.tiles:
        return
    seen: set[tuple[object, object]] = set()
    for row in await walk.session.execute(select(table.level, table.tile_index)):
        key = (row.level, row.tile_index)
        if key in seen or not _is_full(row.level, row.tile_index, walk.tree.size):
            walk.found.report(LogLaw.TILE, f"tile {row.level}/{row.tile_index}", expected="no such tile", found="one")
        seen.add(key)
    if began and stored < walk.tiles:
        walk.found.report(LogLaw.TILE, "tiles", expected=walk.tiles, found=stored)


def _is_full(level: int | None, index: int | None, size: int) -> bool:
    if level is None or index is None or not 0 <= level < 8 or index < 0:
        return False
    return index < size >> HEIGHT * (level + 1)
