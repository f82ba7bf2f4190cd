"""The demo's story, played day by day through the services."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar
from uuid import UUID, uuid5

from merchantry.demo.mall import BUYERS, owner_of, skus_of
from merchantry.demo.story import DAY, MINUTE, Event, Kind, Paying, Purchase, events
from merchantry.demo.world import SYSTEM, World, act
from merchantry.domain.act import Act
from merchantry.domain.checkout import Cart, CartCoupon, CartLine, CartPart
from merchantry.gateways.payment import Charge, ChargeStatus, Outcome, Tender
from merchantry.gateways.sandbox import Method, Sandbox
from merchantry.jobs.tools import Tools
from merchantry.jobs.worker import run_due
from merchantry.services import buyer_index, checkout, order, payment, refund
from merchantry.services.payment import Payment
from merchantry.services.vault import Vault
from tenancy.database import Database, MerchantSession, Transaction

T = TypeVar("T")
Once = Callable[[Transaction, str, datetime], Awaitable[bool]]
"""Whether this transaction is the one that does the step of this name."""

METHODS: Final = {
    Paying.AT_ONCE: (Method.APPROVE,),
    Paying.SECOND_TRY: (Method.DECLINE, Method.APPROVE),
    Paying.ACTION: (Method.ACTION,),
    Paying.ACTION_OPEN: (Method.ACTION,),
    Paying.DECLINED: (Method.DECLINE,),
    Paying.NEVER: (),
    Paying.GIVES_UP: (),
}
"""What each attempt to pay is made with."""

CARRIERS: Final = ("Jangada Cargo", "Andorinha Express")
PAID_AFTER: Final = (1 * MINUTE, 2 * MINUTE)
"""By attempt."""


class History:
    """Plays purchases and what becomes of them. The provider and the worker live in the time that is played."""

    def __init__(
        self,
        database: Database,
        world: World,
        purchases: Sequence[Purchase],
        begin: datetime,
        once: Once,
        page_url: str,
        vault: Vault,
    ) -> None:
        self._database = database
        self._world = world
        self._begin = begin
        self._once = once
        self._now = begin
        self._gateway = Sandbox(database, lambda: self._now, page_url)
        self._tools = Tools(database, self._gateway, lambda: self._now, vault)
        self._purchases = _by_day(purchases, begin, lambda purchase: purchase.placed_at)
        happened = [event for purchase in purchases for event in events(purchase)]
        self._events = _by_day(happened, begin, lambda event: event.at)

    async def play(self, day: int, *, until: datetime) -> None:
        """Everything that happened on a day, and the jobs that fell due by its end. Safe to repeat."""
        placed = self._purchases.get(day, [])
        happened = [event for event in self._events.get(day, []) if event.at < until]
        await self._step(f"day {day}, placed", lambda tx: self._place(tx, placed))
        first = await self._ask(placed)
        await self._step(f"day {day}, paid", lambda tx: self._settle(tx, first, again=True))
        second = await self._ask(placed)

        async def end(tx: Transaction) -> None:
            await self._settle(tx, second, again=False)
            await self._happen(tx, happened)

        await self._step(f"day {day}", end)
        self._now = until
        await run_due(self._tools, until)

    async def _step(self, name: str, work: Callable[[Transaction], Awaitable[None]]) -> None:
        async def step(tx: Transaction) -> None:
            if await self._once(tx, name, self._begin):
                await work(tx)

        await self._database.run(SYSTEM, step)

    async def _place(self, tx: Transaction, placed: Sequence[Purchase]) -> None:
        for purchase in placed:
            buyer = self._buyer(purchase)
            at = act(f"buyer:{buyer}", purchase.placed_at)
            made = await checkout.place(tx, self._cart(purchase), purchase.id, buyer, at, vault=self._tools.vault)
            await self._begin_paying(tx, purchase, made.total_minor, attempt=0)

    def _buyer(self, purchase: Purchase) -> UUID:
        return self._world.accounts[BUYERS[purchase.buyer].email]

    def _cart(self, purchase: Purchase) -> Cart:
        parts = []
        for part in purchase.parts:
            skus, variants = skus_of(part.stall), self._world.variants[part.stall.slug]
            chosen = [(variants[skus[position]], quantity) for position, quantity in part.lines]
            lines = tuple(CartLine(each.id, quantity, each.prices[purchase.currency]) for each, quantity in chosen)
            parts.append(CartPart(self._world.merchants[part.stall.slug], lines))
        in_order = tuple(sorted(parts, key=lambda part: part.merchant_id.hex))
        coupons = tuple(CartCoupon(code) for code in purchase.coupons)
        return Cart(purchase.currency, BUYERS[purchase.buyer].address, in_order, coupons=coupons)

    async def _begin_paying(self, tx: Transaction, purchase: Purchase, total_minor: int, *, attempt: int) -> None:
        if attempt >= len(METHODS[purchase.paying]):
            return
        await payment.begin(
            tx,
            purchase.id,
            self._buyer(purchase),
            _tenders(purchase, total_minor, attempt),
            currencies=[purchase.currency],
            payment_id=_payment_id(purchase, attempt),
            gateway=self._gateway,
            act=act(f"buyer:{self._buyer(purchase)}", purchase.placed_at + PAID_AFTER[attempt]),
        )

    async def _ask(self, placed: Sequence[Purchase]) -> list[tuple[Purchase, Payment, Outcome]]:
        """What the provider says of the payments that are under way."""
        async with self._database.read(SYSTEM) as tx, tx.as_platform() as session:
            found = await payment.of_checkouts(session, [purchase.id for purchase in placed])
        return [
            (purchase, each, await self._answer(purchase, each))
            for purchase in placed
            for each in found.get(purchase.id, [])
            if each.status in checkout.OPEN
        ]

    async def _answer(self, purchase: Purchase, each: Payment) -> Outcome:
        self._now = each.created_at
        if each.status == "action_required" and purchase.paying is Paying.ACTION:
            return await self._gateway.resolve(each.id, ChargeStatus.CAPTURED)
        tenders = _tenders(purchase, each.amount_minor, _attempt(purchase, each))
        return await self._gateway.charge(Charge(each.id, each.currency, each.amount_minor, tenders))

    async def _settle(
        self, tx: Transaction, asked: Sequence[tuple[Purchase, Payment, Outcome]], *, again: bool
    ) -> None:
        """Write what the provider said; whoever was declined tries again."""
        for purchase, each, outcome in asked:
            settled = await payment.settle(tx, each.id, outcome, act(SYSTEM, each.created_at))
            if again and settled.status == "failed":
                await self._begin_paying(tx, purchase, each.amount_minor, attempt=_attempt(purchase, each) + 1)

    async def _happen(self, tx: Transaction, happened: Sequence[Event]) -> None:
        async with tx.as_platform() as session:
            index = await buyer_index.of_checkouts(session, list({event.purchase.id for event in happened}))
        order_ids = {(each.checkout_id, each.merchant_id): each.order_id for each in index}
        for event in sorted(happened, key=lambda event: event.at):
            merchant_id = self._world.merchants[event.part.stall.slug]
            await self._happened(tx, event, merchant_id, order_ids[event.purchase.id, merchant_id])

    async def _happened(self, tx: Transaction, event: Event, merchant_id: UUID, order_id: UUID) -> None:
        buyer = self._buyer(event.purchase)
        by_buyer = act(f"buyer:{buyer}", event.at)
        by_staff = act(f"staff:{self._world.accounts[owner_of(event.part.stall.slug)]}", event.at)
        if event.kind is Kind.GIVE_UP:
            await checkout.cancel(tx, event.purchase.id, buyer, by_buyer)
        elif event.kind is Kind.CANCEL:
            await refund.cancel(tx, merchant_id, order_id, "The buyer changed their mind.", by_buyer)
        else:
            async with tx.as_merchant(merchant_id) as session:
                if event.kind is Kind.SHIP:
                    await _ship(session, event, order_id, by_staff)
                elif event.kind is Kind.DELIVER:
                    await order.deliver(session, _shipment_id(event), by_staff)
                else:
                    await order.confirm_receipt(session, order_id, by_buyer)


async def _ship(session: MerchantSession, event: Event, order_id: UUID, by: Act) -> None:
    """Of two parcels the first holds one piece; the last one holds all that is left."""
    quantities = None
    if event.parcel + 1 < len(event.part.fate.shipped_after):
        quantities = {next(iter(await order.still_to_ship(session, order_id))): 1}
    shipment_id = _shipment_id(event)
    number = f"{shipment_id.int % 10**9:09d}BR"
    carrier = CARRIERS[shipment_id.int % len(CARRIERS)]
    await order.ship(
        session, order_id, quantities, carrier=carrier, tracking_number=number, shipment_id=shipment_id, act=by
    )


def _shipment_id(event: Event) -> UUID:
    return uuid5(event.purchase.id, f"parcel {event.parcel} of {event.part.stall.slug}")


def _payment_id(purchase: Purchase, attempt: int) -> UUID:
    return uuid5(purchase.id, f"payment {attempt}")


def _attempt(purchase: Purchase, each: Payment) -> int:
    return next(attempt for attempt in range(len(PAID_AFTER)) if _payment_id(purchase, attempt) == each.id)


def _tenders(purchase: Purchase, total_minor: int, attempt: int) -> list[Tender]:
    """One buyer pays half by another card."""
    method = METHODS[purchase.paying][attempt]
    amounts = [total_minor // 2, total_minor - total_minor // 2] if purchase.buyer == 0 else [total_minor]
    return [Tender(method, amount) for amount in amounts]


def _by_day(things: Sequence[T], begin: datetime, moment: Callable[[T], datetime]) -> dict[int, list[T]]:
    found: dict[int, list[T]] = {}
    for thing in things:
        found.setdefault((moment(thing) - begin) // DAY, []).append(thing)
    return found
