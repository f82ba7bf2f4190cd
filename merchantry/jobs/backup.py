"""Backing a merchant up: its schema and what the platform knows of it, of one moment, in one file.

A file appears under its name once it is whole and on disk; what a kill leaves ends in ``.partial``. Its name is the
merchant's slug and the moment, so a directory of backups can be read by eye.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final
from uuid import UUID, uuid4

from psycopg import sql

from merchantry.services import backup_beside
from merchantry.services.backup import Backup
from merchantry.services.backup_content import BESIDE, OWN, Counted, TableWriter
from merchantry.vault.container import FORMAT, Writer
from merchantry.vault.keys import MasterKeys
from tenancy.logins import Logins
from tenancy.snapshot import Snapshot, snapshot

SUFFIX: Final = ".mbackup"
PARTIAL: Final = ".partial"

Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Taking:
    """Who is backed up by whom, and how: without a ring of master keys the file is not encrypted."""

    logins: Logins
    merchant_id: UUID
    slug: str
    ring: MasterKeys | None
    made_by: str


def take(what: Taking, to: Path, progress: Progress = no_progress) -> Backup:
    """Write a backup to a file, or under a name of its own into a directory. Blocks; memory stays constant.

    ``progress`` is told how many tables are done, of how many. Raises OSError, VaultError, psycopg.Error.
    """
    with snapshot(what.logins, what.merchant_id) as source:
        head = _head(source, what)
        taken_at = datetime.fromisoformat(head["taken_at"])
        path = to / file_name(what.slug, taken_at) if to.is_dir() else to
        partial = path.with_name(path.name + PARTIAL)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            out = _Hashed(file)
            writer = Writer(out, {name: head[name] for name in ("merchant", "taken_at")}, what.ring)
            tables = _write_tables(source, what.merchant_id, writer, progress)
            writer.finish({**head, "tables": tables})
            file.flush()
            os.fsync(file.fileno())
    partial.replace(path)
    _sync(path.parent)
    return Backup(
        merchant_id=what.merchant_id,
        id=uuid4(),
        taken_at=taken_at,
        stored_as=str(path.absolute()),
        size_bytes=out.size,
        sha256=out.digest.digest(),
        is_encrypted=what.ring is not None,
        version=head["version"],
        last_seq=head["ledger"]["last_seq"],
        made_by=what.made_by,
    )


def file_name(slug: str, taken_at: datetime) -> str:
    """Such as ``casa.20260302T120000.000000Z.mbackup``; names of one merchant sort by moment."""
    return f"{slug}.{taken_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}{SUFFIX}"


def _head(source: Snapshot, what: Taking) -> dict[str, Any]:
    """What the manifest says but for the tables: nothing about people."""
    source.as_platform()
    query = sql.SQL(
        "SELECT now(), version, current_setting('server_version'),"
        " (SELECT version FROM platform.schema_version),"
        " greatest((SELECT max(seq) FROM platform.log_queue WHERE merchant_id = m.id),"
        " (SELECT max(seq) FROM platform.log_leaf WHERE merchant_id = m.id)),"
        " (SELECT max(size) FROM platform.log_checkpoint)"
        " FROM platform.merchant AS m WHERE id = {}"
    ).format(sql.Literal(what.merchant_id))
    row = source.one(query)
    if row is None:
        raise LookupError(f"{what.slug} is no merchant any more")
    taken_at, version, server, platform_version, known_seq, log_size = row
    source.as_merchant()
    ledger = sql.SQL(
        "SELECT (SELECT coalesce(max(seq), 0) FROM {}), (SELECT value FROM {} WHERE name = 'entry')"
    ).format(sql.Identifier(source.schema, "ledger_entry"), sql.Identifier(source.schema, "counter"))
    last_seq, counter = source.one(ledger) or (0, 0)
    return {
        "format": FORMAT,
        "merchant": {"id": str(what.merchant_id), "slug": what.slug},
        "taken_at": taken_at.astimezone(UTC).isoformat(),
        "version": version,
        "platform_version": platform_version,
        "server": server,
        "ledger": {"last_seq": last_seq, "counter": counter, "known_to_log": known_seq or 0},
        "log_size": log_size or 0,
    }


def _write_tables(source: Snapshot, merchant_id: UUID, writer: Writer, progress: Progress) -> list[dict[str, Any]]:
    own, beside = source.tables(), backup_beside.tables()
    counted: list[Counted] = []
    for table in own:
        records = TableWriter(OWN, table, writer.write)
        counted.append(records.end(source.copy_own(table, records.add)))
        progress(len(counted), len(own) + len(beside))
    source.as_platform()
    for name in beside:
        shape = source.shared_table(name)
        records = TableWriter(BESIDE, shape, writer.write)
        counted.append(records.end(source.copy(backup_beside.copy_statement(shape, merchant_id), records.add)))
        progress(len(counted), len(own) + len(beside))
    return [each.document() for each in counted]


class _Hashed:
    """A file that knows what was written to it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        self.size += len(content)
        return self._file.write(content)


def _sync(directory: Path) -> None:
    """Make a rename outlast a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
