"""Memory after visits to many merchants: the server's process, and the greatest of the backends that it asks."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import psycopg

from benchmarks.installation import Installation, installed, provisioned
from benchmarks.load import Client
from benchmarks.measuring import facts, parse_options, show, told
from benchmarks.orders import ADDRESS, LINES, ORDERS, PAGE, SELECTED
from benchmarks.people import people
from benchmarks.serving import process_of, serving
from merchantry.domain.permission import MerchantRole
from tenancy.principals import Merchant
from tenancy.schemas import APP, MARK, schema_of

VISITED, QUICK_VISITED = (0, 100, 500, 1_000), (0, 20, 100)
ROUNDS = 2
ORDERS_EACH = 20
SEED = 1
ONE = """
query OneOrder { merchant { order(number: "100001-000007") {
    id number status total { amount currency } lines { title quantity unitPrice { amount currency } }
} } }
"""
PRODUCTS = """
query Products { merchant { products(first: 50) { nodes {
    id title status variants { sku title onHand prices { amount currency } }
} } } }
"""
QUESTIONS = (PAGE % (SELECTED + ADDRESS), ONE, PRODUCTS)
PRODUCT_ROWS = """
INSERT INTO __merchant__.product (id, title, description, category, status, image_urls, created_at, updated_at)
SELECT gen_random_uuid(), 'Product ' || n, '', 'toys', 'published', '{}', now(), now() FROM generate_series(1, 10) AS n;
INSERT INTO __merchant__.variant (id, product_id, sku, title, position, on_hand, reserved)
SELECT gen_random_uuid(), id, 'SKU of ' || title, 'one size', 0, 5, 0 FROM __merchant__.product;
INSERT INTO __merchant__.price (variant_id, currency, amount_minor)
SELECT id, 'BRL', 1000 FROM __merchant__.variant;
"""
MEMBERSHIPS = """
INSERT INTO platform.membership (account_id, merchant_id, role, created_at)
SELECT %s, merchant, %s, now() FROM unnest(%s::uuid[]) AS merchant
"""


def main() -> None:
    """Measure and print."""
    options = parse_options()
    visited = options.sizes(VISITED, QUICK_VISITED)
    with installed(options) as installation:
        told(f"provisioning {max(visited):,} merchants")
        merchants = provisioned(installation.logins, range(1, max(visited) + 1))
        fill(installation.logins.owner, merchants)
        token = asyncio.run(somebody_everywhere(installation, merchants))
        with serving(installation, "mall", profile=options.profile) as mall:
            rows = asyncio.run(_measure(installation, mall, token, merchants, visited))
        show(
            f"Memory after an orders page, an order and products of each merchant, {ROUNDS} times",
            facts(installation.logins.owner, options),
            (
                "round",
                "merchants visited",
                "requests",
                "server process",
                "greatest backend",
                "all backends",
                "backends",
            ),
            rows,
            "Megabytes. Of the server what is resident (Pss), of a backend what is its own, without shared buffers.",
        )


def fill(owner_url: str, merchants: Sequence[Merchant]) -> None:
    """Give each merchant some orders of five lines, and some products."""
    with psycopg.connect(owner_url, autocommit=True) as connection:
        for merchant in merchants:
            text = f"{ORDERS.format(orders=ORDERS_EACH)};{LINES};{PRODUCT_ROWS}"
            connection.execute(text.replace(MARK, schema_of(merchant.id)).encode())


async def somebody_everywhere(installation: Installation, merchants: Sequence[Merchant]) -> str:
    """A token of somebody who owns all of these merchants."""
    (person,) = await people(installation, ["everywhere"])
    ids: list[UUID] = [merchant.id for merchant in merchants]
    with psycopg.connect(installation.logins.owner) as connection:
        connection.execute(MEMBERSHIPS, [person.account_id, MerchantRole.OWNER.value, ids])
    return person.token


async def _measure(
    installation: Installation, mall: Path, token: str, merchants: Sequence[Merchant], visited: Sequence[int]
) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    requests = 0
    turn = list(merchants)
    random.Random(SEED).shuffle(turn)
    for number in range(1, ROUNDS + 1):
        reached = 0
        for level in visited if number == 1 else visited[1:]:
            for merchant in turn[reached:level]:
                await _visit(mall, token, merchant)
            requests += (level - reached) * len(QUESTIONS)
            reached = level
            told(f"round {number}: {level:,} merchants")
            rows.append((str(number), f"{level:,}", f"{requests:,}", *_memory(installation, mall)))
    return rows


async def _visit(mall: Path, token: str, merchant: Merchant) -> None:
    async with Client(mall, {"authorization": f"Bearer {token}", "x-merchant": merchant.slug}) as client:
        page, one, products = [await client.ask(question, {}) for question in QUESTIONS]
    if len(page["merchant"]["orders"]["nodes"]) != ORDERS_EACH or one["merchant"]["order"] is None:
        raise RuntimeError(f"not the orders of {merchant.slug}")
    if not products["merchant"]["products"]["nodes"]:
        raise RuntimeError(f"not the products of {merchant.slug}")


def _memory(installation: Installation, mall: Path) -> tuple[str, str, str, str]:
    backends = own_kilobytes(installation, APP)
    server = _kilobytes(process_of(mall), "Pss")
    return _mb(server), _mb(max(backends, default=0)), _mb(sum(backends)), str(len(backends))


def own_kilobytes(installation: Installation, login: str) -> list[int]:
    """The memory of their own of all backends that serve a login."""
    with installation.superuser() as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", [login]).fetchall()
    sizes = []
    for (pid,) in found:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since
            sizes.append(_kilobytes(pid, "Anonymous"))
    return sizes


def _kilobytes(process: int, *kinds: str) -> int:
    """What /proc says of a process's memory, of these kinds together. Linux only."""
    lines = (line.split() for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:])
    return sum(int(size) for name, size, *_ in lines if name.rstrip(":") in kinds)


def _mb(kilobytes: int) -> str:
    return f"{kilobytes / 1024:,.0f}"


if __name__ == "__main__":
    main()
