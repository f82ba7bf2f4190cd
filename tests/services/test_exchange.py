"""Exchanges: an entry of its own, a line of both statements; refunds stay in the order's currency."""

from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import select

from merchantry.domain import exchange as rules
from merchantry.domain.errors import InvalidInput
from merchantry.domain.refund import Asked
from merchantry.services import exchange, ledger, refund, settlement
from merchantry.services.refund import NewRefund
from merchantry.tables.platform import platform_entry
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.builders import an_act
from tests.services.books import Shelf
from tests.services.stall import DAY, Stall, a_stall, check_books


async def book(stall: Stall, minor: int, currency: str = "BRL", to: str = "EUR", rate: str = "0.1834") -> None:
    found = rules.exchanged(
        uuid4(), minor, currency, to, rate=rate, source="the central bank", rate_at=stall.now, at=stall.now
    )
    act = an_act("platform:test", at=stall.now)
    async with stall.database.write("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        await exchange.book(session, found, act)


async def test_an_exchange_is_a_line_of_both_statements_and_of_the_platforms_books(database: Database) -> None:
    stall = await a_stall(database)
    await stall.release(await stall.sell())
    await book(stall, 8_000)
    async with database.read("test") as tx, tx.as_platform() as session:
        rows = await session.execute(select(platform_entry).where(platform_entry.c.kind == "exchange"))
        [row] = rows.all()
    assert dict(zip(zip(row.account, row.currency, strict=True), row.amount, strict=True)) == {
        ("merchant_clearing", "BRL"): -8_000,
        ("exchange_clearing", "BRL"): 8_000,
        ("merchant_clearing", "EUR"): 1_467,
        ("exchange_clearing", "EUR"): -1_467,
    }
    shelf = Shelf(database, stall.merchant)
    await shelf.close(stall.now + 14 * DAY)
    found = {each.currency: each for each in await shelf.statements()}
    assert found["BRL"].kinds == {"release": [1, 8_750], "exchange": [1, -8_000]}
    assert found["EUR"].kinds == {"exchange": [1, 1_467]}
    assert (found["BRL"].closing_minor, found["EUR"].closing_minor) == (750, 1_467)
    await check_books(database)


async def test_an_exchange_that_one_statement_has_claimed_is_open_in_the_other_currency(
    database: Database,
) -> None:
    """Nothing but `close` claims, and it claims both; the query must not depend on that."""
    stall = await a_stall(database)
    await stall.release(await stall.sell())
    await book(stall, 8_000)
    shelf = Shelf(database, stall.merchant)
    await shelf.close(stall.now + 14 * DAY)
    [statement] = [each for each in await shelf.statements() if each.currency == "EUR"]
    schema = schema_of(stall.merchant.id)
    with psycopg.connect(database.logins.owner) as owner:
        owner.execute(f"DELETE FROM {schema}.statement_line WHERE statement_id = %s".encode(), [statement.id])  # noqa: S608
        owner.execute(f"DELETE FROM {schema}.statement WHERE currency = 'EUR'".encode())  # noqa: S608
        owner.execute(f"UPDATE {schema}.statement SET last_seq = 0".encode())  # noqa: S608
    async with database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        _, found = await settlement.unclaimed(session, stall.now + 28 * DAY)
    assert {currency: [each.amount_minor for each in rows] for currency, rows in found.items()} == {"EUR": [1_467]}


async def test_no_more_is_exchanged_than_is_available(database: Database) -> None:
    stall = await a_stall(database)
    await stall.release(await stall.sell())
    with pytest.raises(InvalidInput, match=r"87\.50 BRL"):
        await book(stall, 8_751)
    with pytest.raises(InvalidInput, match=r"0\.00 USD"):
        await book(stall, 100, "USD")
    await book(stall, 8_750)
    await check_books(database)


async def test_a_refund_of_what_was_exchanged_stays_in_the_orders_currency(database: Database) -> None:
    stall = await a_stall(database)
    order_id = await stall.sell()
    await stall.release(order_id)
    await book(stall, 8_750)
    async with database.write("test") as tx:
        new = NewRefund(order_id, "broken", Asked(goodwill_minor=10_000))
        await refund.create(tx, stall.merchant.id, new, an_act("staff:test", at=stall.now))
    async with database.read("test") as tx, tx.as_merchant(stall.merchant.id) as session:
        kept = await ledger.balances(session)
    found = {(each.account, each.currency): each.amount_minor for each in kept}
    assert found["merchant_available", "BRL"] == -8_750
    assert found["merchant_available", "EUR"] == 1_605
    await check_books(database)
