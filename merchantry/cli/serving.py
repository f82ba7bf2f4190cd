"""Serving over HTTP until a signal comes: what is under way is finished, within seconds."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from merchantry.cli.failures import CommandRefused
from merchantry.cli.running import on_signals

if TYPE_CHECKING:
    from starlette.applications import Starlette

GRACE_SECONDS = 5
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


class _Server(uvicorn.Server):
    """uvicorn raises caught signals again when it is done, which would end the program before its own clean-up."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the command."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say so once requests are answered."""
        await super().startup(sockets)
        self._announce()

    def stop(self, number: int) -> None:
        """Finish what is under way; asked a second time, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve_app(app: "Starlette", bound: socket.socket, *, announce: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM. ``announce`` is called once requests are answered."""
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
    asyncio.run(_serve(_Server(config, announce), bound))


async def _serve(server: _Server, bound: socket.socket) -> None:
    with on_signals(server.stop):
        await server.serve(sockets=[bound])
