"""Subscribers who wait for their own notifications to change."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import UUID


class Bells:
    """One for the process: rings for an account whose notifications have changed.

    ``heard`` is to be called with whatever is notified on ``services.notification.CHANNEL``.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[UUID, set[asyncio.Event]] = defaultdict(set)

    def heard(self, account: str) -> None:
        """An account has something new, or has read something."""
        with suppress(ValueError):
            for bell in self._waiting.get(UUID(account), ()):
                bell.set()

    @contextmanager
    def bell(self, account_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set when there is something new; whoever waits for it clears it."""
        bell = asyncio.Event()
        self._waiting[account_id].add(bell)
        try:
            yield bell
        finally:
            self._waiting[account_id].discard(bell)
            if not self._waiting[account_id]:
                del self._waiting[account_id]
