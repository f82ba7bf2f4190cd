"""How many operations run at once, and how many wait for their turn; whoever comes beyond that is sent away.

No group (a merchant, or a caller who names none) may hold more than its share of either, so that while one floods the
server, others still find a free place and don't queue behind it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Busy(Exception):
    """There is no place left to wait in."""


class Admission:
    """``places`` operations run at once, of which one group gets ``share``; ``queue`` wait, of which one gets half."""

    def __init__(self, places: int, share: int, queue: int) -> None:
        self._places = places
        self._share = share
        self._queue = queue
        self._running: Counter[Hashable] = Counter()
        self._waiting: deque[tuple[Hashable, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def admitted(self, group: Hashable) -> AsyncIterator[None]:
        """Hold a place while the block runs, waiting for one first. Raises Busy."""
        if self._has_place_for(group) and not self._waits(group):
            self._running[group] += 1
        else:
            await self._wait(group)
        try:
            yield
        finally:
            self._leave(group)

    def _has_place_for(self, group: Hashable) -> bool:
        return self._running.total() < self._places and self._running[group] < self._share

    def _waits(self, group: Hashable) -> int:
        return sum(each == group for each, _ in self._waiting)

    async def _wait(self, group: Hashable) -> None:
        if len(self._waiting) >= self._queue or self._waits(group) * 2 >= self._queue:
            raise Busy
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((group, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(group)  # the place was given in the same moment
            else:
                self._waiting.remove((group, turn))
            raise

    def _leave(self, group: Hashable) -> None:
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]
        for entry in list(self._waiting):
            next_group, turn = entry
            if not turn.done() and self._has_place_for(next_group):
                self._waiting.remove(entry)
                self._running[next_group] += 1
                turn.set_result(None)
