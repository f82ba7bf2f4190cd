"""What PostgreSQL writes of orders is what Python would have made of the same rows, for any selection of any rows."""

from collections import Counter
from random import Random
from uuid import UUID

import pytest
from graphql import GraphQLNonNull, GraphQLObjectType
from strawberry.utils.str_converters import to_camel_case

from graphql_api.derived import Derived, ForStaff
from graphql_api.relay import encode_id
from graphql_api.schema import schema
from merchantry.domain.permission import MerchantRole
from merchantry.services.written import Decimal, Member, Stored
from merchantry.tables.merchant import order_line, orders
from tests.builders import a_merchant
from tests.graphql_api.counting import counted
from tests.graphql_api.mall import Mall
from tests.graphql_api.orders_of_any_sort import (
    SHOWN,
    OrderWriter,
    a_query,
    a_seller,
    asked_as_it_comes,
    written_fields,
)
from tests.graphql_api.random_documents import CONDITIONS

SEEDS = 150


def a_document(seed: int, who: str) -> str:
    """A page of orders, or one order, with anything of them."""
    random = Random(seed)
    writer = OrderWriter(schema.graphql_schema, random)
    body = writer.order()
    page = f"orders(first: {random.choice([1, 7, 40])})"
    root = random.choice(
        [
            f"viewer {{ {page} {{ nodes {body} pageInfo {{ endCursor }} }} }}",
            f"viewer {{ {page} {{ edges {{ cursor node {body} }} }} }}",
            f"node(id: $id) {{ __typename id ... on Order {body} }}",
        ]
        if who == "bea"
        else [
            f"merchant {{ {page} {{ nodes {body} pageInfo {{ endCursor }} }} }}",
            f"merchant {{ {page} {{ edges {{ cursor node {body} }} }} }}",
            f"merchant {{ {page} {{ nodes {{ id }} renamed: nodes {body} }} }}",
            f'merchant {{ order(number: "100001-000003") {body} }}',
            f"node(id: $id) {{ __typename id ... on Order {body} }}",
        ]
    )
    return a_query(root, writer, "$id: ID!")


@pytest.mark.parametrize("who", ["olga", "bea"], ids=["staff", "buyer"])
async def test_what_is_written_is_what_would_have_been_made(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    seller, _ = await a_seller(mall, 40), await a_seller(mall, 10, seed=2)
    merchant = seller.slug if who == "olga" else None
    number = '{ merchant { order(number: "100001-000003") { id } } }'
    some_order = (await mall.ask(number, who="olga", merchant=seller.slug)).data["merchant"]["order"]["id"]
    ways = Counter[str]()
    for seed in range(SEEDS):
        document = a_document(seed, who)
        variables = {f"c{at}": bool(seed >> at & 1) for at in range(CONDITIONS)} | {"id": some_order}
        with counted(monkeypatch) as sent:
            written = await mall.ask(document, variables, who=who, merchant=merchant)
        made = await asked_as_it_comes(mall, monkeypatch, document, variables, who=who, merchant=merchant)
        assert written.body == made.body, document
        assert "errors" not in made.body, made.body
        ways["lines"] += any("string_agg(" in text for text in sent)
        ways["written"] += any(" || " in text for text in sent)
    assert ways["written"] > SEEDS // 2, ways
    assert ways["lines"] > SEEDS // 4, ways


@pytest.mark.parametrize("type_name", SHOWN)
def test_what_is_never_null_is_written_of_columns_that_are_never_null(type_name: str) -> None:
    type_, class_ = schema.graphql_schema.type_map[type_name], SHOWN[type_name]
    table = orders if type_name == "Order" else order_line
    assert isinstance(type_, GraphQLObjectType)
    derived = {to_camel_case(name): each for name, each in vars(class_).items() if isinstance(each, Derived)}
    for name in written_fields(type_name):
        written = derived[name].written
        if isinstance(written, ForStaff):
            assert not isinstance(type_.fields[name].type, GraphQLNonNull), name
        if isinstance(type_.fields[name].type, GraphQLNonNull):
            columns: tuple[str, ...] = (written.column,) if isinstance(written, Stored | Member) else ()
            if isinstance(written, Decimal):
                columns = (*written.plus, *written.minus)
            assert not any(table.c[column].nullable for column in columns), name


async def test_of_another_merchant_nothing_is_written(mall: Mall) -> None:
    seller = await a_seller(mall, 3)
    other = await a_merchant(mall.database)
    await mall.hire("otto", other, MerchantRole.OWNER)
    number = '{ merchant { order(number: "100001-000001") { id number } orders(first: 5) { nodes { id } } } }'
    own = (await mall.ask(number, who="olga", merchant=seller.slug)).data["merchant"]
    assert own["order"]["number"] == "100001-000001"
    assert len(own["orders"]["nodes"]) == 3
    assert (await mall.ask(number, who="otto", merchant=other.slug)).data["merchant"] == {
        "order": None,
        "orders": {"nodes": []},
    }
    node = "query ($id: ID!) { node(id: $id) { id ... on Order { number } } }"
    asked = {"id": own["order"]["id"]}
    assert (await mall.ask(node, asked, who="olga", merchant=seller.slug)).data["node"] == own["order"]
    for merchant in (other.slug, None):
        assert (await mall.ask(node, asked, who="otto", merchant=merchant)).data["node"] is None


async def test_keys_of_the_client_are_bound_and_never_part_of_a_statement(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await a_seller(mall, 1)
    document = "{ merchant { orders { nodes { OneStrangeName: number lines { AnotherOne: title } } } } }"
    with counted(monkeypatch) as sent:
        answer = await mall.ask(document, who="olga", merchant=seller.slug)
    assert "OneStrangeName" in answer.data["merchant"]["orders"]["nodes"][0]
    assert any("string_agg(" in text for text in sent)
    assert not any("StrangeName" in text or "AnotherOne" in text for text in sent)


def test_ids_are_written_as_they_are_encoded() -> None:
    merchant, key = UUID(int=2**128 - 1), UUID(int=62)
    assert {*encode_id("Order", merchant, key)} & {*"-_"}, "such ids are among those that the test of rows compares"
