"""Pooled connections: taken from SQLAlchemy's pool, used as psycopg made them, and given back idle or closed."""

import asyncio
import math
import time
from collections.abc import Awaitable
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import PoolProxiedConnection

from tenancy.metrics import Watcher, in_use, statements_of, waiting
from tenancy.statements import failure
from tenancy.wire import Wire

SCHEMAS = 200
"""Different merchants that a connection visits before another takes its place.

Its backend remembers for as long as it lives what it has seen of the catalogue: 0.3 to 0.4 MB for each merchant.
"""


LIFETIME = 1_800.0
"""Seconds after which a connection is replaced by another."""


class Lease:
    """A pooled connection while somebody has it. ``visited`` are the roles that it has ever taken; ``info`` stays with
    it."""

    def __init__(self, pool: "Pool", pooled: PoolProxiedConnection, opened: object) -> None:
        driver = pooled.driver_connection
        if not isinstance(driver, AsyncConnection):
            raise TypeError("transactions need psycopg connections")
        self._pool = pool
        self._pooled = pooled
        self._opened = opened
        self.driver: AsyncConnection[Any] = driver
        self.info: dict[Any, Any] = pooled.info
        if "wire" not in pooled.info:
            pooled.info.update(wire=Wire(driver), visited=set(), made_at=time.monotonic())
        self.wire: Wire = pooled.info["wire"]
        self.visited: set[str] = pooled.info["visited"]
        self._pool.in_use.inc()

    @property
    def is_fit(self) -> bool:
        """Whether it may be used: it isn't old, and no other one has broken since it was made."""
        return bool(self.info["made_at"] > max(self._pool.broken_at, time.monotonic() - LIFETIME))

    def give_back(self, *, is_worn: bool = False) -> None:
        """To the pool where the connection is idle; otherwise it is closed, and another one takes its place.

        So is one that is worn, or has visited too many merchants.
        """
        if self.driver.info.transaction_status is not TransactionStatus.IDLE:
            if self.driver.broken:  # whatever ended it has probably ended the others that are idle
                self._pool.broken_at = time.monotonic()
            self.end()
        elif is_worn or len(self.visited) > SCHEMAS or self._opened is not self._pool.opened:
            self.end()
        else:
            self._pool.in_use.dec()
            self._pooled.close()

    def end(self) -> None:
        """Close the connection. The pool makes another one in its place when it is asked for it."""
        self._pool.in_use.dec()
        self.driver.pgconn.finish()
        self._pooled.detach()


class _NotMade(Exception):
    """A connection would have to be made, for which nobody waits here."""


class Pool:
    """A small pool of connections whose transactions whoever takes one begins and ends, and that nobody resets.

    They are of bounded lifetime: PostgreSQL's relation cache grows with every schema that a connection visits. psycopg
    prepares nothing by itself; ``Wire`` and ``Analyst`` do what is worth it, where no pooler is in between.

    One that is idle is taken at once: SQLAlchemy's way would cost a tenth of a request that reads a row.
    """

    def __init__(self, url: str, size: int, name: str) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=10,
            pool_use_lifo=True,  # a task that asks again gets the connection that still knows its merchant
            pool_reset_on_return=None,
            hide_parameters=True,
            connect_args={"prepare_threshold": None, "autocommit": True, "async_creator_fn": self._connecting},
        )
        self._name = name
        self._wants_idle = False
        self._waiting = 0
        self.watchers: list[Watcher] = [statements_of(name)]
        """Told of every statement."""
        self.dialect = self._engine.dialect
        self.in_use = in_use(name, size)
        self.broken_at = -math.inf
        """Connections that were made before are not used any more."""

    @property
    def opened(self) -> Any:
        """SQLAlchemy's pool; another one after :meth:`close`."""
        return self._engine.pool

    async def take(self) -> Lease:
        """A connection. It goes back where whoever waits for it is cancelled as it comes.

        Raises sqlalchemy.exc.TimeoutError where none comes, and DBAPIError where none can be made.
        """
        try:
            while not (lease := self._idle() or await self._waited_for()).is_fit:
                lease.end()
        except psycopg.Error as error:
            raise failure(error, self.dialect) from error
        return lease

    def _idle(self) -> Lease | None:
        """One that is idle; None where none is, others wait for one, or the first of them has yet to be made."""
        if self._waiting or not self.opened.checkedin():
            return None
        self._wants_idle = True
        try:
            return Lease(self, self._engine.sync_engine.raw_connection(), self.opened)
        except _NotMade:
            return None
        finally:
            self._wants_idle = False

    def _connecting(self, *args: Any, **options: Any) -> Awaitable[AsyncConnection[Any]]:
        if self._wants_idle:
            raise _NotMade
        return _connect(*args, **options)

    async def _waited_for(self) -> Lease:
        opened, taking = self.opened, asyncio.ensure_future(self._engine.raw_connection())
        self._waiting += 1
        try:
            with waiting(self._name):
                return Lease(self, await asyncio.shield(taking), opened)
        except asyncio.CancelledError:
            taking.add_done_callback(lambda taken: self._abandon(taken, opened))
            raise
        finally:
            self._waiting -= 1

    def _abandon(self, taking: "asyncio.Future[PoolProxiedConnection]", opened: object) -> None:
        if not taking.cancelled() and taking.exception() is None:
            Lease(self, taking.result(), opened).give_back()

    async def close(self) -> None:
        """Close the connections that are idle, and the others when they are given back. Whoever takes one after that
        opens the pool anew."""
        await self._engine.dispose()


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
