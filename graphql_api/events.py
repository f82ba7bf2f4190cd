"""Subscriptions as server-sent events, one connection each: the "distinct connections mode" of GraphQL over SSE,
https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import Any

import orjson
from starlette.responses import StreamingResponse
from strawberry.types import ExecutionResult

from graphql_api.answer import answer_of
from graphql_api.context import Context
from graphql_api.door import Door, Operation, Payer
from graphql_api.negotiation import EVENTS

QUIET_SECONDS = 15.0
"""After this time without an event a comment is sent, so that nothing between takes the connection for dead."""


async def stream(door: Door, operation: Operation, payer: Payer, context: Context) -> StreamingResponse:
    """The answer to a subscription: an event `next` for each result, then `complete`. Raises RequestRefused."""
    async with AsyncExitStack() as place:
        await place.enter_async_context(door.streaming(payer))
        events = _events(door, operation, context, place.pop_all())
    return StreamingResponse(events, media_type=EVENTS, headers={"x-accel-buffering": "no"})


async def _events(door: Door, operation: Operation, context: Context, place: AsyncExitStack) -> AsyncIterator[bytes]:
    async with place, aclosing(_with_pauses(door.subscribe_until_left(operation, context))) as paced:
        yield b":\n\n"
        async for result in paced:
            if result is None:
                yield b":\n\n"
                continue
            answer, _ = answer_of(result, suggesting=door.rules.development)
            yield _event("next", answer)
    yield b"event: complete\ndata:\n\n"


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
