"""One world for all tests of this directory: they read it, or change what was put there for them alone."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster import Cluster
from tests.isolation.world import World, a_world


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The mall with its victim; of all files but those that need one of their own."""
    async with a_world(cluster, tmp_path_factory) as world:
        yield world
