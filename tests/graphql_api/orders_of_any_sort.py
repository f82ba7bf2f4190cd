"""Orders of any sort that the tables take, and documents that select anything of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType
from sqlalchemy import insert
from strawberry.utils.str_converters import to_camel_case

from graphql_api.derived import Derived
from graphql_api.order import _ShownLine, _ShownOrder
from graphql_api.schema import schema
from merchantry.domain.money import CURRENCY_DIGITS
from merchantry.domain.order import OrderStatus
from merchantry.domain.permission import MerchantRole
from merchantry.tables.merchant import order_line, orders
from merchantry.tables.platform import buyer_order
from tenancy.principals import Merchant
from tests.builders import a_merchant
from tests.graphql_api.mall import Answer, Mall
from tests.graphql_api.random_documents import CONDITIONS, Composite, DocumentWriter

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


def a_query(root: str, writer: OrderWriter, variable: str) -> str:
    """The document with its fragments and variables."""
    fragments = " ".join(f"fragment {name} on {type_} {text}" for name, type_, text in writer.fragments)
    given = [f"$c{number}: Boolean!" for number in range(CONDITIONS) if f"$c{number}" in root + fragments]
    given += ["$d: Boolean! = true"] * ("$d" in root + fragments) + [variable] * (variable.split(":")[0] in root)
    return f"query {'(' + ', '.join(given) + ')' if given else ''} {{ {root} }} {fragments}"


async def asked_as_it_comes(
    mall: Mall, monkeypatch: pytest.MonkeyPatch, document: str, variables: Mapping[str, Any], **asked: Any
) -> Answer:
    """The answer where nothing is written or compiled."""
    with monkeypatch.context() as patched:
        patched.setattr(schema, "execution_context_class", schema.execution_context_class)
        schema.execute_as_it_comes()
        return await mall.ask(document, variables, **asked)
