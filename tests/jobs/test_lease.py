"""Long work is not taken for dead: leases of jobs, and a settlement run's progress, are renewed by time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from merchantry.gateways.payment import Outcome, Tender
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import settlement, worker
from merchantry.jobs.lease import Lease
from merchantry.jobs.tools import Tools
from merchantry.tables.merchant import counter
from merchantry.tables.platform import job as job_table
from merchantry.tables.settlement import settlement_run
from tenancy.database import Database
from tests.builders import a_vault, an_act
from tests.services.books import a_shelf
from tests.services.stall import Stall, a_stall
from tests.services.test_refund import give_back
from tests.services.test_settlement import local

OFTEN = Lease(timedelta(minutes=2), 0.01)


class SlowGateway(Sandbox):
    """A provider that answers refunds when it is told to."""

    def __init__(self, database: Database, stall: Stall) -> None:
        super().__init__(database, lambda: stall.now, "")
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()

    async def refund(self, key: UUID, charge_key: UUID, amount_minor: int, tenders: Sequence[Tender]) -> Outcome:
        """Take one's time."""
        self.asked.set()
        await self.may_answer.wait()
        return await super().refund(key, charge_key, amount_minor, tenders)


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another task does."""
    async with asyncio.timeout(60):
        while not await is_so():  # noqa: ASYNC110 - it is the database that is watched
            await asyncio.sleep(0.01)


async def test_a_job_that_outlasts_its_lease_is_not_taken_by_another_worker(database: Database) -> None:
    stall = await a_stall(database)
    refund_id = await give_back(stall, await stall.sell(), goodwill_minor=1_000)
    gateway = SlowGateway(database, stall)
    tools = Tools(database, gateway, lambda: stall.now, a_vault())

    async def leased_until() -> datetime | None:
        async with database.read("test") as tx, tx.as_platform() as session:
            chosen = select(job_table.c.leased_until).where(job_table.c.subject_id == refund_id)
            found: datetime | None = await session.scalar(chosen)
            return found

    async def is_renewed() -> bool:
        return await leased_until() == stall.now + OFTEN.span

    working = asyncio.create_task(worker.run_batch(tools, stall.now, lease=OFTEN))
    await gateway.asked.wait()
    for _ in range(3):
        stall.now += timedelta(seconds=90)
        await until(is_renewed)
    assert [job.subject_id for job in await worker.claim(tools, stall.now, 20) if job.subject_id == refund_id] == []
    gateway.may_answer.set()
    await working
    assert [row.status for row in await stall.refunds()] == ["sent"]
    assert await leased_until() is None, "the job is done"


async def test_a_job_of_a_worker_that_died_is_taken_once_its_lease_is_over(database: Database) -> None:
    stall = await a_stall(database)
    refund_id = await give_back(stall, await stall.sell(), goodwill_minor=1_000)
    gateway = SlowGateway(database, stall)
    tools = Tools(database, gateway, lambda: stall.now, a_vault())
    working = asyncio.create_task(worker.run_batch(tools, stall.now, lease=OFTEN))
    await gateway.asked.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    stall.now += 2 * OFTEN.span
    assert refund_id in [job.subject_id for job in await worker.claim(tools, stall.now, 20)]


async def test_a_settlement_run_moves_on_while_one_merchant_takes_its_time(database: Database) -> None:
    shelf = await a_shelf(database)
    await shelf.sell(500, local(2026, 3, 3))
    clock = [local(2026, 3, 9) + timedelta(hours=1)]
    tools = Tools(database, Sandbox(database, lambda: clock[0], ""), lambda: clock[0], a_vault())
    act = an_act("system:settlement", clock[0])

    async def is_told() -> bool:
        async with database.read("test") as tx, tx.as_platform() as session:
            table = settlement_run.c
            row = (await session.execute(select(table.progressed_at, table.status))).one_or_none()
            return row is not None and (row.progressed_at, row.status) == (clock[0], "running")

    async with database.write("test") as tx, tx.as_merchant(shelf.merchant.id) as session:
        await session.execute(select(counter.c.value).with_for_update())
        running = asyncio.create_task(settlement.run(tools, clock[0], act, tell_every_seconds=0.01))
        for _ in range(3):
            clock[0] += timedelta(minutes=1)
            await until(is_told)
    tally = await running
    assert (tally.merchants_done, tally.statements, tally.failures) == (1, 1, [])
