"""What a request costs in statements, and in round trips."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest

from graphql_api.engine import MarketSchema
from tenancy.wire import Answers, Message, Wire


class Sent(list[str]):
    """Statements; BEGIN, which comes with a role, is none. ``round_trips`` are how often they were waited for."""

    round_trips = 0

    def note(self, texts: Sequence[str]) -> None:
        """These were sent together."""
        self.extend(text for text in texts if not text.startswith("BEGIN"))
        self.round_trips += 1


ASKING: ContextVar[Sent | None] = ContextVar("asking", default=None)
"""Where statements are noted of whatever a request's document sets going."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """Every statement that the documents sent in the block cost, by our sessions, by SQLAlchemy or by psycopg alone.

    Not theirs are the directory's: it probes its line in a task of its own, and where it has just heard a NOTIFY it
    looks the caller up again before the document is executed.
    """
    sent = Sent()
    execute, exchange, carry_out = psycopg.AsyncCursor.execute, Wire.exchange, MarketSchema.run

    async def noted(self: Any, query: Any, *given: Any, **more: Any) -> Any:
        if (noting := ASKING.get()) is not None:
            noting.note([str(query)])
        return await execute(self, query, *given, **more)

    async def exchanged(self: Wire, messages: Sequence[Message]) -> Answers:
        if (noting := ASKING.get()) is not None:
            noting.note([each.text for each in messages])
        return await exchange(self, messages)

    async def watched(self: Any, *given: Any, **more: Any) -> Any:
        token = ASKING.set(sent)
        try:
            return await carry_out(self, *given, **more)
        finally:
            ASKING.reset(token)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "execute", noted)
        patched.setattr(Wire, "exchange", exchanged)
        patched.setattr(MarketSchema, "run", watched)
        yield sent
