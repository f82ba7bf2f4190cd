"""Variants: what of a product is bought, with its SKU, prices and stock."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from psycopg import Error
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from merchantry.domain.act import Act
from merchantry.domain.errors import InvalidInput, NotFound, SkuTaken, StockRefused
from merchantry.domain.event import EventKind
from merchantry.domain.price import check_prices
from merchantry.domain.stock import MAX_STOCK
from merchantry.domain.text import Path, check_text
from merchantry.domain.worded import Worded
from merchantry.services import audit, listing_stock, outbox
from merchantry.tables import merchant as tables
from tenancy.database import MerchantSession, sqlstate
from tenancy.writes import write

MAX_TITLE = 300
MAX_SKU = 100
MAX_VARIANTS = 100
UNIQUE_VIOLATION = "23505"

INSERT = insert(tables.variant)
INSERT_PRICES = insert(tables.price)


@dataclass(frozen=True, slots=True)
class NewVariant:
    """A variant to be; ``prices`` holds minor units by currency."""

    sku: str
    title: str
    prices: Mapping[str, int]
    on_hand: int = 0
    external_ref: str | None = None

    def facts(self) -> dict[str, Any]:
        """For the audit trail."""
        return {"sku": self.sku, "title": self.title, "prices": dict(self.prices), "on_hand": self.on_hand}


@dataclass(frozen=True, slots=True)
class Variant:
    """What is bought. ``reserved`` pieces of those on hand belong to orders that have not shipped."""

    id: UUID
    product_id: UUID
    sku: str
    title: str
    on_hand: int
    reserved: int
    prices: Mapping[str, int]
    external_ref: str | None = None

    @property
    def available(self) -> int:
        """How many can still be ordered."""
        return self.on_hand - self.reserved


async def adjust_stock(session: MerchantSession, variant_id: UUID, change: int, act: Act) -> int:
    """Add to what is on hand, or take away with a negative change; returns what is on hand then.

    Raises NotFound, and StockRefused where less would be left than orders have reserved.
    """
    if change == 0 or abs(change) > MAX_STOCK:
        raise InvalidInput(
            reason=Worded("Change the stock by 1 to {most}, up or down.", most=MAX_STOCK), path=("change",)
        )
    table = tables.variant.c
    left = table.on_hand + change
    statement = (
        update(tables.variant)
        .where(table.id == variant_id, left >= table.reserved, left <= MAX_STOCK)
        .values(on_hand=left)
        .returning(table.on_hand, table.product_id)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        raise await _stock_refusal(session, variant_id, change)
    await listing_stock.moved(session, [(variant_id, change)])
    on_hand: int = row.on_hand
    before, after = {"on_hand": on_hand - change}, {"on_hand": on_hand}
    await write(
        session,
        audit.event(session, session.merchant_id, act, "stock.adjust", str(variant_id), before, after),
        *outbox.published(session, EventKind.STOCK_ADJUSTED, told_of(variant_id, row.product_id, on_hand), act),
    )
    return on_hand


def told_of(variant_id: UUID, product_id: UUID, on_hand: int) -> dict[str, Any]:
    """The facts of the event that its stock is another one now."""
    return {"variant": variant_id, "product": product_id, "on_hand": on_hand}


async def variants(session: MerchantSession, variant_ids: Collection[UUID]) -> dict[UUID, Variant]:
    """Several variants by id, with prices; those that are not found are left out."""
    found = await _read(session, tables.variant.c.id == func.any(list(variant_ids)))
    return {variant.id: variant for group in found.values() for variant in group}


async def variants_by_sku(session: MerchantSession, skus: Collection[str]) -> dict[str, Variant]:
    """Several variants by SKU, with prices; those that are not found are left out."""
    found = await _read(session, tables.variant.c.sku == func.any(list(skus)))
    return {variant.sku: variant for group in found.values() for variant in group}


def check_variants(added: Sequence[NewVariant], held: int, name: str = "variants") -> None:
    """Refuse what can't be added to a product that has ``held`` variants. Raises with the path of the input."""
    if held + len(added) > MAX_VARIANTS:
        raise InvalidInput(reason=Worded("A product has at most {most} variants.", most=MAX_VARIANTS), path=(name,))
    seen: set[str] = set()
    for position, variant in enumerate(added):
        path: Path = (name, position)
        check_text(variant.sku, MAX_SKU, (*path, "sku"))
        check_text(variant.title, MAX_TITLE, (*path, "title"), shortest=0)
        if variant.sku in seen:
            raise SkuTaken(sku=variant.sku, path=(*path, "sku"))
        seen.add(variant.sku)
        if not 0 <= variant.on_hand <= MAX_STOCK:
            raise InvalidInput(
                reason=Worded("Stock is a number from 0 to {most}.", most=MAX_STOCK), path=(*path, "on_hand")
            )
        check_prices(variant.prices, (*path, "prices"))


async def add_variants(
    session: MerchantSession, product_id: UUID, added: Sequence[NewVariant], held: int, name: str = "variants"
) -> None:
    """Add checked variants behind the ``held`` ones. Raises SkuTaken."""
    if not added:
        return
    rows = [
        {
            "id": uuid4(),
            "product_id": product_id,
            "sku": variant.sku,
            "title": variant.title,
            "position": held + position,
            "on_hand": variant.on_hand,
            "reserved": 0,
            "external_ref": variant.external_ref,
        }
        for position, variant in enumerate(added)
    ]
    try:
        async with session.savepoint():
            await session.execute(INSERT, rows)
    except DBAPIError as error:
        raise await _sku_taken(session, added, error, name) from error
    prices = [
        {"variant_id": row["id"], "currency": currency, "amount_minor": amount_minor}
        for row, variant in zip(rows, added, strict=True)
        for currency, amount_minor in variant.prices.items()
    ]
    if prices:
        await session.execute(INSERT_PRICES, prices)


async def _sku_taken(session: MerchantSession, added: Sequence[NewVariant], error: DBAPIError, name: str) -> Exception:
    constraint = error.orig.diag.constraint_name if isinstance(error.orig, Error) else None
    if sqlstate(error) != UNIQUE_VIOLATION or constraint != "variant_sku_key":
        return error
    skus = [variant.sku for variant in added]
    taken = await session.scalar(select(tables.variant.c.sku).where(tables.variant.c.sku == func.any(skus)).limit(1))
    return SkuTaken(sku=taken, path=(name, skus.index(taken), "sku")) if taken else SkuTaken(sku=", ".join(skus))


async def variants_by_product(session: MerchantSession, product_ids: Collection[UUID]) -> dict[UUID, list[Variant]]:
    """The variants of several products in their order, in one statement; products without any are left out."""
    return await _read(session, tables.variant.c.product_id == func.any(list(product_ids)))


async def _stock_refusal(session: MerchantSession, variant_id: UUID, change: int) -> Exception:
    table = tables.variant.c
    held = (await session.execute(select(table.on_hand, table.reserved).where(table.id == variant_id))).one_or_none()
    if held is None:
        return NotFound(what="variant", path=("variant_id",))
    if change > 0:
        return InvalidInput(reason=Worded("Stock is a number from 0 to {most}.", most=MAX_STOCK), path=("change",))
    return StockRefused(
        variant_id=variant_id, on_hand=held.on_hand, reserved=held.reserved, change=change, path=("change",)
    )


async def _read(session: MerchantSession, condition: ColumnElement[bool]) -> dict[UUID, list[Variant]]:
    """Variants in their order, by product, with all their prices, in one statement."""
    table = tables.variant.c
    priced = func.jsonb_object_agg(tables.price.c.currency, tables.price.c.amount_minor)
    prices = select(priced).where(tables.price.c.variant_id == table.id).correlate(tables.variant).scalar_subquery()
    columns = (table.id, table.product_id, table.sku, table.title, table.on_hand, table.reserved, table.external_ref)
    statement = select(*columns, prices.label("prices")).where(condition).order_by(table.product_id, table.position)
    found: dict[UUID, list[Variant]] = defaultdict(list)
    for row in await session.execute(statement):
        values = (row.id, row.product_id, row.sku, row.title, row.on_hand, row.reserved, row.prices or {})
        variant = Variant(*values, row.external_ref)
        found[row.product_id].append(variant)
    return found
