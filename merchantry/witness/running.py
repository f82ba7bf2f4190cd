"""A witness on a socket of this machine, served by a thread of this process; beside a demonstration, and in tests."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from merchantry.witness.app import build_app
from merchantry.witness.witness import Witness

START_SECONDS = 10
GRACE_SECONDS = 1


@contextmanager
def running(witness: Witness, port: int = 0) -> Iterator[str]:
    """Serve until the end of the block; the address to ask. What it has stored stays."""
    config = uvicorn.Config(
        build_app(witness), log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=GRACE_SECONDS
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", port)) as bound:
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
            raise RuntimeError("The witness did not start")
        time.sleep(0.01)
