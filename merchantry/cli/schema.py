"""`merchantry schema`: the API's schema in the GraphQL schema definition language."""

import difflib
from pathlib import Path
from typing import Annotated

import typer

from merchantry.cli.failures import CommandRefused


def schema(
    check: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Compare with this file; 1 if it differs.")
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option(metavar="OLD", dir_okay=False, help="Say what changed since this file; 1 if documents break."),
    ] = None,
    write: Annotated[Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write it there.")] = None,
) -> None:
    """Print the schema, write it to a file, compare a file with it, or say what changed since one."""
    text = _sdl()
    if write:
        write.write_text(text, encoding="utf-8")
    elif check:
        _compare(check, text)
    elif changes:
        _list_changes(changes, text)
    else:
        typer.echo(text, nl=False)


def _list_changes(old: Path, text: str) -> None:
    """As the changelog has them."""
    from graphql_api.schema_changes import Weight, changes

    if not old.exists():
        raise CommandRefused(f"There is no {old}. Name the file of an earlier version.")
    found = changes(old.read_text(encoding="utf-8"), text)
    for each in found:
        typer.echo(str(each))
    if any(each.weight is Weight.BREAKING for each in found):
        raise typer.Exit(1)


def _sdl() -> str:
    from graphql_api.schema import schema

    return schema.as_str().rstrip() + "\n"


def _compare(file: Path, text: str) -> None:
    remedy = f"Write it anew and look at what changed: merchantry schema --write {file}"
    if not file.exists():
        raise CommandRefused(f"There is no {file}. {remedy}")
    kept = file.read_text(encoding="utf-8")
    if kept == text:
        return
    changes = difflib.unified_diff(kept.splitlines(True), text.splitlines(True), str(file), "the program's schema")
    typer.echo("".join(changes), nl=False)
    typer.echo(f"{file} is not the schema of this program. {remedy}", err=True)
    raise typer.Exit(1)
