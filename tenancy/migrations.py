"""Alembic revisions, rendered to SQL once and run over every schema by our own runner.

One transaction per merchant (DDL and version row together), a short ``lock_timeout`` with jittered retries, several
connections, waves (one merchant, one per cent, all), an error budget, and a resume that is simply another run.
"""

import io
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import psycopg
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg import errors

from tenancy.bootstrap import LOCK
from tenancy.read_only import make_read_only
from tenancy.schemas import MARK, schema_of

BASE = "base"
PLATFORM_LOCK_TIMEOUT_MS = 5_000
"""How long a revision of ``platform`` waits for a table; while it waits, everybody else waits behind it."""

READ_ONLY = ("closed", "restoring", "quarantined")
"""Of merchants with these the schemas stay read-only."""

RETRIED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


class Revisions:
    """One line of Alembic revisions (``platform`` or ``merchant``), without branches."""

    def __init__(self, directory: Path) -> None:
        self._script = ScriptDirectory(str(directory), version_locations=[str(directory / "versions")])

    @property
    def head(self) -> str:
        """The newest revision, ``base`` where there is none."""
        return self._script.get_current_head() or BASE

    def is_served(self, version: str) -> bool:
        """Whether a program of this version works on a database of that one: its own, the one before, or newer ones.

        Newer ones are unknown here; a release that could not be served by its predecessor would break the rule.
        """
        known = [revision.revision for revision in self._script.iterate_revisions("head", BASE)]
        return version in known[:2] or version not in (*known, BASE)

    def render(self, version: str, to: str | None = None) -> str:
        """The SQL that brings ``version`` to the head, or only up to another one; empty where nothing is to do.

        It is for the symbolic schema. Raises UnknownVersion for a version that this program doesn't have.
        """
        wanted = list(reversed(list(self._script.iterate_revisions("head", BASE))))
        known = [BASE, *(revision.revision for revision in wanted)]
        for each in (version, to or self.head):
            if each not in known:
                raise UnknownVersion(each)
        buffer = io.StringIO()
        context = MigrationContext.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},
            opts={"as_sql": True, "output_buffer": buffer},
        )
        with Operations.context(context):
            for revision in wanted[known.index(version) : known.index(to or self.head)]:
                revision.module.upgrade()
        return buffer.getvalue()


class UnknownVersion(Exception):
    """The database is at a version that this program doesn't have: it was migrated by a newer one."""


@dataclass
class Outcome:
    """What a run over the merchants did. ``failed`` maps schemas to the database's words."""

    migrated: int = 0
    retries: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    stopped: bool = False


@dataclass(frozen=True)
class Pace:
    """How a run goes about it. ``error_budget`` is how many merchants may fail before it stops."""

    connections: int = 3
    lock_timeout_ms: int = 200
    attempts: int = 20
    error_budget: int = 0


def migrate_platform(owner_url: str, revisions: Revisions) -> bool:
    """Bring schema ``platform`` to the head in one transaction. Returns whether anything was to do."""
    with psycopg.connect(owner_url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [str(PLATFORM_LOCK_TIMEOUT_MS)])
        version = platform_version(connection)
        script = revisions.render(version)
        if not script.strip():
            return False
        connection.execute(script.encode())
        connection.execute("CREATE TABLE IF NOT EXISTS platform.schema_version (version text PRIMARY KEY)")
        connection.execute("GRANT SELECT ON platform.schema_version TO merchantry_platform")
        connection.execute("DELETE FROM platform.schema_version")
        connection.execute("INSERT INTO platform.schema_version (version) VALUES (%s)", [revisions.head])
    return True


def platform_version(connection: psycopg.Connection[tuple[object, ...]]) -> str:
    """The version of schema ``platform``."""
    found = connection.execute("SELECT to_regclass('platform.schema_version') IS NOT NULL").fetchone()
    if not found or not found[0]:
        return BASE
    row = connection.execute("SELECT version FROM platform.schema_version").fetchone()
    return str(row[0]) if row else BASE


def versions(owner_url: str) -> dict[str, list[str]]:
    """Which merchants (slugs) are at which version."""
    found: dict[str, list[str]] = {}
    with psycopg.connect(owner_url) as connection:
        for version, slug in connection.execute("SELECT version, slug FROM platform.merchant ORDER BY slug"):
            found.setdefault(str(version), []).append(str(slug))
    return found


def migrate_merchants(
    owner_url: str,
    revisions: Revisions,
    *,
    pace: Pace | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Bring every merchant that is behind to the head. Stops past the error budget; run again to resume."""
    return _Run(owner_url, revisions, pace or Pace(), progress).run()


class _Run:
    def __init__(self, owner_url: str, revisions: Revisions, pace: Pace, progress: Callable[[int, int], None]) -> None:
        self._url = owner_url
        self._head = revisions.head
        self._pace = pace
        self._progress = progress
        self._outcome = Outcome()
        self._lock = threading.Lock()
        self._local = threading.local()
        self._connections: list[psycopg.Connection[tuple[object, ...]]] = []
        with psycopg.connect(owner_url) as connection:
            behind = connection.execute(
                "SELECT id, version FROM platform.merchant WHERE version <> %s ORDER BY id", [self._head]
            ).fetchall()
        self._behind: list[tuple[UUID, str]] = [(row[0], row[1]) for row in behind]
        self._scripts = {version: revisions.render(version) for version in {row[1] for row in self._behind}}

    def run(self) -> Outcome:
        finished, total = 0, len(self._behind)
        try:
            with ThreadPoolExecutor(self._pace.connections) as pool:
                for wave in waves(self._behind):
                    for _ in pool.map(self._migrate, wave):
                        finished += not self._outcome.stopped
                        self._progress(finished, total)
                    if self._outcome.stopped:
                        break
        finally:
            for connection in self._connections:
                connection.close()
        return self._outcome

    def _migrate(self, merchant: tuple[UUID, str]) -> None:
        if self._outcome.stopped:
            return
        schema = schema_of(merchant[0])
        for attempt in range(self._pace.attempts):
            try:
                done = self._attempt(merchant[0], merchant[1])
            except RETRIED:
                with self._lock:
                    self._outcome.retries += 1
                time.sleep(random.uniform(0.02, 0.1) * min(attempt + 1, 10))
            except psycopg.Error as error:
                self._fail(schema, str(error))
                return
            else:
                with self._lock:
                    self._outcome.migrated += done
                return
        self._fail(schema, f"its tables stayed locked over {self._pace.attempts} attempts")

    def _attempt(self, merchant_id: UUID, version: str) -> bool:
        """One transaction. False where somebody else migrated the merchant meanwhile."""
        connection = self._connection()
        with connection.transaction():
            connection.execute("SELECT set_config('lock_timeout', %s, true)", [str(self._pace.lock_timeout_ms)])
            claimed = connection.execute(
                "UPDATE platform.merchant SET version = %s WHERE id = %s AND version = %s RETURNING status",
                [self._head, merchant_id, version],
            ).fetchone()
            if claimed is None:
                return False
            connection.execute(self._scripts[version].replace(MARK, schema_of(merchant_id)).encode())
            if claimed[0] in READ_ONLY:  # the revision may have granted something
                make_read_only(connection, schema_of(merchant_id))
        return True

    def _fail(self, schema: str, reason: str) -> None:
        with self._lock:
            self._outcome.failed[schema] = reason
            self._outcome.stopped = len(self._outcome.failed) > self._pace.error_budget

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        held: psycopg.Connection[tuple[object, ...]] | None = getattr(self._local, "connection", None)
        if held is None or held.closed:
            held = psycopg.connect(self._url, autocommit=True)
            self._local.connection = held
            with self._lock:
                self._connections.append(held)
        return held


def waves(merchants: Sequence[tuple[UUID, str]]) -> list[Sequence[tuple[UUID, str]]]:
    """One merchant first, then one per cent, then all: a revision that fails does so where it hurts least."""
    percent = 1 + max(1, len(merchants) // 100)
    return [wave for wave in (merchants[:1], merchants[1:percent], merchants[percent:]) if wave]
