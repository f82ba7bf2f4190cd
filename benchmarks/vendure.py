"""A checkout of three sellers, two lines each, placed and paid: our server beside Vendure, which splits by seller.

Both on one PostgreSQL, in a database each. Then a variant of few pieces is bought by all at once. Needs npm.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg
from psycopg import sql

from benchmarks.bare_checkout import Offer, Part, Stall
from benchmarks.checkout import CLIENTS, COUNTED, MERCHANTS, Load, bought, cart
from benchmarks.checkout_mall import PRODUCTS, StatementCounter, built, deadlocks, scarce
from benchmarks.installation import Installation, installed
from benchmarks.load import Client, rate
from benchmarks.measuring import Options, facts, parse_options, show, times
from benchmarks.node import versions
from benchmarks.people import Person, people
from benchmarks.serving import serving
from benchmarks.vendure_shop import Buyer, Shelf, Shop, open_shop
from tenancy.schemas import schema_of

LOADS = (COUNTED, Load(CLIENTS, 3), Load(CLIENTS, 3, of=3))
PIECES = 20
SOLD = """
SELECT coalesce(sum(l.quantity), 0) FROM {schema}.order_line AS l JOIN {schema}.orders AS o ON o.id = l.order_id
WHERE l.variant_id = %s AND o.status NOT IN ('awaiting_payment', 'cancelled')
"""

Purchase = Callable[[int, Load], Awaitable[bool]]
Sale = Callable[[int], Awaitable[bool]]


@dataclass(frozen=True)
class Market:
    """Both malls, open: theirs and ours, and our variants of few pieces."""

    installation: Installation
    mall: Path
    shop: Shop
    stalls: list[Stall]
    scarce: list[Offer]
    buyers: list[Person]

    def sold(self, offer: Offer) -> int:
        """How many pieces our paid orders have of a variant of the first stall's."""
        schema = sql.Identifier(schema_of(self.stalls[0].merchant_id))
        with psycopg.connect(self.installation.logins.owner) as connection:
            row = connection.execute(sql.SQL(SOLD).format(schema=schema), [offer.variant_id]).fetchone()
        return int(row[0]) if row else 0


def main() -> None:
    """Measure and print."""
    options = parse_options()
    trials = 3 if options.quick else 10
    sizes = {"sellers": MERCHANTS, "products": PRODUCTS, "scarce": trials, "pieces": PIECES, "buyers": CLIENTS}
    with installed(options) as installation:
        stalls = asyncio.run(built(installation, MERCHANTS))
        offers = asyncio.run(scarce(installation, stalls[0], trials, PIECES))
        buyers = asyncio.run(people(installation, [f"buyer-{number}" for number in range(CLIENTS)]))
        with serving(installation, "mall", profile=options.profile) as mall, open_shop(installation, sizes) as shop:
            market = Market(installation, mall, shop, stalls, offers, buyers)
            for url in (installation.logins.owner, shop.url):
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute("ANALYZE")
            asyncio.run(_measure(market, options))


async def _measure(market: Market, options: Options) -> None:
    choice = random.Random(7)
    stalls, shop = market.stalls, market.shop
    async with AsyncExitStack() as stack:
        ours = [await stack.enter_async_context(_signed_in(market.mall, each.token)) for each in market.buyers]
        theirs = [Buyer(await stack.enter_async_context(_signed_in(shop.socket, each))) for each in shop.buyers]

        async def buy_ours(client: int, load: Load) -> bool:
            parts = cart(stalls, load, choice)
            return await bought(ours[client], choice.sample(parts, len(parts)))

        async def buy_theirs(client: int, load: Load) -> bool:
            return await theirs[client].bought(shop.cart(load, choice))

        for client in (*range(CLIENTS), *range(CLIENTS)):  # pools open their connections, statements are compiled
            await buy_ours(client, LOADS[1])
            await buy_theirs(client, LOADS[1])
        statements = [await _counted(market.installation, buy) for buy in (buy_ours, buy_theirs)]
        rates = await _rates(buy_ours, buy_theirs, options)
        failures = _failures(theirs)
        _show_rates(market, options, rates, statements, failures)
        trials = [await _trial(market, ours, theirs, number) for number in range(len(market.scarce))]
        _show_trials(market, options, trials, _failures(theirs) - failures)


def _signed_in(socket: Path, token: str) -> Client:
    return Client(socket, {"authorization": f"Bearer {token}"})


def _failures(theirs: list[Buyer]) -> Counter[str]:
    return sum((buyer.failures for buyer in theirs), Counter())


async def _counted(installation: Installation, buy: Purchase) -> int:
    """Statements of one checkout: the least of three, so that what runs beside it isn't counted."""
    found = []
    for _ in range(3):
        counter = StatementCounter(installation)
        counter.start()
        await buy(0, COUNTED)
        found.append(counter.stop())
    return min(found)


async def _rates(ours: Purchase, theirs: Purchase, options: Options) -> dict[Load, tuple[float, float]]:
    """Checkouts per second by load; one that failed counts once it was bought after all."""
    runs, length = (3, 4.0) if options.quick else (7, 8.0)
    found = {}
    for load in LOADS:
        figures: tuple[list[float], list[float]] = ([], [])
        for _ in range(runs):
            for buy, measured in zip((ours, theirs), figures, strict=True):
                measured.append(await rate(_under(buy, load), load.clients, length))
        found[load] = (median(figures[0]), median(figures[1]))
    return found


def _under(buy: Purchase, load: Load) -> Callable[[int], Awaitable[bool]]:
    return lambda client: buy(client, load)


def _show_rates(
    market: Market,
    options: Options,
    rates: dict[Load, tuple[float, float]],
    statements: list[int],
    failures: Counter[str],
) -> None:
    rows = [(str(load), f"{mine:,.1f}", f"{their:,.1f}", times(mine, their)) for load, (mine, their) in rates.items()]
    counted = (f"{statements[0]:,}", f"{statements[1]:,}", times(*statements))
    rows.append((f"statements, {COUNTED.merchants} merchants, BEGIN and COMMIT too", *counted))
    login = market.installation.logins.owner
    rows.append(("deadlocks in the database", str(deadlocks(login)), str(market.shop.deadlocks()), ""))
    rows.append(("checkouts that failed and were begun again", "0", f"{failures.total():,}", ""))
    show(
        "Checkout: 2 lines of each merchant, placed and paid",
        _facts(market, options),
        ("", "ours", "Vendure", "ours / Vendure"),
        rows,
        "Ours is two requests, Vendure's five, each over HTTP on a Unix socket; one process each.\n" + _told(failures),
    )


async def _trial(market: Market, ours: list[Client], theirs: list[Buyer], number: int) -> tuple[int, int, int]:
    """All buy one piece at a time until they are refused: what we sold, what Vendure did, what it allocated."""
    offer, variant, shelf = market.scarce[number], market.shop.scarce[number], market.shop.shelves[0]

    async def buy_ours(client: int) -> bool:
        return await bought(ours[client], [Part(market.stalls[0], (offer,))])

    async def buy_theirs(client: int) -> bool:
        return await theirs[client].bought([Shelf(shelf.shipping, (variant,))])

    for buy in (buy_ours, buy_theirs):
        await asyncio.gather(*(_until_refused(buy, client) for client in range(CLIENTS)))
    return market.sold(offer), *market.shop.sold(variant)


async def _until_refused(buy: Sale, client: int) -> None:
    while await buy(client):
        pass


def _show_trials(market: Market, options: Options, trials: list[tuple[int, int, int]], failures: Counter[str]) -> None:
    rows = [(str(number), str(PIECES), *(str(each) for each in found)) for number, found in enumerate(trials, start=1)]
    show(
        f"{PIECES} pieces, {CLIENTS} buyers who each buy one at a time until they are refused: pieces sold",
        _facts(market, options),
        ("trial", "in stock", "ours", "Vendure", "allocated by Vendure"),
        rows,
        _told(failures),
    )


def _facts(market: Market, options: Options) -> str:
    return f"{facts(market.installation.logins.owner, options)}\n{versions('vendure', ('@vendure/core', 'typeorm'))}"


def _told(failures: Counter[str]) -> str:
    if not failures:
        return ""
    return "\n".join(["Failures at Vendure:", *(f"{count:,} × {text}" for text, count in failures.most_common(5))])


if __name__ == "__main__":
    main()
