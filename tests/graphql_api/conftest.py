"""The mall of tests that enter by the public door."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tenancy.database import Database
from tests.cluster import Cluster
from tests.graphql_api.mall import Mall, open_mall
from tests.graphql_api.shops import Shops, open_shops


@pytest.fixture
async def mall(database: Database, tmp_path: Path) -> AsyncIterator[Mall]:
    """The whole application over a database of this test's own."""
    async with open_mall(database, tmp_path) as mall:
        yield mall


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shops(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shops]:
    """One mall for the module: what is refused changes nothing, so that tests can share it."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    try:
        async with open_mall(database, tmp_path_factory.mktemp("mall")) as mall:
            yield await open_shops(mall)
    finally:
        await database.close()
    cluster.drop(logins)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def production(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shops]:
    """A mall as it is served to the world; what is refused changes nothing, so all tests share it."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    try:
        async with open_mall(database, tmp_path_factory.mktemp("mall"), development=False) as mall:
            yield await open_shops(mall)
    finally:
        await database.close()
    cluster.drop(logins)
