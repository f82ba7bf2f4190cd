"""The whole server: the application with its database, directory, payment provider and worker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path

import httpx
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from graphql_api import (
    carrier_webhooks,
    cosignature_routes,
    log_routes,
    mail_routes,
    payment_webhooks,
    sandbox_page,
    tracing,
    trail,
)
from graphql_api.app import create_app
from graphql_api.bells import Bells
from graphql_api.context import Context
from graphql_api.door import MAX_COST, Rules
from graphql_api.facts import presented
from graphql_api.hub import Hub
from graphql_api.schema import schema
from merchantry.gateways.payout import PayoutGateway
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.sandbox_webhook import SandboxWebhook
from merchantry.gateways.webhook import Reach
from merchantry.gateways.webhook_signature import Secrets
from merchantry.jobs import telling, working
from merchantry.jobs.tools import BackupPlan, Mailing, Tools, Webhooks
from merchantry.services import notification, outbox
from merchantry.services.provisioner import Provisioner
from merchantry.services.vault import Vault
from merchantry.tables.blueprint import blueprint, platform_revisions
from merchantry.transparency.log_keys import LogKeys
from merchantry.transparency.witness_policy import WitnessPolicy
from tenancy.database import Database
from tenancy.directory import Directory
from tenancy.logins import Logins
from tenancy.middleware import Verifier
from tenancy.migrations import UnknownVersion
from tenancy.principals import Caller

ACTOR = "system:server"
VERSION = text("SELECT version FROM platform.schema_version")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one server is made with. ``public_url`` is where browsers reach it, without a slash at its end; ``reports``
    the directory of produced reports, the same for servers and workers. With ``trusted_documents``, by id, nothing else
    is run; pages of ``allowed_origins`` may call; ``budget_per_second`` is the cost an account gets back, 0 no budget.
    ``webhook_secrets`` are those of payment providers, by name; without the sandbox's its page is not served. It posts
    through ``sandbox_transport``, None: the network. ``carrier_secrets`` are those of carriers, by the name in their
    webhook's address. ``guest_days`` is how long a guest's token opens what was placed. Without ``mailing`` nobody
    gives an address.
    """

    logins: Logins
    verifier: Verifier
    vault: Vault
    mall_domain: str
    public_url: str
    development: bool
    with_worker: bool
    payouts: Mapping[str, PayoutGateway] = field(default_factory=dict)
    backups: BackupPlan | None = None
    reports: Path | None = None
    log_keys: LogKeys | None = None
    max_cost: int = MAX_COST
    witness_policy: WitnessPolicy | None = None
    verify_at: time | None = None
    pool_size: int = 8
    trusted_documents: Mapping[str, str] | None = None
    allowed_origins: frozenset[str] = frozenset()
    budget_per_second: int = 10_000
    webhook_secrets: Mapping[str, Secrets] = field(default_factory=dict)
    carrier_secrets: Mapping[str, Secrets] = field(default_factory=dict)
    tracking_pages: Mapping[str, str] = field(default_factory=dict)
    sandbox_transport: httpx.AsyncBaseTransport | None = None
    guest_days: int = 90
    webhooks: Reach = field(default_factory=Reach)
    webhooks_kept: timedelta = timedelta(days=30)
    mailing: Mailing | None = None


def utc_now() -> datetime:
    """The server's clock."""
    return datetime.now(UTC)


def build_app(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """The application. It connects to nothing before it is started, and gives everything back when it is stopped."""
    database = Database(settings.logins, pool_size=settings.pool_size)
    directory = Directory(database, clock)
    hub, bells = Hub(database), Bells()
    gateway = Sandbox(database, clock, f"{settings.public_url}{sandbox_page.PATH}")
    provisioner = Provisioner(settings.logins.owner, blueprint)

    def context(request: HTTPConnection, caller: Caller) -> Context:
        return Context(
            caller=caller,
            request_id=request.state.request_id,
            database=database,
            clock=clock,
            gateway=gateway,
            provision=provisioner.create,
            vault=settings.vault,
            guest_lasts=timedelta(days=settings.guest_days),
            webhooks=settings.webhooks,
            tracking_pages=settings.tracking_pages,
            sends_mail=settings.mailing is not None,
            hub=hub,
            bells=bells,
            accepted_languages=request.headers.get("accept-language"),
        )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            stack.callback(provisioner.close)
            await stack.enter_async_context(
                directory.listening({outbox.CHANNEL: hub.heard, notification.CHANNEL: bells.heard})
            )
            await stack.enter_async_context(hub.following())
            if tracing.is_configured():
                await stack.enter_async_context(tracing.traced(app, database, schema))
            if settings.with_worker:
                tools = Tools(
                    database,
                    gateway,
                    clock,
                    settings.vault,
                    settings.payouts,
                    settings.reports,
                    log_keys=settings.log_keys,
                    backups=settings.backups,
                    witness_policy=settings.witness_policy,
                    verify_at=settings.verify_at,
                    webhooks=Webhooks(settings.webhooks, presented, settings.webhooks_kept),
                    mailing=settings.mailing,
                )
                await stack.enter_async_context(_going_on(partial(working.work_forever, tools)))
            else:
                await stack.enter_async_context(_going_on(partial(telling.tell_forever, database, clock)))
            yield

    app = create_app(
        schema=schema,
        directory=directory,
        verifier=settings.verifier,
        mall_domain=settings.mall_domain,
        rules=_rules(settings),
        readiness=_readiness(database),
        context_factory=context,
        reports=settings.reports,
        on_refused=partial(trail.refused_at_the_door, database, clock),
        lifespan=lifespan,
        extra_routes=[
            *cosignature_routes.routes(database, settings.witness_policy, clock),
            *log_routes.routes(database),
            *mail_routes.routes(database, settings.vault, clock),
            *payment_webhooks.routes(database, {gateway.name: gateway}, settings.webhook_secrets, clock),
            *carrier_webhooks.routes(database, settings.carrier_secrets, clock),
            *(_development_routes(settings, database, gateway, clock) if settings.development else ()),
        ],
    )
    app.state.hub = hub
    return app


def _rules(settings: Settings) -> Rules:
    """As many operations at once as there are connections, so that none waits for one while it holds another's turn."""
    return Rules(
        development=settings.development,
        trusted=settings.trusted_documents,
        allowed_origins=settings.allowed_origins,
        budget_per_second=settings.budget_per_second,
        max_cost=settings.max_cost,
        places=settings.pool_size,
    )


@asynccontextmanager
async def _going_on(work: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator[None]:
    """Work beside the server; what is under way is finished before the block ends."""
    stop = asyncio.Event()
    task = asyncio.ensure_future(work(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def _readiness(database: Database) -> Callable[[], Awaitable[bool]]:
    async def ready() -> bool:
        """The database answers and is not behind. One that is ahead is in the middle of a release."""
        try:
            async with database.read(ACTOR) as tx, tx.as_platform() as session:
                version = await session.scalar(VERSION)
            return not platform_revisions().render(version).strip()
        except UnknownVersion:
            return True
        except (SQLAlchemyError, OSError) as error:
            log.warning("readiness.database_lost", error=type(error).__name__)
            return False

    return ready


def _development_routes(
    settings: Settings, database: Database, gateway: Sandbox, clock: Callable[[], datetime]
) -> Sequence[BaseRoute]:
    routes: list[BaseRoute] = [Route("/", _to_graphiql)]
    if secrets := settings.webhook_secrets.get(gateway.name):
        url = f"{settings.public_url}{payment_webhooks.PATH}/{gateway.name}"
        webhook = SandboxWebhook(url, secrets, clock, settings.sandbox_transport)
        routes += sandbox_page.routes(database, gateway, webhook)
    return routes


async def _to_graphiql(request: Request) -> Response:
    return RedirectResponse("/graphql")
