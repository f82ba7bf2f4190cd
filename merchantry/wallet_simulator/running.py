"""The simulated provider on a socket of this machine, served by a thread of this process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import uvicorn

from merchantry.wallet_simulator.app import SLOW_SECONDS, build_app
from merchantry.wallet_simulator.books import Books, utc_now

START_SECONDS = 10
GRACE_SECONDS = 1


@contextmanager
def running(
    books: Path, *, token: str, slow_seconds: float = SLOW_SECONDS, clock: Callable[[], datetime] = utc_now
) -> Iterator[str]:
    """Serve until the end of the block; the address to ask. The books stay, for whoever serves them next."""
    app = build_app(Books(books, clock), token=token, slow_seconds=slow_seconds)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("The simulated provider did not start")
        time.sleep(0.01)
