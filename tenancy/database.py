"""Connections and transactions that become a merchant, the platform or the public, for one transaction only.

The program logs in as ``merchantry_app``, which can read nothing by itself. Inside a transaction it becomes somebody
with one local ``set_config`` statement; nothing is ever set for a whole connection, so a pooled one carries nothing
over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from tenancy.logins import Logins
from tenancy.metrics import waiting, watch
from tenancy.schemas import MARK, PLATFORM, PUBLIC, SchemaName, schema_of

T = TypeVar("T")
Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]]

BECOME = text(
    "SELECT set_config('role', :role, true), set_config('application_name', :actor, true),"
    " set_config('statement_timeout', :statement_timeout, true), set_config('lock_timeout', :lock_timeout, true)"
)
CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATEs after which the whole transaction is simply run again: serialization failure and deadlock."""


ANALYST_READS = 2
"""Reads across schemas at once; each takes up to three connections, so none waits for another's."""


class CommitLost(Exception):
    """A database error was swallowed inside the transaction: PostgreSQL would answer COMMIT with a silent ROLLBACK."""


class CommitUnknown(Exception):
    """The connection broke while COMMIT was under way: it may have happened. Ask by the idempotency key."""


class StaleSession(Exception):
    """The session's transaction is over, became somebody else, or belongs to another task."""


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE of a database error, None for anything else."""
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None


class Session:
    """A transaction while it is somebody. Its kind says whose data it can reach."""

    def __init__(self, transaction: "Transaction", schema: SchemaName | None = None) -> None:
        self._transaction = transaction
        self._options = {"schema_translate_map": {MARK: schema}} if schema else None

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> CursorResult[Any]:
        """Run one statement as whoever the session is. Raises StaleSession once the transaction is somebody else."""
        connection = self._transaction.connection_of(self)
        if isinstance(parameters, Sequence) and len(parameters) == 1:
            parameters = parameters[0]  # psycopg would open a pipeline for it
        return await connection.execute(statement, parameters, execution_options=self._options)

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    def wake(self, name: str) -> None:
        """Once the transaction is committed, tell whoever in this process waits for that (``Database.woken_by``)."""
        self._transaction.wakes.add(name)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Where a database error is an expected answer: the rest of the transaction survives it."""
        async with self._transaction.connection_of(self).begin_nested():
            try:
                yield
            except BaseException:
                self._transaction.forget_role()
                raise


class MerchantSession(Session):
    """Reads and writes one merchant's schema, and that merchant's rows in ``platform``."""

    def __init__(self, transaction: "Transaction", merchant_id: UUID) -> None:
        self.merchant_id = merchant_id
        self.schema = schema_of(merchant_id)
        super().__init__(transaction, self.schema)


class PlatformSession(Session):
    """Reads and writes ``platform``; no merchant's schema."""


class PublicSession(Session):
    """Reads what everybody may see: listings, categories, shops."""


class Transaction:
    """One database transaction of one task. It can be several merchants, one after the other; all or nothing."""

    def __init__(self, connection: AsyncConnection, actor: str, timeouts: "Timeouts") -> None:
        self._connection = connection
        self._actor = actor
        self._timeouts = timeouts
        self._current: Session | None = None
        self._role: str | None = None
        self._task = asyncio.current_task()
        self.wakes: set[str] = set()

    def connection_of(self, session: Session) -> AsyncConnection:
        """The connection, for the session that the transaction is at present."""
        if session is not self._current or asyncio.current_task() is not self._task:
            raise StaleSession("this session is no longer what its transaction is")
        return self._connection

    @asynccontextmanager
    async def as_merchant(self, merchant_id: UUID) -> AsyncIterator[MerchantSession]:
        """Become the merchant until the block ends or the transaction becomes somebody else."""
        session = MerchantSession(self, merchant_id)
        async with self._being(session, session.schema):
            yield session

    @asynccontextmanager
    async def as_platform(self) -> AsyncIterator[PlatformSession]:
        """Become the platform."""
        session = PlatformSession(self)
        async with self._being(session, PLATFORM):
            yield session

    @asynccontextmanager
    async def as_public(self) -> AsyncIterator[PublicSession]:
        """Become the public."""
        session = PublicSession(self)
        async with self._being(session, PUBLIC):
            yield session

    @asynccontextmanager
    async def _being(self, session: Session, role: str) -> AsyncIterator[None]:
        await self._become(session, role)
        try:
            yield
        finally:
            if self._current is session:
                self._current = None

    async def _become(self, session: Session, role: str) -> None:
        if asyncio.current_task() is not self._task:
            raise StaleSession("a transaction belongs to the task that began it")
        self._current = None
        if role != self._role:
            self._role = None
            parameters = {"role": role, "actor": self._actor[:63], **self._timeouts}
            await self._connection.execute(BECOME, parameters)
            self._role = role
        self._current = session

    def forget_role(self) -> None:
        """A savepoint that is rolled back takes back the role that was taken inside it: take it anew."""
        self._role = None

    def end(self) -> None:
        """No session is alive any more."""
        self._current = None

    async def check_alive(self) -> None:
        """Raise CommitLost where COMMIT would silently roll back."""
        driver = (await self._connection.get_raw_connection()).driver_connection
        if driver is None or driver.info.transaction_status is not TransactionStatus.INTRANS:
            raise CommitLost("a database error was caught inside the transaction; nothing was stored")


Timeouts = dict[str, str]


class Database:
    """The program's door to PostgreSQL: short transactions on small pools.

    ``statement_timeout_ms`` bounds a statement, ``lock_timeout_ms`` the wait for a row somebody else is changing.
    """

    def __init__(
        self,
        logins: Logins,
        *,
        pool_size: int = 8,
        statement_timeout_ms: int = 15_000,
        lock_timeout_ms: int = 4_000,
    ) -> None:
        self.logins = logins
        self.engine = make_engine(logins.app, pool_size, "app")
        self.reader = self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self.analyst = make_engine(logins.analyst, ANALYST_READS * 3, "analyst")
        self.analyst_slots = asyncio.Semaphore(ANALYST_READS)
        self.pages = make_engine(logins.analyst, pool_size, "pages")
        self.woken_by: dict[str, Callable[[], None]] = {}
        self._timeouts = {"statement_timeout": str(statement_timeout_ms), "lock_timeout": str(lock_timeout_ms)}

    @asynccontextmanager
    async def write(self, actor: str) -> AsyncIterator[Transaction]:
        """One READ COMMITTED transaction; commits at the end of the block.

        Raises CommitLost or CommitUnknown; everything else that is raised inside rolls back.
        """
        async with self._transaction(self.engine, actor) as transaction:
            yield transaction

    @asynccontextmanager
    async def read(self, actor: str) -> AsyncIterator[Transaction]:
        """One REPEATABLE READ, READ ONLY transaction: everything in the block sees one snapshot."""
        async with self._transaction(self.reader, actor) as transaction:
            yield transaction

    async def run(self, actor: str, work: Callable[[Transaction], Awaitable[T]], *, attempts: int = 6) -> T:
        """Run ``work`` in a write transaction, again from the start after a deadlock or serialization failure."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: sqlstate(error) in CONFLICTS),
            stop=stop_after_attempt(attempts),
            wait=wait_random_exponential(multiplier=0.01, max=0.5),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with self.write(actor) as transaction:
                    return await work(transaction)
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine, actor: str) -> AsyncIterator[Transaction]:
        async with aclosing(await _taken(engine)) as connection:
            begun = await connection.begin()
            transaction = Transaction(connection, actor, self._timeouts)
            try:
                yield transaction
                await transaction.check_alive()
            except BaseException:
                transaction.end()
                await begun.rollback()
                raise
            transaction.end()
            try:
                await begun.commit()
            except DBAPIError as error:
                if error.connection_invalidated or sqlstate(error) is None:
                    raise CommitUnknown("the database did not answer COMMIT") from error
                raise
            for name in transaction.wakes & self.woken_by.keys():
                self.woken_by[name]()

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
        await self.analyst.dispose()
        await self.pages.dispose()


async def _taken(engine: AsyncEngine) -> AsyncConnection:
    """A connection of the pool; it goes back where whoever waits for it is cancelled as it comes."""
    taking = asyncio.ensure_future(engine.connect().start())
    try:
        with waiting("app"):
            return await asyncio.shield(taking)
    except asyncio.CancelledError:
        taking.add_done_callback(_give_back)
        raise


def _give_back(taking: "asyncio.Future[AsyncConnection]") -> None:
    if not taking.cancelled() and taking.exception() is None:
        giving = asyncio.ensure_future(taking.result().aclose())
        _GIVING.add(giving)
        giving.add_done_callback(_GIVING.discard)


_GIVING: set["asyncio.Future[None]"] = set()
"""A task that nobody holds may be collected before it is done."""


async def _connect(*args: Any, **options: Any) -> psycopg.AsyncConnection[Any]:
    """A connection; where whoever wanted it was cancelled meanwhile, it is closed and not left to the collector."""
    connecting = asyncio.create_task(psycopg.AsyncConnection.connect(*args, **options))
    try:
        return await asyncio.shield(connecting)
    except asyncio.CancelledError:
        connecting.add_done_callback(_finish)
        raise


def _finish(connecting: "asyncio.Task[psycopg.AsyncConnection[Any]]") -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().pgconn.finish()


def make_engine(url: str, pool_size: int, name: str) -> AsyncEngine:
    """A small pool of bounded lifetime (PostgreSQL's relation cache grows with every schema a connection visits).

    Nothing is prepared: over many schemas preparing gains nothing, and PgBouncer in transaction mode then works.
    """
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=10,
        pool_recycle=1_800,
        pool_use_lifo=True,  # a task that asks again gets the connection that still knows its merchant
        hide_parameters=True,
        connect_args={"prepare_threshold": None, "async_creator_fn": _connect},
    )
    watch(engine, name, pool_size)
    return engine
