"""A checkout of some merchants, two lines each, placed and paid: through GraphQL, and by a lean psycopg script."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from psycopg import AsyncConnection

from benchmarks import bare_checkout
from benchmarks.bare_checkout import CURRENCY, Part, Stall
from benchmarks.checkout_mall import (
    StatementCounter,
    broken_laws,
    built,
    deadlocks,
    oversold_variants,
    rows_by_table,
)
from benchmarks.installation import Installation, installed
from benchmarks.load import Client, rate
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.people import Person, people
from benchmarks.serving import serving
from graphql_api.relay import encode_id
from merchantry.domain.money import format_minor

MERCHANTS = 24
CLIENTS = 8


@dataclass(frozen=True)
class Load:
    """How many clients buy at once, from how many merchants each, of how many that there are to choose from."""

    clients: int
    merchants: int
    of: int = MERCHANTS

    def __str__(self) -> str:
        chosen = "one, always the same" if self.of == 1 else f"{self.merchants} of {self.of}"
        return f"checkouts/s, clients: {self.clients}, merchants: {chosen}"


COUNTED = Load(1, 3)
LOADS = (COUNTED, Load(8, 3), Load(8, 1), Load(8, 10), Load(8, 1, of=1))
ADDRESS = {"name": "Ana", "street": "Rua A 1", "city": "Recife", "postalCode": "50000-000", "country": "BR"}
PLACE = """
mutation Place($input: CheckoutPlaceInput!) {
  checkoutPlace(input: $input) {
    __typename
    ... on CheckoutPlaced { checkout { id total { amount currency } orders { id number status } } }
    ... on CheckoutRejected { problems { __typename } }
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

Buy = Callable[[int, Load], Awaitable[None]]


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        stalls = asyncio.run(built(installation, MERCHANTS))
        buyers = asyncio.run(people(installation, [f"buyer-{number}" for number in range(CLIENTS)]))
        with serving(installation, "mall", profile=options.profile) as mall:
            asyncio.run(_measure(installation, mall, stalls, buyers, options))


async def _measure(
    installation: Installation, mall: Path, stalls: list[Stall], buyers: list[Person], options: Options
) -> None:
    choice = random.Random(7)
    async with (
        through_graphql(mall, stalls, buyers, choice) as ours,
        _by_script(installation, stalls, buyers, choice) as bare,
    ):
        for _ in range(3):  # pools open their connections, statements are compiled
            for client in range(CLIENTS):
                await ours(client, Load(CLIENTS, 10))
                await bare(client, Load(CLIENTS, 10))
        counted = [await _counted(installation, stalls, buy) for buy in (ours, bare)]
        if counted[0][1] != counted[1][1]:
            raise RuntimeError(f"the two ways write different rows:\n{counted[0][1]}\n{counted[1][1]}")
        rates = await _rates(ours, bare, options)
    broken, oversold = await broken_laws(installation), oversold_variants(installation.logins.owner, stalls)
    written = sum(counted[0][1].values())
    rows = [(str(load), *figures) for load, figures in rates]
    statements = (f"{counted[0][0]}", f"{counted[1][0]}", times(counted[0][0], counted[1][0]))
    show(
        "Checkout: 2 lines of each merchant, placed and paid",
        facts(installation.logins.owner, options),
        ("", "GraphQL over HTTP", "psycopg, pipelined CTEs", "GraphQL / psycopg"),
        [*rows, (f"statements, {COUNTED.merchants} merchants, BEGIN and COMMIT too", *statements)],
        f"Both leave the same {written} rows per checkout, compared by table; the books of both then break {broken} "
        f"laws.\nDeadlocks: {deadlocks(installation.logins.owner)}; variants of which more is sold than there is, or "
        f"other than is reserved: {oversold}.\n"
        "The script works as the tables' owner inside the client's process, in one transaction to place and one "
        "to pay.",
    )


async def _rates(ours: Buy, bare: Buy, options: Options) -> list[tuple[Load, tuple[str, str, str]]]:
    runs, length = (3, 2.0) if options.quick else (7, 4.0)
    found = []
    for load in LOADS:
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(runs):
            figures[0].append(await rate(_under(ours, load), load.clients, length))
            figures[1].append(await rate(_under(bare, load), load.clients, length))
        mine, lean = median(figures[0]), median(figures[1])
        found.append((load, (f"{mine:,.1f}", f"{lean:,.1f}", times(mine, lean))))
    return found


def _under(buy: Buy, load: Load) -> Callable[[int], Awaitable[None]]:
    return lambda client: buy(client, load)


async def _counted(installation: Installation, stalls: list[Stall], buy: Buy) -> tuple[int, dict[str, int]]:
    """Statements of one checkout, and the rows that it adds to each table."""
    before = rows_by_table(installation.logins.owner, stalls)
    counter = StatementCounter(installation)
    counter.start()
    await buy(0, COUNTED)
    statements = counter.stop()
    after = rows_by_table(installation.logins.owner, stalls)
    return statements, {name: after[name] - before[name] for name in after if after[name] != before[name]}


def cart(stalls: Sequence[Stall], load: Load, choice: random.Random) -> list[Part]:
    """Merchants by id, two offers of each."""
    chosen = sorted(choice.sample(stalls[: load.of], load.merchants), key=lambda stall: stall.merchant_id.hex)
    return [Part(stall, tuple(choice.sample(stall.offers, 2))) for stall in chosen]


@asynccontextmanager
async def through_graphql(
    mall: Path, stalls: list[Stall], buyers: list[Person], choice: random.Random
) -> AsyncIterator[Buy]:
    """Buys as these buyers, over HTTP."""
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(Client(mall, {"authorization": f"Bearer {buyer.token}"}))
            for buyer in buyers
        ]

        async def buy(client: int, load: Load) -> None:
            if not await bought(clients[client], cart(stalls, load, choice)):
                raise RuntimeError("there is always more, and yet it's out of stock")

        yield buy


async def bought(client: Client, parts: Sequence[Part]) -> bool:
    """Place and pay; False where there isn't enough. Raises RuntimeError for any other refusal."""
    placed = (await client.ask(PLACE, {"input": _place(parts)}))["checkoutPlace"]
    if {problem["__typename"] for problem in placed.get("problems", [])} == {"OutOfStock"}:
        return False
    if placed["__typename"] != "CheckoutPlaced":
        raise RuntimeError(f"the checkout isn't placed: {placed}")
    paid = (await client.ask(PAY, {"input": _pay(placed["checkout"])}))["checkoutPay"]
    if paid["__typename"] != "CheckoutPaid" or paid["checkout"]["status"] != "paid":
        raise RuntimeError(f"the checkout isn't paid: {paid}")
    return True


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

        async def buy(client: int, load: Load) -> None:
            connection, buyer_id = connections[client], buyers[client].account_id
            checkout_id = await bare_checkout.place(connection, buyer_id, cart(stalls, load, choice))
            await bare_checkout.pay(connection, buyer_id, checkout_id, known)

        yield buy


if __name__ == "__main__":
    main()
