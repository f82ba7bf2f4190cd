"""Options that several commands have."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused

DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        metavar="URL",
        help="A PostgreSQL (17 or newer), as its owner; DATABASE_URL says the same. Without it: the embedded one.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        file_okay=False,
        help="Where keys and the embedded PostgreSQL are kept; ./.merchantry if not given.",
    ),
]


def past_instant(option: str, text: str) -> datetime:
    """A moment that has passed, as an option gives it. Raises CommandRefused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandRefused(f"{option} {text} is no instant; give one such as 2018-09-01T00:00:00-03:00.") from error
    if moment.tzinfo is None:
        raise CommandRefused(f"{option} {text} has no zone; add one, such as {text}Z or {text}-03:00.")
    if moment > datetime.now(UTC):
        raise CommandRefused(f"{option} lies in the future; give a moment that has passed.")
    return moment
