"""PostgreSQL that starts with its first user and stops with its last, from nothing but an installed wheel.

Any number of processes ``start()`` one home directory; one server serves them over a Unix socket, and none over the
network. It doesn't matter how a user ends: its share of ``users.lock`` goes with it, and a watchdog that waits for the
whole lock stops the server. Root runs the server as an unprivileged user and changes no directory's permissions for it.
"""

import fcntl
import os
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from tenancy import embedded_watchdog as watchdog
from tenancy.embedded_binaries import EmbeddedUnavailable, binaries
from tenancy.embedded_launch import PORT, detach, launch, rotate_log, tail

__all__ = ["EmbeddedServer", "EmbeddedUnavailable", "binaries", "start", "stop"]

SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))
"""The shortest question that PostgreSQL answers; on a Unix socket always with N."""
STOP_SECONDS = watchdog.FAST_SHUTDOWN_SECONDS + watchdog.IMMEDIATE_SHUTDOWN_SECONDS

_users: dict[Path, int] = {}
"""This process's shares of ``users.lock``, by home. Descriptors, so that death releases them."""
_users_guard = threading.Lock()


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server. It lives as long as any process that called ``start()`` for its home."""

    home: Path
    socket_dir: Path
    port: int

    def url(self, database: str = "merchantry", user: str = "postgres") -> str:
        """A libpq URL of a database, which ``start()`` doesn't create. The socket directory is the authentication."""
        host = quote(str(self.socket_dir), safe="")
        return f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}?host={host}&port={self.port}"


def start(
    home: Path, *, settings: Mapping[str, str] = MappingProxyType({}), timeout_seconds: float = 120
) -> EmbeddedServer:
    """Start the server of ``home``, or join the one that runs, and use it until ``stop()`` or this process's end.

    ``settings`` are more of ``postgres -c``; a server that runs already keeps its own. Blocks until connections are
    accepted. Raises EmbeddedUnavailable if that can't be, or takes longer than ``timeout_seconds``.
    """
    home = Path(home).resolve()
    deadline = time.monotonic() + timeout_seconds
    with _users_guard:
        joined_before = home in _users
        try:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not joined_before:
                # Waits while a watchdog, which holds the whole lock, is stopping the server.
                _users[home] = _lock(home / "users.lock", fcntl.LOCK_SH, deadline)
            starting = _lock(home / "start.lock", fcntl.LOCK_EX, deadline)
            try:
                _ensure_watchdog(home)
                _ensure_server(home, settings, deadline)
            finally:
                os.close(starting)
            return EmbeddedServer(home, _socket_directory(home), PORT)
        except BaseException as error:
            if not joined_before and home in _users:
                os.close(_users.pop(home))
            if isinstance(error, OSError | subprocess.SubprocessError):
                raise EmbeddedUnavailable(
                    f"PostgreSQL can't be kept in {home} ({error}): "
                    "choose another --data-dir, run as an ordinary user, or set DATABASE_URL."
                ) from error
            raise


def stop(home: Path) -> None:
    """End this process's use of the server at once. Who was the last returns when the server is down, cleanly.

    Does nothing if this process doesn't use it.
    """
    home = Path(home).resolve()
    with _users_guard:
        if home not in _users:
            return
        os.close(_users.pop(home))
    if not home.is_dir():
        return
    # A new descriptor: a forked child may go on using the old one, and is a user then.
    lock = watchdog.open_lock(home / "users.lock")
    try:
        deadline = time.monotonic() + STOP_SECONDS
        while time.monotonic() < deadline:
            if watchdog.try_lock(lock, fcntl.LOCK_EX):
                watchdog.shutdown(home)
                return
            if watchdog.try_lock(lock, fcntl.LOCK_SH):
                return  # others use it
            time.sleep(watchdog.POLL_SECONDS)  # the watchdog is stopping it
    finally:
        os.close(lock)


def _lock(path: Path, kind: int, deadline: float) -> int:
    descriptor = watchdog.open_lock(path)
    while not watchdog.try_lock(descriptor, kind):
        if time.monotonic() > deadline:
            os.close(descriptor)
            raise EmbeddedUnavailable(f"Another process holds {path} for too long.")
        time.sleep(watchdog.POLL_SECONDS)
    return descriptor


def _ensure_watchdog(home: Path) -> None:
    lock = watchdog.open_lock(home / "watchdog.lock")
    try:
        if watchdog.try_lock(lock, fcntl.LOCK_EX):
            detach(home, ["watch", str(home)], stdin=lock)
    finally:
        os.close(lock)


def _ensure_server(home: Path, settings: Mapping[str, str], deadline: float) -> None:
    """Launch the server unless it runs; return when it accepts connections. The caller holds ``start.lock``."""
    log = home / "postgres.log"
    launched_at: int | None = None
    while True:
        lock = watchdog.open_lock(home / "server.lock")
        try:
            if watchdog.try_lock(lock, fcntl.LOCK_EX):  # no process touches the data
                if launched_at is not None:
                    raise EmbeddedUnavailable(f"PostgreSQL didn't start; {log} ends:\n{tail(log, launched_at)}")
                launched_at = rotate_log(log)
                launch(home, settings, lock, deadline)
        finally:
            os.close(lock)
        if _is_ready(home):
            return
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(f"PostgreSQL isn't ready in time; {log} ends:\n{tail(log, launched_at or 0)}")
        time.sleep(watchdog.POLL_SECONDS)


def _is_ready(home: Path) -> bool:
    lines = watchdog.postmaster_file(home / "data")
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    # The file of a killed postmaster says so too, and its socket may still take a connection: let it answer.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(_socket_directory(home) / f".s.PGSQL.{PORT}"))
            probe.sendall(SSL_REQUEST)
            return probe.recv(1) == b"N"
        except OSError:
            return False


def _socket_directory(home: Path) -> Path:
    return Path(os.readlink(home / watchdog.RUN_LINK)) / "socket"
