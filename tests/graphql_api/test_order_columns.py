"""Of orders only the columns are read that the selected fields need: each field alone says what it says among all."""

from typing import Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from graphql_api.schema import schema
from merchantry.domain.permission import MerchantRole
from tests.builders import a_merchant, a_product
from tests.graphql_api.documents import a_line, buy, ship
from tests.graphql_api.mall import Mall
from tests.graphql_api.price_documents import set_tax

STAFF = "{ merchant { orders(first: 1) { nodes { %s } } } }"
BUYER = "{ viewer { orders(first: 1) { nodes { %s } } } }"
MAX_DEPTH = 3


def selections(type_: GraphQLObjectType, depth: int = 0) -> list[str]:
    """Each field of a type, with all leaves below it."""
    found = []
    for name, field in type_.fields.items():
        below = get_named_type(field.type)
        if field.args:
            continue
        if is_leaf_type(below):
            found.append(name)
        elif isinstance(below, GraphQLObjectType) and depth < MAX_DEPTH and (inner := selections(below, depth + 1)):
            found.append(f"{name} {{ {' '.join(inner)} }}")
    return found


def one_by_one() -> dict[str, list[str]]:
    """The fields of orders alone, and those of their lines."""
    orders, lines = (schema.graphql_schema.type_map[name] for name in ("Order", "OrderLine"))
    assert isinstance(orders, GraphQLObjectType)
    assert isinstance(lines, GraphQLObjectType)
    whole = [each for each in selections(orders) if not each.startswith(("lines ", "split "))]
    return {"": whole, "lines": selections(lines)}


async def first(mall: Mall, document: str, selected: str, who: str, merchant: str | None) -> dict[str, Any]:
    answer = await mall.ask(document % selected, who=who, merchant=merchant)
    assert "errors" not in answer.body, (selected, answer.body)
    (root,) = answer.data.values()
    node: dict[str, Any] = root["orders"]["nodes"][0]
    return node


async def test_a_field_says_alone_what_it_says_among_all(mall: Mall) -> None:
    seller = await a_merchant(mall.database)
    await mall.hire("olga", seller, MerchantRole.OWNER)
    await set_tax(mall, "fay", "BR", 1000)
    product = await a_product(mall.database, seller, prices={"BRL": 10000})
    placed = await buy(mall, "bea", a_line(seller, product, 2))
    await ship(mall, "olga", seller, placed["orders"][0]["id"])
    for document, who, merchant in ((STAFF, "olga", seller.slug), (BUYER, "bea", None)):
        for below, fields in one_by_one().items():
            among = " ".join(fields)
            whole = await first(mall, document, f"{below} {{ {among} }}" if below else among, who, merchant)
            for field in fields:
                name = field.split()[0]
                alone = await first(mall, document, f"{below} {{ {field} }}" if below else field, who, merchant)
                expected = [{name: line[name]} for line in whole[below]] if below else {name: whole[name]}
                assert (alone[below] if below else alone) == expected, field
