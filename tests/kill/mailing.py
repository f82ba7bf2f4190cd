"""Kills workers that send mail, again and again; a program of its own, which forks before anything is opened."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from merchantry.domain import mail as rules
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.smtp import SmtpServer, Tls
from merchantry.jobs.mailing import mail_forever
from merchantry.jobs.tools import Mailing, Tools
from merchantry.mail.letters import sender_of
from merchantry.services import mail_sending
from merchantry.services.vault import Vault
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.logins import derive
from tests.kill.sequencing import forked
from tests.kill.webhooking import SHORT_LEASE, SHORT_WAIT, WORKERS, now


def mailing_at(port: int) -> Mailing:
    """Mail through a server of this machine."""
    sender = sender_of("news@mall.test", "mall.test", "http://mall.test")
    return Mailing(SmtpServer("127.0.0.1", port, Tls.NONE), sender)


async def work(given: dict[str, Any], ready: int) -> None:
    """Send without a pause."""
    mail_sending.LEASE = SHORT_LEASE  # type: ignore[misc]
    rules.RETRIES = (SHORT_WAIT,) * 100  # type: ignore[misc]
    rules.GIVEN_UP_AFTER = timedelta(days=30)  # type: ignore[misc]
    database = Database(derive(given["owner_url"]), pool_size=6)
    vault = Vault(lambda: MasterKeys.from_text(given["keys"]))
    tools = Tools(database, Sandbox(database, now, ""), now, vault)
    os.write(ready, b".")
    await mail_forever(tools, mailing_at(given["port"]), asyncio.Event(), poll_seconds=0.01)


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
