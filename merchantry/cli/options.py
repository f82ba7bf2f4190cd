"""Options that every command has."""

from pathlib import Path
from typing import Annotated

import typer

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
