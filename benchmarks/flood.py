"""One merchant floods the server: what another's requests take alone, and beside it."""

import asyncio
import time
from pathlib import Path

import orjson

from benchmarks.installation import installed, provisioned
from benchmarks.load import Client
from benchmarks.measuring import Options, facts, ms, parse_options, show
from benchmarks.orders_page import PAGE, fill
from benchmarks.people import Person, hired
from benchmarks.serving import serving
from merchantry.domain.permission import MerchantRole
from tenancy.principals import Merchant

FLOODERS = 32
BUDGET = 10_000


def main() -> None:
    """Measure and print."""
    options = parse_options()
    with installed(options) as installation:
        calm, loud = provisioned(installation.logins, [1, 2])
        people = []
        for merchant in (calm, loud):
            fill(installation.logins.owner, merchant, 500)
            people.append(asyncio.run(hired(installation, f"owner-{merchant.slug}", merchant, MerchantRole.OWNER)))
        rows = []
        for title, budget in (("no budgets, places only", 0), (f"budget {BUDGET:,} a second", BUDGET)):
            with serving(installation, "mall", profile=options.profile, budget=budget) as socket:
                rows += asyncio.run(_measure(socket, title, (calm, loud), people, options))
        show(
            f"A flood: {FLOODERS} connections of one merchant ask for pages of 50 orders without a pause",
            facts(installation.logins.owner, options),
            ("", "calm p50", "calm p99", "flood answered/s", "flood refused/s"),
            rows,
            "The calm merchant asks for one order every 20 ms; HTTP on a Unix socket from one uvicorn process.",
        )


async def _measure(
    socket: Path, title: str, merchants: tuple[Merchant, Merchant], people: list[Person], options: Options
) -> list[tuple[str, str, str, str, str]]:
    seconds = 4.0 if options.quick else 15.0
    headers = [
        {"authorization": f"Bearer {person.token}", "x-merchant": merchant.slug}
        for person, merchant in zip(people, merchants, strict=True)
    ]
    alone = await _calm(socket, headers[0], seconds)
    answers = {True: 0, False: 0}
    flood = [asyncio.create_task(_flood(socket, headers[1], answers)) for _ in range(FLOODERS)]
    await asyncio.sleep(2.0)
    answers.update({True: 0, False: 0})
    beside = await _calm(socket, headers[0], seconds)
    rates = {answered: count / seconds for answered, count in answers.items()}
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    return [
        (f"{title}: alone", ms(_at(alone, 0.5)), ms(_at(alone, 0.99)), "", ""),
        (
            f"{title}: beside",
            ms(_at(beside, 0.5)),
            ms(_at(beside, 0.99)),
            f"{rates[True]:,.0f}",
            f"{rates[False]:,.0f}",
        ),
    ]


async def _calm(socket: Path, headers: dict[str, str], seconds: float) -> list[float]:
    question = orjson.dumps({"query": "{ merchant { orders(first: 1) { nodes { id number total { amount } } } } }"})
    taken: list[float] = []
    async with Client(socket, headers) as client:
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            started = time.perf_counter()
            await client.post("/graphql", question)
            taken.append(time.perf_counter() - started)
            await asyncio.sleep(0.02)
    return sorted(taken)


async def _flood(socket: Path, headers: dict[str, str], answers: dict[bool, int]) -> None:
    question = orjson.dumps({"query": PAGE})
    async with Client(socket, headers) as client:
        while True:
            try:
                await client.post("/graphql", question)
                answers[True] += 1
            except RuntimeError:  # refused, 429 or 503: a flood doesn't wait until it may
                answers[False] += 1


def _at(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


if __name__ == "__main__":
    main()
