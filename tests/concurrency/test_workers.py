"""Workers: several at once do each job once, and one that was killed and started again days later changes no number."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from merchantry.domain.permission import MerchantRole
from merchantry.jobs import worker
from merchantry.jobs.tools import Tools
from tenancy.database import Database
from tenancy.logins import Logins
from tests.builders import a_merchant, a_product
from tests.cluster import Cluster
from tests.concurrency.counting import check_everything, rows
from tests.graphql_api.documents import CANCEL, a_line, buy, confirm, place, ship
from tests.graphql_api.mall import Mall, open_mall

DAYS = 60
BOOKS = {
    "entries": "SELECT kind, occurred_at, available_at, account, currency, amount FROM {schema}.ledger_entry"
    " WHERE kind <> 'refund_sent'",
    "sent": "SELECT kind, account, currency, amount FROM {schema}.ledger_entry WHERE kind = 'refund_sent'",
    "balances": "SELECT account, currency, amount_minor FROM {schema}.balance",
    "days": "SELECT * FROM {schema}.daily_total",
    "available": "SELECT * FROM {schema}.daily_available",
    "orders": "SELECT number, status, completed_at, cancelled_at, hold_ends_at, available_at FROM {schema}.orders",
    "events": "SELECT number, seq, kind, occurred_at FROM {schema}.order_event"
    " JOIN {schema}.orders ON orders.id = order_id",
    "stock": "SELECT on_hand, reserved FROM {schema}.variant",
    "checkouts": "SELECT status, paid_at, goods_minor FROM platform.checkout",
}


@asynccontextmanager
async def a_mall(logins: Logins, directory: Path) -> AsyncIterator[Mall]:
    """A mall over a database of its own."""
    database = Database(logins, pool_size=6)
    try:
        async with open_mall(database, directory) as mall:
            yield mall
    finally:
        await database.close()


async def some_trade(mall: Mall, orders: int = 3) -> Any:
    """A merchant with orders in every state in which something is left for the worker to do."""
    merchant = await a_merchant(mall.database, "stall")
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    kite = await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=1000)
    line = a_line(merchant, kite)
    for number in range(orders):
        await place(mall, "bea", line)
        shipped = (await buy(mall, "bea", line))["orders"][0]
        await ship(mall, "olga", merchant, shipped["id"])
        received = (await buy(mall, "bea", line))["orders"][0]
        await ship(mall, "olga", merchant, received["id"])
        await confirm(mall, "bea", received["id"])
        regretted = (await buy(mall, "bea", line))["orders"][0]
        given = {"orderId": regretted["id"], "reason": "no longer", "idempotencyKey": str(uuid4())}
        await mall.ask(CANCEL, {"input": given}, who="bea")
        mall.clock.advance(hours=7, minutes=number)
    return merchant


def books_of(mall: Mall, merchant: Any) -> dict[str, list[str]]:
    """All that must not depend on when a worker ran."""
    return {name: sorted(map(str, rows(mall.database, query, merchant.id))) for name, query in BOOKS.items()}


async def test_two_workers_do_every_job_once(logins: Logins, tmp_path: Path) -> None:
    async with a_mall(logins, tmp_path) as mall:
        merchant = await some_trade(mall)
        mall.clock.advance(days=DAYS)
        second = Database(logins, pool_size=6)
        others = Tools(second, mall.tools.gateway, mall.clock, mall.tools.vault)
        (due,) = rows(mall.database, "SELECT count(*) AS jobs FROM platform.job")
        try:
            done = await asyncio.gather(
                *(worker.run_due(tools, mall.clock(), concurrency=3) for tools in (mall.tools, others))
            )
        finally:
            await second.close()
        assert rows(mall.database, "SELECT * FROM platform.job") == []
        completed = 3  # orders that were only shipped complete first, and are released by a job of their own
        assert sum(done) == due["jobs"] + completed
        events = rows(mall.database, "SELECT order_id, kind FROM {schema}.order_event", merchant.id)
        for kind, times in (("complete", 3), ("release", 6), ("expire", 3)):
            assert len([event for event in events if event["kind"] == kind]) == times
            assert len({event["order_id"] for event in events if event["kind"] == kind}) == times
        assert len(rows(mall.database, "SELECT id FROM platform.sandbox_refund")) == 3
        await check_everything(mall.database)


async def test_a_worker_killed_midway_and_started_days_later_books_the_same(cluster: Cluster, tmp_path: Path) -> None:
    punctual, late = cluster.clone(), cluster.clone()
    async with a_mall(punctual, tmp_path / "punctual") as mall:
        merchant = await some_trade(mall)
        for _ in range(DAYS):
            await mall.work()
            mall.clock.advance(days=1)
        await mall.work()
        expected = books_of(mall, merchant)
        await check_everything(mall.database)
    async with a_mall(late, tmp_path / "late") as mall:
        merchant = await some_trade(mall)
        mall.clock.advance(days=DAYS // 2)
        for pause in (0.005, 0.02, 0.05, 0.1):
            killed = asyncio.create_task(mall.work())
            await asyncio.sleep(pause)
            killed.cancel()
            await asyncio.gather(killed, return_exceptions=True)
            mall.clock.advance(days=1)
        mall.clock.advance(days=DAYS // 2)
        await mall.work()
        assert books_of(mall, merchant) == expected
        await check_everything(mall.database)
    for logins in (punctual, late):
        cluster.drop(logins)
