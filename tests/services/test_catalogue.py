"""Products, their prices and stock, and what of them everybody sees."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from merchantry.domain.errors import (
    InvalidInput,
    MarketError,
    NotFound,
    ProductIncomplete,
    SkuTaken,
    StockRefused,
    UnknownCurrency,
)
from merchantry.services import catalogue, category, listing, listing_index, merchant, variant
from merchantry.services.audit_search import AuditFilter, events
from merchantry.services.listing_search import Wanted
from merchantry.services.variant import NewVariant
from merchantry.tables import merchant as tables
from merchantry.tables import platform
from tenancy.database import Database, MerchantSession, sqlstate
from tests.builders import NOON, a_category, a_merchant, a_product, a_shop, an_act, some_merchants
from tests.statements import sent_to

REFUSED = "42501"
RED = NewVariant("RED", "Red", {"BRL": 1990, "EUR": 350}, 3)
BLUE = NewVariant("BLUE", "Blue", {}, 0)


async def as_merchant(database: Database, merchant_id: UUID, work: Callable[[MerchantSession], Awaitable[Any]]) -> Any:
    async with database.write("test") as tx, tx.as_merchant(merchant_id) as session:
        return await work(session)


async def shown(database: Database, **wanted: Any) -> list[listing.Listing]:
    async with database.read("test") as tx, tx.as_public() as session:
        return await listing.listings(session, 100, wanted=Wanted(**wanted))


def a_draft(**changed: Any) -> dict[str, Any]:
    usual = {
        "title": "Kite",
        "description": "",
        "category": "toys",
        "image_urls": [],
        "variants": [RED],
        "act": an_act(),
    }
    return {**usual, **changed}


async def test_a_draft_keeps_variants_in_their_order_and_shows_nowhere(database: Database) -> None:
    kites = await a_merchant(database)
    made = await a_product(database, kites, variants=[RED, BLUE], is_published=False)
    assert (made.title, made.status, made.category) == ("Kite", "draft", "toys")
    assert [(v.sku, dict(v.prices), v.available) for v in made.variants] == [
        ("RED", {"BRL": 1990, "EUR": 350}, 3),
        ("BLUE", {}, 0),
    ]
    assert await shown(database) == []


async def test_a_published_product_is_listed_with_what_has_a_price(database: Database) -> None:
    kites = await a_merchant(database, "kites", display_name="Kites & Co")
    made = await a_product(database, kites, variants=[RED, BLUE])
    [listed] = await shown(database)
    assert (listed.merchant_id, listed.merchant_slug, listed.merchant_name) == (kites.id, "kites", "Kites & Co")
    assert (listed.product_id, listed.title, listed.published_at) == (made.id, "Kite", NOON)
    assert [(v.id, v.sku, v.prices) for v in listed.variants] == [
        (made.variants[0].id, "RED", {"BRL": 1990, "EUR": 350})
    ]


async def test_what_changes_shows_at_once_and_keeps_its_place(database: Database) -> None:
    kites = await a_merchant(database)
    made = await a_product(database, kites, variants=[RED, BLUE])
    later = an_act(at=NOON + timedelta(hours=1))

    async def change(session: MerchantSession) -> None:
        green = NewVariant("GREEN", "Green", {"BRL": 5})
        await catalogue.update_product(session, made.id, act=later, title="Dragon", new_variants=[green])
        await catalogue.set_price(session, made.variants[1].id, "BRL", 0, later)
        await catalogue.set_price(session, made.variants[0].id, "BRL", 2100, later)

    await as_merchant(database, kites.id, change)
    [listed] = await shown(database)
    assert (listed.title, listed.published_at, listed.updated_at) == ("Dragon", NOON, later.at)
    assert [(v.sku, v.prices) for v in listed.variants] == [
        ("RED", {"BRL": 2100, "EUR": 350}),
        ("BLUE", {"BRL": 0}),
        ("GREEN", {"BRL": 5}),
    ]


async def test_unpublishing_takes_it_out_of_the_mall_and_publishing_again_brings_it_back(database: Database) -> None:
    kites = await a_merchant(database)
    made = await a_product(database, kites)
    for act in (catalogue.unpublish, catalogue.unpublish):
        await as_merchant(database, kites.id, lambda session, act=act: act(session, made.id, an_act()))  # type: ignore[misc]
        assert await shown(database) == []
    await as_merchant(database, kites.id, lambda session: catalogue.publish(session, made.id, an_act()))
    assert [listed.product_id for listed in await shown(database)] == [made.id]
    async with database.read("test") as tx, tx.as_merchant(kites.id) as session:
        acts = [each.act for each in await events(session, AuditFilter(merchants=[kites.id]), 20)]
    assert sorted(acts) == [
        "merchant.create",
        "product.create",
        "product.publish",
        "product.publish",
        "product.unpublish",
    ]


async def test_without_a_price_nothing_is_published(database: Database) -> None:
    kites = await a_merchant(database)
    for variants in ([], [BLUE]):
        draft = await a_product(database, kites, variants=variants, is_published=False)
        with pytest.raises(ProductIncomplete) as refusal:
            await as_merchant(
                database,
                kites.id,
                lambda session, draft=draft: catalogue.publish(session, draft.id, an_act()),  # type: ignore[misc]
            )
        assert refusal.value.missing == ("a variant with a price",)
    assert await shown(database) == []


@pytest.mark.parametrize(
    ("changed", "problem", "path"),
    [
        ({"title": " "}, InvalidInput, ("title",)),
        ({"title": "x" * 301}, InvalidInput, ("title",)),
        ({"title": "a\x00b"}, InvalidInput, ("title",)),
        ({"description": "x" * 20_001}, InvalidInput, ("description",)),
        ({"category": "cars"}, InvalidInput, ("category",)),
        ({"category": "*"}, InvalidInput, ("category",)),
        ({"image_urls": ["https://ok.test/1", "ftp://no.test/1"]}, InvalidInput, ("image_urls", 1)),
        ({"image_urls": ["javascript:alert(1)"]}, InvalidInput, ("image_urls", 0)),
        ({"image_urls": ["https://"]}, InvalidInput, ("image_urls", 0)),
        ({"image_urls": ["http://[::1"]}, InvalidInput, ("image_urls", 0)),
        ({"image_urls": ["https://ok.test/1"] * 21}, InvalidInput, ("image_urls",)),
        ({"variants": [NewVariant("", "", {})]}, InvalidInput, ("variants", 0, "sku")),
        ({"variants": [RED, BLUE, RED]}, SkuTaken, ("variants", 2, "sku")),
        ({"variants": [NewVariant("A", "", {"BRL": -1})]}, InvalidInput, ("variants", 0, "prices", "BRL")),
        ({"variants": [NewVariant("A", "", {"BRL": 10**15 + 1})]}, InvalidInput, ("variants", 0, "prices", "BRL")),
        ({"variants": [NewVariant("A", "", {"brl": 1})]}, UnknownCurrency, ("variants", 0, "prices", "brl")),
        ({"variants": [NewVariant("A", "", {}, -1)]}, InvalidInput, ("variants", 0, "on_hand")),
        ({"variants": [NewVariant(str(n), "", {}) for n in range(101)]}, InvalidInput, ("variants",)),
    ],
)
async def test_input_that_cannot_be_right_is_named_and_leaves_nothing(
    database: Database, changed: dict[str, Any], problem: type[MarketError], path: tuple[str | int, ...]
) -> None:
    kites = await a_merchant(database)
    await a_category(database)
    with pytest.raises(problem) as refusal:
        await as_merchant(database, kites.id, lambda session: catalogue.create_product(session, **a_draft(**changed)))
    assert refusal.value.path == path
    assert await as_merchant(database, kites.id, lambda session: catalogue.products(session, 10)) == []


async def test_a_sku_is_unique_at_its_merchant_only_and_the_transaction_survives_the_refusal(
    database: Database,
) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    await a_product(database, kites, variants=[RED])
    await a_product(database, boats, variants=[RED])

    async def again(session: MerchantSession) -> None:
        with pytest.raises(SkuTaken) as refusal:
            await catalogue.create_product(session, **a_draft(variants=[BLUE, RED]))
        assert (refusal.value.sku, refusal.value.path) == ("RED", ("variants", 1, "sku"))
        assert await catalogue.create_product(session, **a_draft(variants=[BLUE], product_id=UUID(int=7))) == UUID(
            int=7
        )

    await as_merchant(database, kites.id, again)
    assert (await as_merchant(database, kites.id, lambda s: catalogue.product(s, UUID(int=7)))).variants[
        0
    ].sku == "BLUE"


async def test_another_merchants_products_are_not_there(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    made = await a_product(database, kites)
    variant_id = made.variants[0].id
    attempts: list[Callable[[MerchantSession], Awaitable[Any]]] = [
        lambda session: catalogue.product(session, made.id),
        lambda session: catalogue.update_product(session, made.id, title="Mine", act=an_act()),
        lambda session: catalogue.publish(session, made.id, an_act()),
        lambda session: catalogue.unpublish(session, made.id, an_act()),
        lambda session: catalogue.set_price(session, variant_id, "BRL", 1, an_act()),
        lambda session: variant.adjust_stock(session, variant_id, 1, an_act()),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await as_merchant(database, boats.id, attempt)
        await as_merchant(database, kites.id, attempt)
    assert await as_merchant(database, boats.id, lambda s: variant.variants(s, [variant_id])) == {}
    assert len(await as_merchant(database, kites.id, lambda s: variant.variants(s, [variant_id]))) == 1
    assert await as_merchant(database, boats.id, lambda s: catalogue.products(s, 10)) == []


async def test_another_merchants_listing_can_be_neither_written_nor_removed(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop(), a_shop())
    await a_product(database, kites)

    async def rename(session: MerchantSession) -> None:
        await session.execute(update(platform.listing).values(title="Cheap"))

    await as_merchant(database, boats.id, rename)
    [listed] = await shown(database)
    assert listed.title == "Kite"
    await as_merchant(database, boats.id, lambda s: listing_index.remove(s, listed.product_id))
    assert len(await shown(database)) == 1
    forgery = platform.listing.insert().values(_row(listed))
    with pytest.raises(DBAPIError) as refusal:
        await as_merchant(database, boats.id, lambda s: s.execute(forgery))
    assert sqlstate(refusal.value) == REFUSED
    await as_merchant(database, kites.id, rename)
    assert [listed.title for listed in await shown(database)] == ["Cheap"]


def _row(listed: listing.Listing) -> dict[str, Any]:
    names = ("merchant_id", "title", "description", "category", "published_at", "updated_at")
    forged = {"product_id": uuid4(), "image_urls": [], "variants": []}
    return {**{name: getattr(listed, name) for name in names}, **forged}


async def test_stock_never_falls_below_what_is_reserved(database: Database) -> None:
    kites = await a_merchant(database)
    red = (await a_product(database, kites, variants=[RED])).variants[0]
    reserve = update(tables.variant).values(reserved=2)
    await as_merchant(database, kites.id, lambda session: session.execute(reserve))
    with pytest.raises(StockRefused) as refusal:
        await as_merchant(database, kites.id, lambda s: variant.adjust_stock(s, red.id, -2, an_act()))
    assert (refusal.value.on_hand, refusal.value.reserved, refusal.value.change) == (3, 2, -2)
    assert await as_merchant(database, kites.id, lambda s: variant.adjust_stock(s, red.id, -1, an_act())) == 2
    assert await as_merchant(database, kites.id, lambda s: variant.adjust_stock(s, red.id, 5, an_act())) == 7
    for change in (0, 10**9, 10**30):
        with pytest.raises(InvalidInput):
            await as_merchant(
                database,
                kites.id,
                lambda s, change=change: variant.adjust_stock(s, red.id, change, an_act()),  # type: ignore[misc]
            )


async def test_stock_taken_at_once_by_many_adds_up(database: Database) -> None:
    kites = await a_merchant(database)
    red = (await a_product(database, kites, on_hand=5)).variants[0]
    taken = await asyncio.gather(
        *(as_merchant(database, kites.id, lambda s: variant.adjust_stock(s, red.id, -1, an_act())) for _ in range(8)),
        return_exceptions=True,
    )
    assert sorted(left for left in taken if isinstance(left, int)) == [0, 1, 2, 3, 4]
    assert sum(isinstance(refusal, StockRefused) for refusal in taken) == 3


async def test_products_are_paged_newest_first_whatever_their_moments(database: Database) -> None:
    kites = await a_merchant(database)
    for day in (1, 2, 2, 3):
        await a_product(database, kites, title=f"Day {day}", at=NOON + timedelta(days=day), is_published=False)
    found: list[str] = []
    after = None
    while True:
        page = await as_merchant(database, kites.id, lambda s, after=after: catalogue.products(s, 2, after))  # type: ignore[misc]
        found += [product.title for product in page[:2]]
        if len(page) < 3:
            break
        after = page[1].cursor
    assert found == ["Day 3", "Day 2", "Day 2", "Day 1"]
    assert await as_merchant(database, kites.id, lambda s: catalogue.products(s, 5, status="published")) == []


async def test_a_page_of_products_takes_as_many_statements_as_one_product(database: Database) -> None:
    kites = await a_merchant(database)
    counts = []
    for _ in range(2):
        await a_product(database, kites, is_published=False)
        with sent_to(database) as sent:
            await as_merchant(database, kites.id, lambda s: catalogue.products(s, 100))
        counts.append(len(sent))
    assert counts == [3, 3]


async def test_listings_are_found_by_category_merchant_and_words_and_paged(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    await a_product(database, kites, title="Red Dragon", category="toys", at=NOON)
    await a_product(database, boats, title="Dragon Boat 100%", category="sport", at=NOON)
    await a_product(database, boats, title="Oar", category="sport", at=NOON + timedelta(days=1))

    async def titles(**wanted: Any) -> list[str]:
        return sorted(listed.title for listed in await shown(database, **wanted))

    assert await titles() == ["Dragon Boat 100%", "Oar", "Red Dragon"]
    assert await titles(category="sport") == ["Dragon Boat 100%", "Oar"]
    assert await titles(merchants=["kites"]) == ["Red Dragon"]
    assert await titles(search="dRAGON") == ["Dragon Boat 100%", "Red Dragon"]
    assert await titles(search="boat dragon") == ["Dragon Boat 100%"]
    assert await titles(search="100") == ["Dragon Boat 100%"]
    assert await titles(search="%") == []
    assert await titles(search="_") == []
    async with database.read("test") as tx, tx.as_public() as session:
        page = await listing.listings(session, 1)
        assert [listed.title for listed in page[:1]] == ["Oar"]
        rest = await listing.listings(session, 5, page[0].cursor)
        again = await listing.listings(session, 5, rest[0].cursor)
    assert [len(rest), len(again)] == [2, 1]
    assert again == rest[1:]


async def test_a_suspended_merchants_listings_are_gone_until_it_is_active_again(database: Database) -> None:
    kites = await a_merchant(database, "kites")
    made = await a_product(database, kites)
    for status, is_shown in (("suspended", False), ("active", True)):
        async with database.write("test") as tx:
            async with tx.as_platform() as platform_session:
                await merchant.set_status(platform_session, "kites", status, an_act())
            async with tx.as_public() as public:
                assert bool(await listing.listings(public, 10)) is is_shown
                assert (await listing.listing(public, kites.id, made.id) is not None) is is_shown


async def test_categories_are_a_tree_with_codes_of_their_own(database: Database) -> None:
    async with database.write("test") as tx:
        async with tx.as_platform() as session:
            await category.create_category(session, "toys", "Toys", an_act())
            await category.create_category(session, "kites_2", "Kites", an_act(), parent="toys")
            for code, name, parent, path in (
                ("toys", "Again", None, ("code",)),
                ("*", "All", None, ("code",)),
                ("To ys", "Toys", None, ("code",)),
                ("new", " ", None, ("name",)),
                ("new", "New", "nothing", ("parent",)),
            ):
                with pytest.raises(InvalidInput) as refusal:
                    await category.create_category(session, code, name, an_act(), parent=parent)
                assert refusal.value.path == path
        async with tx.as_public() as public:
            found = await category.categories(public)
    assert [(known.code, known.parent) for known in found] == [("kites_2", "toys"), ("toys", None)]
