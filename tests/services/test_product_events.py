"""What changes of products is told, once for each product and transaction, and never where nothing changed."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.domain.event import EventKind
from merchantry.domain.stock import StockMode
from merchantry.jobs.telling import tell_all
from merchantry.services import catalogue, outbox, product_upsert, stock, variant
from merchantry.services.catalogue import Product
from merchantry.services.product_upsert import ProductGiven, VariantGiven
from merchantry.services.stock import StockRow
from merchantry.services.variant import NewVariant
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_category, a_merchant, a_product, an_act

CREATED, CHANGED, STOCK = EventKind.PRODUCT_CREATED, EventKind.PRODUCT_CHANGED, EventKind.STOCK_ADJUSTED


class Listener:
    """Who reads a merchant's events, and remembers up to where."""

    def __init__(self, database: Database, merchant: Merchant) -> None:
        self.database, self.merchant, self.seq = database, merchant, 0

    async def heard(self) -> list[tuple[EventKind, dict[str, Any]]]:
        """What was told since it was asked last."""
        await tell_all(self.database)
        async with self.database.read("test") as tx, tx.as_merchant(self.merchant.id) as session:
            found = await outbox.read(session, self.seq, 10_000)
        self.seq = found[-1].seq if found else self.seq
        return [(each.kind, dict(each.facts)) for each in found]

    async def do(self, service: Any, *given: Any, **more: Any) -> Any:
        """One transaction with one act."""
        async with self.database.write("test") as tx, tx.as_merchant(self.merchant.id) as session:
            return await service(session, *given, **more, act=an_act())


@pytest.fixture
async def kite(database: Database) -> tuple[Listener, Product]:
    """A published product of two variants, and somebody who has heard of it."""
    merchant = await a_merchant(database)
    variants = [NewVariant(f"SKU-{n}", "", {"BRL": 100}, 10, f"REF-{n}") for n in range(2)]
    made = await a_product(database, merchant, variants=variants)
    listener = Listener(database, merchant)
    assert (CREATED, {"product": str(made.id)}) in await listener.heard()
    return listener, made


async def test_texts_prices_and_variants_are_told_and_what_is_as_before_is_not(kite: tuple[Listener, Product]) -> None:
    listener, made = kite
    changed = [(CHANGED, {"product": str(made.id)})]
    await a_category(listener.database, "books")
    changes: list[dict[str, Any]] = [
        {"title": "Box kite"},
        {"description": "Of two boxes"},
        {"category": "books"},
        {"image_urls": []},
        {"new_variants": [NewVariant("SKU-9", "", {"BRL": 100})]},
    ]
    for given in changes:
        await listener.do(catalogue.update_product, made.id, **given)
        assert await listener.heard() == changed, given
        if "new_variants" not in given:
            await listener.do(catalogue.update_product, made.id, **given)
            assert await listener.heard() == [], given
    for minor, told in ((200, changed), (200, []), (100, changed)):
        await listener.do(catalogue.set_price, made.variants[0].id, "BRL", minor)
        assert await listener.heard() == told


async def test_what_is_refused_is_not_told(kite: tuple[Listener, Product]) -> None:
    listener, made = kite
    with pytest.raises(InvalidInput):
        await listener.do(catalogue.update_product, made.id, title="Box kite", category="nonsense")
    assert await listener.heard() == []


async def test_stock_is_told_however_it_was_counted(kite: tuple[Listener, Product]) -> None:
    listener, made = kite
    one, two = made.variants

    def told(of: variant.Variant, on_hand: int) -> tuple[EventKind, dict[str, Any]]:
        return STOCK, {"variant": str(of.id), "product": str(made.id), "on_hand": on_hand}

    await listener.do(variant.adjust_stock, one.id, -3)
    assert await listener.heard() == [told(one, 7)]
    rows = [StockRow(9, sku="SKU-0"), StockRow(1, StockMode.ADJUST, sku="SKU-0"), StockRow(10, sku="SKU-1")]
    await listener.do(stock.set_many, rows, uuid4())
    assert await listener.heard() == [told(one, 10)]
    given = ProductGiven(variants=(VariantGiven("SKU-0", on_hand=4), VariantGiven("SKU-1", on_hand=10)))
    await listener.do(product_upsert.upsert, given, uuid4())
    assert await listener.heard() == [told(one, 4)]
    await listener.do(stock.set_many, [StockRow(5, variant_id=each.id) for each in (one, two)], uuid4())
    assert sorted(await listener.heard(), key=str) == sorted([told(one, 5), told(two, 5)], key=str)


async def test_an_upsert_tells_of_each_product_once(kite: tuple[Listener, Product]) -> None:
    listener, made = kite
    same = ProductGiven(title="Kite", variants=(VariantGiven("SKU-0", prices={"BRL": 100}),))
    await listener.do(product_upsert.upsert, same, uuid4())
    assert await listener.heard() == []
    other = ProductGiven(
        title="Box kite",
        variants=(VariantGiven("SKU-0", prices={"BRL": 150}), VariantGiven("SKU-1", title="Large")),
    )
    await listener.do(product_upsert.upsert, other, uuid4())
    assert await listener.heard() == [(CHANGED, {"product": str(made.id)})]
    new = ProductGiven(external_ref="P-1", title="Boat", category="toys", variants=(VariantGiven("B-1"),))
    rows = [
        ProductGiven(title="Kite", variants=(VariantGiven("SKU-0"),)),
        ProductGiven(title="Star kite", variants=(VariantGiven("SKU-1"),)),
        new,
        ProductGiven(external_ref="P-1", title="Ship"),
        ProductGiven(external_ref="P-1", category="nonsense"),
        same,
    ]
    outcomes = await listener.do(product_upsert.upsert_many, rows, uuid4())
    boat: UUID = outcomes[2].product_id
    heard = await listener.heard()
    assert sorted(heard) == sorted([(CREATED, {"product": str(boat)}), (CHANGED, {"product": str(made.id)})])
