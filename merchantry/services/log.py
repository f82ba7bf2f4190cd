"""The public log as it is read: its head, its tiles, and proofs over what is stored, each in a few statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Integer, Row, Select, column, func, literal, select

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.merkle import (
    Node,
    Run,
    consistency_plan,
    inclusion_plan,
    leaf_hash,
    proof,
    root,
    run_of,
)
from merchantry.domain.note import Note, Signature
from merchantry.domain.tile import WIDTH, Tile, hash_in, split_hashes, tile_of
from merchantry.tables.log import log_checkpoint, log_confirmed, log_cosignature, log_key, log_leaf, log_tile
from tenancy.database import Session

Hashes = dict[Node, bytes]


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of the log. ``note`` is the checkpoint with the log's signatures."""

    size: int
    root: bytes
    signature: str
    signed_at: datetime

    def checkpoint(self, origin: str) -> Checkpoint:
        """What it says."""
        return Checkpoint(origin, self.size, self.root)

    def note(self, origin: str) -> Note:
        """The note that was signed."""
        return Note.parse(f"{self.checkpoint(origin).text}\n{self.signature}")


async def origin(session: Session) -> str | None:
    """The log's name; None where it has not begun."""
    verifier: str | None = await session.scalar(select(log_key.c.verifier).order_by(log_key.c.position).limit(1))
    return None if verifier is None else verifier.partition("+")[0]


async def verifiers(session: Session) -> list[str]:
    """Every key that the log signs or has signed with, oldest first, as it is given out."""
    return list(await _column(session, select(log_key.c.verifier).order_by(log_key.c.position)))


async def head(session: Session, size: int | None = None) -> Head | None:
    """The newest head, or the first one that has at least ``size`` leaves; None where there is none yet."""
    table = log_checkpoint.c
    statement = select(table.size, table.root, table.signature, table.signed_at).limit(1)
    if size is None:
        statement = statement.order_by(table.size.desc())
    else:
        statement = statement.where(table.size >= size).order_by(table.size)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Head(row.size, bytes(row.root), row.signature, row.signed_at)


async def confirmed_size(session: Session) -> int | None:
    """The size of the newest head that a quorum of witnesses has cosigned; None before the first."""
    size: int | None = await session.scalar(select(func.max(log_confirmed.c.size)))
    return size


async def cosignatures(session: Session, size: int) -> list[Signature]:
    """What witnesses have put under the head of this size, by name."""
    table = log_cosignature.c
    statement = select(table.signature).where(table.size == size).order_by(table.witness)
    return [Signature.parse(line.removesuffix("\n")) for line in await _column(session, statement)]


async def tile_body(session: Session, tile: Tile, size: int) -> bytes | None:
    """The bytes of a tile, or of a bundle of entries, of the tree of ``size`` leaves; None where it has none such."""
    if not tile.is_within(size):
        return None
    if tile.level is None:
        bundle = await leaves(session, tile.index * WIDTH, tile.index * WIDTH + tile.width)
        return b"".join(len(leaf).to_bytes(2, "big") + leaf for leaf in bundle)
    return b"".join((await _tiles(session, [tile]))[tile])


async def inclusion(session: Session, index: int, size: int) -> list[bytes]:
    """The proof that the leaf is in the tree of ``size`` leaves, which are stored."""
    plan = inclusion_plan(index, size)
    return await _proof(session, plan, size)


async def consistency(session: Session, old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``new`` leaves, which are stored, begins with that of ``old``; empty for 0 and all."""
    plan = consistency_plan(old, new) if 0 < old < new else ()
    return await _proof(session, plan, new)


async def root_of(session: Session, size: int) -> bytes:
    """The root over the first ``size`` leaves, from what is stored."""
    found = await hashes(session, run_of(0, size), size)
    return root(size, found.__getitem__)


async def hashes(session: Session, nodes: Iterable[Node], size: int) -> Hashes:
    """The hashes of nodes of a tree of ``size`` leaves, in at most three statements."""
    tiles = {node: tile_of(node, size) for node in nodes}
    found = await _tiles(session, set(tiles.values()))
    return {node: hash_in(tile, found[tile], node) for node, tile in tiles.items()}


async def _proof(session: Session, plan: Sequence[Run], size: int) -> list[bytes]:
    found = await hashes(session, [node for run in plan for node in run], size)
    return proof(plan, found.__getitem__)


async def _tiles(session: Session, tiles: Iterable[Tile]) -> dict[Tile, list[bytes]]:
    """The hashes of tiles of a tree whose leaves are stored. A tile that was partial then may be full by now."""
    wanted = sorted(tiles)  # of levels, never of bundles
    found = {tile: hashes[: tile.width] for tile, hashes in (await _full(session, wanted)).items()}
    missing = [tile for tile in wanted if tile not in found]
    for tile in missing:
        if tile.level == 0:
            begin = tile.index * WIDTH
            found[tile] = [leaf_hash(leaf) for leaf in await leaves(session, begin, begin + tile.width)]
    found |= await _above(session, [tile for tile in missing if tile.level])
    return found


async def _full(session: Session, tiles: Sequence[Tile]) -> dict[Tile, list[bytes]]:
    if not tiles:
        return {}
    asked = _unnested(("level", "tile_index"), [[tile.level for tile in tiles], [tile.index for tile in tiles]])
    table = log_tile.c
    is_asked = (table.level == asked.c.level) & (table.tile_index == asked.c.tile_index)
    statement = select(table.level, table.tile_index, table.hashes).where(is_asked)
    stored = {(row.level, row.tile_index): split_hashes(bytes(row.hashes)) for row in await session.execute(statement)}
    return {tile: stored[tile.level, tile.index] for tile in tiles if (tile.level, tile.index) in stored}


async def _above(session: Session, tiles: Sequence[Tile]) -> dict[Tile, list[bytes]]:
    """Partial tiles above the leaves: the roots of the full tiles below them, in one statement."""
    if not tiles:
        return {}
    below = [[(tile.level or 0) - 1 for tile in tiles], [tile.index * WIDTH for tile in tiles]]
    ends = [tile.index * WIDTH + tile.width for tile in tiles]
    asked = _unnested(("level", "begins", "ends"), [*below, ends])
    table = log_tile.c
    statement = (
        select(table.level, table.root)
        .join(
            asked,
            (table.level == asked.c.level) & (table.tile_index >= asked.c.begins) & (table.tile_index < asked.c.ends),
        )
        .order_by(table.level, table.tile_index)
    )
    rows = (await session.execute(statement)).all()
    roots = {level: [bytes(row.root) for row in of_level] for level, of_level in groupby(rows, _level)}
    return {tile: roots[(tile.level or 0) - 1] for tile in tiles}


def _level(row: Row[Any]) -> int:
    level: int = row.level
    return level


def _unnested(names: Sequence[str], arrays: Sequence[Sequence[int | None]]) -> Any:
    columns = [column(name, Integer if name == "level" else BigInteger) for name in names]
    parameters = [literal(list(array), ARRAY(of.type)) for of, array in zip(columns, arrays, strict=True)]
    return func.unnest(*parameters).table_valued(*columns, name="asked").render_derived()


async def leaves(session: Session, begin: int, end: int) -> list[bytes]:
    """The leaves ``[begin, end)``."""
    table = log_leaf.c
    statement = select(table.leaf).where(table.leaf_index >= begin, table.leaf_index < end).order_by(table.leaf_index)
    return [bytes(leaf) for leaf in await _column(session, statement)]


async def _column(session: Session, statement: Select[Any]) -> Iterable[Any]:
    return (await session.execute(statement)).scalars()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the leaf of an entry is."""

    index: int
    leaf: bytes


async def place_of(session: Session, merchant_id: UUID, seq: int) -> Place | None:
    """Where the leaf of a merchant's entry is; None where it still waits."""
    table = log_leaf.c
    statement = select(table.leaf_index, table.leaf).where(table.merchant_id == merchant_id, table.seq == seq)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else Place(row.leaf_index, bytes(row.leaf))
