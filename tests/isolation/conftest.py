"""One world for all tests of this directory: they read it, or change what was put there for them alone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tenancy.database import Database
from tests.cluster import Cluster
from tests.isolation.world import World, open_world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The mall with its victim."""
    logins = cluster.clone()
    database = Database(logins, pool_size=5)
    async with open_world(database, tmp_path_factory.mktemp("world")) as world:
        yield world
    await database.close()
    cluster.drop(logins)
