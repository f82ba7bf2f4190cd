"""A page of 50 orders with five lines each, and a single order, answered by four kinds of servers taking turns."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
import psycopg

from benchmarks.bare_page import WITH_ADDRESSES
from benchmarks.installation import installed, provisioned
from benchmarks.load import Client, rate
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.orders import ADDRESS, PAGE, SELECTED, fill
from benchmarks.people import Person, hired
from benchmarks.serving import serving
from graphql_api.relay import encode_id
from merchantry.domain.permission import MerchantRole
from tenancy.principals import Merchant
from tenancy.schemas import MARK, schema_of

CLIENTS = (1, 8)
KINDS = ("mall", "mall_as_it_comes", "bare_page")
ORDER = "query Order($id: ID!) { node(id: $id) { ... on Order { %s } } }"
AN_ORDER = "SELECT id FROM __merchant__.orders LIMIT 1"

Ask = Callable[[int], Awaitable[bytes]]
Rename = Callable[[Any], object]


@dataclass(frozen=True)
class Question:
    """What is asked: in our words, and the path by which the bare server is asked the same."""

    title: str
    body: bytes
    bare_name: str
    bare_path: str


def questions(merchant: Merchant, order_id: UUID) -> list[Question]:
    """A page and one order, each without addresses and with them, which we write down before we answer."""
    schema, id = schema_of(merchant.id), encode_id("Order", merchant.id, order_id)
    found = []
    for beside, selected, query in (("", SELECTED, ""), (", with addresses", SELECTED + ADDRESS, f"?{WITH_ADDRESSES}")):
        page = {"query": PAGE % selected}
        order = {"query": ORDER % selected, "variables": {"id": id}}
        as_json, by_id = f"/orders-as-json/{schema}{query}", f"/order/{schema}/{order_id}{query}"
        found.append(Question(f"Orders page, 50 orders × 5 lines{beside}", orjson.dumps(page), "JSON by SQL", as_json))
        found.append(Question(f"One order by id{beside}", orjson.dumps(order), "psycopg", by_id))
    return found


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation, ExitStack() as stack:
        (merchant,) = provisioned(installation.logins, [1])
        fill(installation.logins.owner, merchant, 500 if options.quick else 5_000)
        owner = asyncio.run(hired(installation, "owner", merchant, MerchantRole.OWNER))
        sockets = {
            kind: stack.enter_context(serving(installation, kind, profile=options.profile and kind == "mall"))
            for kind in KINDS
        }
        asked = questions(merchant, an_order(installation.logins.owner, merchant))
        found = asyncio.run(_measure(sockets, owner, merchant, asked, options))
        line = facts(installation.logins.owner, options)
    for question, figures in zip(asked, found, strict=True):
        bare = question.bare_name
        columns = ("clients", "ours (b)", "as it comes (a)", f"{bare} (c)", "b / a", "b / c")
        show(
            f"{question.title} (requests/s)", line, columns, [_row(clients, each) for clients, each in figures.items()]
        )
    print("All over HTTP on Unix sockets from uvicorn. The same answers, compared first; medians of alternating runs.")


def _row(clients: int, found: dict[str, float]) -> tuple[str, ...]:
    ours, *others = found["ours"], found["as it comes"], found["bare"]
    return (str(clients), *(f"{figure:,.1f}" for figure in (ours, *others)), *(times(ours, each) for each in others))


def an_order(owner_url: str, merchant: Merchant) -> UUID:
    """One of a merchant's orders."""
    with psycopg.connect(owner_url) as connection:
        row = connection.execute(AN_ORDER.replace(MARK, schema_of(merchant.id)).encode()).fetchone()
    assert row is not None
    order_id: UUID = row[0]
    return order_id


async def _measure(
    sockets: dict[str, Path], owner: Person, merchant: Merchant, asked: list[Question], options: Options
) -> list[dict[int, dict[str, float]]]:
    async with AsyncExitStack() as stack:
        signed_in = {"authorization": f"Bearer {owner.token}", "x-merchant": merchant.slug}
        clients = {
            kind: [await stack.enter_async_context(Client(socket, signed_in)) for _ in range(max(CLIENTS))]
            for kind, socket in sockets.items()
        }

        def asking(server: str, path: str, body: bytes = b"") -> Ask:
            return lambda client: clients[server][client].post(path, body)

        found = []
        for question in asked:
            ways = {
                "ours": asking("mall", "/graphql", question.body),
                "as it comes": asking("mall_as_it_comes", "/graphql", question.body),
                "bare": asking("bare_page", question.bare_path),
            }
            found.append(await rates(ways, options))
        return found


async def rates(
    ways: Mapping[str, Ask], options: Options, renamed: Mapping[str, Rename] = MappingProxyType({})
) -> dict[int, dict[str, float]]:
    """Requests per second of each way by the number of clients. Raises RuntimeError where they answer differently.

    ``renamed`` says of ways that name things otherwise how we'd name them; the comparison alone uses it.
    """
    runs, length = (3, 1.0) if options.quick else (7, 3.0)
    answers = {name: orjson.loads(await ask(0)) for name, ask in ways.items()}
    answers |= {name: rename(answers[name]) for name, rename in renamed.items()}
    for name, answer in answers.items():
        if answer != answers["ours"]:
            raise RuntimeError(f"{name} answers differently:\n{str(answer)[:600]}\n{str(answers['ours'])[:600]}")
    found: dict[int, dict[str, float]] = {}
    for clients in CLIENTS:
        measured: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, ask in ways.items():
                measured[name].append(await rate(ask, clients, length))
        found[clients] = {name: median(figures) for name, figures in measured.items()}
    return found


if __name__ == "__main__":
    main()
