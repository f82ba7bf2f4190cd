"""Where carriers show parcels, from a file that an operator writes (docs/operations.md)."""

import json
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused
from merchantry.domain.parcel import PLACE_OF_NUMBER, carrier_key

TrackingPagesFile = Annotated[
    Path | None,
    typer.Option(
        "--tracking-pages",
        envvar="MERCHANTRY_TRACKING_PAGES",
        dir_okay=False,
        help="Where carriers show parcels: a JSON file, addresses with {number} by carrier.",
    ),
]


def tracking_pages(path: Path | None) -> dict[str, str]:
    """The templates of the file, by carrier as the address of its webhook calls it. Raises CommandRefused."""
    if path is None:
        return {}
    try:
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict):
            raise ValueError("give an object of addresses by carrier")
        for name, template in document.items():
            if carrier_key(name) != name:
                raise ValueError(f"call {name} {carrier_key(name)}")
            if not isinstance(template, str) or not template.startswith("https://") or PLACE_OF_NUMBER not in template:
                raise ValueError(f"give an address with https:// and {PLACE_OF_NUMBER} for {name}")
        return document
    except (OSError, ValueError) as error:
        raise CommandRefused(f"--tracking-pages {path}: {error}; see docs/operations.md.") from error
