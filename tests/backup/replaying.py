"""Replays receipts and is killed on the way; a program of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.jobs import receipt_replay
from merchantry.jobs.restored_work import Work
from merchantry.transparency.trust import Trust
from tenancy.database import Database
from tenancy.logins import derive
from tests.jobs.witnesses import KEYS

KILLED_AT: Final = ("before the totals", "before the commit", "after the commit")


def kill() -> None:
    """The process is gone, at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def install(place: str) -> None:
    """Be killed at one of these places."""
    owner, name = (Work, "look") if place == "after the commit" else (receipt_replay, "_keep")
    inner: Callable[..., Any] = getattr(owner, name)

    def killed(*given: Any) -> None:
        if place == "before the commit":
            inner(*given)
        kill()

    setattr(owner, name, killed)


async def main() -> None:
    """Read from standard input what to do."""
    given = json.load(sys.stdin)
    install(given["place"])
    merchant_id, slug = given["merchant"]
    at = datetime.fromisoformat(given["at"])
    receipts = [(name, document) for name, document in given["receipts"]]
    database, trust = Database(derive(given["owner_url"])), Trust(KEYS.verifiers)
    await receipt_replay.replay(database, UUID(merchant_id), slug, receipts, trust, Act("system:restore", at, at))


if __name__ == "__main__":
    asyncio.run(main())
