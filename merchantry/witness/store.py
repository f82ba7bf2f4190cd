"""What a witness remembers, in a SQLite file: keys that it trusts, heads that it cosigned, evidence. Nothing is undone.

Every head that was ever cosigned is kept; the primary key makes two roots of one size impossible, and triggers refuse
to change or delete a row.
"""

import base64
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from merchantry.domain.checkpoint import Checkpoint
from merchantry.domain.note import Note, VerifierKey
from merchantry.transparency.evidence import Evidence, EvidenceKind

FILE: Final = "witness.sqlite"
MOST_SUSPECTS: Final = 1_000
"""Of one log. Each bears its signature, so that only the log itself could fill the file with them."""
_BUSY_SECONDS: Final = 10.0
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS log_key (
    verifier TEXT PRIMARY KEY, origin TEXT NOT NULL, trusted_at TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS head (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, cosigned_at TEXT NOT NULL,
    PRIMARY KEY (origin, size)
) STRICT;
CREATE TABLE IF NOT EXISTS suspect (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL, seen_at TEXT NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;
CREATE TABLE IF NOT EXISTS evidence (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, kind TEXT NOT NULL, first_text TEXT NOT NULL,
    second_text TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL, proof TEXT NOT NULL, source TEXT NOT NULL,
    found_at TEXT NOT NULL, UNIQUE (kind, first_text, second_text)
) STRICT;
CREATE TABLE IF NOT EXISTS told (
    evidence_id INTEGER PRIMARY KEY REFERENCES evidence (id), told_at TEXT NOT NULL
) STRICT;
"""
_FOR_EVER: Final = "".join(
    f"CREATE TRIGGER IF NOT EXISTS {table}_{act}_is_refused BEFORE {act} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'a witness does not forget'); END;\n"
    for table in ("head", "evidence", "log_key")
    for act in ("update", "delete")
)


@dataclass(frozen=True, slots=True)
class Head:
    """A head that was cosigned. ``note`` bears the log's signatures and the cosignature."""

    checkpoint: Checkpoint
    note: Note
    cosigned_at: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """Evidence as it was found. ``source`` says where the second head came from."""

    id: int
    origin: str
    evidence: Evidence
    source: str
    found_at: datetime


class Store:
    """The file. Every call is a transaction of its own, on disk when it returns; any number of processes may use it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        with self._opened() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES + _FOR_EVER)

    @contextmanager
    def writing(self) -> Iterator["Writing"]:
        """Alone until the end of the block: what is read in it is still so when what it writes is stored."""
        with self._opened() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield Writing(connection)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator["Reading"]:
        """What is stored at one moment."""
        with self._opened() as connection:
            connection.execute("BEGIN")
            yield Reading(connection)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection


class Reading:
    """What a witness knows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def trusted(self, origin: str | None = None) -> list[VerifierKey]:
        """The keys that are trusted, of one log or of all."""
        rows = self._connection.execute(
            "SELECT verifier FROM log_key WHERE ? IN (origin, '') ORDER BY trusted_at, verifier", (origin or "",)
        )
        return [VerifierKey.parse(row["verifier"]) for row in rows]

    def latest(self, origin: str) -> Head | None:
        """The largest head that was cosigned."""
        found = self.heads(origin, 1)
        return found[0] if found else None

    def heads(self, origin: str, limit: int) -> list[Head]:
        """Cosigned heads, the largest first."""
        rows = self._connection.execute(
            "SELECT * FROM head WHERE origin = ? ORDER BY size DESC LIMIT ?", (origin, limit)
        )
        return [_head(row) for row in rows]

    def head_at(self, origin: str, size: int) -> Head | None:
        """The head of this size that was cosigned."""
        row = self._connection.execute("SELECT * FROM head WHERE origin = ? AND size = ?", (origin, size)).fetchone()
        return None if row is None else _head(row)

    def heads_count(self, origin: str) -> int:
        """How many heads were cosigned."""
        count: int = self._connection.execute("SELECT count(*) FROM head WHERE origin = ?", (origin,)).fetchone()[0]
        return count

    def suspects(self, origin: str) -> list[Note]:
        """Heads that the log signed and that could not be judged when they were seen."""
        rows = self._connection.execute("SELECT note FROM suspect WHERE origin = ? ORDER BY size", (origin,))
        return [Note.parse(row["note"]) for row in rows]

    def evidence(self, *, untold: bool = False) -> list[Found]:
        """All evidence, or what nobody was told of yet."""
        rows = self._connection.execute(
            "SELECT * FROM evidence WHERE NOT ? OR id NOT IN (SELECT evidence_id FROM told) ORDER BY id", (untold,)
        )
        return [_found(row) for row in rows]


class Writing(Reading):
    """What a witness learns."""

    def trust(self, key: VerifierKey, at: datetime) -> None:
        """Trust a key of a log from now on."""
        self._connection.execute("INSERT OR IGNORE INTO log_key VALUES (?, ?, ?)", (str(key), key.name, at.isoformat()))

    def add_head(self, head: Head) -> None:
        """A head is cosigned. Raises sqlite3.IntegrityError where one of its size is."""
        told = head.checkpoint
        self._connection.execute(
            "INSERT INTO head VALUES (?, ?, ?, ?, ?)",
            (told.origin, told.size, told.root, str(head.note), head.cosigned_at.isoformat()),
        )

    def add_suspect(self, checkpoint: Checkpoint, note: Note, at: datetime) -> None:
        """A head that the log signed is to be judged later; not if there are too many already."""
        where = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root, "most": MOST_SUSPECTS}
        self._connection.execute(
            "INSERT OR IGNORE INTO suspect SELECT :origin, :size, :root, :note, :at "
            "WHERE (SELECT count(*) FROM suspect WHERE origin = :origin) < :most",
            where | {"note": str(note), "at": at.isoformat()},
        )

    def clear_suspect(self, checkpoint: Checkpoint) -> None:
        """It was judged."""
        self._connection.execute(
            "DELETE FROM suspect WHERE origin = ? AND size = ? AND root = ?",
            (checkpoint.origin, checkpoint.size, checkpoint.root),
        )

    def add_evidence(self, origin: str, evidence: Evidence, source: str, at: datetime) -> None:
        """Keep evidence; the same two heads once."""
        first, second = evidence.first, evidence.second
        row = {"origin": origin, "kind": evidence.kind.value, "source": source, "at": at.isoformat()}
        row |= {"first": str(first), "second": str(second), "first_text": first.text, "second_text": second.text}
        row |= {"proof": json.dumps([base64.b64encode(each).decode() for each in evidence.proof])}
        self._connection.execute(
            "INSERT OR IGNORE INTO evidence "
            "(origin, kind, first_text, second_text, first, second, proof, source, found_at) VALUES "
            "(:origin, :kind, :first_text, :second_text, :first, :second, :proof, :source, :at)",
            row,
        )

    def mark_told(self, ids: Sequence[int], at: datetime) -> None:
        """Somebody was told of this evidence."""
        rows = [(each, at.isoformat()) for each in ids]
        self._connection.executemany("INSERT OR IGNORE INTO told VALUES (?, ?)", rows)


def _head(row: sqlite3.Row) -> Head:
    checkpoint = Checkpoint(row["origin"], row["size"], bytes(row["root"]))
    return Head(checkpoint, Note.parse(row["note"]), datetime.fromisoformat(row["cosigned_at"]))


def _found(row: sqlite3.Row) -> Found:
    proof = tuple(base64.b64decode(each) for each in json.loads(row["proof"]))
    evidence = Evidence(EvidenceKind(row["kind"]), Note.parse(row["first"]), Note.parse(row["second"]), proof)
    return Found(row["id"], row["origin"], evidence, row["source"], datetime.fromisoformat(row["found_at"]))
