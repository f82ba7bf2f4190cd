"""What a storefront asks without a token: pages with facets, the tree of categories, a shop's page."""

from typing import Any

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import catalogue
from tests.builders import a_merchant, a_product, an_act
from tests.graphql_api.mall import Mall

SEARCH = """
query ($after: String, $currency: CurrencyCode, $sort: ListingSort, $price: PriceRangeInput) {
  listings(search: "kite", currency: $currency, sort: $sort, price: $price, first: 1, after: $after) {
    nodes { title availableQuantity priceAsOf variants { availableQuantity } }
    pageInfo { hasNextPage endCursor }
    total { count isExact }
    facets {
      categories { category { code path { code } } count } merchants { slug count }
      prices { from { amount } to { amount } count }
    }
  }
}
"""
SHOP = '{ shop(slug: "kites") { returnDays categories { code } listings(search: "kite") { nodes { title } } } }'
DESCRIBED = '{ shop(slug: "kites") { description since } }'
DESCRIBE = """mutation ($input: ShopDescriptionSetInput!) { shopDescriptionSet(input: $input) {
  __typename ... on ShopDescriptionWasSet { shop { slug description } } } }"""
TREE = '{ category(code: "toys") { code parent children { code } path { code } } categories { code } }'


async def test_a_page_comes_with_its_total_and_facets_and_goes_on_after_its_cursor(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    await a_product(mall.database, kites, title="Red kite", prices={"BRL": 1500}, on_hand=3)
    await a_product(mall.database, kites, title="Blue kite", prices={"BRL": 900}, on_hand=0)
    asked = {"currency": "BRL", "sort": "PRICE_ASC"}
    found = (await mall.ask(SEARCH, asked)).data["listings"]
    assert [(each["title"], each["availableQuantity"]) for each in found["nodes"]] == [("Blue kite", 0)]
    assert found["total"] == {"count": 2, "isExact": True}
    assert found["facets"]["merchants"] == [{"slug": "kites", "count": 2}]
    assert found["facets"]["categories"] == [{"category": {"code": "toys", "path": [{"code": "toys"}]}, "count": 2}]
    steps = [(each["from"]["amount"], each["count"]) for each in found["facets"]["prices"]]
    assert steps == [("0.00", 1), ("10.00", 1)]
    rest = (await mall.ask(SEARCH, {**asked, "after": found["pageInfo"]["endCursor"]})).data["listings"]
    assert [each["title"] for each in rest["nodes"]] == ["Red kite"]
    assert rest["pageInfo"]["hasNextPage"] is False


async def test_a_cursor_of_another_order_and_prices_without_a_currency_are_refused(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    await a_product(mall.database, kites, title="Red kite")
    cursor = (await mall.ask(SEARCH)).data["listings"]["pageInfo"]["endCursor"]
    by_title = await mall.ask(SEARCH, {"sort": "TITLE", "after": cursor})
    assert by_title.codes == ["INVALID_INPUT"]
    assert (await mall.ask(SEARCH, {"sort": "PRICE_ASC"})).codes == ["INVALID_INPUT"]
    assert (await mall.ask(SEARCH, {"price": {"from": "1.00"}})).codes == ["INVALID_INPUT"]
    assert (await mall.ask(SEARCH, {"price": {"from": "x"}, "currency": "BRL"})).codes == ["INVALID_INPUT"]


async def test_a_shop_says_what_it_is_and_since_when(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    for name, role in (("kim", MerchantRole.MANAGER), ("vic", MerchantRole.VIEWER)):
        await mall.hire(name, kites, role)
    await mall.hire("bob", await a_merchant(mall.database, "boats"), MerchantRole.OWNER)

    async def describe(text: str, who: str) -> Any:
        answer = await mall.ask(DESCRIBE, {"input": {"description": text}}, who=who, merchant="kites")
        return (answer.body.get("data") or {}).get("shopDescriptionSet")

    before = (await mall.ask(DESCRIBED)).data["shop"]
    assert (before["description"], before["since"][:10]) == ("", an_act().at.isoformat()[:10])
    said = "Kites.\n\u98ce\u7b5d \u202e<b>"
    assert (await describe(said, "kim"))["shop"]["description"] == said
    assert (await describe("x" * 5_001, "kim"))["__typename"] == "InvalidInput"
    assert (await describe("of others", "vic"))["__typename"] == "NotPermitted"
    assert (await describe("of others", "bob") or {"__typename": "NotPermitted"})["__typename"] == "NotPermitted"
    assert (await mall.ask(DESCRIBED)).data["shop"] == before | {"description": said}
    assert (await describe("", "kim"))["shop"]["description"] == ""


async def test_categories_stand_in_their_order_among_siblings(mall: Mall) -> None:
    await mall.appoint("adam", PlatformRole.ADMIN)

    async def change(act: str, **given: Any) -> str:
        asked = f"mutation ($input: Category{act}Input!) {{ category{act}(input: $input) {{ __typename }} }}"
        found: str = (await mall.ask(asked, {"input": given}, who="adam")).data[f"category{act}"]["__typename"]
        return found

    async def order() -> list[str]:
        top = (await mall.ask('{ category(code: "top") { children { code position } } }')).data["category"]
        return [f"{each['code']} {each['position']}" for each in top["children"]]

    await change("Create", code="top", name="Top")
    for code, position in (("alpha", 0), ("beta", 2), ("gamma", 1), ("delta", 0)):
        assert await change("Create", code=code, name=code, parent="top", position=position) == "CategoryCreated"
    assert await order() == ["alpha 0", "delta 0", "gamma 1", "beta 2"]
    assert await change("Update", code="alpha", position=9) == "CategoryUpdated"
    assert await change("Update", code="alpha", name="Alpha") == "CategoryUpdated"
    assert await order() == ["delta 0", "gamma 1", "beta 2", "alpha 9"]
    for wrong in (-1, 1_000_001):
        assert await change("Update", code="alpha", position=wrong) == "InvalidInput"
        assert await change("Create", code="new", name="New", position=wrong) == "InvalidInput"


async def test_a_shops_page_has_its_categories_and_only_its_listings(mall: Mall) -> None:
    kites, boats = await a_merchant(mall.database, "kites"), await a_merchant(mall.database, "boats")
    await a_product(mall.database, kites, title="Red kite")
    await a_product(mall.database, boats, title="Kite boat", category="sport")
    shop = (await mall.ask(SHOP)).data["shop"]
    assert [each["title"] for each in shop["listings"]["nodes"]] == ["Red kite"]
    assert shop["categories"] == [{"code": "toys"}]
    tree = (await mall.ask(TREE)).data
    assert tree["category"] == {"code": "toys", "parent": None, "children": [], "path": [{"code": "toys"}]}
    assert [each["code"] for each in tree["categories"]] == ["sport", "toys"]


async def test_a_word_mistyped_is_found_once_the_worker_has_learned_it(mall: Mall) -> None:
    kites = await a_merchant(mall.database, "kites")
    await a_product(mall.database, kites, title="Telescope")
    document = '{ listings(search: "telescpoe") { nodes { title } } }'
    assert (await mall.ask(document)).data["listings"]["nodes"] == []
    async with mall.database.write("test") as tx, tx.as_merchant(kites.id) as session:
        assert await catalogue.relist(session, an_act()) == 1
    assert await mall.work() == 1
    assert (await mall.ask(document)).data["listings"]["nodes"] == [{"title": "Telescope"}]
