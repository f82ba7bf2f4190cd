"""Saying, as long as work goes on, that it does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

log = structlog.get_logger()


@asynccontextmanager
async def heartbeat(every_seconds: float, beat: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """Do something every so often while the block goes on. What is under way when it ends is finished first."""
    is_over = asyncio.Event()
    beating = asyncio.create_task(_beat_until(is_over, every_seconds, beat))
    try:
        yield
    finally:
        is_over.set()
        await beating


async def _beat_until(is_over: asyncio.Event, every_seconds: float, beat: Callable[[], Awaitable[object]]) -> None:
    while not is_over.is_set():
        try:
            async with asyncio.timeout(every_seconds):
                await is_over.wait()
        except TimeoutError:
            try:
                await beat()
            except Exception as error:  # whatever it is, the next beat may go well, and the work itself goes on
                log.warning("heartbeat.failed", error=type(error).__name__)
