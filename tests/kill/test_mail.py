"""Workers that are killed while they send lose no mail and change no Message-ID.

``MAIL_EVENTS=5000 MAIL_KILLS=200`` (``make kill``) sends and kills as many; the suite takes a sample.
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

from sqlalchemy import func, select, update

from merchantry.domain.event import EventKind
from merchantry.domain.notification import Channel, NewsGroup
from merchantry.domain.permission import MerchantRole
from merchantry.jobs.notifying import notify_all
from merchantry.jobs.telling import tell_all
from merchantry.services import notification_preference, outbox, staff
from merchantry.services.notification_preference import Preference
from merchantry.tables.mail import mail
from merchantry.tables.platform import NOBODY
from merchantry.vault.keys import MasterKeys
from tenancy.database import Database
from tenancy.directory import account_of
from tenancy.tables import account
from tests.builders import NOON, a_merchant, an_act
from tests.jobs.mailbox import OK, Mailbox, open_mailbox
from tests.kill.mailing import mailing_at
from tests.kill.test_webhooks import ROLLED_BACK_EACH, ThoughtBetter
from tests.kill.webhooking import now

EVENTS = int(os.environ.get("MAIL_EVENTS", "100"))
KILLS = int(os.environ.get("MAIL_KILLS", "5"))
ROOT = Path(__file__).parents[2]


async def test_killed_again_and_again_each_mail_arrives_under_its_id(database: Database) -> None:
    ring, chance = MasterKeys.generate("1"), random.Random(11)
    kites = await a_merchant(database)
    olga = await _a_reader(database, kites.id)
    async with open_mailbox() as mailbox:
        await _happen(database, kites.id, mailbox.port)
        expected = await _ids(database, olga)
        assert len(expected) == EVENTS
        answers = ["451 4.3.0 Not now", OK]
        mailbox.to_rcpt = [answers[chance.random() > 0.03] for _ in range(EVENTS)]
        ended = await _sent_under_kills(database, mailbox, ring)
        got = [each.id for each in mailbox.got]
    assert set(got) == expected
    subjects: dict[str, str] = {}
    assert all(subjects.setdefault(each.id, each.message["Subject"]) == each.message["Subject"] for each in mailbox.got)
    assert len(set(subjects.values())) == EVENTS
    assert not any("never" in each for each in subjects.values()), "nobody is written to of what was rolled back"
    print({"events": EVENTS, "mails": len(got), "again": len(got) - EVENTS, **ended})  # noqa: T201
    assert ended == {"killed": KILLS}


async def _a_reader(database: Database, merchant_id: UUID) -> UUID:
    async with database.write("test") as tx, tx.as_platform() as session:
        account_id = await account_of(session, "https://id.test", "olga", None, at=NOON)
        await session.execute(update(account).where(account.c.id == account_id).values(email="olga@kites.test"))
        await staff.grant_role(session, account_id, merchant_id, MerchantRole.OWNER, an_act())
        said = Preference(account_id, NOBODY, NewsGroup.ORDERS, Channel.EMAIL)
        await notification_preference.set_channel(session, said, NOON)
    return account_id


async def _happen(database: Database, merchant_id: UUID, port: int) -> None:
    for number in range(EVENTS):
        if number % ROLLED_BACK_EACH == 0:
            with suppress(ThoughtBetter):
                await _place(database, merchant_id, "never", ends_well=False)
        await _place(database, merchant_id, f"1-{number}")
    await tell_all(database)
    await notify_all(database, now(), mailing_at(port).digest_at)


async def _place(database: Database, merchant_id: UUID, number: str, *, ends_well: bool = True) -> None:
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        facts = {"order": uuid4(), "number": number, "total_minor": 100, "currency": "BRL"}
        await outbox.publish(session, EventKind.ORDER_CREATED, facts, an_act("staff:x"))
        if not ends_well:
            raise ThoughtBetter


async def _ids(database: Database, account_id: UUID) -> set[str]:
    async with database.read("test") as tx, tx.as_platform() as session:
        found = await session.execute(select(mail.c.id).where(mail.c.account_id == account_id))
        return {f"<{each}@mall.test>" for each in found.scalars()}


async def _sent_under_kills(database: Database, mailbox: Mailbox, ring: MasterKeys) -> Counter[str]:
    """Run and kill workers until all is sent and written down as sent."""
    given = {
        "owner_url": database.logins.owner,
        "keys": ring.to_text(),
        "port": mailbox.port,
        "times": KILLS,
        "seed": 7,
    }
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.kill.mailing"),
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
        while await _unsent(database):
            assert program.returncode is None
            await asyncio.sleep(0.2)
        program.stdin.close()
        out, err = await program.communicate()
    assert program.returncode == 0, err[-3_000:]
    return Counter(json.loads(out.splitlines()[-1]))


async def _unsent(database: Database) -> int:
    async with database.read("test") as tx, tx.as_platform() as session:
        return int(await session.scalar(select(func.count()).select_from(mail).where(mail.c.status != "sent")))
