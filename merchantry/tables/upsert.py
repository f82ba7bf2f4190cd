"""Statements that add to sums which may not be there yet."""

from collections.abc import Sequence

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert, insert


def adding(table: Table, key: Sequence[str], sums: Sequence[str]) -> Insert:
    """Insert a row, or add its ``sums`` to those of the row with the same ``key``; its values are parameters."""
    statement = insert(table)
    added = {name: table.c[name] + statement.excluded[name] for name in sums}
    return statement.on_conflict_do_update(index_elements=list(key), set_=added)
