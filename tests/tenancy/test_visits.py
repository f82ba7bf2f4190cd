"""Connections that have visited many merchants are replaced: their backends remember what they saw of the catalogue."""

from uuid import UUID

import pytest
from sqlalchemy import func, select

from tenancy import across, connections
from tenancy.across import CHUNK, CONNECTIONS, Across, read_across, read_few_across
from tenancy.database import Database
from tests.tenancy.stalls import some_stalls, takings

BACKEND = select(func.pg_backend_pid())
_nothing = select(func.count()).select_from(takings).scalar_subquery()
OWN_BACKEND = Across(select((func.pg_backend_pid() + _nothing).label("pid")), with_merchant=False)
"""Reads one table of each merchant; those are empty."""


async def backend(database: Database, stall: UUID) -> int:
    async with database.read("visitor") as tx, tx.as_merchant(stall) as session:
        return int(await session.scalar(BACKEND))


async def test_a_connection_is_replaced_after_so_many_different_merchants(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls = some_stalls(database.logins, 4)
    monkeypatch.setattr(connections, "SCHEMAS", 2)
    assert len({await backend(database, stall) for stall in (*stalls[:2], *stalls[:2], *stalls[:2])}) == 1
    assert len({await backend(database, stall) for stall in (*stalls[:3], *stalls)}) == 3


async def test_an_analysts_connection_is_replaced_after_so_many_reads(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls = some_stalls(database.logins, CHUNK + 2)

    async def backends() -> set[int]:
        rows = (await read_across(database, OWN_BACKEND, stalls)).rows
        return {row["pid"] for row in rows}

    kept = await backends() | await backends() | await backends() | await backends()
    assert len(kept) <= CONNECTIONS + 1
    monkeypatch.setattr(across, "SEEN", 1)
    last = await backends()
    assert last <= kept
    assert not await backends() & last


async def test_a_pages_connection_is_replaced_after_so_many_merchants(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stalls = some_stalls(database.logins, 4)
    monkeypatch.setattr(across, "SEEN_FOR_PAGES", 2)

    async def backends(number: int) -> set[int]:
        (rows,) = await read_few_across(database, [OWN_BACKEND], stalls[:number], parameters={})
        return {row["pid"] for row in rows}

    first = await backends(2)
    assert await backends(1) == await backends(3) == first
    assert await backends(1) != first
