"""Sends requests to the application itself, so that no client corrects them, and knows what answers mustn't hold."""

import asyncio
import re

from starlette.types import ASGIApp, Message

from tests.hostile.corpus import Hostile

INTERNAL = re.compile(
    r"Traceback|File \"|\.py\b|psycopg|sqlalchemy|asyncpg|strawberry|graphql\.[a-z]+\.|[A-Za-z]Error\b"
    r"|Exception|object at 0x|NoneType|platform\.|m_[0-9a-f]{32}\.|SELECT |password|INTERNAL",
)


async def send(app: ASGIApp, request: Hostile) -> tuple[int, bytes]:
    """Status and body, of the application itself, so that no client corrects the request."""
    path, _, query = request.path.partition("?")
    headers = list(request.headers)
    if not any(name == b"host" for name, _ in headers):
        headers.append((b"host", b"mall.test"))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": request.method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode("latin-1"),
        "headers": headers,
        "client": ("192.0.2.1", 4711),
        "server": ("mall.test", 80),
    }
    sent: list[Message] = []
    incoming = [{"type": "http.request", "body": request.body, "more_body": False}]
    is_answered = asyncio.Event()

    async def receive() -> Message:
        if incoming:
            return incoming.pop()
        await is_answered.wait()  # a client that stays for the beginning of its answer, and no longer
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            is_answered.set()

    await app(scope, receive, keep)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])
