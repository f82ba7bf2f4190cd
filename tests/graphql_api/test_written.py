"""What PostgreSQL writes of orders is what Python would have made of the same rows, for any selection of any rows."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json import dumps
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import GraphQLInterfaceType, GraphQLNonNull, GraphQLObjectType
from sqlalchemy import insert
from strawberry.utils.str_converters import to_camel_case

from graphql_api.derived import Derived, ForStaff
from graphql_api.order import _ShownLine, _ShownOrder
from graphql_api.relay import encode_id
from graphql_api.schema import schema
from merchantry.domain.money import CURRENCY_DIGITS
from merchantry.domain.order import OrderStatus
from merchantry.domain.permission import MerchantRole
from merchantry.services.written import Decimal, Member, Stored
from merchantry.tables.merchant import order_line, orders
from merchantry.tables.platform import buyer_order
from tenancy.principals import Merchant
from tests.builders import a_merchant
from tests.graphql_api.counting import counted
from tests.graphql_api.mall import Answer, Mall
from tests.graphql_api.random_documents import CONDITIONS, Composite, DocumentWriter

SEEDS = 150
SEEDS_OF_PAGES = 80
SHOWN: dict[str, type] = {"Order": _ShownOrder, "OrderLine": _ShownLine}
SAME_MOMENT = datetime(2026, 5, 5, 5, 5, 5, 50, tzinfo=UTC)
TEXTS = (
    "",
    "plain",
    'say "no"',
    "back\\slash",
    "line\nbreak\ttab\r\b\f",
    "\x01\x1f\x7f",
    "日本語 🍵",
    "</script>",
    "{}%s$1'",
)


def written_fields(type_name: str) -> set[str]:
    """The fields of a type that say how they are written."""
    derived = {name: each for name, each in vars(SHOWN[type_name]).items() if isinstance(each, Derived)}
    return {to_camel_case(name) for name, each in derived.items() if each.written is not None}


def a_moment(random: Random) -> datetime:
    whole = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=random.randrange(10**7))
    return whole + timedelta(microseconds=random.choice([0, 0, 1, 500_000, 120, 999_999]))


def an_order(random: Random, number: int) -> dict[str, Any]:
    """A row of any sort that the table takes."""

    def perhaps(value: Any) -> Any:
        return random.choice([None, value])

    goods, shipping, tax = (random.choice([0, 1, 99, 100, 123_456, 10**14]) for _ in range(3))
    discount = random.randint(0, goods)
    captured = perhaps(a_moment(random))
    is_principal = random.random() < 0.3
    return {
        "id": uuid4(),
        "number": f"100001-{number:06}",
        "checkout_id": uuid4(),
        "status": random.choice([each.value for each in OrderStatus]),
        "currency": random.choice(["BRL", "EUR", "JPY", "KWD", "CLF", *CURRENCY_DIGITS]),
        "goods_minor": goods,
        "shipping_minor": shipping,
        "added_tax_minor": tax,
        "discount_merchant_minor": discount // 2,
        "discount_platform_minor": discount - discount // 2,
        "refunded_minor": random.randint(0, goods - discount),
        "collected_by": "platform" if is_principal else random.choice(["platform", "merchant"]),
        "shipping_option": random.choice(TEXTS),
        "legal_name": random.choice(TEXTS),
        "seller_of_record": "principal" if is_principal else "agent",
        "sold_by": random.choice(TEXTS) if is_principal else None,
        "ship_to": perhaps(
            {
                **{name: random.choice(TEXTS) for name in ("name", "street", "city", "postal_code")},
                "country": "BR",
                "phone": perhaps("+55 1"),
            }
        ),
        "placed_at": random.choice([SAME_MOMENT, a_moment(random), a_moment(random)]),
        "captured_at": captured,
        "capture_seq": 1 if captured else None,
        "events": 1,
        "external_ref": perhaps(f"{random.choice(TEXTS)}{number}"),
        "review_status": perhaps("held"),
        **{name: perhaps(a_moment(random)) for name in ("last_shipped_at", "last_delivered_at", "completed_at")},
        **{name: perhaps(a_moment(random)) for name in ("cancelled_at", "ship_by", "overdue_at")},
    }


def a_line_of(random: Random, order_id: UUID, position: int) -> dict[str, Any]:
    quantity, price = random.choice([1, 2, 2**31 - 1]), random.choice([0, 1, 5, 1999])
    cancelled, shipped = random.choice([(0, 0), (0, 1), (1, 0)])
    return {
        "id": uuid4(),
        "order_id": order_id,
        "position": position,
        "product_id": uuid4(),
        "variant_id": uuid4(),
        **{name: random.choice(TEXTS) for name in ("sku", "title", "category")},
        "unit_price_minor": price,
        "quantity": quantity,
        "goods_minor": price * quantity,
        "shipping_minor": 999,
        "discount_merchant_minor": random.randint(0, price),
        "shipped": shipped,
        "delivered": random.randint(0, shipped),
        "cancelled": cancelled,
        "refunded": cancelled,
        "refunded_goods_minor": random.randint(0, price * (quantity - 1)),
        "refunded_shipping_minor": random.randint(0, 999),
        "return_days": random.choice([None, 0, 14]),
    }


async def a_seller(mall: Mall, count: int, seed: int = 1) -> Merchant:
    """A merchant with orders of any sort, none to five lines each, all of them bea's."""
    random = Random(seed)
    seller, buyer_id = await a_merchant(mall.database), await mall.account("bea")
    await mall.hire("olga", seller, MerchantRole.OWNER)
    rows = [an_order(random, number) for number in range(count)]
    lines = [a_line_of(random, row["id"], at) for row in rows for at in range(random.randint(0, 5))]
    async with mall.database.write("test") as tx, tx.as_merchant(seller.id) as session:
        await session.execute(insert(orders), rows)
        await session.execute(insert(order_line), lines)
    async with mall.database.write("test") as tx, tx.as_platform() as session:
        await session.execute(insert(buyer_order), [an_index_row(seller, buyer_id, row) for row in rows])
    return seller


def an_index_row(seller: Merchant, buyer_id: UUID, row: dict[str, Any]) -> dict[str, Any]:
    same = {name: row[name] for name in ("checkout_id", "number", "status", "currency", "placed_at")}
    known = {"merchant_id": seller.id, "order_id": row["id"], "buyer_id": buyer_id}
    return {**same, **known, "merchant_name": row["legal_name"], "total_minor": 0}


@dataclass
class OrderWriter(DocumentWriter):
    """Writes what is selected of orders, mostly of fields that can be written."""

    def order(self) -> str:
        return self._of_type("Order")

    def connection(self) -> str:
        return self._of_type("OrderConnection")

    def _of_type(self, name: str) -> str:
        type_ = self.schema.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        return self._selection_set(type_, 1)

    def _selection(self, type_: Composite, depth: int) -> str:
        if type_.name == "OrderConnection" and self.random.random() < 0.7:  # or there would be several lists in most
            assert isinstance(type_, GraphQLObjectType)
            return self._field(type_, "pageInfo", depth)
        if type_.name in SHOWN and self.random.random() < 0.85:
            assert isinstance(type_, GraphQLObjectType)
            often = ["lines"] * 6 if type_.name == "Order" else []
            name = self.random.choice([*sorted(written_fields(type_.name)), *often])
            return self._field(type_, name, depth)
        return super()._selection(type_, depth)

    def _field(self, type_: GraphQLObjectType | GraphQLInterfaceType, name: str, depth: int, alias: bool = True) -> str:
        """Splits need more rows than these orders have."""
        return "" if name == "split" else super()._field(type_, name, depth, alias)


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


def a_page_document(seed: int) -> str:
    """Pages of a connection with anything of it; under ``at`` where the page lies."""
    random = Random(seed)
    writer = OrderWriter(schema.graphql_schema, random, left=40)
    filters = ["", "", "status: [TO_SHIP, DELIVERED, CANCELLED]", "overdue: true", 'externalRef: "nobody calls one so"']
    arguments = f"first: {random.choice([1, 4, 13, 100])}, after: $after {random.choice(filters)}"
    at = "at: pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    body = f"{{ {at} {random.choice(LISTS).format(writer.order())} ...{writer.connection()} }}"
    return a_query(f"merchant {{ orders({arguments}) {body} }}", writer, "$after: String")


LISTS = (
    "nodes {}",
    "renamed: nodes {}",
    "edges {{ node {} cursor }}",
    "edges {{ at: cursor __typename }} edges {{ node {} renamed: node {{ id }} }} __typename",
    "...on OrderConnection {{ nodes {} }} nodes {{ number }}",
    "edges {{ cursor }} nodes {}",
    "edges {{ cursor node {} }} other: edges {{ cursor }}",
)


def a_query(root: str, writer: OrderWriter, variable: str) -> str:
    """The document with its fragments and variables."""
    fragments = " ".join(f"fragment {name} on {type_} {text}" for name, type_, text in writer.fragments)
    given = [f"$c{number}: Boolean!" for number in range(CONDITIONS) if f"$c{number}" in root + fragments]
    given += ["$d: Boolean! = true"] * ("$d" in root + fragments) + [variable] * (variable.split(":")[0] in root)
    return f"query {'(' + ', '.join(given) + ')' if given else ''} {{ {root} }} {fragments}"


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


async def asked_as_it_comes(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, document: str, variables: Mapping[str, Any], **asked: Any
) -> Answer:
    """The answer where nothing is written or compiled."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "execution_context_class", schema.execution_context_class)
        schema.execute_as_it_comes()
        return await mall.ask(document, variables, **asked)


async def test_pages_that_come_as_one_text_are_the_pages_that_would_have_been_made(
    mall: Mall, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await a_seller(mall, 30)
    ways = Counter[str]()
    for seed in range(SEEDS_OF_PAGES):
        document = a_page_document(seed)
        variables: dict[str, Any] = {f"c{at}": bool(seed >> at & 1) for at in range(CONDITIONS)}
        for _ in range(4):
            with counted(monkeypatch) as sent:
                written = await mall.ask(document, variables, who="olga", merchant=seller.slug)
            made = await asked_as_it_comes(mall, monkeypatch, document, variables, who="olga", merchant=seller.slug)
            assert dumps(written.body) == dumps(made.body), document
            at = made.data["merchant"]["orders"]["at"]
            is_one = any("string_agg(found.written" in text for text in sent)
            ways["one"] += is_one
            ways["one of edges"] += is_one and "edges {" in document
            ways["one, behind another"] += is_one and at["hasPreviousPage"]
            ways["one, nothing in it"] += is_one and at["endCursor"] is None
            ways["rows"] += not is_one
            if not at["hasNextPage"]:
                break
            variables["after"] = at["endCursor"]
    assert all(ways[way] > 4 for way in ways), ways
    assert ways["one"] > SEEDS_OF_PAGES // 2, ways


async def test_every_page_by_its_cursor_together_is_all_orders_once(mall: Mall) -> None:
    seller = await a_seller(mall, 30)
    document = """query ($first: Int, $after: String) { merchant { orders(first: $first, after: $after) {
        edges { cursor node { number } } pageInfo { startCursor endCursor hasNextPage } } } }"""
    (every,) = [page async for page in pages_of(mall, seller, document, 100)]
    assert len({edge["cursor"] for edge in every["edges"]}) == 30
    for first in (1, 7, 10, 29, 30):
        pages = [page async for page in pages_of(mall, seller, document, first)]
        assert [edge for page in pages for edge in page["edges"]] == every["edges"]
        assert len(pages) == -(-30 // first)
        for page in pages:
            found = page["pageInfo"]
            assert (found["startCursor"], found["endCursor"]) == (
                page["edges"][0]["cursor"],
                page["edges"][-1]["cursor"],
            )


async def pages_of(mall: Mall, seller: Merchant, document: str, first: int) -> AsyncIterator[dict[str, Any]]:
    """All pages of so many orders."""
    after = None
    while True:
        answer = await mall.ask(document, {"first": first, "after": after}, who="olga", merchant=seller.slug)
        yield (page := answer.data["merchant"]["orders"])
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return


async def test_a_page_is_one_statement_in_one_round_trip(mall: Mall, monkeypatch: pytest.MonkeyPatch) -> None:
    seller = await a_seller(mall, 3)
    document = "{ merchant { orders(first: 2) { pageInfo { hasNextPage } edges { cursor node { lines { sku } } } } } }"
    with counted(monkeypatch) as sent:
        answer = await mall.ask(document, who="olga", merchant=seller.slug)
    assert answer.data["merchant"]["orders"]["pageInfo"] == {"hasNextPage": True}
    assert [text for text in sent if text.startswith("SELECT") and "set_config" not in text] == [sent[1]]
    assert sent.round_trips == 1


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
