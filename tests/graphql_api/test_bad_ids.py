"""Ids, cursors, page sizes, moments and days that are none are refused clearly; wrong and missing ids answer alike."""

import base64
import json
from typing import Any
from uuid import uuid4

import orjson
import pytest

from graphql_api.relay import encode_cursor, encode_id
from tests.graphql_api.shops import Shops, a_mutation

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
