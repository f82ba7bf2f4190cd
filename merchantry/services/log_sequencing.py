"""The sequencer: gives waiting leaves their places, stores tiles, and signs the new head; all in one transaction.

One at a time, whoever comes first; the primary keys of leaves and heads would refuse a second one anyhow. Nobody who
books an entry waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Row,
    Uuid,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    text,
    true,
)

from merchantry.domain.checkpoint import Checkpoint, head_record
from merchantry.domain.merkle import EMPTY_ROOT, leaf_hash
from merchantry.domain.note import NoteError
from merchantry.domain.tile import WIDTH, perfect
from merchantry.services import log
from merchantry.services.log import Head
from merchantry.tables.log import log_checkpoint, log_key, log_leaf, log_queue, log_tile
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import verify
from tenancy.database import PlatformSession

BATCH = 4_096
"""Leaves that are integrated at once."""

_ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(6962, 1)")
_ENTRY = "entry"

Waiting = Row[tuple[int, UUID, str, int]]
"""A leaf in the queue: its position, merchant, kind, and the ``seq`` of an entry."""


class LogHalted(Exception):
    """The log can't go on: what is stored is not what was signed. Somebody has to look."""


@dataclass(frozen=True, slots=True)
class Integrated:
    """What one round did. ``gaps`` are merchants whose next waiting entry does not follow their last one in the log."""

    leaves: int
    size: int
    gaps: tuple[UUID, ...]


async def integrate(session: PlatformSession, keys: LogKeys, now: datetime, limit: int = BATCH) -> Integrated | None:
    """Integrate up to ``limit`` waiting leaves and sign the head. None where another sequencer is at work.

    Raises LogHalted where the stored leaves are not those of the last signed head.
    """
    if not await session.scalar(_ONE_AT_A_TIME):
        return None
    last = await _last_head(session, keys, now)
    rows, gaps = await _waiting(session, limit)
    if not rows:
        return Integrated(0, last.size, gaps)
    size = last.size + len(rows)
    await _store_leaves(session, [row.position for row in rows], last.size)
    await _store_tiles(session, last.size, size)
    await _sign(session, keys, Checkpoint(keys.origin, size, await log.root_of(session, size)), last.size, now)
    return Integrated(len(rows), size, gaps)


async def waiting(session: PlatformSession) -> int:
    """How many leaves wait for their place."""
    return await session.scalar(select(func.count()).select_from(log_queue)) or 0


async def _last_head(session: PlatformSession, keys: LogKeys, now: datetime) -> Head:
    """The newest head, which must be ours and the one of the stored leaves; keys that are new are written down."""
    found, known = await checked_head(session, keys, now), await log.verifiers(session)
    if new := [str(each) for each in keys.verifiers if str(each) not in known]:
        rows = [{"verifier": each, "position": len(known) + at, "added_at": now} for at, each in enumerate(new)]
        await session.execute(insert(log_key), rows)
    return found


async def checked_head(session: PlatformSession, keys: LogKeys, now: datetime) -> Head:
    """The newest head, which must be ours and the one of the stored leaves; an empty one at ``now`` before the first.

    Raises LogHalted.
    """
    known = await log.verifiers(session)
    if known and await log.origin(session) != keys.origin:
        raise LogHalted(f"The database holds the log {await log.origin(session)}, the key is that of {keys.origin}")
    found = await log.head(session) or Head(0, EMPTY_ROOT, "", now)
    newest = await session.scalar(select(func.max(log_leaf.c.leaf_index)))
    if found.size != (0 if newest is None else newest + 1) or await log.root_of(session, found.size) != found.root:
        raise LogHalted(f"The stored leaves are not those of the head of {found.size} that was signed")
    if found.size:
        _check_ours(found, keys, known)
    return found


def _check_ours(found: Head, keys: LogKeys, known: Sequence[str]) -> None:
    note = found.note(keys.origin)
    signed = {(each.name, each.key_id) for each in note.signatures}
    ours = [key for key in keys.verifiers if (key.name, key.key_id) in signed]
    if not ours:
        raise LogHalted(f"The head of {found.size} is signed by none of this log's keys; known are {', '.join(known)}")
    try:
        verify(note, ours[-1])
    except NoteError as error:
        raise LogHalted(f"The head of {found.size}: {error}") from error


async def _waiting(session: PlatformSession, limit: int) -> tuple[Sequence[Waiting], tuple[UUID, ...]]:
    """The next leaves in line, without those of merchants whose entries do not follow each other."""
    gaps: tuple[UUID, ...] = ()
    table = log_queue.c
    while True:
        statement = (
            select(table.position, table.merchant_id, table.kind, table.seq).order_by(table.position).limit(limit)
        )
        if gaps:
            statement = statement.where(table.merchant_id != func.all(list(gaps)))
        rows = (await session.execute(statement)).all()
        found = await _gaps(session, rows)
        if not found:
            return rows, gaps
        gaps += found


async def _gaps(session: PlatformSession, rows: Sequence[Waiting]) -> tuple[UUID, ...]:
    last = await last_seqs(session, {row.merchant_id for row in rows if row.kind == _ENTRY})
    gaps = set()
    for row in rows:
        if row.kind == _ENTRY:
            if row.seq != last[row.merchant_id] + 1:
                gaps.add(row.merchant_id)
            last[row.merchant_id] = row.seq
    return tuple(sorted(gaps))


async def last_seqs(session: PlatformSession, merchants: set[UUID]) -> dict[UUID, int]:
    """The ``seq`` of each merchant's last entry in the log; 0 where it has none."""
    asked = (
        func.unnest(literal(sorted(merchants), ARRAY(Uuid)))
        .table_valued(column("id", log_leaf.c.merchant_id.type), name="asked")
        .render_derived()
    )
    of_one = select(log_leaf.c.seq).where(log_leaf.c.merchant_id == asked.c.id, log_leaf.c.seq.is_not(None))
    newest = of_one.order_by(log_leaf.c.seq.desc()).limit(1).lateral()
    rows = await session.execute(select(asked.c.id, newest.c.seq).join(newest, true()))
    return dict.fromkeys(merchants, 0) | {row.id: row.seq for row in rows}


async def _store_leaves(session: PlatformSession, positions: Sequence[int], begin: int) -> None:
    """Move leaves from the queue to their places, from ``begin`` on."""
    taken = (
        delete(log_queue)
        .where(log_queue.c.position == func.any(bindparam("positions", type_=ARRAY(BigInteger))))
        .returning(*log_queue.c)
        .cte("taken")
    )
    place = func.row_number().over(order_by=taken.c.position) + (begin - 1)
    chosen = select(place, taken.c.merchant_id, taken.c.kind, taken.c.seq, taken.c.event_id, taken.c.leaf)
    statement = insert(log_leaf).from_select(["leaf_index", "merchant_id", "kind", "seq", "event_id", "leaf"], chosen)
    stored = (await session.execute(statement.returning(log_leaf.c.leaf_index), {"positions": list(positions)})).all()
    if len(stored) != len(positions):
        raise LogHalted(f"{len(positions)} leaves were to be stored, and {len(stored)} were")


async def _store_tiles(session: PlatformSession, old: int, new: int) -> None:
    """The tiles that became full between two sizes, level by level."""
    level, old, new = 0, old // WIDTH, new // WIDTH
    while old < new:
        rows = []
        for index in range(old, new):
            hashes = await _below(session, level, index)
            rows.append({"level": level, "tile_index": index, "hashes": b"".join(hashes), "root": perfect(hashes)})
        await session.execute(insert(log_tile), rows)
        level, old, new = level + 1, old // WIDTH, new // WIDTH


async def _below(session: PlatformSession, level: int, index: int) -> list[bytes]:
    """The hashes that a full tile consists of."""
    begin, end = index * WIDTH, (index + 1) * WIDTH
    if level == 0:
        return [leaf_hash(leaf) for leaf in await log.leaves(session, begin, end)]
    of_tiles = log_tile.c
    statement = (
        select(of_tiles.root)
        .where(of_tiles.level == level - 1, of_tiles.tile_index >= begin, of_tiles.tile_index < end)
        .order_by(of_tiles.tile_index)
    )
    return [bytes(each) for each in (await session.execute(statement)).scalars()]


async def _sign(session: PlatformSession, keys: LogKeys, checkpoint: Checkpoint, before: int, now: datetime) -> None:
    row = {
        "size": checkpoint.size,
        "root": checkpoint.root,
        "signature": "".join(each.line for each in keys.sign(checkpoint.text)),
        "signed_at": now,
        "record": keys.signers[-1].sign(head_record(checkpoint, before, now)).signature,
    }
    await session.execute(insert(log_checkpoint), row)
