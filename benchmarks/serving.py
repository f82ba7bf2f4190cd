"""A server process of its own for what is measured over HTTP: the mall, or the bare page beside it."""

import cProfile
import os
import pstats
import signal
import socket as sockets
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.installation import Installation
from merchantry.cli.serving import spare_the_collector
from merchantry.services.vault import Vault
from merchantry.vault.keys import MasterKeys
from tenancy.logins import derive
from tenancy.tokens import DevelopmentIssuer

if TYPE_CHECKING:
    from graphql_api.engine import MarketSchema

START_SECONDS = 30
PROFILED_LINES = 40


@contextmanager
def serving(installation: Installation, kind: str, *, profile: bool = False, budget: int = 0) -> Iterator[Path]:
    """Serve ``mall``, ``mall_as_it_comes`` or ``bare_page`` while the block runs; gives the path of its Unix socket."""
    socket, log = installation.home / f"{kind}.sock", installation.home / f"{kind}.log"
    command = [sys.executable, "-m", "benchmarks.serving", kind, str(installation.home), installation.logins.owner]
    command.append(str(budget))
    with log.open("wb") as output:
        process = subprocess.Popen([*command, *(["profile"] if profile else [])], stdout=output, stderr=output)
    try:
        wait_for(socket, process, log)
        yield socket
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)
    if profile:
        stats = pstats.Stats(str(installation.home / f"{kind}.prof"))
        stats.sort_stats("tottime").print_stats(PROFILED_LINES)
        stats.sort_stats("cumulative").print_stats(PROFILED_LINES * 2)


def wait_for(
    socket: Path, process: "subprocess.Popen[bytes]", log: Path, timeout_seconds: float = START_SECONDS
) -> None:
    """Wait until a process listens at a socket. Raises RuntimeError with the end of its log where it doesn't."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.poll() is None:
        with sockets.socket(sockets.AF_UNIX) as probe:
            try:
                probe.connect(str(socket))
                return
            except OSError:
                time.sleep(0.05)
    raise RuntimeError(f"the server didn't start:\n{log.read_text()[-2000:]}")


def process_of(socket: Path) -> int:
    """The process that listens at a socket. Linux only."""
    with sockets.socket(sockets.AF_UNIX) as probe:
        probe.connect(str(socket))
        process: int = struct.unpack("3i", probe.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12))[0]
    return process


def cpu_seconds(socket: Path) -> float:
    """What the process that listens at a socket has used of the processor so far. Linux only."""
    used = Path(f"/proc/{process_of(socket)}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, used)) / os.sysconf("SC_CLK_TCK")


def _app(kind: str, home: Path, owner_url: str, budget: int) -> Starlette:
    logins = derive(owner_url)
    if kind == "bare_page":
        from benchmarks.bare_page import build

        return build(logins.owner)
    from graphql_api.logging import configure_logging  # here, so that the baseline's process doesn't load the mall
    from graphql_api.schema import schema
    from graphql_api.server import Settings, build_app

    configure_logging(development=False)
    if kind == "mall_as_it_comes":
        schema.execute_as_it_comes()
    verifier = DevelopmentIssuer.load_or_create(home / "keys").verifier()
    settings = Settings(
        logins=logins,
        verifier=verifier,
        vault=Vault(lambda: MasterKeys.load_or_create(home / "keys")),
        mall_domain="mall.test",
        public_url="http://mall.test",
        development=False,
        with_worker=False,
        budget_per_second=budget,
    )
    app = build_app(settings)
    if kind == "mall_as_it_comes":
        app.add_middleware(_Forgetful, schema)
    return app


class _Forgetful:
    """Lets a schema forget the documents of earlier requests."""

    def __init__(self, app: ASGIApp, schema: "MarketSchema") -> None:
        self._app = app
        self._schema = schema

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._schema.forget()
        await self._app(scope, receive, send)


def main() -> None:
    """The server process: ``kind home owner_url budget [profile]``."""
    kind, home, owner_url = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    app = _app(kind, home, owner_url, int(sys.argv[4]))
    config = uvicorn.Config(
        app,
        uds=str(home / f"{kind}.sock"),
        log_config=None,
        access_log=False,
        timeout_keep_alive=3_600,
        ws="websockets-sansio",
    )
    profiler = cProfile.Profile() if sys.argv[5:] == ["profile"] else None
    spare_the_collector()
    if profiler:
        profiler.enable()
    try:
        uvicorn.Server(config).run()
    except KeyboardInterrupt:
        pass  # how the parent ends it
    finally:
        if profiler:
            profiler.disable()
            profiler.dump_stats(home / f"{kind}.prof")


if __name__ == "__main__":
    main()
