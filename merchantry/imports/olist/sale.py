"""One checkout of the data set, through the services of live traffic, each act at the time it really happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert

from merchantry.domain.act import Act
from merchantry.domain.checkout import Address, Cart, CartLine, CartPart
from merchantry.gateways.payment import ChargeStatus, Outcome
from merchantry.imports.olist.files import CURRENCY
from merchantry.imports.olist.model import Order, Sale
from merchantry.services import checkout, order, payment, queue, split
from merchantry.services.queue import JobKind
from merchantry.services.terms import Terms
from merchantry.services.vault import Vault
from merchantry.tables.platform import imported
from tenancy.database import MerchantSession, PlatformSession, Transaction

SOURCE = "olist"
ACTOR = "system:import"
COUNTRY = "BR"

# A crash may lose the last commits; their marks in `imported` are lost with them, so they are simply imported again.
NO_WAIT = text("SELECT set_config('synchronous_commit', 'off', true)")


@dataclass(frozen=True, slots=True)
class Known:
    """What checkouts refer to, as it is in the database: by seller, by seller and product, by buyer's subject."""

    merchants: Mapping[str, UUID]
    variants: Mapping[tuple[str, str], UUID]
    buyers: Mapping[str, UUID]
    terms: Mapping[UUID, Terms]
    vault: Vault


async def import_sale(tx: Transaction, sale: Sale, known: Known, booked_at: datetime) -> bool:
    """Import one checkout with all that became of it. False where it was imported before.

    Raises MarketError where a service refuses it.
    """
    async with tx.as_platform() as session:
        if not await _mark(session, sale, booked_at):
            return False
    act = Act(ACTOR, sale.placed_at, booked_at)
    buyer = known.buyers[sale.buyer.subject]
    placed = await checkout.place(tx, _cart(sale, known), uuid4(), buyer, act, vault=known.vault)
    payment_id = uuid4()
    async with tx.as_platform() as session:
        payment.record(session, placed, sale.tenders, payment_id=payment_id, provider=payment.ELSEWHERE, act=act)
        orders = await checkout.orders_of(session, [placed.id])
    captured = Outcome(ChargeStatus.CAPTURED, reference=sale.id)
    await payment.settle(tx, payment_id, captured, Act(ACTOR, sale.captured_at, booked_at))
    for row in orders:
        async with tx.as_merchant(row.merchant_id) as merchant_session:
            await _fulfil(merchant_session, row.order_id, sale, known.terms[row.merchant_id], booked_at)
    return True


async def _mark(session: PlatformSession, sale: Sale, booked_at: datetime) -> bool:
    """Claim the checkout; another importer that has it under way is waited for here."""
    await session.execute(NO_WAIT)
    row = {"source": SOURCE, "reference": sale.id, "imported_at": booked_at}
    marked = insert(imported).values(row).on_conflict_do_nothing().returning(imported.c.reference)
    return await session.scalar(marked) is not None


async def _fulfil(session: MerchantSession, order_id: UUID, sale: Sale, terms: Terms, booked_at: datetime) -> None:
    """Ship, deliver, and release what is due by now; the worker releases the rest in its time."""
    if sale.shipped_at is None:
        return
    shipped = await order.ship(
        session,
        order_id,
        None,
        carrier="",
        tracking_number="",
        shipment_id=uuid4(),
        act=Act(ACTOR, sale.shipped_at, booked_at),
    )
    if sale.delivered_at is None:
        # The data set says that it stays shipped: it doesn't complete by itself.
        await queue.dequeue(session, session.merchant_id, JobKind.ORDER_COMPLETE, order_id)
        return
    done = await order.confirm_receipt(session, shipped, Act(ACTOR, sale.delivered_at, booked_at))
    if done.hold_ends_at is not None and done.hold_ends_at <= booked_at:
        await split.release(session, done, terms, Act(ACTOR, done.hold_ends_at, booked_at))


def _cart(sale: Sale, known: Known) -> Cart:
    """Parts in the order in which merchants are locked."""
    parts = sorted((_part(each, known) for each in sale.orders), key=lambda part: part.merchant_id.hex)
    ship_to = Address("Buyer", "", sale.buyer.city, sale.buyer.postal_code, COUNTRY)
    return Cart(CURRENCY, ship_to, tuple(parts), prices_agreed=True)


def _part(each: Order, known: Known) -> CartPart:
    lines = tuple(
        CartLine(known.variants[each.seller_id, line.product_id], line.quantity, line.unit_price_minor)
        for line in each.lines
    )
    return CartPart(known.merchants[each.seller_id], lines, agreed_shipping_minor=each.shipping_minor)
