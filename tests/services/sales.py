"""Orders with any prices, discounts and taxes, captured and released by the services that do it in life."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, insert, select, update

from merchantry.domain import order as rules
from merchantry.domain.leaf import BookedEntry
from merchantry.domain.plan_document import parse_plan
from merchantry.services import commission, ledger, order, split
from merchantry.services.catalogue import Product
from merchantry.services.terms import terms_of
from merchantry.services.verification import verify_books
from merchantry.tables.merchant import balance, order_line, orders, split_line, variant, volume
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, a_product, an_act

DAY = timedelta(days=1)


def a_plan(**terms: Any) -> dict[str, Any]:
    """A plan of one rule, 10 % unless told otherwise."""
    default = terms if {"rate_bps", "tiers"} & terms.keys() else {"rate_bps": 1000, **terms}
    return {"name": "Standard", "currency": "BRL", "base": "goods", "hold_days": 2, "default": default}


def tiers(mode: str, **more: Any) -> dict[str, Any]:
    """10 %, and 8 % from 100,000.00 on, by calendar month."""
    steps = [{"from_minor": 0, "rate_bps": 1000}, {"from_minor": 10_000_000, "rate_bps": 800}]
    month = {"window": "calendar_month", "time_zone": "America/Sao_Paulo"}
    return {"mode": mode, **month, "refunds_lower_volume": False, "steps": steps, **more}


@dataclass
class Sales:
    """One merchant that sells."""

    database: Database
    merchant: Merchant
    products: Mapping[str, Product]

    async def place(self, *goods_minor: int, lines: Sequence[dict[str, Any]] = (), **facts: Any) -> UUID:
        """An order that waits for its money; ``lines`` are columns of each line beside its goods."""
        order_id = uuid4()
        rows = [
            self._line(order_id, position, minor, lines[position] if lines else {})
            for position, minor in enumerate(goods_minor)
        ]
        sums = {
            name: sum(row[name] for row in rows)
            for name in ("goods_minor", "shipping_minor", "discount_merchant_minor", "discount_platform_minor")
        }
        added = sum(row["tax_minor"] for row in rows if not row["tax_inclusive"])
        row = {
            "id": order_id,
            "number": f"1-{order_id.hex[:8]}",
            "checkout_id": uuid4(),
            "status": rules.OrderStatus.AWAITING_PAYMENT,
            "currency": "BRL",
            "added_tax_minor": added,
            "shipping_option": "standard",
            "legal_name": "Stall",
            "ship_to": {},
            "placed_at": NOON,
            "events": 1,
            **sums,
            **facts,
        }
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            await session.execute(insert(orders).values(row))
            await session.execute(insert(order_line), rows)
        return order_id

    def _line(self, order_id: UUID, position: int, goods_minor: int, more: Mapping[str, Any]) -> dict[str, Any]:
        product = self.products[more.get("category", "toys")]
        usual: dict[str, Any] = {
            "shipping_minor": 0,
            "discount_merchant_minor": 0,
            "discount_platform_minor": 0,
            "tax_minor": 0,
            "tax_rate_bps": 0,
            "tax_jurisdiction": None,
            "tax_inclusive": True,
            "tax_covers_shipping": False,
            "tax_remitted_by": "merchant",
            "category": "toys",
            "quantity": 1,
        }
        row = usual | dict(more)
        return {
            "id": uuid4(),
            "order_id": order_id,
            "position": position,
            "product_id": product.id,
            "variant_id": product.variants[0].id,
            "sku": "SKU",
            "title": "Kite",
            "unit_price_minor": goods_minor // row["quantity"],
            "goods_minor": goods_minor,
            "shipped": 0,
            "delivered": 0,
            **row,
        }

    async def capture(self, order_id: UUID, at: datetime = NOON) -> None:
        """The buyer's money is in."""
        async with self.database.write("test") as tx:
            async with tx.as_platform() as platform:
                terms = (await terms_of(platform, [self.merchant.id], at))[self.merchant.id]
            async with tx.as_merchant(self.merchant.id) as session:
                await split.capture(session, order_id, terms, an_act(at=at))

    async def sell(self, *goods_minor: int, at: datetime = NOON, **facts: Any) -> UUID:
        """An order, paid at a moment."""
        order_id = await self.place(*goods_minor, **facts)
        await self.capture(order_id, at)
        return order_id

    async def release(self, order_id: UUID, at: datetime = NOON) -> None:
        """The order is shipped and received at a moment, and its hold is over."""
        async with self.database.write("test") as tx:
            async with tx.as_platform() as platform:
                terms = (await terms_of(platform, [self.merchant.id], at))[self.merchant.id]
            async with tx.as_merchant(self.merchant.id) as session:
                await order.ship(
                    session, order_id, None, carrier="", tracking_number="", shipment_id=uuid4(), act=an_act(at=at)
                )
                done = await order.confirm_receipt(session, order_id, an_act(at=at))
                await split.release(session, done, terms, an_act(at=done.hold_ends_at))

    async def entries(self, order_id: UUID) -> list[BookedEntry]:
        """Every entry about an order."""
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return await ledger.entries_of(session, order_id)

    async def postings(self, order_id: UUID) -> list[tuple[str, dict[str, int]]]:
        """Kinds and postings of every entry about an order."""
        return [
            (each.entry.kind.value, {str(part.account): part.amount_minor for part in each.entry.postings})
            for each in await self.entries(order_id)
        ]

    async def balances(self) -> dict[str, int]:
        """All balances in BRL that are not zero."""
        rows = await self.rows(select(balance).where(balance.c.currency == "BRL"))
        return {row.account: row.amount_minor for row in rows if row.amount_minor}

    async def commissions(self, *order_ids: UUID) -> list[int]:
        """The commission of these orders, as their lines say."""
        table = split_line.c
        statement = select(table.order_id, func.sum(table.commission_minor).label("sum")).group_by(table.order_id)
        found = {row.order_id: int(row.sum) for row in await self.rows(statement)}
        return [found[order_id] for order_id in order_ids]

    async def volumes(self) -> list[tuple[Any, ...]]:
        """Rule, counted and reached of every volume."""
        rows = await self.rows(select(volume).order_by(volume.c.window_starts_at, volume.c.rule))
        return [(row.rule, row.counted_minor, row.reached_minor) for row in rows]

    async def rows(self, statement: Any) -> list[Any]:
        """What the merchant's own session reads."""
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return list(await session.execute(statement))

    async def verify(self) -> None:
        """The books break no law."""
        async for found in verify_books(self.database, [(self.merchant.id, self.merchant.slug)]):
            assert found.broken == ()


async def some_sales(
    database: Database, plan: Mapping[str, Any], *, slug: str | None = None, since: datetime = NOON - 400 * DAY
) -> Sales:
    """A new merchant under this plan, in force for more than a year."""
    name = f"plan-{uuid4().hex[:8]}"
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, name, parse_plan(plan), since, an_act())
    merchant = await a_merchant(database, slug, commission_plan=name)
    products = {
        category: await a_product(database, merchant, category=category, on_hand=10_000)
        for category in ("toys", "books")
    }
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        await session.execute(update(variant).values(reserved=10_000))
    return Sales(database, merchant, products)
