"""Somebody's webhook receiver: a real server on a socket, which answers as it is told to."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
from standardwebhooks import Webhook

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Got:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The same at every attempt."""
        return self.headers["webhook-id"]

    @property
    def content(self) -> dict[str, Any]:
        """What was sent."""
        found: dict[str, Any] = orjson.loads(self.body)
        return found

    def verify(self, secret: str) -> dict[str, Any]:
        """What was sent, if it is signed with the secret. Raises WebhookVerificationError."""
        found: dict[str, Any] = Webhook(secret).verify(self.body, self.headers)
        return found


def status(code: int, body: bytes = b"", **headers: str) -> Behaviour:
    """Answer with a status."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {code} Status\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()

    return answer


async def dropped(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""
    writer.transport.abort()


async def silent(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.sleep(60)


async def broken_off(writer: asyncio.StreamWriter) -> None:
    """Promise more than comes."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf")
    await writer.drain()
    writer.close()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer without end."""
    writer.write(b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n")
    with suppress(ConnectionError):
        while True:
            writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
            await writer.drain()


async def gibberish(writer: asyncio.StreamWriter) -> None:
    """Answer with what is no HTTP."""
    writer.write(b"\x00\xff\x16\x03 nonsense\r\n\r\n")
    await writer.drain()
    writer.close()


@dataclass
class Receiver:
    """What came, and what is answered: the next of ``plan``, then ``usual``."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    plan: list[Behaviour] = field(default_factory=list)
    usual: Behaviour = field(default_factory=lambda: status(204))

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.got.append(Got(head[0].split(" ")[1], headers, body))
            await (self.plan.pop(0) if self.plan else self.usual)(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver, as long as the block runs."""
    receiver = Receiver()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
