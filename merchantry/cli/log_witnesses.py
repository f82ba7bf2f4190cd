"""Which witnesses the public log asks, as commands are given them."""

from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.transparency.witness_policy import PolicyError, WitnessPolicy

WitnessPolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--witness-policy",
        metavar="FILE",
        dir_okay=False,
        help="Who cosigns the public log, and how many confirm a head (docs/witnesses.md); nobody if not given.",
    ),
]


def policy_in(path: Path | None) -> WitnessPolicy | None:
    """The policy in a file. Raises CommandRefused."""
    if path is None:
        return None
    try:
        return WitnessPolicy.load(path)
    except PolicyError as error:
        raise CommandRefused(f"--witness-policy: {error}.") from error
    except OSError as error:
        raise CommandRefused(f"--witness-policy {path} can't be read: {error.strerror}.") from error
