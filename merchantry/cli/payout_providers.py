"""Who carries out payouts, from the file that an operator writes (docs/operations.md)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.domain.errors import MarketError
from merchantry.gateways.account_numbers import check_bic, check_iban
from merchantry.gateways.bank_file import BankFiles
from merchantry.gateways.iso20022.pain001 import Debtor
from merchantry.gateways.payout import PayoutGateway
from merchantry.gateways.wallet import WalletProvider

PayoutsFile = Annotated[
    Path | None,
    typer.Option(
        "--payouts",
        envvar="MERCHANTRY_PAYOUTS",
        dir_okay=False,
        help="Who carries out payouts: a JSON file. Without one they are planned, and wait.",
    ),
]


def payout_providers(path: Path | None) -> dict[str, PayoutGateway]:
    """The providers of the file, by kind of account; none without a file. Raises CommandRefused for a mistake in it."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_bytes())
        strays = sorted(set(document) - {"bank", "wallet"}) if isinstance(document, dict) else ["a list or a text"]
        if strays:
            raise ValueError(f"give an object with bank, wallet or both, not {', '.join(strays)}")
        found: dict[str, PayoutGateway] = {}
        if "bank" in document:
            found["bank"] = _bank(document["bank"], path.parent)
        if "wallet" in document:
            found["wallet"] = _wallet(document["wallet"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, MarketError) as error:
        raise CommandRefused(f"--payouts {path}: {type(error).__name__}: {error}; see docs/operations.md.") from error
    return found


def _bank(given: Mapping[str, Any], beside: Path) -> PayoutGateway:
    debtor = given["debtor"]
    made = Debtor(
        name=debtor["name"],
        iban=check_iban(debtor["iban"]) if "iban" in debtor else None,
        account_number=debtor.get("account_number"),
        bic=check_bic(debtor["bic"]) if "bic" in debtor else None,
    )
    return BankFiles(beside / given["directory"], made)


def _wallet(given: Mapping[str, Any]) -> PayoutGateway:
    return WalletProvider(given["url"], given["token"], limits=given.get("limits", {}))
