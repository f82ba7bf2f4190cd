"""Workers that are killed while they send lose no webhook, change no id and turn no order around.

``WEBHOOK_EVENTS=5000 WEBHOOK_KILLS=200`` (``make kill``) sends and kills as many; the suite takes a sample.
"""

import asyncio
import json
import os
import random
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from contextlib import suppress
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import func, select

from merchantry.domain.event import EventKind
from merchantry.jobs.telling import tell_all
from merchantry.services import outbox
from merchantry.services.vault import Vault
from merchantry.tables.webhook import webhook_delivery
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tests.builders import a_merchant, an_act
from tests.jobs import receiver as behaviour
from tests.jobs.receiver import Receiver, receiving
from tests.jobs.test_webhooks import Post

EVENTS = int(os.environ.get("WEBHOOK_EVENTS", "120"))
KILLS = int(os.environ.get("WEBHOOK_KILLS", "5"))
ROOT = Path(__file__).parents[2]
MERCHANTS = 3
ROLLED_BACK_EACH = 10
"""Of so many events that happen, one more is told in a transaction that is rolled back."""
NEVER = -1
"""How many are on hand where it is rolled back."""


class ThoughtBetter(Exception):
    """A transaction that changes its mind."""


async def test_killed_again_and_again_each_arrives_under_its_id_and_first_attempts_in_order(
    database: Database,
) -> None:
    ring = MasterKeys.generate("1")
    chance = random.Random(11)
    async with receiving() as receiver:
        post = Post(database, receiver, (await a_merchant(database)).id, Vault(lambda: ring))
        others = [(await a_merchant(database)).id for _ in range(MERCHANTS - 1)]
        merchants = [post.merchant_id, *others]
        await tell_all(database)
        for number, merchant_id in enumerate(merchants):
            await post.an_endpoint(EventKind.STOCK_ADJUSTED, url=f"{receiver.url}/{number}", of=merchant_id)
        told = await _happen(database, merchants)
        _strew_failures(receiver, chance)
        ended = await _sent_under_kills(database, receiver, ring, {each for ids in told for each in ids})
    doubles = 0
    for number, expected in enumerate(told):
        got = [each.id for each in receiver.got if each.path.endswith(f"/{number}")]
        assert list(dict.fromkeys(got)) == expected, "all of them, the first attempts in the order of the events"
        doubles += len(got) - len(expected)
    on_hand = {each.content["data"]["on_hand"] for each in receiver.got}
    assert on_hand == set(range(EVENTS)), "all that was committed, and nothing that was rolled back"
    bodies: dict[str, bytes] = {}
    assert all(bodies.setdefault(each.id, each.body) == each.body for each in receiver.got)
    print({"events": EVENTS, "requests": len(receiver.got), "again": doubles, **ended})  # noqa: T201
    assert ended == {"killed": KILLS}


async def _happen(database: Database, merchants: list[UUID]) -> list[list[str]]:
    """EVENTS of them, and their ids in the order in which they were told, merchant by merchant."""
    for number in range(EVENTS):
        merchant_id = merchants[number % MERCHANTS]
        if number % ROLLED_BACK_EACH == 0:
            with suppress(ThoughtBetter):
                await _adjust(database, merchant_id, NEVER, ends_well=False)
        await _adjust(database, merchant_id, number)
    await tell_all(database)
    found = []
    for merchant_id in merchants:
        async with database.read("test") as tx, tx.as_platform() as session:
            kinds = [EventKind.STOCK_ADJUSTED]
            events = await outbox.read(session, 0, EVENTS, merchant_id=merchant_id, kinds=kinds)
        found.append([str(each.id) for each in events])
    return found


async def _adjust(database: Database, merchant_id: UUID, on_hand: int, *, ends_well: bool = True) -> None:
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        facts = {"variant": uuid4(), "on_hand": on_hand}
        await outbox.publish(session, EventKind.STOCK_ADJUSTED, facts, an_act("staff:x"))
        if not ends_well:
            raise ThoughtBetter


def _strew_failures(receiver: Receiver, chance: random.Random) -> None:
    """Now and then the receiver takes a request and answers badly, or not at all."""
    bad = [behaviour.status(500), behaviour.dropped]
    receiver.plan = [chance.choice(bad) if chance.random() < 0.02 else receiver.usual for _ in range(EVENTS)]


async def _sent_under_kills(
    database: Database, receiver: Receiver, ring: MasterKeys, expected: set[str]
) -> Counter[str]:
    """Run and kill workers until all is sent and written down as delivered."""
    given = {"owner_url": database.logins.owner, "keys": ring.to_text(), "times": KILLS, "seed": 7}
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.kill.webhooking"),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert program.stdin
    program.stdin.write(json.dumps({**given, "pause_seconds": 0.6}).encode() + b"\n")
    await program.stdin.drain()
    async with asyncio.timeout(180 + EVENTS / 3 + KILLS * 5):
        while not expected <= {each.id for each in receiver.got} or await _waiting(database):
            assert program.returncode is None
            await asyncio.sleep(0.2)
        program.stdin.close()
        out, err = await program.communicate()
    assert program.returncode == 0, err[-3_000:]
    return Counter(json.loads(out.splitlines()[-1]))


async def _waiting(database: Database) -> int:
    table = webhook_delivery.c
    async with database.read("test") as tx, tx.as_platform() as session:
        statement = select(func.count()).select_from(webhook_delivery).where(table.status != "delivered")
        return int(await session.scalar(statement))
