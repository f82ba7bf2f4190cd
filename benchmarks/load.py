"""Clients over HTTP/1.1 on a Unix socket: so thin that the server is what is measured."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson


class Client:
    """One kept connection that sends one request at a time."""

    def __init__(self, socket: Path, headers: Mapping[str, str] | None = None) -> None:
        self._socket = socket
        lines = {"host": "mall.test", "content-type": "application/json", "accept": "application/json"}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in {**lines, **(headers or {})}.items())

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_unix_connection(str(self._socket), limit=1 << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def post(self, path: str, body: bytes) -> bytes:
        """The body of the answer. Raises RuntimeError for any status but 200."""
        head = f"POST {path} HTTP/1.1\r\n{self._headers}content-length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        answer = await self._reader.readexactly(length)
        if " 200 " not in status:
            raise RuntimeError(f"{status}: {answer[:500]!r}")
        return answer

    async def ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The data that a GraphQL document answers. Raises RuntimeError where there are errors."""
        body = orjson.dumps({"query": document, "variables": variables})
        answer: dict[str, Any] = orjson.loads(await self.post("/graphql", body))
        if "errors" in answer:
            raise RuntimeError(str(answer["errors"]))
        data: dict[str, Any] = answer["data"]
        return data


async def rate(work: Callable[[int], Awaitable[object]], clients: int, seconds: float) -> float:
    """Operations per second of ``clients`` who each begin the next when the last is done; ``work`` is told whose."""
    done = 0
    started = time.perf_counter()

    async def loop(client: int) -> None:
        nonlocal done
        while time.perf_counter() - started < seconds:
            await work(client)
            done += 1

    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(loop(client))
    return done / (time.perf_counter() - started)
