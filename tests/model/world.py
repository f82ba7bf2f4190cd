"""The real mall that the model is compared with: services on a real PostgreSQL, providers that say what they must."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import insert, select

from merchantry.domain.act import Act
from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.commission import parse_plan
from merchantry.domain.errors import MarketError
from merchantry.domain.payout import Word
from merchantry.domain.refund import Asked
from merchantry.gateways.payment import Charge, ChargeStatus, Outcome, Tender
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import settlement, worker
from merchantry.jobs.handlers import HANDLERS
from merchantry.jobs.tools import Tools
from merchantry.services import checkout, commission, order, payment, payout, refund
from merchantry.services.payout import Told
from merchantry.services.queue import JobKind
from merchantry.services.refund import NewRefund
from merchantry.services.verification import verify_books
from merchantry.tables.merchant import balance
from merchantry.tables.merchant_settlement import payee_account
from merchantry.tables.merchant_settlement import statement as statement_table
from merchantry.tables.payout import payout as payout_table
from tenancy.database import Database, MerchantSession, Transaction
from tenancy.principals import Merchant
from tests.builders import NOON, VAULT, a_buyer, a_product, a_shop, an_act, some_merchants

PLAN = {"name": "p", "currency": "BRL", "base": "goods", "hold_days": 2, "default": {"rate_bps": 1250}}
ADDRESS = Address("A Buyer", "Street 1", "Town", "1000", "BR")
STOCK = 90_000
PAYING = {JobKind.PAYOUT_SEND, JobKind.PAYOUT_POLL, JobKind.PAYOUT_BATCH}
"""What the model does itself, answer by answer."""

T = TypeVar("T")


@dataclass
class World:
    """A mall of a few merchants at a moment."""

    database: Database
    merchants: list[Merchant]
    variants: dict[UUID, UUID]
    buyer: UUID
    now: datetime = NOON
    shipments: dict[UUID, list[UUID]] = field(default_factory=dict)

    @property
    def tools(self) -> Tools:
        """What jobs work with: a payment provider that does as it is told, and nobody who pays out."""
        return Tools(self.database, Sandbox(self.database, lambda: self.now, ""), lambda: self.now, VAULT)

    def act(self, actor: str = "system:model") -> Act:
        """Somebody does something now."""
        return an_act(actor, self.now)

    async def at(self, merchant_id: UUID, work: Callable[[MerchantSession], Awaitable[T]]) -> T:
        """Something in a merchant's schema, in a transaction that is repeated after a conflict."""

        async def run(tx: Transaction) -> T:
            async with tx.as_merchant(merchant_id) as session:
                return await work(session)

        return await self.database.run("test", run)

    async def buy(self, wanted: list[tuple[UUID, int, int, int]]) -> list[tuple[UUID, UUID, UUID]]:
        """One checkout of several merchants (each: merchant, quantity, price, shipping), paid at once.

        Returns merchant, order and line of each.
        """
        parts = [
            CartPart(
                merchant_id,
                (CartLine(self.variants[merchant_id], quantity, price),),
                agreed_shipping_minor=shipping,
            )
            for merchant_id, quantity, price, shipping in sorted(wanted, key=lambda each: each[0].hex)
        ]
        cart = Cart("BRL", ADDRESS, tuple(parts), prices_agreed=True)
        checkout_id, payment_id = uuid4(), uuid4()
        act = self.act()

        async def run(tx: Transaction) -> None:
            made = await checkout.place(tx, cart, checkout_id, self.buyer, act, vault=VAULT)
            tenders = [Tender("sandbox_approve", made.total_minor)]
            async with tx.as_platform() as platform:
                await payment.record(platform, made, tenders, payment_id=payment_id, provider="sandbox", act=act)
            captured = Outcome(ChargeStatus.CAPTURED, reference=str(payment_id))
            await payment.settle(tx, payment_id, captured, act)

        await self.database.run("test", run)
        async with self.database.read("test") as tx:
            async with tx.as_platform() as platform:
                rows = await checkout.orders_of(platform, [checkout_id])
            made = []
            for row in rows:
                async with tx.as_merchant(row.merchant_id) as session:
                    lines = await order.lines_of(session, [row.order_id])
                made.append((row.merchant_id, row.order_id, lines[row.order_id][0].id))
        await self._charged(payment_id, sum(quantity * price + shipping for _, quantity, price, shipping in wanted))
        return made

    async def _charged(self, payment_id: UUID, amount: int) -> None:
        """The provider has the charge in its books, so that it can send refunds."""
        gateway = self.tools.gateway
        await gateway.charge(Charge(payment_id, "BRL", amount, [Tender("sandbox_approve", amount)]))

    async def ship(self, merchant_id: UUID, order_id: UUID) -> None:
        """Everything leaves in one parcel."""
        shipment_id = uuid4()
        self.shipments[order_id] = [shipment_id]
        await self.at(
            merchant_id,
            lambda session: order.ship(
                session,
                order_id,
                None,
                carrier="c",
                tracking_number="t",
                shipment_id=shipment_id,
                act=self.act(),
            ),
        )

    async def deliver(self, merchant_id: UUID, order_id: UUID) -> None:
        """The parcel arrives."""
        for shipment_id in self.shipments[order_id]:
            await self.at(merchant_id, lambda session, s=shipment_id: order.deliver(session, s, self.act()))  # type: ignore[misc]

    async def confirm(self, merchant_id: UUID, order_id: UUID) -> None:
        """The buyer has everything."""
        await self.at(merchant_id, lambda session: order.confirm_receipt(session, order_id, self.act()))

    async def refund(
        self, merchant_id: UUID, order_id: UUID, asked: Asked | None, at_once: int = 1
    ) -> list[UUID | MarketError]:
        """A refund of what is asked, or of everything; several times at the same moment, each on its own."""

        async def one() -> UUID | MarketError:
            new = NewRefund(order_id, "told by the model", asked)
            try:
                return await self.database.run("test", lambda tx: refund.create(tx, merchant_id, new, self.act()))
            except MarketError as error:
                return error

        return list(await asyncio.gather(*(one() for _ in range(at_once))))

    async def cancel(self, merchant_id: UUID, order_id: UUID) -> None:
        """Nothing has shipped, and nothing will."""
        work = self.database.run
        await work("test", lambda tx: refund.cancel(tx, merchant_id, order_id, "told by the model", self.act()))

    async def pass_time(self, span: timedelta) -> None:
        """The clock moves on, and workers do what falls due."""
        self.now += span
        await worker.run_due(self.tools, self.now, kinds=tuple(set(HANDLERS) - PAYING), concurrency=2)

    async def settle(self, at_once: int = 1) -> None:
        """Settlement runs, one or several at the same moment; those that find another running give way."""

        async def one() -> None:
            try:
                await settlement.run(self.tools, self.now, self.act())
            except MarketError:
                return

        await asyncio.gather(*(one() for _ in range(at_once)))

    async def hear(self, merchant_id: UUID, payout_id: UUID, words: list[Word], at_once: int = 1) -> None:
        """A payout is begun where it was not, and then these words are heard of its transfer, each several times."""

        async def begin(session: MerchantSession) -> UUID:
            await payout.mark_asked(
                session, [each.key for each in await payout.begin(session, payout_id, None, self.act())], self.act()
            )
            return (await payout.latest(session, payout_id))[0].key

        key = await self.at(merchant_id, begin)
        for word in words:
            told = Told(word, reason="told by the model")
            hearings: list[Coroutine[Any, Any, Any]] = [
                self.at(merchant_id, lambda session, t=told: payout.hear_of(session, key, t, self.act()))  # type: ignore[misc]
                for _ in range(at_once)
            ]
            await asyncio.gather(*hearings)

    async def balances(self, merchant_id: UUID) -> dict[str, int]:
        """Those that are not zero, as they are kept."""
        rows = await self._rows(merchant_id, select(balance.c.account, balance.c.amount_minor))
        return {account: amount for account, amount in rows if amount}

    async def statuses(self, merchant_id: UUID) -> dict[UUID, str]:
        """Of all payouts."""
        rows = await self._rows(
            merchant_id,
            select(payout_table.c.id, payout_table.c.status).where(payout_table.c.merchant_id == merchant_id),
        )
        return {row.id: row.status for row in rows}

    async def payouts(self, merchant_id: UUID) -> dict[UUID, int]:
        """The amounts of all payouts, as they were planned."""
        chosen = select(payout_table.c.id, payout_table.c.amount_minor).order_by(payout_table.c.number)
        rows = await self._rows(merchant_id, chosen.where(payout_table.c.merchant_id == merchant_id))
        return {row.id: row.amount_minor for row in rows}

    async def statements(self, merchant_id: UUID) -> int:
        """How many there are."""
        return len(await self._rows(merchant_id, select(statement_table.c.id)))

    async def _rows(self, merchant_id: UUID, query: Any) -> list[Any]:
        async with self.database.read("test") as tx, tx.as_merchant(merchant_id) as session:
            return list(await session.execute(query))

    async def broken(self) -> list[str]:
        """Every law that the books break."""
        merchants = [(merchant.id, merchant.slug) for merchant in self.merchants]
        found = [each async for each in verify_books(self.database, merchants)]
        return [f"{each.merchant}: {law}" for each in found for law in each.broken]


async def a_world(database: Database) -> World:
    """Two new merchants in UTC, settled with weekly, with an account to pay to."""
    async with database.write("test") as tx, tx.as_platform() as session:
        if not await commission.versions(session, limit=1):
            await commission.install(session, "p", parse_plan(PLAN), NOON - timedelta(days=9), an_act())
    merchants = await some_merchants(database, *(a_shop(commission_plan="p", time_zone="UTC") for _ in range(2)))
    variants = {}
    for merchant in merchants:
        product = await a_product(database, merchant, on_hand=STOCK)
        variants[merchant.id] = product.variants[0].id
        row = {
            "id": uuid4(),
            "kind": "bank",
            "currency": "BRL",
            "shown": "•••• 1234",
            "sealed": b"sealed",
            "status": "verified",
            "usable_from": NOON,
            "created_at": NOON,
            "created_by": "staff:model",
        }
        async with database.write("test") as tx, tx.as_merchant(merchant.id) as merchant_session:
            await merchant_session.execute(insert(payee_account).values(row))
    return World(database, merchants, variants, await a_buyer(database))
