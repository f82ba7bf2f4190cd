"""A checkout of three merchants, two lines each, placed and paid: through GraphQL, and by a lean psycopg script."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from psycopg import AsyncConnection

from benchmarks import bare_checkout
from benchmarks.bare_checkout import CURRENCY, Part, Stall
from benchmarks.checkout_mall import StatementCounter, broken_laws, built, rows_by_table
from benchmarks.installation import Installation, installed
from benchmarks.load import Client, rate
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.people import Person, people
from benchmarks.serving import serving
from graphql_api.relay import encode_id
from merchantry.domain.money import format_minor

MERCHANTS = 24
CLIENTS = (1, 8)
ADDRESS = {"name": "Ana", "street": "Rua A 1", "city": "Recife", "postalCode": "50000-000", "country": "BR"}
PLACE = """
mutation Place($input: CheckoutPlaceInput!) {
  checkoutPlace(input: $input) {
    __typename
    ... on CheckoutPlaced { checkout { id total { amount currency } orders { id number status } } }
  }
}
"""
PAY = """
mutation Pay($input: CheckoutPayInput!) {
  checkoutPay(input: $input) {
    __typename
    ... on CheckoutPaid { payment { status } checkout { id status orders { id status } } }
  }
}
"""

Buy = Callable[[int], Awaitable[None]]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        stalls = asyncio.run(built(installation, MERCHANTS))
        buyers = asyncio.run(people(installation, [f"buyer-{number}" for number in range(max(CLIENTS))]))
        with serving(installation, "mall", profile=options.profile) as mall:
            asyncio.run(_measure(installation, mall, stalls, buyers, options))


async def _measure(
    installation: Installation, mall: Path, stalls: list[Stall], buyers: list[Person], options: Options
) -> None:
    choice = random.Random(7)
    async with (
        _through_graphql(mall, stalls, buyers, choice) as ours,
        _by_script(installation, stalls, buyers, choice) as bare,
    ):
        for _ in range(3):  # pools open their connections, statements are compiled
            for client in range(max(CLIENTS)):
                await ours(client)
                await bare(client)
        counted = [await _counted(installation, stalls, buy) for buy in (ours, bare)]
        if counted[0][1] != counted[1][1]:
            raise RuntimeError(f"the two ways write different rows:\n{counted[0][1]}\n{counted[1][1]}")
        rates = await _rates(ours, bare, options)
    broken = await broken_laws(installation)
    written = sum(counted[0][1].values())
    rows = [(f"checkouts/s, clients: {clients}", *figures) for clients, figures in rates]
    statements = (f"{counted[0][0]}", f"{counted[1][0]}", times(counted[0][0], counted[1][0]))
    show(
        f"Checkout: {MERCHANTS} merchants, 3 of them × 2 lines, placed and paid",
        facts(installation.logins.owner, options),
        ("", "GraphQL over HTTP", "psycopg, pipelined CTEs", "GraphQL / psycopg"),
        [*rows, ("statements per checkout, BEGIN and COMMIT too", *statements)],
        f"Both leave the same {written} rows per checkout, compared by table; the books of both then break {broken} "
        "laws.\nThe script works as the tables' owner inside the client's process, in one transaction to place and one "
        "to pay.",
    )


async def _rates(ours: Buy, bare: Buy, options: Options) -> list[tuple[int, tuple[str, str, str]]]:
    runs, length = (3, 2.0) if options.quick else (7, 4.0)
    found = []
    for clients in CLIENTS:
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(runs):
            figures[0].append(await rate(ours, clients, length))
            figures[1].append(await rate(bare, clients, length))
        mine, lean = median(figures[0]), median(figures[1])
        found.append((clients, (f"{mine:,.1f}", f"{lean:,.1f}", times(mine, lean))))
    return found


async def _counted(installation: Installation, stalls: list[Stall], buy: Buy) -> tuple[int, dict[str, int]]:
    """Statements of one checkout, and the rows that it adds to each table."""
    before = rows_by_table(installation.logins.owner, stalls)
    counter = StatementCounter(installation)
    counter.start()
    await buy(0)
    statements = counter.stop()
    after = rows_by_table(installation.logins.owner, stalls)
    return statements, {name: after[name] - before[name] for name in after if after[name] != before[name]}


def _cart(stalls: Sequence[Stall], choice: random.Random) -> list[Part]:
    """Three merchants by id, two offers of each."""
    chosen = sorted(choice.sample(stalls, 3), key=lambda stall: stall.merchant_id.hex)
    return [Part(stall, tuple(choice.sample(stall.offers, 2))) for stall in chosen]


@asynccontextmanager
async def _through_graphql(
    mall: Path, stalls: list[Stall], buyers: list[Person], choice: random.Random
) -> AsyncIterator[Buy]:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(mall, {"authorization": f"Bearer {buyer.token}"}))
            for buyer in buyers
        ]

        async def buy(client: int) -> None:
            placed = await clients[client].ask(PLACE, {"input": _place(_cart(stalls, choice))})
            checkout = placed["checkoutPlace"]["checkout"]
            paid = await clients[client].ask(PAY, {"input": _pay(checkout)})
            if paid["checkoutPay"]["checkout"]["status"] != "paid":
                raise RuntimeError(f"the checkout isn't paid: {paid}")

        yield buy


def _place(parts: Sequence[Part]) -> dict[str, Any]:
    lines = [
        {
            "variantId": encode_id("Variant", part.stall.merchant_id, offer.variant_id),
            "quantity": 1,
            "price": {"amount": format_minor(offer.price_minor, CURRENCY), "currency": CURRENCY},
        }
        for part in parts
        for offer in part.offers
    ]
    return {"idempotencyKey": str(uuid4()), "cart": {"currency": CURRENCY, "lines": lines, "shipTo": ADDRESS}}


def _pay(checkout: dict[str, Any]) -> dict[str, Any]:
    tenders = [{"method": "sandbox_approve", "amount": checkout["total"]}]
    return {"checkoutId": checkout["id"], "tenders": tenders, "idempotencyKey": str(uuid4())}


@asynccontextmanager
async def _by_script(
    installation: Installation, stalls: list[Stall], buyers: list[Person], choice: random.Random
) -> AsyncIterator[Buy]:
    known = {stall.merchant_id: stall for stall in stalls}
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await AsyncConnection.connect(installation.logins.owner)) for _ in buyers
        ]

        async def buy(client: int) -> None:
            connection, buyer_id = connections[client], buyers[client].account_id
            checkout_id = await bare_checkout.place(connection, buyer_id, _cart(stalls, choice))
            await bare_checkout.pay(connection, buyer_id, checkout_id, known)

        yield buy


if __name__ == "__main__":
    main()
