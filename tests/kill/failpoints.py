"""Places where a process can be stopped: before and after every statement, commit and call of a provider."""

import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg
from sqlalchemy.exc import OperationalError

from merchantry.gateways.wallet import WalletProvider
from tenancy.database import Session, Transaction

Act = Callable[[str], None]


class Failpoints:
    """Counts the places that a run passes, and acts at one of them."""

    def __init__(self, at: int, act: Act) -> None:
        self._at = at
        self._act = act
        self.passed: list[str] = []

    def reach(self, name: str) -> None:
        """The run is here."""
        self.passed.append(name)
        if len(self.passed) == self._at:
            self._act(name)

    def install(self) -> None:
        """Into this process, for good."""
        self._wrap(Session, "execute", "statement")
        self._wrap(Transaction, "send_commit", "commit")
        self._wrap(WalletProvider, "send", "send")
        self._wrap(WalletProvider, "find", "find")

    def _wrap(self, owner: type, name: str, what: str) -> None:
        inner = getattr(owner, name)

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            self.reach(f"before {what}")
            result = await inner(*args, **kwargs)
            self.reach(f"after {what}")
            return result

        setattr(owner, name, wrapped)


def kill(name: str) -> None:
    """The process is gone, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def cut_off(owner_url: str) -> Act:
    """The server ends every session of the program."""

    def act(name: str) -> None:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    return act


def swallow_answer(name: str) -> None:
    """The commit happened, and its answer is lost on the way; elsewhere nothing is swallowed."""
    if name == "after commit":
        lost = psycopg.OperationalError("the connection was lost")
        raise OperationalError("COMMIT", {}, lost, connection_invalidated=True)
