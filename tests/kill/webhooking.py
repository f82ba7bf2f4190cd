"""Kills workers that send webhooks, again and again; a program of its own, which forks before anything is opened."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from graphql_api.facts import presented
from merchantry.domain import webhook as rules
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.webhook import Reach
from merchantry.jobs.tools import Tools, Webhooks
from merchantry.jobs.webhooks import send_forever
from merchantry.services import webhook_sending
from merchantry.services.vault import Vault
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.logins import derive
from tests.kill.sequencing import forked

WORKERS = 2
SHORT_LEASE = timedelta(seconds=0.5)
"""What a dead worker held waits for so long; a minute is too long for a test."""
SHORT_WAIT = timedelta(seconds=0.2)
"""Between two attempts."""


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


async def work(given: dict[str, Any], ready: int) -> None:
    """Send without a pause."""
    webhook_sending.LEASE = SHORT_LEASE  # type: ignore[misc]
    rules.RETRIES = (SHORT_WAIT,) * len(rules.RETRIES)  # type: ignore[misc]
    database = Database(derive(given["owner_url"]), pool_size=4)
    vault = Vault(lambda: MasterKeys.from_text(given["keys"]))
    tools = Tools(database, Sandbox(database, now, ""), now, vault)
    os.write(ready, b".")
    await send_forever(tools, Webhooks(Reach(allows_private=True), presented), asyncio.Event(), poll_seconds=0.01)


def main() -> None:
    """Read what to do from the first line of standard input; go on until it ends."""
    given = json.loads(sys.stdin.readline())
    chance, ended = random.Random(given["seed"]), Counter[str]()
    children = [forked(lambda ready: work(given, ready)) for _ in range(WORKERS)]
    for number in range(given["times"]):
        time.sleep(chance.uniform(0, given["pause_seconds"]))
        victim = number % WORKERS
        os.kill(children[victim], signal.SIGKILL)
        _, status = os.waitpid(children[victim], 0)
        ended["killed" if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else "died"] += 1
        children[victim] = forked(lambda ready: work(given, ready))
    sys.stdin.read()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    json.dump(ended, sys.stdout)


if __name__ == "__main__":
    main()
