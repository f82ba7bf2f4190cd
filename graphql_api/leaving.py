"""The last moments of a server: it says that it is not ready, so that nobody sends more, and ends what would go on."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


class Leaving:
    """Set once the process is asked to end; it can't be undone."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __bool__(self) -> bool:
        return self._event.is_set()

    def begin(self) -> None:
        """The process is about to end."""
        self._event.set()

    async def until(self, results: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The results until the process leaves; then they are simply over."""
        left = asyncio.create_task(self._event.wait())
        upcoming: asyncio.Task[T] | None = None
        try:
            while True:
                upcoming = asyncio.ensure_future(anext(results))
                await asyncio.wait({upcoming, left}, return_when=asyncio.FIRST_COMPLETED)
                if not upcoming.done():
                    return
                try:
                    yield upcoming.result()
                except StopAsyncIteration:
                    return
        finally:
            left.cancel()
            if upcoming is not None and not upcoming.done():
                upcoming.cancel()
                await asyncio.wait({upcoming})
            await results.aclose()
