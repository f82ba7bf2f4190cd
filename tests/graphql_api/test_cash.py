"""Cash on delivery through the public door."""

from merchantry.domain.permission import PlatformRole
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, pay, place
from tests.graphql_api.mall import Mall

UPDATE = """
mutation ($input: MerchantUpdateInput!) {
  merchantUpdate(input: $input) {
    __typename ... on MerchantUpdated { merchant { acceptsCash } } ... on Problem { code path }
  }
}
"""
ORDERS = "{ viewer { orders { nodes { status collectedBy } } } }"


async def test_cash_is_offered_where_every_merchant_of_the_checkout_takes_it(mall: Mall) -> None:
    first = await a_merchant(mall.database, "first", accepts_cash=True)
    second = await a_merchant(mall.database, "second")
    kite = await a_product(mall.database, first, prices={"BRL": 10_000})
    ball = await a_product(mall.database, second, prices={"BRL": 10_000})
    placed = (await place(mall, "bea", a_line(first, kite), a_line(second, ball)))["checkout"]
    refused = await pay(mall, "bea", placed, "cash_on_delivery")
    assert (refused["code"], refused["path"]) == ("CASH_NOT_ACCEPTED", ["input", "tenders", "0", "method"])
    assert "Second" in refused["message"]
    shop = '{ shop(slug: "first") { acceptsCash } other: shop(slug: "second") { acceptsCash } }'
    assert (await mall.ask(shop)).data == {"shop": {"acceptsCash": True}, "other": {"acceptsCash": False}}

    await mall.appoint("adam", PlatformRole.ADMIN)
    given = {"slug": "second", "acceptsCash": True}
    updated = (await mall.ask(UPDATE, {"input": given}, who="adam")).data["merchantUpdate"]
    assert updated == {"__typename": "MerchantUpdated", "merchant": {"acceptsCash": True}}
    unknown = (await mall.ask(UPDATE, {"input": {**given, "slug": "third"}}, who="adam")).data["merchantUpdate"]
    assert unknown == {"__typename": "NotFound", "code": "NOT_FOUND", "path": ["input", "slug"]}

    paid = await pay(mall, "bea", placed, "cash_on_delivery", key="once")
    assert (paid["payment"]["status"], paid["checkout"]["status"]) == ("captured", "paid")
    again = await pay(mall, "bea", placed, "cash_on_delivery", key="once")
    assert again["payment"]["id"] == paid["payment"]["id"]
    nodes = (await mall.ask(ORDERS, who="bea")).data["viewer"]["orders"]["nodes"]
    assert nodes == [{"status": "TO_SHIP", "collectedBy": "MERCHANT"}] * 2
