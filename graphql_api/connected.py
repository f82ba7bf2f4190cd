"""Nobody works for a client that has left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect
from starlette.types import Receive

WATCHED_AFTER = 0.02
"""Seconds. Most are answered by then, and nobody looks whether their clients are there."""


@asynccontextmanager
async def while_connected(receive: Receive) -> AsyncIterator[None]:
    """Call the block off, its statement in the database as well, once the client has left. Raises ClientDisconnect.

    The body must have been read: what is received from then on is the end.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    has_left = False
    watching: list[asyncio.Task[None]] = []

    async def watch() -> None:
        nonlocal has_left
        while (await receive())["type"] != "http.disconnect":
            pass
        has_left = True
        task.cancel()

    beginning = loop.call_later(WATCHED_AFTER, lambda: watching.append(loop.create_task(watch())))
    try:
        yield
    except asyncio.CancelledError:
        if has_left and not task.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        beginning.cancel()
        for each in watching:
            each.cancel()
