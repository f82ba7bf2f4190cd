"""What a database is asked while a block runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from tenancy.database import Database
from tenancy.metrics import Ended

ENDS = ("COMMIT", "ROLLBACK")


@contextmanager
def sent_to(database: Database) -> Iterator[list[str]]:
    """The texts of its statements, without the beginnings and ends of transactions."""
    sent: list[str] = []

    def begun(text: str) -> Ended:
        if text not in ENDS and not text.startswith("BEGIN"):
            sent.append(text)
        return lambda _: None

    database.statements.watchers.append(begun)
    try:
        yield sent
    finally:
        database.statements.watchers.remove(begun)
