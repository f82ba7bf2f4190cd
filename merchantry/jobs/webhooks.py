"""Sends webhooks: divides events among endpoints, then sends to some endpoints at once, to each one after the other.

Nothing is sent inside a transaction. A worker that dies between sending and writing it down leaves a lease that runs
out, and what it sent is sent again, under the same id.
"""

import asyncio
import random
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import structlog

from merchantry.domain.act import Act
from merchantry.domain.webhook import headers_of
from merchantry.gateways.webhook import WebhookSender
from merchantry.jobs import metrics
from merchantry.jobs.tools import ACTOR, Tools, Webhooks
from merchantry.services import webhook_sending
from merchantry.services.outbox import BATCH
from merchantry.services.webhook_sending import Lane, Outgoing
from tenancy.database import Transaction

POLL_SECONDS: Final = 0.5
LANES: Final = 8
"""Endpoints that one worker sends to at once."""
IN_A_ROW: Final = 50
"""Deliveries to one endpoint before another may have its place."""
PRUNE_EVERY: Final = timedelta(hours=1)

log = structlog.get_logger()


async def send_forever(
    tools: Tools, webhooks: Webhooks, stop: asyncio.Event, *, poll_seconds: float = POLL_SECONDS
) -> None:
    """Send until ``stop`` is set; attempts under way are finished first. Any number of workers may."""
    pruned_at = tools.clock()
    async with WebhookSender.opened(webhooks.reach) as sender, asyncio.TaskGroup() as group:
        busy: set[asyncio.Task[None]] = set()
        while not stop.is_set():
            try:
                while await divide(tools, webhooks) == BATCH:
                    pass
                for lane in await _claim(tools, LANES - len(busy)):
                    busy.add(group.create_task(_send_all(tools, sender, lane, stop)))
                if tools.clock() - pruned_at > PRUNE_EVERY:
                    pruned_at = tools.clock()
                    await prune(tools, webhooks)
            except Exception as error:  # the next round may go well, and nobody else does the work
                log.exception("webhooks.round_failed", error=type(error).__name__)
            await _pause(busy, stop, poll_seconds)
            busy = {task for task in busy if not task.done()}


async def _pause(busy: set[asyncio.Task[None]], stop: asyncio.Event, seconds: float) -> None:
    """Until it is time to look again: at once where every place is taken and one becomes free."""
    ended = asyncio.ensure_future(stop.wait())
    waited_for = {ended, *(busy if len(busy) >= LANES else ())}
    await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()


async def send_due(tools: Tools, webhooks: Webhooks) -> int:
    """Divide and send all that is due now. Returns how many attempts were made."""
    attempts = 0
    async with WebhookSender.opened(webhooks.reach) as sender:
        while True:
            while await divide(tools, webhooks):
                pass
            lanes = await _claim(tools, LANES)
            if not lanes:
                return attempts
            attempts += sum(await asyncio.gather(*(_send_some(tools, sender, lane, asyncio.Event()) for lane in lanes)))


async def divide(tools: Tools, webhooks: Webhooks) -> int:
    """One batch of events, divided among endpoints. Returns how many there were."""
    async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
        return await webhook_sending.fan_out(session, webhooks.present, tools.clock())


async def prune(tools: Tools, webhooks: Webhooks) -> int:
    """Forget old deliveries. Returns how many."""
    total = 0
    while True:
        async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            gone = await webhook_sending.prune(session, tools.clock() - webhooks.kept)
        total += gone
        if not gone:
            return total


async def _claim(tools: Tools, limit: int) -> list[Lane]:
    if limit <= 0:
        return []
    async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
        return await webhook_sending.claim(session, tools.clock(), limit)


async def _send_all(tools: Tools, sender: WebhookSender, lane: Lane, stop: asyncio.Event) -> None:
    """Whatever happens to one endpoint is no matter of the others; its lease runs out, and it is tried again."""
    try:
        await _send_some(tools, sender, lane, stop)
    except Exception as error:
        log.exception("webhooks.endpoint_failed", endpoint=str(lane.endpoint_id), error=type(error).__name__)


async def _send_some(tools: Tools, sender: WebhookSender, lane: Lane, stop: asyncio.Event) -> int:
    """Send what is due at one endpoint, one after the other, up to IN_A_ROW. Returns how many attempts were made."""
    for attempts in range(IN_A_ROW):
        if stop.is_set():
            break
        async with tools.database.write(ACTOR) as tx:
            found = await webhook_sending.next_of(tx, tools.vault, lane, tools.clock())
        if found is None:
            return attempts
        lane, outgoing = found
        if not await _attempt(tools, sender, lane, outgoing):
            return attempts + 1
    else:
        attempts = IN_A_ROW
    with suppress(OSError):  # the lease runs out by itself
        async with tools.database.write(ACTOR) as tx, tx.as_platform() as session:
            await webhook_sending.let_go(session, lane)
    return attempts


async def _attempt(tools: Tools, sender: WebhookSender, lane: Lane, outgoing: Outgoing) -> bool:
    """Send one, and write down what came of it. False where the endpoint is somebody else's by then."""
    at = tools.clock()
    headers = headers_of(outgoing.event_id, at, outgoing.body, outgoing.secrets)
    with metrics.WEBHOOK_SECONDS.time():
        answer = await sender.send(outgoing.url, outgoing.body, headers)

    async def written(tx: Transaction) -> str | None:
        act = _act(tools.clock())
        async with tx.as_platform() as session:
            return await webhook_sending.record(session, lane, outgoing, answer, at, act, random.random())

    outcome = await tools.database.run(ACTOR, written)
    metrics.WEBHOOKS.labels(outcome or "lost").inc()
    if outcome not in (None, "delivered"):
        log.info(
            "webhooks.attempt_failed",
            endpoint=str(lane.endpoint_id),
            kind=outgoing.kind,
            attempts=outgoing.attempts + 1,
            outcome=outcome,
            status=answer.status,
            error=answer.error,
        )
    return outcome is not None


def _act(now: datetime) -> Act:
    return Act(ACTOR, now, now)
