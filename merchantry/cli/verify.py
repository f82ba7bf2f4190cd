"""`merchantry verify`: proofs that what is stored is right."""

from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from merchantry.cli.installation import installation
from merchantry.cli.options import DatabaseUrl, DataDir
from merchantry.cli.running import progress_bar, with_database
from merchantry.services.verification import Verified, merchants_to_verify, verify_books
from tenancy.database import Database

app = typer.Typer(no_args_is_help=True, help="Prove that what is stored is right.")


class Format(StrEnum):
    """How the result is printed."""

    TEXT = "text"
    JSON = "json"


@app.callback()
def _group() -> None:
    """Keeps `books` a command of its own."""


@app.command()
def books(
    output: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.TEXT,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Recount every merchant's books from its entries and orders. Exit code 1 where a law is broken."""
    with installation(database_url, data_dir) as opened:
        found = with_database(opened, _verified)
    typer.echo(orjson.dumps(_document(found)).decode() if output is Format.JSON else "\n".join(_lines(found)))
    if any(each.broken for each in found):
        raise typer.Exit(1)


async def _verified(database: Database) -> list[Verified]:
    merchants = await merchants_to_verify(database)
    found = []
    with progress_bar() as progress:
        task = progress.add_task("Merchants", total=len(merchants))
        async for each in verify_books(database, merchants):
            found.append(each)
            progress.advance(task)
    return found


def _document(found: list[Verified]) -> dict[str, Any]:
    return {
        "merchants": len(found),
        "entries": sum(each.entries for each in found),
        "broken": [{"merchant": each.merchant, **asdict(law)} for each in found for law in each.broken],
    }


def _lines(found: list[Verified]) -> Iterator[str]:
    wrong = 0
    for each in found:
        for broken in each.broken:
            wrong += 1
            yield f"{each.merchant}: {broken.law}: {broken.row}: counted {broken.expected}, stored {broken.found}"
    entries = sum(each.entries for each in found)
    yield f"{entries} entries of {len(found)} merchants: {wrong or 'no'} laws broken."
