"""`merchantry worker`."""

import asyncio
from datetime import timedelta
from typing import Annotated

import typer

from merchantry.cli.backups import BackupsDir, BackupsKept, backup_plan
from merchantry.cli.installation import installation, utc_now
from merchantry.cli.log_witnesses import WitnessPolicyFile, policy_in
from merchantry.cli.mail import DigestAt, MailFrom, SmtpUrl, StorefrontUrl, mailing_of
from merchantry.cli.metrics import MetricsHost, MetricsPort, exposed
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.payout_providers import PayoutsFile, payout_providers
from merchantry.cli.running import ended_by_signals, on_signals, with_database
from merchantry.cli.verify_last import VerifyAt, time_of_day
from merchantry.cli.webhooks import WebhooksKept, WebhooksPrivate
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.webhook import Reach
from merchantry.jobs.tools import Tools, Webhooks
from merchantry.jobs.working import work_forever
from tenancy.database import Database


def worker(
    public_url: Annotated[
        str, typer.Option(metavar="URL", help="Where browsers reach the server.")
    ] = "http://127.0.0.1:8000",
    development: Annotated[bool, typer.Option("--development/--production", help="How logs look.")] = False,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    payouts: PayoutsFile = None,
    backups: BackupsDir = None,
    backups_kept: BackupsKept = 14,
    witness_policy: WitnessPolicyFile = None,
    verify_at: VerifyAt = "03:00",
    webhooks_private: WebhooksPrivate = False,
    webhooks_kept: WebhooksKept = 30,
    mall_domain: Annotated[str, typer.Option(help="The mall's, as servers are given it.")] = "localhost",
    smtp_url: SmtpUrl = None,
    mail_from: MailFrom = None,
    storefront_url: StorefrontUrl = None,
    digest_at: DigestAt = "08:00",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Do due jobs, settle every hour, verify daily, sign the public log, until SIGINT or SIGTERM. Several may run."""

    async def work(database: Database) -> None:
        from graphql_api.facts import presented
        from graphql_api.sandbox_page import PATH

        stop = asyncio.Event()
        with on_signals(lambda number: stop.set()):
            typer.echo("Working. Ctrl-C ends it.", err=True)
            gateway = Sandbox(database, utc_now, public_url + PATH)
            given = (opened.vault, providers, opened.reports, plan, opened.log_keys, policy, at)
            webhooks = Webhooks(Reach(webhooks_private), presented, timedelta(days=webhooks_kept))
            tools = Tools(database, gateway, utc_now, *given, webhooks=webhooks, mailing=mailing)
            await work_forever(tools, stop)

    providers, plan = payout_providers(payouts), backup_plan(backups, backups_kept)
    mailing = mailing_of(smtp_url, mail_from, digest_at, mall_domain, public_url, storefront_url)
    policy, at = policy_in(witness_policy), time_of_day(verify_at)
    with ended_by_signals(), installation(database_url, data_dir) as opened:
        from graphql_api.logging import configure_logging

        configure_logging(development=development)
        if opened.notice_of_keys:
            typer.echo(opened.notice_of_keys, err=True)
        with exposed(metrics_port, metrics_host, opened.logins):
            with_database(opened, work)
