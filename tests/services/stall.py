"""A sale made by the services that make it in life, and what its books say afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.plan_document import parse_plan
from merchantry.gateways.payment import ChargeStatus, Tender
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import worker
from merchantry.jobs.tools import Tools
from merchantry.services import buyer_index, checkout, commission, order, payment
from merchantry.services.catalogue import Product
from merchantry.services.merchant import ShippingOption
from merchantry.services.order import Order
from merchantry.services.verification import merchants_to_verify, verify_books
from merchantry.tables.merchant import balance, ledger_entry, orders, refund, variant
from merchantry.tables.platform import payment as payment_table
from merchantry.tables.platform import tender
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, VAULT, a_buyer, a_merchant, a_product, a_vault, an_act

ADDRESS = Address(name="A", street="S 1", city="C", postal_code="1", country="BR")
DAY = timedelta(days=1)
FREE = (ShippingOption("free", "Free", {"BRL": 0}),)
PLAN = {"name": "standard", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1250}}


@dataclass
class Stall:
    """One merchant with one product, and a clock that tests set."""

    database: Database
    merchant: Merchant
    product: Product
    now: datetime = NOON

    @property
    def gateway(self) -> Sandbox:
        """The sandbox, at the stall's time."""
        return Sandbox(self.database, lambda: self.now, "http://mall.test/pay")

    async def sell(self, quantity: int = 1, *tenders: tuple[str, int]) -> UUID:
        """A paid order of some pieces, with free shipping; in one tender unless several are given."""
        return await self.sell_all([self.product], *tenders, quantity=quantity)

    async def sell_all(self, products: Sequence[Product], *tenders: tuple[str, int], quantity: int = 1) -> UUID:
        """A paid order of several products, a line of each."""
        checkout_id, payment_id, buyer = uuid4(), uuid4(), await a_buyer(self.database)
        variants = [each.variants[0] for each in products]
        lines = tuple(CartLine(each.id, quantity, each.prices["BRL"]) for each in variants)
        cart = Cart("BRL", ADDRESS, (CartPart(self.merchant.id, lines, shipping_option="free"),))
        act = an_act(at=self.now)
        async with self.database.write("test") as tx:
            made = await checkout.place(tx, cart, checkout_id, buyer, act, vault=VAULT)
            given = [Tender(*each) for each in tenders] or [Tender("sandbox_approve", made.total_minor)]
            charge = await payment.begin(
                tx,
                checkout_id,
                buyer,
                given,
                currencies=["BRL"],
                payment_id=payment_id,
                gateway=self.gateway,
                act=act,
            )
        outcome = await self.gateway.charge(charge)
        assert outcome.status is ChargeStatus.CAPTURED
        async with self.database.write("test") as tx:
            await payment.settle(tx, payment_id, outcome, act)
            async with tx.as_platform() as platform:
                [placed] = await buyer_index.of_checkouts(platform, [checkout_id])
        return placed.order_id

    async def ship(self, order_id: UUID, quantities: dict[UUID, int] | None = None) -> None:
        """A parcel leaves with some pieces, or with all that are left."""
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            await order.ship(
                session,
                order_id,
                quantities,
                carrier="c",
                tracking_number="t",
                shipment_id=uuid4(),
                act=an_act(at=self.now),
            )

    async def complete(self, order_id: UUID) -> None:
        """Everything is shipped and the buyer confirms."""
        await self.ship(order_id)
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            await order.confirm_receipt(session, order_id, an_act(at=self.now))

    async def release(self, order_id: UUID) -> None:
        """The order is complete, and its hold is over."""
        await self.complete(order_id)
        self.now += 7 * DAY
        await self.work()

    async def work(self) -> int:
        """Let a worker do what is due."""
        tools = Tools(self.database, self.gateway, lambda: self.now, a_vault())
        return await worker.run_due(tools, self.now, concurrency=1)

    async def order(self, order_id: UUID) -> Order:
        """The order as it stands."""
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return await order.load(session, order_id)

    async def line_id(self, order_id: UUID) -> UUID:
        """The one line of an order."""
        [line] = (await self.order(order_id)).lines
        return line.id

    async def refunds(self) -> list[Any]:
        """All refunds, oldest first."""
        return await self._rows(select(refund).order_by(refund.c.entry_seq))

    async def balances(self) -> dict[str, int]:
        """All balances that are not zero."""
        rows = await self._rows(select(balance))
        return {row.account: row.amount_minor for row in rows if row.amount_minor}

    async def kinds(self) -> list[str]:
        """The kinds of all entries, in their order."""
        return [row.kind for row in await self._rows(select(ledger_entry).order_by(ledger_entry.c.seq))]

    async def stock(self) -> tuple[int, int]:
        """On hand and reserved."""
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            row = (await session.execute(select(variant))).one()
            return row.on_hand, row.reserved

    async def refunded(self, order_id: UUID) -> tuple[int, int, list[int]]:
        """What the order, its payment and the payment's tenders say was refunded."""
        [found] = await self._rows(select(orders).where(orders.c.id == order_id))
        async with self.database.read("test") as tx, tx.as_platform() as session:
            paid = (
                await session.execute(select(payment_table).where(payment_table.c.checkout_id == found.checkout_id))
            ).one()
            tenders = await session.execute(
                select(tender).where(tender.c.payment_id == paid.id).order_by(tender.c.position)
            )
            return found.refunded_minor, paid.refunded_minor, [each.refunded_minor for each in tenders]

    async def _rows(self, query: Any) -> list[Any]:
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return list(await session.execute(query))


async def a_stall(database: Database, price_minor: int = 10_000, **plan: Any) -> Stall:
    """A stall under a plan of 12.5 %, changed by ``plan``, that sells one thing at a price and ships for nothing."""
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "standard", parse_plan(PLAN | plan), NOON - 30 * DAY, an_act())

    merchant = await a_merchant(database, shipping_options=FREE)
    return Stall(database, merchant, await a_product(database, merchant, prices={"BRL": price_minor}, on_hand=100))


async def check_books(database: Database) -> None:
    """Every law holds in every merchant's books."""
    async for verified in verify_books(database, await merchants_to_verify(database)):
        assert not verified.broken, verified
