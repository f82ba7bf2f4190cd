"""Checkouts that cross: the same merchants in opposite order, with everything else that touches their rows meanwhile.

Nothing deadlocks (the server's own count stays where it was), nobody is answered an error, and all sums hold.
"""

import asyncio
import random
from typing import Any
from uuid import uuid4

import psycopg

from merchantry.domain.permission import MerchantRole
from merchantry.services.catalogue import Product
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_product, a_shop, some_merchants
from tests.concurrency.counting import check_everything, rows, stock_of
from tests.graphql_api.documents import CANCEL, a_line, pay, place, ship
from tests.graphql_api.mall import Mall

CHECKOUTS = 40
UNPAID_BEFORE = 10
STOCK = 100
ADJUST = """mutation ($i: StockAdjustInput!) { stockAdjust(input: $i) { __typename ... on Problem { code } } }"""
GIVE_UP = """mutation ($i: CheckoutCancelInput!) { checkoutCancel(input: $i) { __typename ... on Problem { code } } }"""

Stall = tuple[Merchant, list[Product]]


async def four_stalls(mall: Mall) -> list[Stall]:
    """Four merchants of two products each, with an owner each."""
    merchants = await some_merchants(mall.database, *(a_shop(f"stall-{number}") for number in range(4)))
    stalls = []
    for merchant in merchants:
        await mall.hire(f"{merchant.slug}-owner", merchant, MerchantRole.OWNER)
        products = [await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=STOCK) for _ in range(2)]
        stalls.append((merchant, products))
    return stalls


def lines_over(stalls: list[Stall], number: int) -> list[Any]:
    """Both products of all stalls; every other cart names them backwards."""
    lines = [a_line(merchant, product) for merchant, products in stalls for product in products]
    return lines if number % 2 else lines[::-1]


async def a_life(mall: Mall, stalls: list[Stall], number: int) -> str:
    """One checkout and what becomes of it."""
    buyer = f"buyer-{number}"
    placed = await place(mall, buyer, *lines_over(stalls, number))
    assert placed["__typename"] == "CheckoutPlaced", placed
    checkout = placed["checkout"]
    key = str(uuid4())
    if number % 4 == 0:
        given: dict[str, Any] = {"checkoutId": checkout["id"], "idempotencyKey": key}
        return str((await mall.ask(GIVE_UP, {"i": given}, who=buyer)).data["checkoutCancel"]["__typename"])
    paid = await pay(mall, buyer, checkout)
    assert paid["__typename"] == "CheckoutPaid", paid
    orders = sorted(checkout["orders"], key=lambda order: str(order["merchantName"]))
    merchant, order = stalls[number % 4][0], orders[number % 4]
    if number % 4 == 1:
        given = {"orderId": order["id"], "reason": "no longer", "idempotencyKey": key}
        return str((await mall.ask(CANCEL, {"input": given}, who=buyer)).data["orderCancel"]["__typename"])
    return str((await ship(mall, f"{merchant.slug}-owner", merchant, order["id"]))["__typename"])


async def an_adjustment(mall: Mall, stalls: list[Stall], number: int) -> str:
    """A clerk counts a piece in, or out again."""
    merchant, products = stalls[number % 4]
    variant = a_line(merchant, products[number // 4 % 2])["variantId"]
    given = {"variantId": variant, "change": 1 if number % 8 < 4 else -1, "idempotencyKey": str(uuid4())}
    answer = await mall.ask(ADJUST, {"i": given}, who=f"{merchant.slug}-owner", merchant=merchant.slug)
    return str(answer.data["stockAdjust"]["__typename"])


def deadlocks(database: Database) -> int:
    """How many PostgreSQL has broken in this database."""
    with psycopg.connect(database.logins.owner, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    return int(str(row[0])) if row else 0


async def test_forty_crossing_checkouts_with_everything_beside_them(mall: Mall) -> None:
    stalls, chance = await four_stalls(mall), random.Random(11)
    for number in range(UNPAID_BEFORE):
        placed = await place(mall, f"sleeper-{number}", *lines_over(stalls, number))
        assert placed["__typename"] == "CheckoutPlaced"
    mall.clock.advance(minutes=31)
    acts = [a_life(mall, stalls, number) for number in range(CHECKOUTS - UNPAID_BEFORE)]
    acts += [an_adjustment(mall, stalls, number) for number in range(16)]
    chance.shuffle(acts)
    outcomes, done = await asyncio.gather(asyncio.gather(*acts), asyncio.gather(mall.work(), mall.work()))
    assert set(outcomes) == {"CheckoutCancelled", "OrderCancelled", "OrderShipped", "StockAdjusted"}
    assert sum(done) >= UNPAID_BEFORE
    await mall.work()
    await asyncio.sleep(1.1)  # servers report what they counted once a second
    assert deadlocks(mall.database) == 0
    statuses = [row["status"] for row in rows(mall.database, "SELECT status FROM platform.checkout")]
    assert statuses.count("expired") == UNPAID_BEFORE
    assert len(statuses) == CHECKOUTS
    await check_everything(mall.database)
    for merchant, _ in stalls:
        lines = rows(mall.database, "SELECT shipped FROM {schema}.order_line", merchant.id)
        shipped = sum(line["shipped"] for line in lines)
        assert sum(on_hand for on_hand, _ in stock_of(mall.database, merchant.id)) == 2 * STOCK - shipped
