"""Products as another system has them: the same sent again changes nothing, and a bad row hinders no other."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from merchantry.domain.errors import InvalidInput, MarketError, SkuTaken, StockRefused
from merchantry.services import catalogue, listing, product_upsert
from merchantry.services.audit_search import AuditFilter, events
from merchantry.services.bulk import Refused
from merchantry.services.product_upsert import ProductGiven, Upserted, VariantGiven
from merchantry.services.variant import NewVariant
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_category, a_merchant, a_product, an_act

RED = VariantGiven("RED", "V-1", "Red", {"BRL": 1990}, 3)


def a_kite(**changed: Any) -> ProductGiven:
    usual = {"external_ref": "P-1", "title": "Kite", "category": "toys", "variants": (RED,)}
    return ProductGiven(**{**usual, **changed})


async def a_stall(database: Database) -> Merchant:
    await a_category(database)
    return await a_merchant(database)


async def send(database: Database, merchant: Merchant, given: ProductGiven) -> Upserted:
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await product_upsert.upsert(session, given, uuid4(), an_act())


async def send_many(database: Database, merchant: Merchant, *rows: ProductGiven | MarketError) -> list[Any]:
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        return await product_upsert.upsert_many(session, rows, uuid4(), an_act())


async def held(database: Database, merchant: Merchant, product_id: UUID) -> catalogue.Product:
    async with database.read("test") as tx, tx.as_merchant(merchant.id) as session:
        return await catalogue.product(session, product_id)


async def test_what_is_missing_is_made_and_what_is_there_is_changed(database: Database) -> None:
    merchant = await a_stall(database)
    made = await send(database, merchant, a_kite(is_published=True))
    again = await send(database, merchant, a_kite())
    assert (made.was_created, again) == (True, Upserted(made.product_id, was_created=False))
    changed = a_kite(
        title="Big kite",
        variants=(VariantGiven("CRIMSON", "V-1", prices={"EUR": 350}), VariantGiven("BLUE", title="Blue", on_hand=2)),
    )
    await send(database, merchant, changed)
    product = await held(database, merchant, made.product_id)
    assert (product.title, product.external_ref, product.status) == ("Big kite", "P-1", "published")
    assert [(v.sku, v.external_ref, v.title, dict(v.prices), v.on_hand) for v in product.variants] == [
        ("CRIMSON", "V-1", "Red", {"BRL": 1990, "EUR": 350}, 3),
        ("BLUE", None, "Blue", {}, 2),
    ]
    async with database.read("test") as tx, tx.as_public() as session:
        (shown,) = await listing.listings(session, 10)
    assert (shown.title, [v.sku for v in shown.variants]) == ("Big kite", ["CRIMSON"])


async def test_without_a_reference_the_skus_say_which_product_it_is(database: Database) -> None:
    merchant = await a_stall(database)
    made = await a_product(database, merchant, variants=[NewVariant("RED", "Red", {"BRL": 5}, 1)])
    sent = await send(database, merchant, ProductGiven(title="Kite 2", variants=(VariantGiven("RED"),)))
    assert sent == Upserted(made.id, was_created=False)
    linked = await send(database, merchant, ProductGiven(external_ref="P-7", variants=(VariantGiven("RED"),)))
    assert linked.product_id == made.id
    product = await held(database, merchant, made.id)
    assert (product.title, product.external_ref, product.variants[0].on_hand) == ("Kite 2", "P-7", 1)
    await send(database, merchant, ProductGiven(external_ref="P-7", is_published=False))
    assert (await held(database, merchant, made.id)).status == "draft"


async def test_what_can_not_be_is_refused_and_changes_nothing(database: Database) -> None:
    merchant = await a_stall(database)
    await send(database, merchant, a_kite())
    await send(database, merchant, a_kite(external_ref="P-2", variants=(VariantGiven("TWO", "V-2", "Two"),)))
    for given, error in (
        (ProductGiven(), InvalidInput),
        (ProductGiven(external_ref="P-3", title="Kite"), InvalidInput),
        (a_kite(external_ref="P-3"), SkuTaken),
        (ProductGiven(variants=(VariantGiven("RED"), VariantGiven("TWO"))), SkuTaken),
        (a_kite(variants=(VariantGiven("NEW", "V-2"),)), SkuTaken),
        (a_kite(variants=(VariantGiven("RED", on_hand=-1),)), StockRefused),
        (a_kite(variants=(VariantGiven("A", "V-9"), VariantGiven("B", "V-9"))), InvalidInput),
        (a_kite(variants=(VariantGiven("A"), VariantGiven("A"))), InvalidInput),
    ):
        with pytest.raises(error):
            await send(database, merchant, given)
    outcomes = await send_many(
        database,
        merchant,
        ProductGiven(external_ref="P-1", variants=(VariantGiven("RED", "V-1"), VariantGiven("BLUE", "V-3"))),
        ProductGiven(external_ref="P-1", variants=(VariantGiven("RED", "V-3"),)),
    )
    assert isinstance(outcomes[0], Upserted)
    assert outcomes[1].code == "SKU_TAKEN"


async def test_a_bad_row_hinders_no_other_and_a_repetition_answers_the_same(database: Database) -> None:
    merchant = await a_stall(database)
    rows = (
        a_kite(),
        a_kite(external_ref="P-2"),
        ProductGiven(external_ref="P-3"),
        InvalidInput(reason="Not a price.", path=("variants", 0)),
        a_kite(title="Twice"),
    )
    batch = uuid4()
    async with database.write("test") as tx, tx.as_merchant(merchant.id) as session:
        outcomes = await product_upsert.upsert_many(session, rows, batch, an_act())
        assert await product_upsert.upserted_before(session, batch) == outcomes
        trail = await events(session, AuditFilter(act="product.upsert_many"), 10)
    codes = [each.code if isinstance(each, Refused) else each.was_created for each in outcomes]
    assert codes == [True, "SKU_TAKEN", "INVALID_INPUT", "INVALID_INPUT", False]
    assert isinstance(outcomes[0], Upserted)
    assert (await held(database, merchant, outcomes[0].product_id)).title == "Twice"
    assert len(trail) == 1


async def test_of_many_who_send_the_same_new_product_at_once_one_makes_it_without_a_deadlock(
    database: Database,
) -> None:
    merchant = await a_stall(database)
    for number in range(8):
        names = (f"R-{number}", f"V-{number}")
        kites = [
            a_kite(external_ref=f"P-{number}", variants=(VariantGiven(*names, title, {"BRL": 1990}, on_hand),))
            for title, on_hand in (("Red", 3), ("Crimson", 9))
        ]
        sent = await asyncio.gather(*(send(database, merchant, given) for given in 4 * kites))
        assert len({each.product_id for each in sent}) == 1
        assert sum(each.was_created for each in sent) == 1


async def test_two_merchants_may_use_the_same_references(database: Database) -> None:
    one, other = await a_stall(database), await a_merchant(database)
    first, second = await send(database, one, a_kite()), await send(database, other, a_kite())
    assert first.was_created
    assert second.was_created
    assert first.product_id != second.product_id
    outcomes = await send_many(database, other, a_kite(title="Other"))
    assert outcomes == [Upserted(second.product_id, was_created=False)]
    assert (await held(database, one, first.product_id)).title == "Kite"
