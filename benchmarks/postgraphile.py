"""A page of 50 orders with five lines each, and a single order: our server beside PostGraphile over the same schema.

PostGraphile serves one merchant's schema and nothing else, as the tables' owner, and signs nobody in. Needs npm.
"""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from benchmarks.execution import CLIENTS, Ask, Question, Rename, an_order, questions, rates
from benchmarks.installation import Installation, installed, provisioned
from benchmarks.load import Client
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.node import peer, versions
from benchmarks.orders import fill
from benchmarks.people import Person, hired
from benchmarks.serving import serving
from graphql_api.relay import encode_id
from merchantry.domain.money import format_minor
from merchantry.domain.permission import MerchantRole
from tenancy.principals import Merchant
from tenancy.schemas import schema_of

FIELDS = """
rowId number status placedAt currency goodsMinor shippingMinor
orderLinesByOrderId(orderBy: POSITION_ASC) { nodes { title quantity unitPriceMinor } }
"""
THEIR_ADDRESS = "shipTo"
THEIR_PAGE = "query { allOrders(first: 50, orderBy: [PLACED_AT_DESC, PRIMARY_KEY_DESC]) { nodes { %s } } }"
THEIR_ORDER = "query ($id: UUID!) { orderByRowId(rowId: $id) { %s } }"

COLUMNS = ("clients", "ours", "PostGraphile", "{bare}", "ours / PostGraphile", "ours / {bare}", "PostGraphile / {bare}")

Rates = dict[int, dict[str, float]]
Asked = tuple[Question, tuple[bytes, Rename]]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        (merchant,) = provisioned(installation.logins, [1])
        fill(installation.logins.owner, merchant, 500 if options.quick else 5_000)
        owner = asyncio.run(hired(installation, "owner", merchant, MerchantRole.OWNER))
        order_id = an_order(installation.logins.owner, merchant)
        asked = questions(merchant, order_id)
        found = _served(installation, owner, merchant, [*zip(asked, _theirs(merchant, order_id), strict=True)], options)
        line = f"{facts(installation.logins.owner, options)}\n{versions('postgraphile', ('postgraphile',))}"
    for question, figures in zip(asked, found, strict=True):
        columns = [column.format(bare=question.bare_name) for column in COLUMNS]
        show(
            f"{question.title} (requests/s)", line, columns, [_row(clients, each) for clients, each in figures.items()]
        )
    print("One process each, over HTTP on Unix sockets; the same answers, compared first; medians of alternating runs.")


def _row(clients: int, found: dict[str, float]) -> tuple[str, ...]:
    ours, theirs, bare = found["ours"], found["PostGraphile"], found["bare"]
    figures = (f"{each:,.1f}" for each in (ours, theirs, bare))
    return (str(clients), *figures, times(ours, theirs), times(ours, bare), times(theirs, bare))


def _theirs(merchant: Merchant, order_id: UUID) -> list[tuple[bytes, Rename]]:
    """The same questions in PostGraphile's words, and how its answers read in ours."""

    def our_page(answer: dict[str, Any]) -> object:
        nodes = [_renamed(merchant, each) for each in answer["data"]["allOrders"]["nodes"]]
        return {"data": {"merchant": {"orders": {"nodes": nodes}}}}

    def our_node(answer: dict[str, Any]) -> object:
        return {"data": {"node": _renamed(merchant, answer["data"]["orderByRowId"])}}

    found: list[tuple[bytes, Rename]] = []
    for fields in (FIELDS, FIELDS + THEIR_ADDRESS):
        found.append((orjson.dumps({"query": THEIR_PAGE % fields}), our_page))
        found.append((orjson.dumps({"query": THEIR_ORDER % fields, "variables": {"id": str(order_id)}}), our_node))
    return found


def _served(
    installation: Installation, owner: Person, merchant: Merchant, asked: list[Asked], options: Options
) -> list[Rates]:
    login, schema = installation.logins.owner, schema_of(merchant.id)
    settings = {"GRAPHILE_ENV": "production", "DATABASE_URL": login, "SCHEMA": schema}
    with (
        serving(installation, "mall", profile=options.profile) as mall,
        serving(installation, "bare_page") as bare,
        peer("postgraphile", installation.home, settings) as theirs,
    ):
        sockets = {"ours": mall, "PostGraphile": theirs, "bare": bare}
        signed_in = {"authorization": f"Bearer {owner.token}", "x-merchant": merchant.slug}
        return asyncio.run(_measure(sockets, signed_in, asked, options))


async def _measure(
    sockets: Mapping[str, Path], signed_in: Mapping[str, str], asked: list[Asked], options: Options
) -> list[Rates]:
    async with AsyncExitStack() as stack:
        clients = {
            name: [await stack.enter_async_context(Client(socket, signed_in)) for _ in range(max(CLIENTS))]
            for name, socket in sockets.items()
        }

        def asking(name: str, path: str, body: bytes) -> Ask:
            return lambda client: clients[name][client].post(path, body)

        found = []
        for question, (theirs, renamed) in asked:
            ways = {
                "ours": asking("ours", "/graphql", question.body),
                "PostGraphile": asking("PostGraphile", "/graphql", theirs),
                "bare": asking("bare", question.bare_path, b""),
            }
            found.append(await rates(ways, options, {"PostGraphile": renamed}))
        return found


def _renamed(merchant: Merchant, order: dict[str, Any]) -> dict[str, Any]:
    """An order of PostGraphile's as our server answers it; amounts are minor units there, and the total two fields."""
    currency = order["currency"]

    def money(amount_minor: int) -> dict[str, str]:
        return {"amount": format_minor(amount_minor, currency), "currency": currency}

    return {
        "id": encode_id("Order", merchant.id, UUID(order["rowId"])),
        "number": order["number"],
        "status": order["status"].upper(),
        "placedAt": datetime.fromisoformat(order["placedAt"]).isoformat(),
        "total": money(int(order["goodsMinor"]) + int(order["shippingMinor"])),
        **({"shipTo": _address(order["shipTo"])} if "shipTo" in order else {}),
        "lines": [
            {
                "title": line["title"],
                "quantity": line["quantity"],
                "unitPrice": money(int(line["unitPriceMinor"])),
            }
            for line in order["orderLinesByOrderId"]["nodes"]
        ],
    }


def _address(to: dict[str, Any]) -> dict[str, Any]:
    known = {"name": "name", "street": "street", "city": "city", "postalCode": "postal_code", "country": "country"}
    return {name: to[column] for name, column in known.items()}


if __name__ == "__main__":
    main()
