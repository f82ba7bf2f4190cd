"""Connections and transactions that become a merchant, the platform or the public, for one transaction only.

The program logs in as ``merchantry_app``, which can read nothing by itself. Inside a transaction it becomes somebody
with one local ``set_config`` statement; nothing is ever set for a whole connection, so a pooled one carries nothing
over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from psycopg import AsyncClientCursor, AsyncConnection
from psycopg.pq import TransactionStatus
from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from tenancy.connections import make_engine, make_pool, taken
from tenancy.logins import Logins
from tenancy.metrics import statements_of
from tenancy.schemas import PLATFORM, PUBLIC, SchemaName, schema_of
from tenancy.statements import Parameters, Rows, Statements

T = TypeVar("T")

BECOME = (
    "SELECT set_config('role', %(role)s, true), set_config('application_name', %(actor)s, true),"
    " set_config('statement_timeout', %(statement_timeout)s, true), set_config('lock_timeout', %(lock_timeout)s, true)"
)
WRITING = "BEGIN"
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
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
        self._schema = schema

    async def execute(self, statement: Executable, parameters: Parameters | None = None) -> Rows:
        """Run one statement as whoever the session is; of many parameters, once for each.

        Raises StaleSession once the transaction is somebody else, and sqlalchemy.exc.DBAPIError.
        """
        connection = self._transaction.connection_of(self)
        return await self._transaction.statements.run(connection, statement, parameters, self._schema)

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    def wake(self, name: str) -> None:
        """Once the transaction is committed, tell whoever in this process waits for that (``Database.woken_by``)."""
        self._transaction.wakes.add(name)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Where a database error is an expected answer: the rest of the transaction survives it."""
        async with self._transaction.savepoint(self):
            yield


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

    def __init__(
        self, connection: AsyncConnection[Any], statements: Statements, begin: str, actor: str, timeouts: "Timeouts"
    ) -> None:
        """``begin`` is sent with the first role that is taken; "" where the connection is in a transaction already."""
        self.statements = statements
        self.connection = connection
        self._begin = begin
        self.actor = actor
        self._timeouts = timeouts
        self._current: Session | None = None
        self._role: str | None = None
        self._savepoints = 0
        self._task = asyncio.current_task()
        self.wakes: set[str] = set()
        self.roles: set[str] = set()

    def connection_of(self, session: Session) -> AsyncConnection[Any]:
        """The connection, for the session that the transaction is at present."""
        if session is not self._current or asyncio.current_task() is not self._task:
            raise StaleSession("this session is no longer what its transaction is")
        return self.connection

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
            self.roles.add(role)
            parameters = {"role": role, "actor": self.actor[:63], **self._timeouts}
            text = f"{self._begin};{BECOME}" if self._begin else BECOME
            with self.statements.watched(text, self.connection):
                await AsyncClientCursor(self.connection).execute(text, parameters)
            self._begin = ""
            self._role = role
        self._current = session

    @asynccontextmanager
    async def savepoint(self, session: Session) -> AsyncIterator[None]:
        """What is done inside is undone where the block raises."""
        self.connection_of(session)
        self._savepoints += 1
        name = f"savepoint_{self._savepoints}"
        await self._send(f"SAVEPOINT {name}")
        try:
            yield
        except Exception:
            self._role = None  # one that was taken inside is taken back too: take it anew
            if not self.connection.closed:
                await self._send(f"ROLLBACK TO SAVEPOINT {name}")
            raise
        await self._send(f"RELEASE SAVEPOINT {name}")

    async def _send(self, text: str) -> None:
        with self.statements.watched(text, self.connection):
            await self.connection.execute(text.encode())

    def end(self) -> None:
        """No session is alive any more."""
        self._current = None

    def check_alive(self) -> None:
        """Raise CommitLost where COMMIT would silently roll back."""
        expected = TransactionStatus.IDLE if self._begin else TransactionStatus.INTRANS
        if self.connection.info.transaction_status is not expected:
            raise CommitLost("a database error was caught inside the transaction; nothing was stored")

    async def commit(self) -> None:
        """Raises CommitUnknown where the database did not answer."""
        if self._begin:
            return
        try:
            await self.send_commit()
        except DBAPIError as error:
            if error.connection_invalidated or sqlstate(error) is None:
                raise CommitUnknown("the database did not answer COMMIT") from error
            raise

    async def send_commit(self) -> None:
        """What happens of it is known when this returns, and only then."""
        await self._send("COMMIT")

    async def roll_back(self) -> None:
        """Where that can't be done, the connection is closed, which does it too."""
        if self.connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(DBAPIError):
                await self._send("ROLLBACK")


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
        self.engine = make_pool(logins.app, pool_size, "app")
        self.statements = Statements(self.engine.dialect)
        self.statements.watchers.append(statements_of("app"))
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
        async with self._transaction(WRITING, actor) as transaction:
            yield transaction

    @asynccontextmanager
    async def read(self, actor: str) -> AsyncIterator[Transaction]:
        """One REPEATABLE READ, READ ONLY transaction: everything in the block sees one snapshot."""
        async with self._transaction(READING, actor) as transaction:
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
    async def _transaction(self, begin: str, actor: str) -> AsyncIterator[Transaction]:
        lease = await taken(self.engine)
        transaction = Transaction(lease.driver, self.statements, begin, actor, self._timeouts)
        try:
            try:
                yield transaction
                transaction.check_alive()
            except Exception:
                await transaction.roll_back()
                raise
            finally:
                transaction.end()
            await transaction.commit()
        finally:
            lease.visited |= transaction.roles
            lease.give_back()
        for name in transaction.wakes & self.woken_by.keys():
            self.woken_by[name]()

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()
        await self.analyst.dispose()
        await self.pages.dispose()
