"""Captures freeze and book every party's part, and releases move what is left of the merchant's."""

from datetime import date

import psycopg
import pytest
from sqlalchemy import select

from merchantry.domain.errors import InvalidInput
from merchantry.domain.line_split import LineSplit
from merchantry.services import payment_fee, report, split
from merchantry.services.books import Law
from merchantry.services.verification import verify_books
from merchantry.tables.merchant import daily_total, split_line
from merchantry.tables.platform import platform_entry
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.schemas import schema_of
from tests.builders import NOON, an_act
from tests.services.sales import DAY, Sales, a_plan, some_sales

EVERYBODY = a_plan(
    rate_bps=1000,
    base_tax="net",
    commission_tax_bps=1900,
    payment_fee={"bps": 290, "fixed_minor": 30, "borne_by": "merchant"},
    beneficiaries=[
        {"name": "guide", "kind": "affiliate", "of": "commission", "share_bps": 2000},
        {"name": "mill", "kind": "supplier", "of": "merchant", "fixed_minor": 4000},
    ],
)
TAXED = {
    "discount_merchant_minor": 1_100,
    "discount_platform_minor": 800,
    "tax_minor": 1_724,
    "tax_rate_bps": 1900,
    "tax_jurisdiction": "DE",
    "tax_remitted_by": "platform",
}
CAPTURED = {
    "buyer_funds": -10_000,
    "merchant_pending": 3_675,
    "platform_commission": 726,
    "commission_tax": 173,
    "payment_fee": 320,
    "sales_tax": 1_724,
    "supplier_payable": 4_000,
    "affiliate_payable": 182,
    "platform_expense": -800,
}


async def platform_side(sales: Sales, seq: int) -> dict[str, int]:
    """What the platform's subledger says beside an entry, but for the clearing account."""
    async with sales.database.read("test") as tx, tx.as_platform() as session:
        table = platform_entry.c
        rows = await session.execute(
            select(platform_entry).where(table.merchant_id == sales.merchant.id, table.seq == seq)
        )
        row = rows.one()
    pairs = zip(row.account, row.amount, strict=True)
    return {account: amount for account, amount in pairs if account != "merchant_clearing"}


async def test_a_capture_books_every_party_and_freezes_the_whole_computation(database: Database) -> None:
    sales = await some_sales(database, EVERYBODY)
    order_id = await sales.sell(11_900, lines=[TAXED])

    [captured] = await sales.entries(order_id)
    assert await sales.postings(order_id) == [("capture", CAPTURED)]
    assert captured.entry.details.keys() == {
        "number", "plan", "plan_version", "commission_minor", "commission_tax_minor", "commission_tax_bps"
    }  # fmt: skip
    assert await platform_side(sales, captured.seq) == {
        "commission_pending": 726,
        "commission_tax_payable": 173,
        "payment_fees_recovered": 320,
        "sales_tax_payable": 1_724,
        "expense": -800,
    }
    [row] = await sales.rows(select(split_line))
    assert (row.merchant_minor, row.commission_minor, row.shares_minor, row.subsidy_minor) == (3_675, 726, 4_182, 800)
    frozen = LineSplit.from_document(row.explanation)
    assert (frozen.charged_minor, frozen.commission.base_minor) == (908, 9_076)
    assert [share["name"] for share in row.shares] == ["guide", "mill"]
    async with database.read("test") as tx, tx.as_merchant(sales.merchant.id) as session:
        [line] = (await split.lines_of(session, [order_id])).values()
    assert line.split == frozen
    await sales.verify()


async def test_a_release_moves_what_is_left_and_says_what_is_charged(database: Database) -> None:
    sales = await some_sales(database, EVERYBODY)
    order_id = await sales.sell(11_900, lines=[TAXED])
    await sales.release(order_id, NOON + DAY)

    released = (await sales.entries(order_id))[-1]
    assert (await sales.postings(order_id))[-1] == (
        "release",
        {"merchant_pending": -3_675, "merchant_available": 3_675},
    )
    charged = {"commission_minor": 908, "commission_tax_minor": 173, "commission_tax_bps": 1900}
    assert released.entry.details == {"number": f"1-{order_id.hex[:8]}", **charged}
    assert await platform_side(sales, released.seq) == {"commission_pending": -726, "commission_earned": 726}
    await sales.verify()


async def test_an_order_with_two_rates_of_tax_on_its_commission_lists_them(database: Database) -> None:
    plan = a_plan(rate_bps=1000, commission_tax_bps=1900)
    plan["product_categories"] = {"books": {"rate_bps": 1000, "commission_tax_bps": 700}}
    sales = await some_sales(database, plan)
    order_id = await sales.sell(10_000, 5_000, lines=[{}, {"category": "books"}])
    await sales.release(order_id)
    assert (await sales.entries(order_id))[-1].entry.details["charges"] == [[700, 500, 35], [1900, 1_000, 190]]
    await sales.verify()


async def test_what_the_merchant_collects_is_a_receivable_that_is_netted_at_release(database: Database) -> None:
    sales = await some_sales(database, EVERYBODY)
    order_id = await sales.sell(11_900, lines=[TAXED], collected_by="merchant")

    # No provider took the money, so there is no fee: 3,675 + 320 are the merchant's of the 10,000 it has collected.
    [(_, posted)] = await sales.postings(order_id)
    assert "buyer_funds" not in posted
    assert "merchant_pending" not in posted
    assert posted["merchant_receivable"] == 3_995 - 10_000
    assert posted["platform_expense"] == -800
    await sales.release(order_id, NOON + DAY)
    assert (await sales.postings(order_id))[-1] == (
        "release",
        {"merchant_receivable": 6_005, "merchant_available": -6_005},
    )
    assert (await sales.balances())["merchant_available"] == -6_005
    await sales.verify()


async def test_the_day_counts_every_figure_and_reports_sum_the_merchants_part(database: Database) -> None:
    sales = await some_sales(database, EVERYBODY)
    await sales.sell(11_900, lines=[TAXED])
    [row] = await sales.rows(select(daily_total).where(daily_total.c.category == "*"))
    figures = ("discount_minor", "tax_minor", "commission_minor", "commission_tax_minor", "payment_fee_minor")
    assert [getattr(row, name) for name in (*figures, "net_minor")] == [1_900, 1_724, 908, 173, 320, 3_675]
    found = await report.commission_report(database, date_from=date(2026, 3, 1), date_to=date(2026, 4, 1))
    assert found.rows[0]["net_to_merchants_minor"] == 3_675


@pytest.mark.parametrize("is_released", [False, True], ids=["pending", "released"])
async def test_the_providers_fee_is_trued_up_once_where_the_money_stands(database: Database, is_released: bool) -> None:
    sales = await some_sales(database, EVERYBODY)
    order_id = await sales.sell(11_900, lines=[TAXED])
    if is_released:
        await sales.release(order_id)

    async def true_up(actual_minor: int) -> bool:
        async with database.write("test") as tx, tx.as_merchant(sales.merchant.id) as session:
            return await payment_fee.true_up_fee(session, order_id, actual_minor, an_act(at=NOON + 9 * DAY))

    assert await true_up(350)
    account = "merchant_available" if is_released else "merchant_pending"
    assert (await sales.postings(order_id))[-1] == ("fee_true_up", {account: -30, "payment_fee": 30})
    assert not await true_up(350)
    with pytest.raises(InvalidInput, match="Another fee"):
        await true_up(351)
    if not is_released:
        await sales.release(order_id)
        assert (await sales.postings(order_id))[-1][1]["merchant_available"] == 3_645
    await sales.verify()


async def test_a_fee_that_the_platform_bears_moves_nothing_of_the_merchants(database: Database) -> None:
    sales = await some_sales(database, a_plan(rate_bps=1000, payment_fee={"bps": 300, "borne_by": "platform"}))
    order_id = await sales.sell(10_000)
    async with database.write("test") as tx, tx.as_merchant(sales.merchant.id) as session:
        await payment_fee.true_up_fee(session, order_id, 280, an_act())
    booked = (await sales.entries(order_id))[-1].entry
    assert not any(posting.amount_minor for posting in booked.postings)
    assert booked.details["platform_minor"] == -20
    await sales.verify()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {m}.split_line SET shares_minor = shares_minor + 1",
        "UPDATE {m}.split_line SET explanation = jsonb_set(explanation, '{{merchant_minor}}', '1')",
        "UPDATE {m}.split_line SET explanation = jsonb_set(explanation, '{{version}}', '2')",
    ],
    ids=["column", "computation", "version"],
)
async def test_a_tampered_split_line_is_named(database: Database, logins: Logins, change: str) -> None:
    sales = await some_sales(database, EVERYBODY)
    await sales.sell(11_900, lines=[TAXED])
    with psycopg.connect(logins.owner) as connection:
        connection.execute(change.format(m=schema_of(sales.merchant.id)).encode())
    [found] = [each async for each in verify_books(database, [(sales.merchant.id, "m")])]
    [line] = await sales.rows(select(split_line.c.order_line_id))
    assert (Law.SPLIT_LINE, f"split line {line.order_line_id}") in {(each.law, each.row) for each in found.broken}
