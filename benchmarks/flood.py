"""One merchant floods the server: what another's requests take alone, and beside it, without budgets and with them."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from benchmarks.installation import installed, provisioned
from benchmarks.load import Client
from benchmarks.measuring import Options, facts, ms, parse_options, show
from benchmarks.orders import ADDRESS, PAGE, SELECTED, fill
from benchmarks.people import hired
from benchmarks.serving import serving
from graphql_api.door import Rules
from merchantry.domain.permission import MerchantRole

FLOODERS = 32
BUDGET = Rules().budget_per_second
Headers = dict[str, str]


def main() -> None:
    """Measure and print."""
    if os.environ.get("FLOOD_SOCKET"):
        asyncio.run(_flood(Path(os.environ["FLOOD_SOCKET"]), orjson.loads(os.environ["FLOOD_HEADERS"])))
        return
    options = parse_options()
    with installed(options) as installation:
        headers = []
        for merchant in provisioned(installation.logins, [1, 2]):
            fill(installation.logins.owner, merchant, 500)
            person = asyncio.run(hired(installation, f"owner-{merchant.slug}", merchant, MerchantRole.OWNER))
            headers.append({"authorization": f"Bearer {person.token}", "x-merchant": merchant.slug})
        rows: list[tuple[str, ...]] = []
        for title, budget in (("no budgets", 0), (f"budgets of {BUDGET:,} a second", BUDGET)):
            with serving(installation, "mall", profile=options.profile, budget=budget) as socket:
                rows += _measured(socket, title, headers, options)
        show(
            f"A flood: {FLOODERS} connections of one merchant ask for pages of 50 orders without a pause",
            facts(installation.logins.owner, options),
            ("", "calm p50", "calm p99", "flood answered/s", "flood refused/s"),
            rows,
            "The calm merchant asks for one order every 20 ms; HTTP on a Unix socket from one uvicorn process.\n"
            "The flood comes from a process of its own; the calm merchant is measured from 2 s after its beginning.",
        )


def _measured(socket: Path, title: str, headers: list[Headers], options: Options) -> Iterator[tuple[str, ...]]:
    seconds = 4.0 if options.quick else 15.0
    alone = asyncio.run(_calm(socket, headers[0], seconds))
    yield f"{title}: alone", ms(_at(alone, 0.5)), ms(_at(alone, 0.99)), "", ""
    with _flooded(socket, headers[1]) as rates:
        time.sleep(2.0)
        beside = asyncio.run(_calm(socket, headers[0], seconds))
    yield f"{title}: beside", ms(_at(beside, 0.5)), ms(_at(beside, 0.99)), *(f"{rate:,.0f}" for rate in rates)


@contextmanager
def _flooded(socket: Path, headers: Headers) -> Iterator[list[float]]:
    """Flood while the block runs; at its end the list holds what was answered and what was refused a second."""
    environment = {**os.environ, "FLOOD_SOCKET": str(socket), "FLOOD_HEADERS": orjson.dumps(headers).decode()}
    command = [sys.executable, "-m", "benchmarks.flood"]
    flood = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    rates: list[float] = []
    try:
        if flood.stdout:
            flood.stdout.readline()  # it has begun
        yield rates
    finally:
        said, _ = flood.communicate()
        rates += orjson.loads(said)


async def _calm(socket: Path, headers: Headers, seconds: float) -> list[float]:
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


async def _flood(socket: Path, headers: Headers) -> None:
    """The process that floods, until its standard input is closed."""
    answers = {True: 0, False: 0}
    started = time.perf_counter()
    connections = [asyncio.create_task(_ask_on(socket, headers, answers)) for _ in range(FLOODERS)]
    print(flush=True)
    await asyncio.to_thread(sys.stdin.read)
    seconds = time.perf_counter() - started
    for connection in connections:
        connection.cancel()
    await asyncio.gather(*connections, return_exceptions=True)
    print(orjson.dumps([answers[True] / seconds, answers[False] / seconds]).decode())


async def _ask_on(socket: Path, headers: Headers, answers: dict[bool, int]) -> None:
    question = orjson.dumps({"query": PAGE % (SELECTED + ADDRESS)})
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
