"""The mall of tests that enter by the public door."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tenancy.database import Database
from tests.graphql_api.mall import Mall, open_mall


@pytest.fixture
async def mall(database: Database, tmp_path: Path) -> AsyncIterator[Mall]:
    """The whole application over a database of this test's own."""
    async with open_mall(database, tmp_path) as mall:
        yield mall
