"""Everything a worker does until it is stopped: due jobs, what comes round, the log and its witnesses, events and
who is told of them."""

import asyncio

from merchantry.jobs import (
    backing_up,
    mailing,
    notifying,
    scheduled_verification,
    sequencing,
    settling,
    telling,
    webhooks,
    witnessing,
    worker,
)
from merchantry.jobs.tools import Tools


async def work_forever(tools: Tools, stop: asyncio.Event) -> None:
    """Work until ``stop`` is set; what is under way is finished first. Any number of workers may run at once."""
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run_forever(tools, stop))
        group.create_task(settling.settle_forever(tools, stop))
        group.create_task(backing_up.ask_forever(tools, stop))
        group.create_task(scheduled_verification.verify_forever(tools, stop))
        group.create_task(telling.tell_forever(tools.database, tools.clock, stop))
        digest_at = tools.mailing.digest_at if tools.mailing else None
        group.create_task(notifying.notify_forever(tools.database, tools.clock, stop, digest_at))
        if tools.mailing is not None:
            group.create_task(mailing.mail_forever(tools, tools.mailing, stop))
        if tools.webhooks is not None:
            group.create_task(webhooks.send_forever(tools, tools.webhooks, stop))
        if tools.log_keys is not None:
            policy = tools.witness_policy
            group.create_task(sequencing.sequence_forever(tools.database, tools.log_keys, tools.clock, stop, policy))
            if policy is not None:
                group.create_task(witnessing.witness_forever(tools.database, policy, tools.clock, stop))
