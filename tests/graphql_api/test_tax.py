"""Sales tax by the public door: set by the platform, frozen with the lines of what is placed."""

from datetime import timedelta

import pytest

from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services.catalogue import Product
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line
from tests.graphql_api.mall import Mall
from tests.graphql_api.price_documents import (
    amounts,
    create_coupon,
    kinds,
    place_cart,
    place_quote,
    quote,
    set_tax,
    to,
)


@pytest.fixture
async def stall(mall: Mall) -> tuple[Merchant, Product]:
    """A merchant with a kite for 100.00, and finance."""
    merchant = await a_merchant(mall.database, "first")
    await mall.hire("olga", merchant, MerchantRole.OWNER)
    await mall.appoint("fay", PlatformRole.FINANCE)
    return merchant, await a_product(mall.database, merchant, prices={"BRL": 10_000}, on_hand=100)


async def test_inclusive_tax_is_shown_and_added_tax_is_paid(mall: Mall, stall: tuple[Merchant, Product]) -> None:
    assert (await set_tax(mall, "fay", "DE", 1900))["__typename"] == "TaxRateWasSet"
    await set_tax(mall, "fay", "US", 825, region="TX", jurisdiction="US-TX", inclusive=False, coversShipping=True)
    line = a_line(*stall)
    german = (await place_cart(mall, "bea", line, shipTo=to("DE")))["checkout"]
    assert amounts(german) == ("100.00", "10.00", "0.00", "0.00", "110.00")
    assert german["orders"][0]["lines"][0]["tax"] == {
        "rateBps": 1900,
        "jurisdiction": "DE",
        "inclusive": True,
        "amount": {"amount": "15.97"},
    }
    quoted = await quote(mall, "bea", line, shipTo=to("US", "TX"))
    assert amounts(quoted) == ("100.00", "10.00", "0.00", "9.08", "119.08")
    texan = (await place_quote(mall, "bea", quoted))["checkout"]
    assert amounts(texan) == amounts(quoted) == amounts(texan["orders"][0])
    assert texan["orders"][0]["lines"][0]["tax"]["amount"]["amount"] == "9.08"
    for elsewhere in (to("US"), to("US", "CA"), to("BR")):
        (order,) = (await place_cart(mall, "bea", line, shipTo=elsewhere))["checkout"]["orders"]
        assert (order["lines"][0]["tax"], order["total"]["amount"]) == (None, "110.00")


async def test_a_merchants_discount_lowers_the_tax(mall: Mall, stall: tuple[Merchant, Product]) -> None:
    await set_tax(mall, "fay", "US", 1000, inclusive=False)
    await create_coupon(mall, "olga", stall[0], "HALF", percentBps=5000)
    placed = (await place_cart(mall, "bea", a_line(*stall), shipTo=to("US"), couponCodes=["HALF"]))["checkout"]
    assert amounts(placed) == ("100.00", "10.00", "50.00", "5.00", "65.00")


async def test_a_rate_that_begins_between_quote_and_placing_is_a_changed_total(
    mall: Mall, stall: tuple[Merchant, Product]
) -> None:
    later = (mall.clock() + timedelta(minutes=5)).isoformat()
    await set_tax(mall, "fay", "US", 1000, inclusive=False)
    await set_tax(mall, "fay", "US", 0, inclusive=False, effectiveFrom=later)
    quoted = await quote(mall, "bea", a_line(*stall), shipTo=to("US"))
    mall.clock.advance(minutes=5)
    refused = await place_quote(mall, "bea", quoted)
    assert kinds(refused) == ["TotalChanged"]
    (problem,) = refused["problems"]
    assert (problem["seen"]["amount"], problem["now"]["amount"]) == ("120.00", "110.00")
    assert problem["path"] == ["input", "quoteId"]


async def test_rates_are_appended_and_listed(mall: Mall, stall: tuple[Merchant, Product]) -> None:
    for given in ({"rate_bps": 1900}, {"rate_bps": 700, "category": "toys"}):
        assert (await set_tax(mall, "fay", "DE", **given))["__typename"] == "TaxRateWasSet"
    twice = await set_tax(mall, "fay", "DE", 2000)
    assert (twice["__typename"], twice["path"]) == ("InvalidInput", ["input", "effectiveFrom"])
    key = {"idempotencyKey": "k", "region": "BE"}
    assert await set_tax(mall, "fay", "DE", 1, **key) == await set_tax(mall, "fay", "DE", 1, **key)
    past = await set_tax(mall, "fay", "FR", 2000, effectiveFrom=(mall.clock() - timedelta(seconds=1)).isoformat())
    assert past["path"] == ["input", "effectiveFrom"]
    assert (await set_tax(mall, "fay", "DE", 1, category="no-such"))["path"] == ["input", "category"]
    assert (await set_tax(mall, "fay", "Germany", 1))["path"] == ["input", "country"]
    assert (await set_tax(mall, "olga", "FR", 1))["__typename"] == "NotPermitted"
    document = "{ platform { taxRates(first: 1%s) { nodes { region category rateBps } pageInfo { endCursor } } } }"
    found, after = [], ""
    for _ in range(4):
        shown = (await mall.ask(document % after, who="fay")).data["platform"]["taxRates"]
        found += [(each["region"], each["category"], each["rateBps"]) for each in shown["nodes"]]
        after = f', after: "{shown["pageInfo"]["endCursor"]}"'
    assert found == [(None, None, 1900), (None, "toys", 700), ("BE", None, 1)]
