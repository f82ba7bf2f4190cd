"""A mall with pools large enough that requests really run beside each other."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenancy.database import Database
from tenancy.logins import Logins
from tests.graphql_api.mall import Mall, open_mall

POOL = 12


@pytest.fixture
async def mall(logins: Logins, tmp_path: Path) -> AsyncIterator[Mall]:
    """The application and the test's own services, each with a dozen connections."""
    database = Database(logins, pool_size=POOL)
    async with open_mall(database, tmp_path, pool_size=POOL) as mall:
        yield mall
    await database.close()
