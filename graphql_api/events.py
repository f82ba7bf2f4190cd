"""Subscriptions as server-sent events, one connection each: the "distinct connections mode" of GraphQL over SSE,
https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from strawberry.types import ExecutionResult

from graphql_api.answer import answer_of
from graphql_api.context import Context
from graphql_api.door import Door, Operation, Payer
from graphql_api.negotiation import EVENTS
from tenancy.middleware import Loss

QUIET_SECONDS = 15.0
"""After this time without an event a comment is sent, so that nothing between takes the connection for dead."""


CODES = {Loss.EXPIRED: "UNAUTHENTICATED", Loss.RIGHTS: "MERCHANT_REFUSED"}
COMPLETE = b"event: complete\ndata:\n\n"


async def stream(
    door: Door, operation: Operation, payer: Payer, context: Context, lost: Callable[[], Awaitable[Loss]]
) -> StreamingResponse:
    """The answer to a subscription: an event `next` for each result, then `complete`. Raises RequestRefused.

    It ends, with an error, when who asks is no longer who they were.
    """
    async with AsyncExitStack() as place:
        await place.enter_async_context(door.streaming(payer))
        events = _events(door, operation, context, place.pop_all())
    return StreamingResponse(_until_lost(events, lost), media_type=EVENTS, headers={"x-accel-buffering": "no"})


async def _until_lost(events: AsyncGenerator[bytes, None], lost: Callable[[], Awaitable[Loss]]) -> AsyncIterator[bytes]:
    watch = asyncio.ensure_future(lost())
    upcoming: asyncio.Future[bytes] | None = None
    try:
        while True:
            upcoming = asyncio.ensure_future(anext(events))
            await asyncio.wait({upcoming, watch}, return_when=asyncio.FIRST_COMPLETED)
            if watch.done():
                break
            try:
                yield upcoming.result()
            except StopAsyncIteration:
                return
        error = {"message": watch.result().value, "extensions": {"code": CODES[watch.result()]}}
        yield _event("next", {"errors": [error]}) + COMPLETE
    finally:
        watch.cancel()
        if upcoming is not None and not upcoming.done():
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await events.aclose()


async def _events(
    door: Door, operation: Operation, context: Context, place: AsyncExitStack
) -> AsyncGenerator[bytes, None]:
    async with place, aclosing(_with_pauses(door.subscribe_until_left(operation, context))) as paced:
        yield b":\n\n"
        async for result in paced:
            if result is None:
                yield b":\n\n"
                continue
            answer, _ = answer_of(result, suggesting=door.rules.development)
            yield _event("next", answer)
    yield COMPLETE


async def _with_pauses(results: AsyncGenerator[ExecutionResult, None]) -> AsyncGenerator[ExecutionResult | None, None]:
    """The results, and None whenever none has come for a while."""
    upcoming: asyncio.Task[ExecutionResult] | None = None
    try:
        while True:
            upcoming = upcoming or asyncio.ensure_future(anext(results))
            done, _ = await asyncio.wait({upcoming}, timeout=QUIET_SECONDS)
            if not done:
                yield None
                continue
            finished, upcoming = upcoming, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if upcoming is not None:
            upcoming.cancel()
            await asyncio.wait({upcoming})
        await results.aclose()


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"
