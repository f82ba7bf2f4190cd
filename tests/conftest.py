"""What all tests share: databases, made for each test and gone after it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tenancy import embedded
from tenancy.database import Database
from tenancy.logins import Logins
from tests import cluster as clusters
from tests.cluster import Cluster

HOME = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that pytest was started as owns the server's directory; xdist's workers are told of it."""
    given = getattr(config, "workerinput", {}).get("cluster_home")
    config.stash[HOME] = Path(given) if given else clusters.make_home()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before xdist starts a worker."""
    node.workerinput["cluster_home"] = str(node.config.stash[HOME])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Workers are gone by now, and the server with the last of them."""
    home = config.stash.get(HOME, None)
    if home is None:
        return
    if hasattr(config, "workerinput"):
        embedded.stop(home)
    else:
        clusters.remove_home(home)


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The server, with a migrated template."""
    return clusters.start(pytestconfig.stash[HOME])


@pytest.fixture
def logins(cluster: Cluster) -> Iterator[Logins]:
    """A database of this test's own, at the newest version, without merchants."""
    logins = cluster.clone()
    yield logins
    cluster.drop(logins)


@pytest.fixture
def empty_logins(cluster: Cluster) -> Iterator[Logins]:
    """A database of this test's own with roles and nothing else."""
    logins = cluster.empty()
    yield logins
    cluster.drop(logins)


@pytest.fixture
async def database(logins: Logins) -> AsyncIterator[Database]:
    """The program's door to the test's database."""
    database = Database(logins, pool_size=5)
    yield database
    await database.close()
