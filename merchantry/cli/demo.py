"""`merchantry demo`: a small lively mall, served, with everything needed to ask it."""

import json
import shlex
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated

import typer

from merchantry.cli.installation import Installation, installation, utc_now
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.payment_webhooks import webhook_secrets
from merchantry.cli.running import ended_by_signals, progress_bar, with_database
from merchantry.cli.serving import listen, serve_app
from merchantry.demo import mall, payees
from merchantry.demo.build import build
from tenancy.database import Database

BANK = "demo_bank"
WITNESS = "demo_witness"
HOST = "127.0.0.1"
TOKEN_DAYS = 30
PEOPLE = {
    "a buyer": mall.BUYERS[0].email,
    f"the owner of {mall.MAIN}": f"owner@{mall.MAIN}.example",
    f"a fulfilment clerk of {mall.MAIN}": f"fulfilment@{mall.MAIN}.example",
    "the platform's finance": "finance@mall.example",
    "the platform's analyst": "analyst@mall.example",
}
LISTINGS = (
    "{ listings(first: 3) { nodes { title merchantName category variants { sku prices { amount currency } } } } }"
)
ORDERS = (
    "{ merchant { orders(first: 3) { nodes { number status total { amount currency } } }"
    " balance { currency pending { amount } available { amount } } } }"
)
STATEMENTS = (
    "{ merchant { statements(first: 3) { nodes { number status startsOn endsOn"
    " opening { amount } closing { amount currency } } } } }"
)
PAYOUTS = (
    "{ merchant { payouts(first: 3) { nodes { number status account amount { amount currency }"
    " transfers { reference status } } } } }"
)
LOG = "{ log { origin keys checkpoint { size root confirmed witnesses } } }"
REPORT = (
    '{ platform { commissionReport(from: "%s", to: "%s", groupBy: [MERCHANT]) { asOf rows'
    " { merchant currency orders goods { amount } commission { amount } netToMerchants { amount } } } } }"
)


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    with_worker: Annotated[bool, typer.Option(help="Do due jobs in this process too.")] = True,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Build a small lively mall where there is none yet, and serve it until Ctrl-C."""
    with ended_by_signals():
        bound = listen(HOST, port)
        address = f"http://{HOST}:{bound.getsockname()[1]}"
        with bound, installation(database_url, data_dir) as opened, ExitStack() as stack:
            from graphql_api.logging import configure_logging  # here, so that other commands start without them
            from graphql_api.sandbox_page import PATH
            from graphql_api.server import Settings, build_app
            from merchantry.demo.auditor import auditor
            from merchantry.wallet_simulator.running import running

            configure_logging(development=True)
            _build(opened, address + PATH)
            wallet = stack.enter_context(running(opened.data_dir / "demo_wallet.sqlite", token=payees.WALLET_TOKEN))
            settings = Settings(
                logins=opened.logins,
                verifier=opened.issuer.verifier(),
                vault=opened.vault,
                mall_domain="localhost",
                public_url=address,
                development=True,
                with_worker=with_worker,
                reports=opened.reports,
                log_keys=opened.log_keys,
                witness_policy=stack.enter_context(auditor(opened.data_dir / WITNESS, opened.log_keys)),
                webhook_secrets=webhook_secrets(None, sandbox_in=opened.data_dir),
                payouts=payees.providers(opened.data_dir / BANK, wallet),
            )
            app = build_app(settings)
            serve_app(
                app,
                bound,
                announce=lambda: typer.echo(_welcome(opened, address, wallet)),
                leave=app.state.leaving.begin,
            )


def _build(opened: Installation, page_url: str) -> None:
    async def work(database: Database) -> None:
        with progress_bar() as progress:
            task = progress.add_task("Building the mall", total=None)

            def show(done: int, steps: int) -> None:
                progress.update(task, completed=done, total=steps)

            await build(database, opened.vault, utc_now(), page_url, show)

    with_database(opened, work)


def _welcome(opened: Installation, address: str, wallet: str) -> str:
    """Printed as it is, never wrapped: it is there to be copied."""
    tokens = {email: opened.issuer.issue(email, email, TOKEN_DAYS * 86_400) for email in PEOPLE.values()}
    owner, analyst = (PEOPLE[who] for who in (f"the owner of {mall.MAIN}", "the platform's analyst"))
    today = utc_now().date()
    report = REPORT % (today - timedelta(days=30), today + timedelta(days=1))
    port = address.rpartition(":")[2]
    lines = [
        "",
        f"GraphQL     {address}/graphql",
        f"GraphiQL    {address}/graphql in a browser",
        f"A merchant  http://{mall.MAIN}.localhost:{port}/graphql, or the header X-Merchant: {mall.MAIN}",
        "",
        f"Tokens, valid for {TOKEN_DAYS} days:",
        *(f"\n{who} ({email})\n{tokens[email]}" for who, email in PEOPLE.items()),
        "",
        "What is on sale:",
        _curl(address, LISTINGS),
        "",
        f"The latest orders of {mall.MAIN} and its balance:",
        _curl(address, ORDERS, tokens[owner], mall.MAIN),
        "",
        "The platform's commission of the last 30 days:",
        _curl(address, report, tokens[analyst]),
        "",
        "Its latest statements; the worker closes the first periods within a minute of the first start:",
        _curl(address, STATEMENTS, tokens[owner], mall.MAIN),
        "",
        f"Its payouts, to a simulated provider; others' are files for a bank in {opened.data_dir / BANK / 'outbox'}:",
        _curl(address, PAYOUTS, tokens[owner], mall.MAIN),
        "",
        "How far the public log is; a witness of its own key runs beside this demonstration and confirms its heads:",
        _curl(address, LOG),
        f"merchantry witness status --data-dir {shlex.quote(str(opened.data_dir / WITNESS))}",
        "",
        "Match the provider's own statement with the payouts:",
        _reconcile(opened, wallet),
        "",
        "Ctrl-C ends it.",
    ]
    return "\n".join(lines)


def _reconcile(opened: Installation, wallet: str) -> str:
    file = shlex.quote(str(opened.data_dir / "wallet.csv"))
    place = f"--data-dir {shlex.quote(str(opened.data_dir))}"
    if not opened.is_embedded:
        place += " --database-url …"
    fetched = f"curl -s {wallet}/statement -H 'Authorization: Bearer {payees.WALLET_TOKEN}' -o {file}"
    return f"{fetched} && merchantry reconcile {file} {place}"


def _curl(address: str, query: str, token: str | None = None, merchant: str | None = None) -> str:
    headers = ["Content-Type: application/json"]
    headers += [f"Authorization: Bearer {token}"] if token else []
    headers += [f"X-Merchant: {merchant}"] if merchant else []
    body = json.dumps({"query": query})
    return " ".join(["curl -s", f"{address}/graphql", *(f"-H '{header}'" for header in headers), f"-d '{body}'"])
