"""Vendure's side of the checkout: its database, what it sells, and a buyer at its shop API."""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import psycopg

from benchmarks.checkout import Load
from benchmarks.installation import Installation
from benchmarks.load import Client
from benchmarks.node import peer

DATABASE = "vendure"
TEXT_CHARACTERS = 160
METHOD = "paid-at-once"
ADDRESS = {
    "fullName": "Ana",
    "streetLine1": "Rua A 1",
    "city": "Recife",
    "postalCode": "50000-000",
    "countryCode": "BR",
}
PROBLEM = "... on ErrorResult { errorCode message }"
STATE_PROBLEM = PROBLEM + " ... on OrderStateTransitionError { transitionError }"
ADD = f"""
mutation ($inputs: [AddItemInput!]!) {{
  found: addItemsToOrder(inputs: $inputs) {{ errorResults {{ {PROBLEM} }} order {{ id }} }}
}}
"""
ADDRESS_SET = f"""
mutation ($input: CreateAddressInput!) {{ found: setOrderShippingAddress(input: $input) {{ __typename {PROBLEM} }} }}
"""
SHIPPING_SET = f"""
mutation ($ids: [ID!]!) {{ found: setOrderShippingMethod(shippingMethodId: $ids) {{ __typename {PROBLEM} }} }}
"""
GO_TO = f"""
mutation ($state: String!) {{ found: transitionOrderToState(state: $state) {{ __typename {STATE_PROBLEM} }} }}
"""
PAY = f"""
mutation ($input: PaymentInput!) {{
  found: addPaymentToOrder(input: $input) {{ __typename {STATE_PROBLEM} ... on Order {{ state }} }}
}}
"""
SOLD = """
SELECT coalesce(sum(l.quantity), 0)::integer FROM order_line AS l JOIN "order" AS o ON o.id = l."orderId"
WHERE l."productVariantId" = %s AND o.type = 'Seller' AND o.state = 'PaymentSettled'
"""
ALLOCATED = 'SELECT sum("stockAllocated")::integer FROM stock_level WHERE "productVariantId" = %s'
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@dataclass(frozen=True)
class Shelf:
    """Some variants of one seller's and the shipping method that brings them."""

    shipping: int
    variants: tuple[int, ...]


@dataclass(frozen=True)
class Shop:
    """A Vendure that is served, its sellers, variants of few pieces at the first, and tokens of buyers."""

    socket: Path
    url: str
    shelves: tuple[Shelf, ...]
    scarce: tuple[int, ...]
    buyers: tuple[str, ...]

    def cart(self, load: Load, choice: random.Random) -> list[Shelf]:
        """Two variants of each seller, in any order."""
        chosen = choice.sample(self.shelves[: load.of], load.merchants)
        return [Shelf(shelf.shipping, tuple(choice.sample(shelf.variants, 2))) for shelf in chosen]

    def sold(self, variant: int) -> tuple[int, int]:
        """How many pieces paid orders have of a variant, and how many are allocated."""
        return self._number(SOLD, [variant]), self._number(ALLOCATED, [variant])

    def deadlocks(self) -> int:
        """How many its database has seen."""
        return self._number(DEADLOCKS, [])

    def _number(self, statement: str, values: Sequence[int]) -> int:
        with psycopg.connect(self.url) as connection:
            row = connection.execute(statement.encode(), values).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def open_shop(installation: Installation, sizes: Mapping[str, int]) -> Iterator[Shop]:
    """Serve Vendure from a database of its own on the same server while the block runs."""
    with installation.superuser() as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}".encode())
    server, url, found = installation.server, installation.server.url(DATABASE), installation.home / "vendure.json"
    settings = {
        "DATABASE": DATABASE,
        "DATABASE_HOST": str(server.socket_dir),
        "DATABASE_PORT": str(server.port),
        "MALL": str(found),
        "VENDURE_DISABLE_TELEMETRY": "true",
        "SIZES": orjson.dumps(sizes).decode(),
    }
    with peer("vendure", installation.home, settings) as socket:
        made = orjson.loads(found.read_bytes())
        shelves = tuple(Shelf(each["shipping"], tuple(each["variants"])) for each in made["sellers"])
        yield Shop(socket, url, shelves, tuple(made["scarce"]), tuple(made["buyers"]))


class NotBoughtError(RuntimeError):
    """Vendure has not sold, for another reason than that there is too little."""


@dataclass(frozen=True)
class Buyer:
    """Somebody signed in at Vendure, who counts by their messages what failed."""

    client: Client
    failures: Counter[str] = field(default_factory=Counter)

    async def bought(self, cart: Sequence[Shelf]) -> bool:
        """Buy one piece of each, again after every failure; False where there isn't enough."""
        while True:
            try:
                return await self._bought(cart)
            except RuntimeError as failure:
                self.failures[str(failure)[:TEXT_CHARACTERS]] += 1
                await self._given_up()

    async def _bought(self, cart: Sequence[Shelf]) -> bool:
        items = [{"productVariantId": variant, "quantity": 1} for shelf in cart for variant in shelf.variants]
        added = await self._done(ADD, {"inputs": items})
        if any(each["errorCode"] == "INSUFFICIENT_STOCK_ERROR" for each in added["errorResults"]):
            await self._given_up()
            return False
        if added["errorResults"]:
            raise NotBoughtError(str(added["errorResults"]))
        await self._done(ADDRESS_SET, {"input": ADDRESS})
        await self._done(SHIPPING_SET, {"ids": [shelf.shipping for shelf in cart]})
        arranging = await self._found(GO_TO, {"state": "ArrangingPayment"})
        if "insufficient stock" in arranging.get("transitionError", ""):
            await self._given_up()
            return False
        _checked(arranging)
        paid = await self._done(PAY, {"input": {"method": METHOD, "metadata": {}}})
        if paid["state"] != "PaymentSettled":
            raise NotBoughtError(f"the order is {paid['state']}")
        return True

    async def _given_up(self) -> None:
        """Leave whatever order is open, so that the next purchase begins with an empty one."""
        await self._found(GO_TO, {"state": "Cancelled"})

    async def _done(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        return _checked(await self._found(document, variables))

    async def _found(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await self.client.ask(document, variables))["found"]
        return found


def _checked(found: dict[str, Any]) -> dict[str, Any]:
    if "errorCode" in found:
        raise NotBoughtError(f"{found['errorCode']}: {found.get('transitionError') or found['message']}")
    return found
