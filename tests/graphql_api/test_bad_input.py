"""Whatever is wrong with a request is said clearly, where it is wrong and with the remedy, and leaves nothing behind.

Problems of mutations carry the path of the input that caused them; mistakes in queries, tokens and headers are errors
that name the remedy. After each refused checkout no piece is reserved and no order is there.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from graphql_api.relay import encode_id
from merchantry.services import catalogue
from tests.builders import an_act
from tests.graphql_api.documents import PAY, PLACE, SHIP, a_cart, a_line, buy, place
from tests.graphql_api.shops import Shops, a_mutation

pytestmark = pytest.mark.asyncio(loop_scope="module")


Case = tuple[Callable[[Shops], dict[str, Any]], str, list[str], str]

CARTS: dict[str, Case] = {
    "an unknown currency": (
        lambda shops: a_cart(shops.line(), currency="XYZ"),
        "UnknownCurrency",
        ["currency"],
        "ISO 4217",
    ),
    "a currency in small letters": (
        lambda shops: a_cart(shops.line(), currency="brl"),
        "UnknownCurrency",
        ["currency"],
        "ISO 4217",
    ),
    "an unknown currency of a price": (
        lambda shops: a_cart(shops.line(price={"amount": "100.00", "currency": "ZZZ"})),
        "UnknownCurrency",
        ["lines", "0", "price", "currency"],
        "ISO 4217",
    ),
    "mixed currencies": (
        lambda shops: a_cart(shops.line(), shops.line(price={"amount": "100.00", "currency": "EUR"})),
        "MixedCurrencies",
        ["lines", "1", "price", "currency"],
        "keep to one",
    ),
    "a currency that the product is not sold in": (
        lambda shops: a_cart(shops.line(price={"amount": "100.00", "currency": "EUR"}), currency="EUR"),
        "UnknownVariant",
        ["lines", "0", "variantId"],
        "choose another",
    ),
    "a malformed id": (
        lambda shops: a_cart(shops.line(variantId="not an id")),
        "UnknownVariant",
        ["lines", "0", "variantId"],
        "remove the line",
    ),
    "an id of another kind": (
        lambda shops: a_cart(shops.line(variantId=encode_id("Product", shops.open.id, shops.kite.id))),
        "UnknownVariant",
        ["lines", "0", "variantId"],
        "remove the line",
    ),
    "an unknown variant": (
        lambda shops: a_cart(shops.line(), shops.line(variantId=encode_id("Variant", shops.open.id, uuid4()))),
        "UnknownVariant",
        ["lines", "1", "variantId"],
        "remove the line",
    ),
    "a variant of an unknown merchant": (
        lambda shops: a_cart(shops.line(variantId=encode_id("Variant", uuid4(), uuid4()))),
        "UnknownVariant",
        ["lines", "0", "variantId"],
        "remove the line",
    ),
    "a draft": (
        lambda shops: a_cart(a_line(shops.open, shops.draft)),
        "UnknownVariant",
        ["lines", "0", "variantId"],
        "remove the line",
    ),
    "no pieces": (
        lambda shops: a_cart(shops.line(quantity=0)),
        "InvalidQuantity",
        ["lines", "0", "quantity"],
        "at least 1",
    ),
    "fewer than no pieces": (
        lambda shops: a_cart(shops.line(quantity=-3)),
        "InvalidQuantity",
        ["lines", "0", "quantity"],
        "at least 1",
    ),
    "more pieces than anybody buys": (
        lambda shops: a_cart(shops.line(quantity=100_001)),
        "InvalidQuantity",
        ["lines", "0", "quantity"],
        "within the limits",
    ),
    "more money than a ledger holds": (
        lambda shops: a_cart(a_line(shops.open, shops.kite, 1000, "10000000000000.00", variant=1)),
        "InvalidQuantity",
        ["lines", "0", "quantity"],
        "within the limits",
    ),
    "more pieces than there are": (
        lambda shops: a_cart(shops.line(quantity=11)),
        "OutOfStock",
        ["lines", "0", "quantity"],
        "lower the quantity",
    ),
    "more pieces than there are, in two lines": (
        lambda shops: a_cart(shops.line(quantity=6), shops.line(quantity=6)),
        "OutOfStock",
        ["lines", "0", "quantity"],
        "lower the quantity",
    ),
    "a price that has changed": (
        lambda shops: a_cart(shops.line(price={"amount": "99.99", "currency": "BRL"})),
        "PriceChanged",
        ["lines", "0", "price"],
        "ask again",
    ),
    "a price of too many digits": (
        lambda shops: a_cart(shops.line(price={"amount": "100.001", "currency": "BRL"})),
        "InvalidInput",
        ["lines", "0", "price", "amount"],
        "2 decimal digits",
    ),
    "a price that is no number": (
        lambda shops: a_cart(shops.line(price={"amount": "1e2", "currency": "BRL"})),
        "InvalidInput",
        ["lines", "0", "price", "amount"],
        "plain digits",
    ),
    "a suspended merchant among the lines": (
        lambda shops: a_cart(shops.line(), a_line(shops.closed, shops.gone)),
        "MerchantUnavailable",
        ["lines", "1"],
        "remove its lines",
    ),
    "no lines": (lambda shops: a_cart(), "EmptyCheckout", ["lines"], "add at least one"),
    "too many lines": (lambda shops: a_cart(*[shops.line()] * 101), "TooManyLines", ["lines"], "at most 100"),
    "an unknown shipping option": (
        lambda shops: a_cart(
            shops.line(), shipping=[{"merchantId": encode_id("Shop", shops.open.id), "option": "by-stork"}]
        ),
        "UnknownShippingOption",
        ["shipping", "0", "option"],
        "choose one",
    ),
    "shipping of a merchant without lines": (
        lambda shops: a_cart(
            shops.line(), shipping=[{"merchantId": encode_id("Shop", shops.closed.id), "option": "standard"}]
        ),
        "InvalidInput",
        ["shipping", "0", "option"],
        "leave it out",
    ),
}


@pytest.mark.parametrize("case", CARTS)
async def test_a_cart_that_cant_be_placed_is_refused_where_it_is_wrong(shops: Shops, case: str) -> None:
    cart, kind, path, remedy = CARTS[case]
    before = await shops.reserved()
    given = {"idempotencyKey": str(uuid4()), "cart": cart(shops)}
    answer = (await shops.mall.ask(PLACE, {"input": given}, who="bea")).data["checkoutPlace"]
    assert answer["__typename"] == "CheckoutRejected", answer
    (problem,) = answer["problems"]
    assert (problem["__typename"], problem["path"]) == (kind, ["input", "cart", *path])
    assert remedy in problem["message"]
    assert await shops.reserved() == before
    assert (await shops.mall.ask("{ viewer { orders { nodes { id } } } }", who="bea")).data["viewer"]["orders"] == {
        "nodes": []
    }


async def test_a_cart_is_told_all_that_is_wrong_with_it_at_once(shops: Shops) -> None:
    lines = [
        shops.line(quantity=11),
        a_line(shops.closed, shops.gone),
        shops.line(variantId=encode_id("Variant", shops.open.id, uuid4())),
    ]
    answer = await place(shops.mall, "bea", *lines)
    assert sorted(problem["__typename"] for problem in answer["problems"]) == [
        "MerchantUnavailable",
        "OutOfStock",
        "UnknownVariant",
    ]
    faces = await place(shops.mall, "bea", shops.line(quantity=0), shops.line(variantId="broken"))
    assert len(faces["problems"]) == 2


async def test_a_problem_names_the_variant_as_the_client_did(shops: Shops) -> None:
    variant = encode_id("Variant", shops.open.id, shops.kite.variants[0].id)
    unknown = encode_id("Variant", shops.open.id, uuid4())
    document = PLACE.replace("... on OutOfStock {", "... on UnknownVariant { variantId } ... on OutOfStock {")
    cart = a_cart(shops.line(quantity=11), shops.line(variantId=unknown))
    given = {"idempotencyKey": str(uuid4()), "cart": cart}
    answer = (await shops.mall.ask(document, {"input": given}, who="bea")).data["checkoutPlace"]
    named = {problem["__typename"]: problem["variantId"] for problem in answer["problems"]}
    assert named == {"OutOfStock": variant, "UnknownVariant": unknown}
    assert unknown in next(p["message"] for p in answer["problems"] if p["__typename"] == "UnknownVariant")


QUOTE = """mutation ($input: CheckoutQuoteInput!) { checkoutQuote(input: $input) {
  __typename ... on CheckoutQuoted { quoteId expiresAt } ... on Problem { message path } } }"""


async def a_quote(shops: Shops, *lines: Any) -> str:
    """A quote of bea's."""
    answer = await shops.mall.ask(QUOTE, {"input": {"cart": a_cart(*lines)}}, who="bea")
    return str(answer.data["checkoutQuote"]["quoteId"])


async def test_a_quote_whose_prices_or_stock_have_changed_is_refused_by_the_line(shops: Shops) -> None:
    mall, variant = shops.mall, shops.kite.variants[0].id
    quote = await a_quote(shops, shops.line(quantity=2))

    async def priced(amount_minor: int) -> None:
        async with mall.database.write("test") as tx, tx.as_merchant(shops.open.id) as session:
            await catalogue.set_price(session, variant, "BRL", amount_minor, an_act())

    await priced(12_000)
    try:
        given = {"idempotencyKey": str(uuid4()), "quoteId": quote}
        document = PLACE.replace("now { amount }", "now { amount } variantId")
        answer = (await mall.ask(document, {"input": given}, who="bea")).data["checkoutPlace"]
    finally:
        await priced(10_000)
    (problem,) = answer["problems"]
    assert (problem["__typename"], problem["now"]) == ("PriceChanged", {"amount": "120.00"})
    assert problem["variantId"] == encode_id("Variant", shops.open.id, variant)
    assert await shops.reserved() == 0


async def test_a_quote_expires_and_is_its_buyers_own(shops: Shops) -> None:
    mall, quote, now = shops.mall, await a_quote(shops, shops.line()), shops.mall.clock.now
    given = {"idempotencyKey": str(uuid4()), "quoteId": quote}
    foreign = (await mall.ask(PLACE, {"input": given}, who="ben")).data["checkoutPlace"]
    assert (foreign["__typename"], foreign["path"]) == ("NotFound", ["input", "quoteId"])
    mall.clock.advance(minutes=16)
    try:
        expired = (await mall.ask(PLACE, {"input": given}, who="bea")).data["checkoutPlace"]
    finally:
        mall.clock.now = now
    assert (expired["__typename"], expired["path"]) == ("QuoteExpired", ["input", "quoteId"])
    assert "ask for a new one" in expired["message"]


@pytest.mark.parametrize("given", [{}, {"quoteId": "x", "cart": a_cart()}])
async def test_a_placement_is_of_a_quote_or_of_a_cart(shops: Shops, given: dict[str, Any]) -> None:
    answer = await shops.mall.ask(PLACE, {"input": {"idempotencyKey": "k", **given}}, who="bea")
    assert answer.data["checkoutPlace"]["path"] == ["input"]
    assert "either quoteId or cart" in answer.data["checkoutPlace"]["message"]


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_an_idempotency_key_has_a_length(shops: Shops, key: str) -> None:
    answer = await shops.mall.ask(PLACE, {"input": {"idempotencyKey": key, "cart": a_cart(shops.line())}}, who="bea")
    assert answer.data["checkoutPlace"]["path"] == ["input", "idempotencyKey"]
    assert "1 to 200" in answer.data["checkoutPlace"]["message"]
    assert await shops.reserved() == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", " "), ("street", "x" * 201), ("postalCode", ""), ("country", "Brazil"), ("phone", "1" * 51)],
)
async def test_an_address_is_refused_by_its_field(shops: Shops, field: str, value: str) -> None:
    cart = a_cart(shops.line())
    given = {"idempotencyKey": "k", "cart": {**cart, "shipTo": {**cart["shipTo"], field: value}}}
    answer = (await shops.mall.ask(PLACE, {"input": given}, who="bea")).data["checkoutPlace"]
    assert (answer["__typename"], answer["path"]) == ("InvalidInput", ["input", "cart", "shipTo", field])
    assert answer["message"].startswith("Give ")


TENDERS: dict[str, tuple[list[tuple[str, str, str]], str, list[str], str]] = {
    "too little": ([("sandbox_approve", "109.99", "BRL")], "TendersMismatch", [], "sum to it exactly"),
    "nothing": ([], "TendersMismatch", [], "sum to it exactly"),
    "less than nothing and more than all": (
        [("sandbox_approve", "-10.00", "BRL"), ("sandbox_approve", "120.00", "BRL")],
        "TendersMismatch",
        [],
        "sum to it exactly",
    ),
    "another currency": ([("sandbox_approve", "110.00", "EUR")], "MixedCurrencies", [], "keep to one"),
    "an unknown currency": (
        [("sandbox_approve", "110.00", "QQQ")],
        "UnknownCurrency",
        ["0", "amount", "currency"],
        "ISO 4217",
    ),
    "an unknown method": ([("seashells", "110.00", "BRL")], "InvalidInput", ["0", "method"], "Pay with one of"),
}


@pytest.mark.parametrize("case", TENDERS)
async def test_tenders_that_cant_pay_are_refused_and_the_checkout_stays_open(shops: Shops, case: str) -> None:
    tenders, kind, path, remedy = TENDERS[case]
    checkout = (await place(shops.mall, "tina", shops.line()))["checkout"]
    given = {
        "checkoutId": checkout["id"],
        "tenders": [
            {"method": method, "amount": {"amount": amount, "currency": currency}}
            for method, amount, currency in tenders
        ],
        "idempotencyKey": str(uuid4()),
    }
    answer = (await shops.mall.ask(PAY, {"input": given}, who="tina")).data["checkoutPay"]
    assert (answer["__typename"], answer["path"]) == (kind, ["input", "tenders", *path])
    assert remedy in answer["message"]
    give_up = "mutation ($i: CheckoutCancelInput!) { checkoutCancel(input: $i) { __typename } }"
    given = {"checkoutId": checkout["id"], "idempotencyKey": str(uuid4())}
    done = await shops.mall.ask(give_up, {"i": given}, who="tina")
    assert done.data["checkoutCancel"]["__typename"] == "CheckoutCancelled"
    assert await shops.reserved() == 0


async def test_parcels_are_refused_by_the_line(shops: Shops) -> None:
    order = (await buy(shops.mall, "sam", shops.line(quantity=2)))["orders"][0]
    line = order["lines"][0]["id"]
    cases: list[tuple[Any, str, list[str]]] = [
        ([{"lineId": line, "quantity": 3}], "QuantityRefused", ["lines", "0", "lineId"]),
        ([{"lineId": line, "quantity": 0}], "InvalidQuantity", ["lines", "0", "quantity"]),
        ([{"lineId": line, "quantity": -1}], "InvalidQuantity", ["lines", "0", "quantity"]),
        ([{"lineId": "broken", "quantity": 1}], "NotFound", ["lines", "0", "lineId"]),
        (
            [{"lineId": line, "quantity": 1}, {"lineId": line, "quantity": 2}],
            "QuantityRefused",
            ["lines", "1", "lineId"],
        ),
    ]
    for lines, kind, path in cases:
        given = {"orderId": order["id"], "lines": lines, "carrier": "C", "trackingNumber": "1", "idempotencyKey": "k"}
        answer = (await shops.mall.ask(SHIP, {"input": given}, who="olga", merchant="open")).data["orderShip"]
        assert (answer["__typename"], answer["path"]) == (kind, ["input", *path])
    for name in ("carrier", "trackingNumber"):
        given = {"orderId": order["id"], "carrier": "C", "trackingNumber": "1", "idempotencyKey": "k", name: "  "}
        answer = (await shops.mall.ask(SHIP, {"input": given}, who="olga", merchant="open")).data["orderShip"]
        assert (answer["__typename"], answer["path"]) == ("InvalidInput", ["input", name])
    cancel = "mutation ($i: OrderCancelInput!) { orderCancel(input: $i) { __typename } }"
    given = {"orderId": order["id"], "reason": "test", "idempotencyKey": str(uuid4())}
    await shops.mall.ask(cancel, {"i": given}, who="sam")


def a_product_input(**changed: Any) -> dict[str, Any]:
    """A product that could be made, but for what is changed."""
    variant = {"sku": "NEW", "prices": [{"amount": "1.00", "currency": "BRL"}], "onHand": 1}
    return {"title": "New", "category": "toys", "variants": [{**variant, **changed.pop("variant", {})}], **changed}


PRODUCTS: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "no title": ({"title": ""}, "InvalidInput", ["title"]),
    "an unknown category": ({"category": "nonsense"}, "InvalidInput", ["category"]),
    "an image that is no address": ({"imageUrls": ["javascript:alert(1)"]}, "InvalidInput", ["imageUrls", "0"]),
    "stock below nothing": ({"variant": {"onHand": -1}}, "InvalidInput", ["variants", "0", "onHand"]),
    "a SKU in use": ({"variant": {"sku": "KITE"}}, "SkuTaken", ["variants", "0", "sku"]),
    "an unknown currency": (
        {"variant": {"prices": [{"amount": "1", "currency": "ABC"}]}},
        "UnknownCurrency",
        ["variants", "0", "prices", "0", "currency"],
    ),
}


@pytest.mark.parametrize("case", PRODUCTS)
async def test_a_product_is_refused_by_its_field(shops: Shops, case: str) -> None:
    changed, kind, path = PRODUCTS[case]
    document = a_mutation("productCreate", "ProductCreateInput")
    answer = await shops.mall.ask(document, {"i": a_product_input(**changed)}, who="olga", merchant="open")
    problem = answer.data["productCreate"]
    assert (problem["__typename"], problem["path"]) == (kind, ["input", *path])


async def test_a_new_variant_of_an_old_product_is_refused_by_its_field(shops: Shops) -> None:
    product = encode_id("Product", shops.open.id, shops.kite.id)
    for changed, kind, name in (({"sku": "KITE"}, "SkuTaken", "sku"), ({"onHand": -1}, "InvalidInput", "onHand")):
        variants = a_product_input(variant=changed)["variants"]
        given = {"productId": product, "newVariants": variants}
        document = a_mutation("productUpdate", "ProductUpdateInput")
        answer = await shops.mall.ask(document, {"i": given}, who="olga", merchant="open")
        problem = answer.data["productUpdate"]
        assert (problem["__typename"], problem["path"]) == (kind, ["input", "newVariants", "0", name])


async def test_stock_is_not_taken_away_from_orders(shops: Shops) -> None:
    variant = encode_id("Variant", shops.open.id, shops.kite.variants[0].id)
    document = a_mutation("stockAdjust", "StockAdjustInput")
    for change, kind in ((-11, "StockRefused"), (0, "InvalidInput"), (2_000_000_000, "InvalidInput")):
        given = {"variantId": variant, "change": change, "idempotencyKey": str(uuid4())}
        answer = await shops.mall.ask(document, {"i": given}, who="olga", merchant="open")
        problem = answer.data["stockAdjust"]
        assert (problem["__typename"], problem["path"]) == (kind, ["input", "change"])
