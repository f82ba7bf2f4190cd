"""The simulated provider's HTTP: the protocol of `merchantry.gateways.wallet`, its books, its statement, its controls.

| | |
|---|---|
| `POST /transfers` | take a transfer, once per `Idempotency-Key` |
| `GET /transfers/by-key/{key}` | what became of it |
| `GET /transfers` | the books: every transfer that was ever taken |
| `GET /statement` | CSV as `merchantry.gateways.provider_statement` reads it |
| `PUT /control/wallets/{wallet_id}` | `{"behaviour": "drop"}`, whatever the id begins with |
| `POST /control/clock` | `{"advance_seconds": 60}` |
"""

import asyncio
import csv
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from io import StringIO
from typing import Any
from uuid import UUID

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from merchantry.domain.errors import MarketError
from merchantry.domain.money import format_minor, parse_minor
from merchantry.wallet_simulator.books import Asked, Behaviour, Books, Status, Transfer

FACTS = ("amount", "currency", "wallet_id", "reference")
SLOW_SECONDS = 30
OVERTAKEN = 4
"""Answers of REORDER come back to front in groups of so many."""
OVERTAKING_SECONDS = 0.05


class _Refused(Exception):
    """The request is none that the provider can take; the message says why."""


class _Provider:
    def __init__(self, books: Books, slow_seconds: float) -> None:
        self._books = books
        self._slow_seconds = slow_seconds
        self._reordered = 0

    async def take(self, request: Request) -> Response:
        key = request.headers.get("idempotency-key", "")
        try:
            asked = _asked(key, await _json(request))
        except _Refused as refused:
            return _said(400, key, status="rejected", reason=str(refused))
        behaviour = await run_in_threadpool(self._books.behaviour_of, asked.wallet_id)
        if behaviour is Behaviour.ERROR and not await run_in_threadpool(self._books.has, key):
            return Response("the provider is out of order", 500)
        taken, is_new = await run_in_threadpool(self._books.take, asked, behaviour)
        if taken.asked != asked:
            return _said(409, key, status="conflict", reason="the key was used for another transfer")
        if is_new and (instead := await self._misbehave(behaviour)):
            return instead
        return await self._answer(taken, created=is_new)

    async def find(self, request: Request) -> Response:
        key = request.path_params["key"]
        found = await run_in_threadpool(self._books.find, key)
        if found is None:
            return _said(404, key, status="not_found")
        transfer, finds_before = found
        if transfer.behaviour is Behaviour.REORDER and finds_before == 0:
            return _said(200, key, id=_id(transfer), status="accepted", occurred_at=transfer.taken_at.isoformat())
        answer = await self._answer(transfer, created=False)
        answer.status_code = 200
        return answer

    async def books(self, request: Request) -> Response:
        now = await run_in_threadpool(self._books.now)
        transfers = await run_in_threadpool(self._books.transfers)
        return JSONResponse([_shown(transfer, *transfer.at(now)) for transfer in transfers])

    async def statement(self, request: Request) -> Response:
        now = await run_in_threadpool(self._books.now)
        transfers = await run_in_threadpool(self._books.transfers)
        moves = [("payout", each.pays_at, each) for each in transfers if each.pays_at and each.pays_at <= now]
        moves += [("return", each.returns_at, each) for each in transfers if each.returns_at and each.returns_at <= now]
        text = StringIO(newline="")
        rows = csv.writer(text)
        rows.writerow(["date", "amount", "currency", "reference", "provider_reference", "kind"])
        for kind, at, transfer in sorted(moves, key=lambda move: move[1]):
            asked = transfer.asked
            amount = asked.amount if kind == "return" else f"-{asked.amount}"
            rows.writerow([at.date().isoformat(), amount, asked.currency, asked.reference, _id(transfer), kind])
        return Response(text.getvalue(), media_type="text/csv")

    async def control_wallet(self, request: Request) -> Response:
        behaviour = (await _json(request)).get("behaviour")
        if behaviour not in set(Behaviour):
            raise _Refused(f"the behaviour must be one of {', '.join(Behaviour)}")
        await run_in_threadpool(self._books.behave, request.path_params["wallet_id"], Behaviour(behaviour))
        return JSONResponse({"behaviour": behaviour})

    async def control_clock(self, request: Request) -> Response:
        seconds = (await _json(request)).get("advance_seconds")
        if type(seconds) is not int or not 0 <= seconds <= 10**9:
            raise _Refused("advance_seconds must be a whole number of seconds, zero or more")
        now = await run_in_threadpool(self._books.advance, seconds)
        return JSONResponse({"now": now.isoformat()})

    async def _misbehave(self, behaviour: Behaviour) -> Response | None:
        """What is answered instead of the truth, if anything; a late answer comes late from here."""
        if behaviour is Behaviour.ERROR_AFTER:
            return Response("the provider broke down", 500)
        if behaviour is Behaviour.DROP:
            return _Broken()
        if behaviour is Behaviour.SLOW:
            await asyncio.sleep(self._slow_seconds)
        if behaviour is Behaviour.REORDER:
            self._reordered += 1
            await asyncio.sleep(OVERTAKING_SECONDS * (-self._reordered % OVERTAKEN))
        return None

    async def _answer(self, transfer: Transfer, *, created: bool) -> Response:
        status, since = transfer.at(await run_in_threadpool(self._books.now))
        code = 422 if status is Status.REJECTED else 201 if created else 200
        reason = {Status.REJECTED: "the wallet is closed", Status.RETURNED: "the payee gave it back"}.get(status)
        facts = {"id": _id(transfer), "status": status, "occurred_at": since.isoformat()}
        return _said(code, transfer.asked.key, **facts, **({"reason": reason} if reason else {}))


class _Broken(Response):
    """Announces an answer and closes the connection before it is there."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"500")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": True})


class _BearerOnly:
    """Lets nobody in without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] == "http" and not hmac.compare_digest(given, self._wanted):
            await JSONResponse({"reason": "the token is wrong"}, 401)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def build_app(books: Books, *, token: str, slow_seconds: float = SLOW_SECONDS) -> Starlette:
    """The provider. Its books are its only state."""
    provider = _Provider(books, slow_seconds)
    routes = (
        ("/transfers", "POST", provider.take),
        ("/transfers", "GET", provider.books),
        ("/transfers/by-key/{key}", "GET", provider.find),
        ("/statement", "GET", provider.statement),
        ("/control/wallets/{wallet_id}", "PUT", provider.control_wallet),
        ("/control/clock", "POST", provider.control_clock),
    )
    return Starlette(
        routes=[Route(path, _mannerly(endpoint), methods=[method]) for path, method, endpoint in routes],
        middleware=[Middleware(_BearerOnly, token=token)],
    )


def _mannerly(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except _Refused as refused:
            return JSONResponse({"reason": str(refused)}, 400)

    return answer


async def _json(request: Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.body())
    except ValueError:
        raise _Refused("the body is no JSON") from None
    if not isinstance(body, dict):
        raise _Refused("the body is no JSON object")
    return body


def _asked(key: str, body: dict[str, Any]) -> Asked:
    try:
        if str(UUID(key)) != key:
            raise ValueError
    except ValueError:
        raise _Refused("Idempotency-Key must be a UUID in its usual form") from None
    facts = {name: fact for name, fact in body.items() if name in FACTS and isinstance(fact, str) and fact}
    if set(facts) != set(FACTS) or len(body) != len(FACTS):
        raise _Refused(f"the body must have {', '.join(FACTS)}, each a text")
    currency = facts["currency"]
    try:
        amount_minor = parse_minor(facts["amount"], currency)
    except MarketError as error:
        raise _Refused(error.message) from None
    if amount_minor <= 0:
        raise _Refused("the amount must be more than zero")
    return Asked(key, format_minor(amount_minor, currency), currency, facts["wallet_id"], facts["reference"])


def _id(transfer: Transfer) -> str:
    return f"W{transfer.position:08}"


def _shown(transfer: Transfer, status: Status, since: datetime) -> dict[str, str]:
    asked = transfer.asked
    facts = {"amount": asked.amount, "currency": asked.currency, "wallet_id": asked.wallet_id}
    known = {"key": asked.key, "id": _id(transfer), "status": status, "occurred_at": since.isoformat()}
    return {**known, **facts, "reference": asked.reference, "taken_at": transfer.taken_at.isoformat()}


def _said(code: int, key: str, **facts: str) -> JSONResponse:
    return JSONResponse({"key": key, **facts}, code)
