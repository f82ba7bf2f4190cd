"""Options about webhooks, of whatever sends them or takes their URLs."""

from typing import Annotated

import typer

WebhooksPrivate = Annotated[
    bool,
    typer.Option(
        "--webhooks-private/--webhooks-public",
        envvar="MERCHANTRY_WEBHOOKS_PRIVATE",
        help="Webhooks may go to http, and to this machine and its network: for trying, never in production.",
    ),
]
WebhooksKept = Annotated[
    int, typer.Option(min=5, max=400, metavar="DAYS", help="How long it is kept what was sent to webhook endpoints.")
]
