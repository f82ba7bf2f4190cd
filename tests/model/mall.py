"""The real mall that the model is compared with: it sells, ships, waits and settles, on a real PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID, uuid4

from merchantry.domain.act import Act
from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.domain.errors import MarketError
from merchantry.gateways.payment import Charge, ChargeStatus, Outcome, Tender
from merchantry.gateways.sandbox import Sandbox
from merchantry.jobs import settlement, worker
from merchantry.jobs.handlers import HANDLERS
from merchantry.jobs.tools import Tools
from merchantry.services import checkout, order, payment, refund
from merchantry.services.queue import JobKind
from merchantry.services.vault import Vault
from merchantry.services.verification import verify_books
from tenancy.database import Database, MerchantSession, Transaction
from tenancy.principals import Merchant
from tests.builders import NOON, an_act

ADDRESS = Address("A Buyer", "Street 1", "Town", "1000", "BR")
PAYING = {JobKind.PAYOUT_SEND, JobKind.PAYOUT_POLL, JobKind.PAYOUT_BATCH}
"""What the model does itself, answer by answer."""

T = TypeVar("T")
Command = Callable[[Transaction], Awaitable[T]]


@dataclass
class Mall:
    """A mall of a few merchants at a moment."""

    database: Database
    merchants: list[Merchant]
    variants: dict[UUID, UUID]
    buyer: UUID
    vault: Vault
    now: datetime = NOON

    @property
    def tools(self) -> Tools:
        """What jobs work with: a payment provider that does as it is told, and nobody who pays out."""
        return Tools(self.database, Sandbox(self.database, lambda: self.now, ""), lambda: self.now, self.vault)

    def act(self, actor: str = "system:model") -> Act:
        """Somebody does something now."""
        return an_act(actor, self.now)

    async def together(self, commands: Sequence[Command[T]]) -> list[T | MarketError]:
        """Commands at the same moment, each on a connection of its own; what is refused says so."""

        async def one(command: Command[T]) -> T | MarketError:
            try:
                return await self.database.run("test", command)
            except MarketError as error:
                return error

        return list(await asyncio.gather(*(one(each) for each in commands)))

    def of(self, merchant_id: UUID, work: Callable[[MerchantSession], Awaitable[T]]) -> Command[T]:
        """A command in a merchant's schema."""

        async def run(tx: Transaction) -> T:
            async with tx.as_merchant(merchant_id) as session:
                return await work(session)

        return run

    async def at(self, merchant_id: UUID, work: Callable[[MerchantSession], Awaitable[T]]) -> T:
        """Something in a merchant's schema, in a transaction that is repeated after a conflict."""
        return await self.database.run("test", self.of(merchant_id, work))

    async def buy(
        self, wanted: list[tuple[UUID, int, int, int]], at_once: int = 1
    ) -> tuple[list[tuple[UUID, UUID, UUID]], list[MarketError | None]]:
        """One checkout of several merchants (each: merchant, quantity, price, shipping), paid at once.

        The provider tells of the payment several times at the same moment. Returns merchant, order and line of each,
        and what was said to each of those tellings.
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

        async def place(tx: Transaction) -> int:
            made = await checkout.place(tx, cart, checkout_id, self.buyer, act, vault=self.vault)
            tenders = [Tender("sandbox_approve", made.total_minor)]
            async with tx.as_platform() as platform:
                payment.record(platform, made, tenders, payment_id=payment_id, provider="sandbox", act=act)
            return made.total_minor

        async def paid(tx: Transaction) -> None:
            captured = Outcome(ChargeStatus.CAPTURED, reference=str(payment_id))
            await payment.settle(tx, payment_id, captured, act)

        total_minor = await self.database.run("test", place)
        told = await self.together([paid] * at_once)
        # The provider has the charge in its books, so that it can send refunds.
        await self.tools.gateway.charge(
            Charge(payment_id, "BRL", total_minor, [Tender("sandbox_approve", total_minor)])
        )
        async with self.database.read("test") as tx:
            async with tx.as_platform() as platform:
                rows = await checkout.orders_of(platform, [checkout_id])
            made = []
            for row in rows:
                async with tx.as_merchant(row.merchant_id) as session:
                    lines = await order.lines_of(session, [row.order_id])
                made.append((row.merchant_id, row.order_id, lines[row.order_id][0].id))
        return made, told

    async def ship(self, merchant_id: UUID, order_id: UUID) -> None:
        """Everything leaves in one parcel."""
        parcel = {"carrier": "c", "tracking_number": "t", "shipment_id": uuid4(), "act": self.act()}
        await self.at(merchant_id, lambda session: order.ship(session, order_id, None, **parcel))  # type: ignore[arg-type]

    async def confirm(self, merchant_id: UUID, order_id: UUID) -> None:
        """The buyer has everything."""
        await self.at(merchant_id, lambda session: order.confirm_receipt(session, order_id, self.act()))

    async def cancel(self, merchant_id: UUID, order_id: UUID, at_once: int) -> list[UUID | MarketError | None]:
        """Nothing has shipped, and nothing will."""
        act = self.act()
        return await self.together(
            [lambda tx: refund.cancel(tx, merchant_id, order_id, "told by the model", act)] * at_once
        )

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

    async def broken(self) -> list[str]:
        """Every law that the books break, as `merchantry verify books` finds it."""
        merchants = [(merchant.id, merchant.slug) for merchant in self.merchants]
        found = [each async for each in verify_books(self.database, merchants)]
        return [f"{each.merchant}: {law}" for each in found for law in each.broken]
