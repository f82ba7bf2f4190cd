"""What the simulated provider has taken, in a SQLite file of its own, so that it knows it after a restart."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS transfer (
    position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, amount TEXT NOT NULL, currency TEXT NOT NULL,
    wallet_id TEXT NOT NULL, reference TEXT NOT NULL, behaviour TEXT NOT NULL, taken_at TEXT NOT NULL,
    pays_at TEXT, returns_at TEXT, finds INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS wallet (id TEXT PRIMARY KEY, behaviour TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS clock (only INTEGER PRIMARY KEY CHECK (only = 1), ahead_seconds INTEGER NOT NULL);
INSERT OR IGNORE INTO clock VALUES (1, 0);
"""
TAKE = """
INSERT INTO transfer (key, amount, currency, wallet_id, reference, behaviour, taken_at, pays_at, returns_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING
"""
DELAY = timedelta(seconds=5)


class Behaviour(StrEnum):
    """What happens to transfers into a wallet, and to the request that asks for them the first time.

    A repeat of a transfer that was taken is always answered by the books.
    """

    OK = "ok"
    """Paid at once."""
    DELAY = "delay"
    """Accepted, and paid some seconds later."""
    SLOW = "slow"
    """Taken and paid, but answered late."""
    DROP = "drop"
    """Taken and paid, and the connection breaks before the answer is there."""
    ERROR = "error"
    """500, and not taken, however often it is asked for."""
    ERROR_AFTER = "error_after"
    """500 after it was taken and paid."""
    FAIL = "fail"
    """Rejected for good."""
    REORDER = "reorder"
    """Paid; answers overtake each other, and the first time it is asked about, the status is an older one."""
    RETURN = "return"
    """Paid at once, and some seconds later the money comes back."""


class Status(StrEnum):
    """What the provider says of a transfer."""

    ACCEPTED = "accepted"
    PAID = "paid"
    REJECTED = "rejected"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Asked:
    """A transfer as it is asked for. ``amount`` is a decimal with the currency's digits."""

    key: str
    amount: str
    currency: str
    wallet_id: str
    reference: str


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer as it was taken, the provider's nth. ``pays_at`` and ``returns_at`` may lie ahead; None is never."""

    position: int
    asked: Asked
    behaviour: Behaviour
    taken_at: datetime
    pays_at: datetime | None
    returns_at: datetime | None

    def at(self, now: datetime) -> tuple[Status, datetime]:
        """What it is by then, and since when."""
        if self.pays_at is None:
            return Status.REJECTED, self.taken_at
        if self.returns_at and self.returns_at <= now:
            return Status.RETURNED, self.returns_at
        return (Status.PAID, self.pays_at) if self.pays_at <= now else (Status.ACCEPTED, self.taken_at)


class Books:
    """The file. Every method is one transaction; any number of threads may call them."""

    def __init__(self, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as books:
            books.executescript(TABLES)

    def now(self) -> datetime:
        """The provider's time."""
        with self._open() as books:
            return self._now(books)

    def advance(self, seconds: int) -> datetime:
        """Put the provider's clock forward."""
        with self._open() as books:
            books.execute("UPDATE clock SET ahead_seconds = ahead_seconds + ?", (seconds,))
            return self._now(books)

    def behave(self, wallet_id: str, behaviour: Behaviour) -> None:
        """From now on, transfers into the wallet that come in for the first time go like this."""
        with self._open() as books:
            books.execute("INSERT OR REPLACE INTO wallet VALUES (?, ?)", (wallet_id, behaviour))

    def behaviour_of(self, wallet_id: str) -> Behaviour:
        """What was said of the wallet, else what its id begins with (``drop-7``), else OK."""
        with self._open() as books:
            row = books.execute("SELECT behaviour FROM wallet WHERE id = ?", (wallet_id,)).fetchone()
        said = row["behaviour"] if row else wallet_id.partition("-")[0]
        return Behaviour(said) if said in set(Behaviour) else Behaviour.OK

    def take(self, asked: Asked, behaviour: Behaviour) -> tuple[Transfer, bool]:
        """The transfer under this key, and whether it is a new one."""
        with self._open() as books:
            now = self._now(books)
            pays_at = now + DELAY if behaviour is Behaviour.DELAY else now
            facts = (asked.key, asked.amount, asked.currency, asked.wallet_id, asked.reference, behaviour)
            times = (
                now.isoformat(),
                None if behaviour is Behaviour.FAIL else pays_at.isoformat(),
                (now + DELAY).isoformat() if behaviour is Behaviour.RETURN else None,
            )
            made = books.execute(TAKE, (*facts, *times))
            (taken,) = self._transfers(books, asked.key)
            return taken, made.rowcount == 1

    def has(self, key: str) -> bool:
        """Whether a transfer was taken under this key."""
        with self._open() as books:
            return bool(self._transfers(books, key))

    def find(self, key: str) -> tuple[Transfer, int] | None:
        """The transfer under a key, and how often it was asked about before."""
        with self._open() as books:
            found = self._transfers(books, key)
            if not found:
                return None
            books.execute("UPDATE transfer SET finds = finds + 1 WHERE key = ?", (key,))
            row = books.execute("SELECT finds FROM transfer WHERE key = ?", (key,)).fetchone()
            return found[0], row["finds"] - 1

    def transfers(self) -> list[Transfer]:
        """All that was ever taken, in that order."""
        with self._open() as books:
            return self._transfers(books)

    def _transfers(self, books: sqlite3.Connection, key: str | None = None) -> list[Transfer]:
        rows = books.execute("SELECT * FROM transfer WHERE ?1 IS NULL OR key = ?1 ORDER BY position", (key,))
        return [_transfer(row) for row in rows]

    def _now(self, books: sqlite3.Connection) -> datetime:
        row = books.execute("SELECT ahead_seconds FROM clock").fetchone()
        return self._clock() + timedelta(seconds=row["ahead_seconds"])

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        books = sqlite3.connect(self._path, timeout=30)
        books.row_factory = sqlite3.Row
        try:
            with books:
                yield books
        finally:
            books.close()


def utc_now() -> datetime:
    """The provider's clock before anybody put it forward."""
    return datetime.now(UTC)


def _transfer(row: sqlite3.Row) -> Transfer:
    return Transfer(
        position=row["position"],
        asked=Asked(row["key"], row["amount"], row["currency"], row["wallet_id"], row["reference"]),
        behaviour=Behaviour(row["behaviour"]),
        taken_at=datetime.fromisoformat(row["taken_at"]),
        pays_at=datetime.fromisoformat(row["pays_at"]) if row["pays_at"] else None,
        returns_at=datetime.fromisoformat(row["returns_at"]) if row["returns_at"] else None,
    )
