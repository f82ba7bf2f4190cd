"""Whom the middleware lets through, and that its one refusal tells nothing."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from tenancy.machine_tokens import new_token, parse_token
from tenancy.middleware import TenancyMiddleware
from tenancy.principals import Caller, Machine, Merchant, Principal
from tenancy.tokens import DevelopmentIssuer, TokenRefused

TEA = Merchant(uuid4(), "tea-house", "active")
BOOKS = Merchant(uuid4(), "books", "active")
CLOSED = Merchant(uuid4(), "sleepy", "suspended")
LEAVING = Merchant(uuid4(), "leaving", "closing")
GONE = Merchant(uuid4(), "gone", "closed")
MALL = "mall.example"


class MemoryDirectory:
    """Merchants and members held in memory; counts the look-ups."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []

    async def merchant_by_slug(self, slug: str) -> Merchant | None:
        self.looked_up.append("merchant")
        return {m.slug: m for m in (TEA, BOOKS, CLOSED, LEAVING, GONE)}.get(slug)

    async def principal(self, issuer: str, subject: str, email: str | None) -> Principal:
        self.looked_up.append("principal")
        members: dict[str, dict[UUID, frozenset[str]]] = {
            "tea owner": {m.id: frozenset({"owner"}) for m in (TEA, CLOSED, LEAVING, GONE)},
            "book owner": {BOOKS.id: frozenset({"owner"})},
        }
        return Principal(uuid4(), members.get(subject, {}), frozenset())

    async def machine(self, token: str) -> Principal:
        if parse_token(token) is None:
            raise TokenRefused("malformed")
        self.looked_up.append("principal")
        return Principal(None, {TEA.id: frozenset({"order.read"})}, frozenset(), Machine(uuid4(), "ERP", None))

    async def guest(self, token: str) -> Principal:
        raise TokenRefused("of no guest")

    @contextmanager
    def watching(self, principal: Principal, merchant: Merchant | None) -> Iterator[asyncio.Event]:
        yield asyncio.Event()


async def greet(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what the middleware found out."""
    caller: Caller | None = scope.get("state", {}).get("caller")
    slug = caller.merchant.slug if caller and caller.merchant else "-"
    who = "nothing" if caller is None else "nobody" if caller.principal.is_anonymous else "somebody"
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{who} {slug}".encode()})


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentIssuer:
    return DevelopmentIssuer.load_or_create(tmp_path_factory.mktemp("issuer"))


@pytest.fixture
def directory() -> MemoryDirectory:
    return MemoryDirectory()


@pytest.fixture
def middleware(issuer: DevelopmentIssuer, directory: MemoryDirectory) -> TenancyMiddleware:
    return TenancyMiddleware(greet, directory=directory, verifier=issuer.verifier(), mall_domain=MALL)


@pytest.fixture
def tea_token(issuer: DevelopmentIssuer) -> str:
    return issuer.issue("tea owner", None, 60)


async def ask(
    middleware: TenancyMiddleware,
    headers: Iterable[tuple[str, str | bytes]] = (),
    path: str = "/graphql",
    host: str = MALL,
) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(middleware)) as client:
        named = [*headers] if any(name == "Host" for name, _ in headers) else [("Host", host), *headers]
        sent = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in named]
        return await client.post(f"http://server{path}", headers=sent)


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


@pytest.mark.parametrize(
    "host",
    ["tea-house.mall.example", "Tea-House.MALL.example", "tea-house.mall.example:8000", "TEA-HOUSE.mall.example:1"],
)
async def test_a_merchant_is_found_by_host(middleware: TenancyMiddleware, tea_token: str, host: str) -> None:
    answer = await ask(middleware, [bearer(tea_token)], host=host)
    assert (answer.status_code, answer.text) == (200, "somebody tea-house")


async def test_a_merchant_is_found_by_header(middleware: TenancyMiddleware, tea_token: str) -> None:
    for host in (MALL, "127.0.0.1:8000", "[::1]:8000", "tea-house.mall.example"):
        answer = await ask(middleware, [bearer(tea_token), ("X-Merchant", "tea-house")], host=host)
        assert (answer.status_code, answer.text) == (200, "somebody tea-house")


async def test_the_staff_of_a_merchant_that_leaves_or_has_left_are_let_in_and_nobody_else(
    middleware: TenancyMiddleware, issuer: DevelopmentIssuer, tea_token: str
) -> None:
    stranger = bearer(issuer.issue("book owner", None, 60))
    for slug in ("leaving", "gone"):
        assert (await ask(middleware, [bearer(tea_token), ("X-Merchant", slug)])).text == f"somebody {slug}"
        assert (await ask(middleware, [stranger, ("X-Merchant", slug)])).status_code == 403


async def test_without_a_merchant_anybody_may_ask(middleware: TenancyMiddleware, tea_token: str) -> None:
    assert (await ask(middleware)).text == "nobody -"
    assert (await ask(middleware, [bearer(tea_token)])).text == "somebody -"
    assert (await ask(middleware, [("authorization", f"bearer  {tea_token}")])).text == "somebody -"


BAD_MERCHANTS: dict[str, list[tuple[str, str]]] = {
    "unknown": [("X-Merchant", "nowhere")],
    "unknown host": [("Host", "nowhere.mall.example")],
    "foreign": [("X-Merchant", "books")],
    "foreign host": [("Host", "books.mall.example")],
    "suspended": [("X-Merchant", "sleepy")],
    "host against header": [("Host", "tea-house.mall.example"), ("X-Merchant", "books")],
    "foreign host against header": [("Host", "books.mall.example"), ("X-Merchant", "tea-house")],
    "doubled": [("X-Merchant", "tea-house"), ("X-Merchant", "tea-house")],
    "doubled otherwise": [("X-Merchant", "tea-house"), ("x-merchant", "books")],
    "joined": [("X-Merchant", "tea-house, books")],
    "doubled host": [("Host", "tea-house.mall.example"), ("Host", "tea-house.mall.example")],
    "empty": [("X-Merchant", "")],
    "upper case": [("X-Merchant", "TEA-HOUSE")],
    "space": [("X-Merchant", "tea house")],
    "quote": [("X-Merchant", "tea-house'")],
    "double quote": [("X-Merchant", '"tea-house"')],
    "dot": [("X-Merchant", "tea-house.mall.example")],
    "path": [("X-Merchant", "../tea-house")],
    "percent": [("X-Merchant", "tea%2dhouse")],
    "semicolon": [("X-Merchant", "tea-house;drop schema platform")],
    "hyphen": [("X-Merchant", "-tea-house")],
    "too long": [("X-Merchant", "t" * 64)],
    "far too long": [("X-Merchant", "t" * 20_000)],
    "trailing dot": [("Host", "tea-house.mall.example.")],
    "trailing dot and port": [("Host", "tea-house.mall.example.:80")],
    "two labels": [("Host", "a.tea-house.mall.example")],
    "empty label": [("Host", ".mall.example")],
    "userinfo": [("Host", "x@tea-house.mall.example")],
    "bad port": [("Host", "tea-house.mall.example:80a")],
    "quoted host": [("Host", "tea-house'.mall.example")],
    "empty host": [("Host", "")],
}


@pytest.mark.parametrize("headers", BAD_MERCHANTS.values(), ids=BAD_MERCHANTS.keys())
async def test_every_refusal_is_the_same(
    middleware: TenancyMiddleware, tea_token: str, headers: list[tuple[str, str]]
) -> None:
    answer = await ask(middleware, [*headers, bearer(tea_token)])
    assert answer.status_code == 403
    assert answer.content == (
        b'{"errors":[{"message":"No such merchant for this token.","extensions":{"code":"MERCHANT_REFUSED"}}]}'
    )
    assert dict(answer.headers) == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "content-length": str(len(answer.content)),
    }


async def test_nobody_and_others_are_refused_alike(
    middleware: TenancyMiddleware, issuer: DevelopmentIssuer, tea_token: str
) -> None:
    asked = ("X-Merchant", "tea-house")
    assert (await ask(middleware, [asked, bearer(tea_token)])).status_code == 200
    nobody = await ask(middleware, [asked])
    buyer = await ask(middleware, [asked, bearer(issuer.issue("a buyer", None, 60))])
    rival = await ask(middleware, [asked, bearer(issuer.issue("book owner", None, 60))])
    assert {answer.status_code for answer in (nobody, buyer, rival)} == {403}
    assert len({answer.content for answer in (nobody, buyer, rival)}) == 1


@pytest.mark.parametrize("slug", ["nowhere", "books", "sleepy"])
async def test_unknown_foreign_and_suspended_take_the_same_steps(
    middleware: TenancyMiddleware, directory: MemoryDirectory, tea_token: str, slug: str
) -> None:
    await ask(middleware, [("X-Merchant", slug), bearer(tea_token)])
    assert directory.looked_up == ["merchant", "principal"]


async def test_two_tokens_are_refused(middleware: TenancyMiddleware, tea_token: str) -> None:
    assert (await ask(middleware, [bearer(tea_token), bearer(tea_token)])).status_code == 403


BAD_AUTHORIZATIONS: list[str | bytes] = [
    "",
    "Bearer",
    "Bearer ",
    "Basic dGVhOnRlYQ==",
    "Token abc",
    "Bearer a b",
    "Bearer a,b",
    "Bearer é".encode(),
    "Bearer a.b.c",
]


@pytest.mark.parametrize("authorization", BAD_AUTHORIZATIONS)
async def test_a_broken_authorization_is_no_anonymous_request(
    middleware: TenancyMiddleware, authorization: str | bytes
) -> None:
    answer = await ask(middleware, [("Authorization", authorization)])
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    error = answer.json()["errors"][0]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}
    assert "Authorization: Bearer" in error["message"]


async def test_every_token_is_refused_alike(middleware: TenancyMiddleware, issuer: DevelopmentIssuer) -> None:
    expired = await ask(middleware, [bearer(issuer.issue("tea owner", None, -60)), ("X-Merchant", "tea-house")])
    broken = await ask(middleware, [bearer("a.b.c")])
    machine = await ask(middleware, [bearer(new_token(uuid4())[0][:-1])])
    assert expired.status_code == 401
    assert expired.content == broken.content == machine.content
    assert "its issuer has a new one" in expired.json()["errors"][0]["message"]


async def test_a_machine_is_let_in_where_its_token_is_for_and_refused_as_others_are_elsewhere(
    middleware: TenancyMiddleware, tea_token: str
) -> None:
    token = bearer(new_token(uuid4())[0])
    assert (await ask(middleware, [token, ("X-Merchant", "tea-house")])).text == "somebody tea-house"
    elsewhere = await ask(middleware, [token, ("X-Merchant", "books")])
    nowhere = await ask(middleware, [token, ("X-Merchant", "nowhere")])
    assert (elsewhere.status_code, elsewhere.content) == (403, nowhere.content)
    assert elsewhere.content == (await ask(middleware, [bearer(tea_token), ("X-Merchant", "books")])).content


async def test_other_paths_need_nothing(middleware: TenancyMiddleware, directory: MemoryDirectory) -> None:
    broken = [("Authorization", "nonsense"), ("X-Merchant", "'"), ("X-Merchant", "'")]
    for path in ("/health/live", "/graphqlish", "/"):
        assert (await ask(middleware, broken, path=path)).text == "nothing -"
    assert directory.looked_up == []
    assert (await ask(middleware, broken, path="/graphql/")).status_code == 401


async def open_socket(middleware: TenancyMiddleware, headers: list[tuple[str, str]]) -> list[Message]:
    sent: list[Message] = []
    received: list[Message] = []

    async def receive() -> Message:
        received.append({"type": "websocket.connect"})
        return received[-1]

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/graphql",
        "headers": [(name.lower().encode(), value.encode()) for name, value in [("Host", MALL), *headers]],
    }
    await middleware(scope, receive, send)
    if sent[0]["type"] == "websocket.close":
        assert received == [{"type": "websocket.connect"}]
    return sent


async def test_sockets_are_refused_before_they_open(middleware: TenancyMiddleware, tea_token: str) -> None:
    refused = [{"type": "websocket.close", "code": 1008}]
    assert await open_socket(middleware, [bearer(tea_token), ("X-Merchant", "books")]) == refused
    assert await open_socket(middleware, [bearer("a.b.c")]) == refused
    assert await open_socket(middleware, [bearer(tea_token), ("X-Merchant", "tea-house")]) == [
        {"type": "websocket.accept"}
    ]
