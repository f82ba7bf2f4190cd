"""An identity provider of one's own: a real HTTP server whose answers can be changed while it serves."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

CONFIGURATION = "/.well-known/openid-configuration"


@dataclass
class Provider:
    """What it answers by path: a document, a status, bytes; and how long it thinks first. It counts what is asked."""

    address: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    thinks_seconds: float = 0
    asked: list[str] = field(default_factory=list)

    def publish(self, keys: dict[str, Any]) -> None:
        """Answer discovery, and these keys."""
        self.answers[CONFIGURATION] = {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}
        self.answers["/keys"] = keys

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; the connection ends with it, also where the client does not wait."""
        try:
            await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        self.asked.append(path)
        await asyncio.sleep(self.thinks_seconds)
        answer = self.answers.get(path, 404)
        status, location = (answer, "") if isinstance(answer, int) else (200, "")
        if isinstance(answer, str):
            status, location = 302, f"location: {answer}\r\n"
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{location}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


@asynccontextmanager
async def a_provider() -> AsyncIterator[Provider]:
    """One that answers nothing yet but 404."""
    provider = Provider()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(provider.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    provider.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield provider
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
