"""What storefronts find: words in any form, corrections, categories, prices, stock, facets, pages in every order."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from merchantry.domain.errors import InvalidInput
from merchantry.services import category, listing, listing_facets, listing_search, merchant, stock, variant, vocabulary
from merchantry.services.listing import ListingSort
from merchantry.services.listing_facets import Facets
from merchantry.services.listing_search import Wanted
from merchantry.services.stock import StockRow
from merchantry.services.variant import NewVariant
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import NOON, a_merchant, a_product, a_shop, an_act, some_merchants


async def titles(database: Database, sort: ListingSort | None = None, **wanted: Any) -> list[str]:
    asked = Wanted(**wanted)
    async with database.read("test") as tx, tx.as_public() as session:
        found = await listing.listings(session, 100, wanted=asked, sort=listing.sort_of(asked, sort))
    return [each.title for each in found]


async def facets_of(database: Database, **wanted: Any) -> Facets:
    async with database.read("test") as tx, tx.as_public() as session:
        conditions = await listing_search.conditions(session, Wanted(**wanted))
        return await listing_facets.facets(session, conditions, ("categories", "merchants", "prices"))


async def listed(database: Database, shop: Merchant, title: str, minor: int = 1000, **more: Any) -> Any:
    sold = NewVariant(f"SKU {title}"[:100], "", {"BRL": minor}, on_hand=more.pop("on_hand", 5))
    return await a_product(database, shop, title=title, variants=[sold], **more)


async def learned(database: Database, *shops: Merchant) -> None:
    async with database.write("test") as tx, tx.as_platform() as session:
        for shop in shops:
            await vocabulary.learn(session, shop.id)


async def test_a_word_is_found_by_its_beginning_its_stem_and_without_its_accents(database: Database) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "Running shoes for the road", description="The best of this season")
    await listed(database, kites, "Câmera de ação", description="Para o esporte e para a praia")
    assert await titles(database, search="run") == ["Running shoes for the road"]
    assert await titles(database, search="RUNS shoe") == ["Running shoes for the road"]
    assert await titles(database, search="camera acao") == ["Câmera de ação"]
    assert await titles(database, search="câmeras") == ["Câmera de ação"]
    assert await titles(database, search="shoes boat") == []


async def test_texts_without_spaces_are_found_by_a_part(database: Database) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "透明手机壳 iPhone")
    assert await titles(database, search="手机壳") == ["透明手机壳 iPhone"]
    assert await titles(database, search="手机 iphone") == ["透明手机壳 iPhone"]
    assert await titles(database, search="壳机") == []


@pytest.mark.parametrize("typed", ["samsng", "smasung", "samsungg", "samzung", "bluetoth", "blutoothe"])
async def test_mistyped_words_are_corrected(database: Database, typed: str) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "Samsung speaker, bluetooth")
    await listed(database, kites, "Kite")
    await learned(database, kites)
    assert await titles(database, search=typed) == ["Samsung speaker, bluetooth"]


async def test_more_mistakes_than_are_forgiven_find_nothing(database: Database) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "Samsung speaker")
    await learned(database, kites)
    assert await titles(database, search="smsng") == []
    assert await titles(database, search="spkr") == []


@pytest.mark.parametrize("typed", ["'", "\\", ":*", "a' | 'b", "& | !", "(", "%", "kite'; --", "<->", "\x01"])
async def test_what_means_something_to_the_database_means_nothing_in_a_search(database: Database, typed: str) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "Kite")
    assert set(await titles(database, search=typed)) <= {"Kite"}


async def test_a_category_is_found_by_its_name_of_now_with_those_below_it(database: Database) -> None:
    kites = await a_merchant(database)
    async with database.write("test") as tx, tx.as_platform() as session:
        await category.create_category(session, "toys", "Toys", an_act())
        await category.create_category(session, "wind-toys", "Wind games", an_act(), parent="toys")
    await listed(database, kites, "Dragon", category="wind-toys")
    await listed(database, kites, "Ball", category="toys")
    assert await titles(database, search="games") == ["Dragon"]
    assert sorted(await titles(database, category="toys")) == ["Ball", "Dragon"]
    assert await titles(database, category="wind-toys") == ["Dragon"]
    assert await titles(database, category="nowhere") == []


async def test_the_best_answer_comes_first(database: Database) -> None:
    kites = await a_merchant(database)
    await listed(database, kites, "Lamp", description="goes with a dragon", at=NOON + timedelta(days=1))
    await listed(database, kites, "Dragon kite", at=NOON)
    assert await titles(database, search="dragon") == ["Dragon kite", "Lamp"]
    assert await titles(database, ListingSort.NEWEST, search="dragon") == ["Lamp", "Dragon kite"]


@pytest.mark.parametrize("sort", list(ListingSort), ids=lambda each: each.value)
async def test_pages_of_one_in_any_order_give_each_listing_once(database: Database, sort: ListingSort) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    for number, shop in enumerate((kites, boats, kites, boats, kites)):
        await listed(database, shop, f"Toy {number // 2}", 500 * (number // 2 + 1))
    wanted = Wanted(search="toy", currency="BRL")
    found, after = [], None
    async with database.read("test") as tx, tx.as_public() as session:
        whole = await listing.listings(session, 100, wanted=wanted, sort=sort)
        while page := await listing.listings(session, 1, after, wanted=wanted, sort=sort):
            found.append(page[0])
            after = page[0].cursor
    assert found == whole
    assert len({each.product_id for each in found}) == 5


async def test_prices_are_sorted_and_bounded_in_one_currency(database: Database) -> None:
    kites = await a_merchant(database)
    for title, minor in (("Dear", 9_000), ("Cheap", 500), ("Middle", 3_000)):
        await listed(database, kites, title, minor)
    assert await titles(database, ListingSort.PRICE_ASC, currency="BRL") == ["Cheap", "Middle", "Dear"]
    assert await titles(database, ListingSort.PRICE_DESC, currency="BRL") == ["Dear", "Middle", "Cheap"]
    bounded = await titles(database, ListingSort.PRICE_ASC, currency="BRL", least_minor=500, most_minor=3_000)
    assert bounded == ["Cheap", "Middle"]
    assert await titles(database, currency="JPY") == []
    with pytest.raises(InvalidInput):
        await titles(database, ListingSort.PRICE_ASC)


async def test_stock_is_what_it_is_in_the_transaction_that_changes_it(database: Database) -> None:
    kites = await a_merchant(database)
    made = await listed(database, kites, "Kite", on_hand=2)

    async def available() -> list[int]:
        async with database.read("test") as tx, tx.as_public() as session:
            return list((await listing.with_stock(session, await listing.listings(session, 10))).values())

    assert await available() == [2]
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        await variant.adjust_stock(session, made.variants[0].id, -2, an_act())
    assert await available() == [0]
    assert await titles(database, in_stock=True) == []
    assert await titles(database) == ["Kite"]
    async with database.write("test") as tx, tx.as_merchant(kites.id) as session:
        await stock.set_many(session, [StockRow(7, variant_id=made.variants[0].id)], uuid4(), an_act())
    assert await available() == [7]


async def test_facets_count_what_the_other_conditions_leave(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    async with database.write("test") as tx, tx.as_platform() as session:
        await category.create_category(session, "toys", "Toys", an_act())
        await category.create_category(session, "wind", "Wind", an_act(), parent="toys")
    await listed(database, kites, "Red dragon", 1_500, category="wind")
    await listed(database, kites, "Blue dragon", 1_900, category="toys")
    await listed(database, boats, "Dragon boat", 7_000, category="sport")
    found = await facets_of(database, search="dragon", currency="BRL", merchants=["kites"])
    assert {each.code: count for each, count in found.categories} == {"toys": 2, "wind": 1}
    assert {each.slug: each.count for each in found.merchants} == {"kites": 2, "boats": 1}
    assert [(each.from_minor, each.to_minor, each.count) for each in found.prices] == [(1_000, 2_000, 2)]
    narrowed = await facets_of(database, search="dragon", currency="BRL", category="wind", most_minor=2_000)
    assert {each.code: count for each, count in narrowed.categories} == {"toys": 2, "wind": 1}
    assert {each.slug: each.count for each in narrowed.merchants} == {"kites": 1}


async def test_a_suspended_merchants_listings_are_in_no_facet_and_no_total(database: Database) -> None:
    kites, boats = await some_merchants(database, a_shop("kites"), a_shop("boats"))
    await listed(database, kites, "Dragon")
    await listed(database, boats, "Dragon boat")
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchant.set_status(session, "boats", "suspended", an_act())
    found = await facets_of(database, search="dragon", currency="BRL")
    assert [each.slug for each in found.merchants] == ["kites"]
    assert sum(each.count for each in found.prices) == 1
    async with database.read("test") as tx, tx.as_public() as public:
        conditions = await listing_search.conditions(public, Wanted(search="dragon"))
        assert await listing.counted(public, conditions) == 1
