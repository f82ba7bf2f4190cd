"""Rights on tables as the metadata declares them: what the database is held against, by tests and by operators."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sqlalchemy import Table

_GRANT = re.compile(r"(SELECT|INSERT|UPDATE|DELETE)(?: \(([^)]*)\))?")


@dataclass(frozen=True, order=True, slots=True)
class Right:
    """One thing that can be done to a table; to one of its columns where ``column`` says so."""

    table: str
    privilege: str
    column: str = ""


def granted(table: Table, grants: str) -> Iterator[Right]:
    """The rights of a list of privileges, as they are granted: for the whole table, or column by column."""
    for privilege, columns in _GRANT.findall(grants):
        names = [name.strip() for name in columns.split(",")] if columns else [""]
        yield from (Right(table.name, privilege, name) for name in names)


def declared(tables: Iterable[Table], who: str) -> set[Right]:
    """What the metadata lets somebody do: column by column where PostgreSQL knows columns."""
    return {right for table in tables for right in _of_table(table, table.info.get("grants", {}).get(who, ""))}


def _of_table(table: Table, grants: str) -> Iterator[Right]:
    for right in granted(table, grants):
        if right.column or right.privilege == "DELETE":
            yield right
        else:
            yield from (Right(table.name, right.privilege, column.name) for column in table.c)
