"""Sends mail: some at once, each over the connection of whoever is free.

Nothing is sent inside a transaction. A worker that dies between sending and writing it down leaves a lease that runs
out, and what it sent is sent again, under the same Message-ID.
"""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from merchantry.domain.act import Act
from merchantry.domain.mail import Answer, Letter, MailStatus, Outcome
from merchantry.gateways.smtp import MailSender
from merchantry.jobs import metrics
from merchantry.jobs.tools import ACTOR, Mailing, Tools
from merchantry.mail.letters import written
from merchantry.services import mail_sending
from merchantry.services.mail_sending import Held
from tenancy.database import Transaction

POLL_SECONDS: Final = 1.0
CONNECTIONS: Final = 4
"""To the mail server, of one worker."""
AT_ONCE: Final = 20
"""How many a worker leases: all of them are sent, or run into their timeouts, before the leases end."""
LONGEST_PAUSE_SECONDS: Final = 60.0
PRUNE_EVERY: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=30)
"""How long it is kept that a mail was sent, or was not."""

log = structlog.get_logger()


async def mail_forever(
    tools: Tools, mailing: Mailing, stop: asyncio.Event, *, poll_seconds: float = POLL_SECONDS
) -> None:
    """Send until ``stop`` is set; what is under way is finished first. Any number of workers may."""
    pruned_at, failures = tools.clock(), 0
    while not stop.is_set():
        try:
            sent, is_away = await mail(tools, mailing, stop)
            failures = failures + 1 if is_away else 0
            if sent and not is_away:
                continue
            if tools.clock() - pruned_at > PRUNE_EVERY:
                pruned_at = tools.clock()
                await prune(tools)
        except Exception as error:  # the next round may go well, and nobody else does the work
            log.exception("mail.round_failed", error=type(error).__name__)
        pause = min(poll_seconds * 2 ** min(failures, 10), LONGEST_PAUSE_SECONDS) * (1 + random.random() / 4)
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await stop.wait()


async def mail(tools: Tools, mailing: Mailing, stop: asyncio.Event | None = None) -> tuple[int, bool]:
    """One round. Returns how many mails were taken, and whether the mail server is away."""
    async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
        waiting = await mail_sending.claim(session, tools.clock(), AT_ONCE)
    taken, away = len(waiting), asyncio.Event()
    waiting.reverse()

    async def connection() -> None:
        async with MailSender.opened(mailing.server, mailing.sender.domain) as sender:
            while waiting and not away.is_set() and not (stop and stop.is_set()):
                if await _send(tools, mailing, sender, waiting.pop()) is Outcome.AWAY:
                    away.set()
                    log.warning("mail.server_away", error=sender.trouble)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(CONNECTIONS, taken)):
            group.create_task(connection())
    if waiting:
        async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            await mail_sending.let_go(session, waiting)
    return taken, away.is_set()


async def mail_all(tools: Tools, mailing: Mailing) -> int:
    """Send all that is due now, unless the server is away. Returns how many were taken."""
    total = 0
    while True:
        taken, is_away = await mail(tools, mailing)
        total += taken
        if is_away or not taken:
            return total


async def prune(tools: Tools) -> int:
    """Forget mail that ended long ago. Returns how many."""
    total = 0
    while True:
        async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            gone = await mail_sending.prune(session, tools.clock() - KEPT)
        total += gone
        if not gone:
            return total


async def _send(tools: Tools, mailing: Mailing, sender: MailSender, held: Held) -> Outcome | None:
    """Whatever is wrong with one mail is no matter of the others; its lease runs out, and it is tried again."""
    try:
        return await _attempt(tools, mailing, sender, held)
    except Exception as error:
        log.exception("mail.not_sent", mail=str(held.id), error=type(error).__name__)
        metrics.MAILS.labels("error").inc()
        return None


async def _attempt(tools: Tools, mailing: Mailing, sender: MailSender, held: Held) -> Outcome | None:
    """Write one, send it, and write down what came of it."""

    async def prepared(tx: Transaction) -> Letter | MailStatus | None:
        async with tx.as_platform() as session:
            return await mail_sending.letter(session, tools.vault, held, _act(tools.clock()))

    found = await tools.database.run(ACTOR, prepared)
    if not isinstance(found, Letter):
        metrics.MAILS.labels(found or "lost").inc()
        return None
    letter = found
    answer = await _answer(mailing, sender, letter, tools.clock())

    async def recorded(tx: Transaction) -> MailStatus | None:
        async with tx.as_platform() as session:
            given = (held, letter, answer, tools.clock(), random.random())
            return await mail_sending.record(session, tools.vault, *given)

    status = await tools.database.run(ACTOR, recorded)
    ended = "lost" if status is None else status if status is not MailStatus.WAITING else answer.outcome
    metrics.MAILS.labels(str(ended)).inc()
    if answer.outcome not in (Outcome.SENT, Outcome.AWAY):
        log.info("mail.attempt_failed", mail=str(held.id), kind=letter.kind, outcome=str(ended), code=answer.code)
    return answer.outcome


async def _answer(mailing: Mailing, sender: MailSender, letter: Letter, now: datetime) -> Answer:
    try:
        message = written(letter, mailing.sender, now)
    except ValueError:  # an address that can't stand in a header
        return Answer(Outcome.BAD_ADDRESS)
    with metrics.MAIL_SECONDS.time():
        return await sender.send(mailing.sender.address, letter.to, message)


def _act(now: datetime) -> Act:
    return Act(ACTOR, now, now)
