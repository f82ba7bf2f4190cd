"""The books of a merchant whose goods the platform sells: settled, refunded, recounted; a wrong number is named."""

from pathlib import Path

import psycopg
import pytest

from merchantry.domain.ledger_audit import LedgerAudit
from merchantry.domain.seller import SellerOfRecord
from merchantry.jobs.export import write_ledger
from merchantry.services.books import Broken, Law
from merchantry.services.verification import merchants_to_verify, verify_books
from tenancy.database import Database
from tenancy.schemas import schema_of
from tests.services.books import Shelf
from tests.services.stall import DAY, Stall, check_books
from tests.services.test_chargeback import give_back
from tests.services.test_seller import a_supplier, sells_itself

TAMPERED = {
    "a self-billed amount": (
        "UPDATE platform.commission_invoice SET net_minor = net_minor + 1 WHERE kind = 'self_billed'",
        Law.INVOICE,
        "-B00001",
    ),
    "a self-billed line": (
        "UPDATE platform.commission_invoice SET lines = '[[\"Goods bought\", 17501, 0, 0]]', net_minor = 17501"
        " WHERE kind = 'self_billed'",
        Law.INVOICE,
        "-B00001",
    ),
    "a self-billed credit that is gone": (
        "DELETE FROM platform.commission_invoice WHERE kind = 'self_billed_credit'",
        Law.INVOICE,
        "self_billed_credit of ",
    ),
    "a recipient": (
        "UPDATE platform.commission_invoice SET recipient = 'Somebody else' WHERE kind = 'self_billed'",
        Law.INVOICE,
        "-B00001",
    ),
    "a number": (
        "UPDATE platform.commission_invoice SET number = replace(number, 'B00002', 'B00003')"
        " WHERE number LIKE '%B00002'",
        Law.INVOICE,
        "series of self_billed",
    ),
    "the cost of goods": (
        "UPDATE platform.platform_entry SET"
        " amount = array_replace(array_replace(amount, 8750::bigint, 8751::bigint), -8750::bigint, -8751::bigint)"
        " WHERE 'cost_of_goods' = ANY(account) AND kind = 'release'",
        Law.PLATFORM_SIDE,
        "entry ",
    ),
    "revenue taken back": (
        "UPDATE {m}.ledger_entry SET details = jsonb_set(details, '{sales_minor}', '-3999') WHERE kind = 'refund'",
        Law.SALES,
        "refund ",
    ),
    "a purchase taken back": (
        "UPDATE {m}.ledger_entry SET details = jsonb_set(details, '{purchase_minor}', '-3499') WHERE kind = 'refund'",
        Law.SALES,
        "refund ",
    ),
    "a purchase": (
        "UPDATE {m}.ledger_entry SET details = jsonb_set(details, '{purchase_minor}', '1') WHERE kind = 'release'",
        Law.SALES,
        "entry ",
    ),
    "the margin": (
        "UPDATE {m}.balance SET amount_minor = amount_minor + 1 WHERE account = 'platform_margin'",
        Law.BALANCE,
        "balance platform_margin BRL",
    ),
}


async def a_settled_supplier(database: Database) -> Stall:
    """Two sales and a part of one given back, in a period that is closed; then a sale that waits for its hold."""
    stall = await a_supplier(database)
    first, second = await stall.sell(), await stall.sell()
    for order_id in (first, second):
        await stall.release(order_id)
    await give_back(stall, first, 4_000)
    await stall.work()
    await Shelf(database, stall.merchant).close(stall.now + 14 * DAY)
    await stall.sell()
    return stall


async def broken(database: Database) -> list[Broken]:
    return [
        each async for found in verify_books(database, await merchants_to_verify(database)) for each in found.broken
    ]


async def test_the_books_of_what_the_platform_sold_itself_are_right(database: Database) -> None:
    stall = await a_settled_supplier(database)
    await check_books(database)
    await sells_itself(database, stall.merchant.slug, SellerOfRecord.AGENT)
    await stall.release(await stall.sell())
    await Shelf(database, stall.merchant).close(stall.now + 28 * DAY)
    kinds = {row.kind for row in await Shelf(database, stall.merchant).invoices()}
    assert kinds == {"invoice", "self_billed", "self_billed_credit"}
    await check_books(database)


async def test_its_exported_ledger_is_audited_without_a_fault(database: Database, tmp_path: Path) -> None:
    stall = await a_settled_supplier(database)
    await write_ledger(database, stall.merchant.id, tmp_path / "ledger.jsonl")
    audit = LedgerAudit()
    for line in (tmp_path / "ledger.jsonl").read_bytes().splitlines():
        audit.add(line)
    assert audit.broken == []
    balances = await stall.balances()
    assert {account: amount for (account, _), amount in audit.balances.items() if amount} == balances
    assert balances["platform_margin"] == 3 * 1_250 - 500


@pytest.mark.parametrize("what", TAMPERED)
async def test_one_wrong_number_is_named_with_its_law(database: Database, what: str) -> None:
    change, law, row = TAMPERED[what]
    stall = await a_settled_supplier(database)
    with psycopg.connect(database.logins.owner) as connection:
        done = connection.execute(change.replace("{m}", schema_of(stall.merchant.id)).encode())
        assert done.rowcount > 0
    found = [each for each in await broken(database) if each.law is law]
    assert any(row in each.row for each in found), found
