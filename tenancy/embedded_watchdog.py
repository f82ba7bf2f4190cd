"""The processes around embedded PostgreSQL: start it detached, stop it when its last user is gone.

``tenancy.embedded`` runs this file directly, isolated and without site packages (``python -I -S``), so that the process
that waits for the end stays small and depends on nothing that could be uninstalled under it. Standard library only.

Three facts are locks, because the kernel drops a lock however its holder dies:

* ``users.lock`` is shared by every process that uses the server;
* ``server.lock`` is inherited by initdb, the postmaster and all its children: as long as any of them touches the data;
* ``watchdog.lock`` is the watchdog's standard input.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

POLL_SECONDS = 0.01
FAST_SHUTDOWN_SECONDS = 60.0
IMMEDIATE_SHUTDOWN_SECONDS = 30.0
RUN_LINK = "run"
"""In the home: a link to the server's short-lived directory (its socket, perhaps a copy of its binaries)."""
OWNER_LINK = "home"
"""In that directory: a link back to the home it belongs to."""


def open_lock(path: Path) -> int:
    """A file descriptor for ``flock``, which processes made by exec don't inherit unless asked to."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take the lock if it is free. A failed change from shared to exclusive also loses the shared lock."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether any process holds this lock exclusively."""
    descriptor = open_lock(path)
    try:
        return not try_lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def postmaster_file(data: Path) -> list[str]:
    """The lines of ``postmaster.pid``: pid, directory, start, port, socket directory, address, memory, status."""
    try:
        return (data / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def postmaster_pid(data: Path) -> int | None:
    """The process that ``postmaster.pid`` names, if it is a live PostgreSQL: the number may be reused by now."""
    lines = postmaster_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    return pid if _command_of(pid) == "postgres" else None


def _command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except ProcessLookupError:
        return ""
    except FileNotFoundError:
        if Path("/proc/self/comm").exists():
            return ""
    # Without Linux's /proc, as on macOS.
    answer = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return os.path.basename(answer.stdout.strip())


def shutdown(home: Path) -> None:
    """Stop the server of this home, if it runs, and wait for its last process; the caller holds ``users.lock`` alone.

    Clients are disconnected and a checkpoint is written (a fast shutdown). A server that can't do that within
    a minute is told to quit at once, and recovers at its next start.
    """
    server_lock, data = home / "server.lock", home / "data"
    started = time.monotonic()
    asked: tuple[int, signal.Signals] | None = None
    while is_locked(server_lock):
        waited = time.monotonic() - started
        if waited > FAST_SHUTDOWN_SECONDS + IMMEDIATE_SHUTDOWN_SECONDS:
            return
        how = signal.SIGINT if waited < FAST_SHUTDOWN_SECONDS else signal.SIGQUIT
        pid = postmaster_pid(data)
        if pid is not None and asked != (pid, how):
            _signal(pid, how)
            asked = (pid, how)
        time.sleep(POLL_SECONDS)
    remove_run_directory(home)


def _signal(pid: int, how: signal.Signals) -> None:
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return


def remove_run_directory(home: Path) -> None:
    """Remove what the last server left in the temporary directory.

    Only a directory that points back here is touched: a copy of a home still names the original's.
    """
    link = home / RUN_LINK
    if not link.is_symlink():
        return
    directory = Path(os.readlink(link))
    try:
        ours = directory.lstat().st_uid == os.geteuid() and os.path.samefile(directory / OWNER_LINK, home)
    except FileNotFoundError:
        ours = False
    if ours:
        shutil.rmtree(directory)
    link.unlink()


def watch(home: Path) -> None:
    """Wait, as a process of its own, until nobody uses the server; then stop it."""
    _detach()
    # Only the end of the last user ends the watchdog: not Ctrl-C, not a closed terminal, not a service manager
    # that tells everybody at once and would leave the server behind.
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(how, signal.SIG_IGN)
    users = open_lock(home / "users.lock")
    fcntl.flock(users, fcntl.LOCK_EX)
    if home.is_dir():  # otherwise somebody removed it, and PostgreSQL, which checks every minute, ends by itself
        shutdown(home)
    # First this lock, then users.lock: whoever gets in next must see that this watchdog is gone, and start another.
    os.close(sys.stdin.fileno())
    os.close(users)


def run(uid: str, gid: str, command: list[str]) -> None:
    """Become ``command``, detached; as another user if ``uid`` and ``gid`` are given (not empty)."""
    if uid:
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    _detach()
    os.execv(command[0], command)


def _detach() -> None:
    """Leave the starter's session and family: its Ctrl-C isn't ours, and it has no child to wait for."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")


def main(arguments: list[str]) -> None:
    """``watch HOME`` or ``run UID GID COMMAND…``."""
    match arguments:
        case ["watch", home]:
            watch(Path(home))
        case ["run", uid, gid, *command] if command:
            run(uid, gid, command)
        case _:
            sys.exit("usage: watch HOME | run UID GID COMMAND…")


if __name__ == "__main__":
    main(sys.argv[1:])
