"""Serving over HTTP until a signal comes: what is under way is finished, within seconds."""

import asyncio
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from merchantry.cli.failures import CommandRefused
from merchantry.cli.running import on_signals

if TYPE_CHECKING:
    from starlette.applications import Starlette

GRACE_SECONDS = 22
"""For what is under way when the server ends; no operation may take longer (graphql_api.door.REQUEST_SECONDS)."""
MAX_MESSAGE_BYTES = 1_000_000
"""Of one WebSocket message; bodies are bounded alike where they are read."""


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address, which nobody can reach before it is served. Raises CommandRefused."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CommandRefused(f"{host} is no address of this machine ({error}): choose another --host.") from error
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise CommandRefused(f"{host}:{port} can't be used ({error.strerror}): choose another --port.") from error
    return bound


def spare_the_collector() -> None:
    """Exempt all that has been made so far, as long as the process lives, from Python's search for garbage.

    The schema alone is hundreds of thousands of objects: looking through them stops every request for a quarter second.
    """
    gc.collect()
    gc.freeze()


class _Server(uvicorn.Server):
    """uvicorn raises caught signals again when it is done, which would end the program before its own clean-up."""

    def __init__(self, config: uvicorn.Config, leave: Callable[[], None], drain_seconds: float) -> None:
        super().__init__(config)
        self._leave = leave
        self._drain_seconds = drain_seconds
        self._is_leaving = False
        self.announce: Callable[[], None] = lambda: None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so once requests are answered."""
        await super().startup(sockets)
        spare_the_collector()
        self.announce()

    def stop(self, number: int) -> None:
        """Be not ready, take requests while that gets around, finish what is under way; asked again, end at once."""
        if self._is_leaving:
            self.force_exit = self.should_exit = True
            return
        self._is_leaving = True
        self._leave()
        asyncio.get_running_loop().call_later(self._drain_seconds, self._close)

    def _close(self) -> None:
        self.should_exit = True


def serve_app(
    app: "Starlette",
    bound: socket.socket,
    *,
    announce: Callable[[], None],
    leave: Callable[[], None] = lambda: None,
    drain_seconds: float = 0,
    ends_with_stdin: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM. ``announce`` is called once requests are answered, ``leave`` at the signal.

    ``drain_seconds`` pass between a signal and the end of listening. ``ends_with_stdin`` is for a child of a process.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config, leave, drain_seconds)
    server.announce = announce
    asyncio.run(_serve(server, bound, ends_with_stdin=ends_with_stdin))


async def _serve(server: _Server, bound: socket.socket, *, ends_with_stdin: bool) -> None:
    with on_signals(server.stop):
        watching = asyncio.create_task(_wait_for_end_of_stdin(server)) if ends_with_stdin else None
        await server.serve(sockets=[bound])
        if watching:
            watching.cancel()


async def _wait_for_end_of_stdin(server: _Server) -> None:
    """The parent holds the other end, and is gone when it closes."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    server.stop(0)
