"""Books that were tampered with behind the program's back: the law that is broken is named, with merchant and row."""

from datetime import timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.commission import parse_plan
from merchantry.gateways.payment import ChargeStatus, Tender
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs.tools import Tools
from merchantry.jobs.worker import run_due
from merchantry.services import buyer_index, checkout, commission, order, payment, refund
from merchantry.services.books import Law
from merchantry.services.catalogue import Product
from merchantry.services.verification import Verified, merchants_to_verify, verify_books
from tenancy.database import Database
from tenancy.logins import Logins
from tenancy.principals import Merchant
from tenancy.schemas import schema_of
from tests.builders import NOON, VAULT, a_buyer, a_merchant, a_product, a_vault, an_act

PLAN = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 2, "default": {"rate_bps": 1250}}
ADDRESS = Address("A Buyer", "Street 1", "Town", "1000", "BR")
DAY = timedelta(days=1)

TAMPERED = [
    ("UPDATE {m}.ledger_entry SET details = '{{}}' WHERE seq = 1", {Law.ENTRY_COMMITTED}, "entry 1"),
    ("UPDATE {m}.ledger_entry SET occurred_at = occurred_at + interval '1 second'", {Law.ENTRY_COMMITTED}, "entry 2"),
    (
        "UPDATE {m}.ledger_entry SET amount = ARRAY[amount[1], amount[2] + 1, amount[3] - 1] WHERE seq = 1",
        {
            Law.ENTRY_COMMITTED,
            Law.RUNNING_BALANCE,
            Law.BALANCE,
            Law.PLATFORM_SIDE,
            Law.ORDER_COMMISSION,
            Law.RELEASE,
        },
        "entry 1",
    ),
    (
        "ALTER TABLE {m}.ledger_entry DROP CONSTRAINT ledger_entry_is_balanced;"
        "UPDATE {m}.ledger_entry SET amount[1] = amount[1] + 1 WHERE seq = 1",
        {Law.ENTRY_BALANCED, Law.RUNNING_BALANCE, Law.BALANCE, Law.DAILY_TOTAL, Law.PLATFORM_SIDE, Law.RELEASE},
        "entry 1",
    ),
    (
        "DELETE FROM {m}.ledger_entry WHERE kind = 'refund_sent'",
        {Law.ENTRY_SEQUENCE, Law.ENTRY_COMMITTED, Law.BALANCE},
        "entry 5",
    ),
    ("UPDATE {m}.counter SET value = value + 1 WHERE name = 'entry'", {Law.ENTRY_SEQUENCE}, "counter entry"),
    ("DELETE FROM platform.log_queue WHERE merchant_id = '{id}' AND seq = 2", {Law.ENTRY_COMMITTED}, "entry 2"),
    (
        "INSERT INTO platform.log_queue (merchant_id, kind, seq, leaf, booked_at)"
        " SELECT merchant_id, kind, 99, leaf, booked_at FROM platform.log_queue"
        " WHERE merchant_id = '{id}' AND seq = 1",
        {Law.ENTRY_COMMITTED},
        "entry 99",
    ),
    ("DELETE FROM platform.platform_entry WHERE merchant_id = '{id}' AND seq = 1", {Law.PLATFORM_SIDE}, "entry 1"),
    (
        "UPDATE {m}.balance SET amount_minor = 1 WHERE account = 'merchant_available'",
        {Law.BALANCE, Law.STATEMENT_CLAIMS},
        "balance merchant_available BRL",
    ),
    ("DELETE FROM {m}.balance WHERE account = 'refunds'", {Law.BALANCE}, "balance refunds BRL"),
    (
        "UPDATE {m}.daily_total SET goods_minor = goods_minor - 1 WHERE category = '*'",
        {Law.DAILY_TOTAL},
        "daily_total 2026-03-02 BRL *",
    ),
    ("DELETE FROM {m}.daily_total WHERE category = 'toys'", {Law.DAILY_TOTAL}, "daily_total 2026-03-02 BRL toys"),
    (
        "UPDATE {m}.daily_available SET payable_minor = payable_minor + 1",
        {Law.DAILY_AVAILABLE},
        "daily_available 2026-03-05 BRL 2026-03-02 2026-03-09",
    ),
    (
        "UPDATE {m}.orders SET commission_minor = commission_minor + 1 WHERE number LIKE '%1'",
        {Law.ORDER_COMMISSION},
        "order 100001-000001",
    ),
]


async def two_merchants_that_sold(database: Database) -> list[Merchant]:
    """Each sold twice on one day: one order was completed and released, the other cancelled and refunded."""
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "standard", parse_plan(PLAN), NOON - DAY, an_act())
    sellers = [await a_merchant(database, "tampered"), await a_merchant(database, "honest")]
    buyer = await a_buyer(database)
    gateway = Sandbox(database, lambda: NOON, "")
    for seller in sellers:
        product = await a_product(database, seller)
        for is_cancelled in (False, True):
            await _sale(database, gateway, seller, product, buyer, is_cancelled=is_cancelled)
    later = NOON + 30 * DAY
    await run_due(Tools(database, gateway, lambda: later, a_vault()), later, concurrency=1)
    return sellers


async def _sale(
    database: Database, gateway: Sandbox, seller: Merchant, product: Product, buyer: UUID, *, is_cancelled: bool
) -> None:
    checkout_id, payment_id = uuid4(), uuid4()
    cart = Cart("BRL", ADDRESS, (CartPart(seller.id, (CartLine(product.variants[0].id, 2, 5000),)),))
    async with database.write("test") as tx:
        made = await checkout.place(tx, cart, checkout_id, buyer, an_act(), vault=VAULT)
        tenders = [Tender("sandbox_approve", made.total_minor)]
        charge = await payment.begin(
            tx,
            checkout_id,
            buyer,
            tenders,
            currencies=["BRL"],
            payment_id=payment_id,
            gateway=gateway,
            act=an_act(),
        )
    outcome = await gateway.charge(charge)
    assert outcome.status is ChargeStatus.CAPTURED
    async with database.write("test") as tx:
        await payment.settle(tx, payment_id, outcome, an_act())
        async with tx.as_platform() as platform:
            [placed] = await buyer_index.of_checkouts(platform, [checkout_id])
        if is_cancelled:
            await refund.cancel(tx, seller.id, placed.order_id, "test", an_act())
        else:
            async with tx.as_merchant(seller.id) as session:
                await order.ship(
                    session,
                    placed.order_id,
                    None,
                    carrier="c",
                    tracking_number="t",
                    shipment_id=uuid4(),
                    act=an_act(),
                )
                await order.confirm_receipt(session, placed.order_id, an_act(at=NOON + DAY))


async def verified(database: Database) -> dict[str, Verified]:
    merchants = await merchants_to_verify(database)
    return {each.merchant: each async for each in verify_books(database, merchants)}


async def test_honest_books_break_no_law(database: Database) -> None:
    await two_merchants_that_sold(database)
    found = await verified(database)
    assert {each.entries for each in found.values()} == {5}  # two captures, refund, refund_sent, release
    assert not any(each.broken for each in found.values())


async def test_a_merchant_that_never_sold_has_honest_books(database: Database) -> None:
    await a_merchant(database)
    [found] = (await verified(database)).values()
    assert (found.entries, found.broken) == (0, ())


@pytest.mark.parametrize(
    ("statement", "laws", "row"), TAMPERED, ids=[f"{case[2]} {position}" for position, case in enumerate(TAMPERED)]
)
async def test_tampering_is_named_by_law_merchant_and_row(
    database: Database, logins: Logins, statement: str, laws: set[Law], row: str
) -> None:
    tampered, _ = await two_merchants_that_sold(database)
    with psycopg.connect(logins.owner) as connection:
        connection.execute(statement.format(m=schema_of(tampered.id), id=tampered.id).encode())
    found = await verified(database)
    assert found["honest"].broken == ()
    assert {broken.law for broken in found["tampered"].broken} == laws
    assert row in {broken.row for broken in found["tampered"].broken}
