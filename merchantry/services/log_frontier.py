"""What a sequencer remembers from one round to the next, so that what it has just stored is not read and hashed again.

It holds only while the newest head is the one that it remembers; once a minute all is read from what is stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select

from merchantry.domain.growing_tree import GrowingTree
from merchantry.services import log
from merchantry.services.log import Head
from merchantry.tables.log import log_checkpoint, log_leaf
from tenancy.database import PlatformSession

REREAD_AFTER: Final = timedelta(minutes=1)
MOST_MERCHANTS: Final = 50_000

_NEWEST: Final = (
    select(
        log_checkpoint.c.size,
        log_checkpoint.c.root,
        log_checkpoint.c.signature,
        select(func.max(log_leaf.c.leaf_index)).scalar_subquery().label("last_index"),
    )
    .order_by(log_checkpoint.c.size.desc())
    .limit(1)
)


@dataclass
class Frontier:
    """The newest head, the right edge of its tree, and the last ``seq`` in the log of merchants that were met."""

    head: Head
    tree: GrowingTree
    read_at: datetime
    last_seqs: dict[UUID, int] = field(default_factory=dict)

    @classmethod
    async def read(cls, session: PlatformSession, head: Head, now: datetime) -> "Frontier":
        """From what is stored. The caller has checked that ``head`` is the head of it."""
        found = await log.hashes(session, GrowingTree.nodes(head.size), head.size)
        return cls(head, GrowingTree.resume(head.size, found.__getitem__), now)

    async def is_current(self, session: PlatformSession, now: datetime) -> bool:
        """Whether nobody else has gone on with the log, and the last look at what is stored is not long ago."""
        if abs(now - self.read_at) >= REREAD_AFTER or not self.head.size:
            return False
        row = (await session.execute(_NEWEST)).one_or_none()
        if row is None:
            return False
        stored = (row.size, bytes(row.root), row.signature, row.last_index)
        return stored == (self.head.size, self.head.root, self.head.signature, self.head.size - 1)

    def went_on(self, head: Head, last_seqs: Mapping[UUID, int]) -> None:
        """A head was signed over what was appended."""
        self.head = head
        self.last_seqs.update(last_seqs)
        if len(self.last_seqs) > MOST_MERCHANTS:
            self.last_seqs.clear()


@dataclass
class Memory:
    """Of one sequencer. Empty before its first round, and after one that did not come to its end."""

    frontier: Frontier | None = None
