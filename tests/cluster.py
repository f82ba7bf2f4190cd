"""A real PostgreSQL for the tests: one server per session, a migrated template, a clone of it for each test."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import psycopg
from psycopg import errors, sql
from sqlalchemy import make_url

from merchantry.tables import blueprint
from tenancy import bootstrap, embedded, embedded_watchdog
from tenancy.logins import Logins, derive
from tenancy.migrations import migrate_platform
from tenancy.schemas import ANALYST, APP, schema_of

PREFIX = "merchantry-tests-"
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "off",
}
LOCK = 0x7465737473
ROOT = Path(__file__).parents[1]


class Cluster:
    """Makes databases. ``owner`` is a URL of a maintenance database, as somebody who may make roles and databases."""

    def __init__(self, owner: str, *, is_ours: bool) -> None:
        self._owner = owner
        self._is_ours = is_ours
        self._template = self._make_template()

    def empty(self) -> Logins:
        """A database with roles and an empty schema ``platform``."""
        return self._made(lambda name: sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)), bootstrap.prepare)

    def clone(self) -> Logins:
        """A database at the newest version of ``platform``, without merchants."""
        return self._made(self._clone_of_template, _close)

    def drop(self, logins: Logins) -> None:
        """Remove a database, whoever is connected to it. Roles of its merchants go too where the server stays."""
        database = str(make_url(logins.owner).database)
        roles = [] if self._is_ours else _merchants(logins)
        with self._maintenance() as connection:
            _drop(connection, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
            for role in roles:
                connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))

    @contextmanager
    def _maintenance(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        with psycopg.connect(self._owner, autocommit=True) as connection:
            yield connection

    def _logins(self, database: str) -> Logins:
        return derive(make_url(self._owner).set(database=database).render_as_string(hide_password=False))

    def _made(self, command: Callable[[str], sql.Composed], finish: Callable[[Logins], None]) -> Logins:
        name = f"t_{uuid4().hex}"
        with self._maintenance() as connection:
            connection.execute(command(name))
        logins = self._logins(name)
        finish(logins)
        return logins

    def _clone_of_template(self, name: str) -> sql.Composed:
        names = sql.Identifier(name), sql.Identifier(self._template)
        return sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(*names)

    def _make_template(self) -> str:
        """Whoever comes first makes it, under another name until it is whole."""
        name = f"template_{_fingerprint()}"
        draft = f"{name}_draft"
        with self._maintenance() as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                return name
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(draft)))
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(draft)))
            logins = self._logins(draft)
            bootstrap.prepare(logins)
            migrate_platform(logins.owner, blueprint.platform_revisions())
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(rename.format(sql.Identifier(draft), sql.Identifier(name)))
        return name


def _drop(connection: psycopg.Connection[tuple[object, ...]], command: sql.Composed) -> None:
    """A connection that was closed a moment ago may live on the server yet; FORCE may not end another login's, nor
    autovacuum."""
    deadline = time.monotonic() + 60
    while True:
        try:
            connection.execute(command)
            return
        except (errors.InsufficientPrivilege, errors.ObjectInUse):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _close(logins: Logins) -> None:
    """Rights on a database are not copied with it."""
    with psycopg.connect(logins.owner, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        grant = sql.SQL("GRANT CONNECT ON DATABASE {} TO {}, {}")
        connection.execute(grant.format(name, sql.Identifier(APP), sql.Identifier(ANALYST)))


def _merchants(logins: Logins) -> list[str]:
    with psycopg.connect(logins.owner) as connection:
        if connection.execute("SELECT to_regclass('platform.merchant')").fetchone() == (None,):
            return []
        rows = connection.execute("SELECT id FROM platform.merchant").fetchall()
    return [schema_of(cast(UUID, row[0])) for row in rows]


def _fingerprint() -> str:
    """Changes with whatever a template is made from."""
    digest = hashlib.sha256()
    for folder in ("migrations/platform", "merchantry/tables", "tenancy"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".sql"):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def make_home() -> Path:
    """A directory for the server, in memory where there is such a place; removes what killed sessions left there."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else Path(tempfile.gettempdir())
    for left in base.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > 60 and not _is_in_use(left):
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))


def remove_home(home: Path) -> None:
    """Stop the server if it still runs, wait for its end and remove its directory."""
    embedded.stop(home)
    deadline = time.monotonic() + 30
    while embedded_watchdog.is_locked(home / "server.lock") and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(home, ignore_errors=True)


def _is_in_use(home: Path) -> bool:
    lock = embedded_watchdog.open_lock(home / "users.lock")
    try:
        return not embedded_watchdog.try_lock(lock, fcntl.LOCK_EX)
    finally:
        os.close(lock)


def start(home: Path) -> Cluster:
    """The session's server, or TEST_DATABASE_URL's."""
    outside = os.environ.get("TEST_DATABASE_URL")
    if outside:
        return Cluster(derive(outside).owner, is_ours=False)
    server = embedded.start(home, settings=SETTINGS)
    return Cluster(bootstrap.create_owner(server, "maintenance"), is_ours=True)
