"""What a request costs in statements."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
import pytest
from strawberry import Schema

ASKING: ContextVar[list[str] | None] = ContextVar("asking", default=None)
"""Where statements are noted of whatever a request's document sets going."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement that the documents sent in the block cost, by SQLAlchemy or past it by psycopg.

    Not theirs are the directory's: it probes its line in a task of its own, and where it has just heard a NOTIFY it
    looks the caller up again before the document is executed.
    """
    sent: list[str] = []
    execute, carry_out = psycopg.AsyncCursor.execute, Schema.execute

    async def noted(self: Any, query: Any, *given: Any, **more: Any) -> Any:
        if (noting := ASKING.get()) is not None:
            noting.append(str(query))
        return await execute(self, query, *given, **more)

    async def watched(self: Any, *given: Any, **more: Any) -> Any:
        token = ASKING.set(sent)
        try:
            return await carry_out(self, *given, **more)
        finally:
            ASKING.reset(token)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.AsyncCursor, "execute", noted)
        patched.setattr(Schema, "execute", watched)
        yield sent
