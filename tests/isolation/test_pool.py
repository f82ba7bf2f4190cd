"""Nothing stays on a pooled connection, whatever became of the request before.

200 requests of 20 merchants, 80 at once, over pools of 5 connections, some failing and some cancelled midway: no answer
holds another merchant's row, and every connection is handed out clean, which is checked at each hand-out.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole
from merchantry.services import catalogue
from merchantry.services.variant import adjust_stock
from merchantry.tables.merchant import product
from tenancy.connections import Lease, Pool
from tenancy.database import Database
from tenancy.principals import Merchant
from tenancy.schemas import ANALYST, APP
from tests.builders import a_product, a_shop, an_act, some_merchants
from tests.graphql_api.mall import Mall, open_mall

MERCHANTS = 20
REQUESTS = 200
AT_ONCE = 80
"""Fewer than the door lets wait: of more it would send some away, however soon they come."""
STATE = (
    "SELECT current_user, session_user, current_setting('statement_timeout'), current_setting('lock_timeout'),"
    " current_setting('search_path'), current_setting('role')"
)
CLEAN = {(login, login, "0", "0", '""', "none") for login in (APP, ANALYST)}
PRODUCTS = "{ merchant { slug products { nodes { id title variants { sku } } } } }"
STOCK = """mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) {
  __typename ... on StockAdjusted { variant { sku } } ... on Problem { code } } }"""


@pytest.fixture
async def mall(database: Database, tmp_path: Path) -> AsyncIterator[Mall]:
    """An application whose pool has five connections."""
    async with open_mall(database, tmp_path) as mall:
        yield mall


@contextmanager
def inspected() -> Iterator[list[tuple[Any, ...]]]:
    """Whatever state connections are handed out in, as long as the block runs."""
    states: list[tuple[Any, ...]] = []
    take = Pool.take

    async def looked_at(self: Pool) -> Lease:
        lease = await take(self)
        try:
            row = await (await lease.driver.execute(STATE)).fetchone()
        except BaseException:
            lease.end()
            raise
        assert row is not None
        states.append(tuple(row))
        return lease

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Pool, "take", looked_at)
        yield states


async def twenty(database: Database) -> list[tuple[Merchant, catalogue.Product]]:
    """Merchants with one product each, which bears the merchant's name."""
    merchants = await some_merchants(database, *(a_shop(f"stall-{number}") for number in range(MERCHANTS)))
    return [(each, await a_product(database, each, title=f"only {each.slug}")) for each in merchants]


async def test_two_hundred_requests_over_five_connections_show_nobody_anothers_row(mall: Mall) -> None:
    stalls, chance = await twenty(mall.database), random.Random(20260302)
    for merchant, _ in stalls:
        await mall.hire(f"{merchant.slug}-owner", merchant, MerchantRole.OWNER)
    let_in = asyncio.Semaphore(AT_ONCE)

    async def ask(number: int) -> None:
        async with let_in:
            await answered(number)

    async def answered(number: int) -> None:
        merchant, made = stalls[number % MERCHANTS]
        other, others = stalls[(number + 1) % MERCHANTS]
        owner, slug = f"{merchant.slug}-owner", merchant.slug
        kind = number % 5
        if kind == 3:  # takes away more than there is, which the database refuses
            row = encode_id("Variant", merchant.id, made.variants[0].id)
            given = {"variantId": row, "change": -1_000_000, "idempotencyKey": str(number)}
            answer = await mall.ask(STOCK, {"i": given}, who=owner, merchant=slug)
            assert answer.data["stockAdjust"]["code"] == "STOCK_REFUSED"
        elif kind == 4:
            row = encode_id("Variant", other.id, others.variants[0].id)
            given = {"variantId": row, "change": 1, "idempotencyKey": str(number)}
            answer = await mall.ask(STOCK, {"i": given}, who=owner, merchant=slug)
            assert answer.data["stockAdjust"]["code"] == "NOT_FOUND"
        else:
            answer = await mall.ask(PRODUCTS, who=owner, merchant=slug)
            shown = answer.data["merchant"]
            assert shown["slug"] == merchant.slug
            assert [each["title"] for each in shown["products"]["nodes"]] == [f"only {merchant.slug}"]
        assert f"only {other.slug}" not in str(answer.body)

    async def cancelled_midway(number: int) -> None:
        task = asyncio.create_task(ask(number))
        await asyncio.sleep(chance.uniform(0, 0.3))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with inspected() as states:
        async with asyncio.TaskGroup() as group:
            for number in range(REQUESTS):
                group.create_task(cancelled_midway(number) if chance.random() < 0.3 else ask(number))
        for number in range(MERCHANTS):
            await ask(number)
    assert len(states) > REQUESTS
    assert set(states) <= CLEAN, set(states) - CLEAN


async def test_service_tasks_that_fail_or_are_cancelled_leave_clean_connections(database: Database) -> None:
    stalls, chance = await twenty(database), random.Random(7)
    seen: list[tuple[str, list[str]]] = []

    async def work(number: int) -> None:
        merchant, made = stalls[number % MERCHANTS]
        variant = made.variants[0].id
        with suppress(DBAPIError):
            async with database.write(f"test:{merchant.slug}") as tx, tx.as_merchant(merchant.id) as session:
                rows = await session.execute(select(product.c.title))
                seen.append((merchant.slug, list(rows.scalars())))
                await adjust_stock(session, variant, 1, an_act())
                if number % 4 == 1:
                    await session.execute(text("SELECT 1 / 0"))
                if number % 4 == 2:
                    await session.execute(text("SELECT pg_sleep(0.02)"))

    async def cancelled(number: int) -> None:
        task = asyncio.create_task(work(number))
        await asyncio.sleep(chance.uniform(0, 0.2))
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    with inspected() as states:
        async with asyncio.TaskGroup() as group:
            for number in range(REQUESTS):
                group.create_task(cancelled(number) if chance.random() < 0.5 else work(number))
        for _ in range(5):
            await work(0)
    assert len(seen) > MERCHANTS
    assert all(titles == [f"only {slug}"] for slug, titles in seen)
    assert set(states) <= CLEAN, set(states) - CLEAN
