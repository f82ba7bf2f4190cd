"""Events on their way: from the commit of what they tell of to each subscriber, over WebSockets."""

import asyncio
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from websockets.asyncio.client import ClientConnection, unix_connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.installation import Installation, an_act, installed, provisioned
from benchmarks.measuring import Options, facts, ms, parse_options, show
from benchmarks.people import hired
from benchmarks.serving import cpu_seconds, serving
from merchantry.cli.installation import utc_now
from merchantry.domain.event import EventKind
from merchantry.domain.permission import MerchantRole
from merchantry.jobs.telling import tell_forever
from merchantry.services import outbox
from tenancy.database import Database
from tenancy.principals import Merchant

MERCHANTS = 50
EVENTS_PER_SECOND = 100
SUBSCRIBE = 'subscription { merchantEvents(kinds: ["stock.adjusted"]) { cursor id kind occurredAt facts } }'
PROTOCOL = Subprotocol("graphql-transport-ws")
SETTLE_SECONDS = 3.0
"""How long all may take to subscribe, and the last events to arrive."""


def main() -> None:
    """Measure and print."""
    options = parse_options()
    length = 5 if options.quick else 30
    with installed(options) as installation:
        merchants = provisioned(installation.logins, list(range(1, MERCHANTS + 1)))
        owners = [_owner(installation, merchant) for merchant in merchants]
        with serving(installation, "mall", profile=options.profile) as socket:
            rows = [_row(installation, socket, merchants, owners[:], count, length) for count in _sizes(options)]
        show(
            f"Subscriptions: {EVENTS_PER_SECOND} events a second of {MERCHANTS} merchants",
            facts(installation.logins.owner, options),
            ("subscribers", "delivered", "missing", "delivered/s", "p50", "p99", "slowest", "CPU each"),
            rows,
            f"From the return of COMMIT to the message; {length} s. Writer, server and subscribers are three processes;"
            " a merchant's subscribers are told of its events, each over a WebSocket of its own. CPU is the server's.",
        )


def _sizes(options: Options) -> list[int]:
    return list(options.sizes((MERCHANTS, 500, 1_000), (MERCHANTS, 500)))


def _owner(installation: Installation, merchant: Merchant) -> dict[str, str]:
    person = asyncio.run(hired(installation, f"owner-{merchant.slug}", merchant, MerchantRole.OWNER))
    return {"authorization": f"Bearer {person.token}", "merchant": merchant.slug}


def _row(
    installation: Installation,
    socket: Path,
    merchants: list[Merchant],
    owners: list[dict[str, str]],
    count: int,
    length: int,
) -> tuple[str, ...]:
    """So many subscribers, spread over the merchants."""
    payloads = [owners[number % len(owners)] for number in range(count)]
    command = [sys.executable, "-m", "benchmarks.subscriptions", "listen", str(socket)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listeners:
        assert listeners.stdin
        assert listeners.stdout
        listeners.stdin.write(json.dumps(payloads) + "\n")
        listeners.stdin.flush()
        listeners.stdout.readline()
        time.sleep(SETTLE_SECONDS)
        used = cpu_seconds(socket)
        committed = asyncio.run(_write(installation, merchants, length))
        time.sleep(SETTLE_SECONDS)
        used = cpu_seconds(socket) - used
        heard, _ = listeners.communicate("stop\n")
    taken = sorted(at - committed[number] for number, at in json.loads(heard))
    expected = len(committed) * count // len(merchants)
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    rate = len(taken) / length
    return (
        f"{count:,}",
        f"{len(taken):,}",
        f"{expected - len(taken):,}",
        f"{rate:,.0f}",
        ms(p50),
        ms(p99),
        ms(taken[-1]),
        f"{used / len(taken) * 1e6:,.0f} µs",
    )


async def _write(installation: Installation, merchants: list[Merchant], length: int) -> dict[int, float]:
    """One transaction for each event, at even distances; when each was committed, by number.

    This process numbers what it wrote, as every server and worker does.
    """
    committed: dict[int, float] = {}
    database, stop = Database(installation.logins, pool_size=8), asyncio.Event()
    telling = asyncio.create_task(tell_forever(database, utc_now, stop))

    async def one(number: int) -> None:
        merchant = merchants[number % len(merchants)]
        async with database.write("benchmark") as tx, tx.as_merchant(merchant.id) as session:
            told = {"variant": uuid4(), "on_hand": number}
            await outbox.publish(session, EventKind.STOCK_ADJUSTED, told, an_act())
        committed[number] = time.monotonic()

    begun = time.monotonic()
    try:
        async with asyncio.TaskGroup() as writing:
            for number in range(EVENTS_PER_SECOND * length):
                await asyncio.sleep(max(0.0, begun + number / EVENTS_PER_SECOND - time.monotonic()))
                writing.create_task(one(number))
    finally:
        stop.set()
        await telling
        await database.close()
    return committed


async def _listen(socket: str, payloads: list[dict[str, str]]) -> list[tuple[int, float]]:
    """When each subscriber heard of which event, until a line comes."""
    heard: list[tuple[int, float]] = []
    async with AsyncExitStack() as stack:
        connections = []
        for payload in payloads:
            connections.append(await stack.enter_async_context(_opened(socket)))
            await _subscribe(connections[-1], payload)
        listening = [asyncio.create_task(_note(connection, heard)) for connection in connections]
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
    return heard


def _opened(socket: str) -> Any:
    return unix_connect(socket, uri="ws://mall.test/graphql", subprotocols=[PROTOCOL], compression=None)


async def _subscribe(connection: ClientConnection, payload: dict[str, str]) -> None:
    await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
    answer = json.loads(await connection.recv())
    if answer["type"] != "connection_ack":
        raise RuntimeError(str(answer))
    await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": SUBSCRIBE}}))


async def _note(connection: ClientConnection, heard: list[tuple[int, float]]) -> None:
    with suppress(ConnectionClosed):
        async for text in connection:
            at, message = time.monotonic(), orjson.loads(text)
            if message["type"] == "next":
                heard.append((message["payload"]["data"]["merchantEvents"]["facts"]["on_hand"], at))


if __name__ == "__main__":
    if sys.argv[1:2] == ["listen"]:
        print(json.dumps(asyncio.run(_listen(sys.argv[2], json.loads(sys.stdin.readline())))))
    else:
        main()
