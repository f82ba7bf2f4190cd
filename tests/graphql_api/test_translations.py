"""Products and categories in several languages: written by staff, read by everybody in theirs, found in all."""

from typing import Any

import pytest

from merchantry.domain.permission import MerchantRole, PlatformRole
from tests.builders import a_category, a_merchant, a_product
from tests.graphql_api.counting import counted
from tests.graphql_api.documents import a_cart, a_line
from tests.graphql_api.mall import Mall

PROBLEM = "... on Problem { code message path }"
UPDATE = f"""mutation ($input: ProductUpdateInput!) {{ productUpdate(input: $input) {{ __typename {PROBLEM}
  ... on ProductUpdated {{ product {{ title translations {{ language title description }} }} }} }} }}"""
CREATE = f"""mutation ($input: ProductCreateInput!) {{ productCreate(input: $input) {{ __typename {PROBLEM}
  ... on ProductCreated {{ product {{ title translations {{ language title description }} }} }} }} }}"""
UPSERT = f"""mutation ($input: ProductUpsertManyInput!) {{ productUpsertMany(input: $input) {{ __typename {PROBLEM}
  ... on ProductsUpserted {{ results {{ __typename ... on RowRefused {{ message path }} }} }} }} }}"""
LISTINGS = """query ($language: Language, $search: String) {
  listings(language: $language, search: $search, first: 50) { nodes { id title description } } }"""
NAME_CATEGORY = f"""mutation ($input: CategoryUpdateInput!) {{ categoryUpdate(input: $input) {{ __typename {PROBLEM}
  ... on CategoryUpdated {{ category {{ name originalName translations {{ language name }} }} }} }} }}"""
KITE = {"language": "ZH_HANS", "title": "红色风筝", "description": "适合大风天"}
ZH = {"Accept-Language": "zh-CN,zh;q=0.9"}


async def a_kite(mall: Mall, *translations: dict[str, Any]) -> tuple[Any, str]:
    kites = await a_merchant(mall.database, "kites")
    kite = await a_product(mall.database, kites, title="Red kite", description="For windy days", prices={"BRL": 10_000})
    await mall.hire("olga", kites, MerchantRole.OWNER)
    listed = (await mall.ask(LISTINGS)).data["listings"]["nodes"]
    product_id = (await mall.ask("{ merchant { products { nodes { id } } } }", who="olga", merchant="kites")).data[
        "merchant"
    ]["products"]["nodes"][0]["id"]
    if translations:
        await translate(mall, product_id, *translations)
    assert listed[0]["title"] == "Red kite"
    return (kites, kite), product_id


async def translate(mall: Mall, product_id: str, *translations: dict[str, Any]) -> dict[str, Any]:
    given = {"productId": product_id, "translations": list(translations)}
    answer = await mall.ask(UPDATE, {"input": given}, who="olga", merchant="kites")
    found: dict[str, Any] = answer.data["productUpdate"]
    return found


async def titles(mall: Mall, headers: dict[str, str] | None = None, **asked: Any) -> list[str]:
    who = asked.pop("who", None)
    found = (await mall.ask(LISTINGS, asked, who=who, headers=headers)).data["listings"]["nodes"]
    return [each["title"] for each in found]


async def test_a_reader_sees_their_language_by_argument_by_choice_by_header_else_the_first(mall: Mall) -> None:
    await a_kite(mall, KITE)
    assert await titles(mall) == ["Red kite"]
    assert await titles(mall, {"Accept-Language": "*"}) == ["Red kite"]
    assert await titles(mall, {"Accept-Language": "fr"}) == ["Red kite"]
    assert await titles(mall, ZH) == ["红色风筝"]
    assert await titles(mall, ZH, language="EN") == ["Red kite"]
    choose = "mutation { viewerLanguageSet(input: { language: ZH_HANS }) { __typename } }"
    await mall.ask(choose, who="bob")
    assert await titles(mall, {"Accept-Language": "en"}, who="bob") == ["红色风筝"]
    assert await titles(mall, language="EN", who="bob") == ["Red kite"]
    answer = await mall.http.post("/graphql", json={"query": "{ listings { nodes { title } } }"}, headers=ZH)
    assert "Accept-Language" in answer.headers["vary"]


async def test_each_text_falls_back_by_itself_and_a_language_without_texts_is_gone(mall: Mall) -> None:
    _, product_id = await a_kite(mall, {"language": "ZH_HANS", "title": "红色风筝"})
    found = (await mall.ask(LISTINGS, {"language": "ZH_HANS"})).data["listings"]["nodes"]
    assert [(each["title"], each["description"]) for each in found] == [("红色风筝", "For windy days")]
    other = await translate(mall, product_id, {"language": "EN", "title": "Scarlet kite"})
    assert other["product"] == {
        "title": "Red kite",
        "translations": [
            {"language": "EN", "title": "Scarlet kite", "description": None},
            {"language": "ZH_HANS", "title": "红色风筝", "description": None},
        ],
    }
    gone = await translate(mall, product_id, {"language": "ZH_HANS"})
    assert [each["language"] for each in gone["product"]["translations"]] == ["EN"]
    assert await titles(mall, ZH) == ["Red kite"]


async def test_words_of_every_language_are_found_whoever_reads(mall: Mall) -> None:
    _, product_id = await a_kite(mall, KITE, {"language": "EN", "title": "Soaring diamonds"})
    for search in ("风筝", "红色", "大风 kite", "soar", "diamond", "windy"):
        assert await titles(mall, search=search) == ["Red kite"], search
    assert await titles(mall, search="筝风") == []
    await translate(mall, product_id, {"language": "ZH_HANS"})
    assert await titles(mall, search="风筝") == []


@pytest.mark.parametrize(
    ("translations", "at"),
    [
        ([{"language": "ZH_HANS", "title": " "}], ["0", "title"]),
        ([{"language": "ZH_HANS", "title": "\u200b\u200d"}], ["0", "title"]),
        ([{"language": "EN", "title": "x"}, {"language": "ZH_HANS", "title": "\u202eetik"}], ["1", "title"]),
        ([{"language": "ZH_HANS", "description": "\u2066\t\n"}], ["0", "description"]),
        ([{"language": "ZH_HANS", "title": "筝" * 301}], ["0", "title"]),
        ([KITE, KITE], ["1", "language"]),
    ],
    ids=["blank", "invisible", "turned", "unseen", "long", "twice"],
)
async def test_texts_that_can_not_be_shown_are_refused(
    mall: Mall, translations: list[dict[str, Any]], at: list[str]
) -> None:
    _, product_id = await a_kite(mall)
    problem = await translate(mall, product_id, *translations)
    assert (problem["__typename"], problem["path"]) == ("InvalidInput", ["input", "translations", *at])
    assert await titles(mall, ZH) == ["Red kite"]


async def test_markup_is_text_and_an_unknown_language_is_named(mall: Mall) -> None:
    markup = "<script>alert('风筝')</script> & 'x':*A"
    _, product_id = await a_kite(mall, {"language": "ZH_HANS", "title": markup})
    assert await titles(mall, ZH) == [markup]
    assert await titles(mall, search="alert") == ["Red kite"]
    given = {"input": {"productId": product_id, "translations": [{"language": "FR", "title": "Cerf-volant"}]}}
    refused = await mall.ask(UPDATE, given, who="olga", merchant="kites")
    assert "'FR' does not exist in 'Language' enum" in refused.body["errors"][0]["message"]


async def test_products_are_made_and_upserted_with_translations(mall: Mall) -> None:
    await a_kite(mall)
    price = {"amount": "12.00", "currency": "BRL"}
    made = {"title": "Boat", "category": "toys", "variants": [{"sku": "BOAT", "prices": [price]}]}
    boat = {"language": "ZH_HANS", "title": "小船"}
    answer = await mall.ask(CREATE, {"input": {**made, "translations": [boat]}}, who="olga", merchant="kites")
    product = answer.data["productCreate"]["product"]
    assert product["translations"] == [{**boat, "description": None}]
    rows = [
        {"variants": [{"sku": "BOAT"}], "isPublished": True},
        {"variants": [{"sku": "BOAT"}], "translations": [{**boat, "title": "大船"}]},
        {"variants": [{"sku": "BOAT"}], "translations": [boat, boat]},
    ]
    many = {"input": {"rows": rows, "idempotencyKey": "1"}}
    results = (await mall.ask(UPSERT, many, who="olga", merchant="kites")).data["productUpsertMany"]["results"]
    assert [each["__typename"] for each in results] == ["ProductRowUpserted"] * 2 + ["RowRefused"]
    assert results[2]["path"] == ["translations", "1", "language"]
    assert await titles(mall, ZH, search="大船") == ["大船"]


async def test_categories_are_named_in_the_reader_s_language_and_found_by_it(mall: Mall) -> None:
    await a_kite(mall)
    await mall.appoint("adam", PlatformRole.ADMIN)
    given = {"code": "toys", "translations": [{"language": "ZH_HANS", "name": "玩具"}]}
    named = (await mall.ask(NAME_CATEGORY, {"input": given}, who="adam")).data["categoryUpdate"]["category"]
    assert named == {
        "name": "Toys",
        "originalName": "Toys",
        "translations": [{"language": "ZH_HANS", "name": "玩具"}],
    }
    await a_category(mall.database, "sport")
    names = '{ categories { code name } shop(slug: "kites") { categories(language: EN) { name } } }'
    found = (await mall.ask(names, headers=ZH)).data
    assert [each["name"] for each in found["categories"]] == ["Sport", "玩具"]
    assert found["shop"]["categories"] == [{"name": "Toys"}]
    facets = '{ listings(search: "玩具", language: ZH_HANS) { facets { categories { category { name } } } } }'
    counts = (await mall.ask(facets)).data["listings"]["facets"]["categories"]
    assert counts == [{"category": {"name": "玩具"}}]
    for wrong in ({**given, "code": "nothing"}, {"code": "toys", "name": " "}):
        refused = (await mall.ask(NAME_CATEGORY, {"input": wrong}, who="adam")).data["categoryUpdate"]
        assert refused["__typename"] in ("NotFound", "InvalidInput")
    by_staff = (await mall.ask(NAME_CATEGORY, {"input": given}, who="olga")).data["categoryUpdate"]
    assert by_staff["__typename"] == "NotPermitted"


async def test_a_quote_is_in_the_buyer_s_language_and_the_order_as_it_was_sold(mall: Mall) -> None:
    (kites, kite), _ = await a_kite(mall, KITE)
    cart = a_cart(a_line(kites, kite))
    quote = """mutation ($input: CheckoutQuoteInput!) { checkoutQuote(input: $input) {
      ... on CheckoutQuoted { quoteId parts { lines { title } } } ... on Problem { message path } } }"""
    quoted = (await mall.ask(quote, {"input": {"cart": cart}}, who="bob", headers=ZH)).data["checkoutQuote"]
    assert "parts" in quoted, quoted
    assert quoted["parts"][0]["lines"] == [{"title": "红色风筝, One size"}]
    asked = {"cart": cart, "language": "EN"}
    english = (await mall.ask(quote, {"input": asked}, who="bob", headers=ZH)).data["checkoutQuote"]
    assert english["parts"][0]["lines"] == [{"title": "Red kite, One size"}]
    place = """mutation ($input: CheckoutPlaceInput!) { checkoutPlace(input: $input) {
      ... on CheckoutPlaced { checkout { orders { lines { title } } } } ... on Problem { message path } } }"""
    given = {"input": {"quoteId": quoted["quoteId"], "idempotencyKey": "1"}}
    placed = (await mall.ask(place, given, who="bob", headers=ZH)).data["checkoutPlace"]
    assert placed["checkout"]["orders"][0]["lines"] == [{"title": "Red kite, One size"}]


async def test_translations_cost_no_statements(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    (kites, _), _ = await a_kite(mall, KITE)
    with counted(monkeypatch) as plain:
        await titles(mall)
    for number in range(5):
        await a_product(mall.database, kites, title=f"Kite {number}")
    with counted(monkeypatch) as translated:
        await titles(mall, ZH)
    assert len(translated) == len(plain) > 0
