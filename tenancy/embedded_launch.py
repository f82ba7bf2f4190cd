"""One launch of embedded PostgreSQL: its programs, its cluster, its socket, and the user it runs as."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tenancy import embedded_watchdog as watchdog
from tenancy.embedded_binaries import (
    Account,
    EmbeddedUnavailable,
    account_for,
    binaries,
    copy_programs,
    needs_copy,
    reaches,
)

PORT = 5432
SOCKET_PATH_BYTES = 103  # macOS; Linux allows 107
LOG_BYTES = 16 * 1024 * 1024

INITDB = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8")
SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "max_connections": "100",
        # A dump, and a statement over all merchants, locks every table it reads.
        "max_locks_per_transaction": "1024",
        # After a crash every file is synced; with a thousand schemas one by one takes eight seconds.
        **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
    }
)


def launch(home: Path, settings: Mapping[str, str], lock: int, deadline: float) -> None:
    """Start a postmaster that holds ``lock`` for life. The caller holds ``lock``: nobody else touches the data."""
    data = home / "data"
    account = account_for(data)
    programs = binaries()
    watchdog.remove_run_directory(home)
    run_directory, programs = _make_run_directory(home, account, programs)
    if not (data / "PG_VERSION").exists():
        sync = settings.get("fsync", "on").lower() not in ("off", "false", "no", "0")
        _initialise(home, programs, account, lock, sync=sync, seconds=deadline - time.monotonic())
    _forget_dead_postmaster(data)
    options = {
        **SETTINGS,
        **settings,
        "port": str(PORT),
        "unix_socket_directories": f'"{run_directory / "socket"}"',
    }
    user = ["", ""] if account is None else [str(account.uid), str(account.gid)]
    with _named_for(account, data) as (name, kept):
        command = [str(programs / "postgres"), "-D", name]
        command += [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        detach(home, ["run", *user, *command], keep=(lock, *kept))


def _initialise(home: Path, programs: Path, account: Account | None, lock: int, *, sync: bool, seconds: float) -> None:
    """Make the cluster beside its place and rename it there, so that what is in its place is whole."""
    new = home / "data.new"
    if new.exists():
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    if account is not None:
        os.chown(new, account.uid, account.gid)
    how = ["--no-sync"] if not sync else ["--sync-method=syncfs"] if sys.platform == "linux" else []
    begins_at = _size(home / "postgres.log")
    with _named_for(account, new) as (name, kept), (home / "postgres.log").open("ab") as log:
        done = subprocess.run(
            [programs / "initdb", "-D", name, *INITDB, *how],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock, *kept),
            env=_environment(),
            cwd="/",
            start_new_session=True,
            timeout=max(seconds, 1),
            check=False,
            user=account and account.uid,
            group=account and account.gid,
            extra_groups=account and [],
        )
    if done.returncode != 0:
        raise EmbeddedUnavailable(f"initdb failed:\n{tail(home / 'postgres.log', begins_at)}")
    new.rename(home / "data")


@contextlib.contextmanager
def _named_for(account: Account | None, directory: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    """A name of ``directory`` that the account's processes can use, and the descriptors that they must inherit for it.

    An unprivileged user can't walk to a directory below root's home, but can enter it through an open descriptor.
    """
    if account is None or not os.path.isdir("/proc/self/fd"):
        if not reaches(account, directory):
            raise EmbeddedUnavailable(
                f"The unprivileged user that PostgreSQL runs as can't reach {directory}: "
                "choose another --data-dir, run as an ordinary user, or set DATABASE_URL."
            )
        yield str(directory), ()
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}", (descriptor,)
    finally:
        os.close(descriptor)


def _make_run_directory(home: Path, account: Account | None, programs: Path) -> tuple[Path, Path]:
    """A new directory for the socket, whose path must be short, and for programs that can't be run in their place."""
    copied = needs_copy(account, programs)
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/run")):
        example = Path(base, "merchantry-12345678", "socket", f".s.PGSQL.{PORT}")
        if len(os.fsencode(example)) > SOCKET_PATH_BYTES or not os.access(base, os.W_OK | os.X_OK):
            continue
        if not reaches(account, Path(base, "merchantry-12345678")) or (copied and not _may_execute(base)):
            continue
        directory = Path(tempfile.mkdtemp(prefix="merchantry-", dir=base))
        (directory / watchdog.OWNER_LINK).symlink_to(home)
        (home / watchdog.RUN_LINK).symlink_to(directory)
        (directory / "socket").mkdir(mode=0o700)
        if copied:
            programs = copy_programs(programs, directory / "programs")
        if account is not None:
            os.chown(directory / "socket", account.uid, account.gid)
            directory.chmod(0o711)
        return directory, programs
    raise EmbeddedUnavailable("No temporary directory is fit for PostgreSQL's socket: set TMPDIR, or DATABASE_URL.")


def _may_execute(base: str) -> bool:
    return not os.statvfs(base).f_flag & getattr(os, "ST_NOEXEC", 0)


def _forget_dead_postmaster(data: Path) -> None:
    """Remove ``postmaster.pid`` of a server that was killed: its number may be another live process of ours by now.

    PostgreSQL, which only sees that some process of its user has that number, would refuse to start. A postmaster that
    somebody else started in this very directory is left alone, and PostgreSQL refuses rightly.
    """
    pid = watchdog.postmaster_pid(data)
    if pid is None or not _may_serve(pid, data):
        (data / "postmaster.pid").unlink(missing_ok=True)


def _may_serve(pid: int, data: Path) -> bool:
    if not os.path.isdir("/proc/self/cwd"):
        return True
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", data)
    except OSError:  # dead but not yet waited for, or another user's
        return False


def detach(home: Path, arguments: list[str], *, stdin: int = subprocess.DEVNULL, keep: tuple[int, ...] = ()) -> None:
    """Run the watchdog's file; it detaches itself, so this returns at once and there is no child to wait for."""
    log_path = home / "postgres.log"
    begins_at = _size(log_path)
    with log_path.open("ab") as log:
        done = subprocess.run(
            [sys.executable, "-I", "-S", watchdog.__file__, *arguments],
            stdin=stdin,
            stdout=log,
            stderr=log,
            pass_fds=keep,
            env=_environment(),
            check=False,
        )
    if done.returncode != 0:
        raise EmbeddedUnavailable(f"A process for PostgreSQL can't be started:\n{tail(log_path, begins_at)}")


def _environment() -> dict[str, str]:
    # PGPORT, PGDATA and their like would change what the server does.
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def rotate_log(log: Path) -> int:
    """Keep one old log when this one has grown; the log's size."""
    if _size(log) > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    return _size(log)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def tail(log: Path, begins_at: int) -> str:
    """The log's last lines from ``begins_at`` (bytes) on."""
    with log.open("rb") as file:
        file.seek(max(begins_at, _size(log) - 4096))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-8:])
