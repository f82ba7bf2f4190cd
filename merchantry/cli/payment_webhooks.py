"""What payment providers and carriers sign their webhooks with, from files that an operator writes
(docs/operations.md)."""

import json
import secrets
from pathlib import Path
from typing import Annotated, Final

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.domain.parcel import carrier_key
from merchantry.gateways.sandbox import Sandbox
from merchantry.gateways.webhook_signature import Secrets, new_secret
from tenancy.private_file import read_or_create

SANDBOX_FILE: Final = "sandbox_webhook_secret"

PaymentWebhooksFile = Annotated[
    Path | None,
    typer.Option(
        "--payment-webhooks",
        envvar="MERCHANTRY_PAYMENT_WEBHOOKS",
        dir_okay=False,
        help="Secrets of payment providers' webhooks: a JSON file, lists by provider.",
    ),
]

CarrierWebhooksFile = Annotated[
    Path | None,
    typer.Option(
        "--carrier-webhooks",
        envvar="MERCHANTRY_CARRIER_WEBHOOKS",
        dir_okay=False,
        help="Secrets of carriers' webhooks: a JSON file, lists by carrier.",
    ),
]


def carrier_secrets(path: Path | None) -> dict[str, Secrets]:
    """The secrets of the file, by carrier as the address of its webhook calls it. Raises CommandRefused."""
    found = {} if path is None else _read(path, "--carrier-webhooks")
    for name in found:
        if carrier_key(name) != name:
            raise CommandRefused(f"--carrier-webhooks {path}: call {name} {carrier_key(name)}; see docs/operations.md.")
    return found


def webhook_secrets(path: Path | None, *, sandbox_in: Path | None) -> dict[str, Secrets]:
    """The secrets of the file, by provider; the sandbox has one of its own in this directory, unless the file gives it
    some. Raises CommandRefused.
    """
    found = {} if path is None else _read(path, "--payment-webhooks")
    if sandbox_in is not None and Sandbox.name not in found:
        try:
            text = read_or_create(sandbox_in / SANDBOX_FILE, lambda: new_secret(secrets.token_bytes(32)).encode())
            found[Sandbox.name] = Secrets([text.decode().strip()])
        except (OSError, ValueError) as error:
            raise CommandRefused(f"The sandbox's webhook secret can't be used: {error}") from error
    return found


def _read(path: Path, option: str) -> dict[str, Secrets]:
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or not all(isinstance(each, list) and each for each in document.values()):
            raise ValueError('give an object of lists, such as {"sandbox": ["whsec_…"]}')
        return {name: Secrets(texts) for name, texts in document.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CommandRefused(f"{option} {path}: {error}; see docs/operations.md.") from error
