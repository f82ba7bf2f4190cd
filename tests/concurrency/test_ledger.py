"""Entries that are booked at once stand one after the other, also the first ones that an account ever gets."""

import asyncio
from uuid import uuid4

from merchantry.domain.ledger import Account, Entry, EntryKind, Posting
from merchantry.services import ledger
from tenancy.database import Database
from tests.builders import NOON, a_merchant, an_act
from tests.concurrency.counting import rows

WRITERS = 6
EACH = 4


async def test_each_entry_knows_the_balances_that_it_leaves(database: Database) -> None:
    kites = await a_merchant(database)

    async def book(writer: int) -> None:
        for number in range(EACH):
            currency = (
                "BRL" if writer % 2 else ("USD", "EUR", "JPY", "CNY")[number]
            )  # accounts come to be while others wait
            postings = (Posting(Account.BUYER_FUNDS, currency, -100), Posting(Account.MERCHANT_PENDING, currency, 100))
            entry = Entry(EntryKind.CAPTURE, uuid4(), NOON, None, None, postings, {})
            async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
                await ledger.book(session, entry, an_act())

    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(book(writer))
    sums: dict[str, int] = {}
    booked = rows(
        database, "SELECT seq, currency, amount, balance_after FROM {schema}.ledger_entry ORDER BY seq", kites.id
    )
    assert [row["seq"] for row in booked] == list(range(1, WRITERS * EACH + 1))
    for row in booked:
        sums[row["currency"][0]] = sums.get(row["currency"][0], 0) + 100
        assert row["balance_after"] == [-sums[row["currency"][0]], sums[row["currency"][0]]], row
    balances = rows(database, "SELECT currency, amount_minor FROM {schema}.balance WHERE amount_minor > 0", kites.id)
    assert {row["currency"]: row["amount_minor"] for row in balances} == sums
