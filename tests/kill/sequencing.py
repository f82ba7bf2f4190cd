"""Kills sequencers under load, again and again; a program of its own, because it forks before anything is opened."""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from merchantry.domain.act import Act
from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.jobs.sequencing import sequence, sequence_all, sequence_forever
from merchantry.services import ledger
from merchantry.services.log_entries import verify_entries
from merchantry.services.log_events import verify_events
from merchantry.services.log_verification import verify_log
from merchantry.transparency.log_keys import LogKeys
from tenancy.database import Database
from tenancy.logins import derive

KEYS = LogKeys.from_seeds("mall.example/log", [bytes(range(32))])
WRITERS = 4
SEQUENCERS = 2


def now() -> datetime:
    """The clock."""
    return datetime.now(UTC)


def forked(work: Callable[[int], Coroutine[Any, Any, Any]]) -> int:
    """A child that does this until it is killed; it is at work once it has written to the pipe that it is given."""
    read, written = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(work(written))
        finally:
            os._exit(1)
    os.close(written)
    os.read(read, 1)
    os.close(read)
    return child


async def write(owner_url: str, merchants: list[str], acknowledged: str, ready: int) -> None:
    """Book entries for ever; each that was committed is written down."""
    os.write(ready, b".")
    database = Database(derive(owner_url), pool_size=WRITERS)
    file = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def one(merchant_id: UUID) -> None:
        while True:
            at = now()
            postings = (Posting(Account.BUYER_FUNDS, "BRL", -100), Posting(Account.MERCHANT_PENDING, "BRL", 100))
            async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
                entry = Entry(EntryKind.CAPTURE, None, at, None, None, postings, {})
                seq = await ledger.book(session, entry, Act("system:test", at, at))
            os.write(file, f"{merchant_id} {seq}\n".encode())

    await asyncio.gather(*(one(UUID(each)) for each in merchants))


async def integrate(owner_url: str, ready: int) -> None:
    """Sequence without a pause."""
    database = Database(derive(owner_url), pool_size=2)
    await sequence(database, KEYS, now())
    os.write(ready, b".")
    await sequence_forever(database, KEYS, now, asyncio.Event(), poll_seconds=0.001)


async def look(owner_url: str, merchants: list[str], known: list[list[str]]) -> dict[str, Any]:
    """Integrate what waits, then verify everything."""
    database = Database(derive(owner_url), pool_size=2)
    waiting = await sequence_all(database, KEYS, now())
    tree, events = await verify_log(database), await verify_events(database)
    wrong = [str(each) for each in (*tree.broken, *events.broken)]
    entries: Counter[str] = Counter()
    async for each in verify_entries(database, [(UUID(merchant), merchant) for merchant in merchants]):
        wrong += [str(broken) for broken in each.broken]
        entries[each.merchant] = each.entries
    wrong += [f"{merchant} {seq} is lost" for merchant, seq in known if int(seq) > entries[merchant]]
    await database.close()
    return {
        "leaves": tree.size,
        "heads": tree.heads,
        "entries": entries.total(),
        "acknowledged": len(known),
        "waiting": waiting,
        "wrong": wrong[:20],
    }


def main() -> None:
    """Read what to do from standard input; print what it came to."""
    given = json.load(sys.stdin)
    chance, url, ended = random.Random(given["seed"]), given["owner_url"], Counter[str]()
    writer = forked(lambda ready: write(url, given["merchants"], given["acknowledged"], ready))
    children = [forked(lambda ready: integrate(url, ready)) for _ in range(SEQUENCERS)]
    for number in range(given["times"]):
        time.sleep(chance.uniform(0, 0.3))
        victim = number % SEQUENCERS
        os.kill(children[victim], signal.SIGKILL)
        _, status = os.waitpid(children[victim], 0)
        ended["killed" if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else "died"] += 1
        children[victim] = forked(lambda ready: integrate(url, ready))
    for child in (writer, *children):
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    known = [line.split() for line in Path(given["acknowledged"]).read_text().splitlines()]
    result = asyncio.run(look(url, given["merchants"], known))
    json.dump({"ended": ended, **result}, sys.stdout)


if __name__ == "__main__":
    main()
