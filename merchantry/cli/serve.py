"""`merchantry serve`."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.backups import BackupsDir, BackupsKept, backup_plan
from merchantry.cli.carriers import TrackingPagesFile, tracking_pages
from merchantry.cli.failures import CommandRefused
from merchantry.cli.identity import verifier_of
from merchantry.cli.installation import installation
from merchantry.cli.log_witnesses import WitnessPolicyFile, policy_in
from merchantry.cli.mail import DigestAt, MailFrom, SmtpUrl, StorefrontUrl, mailing_of
from merchantry.cli.metrics import MetricsHost, MetricsPort, exposed, shared_between_processes
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.payment_webhooks import CarrierWebhooksFile, PaymentWebhooksFile, carrier_secrets, webhook_secrets
from merchantry.cli.payout_providers import PayoutsFile, payout_providers
from merchantry.cli.processes import Child, keep_serving
from merchantry.cli.running import ended_by_signals
from merchantry.cli.serving import listen, serve_app
from merchantry.cli.verify_last import VerifyAt, time_of_day
from merchantry.cli.webhooks import WebhooksKept, WebhooksPrivate
from merchantry.gateways.webhook import Reach


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    mall_domain: Annotated[
        str, typer.Option(help="Merchants are {slug}.DOMAIN; without one in the host, X-Merchant says it.")
    ] = "localhost",
    public_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where browsers reach this server, if not at host and port.")
    ] = None,
    development: Annotated[
        bool, typer.Option("--development/--production", help="GraphiQL and the sandbox's payment page, or neither.")
    ] = False,
    oidc_issuer: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="An identity provider, which says itself where its keys are; repeatable."),
    ] = None,
    jwt_keys: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|URL", help="One's public keys, a JWK Set (RFC 7517); repeatable."),
    ] = None,
    jwt_issuer: Annotated[
        list[str] | None, typer.Option(help="Whose these are; one for each --jwt-keys, in their order.")
    ] = None,
    jwt_audience: Annotated[str, typer.Option(help="What its tokens must be for.")] = "merchantry",
    trusted_documents: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Run only this file's documents: JSON, by id or hash."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Pages of it (https://shop.example) may call; repeatable."),
    ] = None,
    budget: Annotated[
        int, typer.Option(min=0, help="Cost per second an account gets back, a merchant twice that; 0: no limit.")
    ] = 10_000,
    guest_days: Annotated[
        int, typer.Option(min=1, max=3650, help="How long a guest's token opens what they have placed.")
    ] = 90,
    with_worker: Annotated[bool, typer.Option("--with-worker", help="Do due jobs in this process too.")] = False,
    processes: Annotated[int, typer.Option(min=1, max=256, help="How many serve; one or two a core.")] = 1,
    drain: Annotated[
        int, typer.Option(min=0, max=300, metavar="SECONDS", help="Not ready, but still serving, before the end.")
    ] = 0,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    payouts: PayoutsFile = None,
    payment_webhooks: PaymentWebhooksFile = None,
    carrier_webhooks: CarrierWebhooksFile = None,
    tracking_pages_file: TrackingPagesFile = None,
    backups: BackupsDir = None,
    backups_kept: BackupsKept = 14,
    witness_policy: WitnessPolicyFile = None,
    verify_at: VerifyAt = "03:00",
    webhooks_private: WebhooksPrivate = False,
    webhooks_kept: WebhooksKept = 30,
    smtp_url: SmtpUrl = None,
    mail_from: MailFrom = None,
    storefront_url: StorefrontUrl = None,
    digest_at: DigestAt = "08:00",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Serve GraphQL over HTTP until SIGINT or SIGTERM."""
    providers, plan = payout_providers(payouts), backup_plan(backups, backups_kept)
    policy, at = policy_in(witness_policy), time_of_day(verify_at)
    child = Child.given()
    with ended_by_signals():
        bound = child.bound if child else listen(host, port)
        address = f"http://{host}:{bound.getsockname()[1]}"
        with bound, ExitStack() as stack:
            opened = stack.enter_context(installation(database_url, data_dir))
            if child is None and opened.notice_of_keys:
                typer.echo(opened.notice_of_keys, err=True)
            verifier = verifier_of(opened, oidc_issuer or [], jwt_keys or [], jwt_issuer or [], jwt_audience)
            trusted = _trusted(trusted_documents)
            if child is None:
                if not oidc_issuer and not jwt_keys:
                    typer.echo(
                        "Tokens of the development issuer (`merchantry token`) count; see --oidc-issuer.", err=True
                    )
                if processes > 1:
                    stack.enter_context(shared_between_processes())
                stack.enter_context(exposed(metrics_port, metrics_host, opened.logins))

            def announce() -> None:
                typer.echo(f"Serving {address}/graphql", err=True)

            from graphql_api.logging import configure_logging  # here, so that other commands start without them

            configure_logging(development=development)
            if child is None and processes > 1:
                keep_serving(processes, bound, announce)
                return
            from graphql_api.server import Settings, build_app

            settings = Settings(
                logins=opened.logins,
                verifier=verifier,
                vault=opened.vault,
                mall_domain=mall_domain,
                public_url=(public_url or address).rstrip("/"),
                development=development,
                with_worker=with_worker and (child is None or child.number == 0),
                payouts=providers,
                reports=opened.reports,
                log_keys=opened.log_keys,
                backups=plan,
                trusted_documents=trusted,
                allowed_origins=frozenset(allow_origin or ()),
                budget_per_second=budget,
                guest_days=guest_days,
                witness_policy=policy,
                verify_at=at,
                webhook_secrets=webhook_secrets(payment_webhooks, sandbox_in=opened.data_dir if development else None),
                carrier_secrets=carrier_secrets(carrier_webhooks),
                tracking_pages=tracking_pages(tracking_pages_file),
                webhooks=Reach(webhooks_private),
                webhooks_kept=timedelta(days=webhooks_kept),
                mailing=mailing_of(smtp_url, mail_from, digest_at, mall_domain, public_url or address, storefront_url),
            )
            app = build_app(settings)
            serve_app(
                app,
                bound,
                announce=child.say_ready if child else announce,
                leave=app.state.leaving.begin,
                drain_seconds=drain,
                ends_with_stdin=child is not None,
            )


def _trusted(path: Path | None) -> dict[str, str] | None:
    """The trusted list, every document of which the schema knows how to answer."""
    if path is None:
        return None
    from graphql_api.persisted import read_trusted
    from graphql_api.schema import schema

    try:
        trusted = read_trusted(path)
    except ValueError as error:
        raise CommandRefused(str(error)) from error
    for name, text in trusted.items():
        errors = schema.prepare(text).errors
        if errors:
            raise CommandRefused(
                f"{path}: the document {name} can't be run ({errors[0].message}): build the list anew."
            )
    return trusted
