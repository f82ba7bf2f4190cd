"""How many operations run at once, and how many wait for their turn; whoever comes beyond that is sent away.

No group (a merchant, or a caller who names none) may hold more than its share of either, so that while one floods the
server, others still find a free place. A place that gets free goes to the group that runs the fewest, and of those that
run as few not to the one that has just had a turn; within a group, to who waits the longest. Who comes when all waiting
room is taken displaces the last of the longest queue, if that is not their own.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Busy(Exception):
    """There is no place left to wait in."""


_Turn = asyncio.Future[None]


class Admission:
    """``places`` operations run at once, of which one group gets ``share``; ``queue`` wait, of which one gets half."""

    def __init__(self, places: int, share: int, queue: int) -> None:
        self._places = places
        self._share = share
        self._queue = queue
        self._running: Counter[Hashable] = Counter()
        self._waiting: OrderedDict[Hashable, deque[_Turn]] = OrderedDict()

    @asynccontextmanager
    async def admitted(self, group: Hashable) -> AsyncIterator[None]:
        """Hold a place while the block runs, waiting for one first. Raises Busy."""
        await self.enter(group)
        try:
            yield
        finally:
            self.leave(group)

    async def enter(self, group: Hashable) -> None:
        """Take a place, waiting for one first; whoever has it leaves it. Raises Busy."""
        if self._has_place_for(group) and group not in self._waiting:
            self._running[group] += 1
        else:
            await self._wait(group)

    def leave(self, group: Hashable) -> None:
        """Give a place back, to whose turn it is."""
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]
        if group in self._waiting:
            self._waiting.move_to_end(group)  # it has just had a turn
        while (following := self._following()) is not None:
            turn = self._waiting[following].popleft()
            if not self._waiting[following]:
                del self._waiting[following]
            if not turn.done():  # else it has been cancelled, and its task doesn't know yet
                self._running[following] += 1
                turn.set_result(None)

    def _has_place_for(self, group: Hashable) -> bool:
        return self._running.total() < self._places and self._running[group] < self._share

    async def _wait(self, group: Hashable) -> None:
        self._make_room_for(group)
        turn: _Turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(group)  # the place was given in the same moment
            else:
                self._forget(group, turn)
            raise

    def _make_room_for(self, group: Hashable) -> None:
        """Raises Busy where nobody can be displaced."""
        queues = self._waiting
        own = len(queues.get(group, ()))
        if (own + 1) * 2 > self._queue + 1:
            raise Busy
        if sum(map(len, queues.values())) >= self._queue:
            longest = max(queues, key=lambda each: len(queues[each]))
            if len(queues[longest]) <= own + 1:
                raise Busy
            last = queues[longest].pop()
            if not last.done():
                last.set_exception(Busy())

    def _forget(self, group: Hashable, turn: _Turn) -> None:
        turns = self._waiting.get(group, deque())
        if turn in turns:
            turns.remove(turn)
        if not turns:
            self._waiting.pop(group, None)

    def _following(self) -> Hashable | None:
        """The group whose turn it is; None where nobody waits who could be given a place."""
        eligible = [group for group in self._waiting if self._has_place_for(group)]
        return min(eligible, key=self._running.__getitem__, default=None)
