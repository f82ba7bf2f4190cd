"""A small schema and application of the tests' own, made the way the real ones are made."""

import asyncio
import enum
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid5

import httpx
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from graphql_api import relay
from graphql_api.app import create_app
from graphql_api.context import Context, Info
from graphql_api.door import Rules
from graphql_api.engine import MarketSchema
from graphql_api.errors import Forbidden, NotAuthenticated
from graphql_api.limits import Limits
from graphql_api.money import Money, MoneyInput
from graphql_api.problems import mutation
from graphql_api.relay import Connection, connection_of, encode_id, node, page, take_id
from graphql_api.selection import wanted
from merchantry.domain.errors import (
    CheckoutRejected,
    InvalidInput,
    InvalidQuantity,
    NotFound,
    NotPermitted,
    OutOfStock,
    PlanInvalid,
    PriceChanged,
    QuoteExpired,
    SkuTaken,
    UnknownCurrency,
    UnknownVariant,
)
from tenancy.principals import ANONYMOUS, Caller, Merchant, Principal
from tenancy.tokens import DevelopmentIssuer, TokenRefused

TEA = Merchant(UUID(int=1), "tea-house", "active")
VARIANT = UUID(int=77)
ORDERS = {UUID(int=number): number for number in range(1, 31)}
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LISTENERS: set[int] = set()
"""Not empty while somebody listens to the silence."""
NOTHING: Any = None
"""Stands for what these documents never reach."""


class Color(enum.Enum):
    RED = "red"


strawberry.enum(Color)


@strawberry.type
class Order(relay.Node):
    id: strawberry.ID
    number: int
    total: Money

    @strawberry.field
    def itself(self) -> "Order":
        return self


def an_order(key: UUID) -> Order:
    return Order(id=encode_id("Brew", TEA.id, key), number=ORDERS[key], total=Money.of(ORDERS[key] * 100, "EUR"))


@node("Brew", parts=2)
async def load_order(info: Info, parts: relay.Parts) -> Order | None:
    merchant_id, order_id = parts
    if ORDERS.get(order_id) == 13:
        raise NotFound(what="order")
    if ORDERS.get(order_id) == 14:
        raise NotAuthenticated
    return an_order(order_id) if merchant_id == TEA.id and order_id in ORDERS else None


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "you") -> str:
        return f"hello {name}"

    @strawberry.field
    def who(self, info: Info) -> str:
        merchant = info.context.caller.merchant
        return f"{'nobody' if info.context.caller.principal.is_anonymous else 'somebody'} {merchant and merchant.slug}"

    @strawberry.field
    def orders(self, first: int | None = None, after: str | None = None) -> Connection[Order]:
        asked = page("orders", (int, UUID), first, after)
        keys = [key for key, number in ORDERS.items() if asked.after is None or (number, key) > asked.after]
        return connection_of(
            keys[: asked.limit], asked, cursor_of=lambda key: (ORDERS[key], key), node_of=lambda key: an_order(key)
        )

    @strawberry.field
    def order(self, info: Info) -> Order | None:
        cast("list[set[str]]", info.context.database).append(wanted(info))
        cast("list[set[str]]", info.context.database).append(wanted(info, "itself", "total"))
        return an_order(UUID(int=1))

    @strawberry.field
    async def node(self, info: Info, id: strawberry.ID) -> relay.Node | None:
        return await relay.resolve_node(info, id)

    @strawberry.field
    async def nodes(self, info: Info, ids: list[strawberry.ID]) -> list[relay.Node | None]:
        return await relay.resolve_nodes(info, ids)

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("the password is hunter2")

    @strawberry.field
    def wrapped(self) -> str | None:
        try:
            raise RuntimeError("the password is hunter2")
        except RuntimeError as error:
            raise KeyError("secret") from error

    @strawberry.field
    def unexpectedly_typed(self) -> int | None:
        return cast("int", "no number: hunter2")

    @strawberry.field
    def refused(self) -> str | None:
        raise InvalidInput(reason="Send something else.", path=("lines", 2))

    @strawberry.field
    def secret(self) -> str | None:
        raise NotAuthenticated

    @strawberry.field
    def guarded(self) -> str | None:
        raise Forbidden("payout.release")

    @strawberry.field
    def colored(self, color: Color, at: datetime | None = None) -> str:
        return color.value


@strawberry.type
class StockTaken:
    left: int
    price_minor: int


@strawberry.input
class StockTakeInput:
    variant_id: strawberry.ID
    quantity: int
    price: MoneyInput


@strawberry.type
class Mutation:
    @mutation(
        problems=[
            OutOfStock,
            PriceChanged,
            CheckoutRejected,
            PlanInvalid,
            QuoteExpired,
            NotFound,
            InvalidQuantity,
            InvalidInput,
            UnknownCurrency,
        ]
    )
    async def stock_take(self, info: Info, input: StockTakeInput) -> StockTaken:
        """Take pieces out of stock."""
        _, variant_id = take_id(info.context, input.variant_id, "Variant", 2, ("input", "variantId"))
        price_minor = input.price.to_minor("input", "price")
        raised = {
            0: InvalidQuantity(quantity=0, path=("input", "quantity")),
            1: OutOfStock(variant_id=variant_id, available=3, path=("input", "quantity")),
            2: PriceChanged(variant_id=UUID(int=5), seen_minor=100, now_minor=1250, currency="EUR"),
            3: CheckoutRejected(
                problems=(
                    OutOfStock(variant_id=variant_id, available=0, path=("lines", 0)),
                    UnknownVariant(variant_id="what", path=("lines", 1)),
                )
            ),
            4: PlanInvalid(problems=(("$.default", "Give a rate."),)),
            5: QuoteExpired(expired_at=NOON),
            6: SkuTaken(sku="T-1"),
            7: NotPermitted(permission="stock.adjust"),
            8: RuntimeError("the password is hunter2"),
        }
        if input.quantity in raised:
            raise raised[input.quantity]
        return StockTaken(left=input.quantity, price_minor=price_minor)


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: Info, to: int) -> AsyncGenerator[int, None]:
        """1, 2 and so on, then the end; without an end where ``to`` is 0."""
        number = 0
        while to == 0 or number < to:
            number += 1
            yield number
            await asyncio.sleep(0)

    @strawberry.subscription
    async def silence(self) -> AsyncGenerator[int, None]:
        """Nothing, for ever."""
        LISTENERS.add(1)
        try:
            await asyncio.Event().wait()
            yield 0
        finally:
            LISTENERS.clear()

    @strawberry.subscription
    async def collapse(self) -> AsyncGenerator[int, None]:
        yield 1
        raise RuntimeError("the password is hunter2")


class MemoryDirectory:
    """One merchant with one member."""

    async def merchant_by_slug(self, slug: str) -> Merchant | None:
        return TEA if slug == TEA.slug else None

    async def principal(self, issuer: str, subject: str, email: str | None) -> Principal:
        if subject == "outage":
            raise ConnectionError("no route to 10.0.0.7")
        roles = {TEA.id: frozenset({"owner"})} if subject == "owner" else {}
        return Principal(uuid5(TEA.id, subject), roles, frozenset())

    async def machine(self, token: str) -> Principal:
        raise TokenRefused("of no machine")

    async def guest(self, token: str) -> Principal:
        raise TokenRefused("of no guest")

    @contextmanager
    def watching(self, principal: Principal, merchant: Merchant | None) -> Iterator[asyncio.Event]:
        yield asyncio.Event()


def a_market_schema(limits: Limits = Limits()) -> MarketSchema:
    return MarketSchema(query=Query, mutation=Mutation, subscription=Subscription, types=[Order], limits=limits)


def a_context(request_id: str = "test", merchant: Merchant | None = None, database: Any = None) -> Context:
    return Context(Caller(ANONYMOUS, merchant), request_id, database, lambda: NOON, NOTHING, NOTHING, NOTHING)


def an_app(
    issuer: DevelopmentIssuer, *, development: bool = False, ready: bool = True, rules: Rules | None = None
) -> Starlette:
    def context_of(request: HTTPConnection, caller: Caller) -> Context:
        return Context(caller, request.state.request_id, cast(Any, []), lambda: NOON, NOTHING, NOTHING, NOTHING)

    async def readiness() -> bool:
        return ready

    return create_app(
        schema=a_market_schema(),
        directory=MemoryDirectory(),
        verifier=issuer.verifier(),
        mall_domain="mall.example",
        rules=rules or Rules(development=development),
        readiness=readiness,
        context_factory=context_of,
    )


@asynccontextmanager
async def a_client(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mall.example") as client:
        yield client


def an_issuer(directory: Path) -> DevelopmentIssuer:
    return DevelopmentIssuer.load_or_create(directory)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """The application behind a real port; gives its host and port."""
    config = uvicorn.Config(
        app, port=0, log_config=None, access_log=False, lifespan="off", ws="websockets-sansio", ws_max_size=1_000_000
    )
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext  # type: ignore[assignment, method-assign]
    with socket.create_server(("127.0.0.1", 0)) as bound:
        task = asyncio.create_task(server.serve(sockets=[bound]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        yield f"127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        await task
