"""Whatever is wrong with a request is said clearly, where it is wrong and with the remedy, and leaves nothing behind.

Problems of mutations carry the path of the input that caused them; mistakes in queries, tokens and headers are errors
that name the remedy. After each refused checkout no piece is reserved and no order is there.
"""

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson
import pytest
import pytest_asyncio
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey, RSAKey

from graphql_api.relay import encode_cursor, encode_id
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import catalogue
from merchantry.services import merchant as merchants
from merchantry.services.variant import NewVariant
from tenancy.database import Database
from tenancy.principals import Merchant
from tests.builders import a_merchant, a_product, an_act
from tests.cluster import Cluster
from tests.graphql_api.documents import PAY, PLACE, SHIP, a_cart, a_line, buy, place
from tests.graphql_api.mall import Answer, Mall, open_mall

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Shops:
    """A mall with a merchant that sells, one that is suspended, and one that nobody bought from."""

    mall: Mall
    open: Merchant
    closed: Merchant
    kite: catalogue.Product
    draft: catalogue.Product
    gone: catalogue.Product

    def line(self, **changed: Any) -> dict[str, Any]:
        """A line that can be sold, but for what is changed."""
        return {**a_line(self.open, self.kite), **changed}

    async def reserved(self) -> int:
        """Pieces reserved at the open merchant."""
        async with self.mall.database.read("test") as tx, tx.as_merchant(self.open.id) as session:
            product = await catalogue.product(session, self.kite.id)
        return sum(variant.reserved for variant in product.variants)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shops]:
    """One mall for the module: what is refused changes nothing, so that tests can share it."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    try:
        async with open_mall(database, tmp_path_factory.mktemp("mall")) as mall:
            yield await _filled(mall)
    finally:
        await database.close()
    cluster.drop(logins)


async def _filled(mall: Mall) -> Shops:
    database = mall.database
    first, closed = await a_merchant(database, "open"), await a_merchant(database, "closed")
    dear = NewVariant("DEAR", "Dear", {"BRL": 10**15}, 1000)
    usual = NewVariant("KITE", "Kite", {"BRL": 10_000}, 10)
    kite = await a_product(database, first, variants=[usual, dear])
    draft = await a_product(database, first, title="Draft", prices={"BRL": 10_000}, is_published=False)
    gone = await a_product(database, closed, prices={"BRL": 10_000})
    await mall.hire("olga", first, MerchantRole.OWNER)
    await mall.hire("otto", closed, MerchantRole.OWNER)
    await mall.appoint("adam", PlatformRole.ADMIN)
    async with database.write("test") as tx, tx.as_platform() as session:
        await merchants.set_status(session, "closed", "suspended", an_act())
    return Shops(mall, first, closed, kite, draft, gone)


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


def a_mutation(name: str, kind: str) -> str:
    """A mutation that answers its problem."""
    return f"mutation ($i: {kind}!) {{ {name}(input: $i) {{ __typename ... on Problem {{ message path }} }} }}"


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


IDS = [
    ("orderShip", "OrderShipInput", "orderId", "Order", {"carrier": "C", "trackingNumber": "1", "idempotencyKey": "k"}),
    ("shipmentDeliver", "ShipmentDeliverInput", "shipmentId", "Shipment", {"idempotencyKey": "k"}),
    ("orderConfirmReceipt", "OrderConfirmReceiptInput", "orderId", "Order", {"idempotencyKey": "k"}),
    ("orderCancel", "OrderCancelInput", "orderId", "Order", {"reason": "r", "idempotencyKey": "k"}),
    ("productPublish", "ProductPublishInput", "productId", "Product", {}),
    ("productUpdate", "ProductUpdateInput", "productId", "Product", {}),
    ("priceSet", "PriceSetInput", "variantId", "Variant", {"price": {"amount": "1.00", "currency": "BRL"}}),
    ("stockAdjust", "StockAdjustInput", "variantId", "Variant", {"change": 1, "idempotencyKey": "k"}),
    ("checkoutCancel", "CheckoutCancelInput", "checkoutId", "Checkout", {"idempotencyKey": "k"}),
    ("checkoutPay", "CheckoutPayInput", "checkoutId", "Checkout", {"tenders": [], "idempotencyKey": "k"}),
]
PARTS = {"Checkout": 1, "Shipment": 3}


@pytest.mark.parametrize(("mutation", "kind", "name", "of", "rest"), IDS, ids=[each[0] for each in IDS])
async def test_a_malformed_id_a_wrong_one_and_a_missing_one_answer_alike(
    shops: Shops, mutation: str, kind: str, name: str, of: str, rest: dict[str, Any]
) -> None:
    parts = PARTS.get(of, 2)
    own = [shops.open.id, *(uuid4() for _ in range(parts - 1))] if parts > 1 else [uuid4()]
    genuine = encode_id(of, *own)
    ids = [
        "",
        "?",
        "x" * 10_000,
        "日本",
        genuine + "=",
        genuine[:-3],
        str(shops.open.id),
        encode_id("Nonsense", *own),
        encode_id(of, *own, uuid4()),
        encode_id(of, *(uuid4() for _ in own)),
        genuine,
    ]
    answers = []
    for text in ids:
        variables = {"i": {name: text, **rest}}
        answer = await shops.mall.ask(a_mutation(mutation, kind), variables, who="olga", merchant="open")
        answers.append(answer.data[mutation])
    assert answers == [answers[0]] * len(answers)
    assert (answers[0]["__typename"], answers[0]["path"]) == ("NotFound", ["input", name])
    assert "check the id" in answers[0]["message"]


async def test_a_malformed_id_of_a_node_is_no_node(shops: Shops) -> None:
    document = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    ids = ["", "?", "x" * 10_000, "日本", "T3JkZXIA", encode_id("Order", shops.open.id)]
    for who in (None, "bea", "olga"):
        assert (await shops.mall.ask(document, {"ids": ids}, who=who)).data == {"nodes": [None] * len(ids)}
    many = await shops.mall.ask(document, {"ids": ["x"] * 101})
    assert many.codes == ["INVALID_INPUT"]
    assert "at most 100" in many.body["errors"][0]["message"]


LISTS = ["products", "orders", "splits", "notifications", "auditEvents"]


def a_page(name: str, **arguments: Any) -> str:
    """A query for one page of a merchant's list."""
    given = ", ".join(f"{key}: {orjson.dumps(value).decode()}" for key, value in arguments.items())
    return f"{{ merchant {{ {name}({given}) {{ pageInfo {{ endCursor }} }} }} }}"


@pytest.mark.parametrize("name", LISTS)
async def test_a_page_has_1_to_100_rows(shops: Shops, name: str) -> None:
    for first in (0, -1, 101, 2**31 - 1):
        answer = await shops.mall.ask(a_page(name, first=first), who="olga", merchant="open")
        assert answer.codes == ["INVALID_INPUT"]
        assert "1 to 100" in answer.body["errors"][0]["message"]
        assert answer.body["errors"][0]["extensions"]["path"] == ["first"]
    for first in (1, 100):
        assert (await shops.mall.ask(a_page(name, first=first), who="olga", merchant="open")).codes == []


@pytest.mark.parametrize("name", LISTS)
async def test_a_broken_cursor_is_refused(shops: Shops, name: str) -> None:
    day, row = "2026-03-02T12:00:00+00:00", str(uuid4())

    def cursor(*values: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps([name, *values]).encode()).decode().rstrip("=")

    broken = [
        "",
        "x",
        "日本",
        "A" * 5000,
        cursor(),
        cursor(None),
        cursor(day),
        cursor(day, row, row),
        cursor(day, "not-a-uuid"),
        cursor("2026-03-02T12:00:00", row),
        cursor("2026-03-02T12:00:00+23:59:59", row) + "=",
        cursor("0001-01-01T00:00:00+14:00", row),
        cursor("9999-12-31T23:59:59-14:00", row),
        cursor(10**40),
        cursor(1.5),
        cursor(True),
        cursor({"a": 1}, [2]),
        encode_cursor("viewerOrders", (day, row)),
        encode_cursor("listings", (day, row, row)),
    ]
    for text in broken:
        answer = await shops.mall.ask(a_page(name, after=text), who="olga", merchant="open")
        assert answer.codes == ["INVALID_INPUT"], (text, answer.body)
        assert "cursor" in answer.body["errors"][0]["message"]
        assert answer.body["errors"][0]["extensions"]["path"] == ["after"]


async def test_a_moment_without_a_zone_or_beyond_the_calendar_is_refused(shops: Shops) -> None:
    for at in ("2026-03-02T12:00:00", "2026-03-02", "0001-01-01T00:00:00+14:00", "noon", "x" * 1000):
        query = f'{{ merchant {{ balance(at: "{at}") {{ currency }} }} }}'
        answer = await shops.mall.ask(query, who="olga", merchant="open")
        assert "with its zone" in answer.body["errors"][0]["message"], answer.body
    query = '{ merchant { balance(at: "2026-03-02T12:00:00+23:59") { currency } } }'
    assert (await shops.mall.ask(query, who="olga", merchant="open")).codes == []


async def test_reports_are_refused_by_their_argument(shops: Shops) -> None:
    report = "{ platform { commissionReport(from: %s, to: %s, groupBy: [DAY]%s) { asOf } } }"
    cases = [
        (report % ('"2026-01-02"', '"2026-01-01"', ""), ["to"], "must be after"),
        (report % ('"2026-01-01"', '"2026-01-02"', ', merchants: ["broken"]'), ["merchants", "0"], "check the id"),
        (report % ('"2026-01-01"', '"2026-01-02"', ", first: 0"), ["first"], "1 to 100"),
        (report % ('"2026-01-01"', '"2026-01-02"', ', after: "x"'), ["after"], "cursor"),
    ]
    for query, path, remedy in cases:
        answer = await shops.mall.ask(query, who="adam")
        (error,) = answer.body["errors"]
        assert error["extensions"]["path"] == path, error
        assert remedy in error["message"]


def a_token(shops: Shops, key: Any = None, algorithm: str = "Ed25519", **claims: Any) -> str:
    """A token as the development issuer makes them, but for what is changed."""
    now = int(time.time())
    usual = {"iss": "merchantry-development", "aud": "merchantry", "sub": "olga", "iat": now, "exp": now + 60}
    signer = key or shops.mall.issuer._key
    signer.ensure_kid()
    header = {"alg": algorithm, "kid": signer.kid}
    return jwt.encode(header, {**usual, **claims}, signer, algorithms=[algorithm])


def unsigned() -> str:
    """A token of the algorithm none."""
    parts = ({"alg": "none"}, {"iss": "merchantry-development", "aud": "merchantry", "sub": "olga", "exp": 2**31})
    return ".".join(base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=") for part in parts) + "."


TOKENS: dict[str, tuple[Callable[[Shops], str], str]] = {
    "expired": (lambda shops: a_token(shops, exp=int(time.time()) - 3600), "expired. Ask its issuer for a new one."),
    "of a wrong audience": (lambda shops: a_token(shops, aud="somewhere"), "wrong audience. Ask the issuer"),
    "of a wrong issuer": (lambda shops: a_token(shops, iss="https://evil.test"), "wrong issuer. Ask the issuer"),
    "not valid yet": (lambda shops: a_token(shops, nbf=int(time.time()) + 3600), "not yet valid. Check the clocks"),
    "without an expiry": (lambda shops: a_token(shops, exp=None), "without a valid expiry"),
    "without a subject": (lambda shops: a_token(shops, sub=""), "without a subject"),
    "of no algorithm": (lambda shops: unsigned(), "malformed. Send the header"),
    "of a symmetric algorithm": (
        lambda shops: a_token(shops, OctKey.generate_key(256), "HS256"),
        "an algorithm that is not accepted",
    ),
    "of another asymmetric algorithm": (
        lambda shops: a_token(shops, RSAKey.generate_key(2048), "RS256"),
        "an algorithm that is not accepted",
    ),
    "of a stranger's key": (
        lambda shops: a_token(shops, OKPKey.generate_key("Ed25519")),
        "not signed by a key that is trusted here",
    ),
    "cut short": (lambda shops: a_token(shops)[:-10], "not signed by a key that is trusted here"),
    "no token at all": (lambda shops: "olga", "malformed. Send the header"),
}


async def sent(shops: Shops, headers: list[tuple[str, str]]) -> Answer:
    """A query with these headers, which may come twice."""
    body = {"query": "{ viewer { accountId } merchant { slug } }"}
    answer = await shops.mall.http.post("/graphql", json=body, headers=headers)
    return Answer(answer.status_code, answer.json())


@pytest.mark.parametrize("case", TOKENS)
async def test_a_token_that_is_not_accepted_is_told_why(shops: Shops, case: str) -> None:
    make, reason = TOKENS[case]
    for more in ([], [("x-merchant", "open")]):
        answer = await sent(shops, [("authorization", f"Bearer {make(shops)}"), *more])
        assert (answer.status, answer.codes) == (401, ["UNAUTHENTICATED"])
        assert reason in answer.body["errors"][0]["message"]


async def test_the_same_token_unchanged_is_accepted(shops: Shops) -> None:
    answer = await sent(shops, [("authorization", f"Bearer {a_token(shops)}"), ("x-merchant", "open")])
    assert answer.data["merchant"] == {"slug": "open"}


REFUSED_HEADERS: list[list[tuple[str, str]]] = [
    [("x-merchant", "open"), ("x-merchant", "open")],
    [("x-merchant", "open"), ("x-merchant", "closed")],
    [("x-merchant", '"open"')],
    [("x-merchant", "'open'")],
    [("x-merchant", "open.")],
    [("x-merchant", ".open")],
    [("x-merchant", "open.mall.test")],
    [("x-merchant", "open,closed")],
    [("x-merchant", "OPEN")],
    [("x-merchant", "open\t")],
    [("x-merchant", "")],
    [("x-merchant", "no-such")],
    [("x-merchant", "closed")],
    [("x-merchant", "m_00000000000000000000000000000000")],
    [("x-merchant", "open; SET ROLE merchantry_owner")],
    [("host", "open.mall.test."), ("x-merchant", "open")],
    [("host", '"open".mall.test')],
    [("host", "open.mall.test"), ("x-merchant", "closed")],
    [("host", "a.open.mall.test")],
    [("host", "open..mall.test")],
    [("host", "open.mall.test:80:80")],
    [("host", "closed.mall.test")],
]


@pytest.mark.parametrize("headers", REFUSED_HEADERS, ids=str)
async def test_a_merchant_that_is_named_in_two_ways_or_none_is_refused(
    shops: Shops, headers: list[tuple[str, str]]
) -> None:
    answer = await sent(shops, [("authorization", f"Bearer {a_token(shops)}"), *headers])
    assert answer.status == 403, answer.body
    assert answer.body == {
        "errors": [
            {"message": "No such merchant for this token.", "extensions": {"code": "MERCHANT_REFUSED"}},
        ]
    }


async def test_two_tokens_are_refused(shops: Shops) -> None:
    token = ("authorization", f"Bearer {a_token(shops)}")
    assert (await sent(shops, [token, token])).status in (401, 403)
    assert (await sent(shops, [("authorization", f"{token[1]}, {token[1]}")])).status == 401
    assert (await sent(shops, [("authorization", f'"{token[1]}"')])).status == 401
    assert (await sent(shops, [("authorization", f"Basic {token[1]}")])).status == 401
