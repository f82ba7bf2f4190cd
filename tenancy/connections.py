"""Pooled connections: taken from SQLAlchemy's pool, used as psycopg made them, and given back idle or closed."""

import asyncio
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolProxiedConnection

from tenancy.metrics import statements_of, waiting, watch, watch_pool
from tenancy.statements import failure
from tenancy.wire import Wire

SCHEMAS = 200
"""Different merchants that a connection visits before another takes its place.

Its backend remembers for as long as it lives what it has seen of the catalogue: 0.3 to 0.4 MB for each merchant.
"""


class Lease:
    """A pooled connection while somebody has it. ``visited`` are the roles that it has ever taken."""

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection) -> None:
        driver = pooled.driver_connection
        if not isinstance(driver, AsyncConnection):
            raise TypeError("transactions need psycopg connections")
        self._engine = engine
        self._pooled = pooled
        self.driver: AsyncConnection[Any] = driver
        self.wire: Wire = pooled.info.get("wire") or pooled.info.setdefault("wire", Wire(driver))
        self.visited: set[str] = pooled.info.setdefault("visited", set())

    def give_back(self) -> None:
        """To the pool where the connection is idle; otherwise it is closed, and another one takes its place.

        So is one that has visited too many merchants.
        """
        if self.driver.info.transaction_status is not TransactionStatus.IDLE or len(self.visited) > SCHEMAS:
            if self.driver.broken:  # whatever ended it has probably ended the others that are idle
                self._engine.pool._invalidate(self._pooled, None, False)
            self.driver.pgconn.finish()
            self._pooled.invalidate(soft=True)
        self._pooled.close()


async def taken(engine: AsyncEngine) -> Lease:
    """A connection of the pool. It goes back where whoever waits for it is cancelled as it comes.

    Raises sqlalchemy.exc.TimeoutError where none comes, and DBAPIError where none can be made.
    """
    try:
        if engine.pool.checkedin():  # type: ignore[attr-defined]
            return Lease(engine, await engine.raw_connection())
        return await _waited_for(engine)
    except psycopg.Error as error:
        raise failure(error, engine.dialect) from error


async def _waited_for(engine: AsyncEngine) -> Lease:
    taking = asyncio.ensure_future(engine.raw_connection())
    try:
        with waiting("app"):
            return Lease(engine, await asyncio.shield(taking))
    except asyncio.CancelledError:
        taking.add_done_callback(lambda done: _abandon(engine, done))
        raise


def _abandon(engine: AsyncEngine, taking: "asyncio.Future[PoolProxiedConnection]") -> None:
    if not taking.cancelled() and taking.exception() is None:
        Lease(engine, taking.result()).give_back()


async def _connect(*args: Any, **options: Any) -> AsyncConnection[Any]:
    """A connection; where whoever wanted it was cancelled meanwhile, it is closed and not left to the collector."""
    connecting = asyncio.create_task(AsyncConnection.connect(*args, **options))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_finish)
        raise


def _finish(connecting: "asyncio.Task[AsyncConnection[Any]]") -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().pgconn.finish()


def make_engine(url: str, pool_size: int, name: str) -> AsyncEngine:
    """A small pool of bounded lifetime (PostgreSQL's relation cache grows with every schema a connection visits), whose
    transactions SQLAlchemy begins and ends.

    psycopg prepares nothing by itself; ``Wire`` and ``Analyst`` do what is worth it, where no pooler is in between.
    """
    engine = _engine(url, pool_size, autocommit=False)
    watch(engine, statements_of(name))
    watch_pool(engine, name, pool_size)
    return engine


def make_pool(url: str, pool_size: int, name: str) -> AsyncEngine:
    """The same of connections whose transactions whoever takes one begins and ends, and that nobody resets."""
    engine = _engine(url, pool_size, autocommit=True, pool_reset_on_return=None)
    watch_pool(engine, name, pool_size)
    return engine


def _engine(url: str, pool_size: int, *, autocommit: bool, **options: Any) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1_800,
        pool_use_lifo=True,  # a task that asks again gets the connection that still knows its merchant
        hide_parameters=True,
        connect_args={"prepare_threshold": None, "autocommit": autocommit, "async_creator_fn": _connect},
        **options,
    )
