"""Ids, cursors, pages and nodes, and that broken ones show nothing of how they are made."""

import base64
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphql_api.relay import (
    connection_of,
    decode_cursor,
    decode_id,
    encode_cursor,
    encode_id,
    page,
    parse_id,
    resolve_nodes,
    take_id,
)
from merchantry.domain.errors import InvalidInput, NotFound
from tests.graphql_api.a_schema import ORDERS, TEA, a_context, a_market_schema

A, B = UUID("4f3a1d5e-0c1b-4a6e-9b43-5a1d2c3b4e5f"), UUID("b8e7d6c5-1a2b-4c3d-8e4f-9a8b7c6d5e4f")


def test_an_id_leads_back_to_its_keys() -> None:
    assert decode_id(encode_id("Order", A, B), "Order", 2) == (A, B)
    assert decode_id(encode_id("Merchant", A), "Merchant", 1) == (A,)
    assert len(encode_id("Order", A, B)) < 64
    assert encode_id("Order", A, B).replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "=",
        "é",
        "Order",
        str(A),
        encode_id("Order", A),
        encode_id("Order", A, B, A),
        encode_id("OrderLine", A, B),
        encode_id("order", A, B),
        encode_id("Order", A, B)[:-1],
        encode_id("Order", A, B) + "=",
        encode_id("Order", A, B) + "A",
        " " + encode_id("Order", A, B),
        encode_id("Order", A, B).replace("", "\n", 1),
        base64.urlsafe_b64encode(b"Order\0").decode(),
        base64.urlsafe_b64encode(b"\xff\xff\0" + A.bytes).decode().rstrip("="),
        "A" * 100_000,
    ],
)
def test_whatever_is_no_such_id_is_not_found(text: str) -> None:
    with pytest.raises(NotFound) as missing:
        decode_id(text, "Order", 2, ("input", "orderId"))
    assert (missing.value.what, missing.value.path) == ("order", ("input", "orderId"))


@given(st.text())
def test_no_text_breaks_an_id(text: str) -> None:
    assert parse_id(text) is None


def test_an_id_has_one_spelling() -> None:
    text = encode_id("Node", A)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert [end for end in last if parse_id(text[:-1] + end) == ("Node", (A,))] == [text[-1]]


def test_a_taken_id_is_remembered_as_the_client_called_it() -> None:
    context = a_context()
    text = encode_id("Variant", A, B)
    assert take_id(context, text, "Variant", 2) == (A, B)
    assert context.given_ids == {B: text}


VALUES = (datetime(2026, 3, 1, 12, 0, 0, 123, tzinfo=UTC), A, 5, "tea", date(2026, 3, 1))
TYPES = (datetime, UUID, int, str, date)


def test_a_cursor_leads_back_to_its_values() -> None:
    assert decode_cursor(encode_cursor("orders", VALUES), "orders", TYPES) == VALUES


@given(st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.integers(-(2**63), 2**63 - 1)))
def test_every_cursor_leads_back(values: tuple[Any, ...]) -> None:
    assert decode_cursor(encode_cursor("list", values), "list", (datetime, UUID, int)) == values


def a_cursor_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "é",
        "5",
        encode_cursor("orders", (5,))[:-2],
        encode_cursor("products", (5, A)),
        encode_cursor("orders", (5,)),
        encode_cursor("orders", (5, A, 5)),
        encode_cursor("orders", (A, 5)),
        encode_cursor("orders", (True, A)),
        encode_cursor("orders", (5.0, A)),
        encode_cursor("orders", (None, A)),
        encode_cursor("orders", (2**63, A)),
        encode_cursor("orders", (5, "not a uuid")),
        encode_cursor("orders", (5, [1])),
        a_cursor_of(b"null"),
        a_cursor_of(b"{}"),
        a_cursor_of(b"[]"),
        a_cursor_of(b"\xff"),
        a_cursor_of(b"[" * 700),
        "A" * 100_000,
    ],
)
def test_a_broken_or_foreign_cursor_names_the_remedy(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        page("orders", (int, UUID), 10, cursor)
    assert refused.value.path == ("after",)
    assert refused.value.reason.startswith("This is not a cursor of this list; send")


@pytest.mark.parametrize("value", ["2026-03-01T12:00:00", "2026-13-01T12:00:00Z", "noon"])
def test_an_instant_in_a_cursor_has_a_zone(value: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor("orders", (value,)), "orders", (datetime,))


def test_a_text_in_a_cursor_can_be_stored() -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor("products", ("a\0",)), "products", (str,))


@given(st.text())
def test_no_text_breaks_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(text, "orders", (int,))


def test_pages_are_bounded() -> None:
    assert (page("orders", (int,), None, None).first, page("orders", (int,), 100, None).limit) == (20, 101)
    for first in (0, -1, 101, 2**31):
        with pytest.raises(InvalidInput) as refused:
            page("orders", (int,), first, None)
        assert refused.value.path == ("first",)


def test_an_empty_page_has_no_cursors() -> None:
    asked = page("orders", (int,), 5, None)
    empty = connection_of(list[int](), asked, cursor_of=lambda row: (row,), node_of=str)
    assert (empty.edges, empty.page_info.end_cursor, empty.page_info.has_next_page) == ([], None, False)


async def ask(query: str, **variables: Any) -> dict[str, Any]:
    result = await a_market_schema().execute(query, variable_values=variables, context_value=a_context())
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


PAGE = """query($after: String) { orders(first: 12, after: $after) {
    nodes { number } edges { cursor node { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def test_pages_follow_each_other_without_gap_or_overlap() -> None:
    numbers, after, pages = [], None, 0
    while True:
        orders = (await ask(PAGE, after=after))["orders"]
        numbers += [edge["node"]["number"] for edge in orders["edges"]]
        assert [row["number"] for row in orders["nodes"]] == [edge["node"]["number"] for edge in orders["edges"]]
        assert orders["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert orders["pageInfo"]["startCursor"] == orders["edges"][0]["cursor"]
        after, pages = orders["pageInfo"]["endCursor"], pages + 1
        if not orders["pageInfo"]["hasNextPage"]:
            break
    assert (numbers, pages) == (list(range(1, 31)), 3)


def test_connections_are_named_after_their_rows() -> None:
    sdl = a_market_schema().as_str()
    assert "type OrderConnection {" in sdl
    assert "type OrderEdge {" in sdl
    assert "ids: [ID!]!\n  ): [Node]!" in sdl


async def test_missing_foreign_forbidden_and_broken_nodes_answer_alike() -> None:
    own = encode_id("Brew", TEA.id, UUID(int=5))
    query = "query($id: ID!) { node(id: $id) { id ... on Order { number } } }"
    assert (await ask(query, id=own))["node"] == {"id": own, "number": 5}
    for id in (
        encode_id("Brew", uuid4(), UUID(int=5)),
        encode_id("Brew", TEA.id, uuid4()),
        encode_id("Brew", TEA.id, UUID(int=13)),
        encode_id("Brew", TEA.id, UUID(int=14)),
        encode_id("Brew", TEA.id),
        encode_id("Nothing", TEA.id, UUID(int=5)),
        "nonsense",
        "",
        "5",
    ):
        assert await ask(query, id=id) == {"node": None}


async def test_nodes_keep_their_order() -> None:
    ids = [encode_id("Brew", TEA.id, key) for key in (*list(ORDERS)[2:5], uuid4(), list(ORDERS)[2])]
    nodes = (await ask("query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { number } } }", ids=ids))["nodes"]
    assert nodes == [{"number": 3}, {"number": 4}, {"number": 5}, None, {"number": 3}]
    with pytest.raises(InvalidInput, match="at most 100"):
        await resolve_nodes(None, ["x"] * 101)  # type: ignore[arg-type]
