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
from merchantry.domain.growing_tree import FullTile
from merchantry.domain.merkle import EMPTY_ROOT, leaf_hash
from merchantry.domain.note import NoteError
from merchantry.services import log
from merchantry.services.log import Head
from merchantry.services.log_frontier import Frontier, Memory
from merchantry.tables.log import log_checkpoint, log_key, log_leaf, log_queue, log_tile
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.signing import verify
from tenancy.database import PlatformSession

BATCH = 4_096
"""Leaves that are integrated at once."""

_ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(6962, 1)")
_NEXT = (
    select(log_queue.c.position, log_queue.c.merchant_id, log_queue.c.kind, log_queue.c.seq)
    .order_by(log_queue.c.position)
    .limit(bindparam("limit"))
)
_taken = (
    delete(log_queue)
    .where(log_queue.c.position == func.any(bindparam("positions", type_=ARRAY(BigInteger))))
    .returning(*log_queue.c)
    .cte("taken")
)
_place = func.row_number().over(order_by=_taken.c.position) + (bindparam("begin", type_=BigInteger) - 1)
_chosen = select(_place, _taken.c.merchant_id, _taken.c.kind, _taken.c.seq, _taken.c.event_id, _taken.c.leaf)
_MOVED = (
    insert(log_leaf)
    .from_select(["leaf_index", "merchant_id", "kind", "seq", "event_id", "leaf"], _chosen)
    .returning(log_leaf.c.leaf_index, log_leaf.c.leaf)
)
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


async def integrate(
    session: PlatformSession, keys: LogKeys, now: datetime, limit: int = BATCH, memory: Memory | None = None
) -> Integrated | None:
    """Integrate up to ``limit`` waiting leaves and sign the head. None where another sequencer is at work.

    ``memory`` spares a sequencer that goes on from round to round most of the reading. Raises LogHalted where the
    stored leaves are not those of the last signed head.
    """
    if not await session.scalar(_ONE_AT_A_TIME):
        return None
    memory = memory or Memory()
    frontier, memory.frontier = memory.frontier, None
    if frontier is None or not await frontier.is_current(session, now):
        frontier = await Frontier.read(session, await _last_head(session, keys, now), now)
    rows, gaps, last_seqs = await _waiting(session, frontier, limit)
    if rows:
        leaves = await _store_leaves(session, [row.position for row in rows], frontier.head.size)
        full = [tile for leaf in leaves for tile in frontier.tree.append(leaf_hash(leaf))]
        frontier.went_on(await _sign(session, keys, frontier, full, now), last_seqs)
    memory.frontier = frontier
    return Integrated(len(rows), frontier.head.size, gaps)


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
    try:
        note = found.note(keys.origin)
    except NoteError as error:
        raise LogHalted(f"The head of {found.size}: {error}") from error
    signed = {(each.name, each.key_id) for each in note.signatures}
    ours = [key for key in keys.verifiers if (key.name, key.key_id) in signed]
    if not ours:
        raise LogHalted(f"The head of {found.size} is signed by none of this log's keys; known are {', '.join(known)}")
    try:
        verify(note, ours[-1])
    except NoteError as error:
        raise LogHalted(f"The head of {found.size}: {error}") from error


async def _waiting(
    session: PlatformSession, frontier: Frontier, limit: int
) -> tuple[Sequence[Waiting], tuple[UUID, ...], dict[UUID, int]]:
    """The next leaves in line, without those of merchants whose entries do not follow each other (the second); and each
    merchant's last ``seq`` once they are in the log."""
    gaps: tuple[UUID, ...] = ()
    while True:
        statement = _NEXT.where(log_queue.c.merchant_id != func.all(list(gaps))) if gaps else _NEXT
        rows = (await session.execute(statement, {"limit": limit})).all()
        last = await _last_of(session, frontier, {row.merchant_id for row in rows if row.kind == _ENTRY})
        found = _gaps(rows, last)
        if not found:
            return rows, gaps, last
        gaps += found


async def _last_of(session: PlatformSession, frontier: Frontier, merchants: set[UUID]) -> dict[UUID, int]:
    """The ``seq`` of each merchant's last entry in the log; only those that are not remembered are read."""
    unknown = merchants - frontier.last_seqs.keys()
    if unknown:
        frontier.last_seqs.update(await last_seqs(session, unknown))
    return {each: frontier.last_seqs[each] for each in merchants}


def _gaps(rows: Sequence[Waiting], last: dict[UUID, int]) -> tuple[UUID, ...]:
    """Merchants whose entries do not follow each other; ``last`` goes on to each one's last."""
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


async def _store_leaves(session: PlatformSession, positions: Sequence[int], begin: int) -> list[bytes]:
    """Move leaves from the queue to their places, from ``begin`` on. Returns them as they are stored, in their order.

    Raises LogHalted.
    """
    rows = (await session.execute(_MOVED, {"positions": list(positions), "begin": begin})).all()
    stored = {row.leaf_index: bytes(row.leaf) for row in rows}
    if stored.keys() != set(range(begin, begin + len(positions))):
        raise LogHalted(f"{len(positions)} leaves were to be stored, and {len(rows)} were")
    return [stored[index] for index in range(begin, begin + len(positions))]


async def _sign(
    session: PlatformSession, keys: LogKeys, frontier: Frontier, full: Sequence[FullTile], now: datetime
) -> Head:
    """Store the tiles that have become full, and the head of the tree that the frontier has grown to."""
    checkpoint = Checkpoint(keys.origin, frontier.tree.size, frontier.tree.root)
    if full:
        names = ("level", "tile_index", "hashes", "root")
        tiles = [(each.level, each.index, each.hashes, each.root) for each in full]
        await session.execute(insert(log_tile), [dict(zip(names, each, strict=True)) for each in tiles])
    signature = "".join(each.line for each in keys.sign(checkpoint.text))
    row = {
        "size": checkpoint.size,
        "root": checkpoint.root,
        "signature": signature,
        "signed_at": now,
        "record": keys.signers[-1].sign(head_record(checkpoint, frontier.head.size, now)).signature,
    }
    await session.execute(insert(log_checkpoint), row)
    return Head(checkpoint.size, checkpoint.root, signature, now)
