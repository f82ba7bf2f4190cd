"""A field costs the same number of statements for one row as for sixty: nothing is looked up row by row."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import select

from merchantry.domain.case import CaseKind
from merchantry.domain.money import format_minor
from merchantry.domain.payee import PayeeKind
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.jobs import reconciliation
from merchantry.services import (
    case,
    chargeback,
    order,
    order_view,
    payee,
    payout,
    payout_list,
    return_request,
    settlement_run,
    tracking,
)
from merchantry.services.case import Fact, NewCase
from merchantry.services.chargeback import NewChargeback
from merchantry.services.order_head import Wanted
from merchantry.services.payee_details import NewAccount
from merchantry.services.return_request import NewReturn
from merchantry.tables.payout import payout_instruction
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_product, a_shop, an_act, some_merchants
from tests.cluster import Cluster
from tests.graphql_api.counting import counted
from tests.graphql_api.documents import a_line, buy, refund
from tests.graphql_api.mall import Mall, open_mall
from tests.graphql_api.price_documents import create_coupon, create_platform_coupon, place_cart, set_tax, to
from tests.services.books import Shelf

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHECKOUTS = 20
WEEK = timedelta(days=7)
ORDER = """id number lines { id title } shipments { id updates { at } } events { kind } refunds { id }
           timeline { at } expectedOn
           returns { id lines { quantity } } chargebacks { id evidence { value } } split { id entries { seq } }
           goods { amount } shipTo { city }"""
CASE = """id kind status merchant title subject { id } evidence { value } amount { amount } openedBy { role email }
          owner { email } approvals { by { email } } events { kind actor { email } owner { email } } overdue"""
PAYOUT = """id number statement { id } account transfers { id reference } entries { seq kind statement { number } }
            amount { amount }"""
STATEMENT = f"""id number kinds {{ kind amount {{ amount }} }} payouts {{ {PAYOUT} }}
               invoices {{ id lines {{ description }} }}
               lines(first: 3) {{ nodes {{ entrySeq text order {{ id }} }} }}
               other: lines(first: 1) {{ nodes {{ kind }} }}"""
MERCHANT = {
    "orders": f"orders(first: %d) {{ nodes {{ {ORDER} }} edges {{ node {{ {ORDER} }} }} }}",
    "products": "products(first: %d) { nodes { id title variants { sku prices { amount } } } }",
    "refunds": "refunds(first: %d) { nodes { id status lines { quantity } parties { merchant { amount } } } }",
    "splits": "splits(first: %d) { nodes { id lines { explanation } entries { postings { account } } } }",
    "payeeAccounts": "payeeAccounts(first: %d) { nodes { id kind currency shown status usableFrom flagged } }",
    "statements": f"statements(first: %d) {{ nodes {{ {STATEMENT} }} edges {{ node {{ {STATEMENT} }} }} }}",
    "payouts": f"payouts(first: %d) {{ nodes {{ {PAYOUT} }} }}",
    "notifications": "notifications(first: %d) { nodes { id kind subject } }",
    "coupons": "coupons(first: %d) { nodes { id code uses merchants amounts { amount } } }",
    "cases": f"cases(first: %d) {{ nodes {{ {CASE} }} edges {{ node {{ {CASE} }} }} }}",
    "auditEvents": "auditEvents(first: %d) { nodes { id act actor before after } }",
    "returns": "returns(first: %d) { nodes { id status lines { lineId quantity } } }",
    "chargebacks": "chargebacks(first: %d) { nodes { id status amount { amount } evidence { name } } }",
}
FIELDS = {
    **{name: f"{{ merchant {{ {field} }} }}" for name, field in MERCHANT.items()},
    "viewer.orders": f"{{ viewer {{ orders(first: %d) {{ nodes {{ {ORDER.replace('entries { seq }', '')} }} }} }} }}",
    "viewer.checkouts": "{ viewer { checkouts(first: %d) { nodes { id payments { id }"
    " coupons { code discount { amount } } orders { id number lines { id tax { rateBps } } events { kind } } } } } }",
    "listings": "{ listings(first: %d) { nodes { id title merchantName variants { sku prices { amount } } } } }",
    "platform.merchants": "{ platform { merchants(first: %d) { nodes { id slug legalName } } } }",
    "platform.taxRates": "{ platform { taxRates(first: %d) { nodes { country rateBps } } } }",
    "platform.cases": f"{{ platform {{ cases(first: %d) {{ nodes {{ {CASE} }} }} }} }}",
    "platform.statements": f'{{ platform {{ statements(merchant: "FIRST", first: %d)'
    f" {{ nodes {{ {STATEMENT} }} }} }} }}",
    "platform.payouts": "{ platform { payouts(first: %d) { nodes { payoutId merchant transfers { id } } } } }",
    "platform.settlementRuns": "{ platform { settlementRuns(first: %d) "
    "{ nodes { id merchant failures { reason } } } } }",
    "viewer.returns": "{ viewer { returns(first: %d) { nodes { id status lines { quantity } } } } }",
    "platform.chargebacks": "{ platform { chargebacks(first: %d) { nodes { id orderId status held { amount } } } } }",
    "platform.reconciliation.statements": "{ platform { reconciliation { statements(first: %d) {"
    " nodes { id source lines undecided } } } } }",
    "platform.reconciliation.lines": "{ platform { reconciliation { lines(first: %d) {"
    " nodes { id status caseId payout { number merchant transfer } } } } } }",
    "platform.auditEvents": "{ platform { auditEvents(first: %d) { nodes { id act actor } } } }",
    "commissionReport": '{ platform { commissionReport(from: "2026-01-01", to: "2027-01-01",'
    " groupBy: [MERCHANT, CATEGORY, DAY], first: %d) { asOf rows { merchant orders } } } }",
    "settlementReport": '{ platform { settlementReport(from: "2026-01-01", to: "2027-01-01",'
    " groupBy: [MERCHANT, DAY], first: %d) { asOf rows { merchant orders } } } }",
}

MANY = {
    "viewer.orders": 60,
    "listings": 60,
    "platform.auditEvents": 60,
    "platform.cases": 60,
    "viewer.returns": 60,
    "platform.chargebacks": 60,
    "platform.payouts": 60,
    "platform.merchants": 3,
    "commissionReport": 3,
    "settlementReport": 0,
}
"""How many rows there are to count for, where they are not as many as checkouts."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mall(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mall]:
    """Three merchants with twenty products and twenty orders each: sixty of one buyer."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    try:
        async with open_mall(database, tmp_path_factory.mktemp("mall")) as mall:
            await _trade(mall)
            yield mall
    finally:
        await database.close()
    cluster.drop(logins)


async def _trade(mall: Mall) -> None:
    merchants = await some_merchants(mall.database, *(a_shop(name) for name in ("first", "second", "third")))
    await mall.appoint("adam", PlatformRole.ADMIN)
    lines = []
    for merchant in merchants:
        await mall.hire("olga", merchant, MerchantRole.OWNER)
        products = [
            await a_product(mall.database, merchant, title=f"Kite {number}", prices={"BRL": 10_000}, on_hand=100)
            for number in range(CHECKOUTS)
        ]
        for number in range(CHECKOUTS):
            await create_coupon(mall, "olga", merchant, f"{merchant.slug}-{number}", percentBps=500)
        lines.append(a_line(merchant, products[0]))
    for number in range(CHECKOUTS):
        await set_tax(mall, "adam", "FR", number, effectiveFrom=f"2026-04-{number + 1:02}T00:00:00Z")
    for _ in range(CHECKOUTS):
        await buy(mall, "bea", *lines)
        mall.clock.advance(minutes=1)
    await _give_back(mall, merchants)
    await _dispute(mall, merchants)
    for merchant in merchants:
        await _settle(mall, merchant)
    await _change_accounts(mall, merchants[0].id)
    await _object(mall, [merchant.id for merchant in merchants])
    await _reconcile(mall, merchants[0].id)


async def _settle(mall: Mall, merchant: Merchant) -> None:
    """Twenty closed weeks, each paid in a transfer, and as many runs."""
    shelf = Shelf(mall.database, merchant)
    await shelf.add_account(usable_from=NOON - CHECKOUTS * WEEK - WEEK)
    for week in range(CHECKOUTS, 0, -1):
        await shelf.release(1_000, NOON - week * WEEK, 100)
    await shelf.close(NOON)
    act = an_act("system:test")
    async with mall.database.write("test") as tx:
        async with tx.as_merchant(merchant.id) as session:
            for each in await payout_list.page(session, limit=CHECKOUTS):
                await payout.begin(session, each.id, None, act)
        async with tx.as_platform() as platform:
            for _ in range(CHECKOUTS):
                run_id = uuid4()
                await settlement_run.begin(platform, run_id, NOON, merchant.id, act)
                await settlement_run.finish(platform, run_id, [(merchant.slug, "no")], NOON)


async def _change_accounts(mall: Mall, merchant_id: UUID) -> None:
    """A merchant that has had twenty accounts."""
    wallet = NewAccount(kind=PayeeKind.WALLET, currency="BRL", holder="Olga", wallet_id="olga@wallet")
    async with mall.database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        for _ in range(CHECKOUTS):
            await payee.add_account(session, mall.tools.vault, wallet, uuid4(), an_act())


async def _give_back(mall: Mall, merchants: list[Merchant]) -> None:
    """A real of each order of each merchant."""
    shown = "{ merchant { orders(first: 60) { nodes { id } } } }"
    for merchant in merchants:
        for each in (await mall.ask(shown, who="olga", merchant=merchant.slug)).data["merchant"]["orders"]["nodes"]:
            amount = {"amount": "1.00", "currency": "BRL"}
            await refund(mall, "olga", merchant, orderId=each["id"], amount=amount)


async def _dispute(mall: Mall, merchants: list[Merchant]) -> None:
    """A return, which its buyer gave up, and a chargeback of each order of each merchant."""
    for merchant in merchants:
        act = an_act(at=mall.clock())
        async with mall.database.read("test") as tx, tx.as_merchant(merchant.id) as session:
            parts = order_view.Parts(lines=True)
            views = await tracking.page(session, Wanted(CHECKOUTS), parts)
        for view in views:
            found = view.order
            new = NewReturn(found.id, {found.lines[0].id: 1}, "too small")
            async with mall.database.write("test") as tx, tx.as_merchant(merchant.id) as session:
                await order.ship(
                    session, found.id, None, carrier="c", tracking_number="t", shipment_id=uuid4(), act=act
                )
                await order.confirm_receipt(session, found.id, act)
                await return_request.request(session, new, act)
                await return_request.withdraw(session, new.id, act)
            async with mall.database.write("test") as tx:
                await chargeback.open_(
                    tx, merchant.id, NewChargeback(found.id, f"CB-{found.number}", 100, "no", respond_by=NOON), act
                )


async def _reconcile(mall: Mall, merchant_id: UUID) -> None:
    """Twenty statements of one line each, a payout's."""
    async with mall.database.read("test") as tx, tx.as_platform() as session:
        table = payout_instruction.c
        chosen = select(table.reference, table.amount_minor).where(table.merchant_id == merchant_id)
        transfers = list(await session.execute(chosen.order_by(table.reference)))
    for number, each in enumerate(transfers):
        row = f"2026-03-10,-{format_minor(each.amount_minor, 'BRL')},BRL,{each.reference},W{number},payout"
        data = f"date,amount,currency,reference,provider_reference,kind\r\n{row}\r\n".encode()
        await reconciliation.take_file(mall.database, data, an_act(f"platform:{uuid4()}", at=mall.clock()))


async def _object(mall: Mall, merchant_ids: list[UUID]) -> None:
    """Twenty cases of each merchant, each opened by another person and commented on."""
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        for merchant_id in merchant_ids:
            for number in range(CHECKOUTS):
                kind, actor = CaseKind.STATEMENT_OBJECTION, f"staff:{uuid4()}"
                new = NewCase(kind, merchant_id, "Order", str(uuid4()), f"Case {number}", [Fact("it", "is")])
                case_id = await case.open_case(session, new, an_act(actor))
                await case.comment(session, merchant_id, case_id, "well", an_act(f"platform:{uuid4()}"))


def rows_of(data: Any) -> int:
    """How many rows the one list in an answer has."""
    while not isinstance(data, list):
        data = data.get("nodes") if "nodes" in data else data.get("rows", next(reversed(data.values())))
    return len(data)


@pytest.mark.parametrize("name", FIELDS)
async def test_a_field_costs_the_same_statements_for_one_row_and_for_many(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    people = {"viewer": "bea", "platform": "adam", "commissionReport": "adam", "settlementReport": "adam"}
    who = people.get(name.split(".")[0], "olga")
    merchant = "first" if name in MERCHANT else None
    found = await mall.ask('{ platform { merchant(slug: "first") { id } } }', who="adam")
    asked = FIELDS[name].replace("FIRST", found.data["platform"]["merchant"]["id"])
    await mall.notify()
    await mall.ask(asked % 1, who=who, merchant=merchant)
    counts, rows = [], []
    for first in (1, 60):
        with counted(monkeypatch) as sent:
            answer = await mall.ask(asked % first, who=who, merchant=merchant)
        rows.append(rows_of(answer.data))
        counts.append(len(sent))
    assert counts[0] == counts[1] > 0, (counts, sent)
    assert rows[0] == (0 if name == "settlementReport" else 1)
    assert rows[1] >= MANY.get(name, CHECKOUTS)


async def test_coupons_and_taxes_cost_placing_a_few_statements_and_no_coupon_costs_one(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of any number of merchants and lines. Without coupons there is the one look-up of rates."""
    merchants = await some_merchants(mall.database, *(a_shop(f"priced-{number}") for number in range(4)))
    lines = [
        a_line(each, await a_product(mall.database, each, prices={"BRL": 10_000}, on_hand=100)) for each in merchants
    ]
    await create_platform_coupon(mall, "adam", "COUNTED", percentBps=1000, mostUsesPerBuyer=9, mostUses=99)
    await set_tax(mall, "adam", "DE", 1900, inclusive=False)
    await place_cart(mall, "cleo", *lines, shipTo=to("DE"), couponCodes=["COUNTED"])  # everything is compiled
    await place_cart(mall, "cleo", *lines)
    counts: dict[tuple[str, int], int] = {}
    carts: dict[str, dict[str, Any]] = {
        "plain": {},
        "taxed": {"shipTo": to("DE")},
        "coupon": {"shipTo": to("DE"), "couponCodes": ["COUNTED"]},
    }
    for few in (2, 4):
        for name, cart in carts.items():
            with counted(monkeypatch) as sent:
                placed = await place_cart(mall, "cleo", *lines[:few], **cart)
            assert placed["__typename"] == "CheckoutPlaced", placed
            assert len([text for text in sent if "platform.tax_rate" in text]) == 1
            counts[name, few] = len(sent)
    for few in (2, 4):
        assert counts["taxed", few] == counts["plain", few]
        assert counts["coupon", few] - counts["plain", few] == 3  # lock, uses of this buyer, whether a guest
