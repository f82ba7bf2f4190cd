"""Failures that are expected, of every command: what went wrong and its remedy on standard error, and exit code 2."""

from collections.abc import Iterator
from typing import Any

import psycopg
import typer
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from merchantry.domain.errors import MarketError, PlanInvalid, RulesInvalid
from merchantry.jobs.restored_work import RestoreRefused
from merchantry.vault.cipher import VaultError
from merchantry.vault.container import FileDamaged
from tenancy.bootstrap import DatabaseUnsuitable
from tenancy.embedded import EmbeddedUnavailable
from tenancy.migrations import UnknownVersion

EXIT_CODE = 2


class CommandRefused(Exception):
    """The command can't be carried out as it was given; the message says what to do instead."""


EXPECTED = (CommandRefused, DatabaseUnsuitable, EmbeddedUnavailable, FileDamaged, RestoreRefused, VaultError)


class Commands(TyperGroup):
    """The root of the commands: what they are expected to fail with is told without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (Exception, ExceptionGroup) as error:
            lines = list(told(error))
            if not lines:
                raise
            for line in lines:
                typer.echo(line, err=True)
            raise typer.Exit(EXIT_CODE) from error


def told(error: BaseException) -> Iterator[str]:
    """What a person is told of an expected failure, line by line; nothing where it is a fault of ours."""
    if isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        yield from told(error.exceptions[0])
    elif isinstance(error, PlanInvalid):
        yield "The commission plan has mistakes; mend every one and try again:"
        yield from (f"  {path}: {remedy}" for path, remedy in error.problems)
    elif isinstance(error, RulesInvalid):
        yield "The review rules have mistakes; mend every one and try again:"
        yield from (f"  {path}: {remedy}" for path, remedy in error.problems)
    elif isinstance(error, MarketError):
        where = ".".join(map(str, error.path))
        yield f"{where}: {error.message}" if where else error.message
    elif isinstance(error, UnknownVersion):
        yield f"The database is at version {error}, which this program doesn't know: use a newer merchantry."
    elif isinstance(error, EXPECTED):
        yield str(error)
    elif isinstance(error, DBAPIError) and isinstance(error.orig, psycopg.Error):
        yield from _told_by_database(error.orig)
    elif isinstance(error, psycopg.Error):
        yield from _told_by_database(error)


def _told_by_database(error: psycopg.Error) -> Iterator[str]:
    words = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        yield f"The database refuses: {words}"
        yield "Give --database-url (or DATABASE_URL) the login that owns the database and may create roles."
    elif isinstance(error, psycopg.errors.LockNotAvailable):
        yield f"Somebody is using what this has to change: {words}"
        yield "Nothing was changed; try again, or end the long transaction that holds it (pg_stat_activity shows it)."
    elif isinstance(error, psycopg.OperationalError):
        yield f"The database can't be used: {words}"
        yield "Check --database-url (or DATABASE_URL), and that PostgreSQL runs there and lets this login in."
