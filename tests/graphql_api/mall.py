"""A whole mall to ask: the real application over a real database, clients with real tokens, a clock that obeys."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from starlette.types import ASGIApp

from graphql_api.door import MAX_COST
from graphql_api.server import Settings, build_app
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.domain.plan_document import parse_plan
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.smtp import SmtpServer, Tls
from merchantry.gateways.webhook_signature import Secrets, new_secret
from merchantry.jobs import worker
from merchantry.jobs.notifying import notify_all
from merchantry.jobs.telling import tell_all
from merchantry.jobs.tools import Mailing, Tools
from merchantry.mail.letters import sender_of
from merchantry.services import commission, staff
from tenancy.database import Database
from tenancy.directory import account_of
from tenancy.principals import Merchant
from tenancy.tokens import DevelopmentIssuer
from tests.builders import NOON, a_vault, an_act

ISSUER = "merchantry-development"
PLAN = {"name": "standard", "currency": "BRL", "base": "goods", "hold_days": 7, "default": {"rate_bps": 1200}}


WEBHOOK_SECRETS = Secrets([new_secret(b"new" * 10), new_secret(b"old" * 10)])
CARRIER_SECRETS = {name: Secrets([new_secret(name.encode() * 6)]) for name in ("correios", "rivals")}


class Loop(httpx.AsyncBaseTransport):
    """Brings what the sandbox posts to the application, which is made after it."""

    app: ASGIApp

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As over the network."""
        return await httpx.ASGITransport(app=self.app).handle_async_request(request)


@dataclass
class Clock:
    """Says what time it is until it is told otherwise."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: int) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@dataclass
class Answer:
    """What the server answered."""

    status: int
    body: dict[str, Any]

    @property
    def data(self) -> dict[str, Any]:
        """The data, where there are no errors."""
        assert "errors" not in self.body, self.body["errors"]
        data: dict[str, Any] = self.body["data"]
        return data

    @property
    def codes(self) -> list[str]:
        """The codes of the errors."""
        return [error["extensions"]["code"] for error in self.body.get("errors", [])]


@dataclass
class Mall:
    """The application and what tests need beside it."""

    database: Database
    app: ASGIApp
    http: httpx.AsyncClient
    issuer: DevelopmentIssuer
    clock: Clock
    tools: Tools
    accounts: dict[str, UUID] = field(default_factory=dict)
    guests: dict[str, str] = field(default_factory=dict)
    """Tokens of guests, by the names that tests call them."""

    def token(self, name: str) -> str:
        """A token of the person of this name."""
        return self.guests.get(name) or self.issuer.issue(name, f"{name}@example.test", 3600)

    async def account(self, name: str) -> UUID:
        """The account of the person of this name."""
        async with self.database.write("test") as tx, tx.as_platform() as session:
            return await account_of(session, ISSUER, name, None, at=self.clock())

    async def hire(self, name: str, merchant: Merchant, role: MerchantRole) -> str:
        """Make somebody staff of a merchant; returns the name."""
        account_id = await self.account(name)
        async with self.database.write("test") as tx, tx.as_platform() as session:
            await staff.grant_role(session, account_id, merchant.id, role, an_act())
        return name

    async def appoint(self, name: str, role: PlatformRole) -> str:
        """Make somebody staff of the platform; returns the name."""
        account_id = await self.account(name)
        async with self.database.write("test") as tx, tx.as_platform() as session:
            await staff.grant_platform_role(session, account_id, role, an_act())
        return name

    async def ask(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        who: str | None = None,
        merchant: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a document as somebody, about a merchant."""
        sent = dict(headers or {})
        if who:
            sent["authorization"] = f"Bearer {self.token(who)}"
        if merchant:
            sent["x-merchant"] = merchant
        body = {"query": document, "variables": dict(variables or {})}
        answer = await self.http.post("/graphql", json=body, headers=sent)
        return Answer(answer.status_code, answer.json())

    async def work(self) -> int:
        """Let the worker do everything that is due, and tell whom it concerns."""
        done = await worker.run_due(self.tools, self.clock())
        await self.notify()
        return done

    async def notify(self) -> None:
        """Let the worker tell people of what has happened."""
        await tell_all(self.database)
        await notify_all(self.database, self.clock())


NO_SERVER = Mailing(SmtpServer("127.0.0.1", 1, Tls.NONE), sender_of("news@mall.test", "mall.test", "http://mall.test"))
"""Addresses are asked for; nothing is sent."""


@asynccontextmanager
async def open_mall(
    database: Database, data_dir: Path, *, pool_size: int = 5, development: bool = True
) -> AsyncIterator[Mall]:
    """A mall with the plan ``standard`` in force since 2020, and nothing else."""
    clock, issuer, vault = Clock(), DevelopmentIssuer.load_or_create(data_dir), a_vault()
    loop = Loop()
    settings = Settings(
        logins=database.logins,
        verifier=issuer.verifier(),
        vault=vault,
        mall_domain="mall.test",
        public_url="http://mall.test",
        development=development,
        with_worker=False,
        pool_size=pool_size,
        reports=data_dir / "reports",
        max_cost=1_000_000 if development else MAX_COST,  # tests ask for everything that there is, and at once
        budget_per_second=0 if development else 10_000,
        webhook_secrets={"sandbox": WEBHOOK_SECRETS},
        carrier_secrets=CARRIER_SECRETS,
        tracking_pages={"correios": "https://track.test/?id={number}&lang=en"},
        sandbox_transport=loop,
        mailing=NO_SERVER,
    )
    app = build_app(settings, clock)
    loop.app = app
    tools = Tools(
        database, Sandbox(database, clock, "http://mall.test/sandbox/pay"), clock, vault, reports=data_dir / "reports"
    )
    async with database.write("test") as tx, tx.as_platform() as session:
        await commission.install(session, "standard", parse_plan(PLAN), NOON - timedelta(days=2000), an_act())
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://mall.test") as http:
            yield Mall(database, app, http, issuer, clock, tools)
