"""Events on their way to subscribers: read once for the whole process, handed to whoever they concern.

A subscriber holds a bounded queue and no database connection. Whoever does not keep up is not handed anything more; it
reads from the table, from where it is, until it has caught up. So nothing is lost and nothing grows.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import structlog

from merchantry.domain.event import EventKind
from merchantry.services import outbox
from merchantry.services.outbox import BATCH, Event
from tenancy.database import Database

ACTOR: Final = "system:hub"
MAX_QUEUED: Final = 256
"""Events that wait for one subscriber; beyond that it reads from the table."""
PAGE: Final = 100
"""Events that are read from the table at once."""
POLL_SECONDS: Final = 1.0
"""How long nothing may be heard until the table is looked at anyway."""
ROUND_SECONDS: Final = 0.01
"""How far rounds are apart: what is told meanwhile is read with one statement, for all subscribers together."""
READERS: Final = 2
"""Subscribers that read from the table at once."""

Read = Callable[[int, int], Awaitable[list[Event]]]
"""The next events of a topic after a cursor, up to so many."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What is subscribed to: of one merchant, of one buyer, or of all; of these kinds; about one subject, or any.

    ``subject`` is a fact and its value.
    """

    kinds: Collection[EventKind]
    merchant_id: UUID | None = None
    buyer_id: UUID | None = None
    subject: tuple[str, str] | None = None

    @property
    def key(self) -> UUID | None:
        """What its events are found by."""
        return self.buyer_id or self.merchant_id

    def holds(self, event: Event) -> bool:
        """Whether an event belongs to it."""
        if event.kind not in self.kinds or self.merchant_id not in (None, event.merchant_id):
            return False
        if self.buyer_id not in (None, event.buyer_id):
            return False
        return self.subject is None or event.facts.get(self.subject[0]) == self.subject[1]


@dataclass(slots=True, eq=False)
class _Place:
    """Where events wait for one subscriber."""

    topic: Topic
    queue: deque[Event] = field(default_factory=deque)
    is_behind: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def offer(self, event: Event) -> None:
        if len(self.queue) >= MAX_QUEUED:
            self.is_behind = True
            self.queue.clear()
        if not self.is_behind:
            self.queue.append(event)
        self.news.set()


class Hub:
    """One for the process. ``heard`` is to be called with whatever is notified on ``outbox.CHANNEL``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: defaultdict[UUID | None, set[_Place]] = defaultdict(set)
        self._told = asyncio.Event()
        self._seq: int | None = None
        self._readers = asyncio.Semaphore(READERS)

    def __len__(self) -> int:
        """How many subscribers there are."""
        return sum(map(len, self._places.values()))

    def heard(self, _: str) -> None:
        """There are new events."""
        self._told.set()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Hand on events while the block runs."""
        task = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self) -> None:
        while True:
            self._told.clear()
            try:
                while await self._hand_on() == BATCH:
                    pass
                await asyncio.sleep(ROUND_SECONDS)
            except Exception as error:  # the table is the truth: the next round reads what this one did not
                log.warning("hub.round_failed", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._told.wait()

    async def _hand_on(self) -> int:
        """Read what is new and hand it on; nobody reads where nobody listens."""
        if self._seq is not None and not self._places:
            self._seq = None
        if not self._places:
            return 0
        async with self._database.read(ACTOR) as tx, tx.as_platform() as session:
            if self._seq is None:
                self._seq = await outbox.newest(session)
                self._all_behind()
                return 0
            events = await outbox.read_with_buyers(session, self._seq)
        for event in events:
            for key in {None, event.merchant_id, event.buyer_id}:
                for place in self._places.get(key, ()):
                    if place.topic.holds(event):
                        place.offer(event)
            self._seq = event.seq
        return len(events)

    def _all_behind(self) -> None:
        for places in self._places.values():
            for place in places:
                place.is_behind = True
                place.news.set()

    async def begin(self, after: int | None) -> int:
        """The cursor to begin at: the one that was given, else after all that has been told so far."""
        if after is not None:
            return after
        async with self._database.read(ACTOR) as tx, tx.as_platform() as session:
            return await outbox.newest(session)

    async def events(self, topic: Topic, after: int, read: Read) -> AsyncGenerator[Event, None]:
        """The events of a topic from a cursor on, each once and in order, without end.

        ``read`` reads them as the subscriber may. Raises CursorExpired.
        """
        with self._place(topic) as place:
            while True:
                if place.is_behind:
                    place.is_behind = False
                    place.queue.clear()
                    while page := await self._page(read, after):
                        for event in page:
                            yield event
                            after = event.seq
                        if len(page) < PAGE:
                            break
                    continue
                while place.queue and not place.is_behind:
                    event = place.queue.popleft()
                    if event.seq > after:
                        yield event
                        after = event.seq
                if not place.is_behind:
                    place.news.clear()
                    await place.news.wait()

    async def _page(self, read: Read, after: int) -> Sequence[Event]:
        async with self._readers:
            return await read(after, PAGE)

    @contextmanager
    def _place(self, topic: Topic) -> Iterator[_Place]:
        place = _Place(topic, is_behind=True)
        self._places[topic.key].add(place)
        self._told.set()
        try:
            yield place
        finally:
            self._places[topic.key].discard(place)
            if not self._places[topic.key]:
                del self._places[topic.key]
