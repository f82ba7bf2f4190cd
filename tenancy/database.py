"""Connections and transactions that become a merchant, the platform or the public, for one transaction only.

The program logs in as ``merchantry_app``, which can read nothing by itself. Inside a transaction it becomes somebody
with one local ``set_config`` statement; nothing is ever set for a whole connection, so a pooled one carries nothing
over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar
from uuid import UUID

from psycopg.pq import TransactionStatus
from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from tenancy.connections import Pool
from tenancy.dumping import Dumped
from tenancy.logins import Logins
from tenancy.schemas import PLATFORM, PUBLIC, SchemaName, schema_of
from tenancy.statements import Parameters, Rows, Statements
from tenancy.wire import OUTDATED, Answers, Message, Wire

T = TypeVar("T")

BECOME = "SELECT set_config('role', $1, true)"
BEGIN_AS = (
    "SELECT set_config('role', $1, true), set_config('application_name', $2, true),"
    " set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true)"
)
WRITING = "BEGIN"
READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATEs of serialization failure and deadlock."""
AGAIN = CONFLICTS | OUTDATED
"""SQLSTATEs after which the whole transaction is simply run again."""


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
        return await self._transaction.execute(self, statement, parameters, self._schema)

    def later(
        self,
        statement: Executable,
        parameters: Parameters | None = None,
        *,
        refused: Mapping[str, Exception] | None = None,
    ) -> None:
        """Send a statement with whatever is sent next, COMMIT at the latest: its errors are raised there.

        ``refused`` is what to raise instead, by SQLSTATE.
        """
        self._transaction.later(self, statement, parameters, self._schema, refused)

    async def scalar(self, statement: Executable, parameters: Parameters | None = None) -> Any:
        """The first column of the first row, or None."""
        return (await self.execute(statement, parameters)).scalar()

    async def finish(self, statement: Executable, parameters: Parameters | None = None) -> Rows:
        """The transaction's last statement, committed in the same round trip; the session is over then.

        What follows must not fail, because it is done. Raises what :meth:`execute` raises, and CommitUnknown.
        """
        return await self._transaction.finish(self, statement, parameters, self._schema)

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

    def __init__(self, wire: Wire, statements: Statements, begin: str, actor: str, timeouts: "Timeouts") -> None:
        """``begin`` is sent with the first statement."""
        self.statements = statements
        self.connection = wire.connection
        self._wire = wire
        self._begin = begin
        self.actor = actor
        self._timeouts = timeouts
        self._current: Session | None = None
        self._wanted: str | None = None
        self._role: str | None = None
        self._waiting: list[Message] = []
        self._savepoints = 0
        self._is_untouched = True
        self._is_over = False
        self._is_committed = False
        self._task = asyncio.current_task()
        self.wakes: set[str] = set()
        self.roles: set[str] = set()

    async def execute(
        self, session: Session, statement: Executable, parameters: Parameters | None, schema: str | None
    ) -> Rows:
        """Run a statement as the session's role, after all that waits to be sent with it."""
        self.check(session)
        asked = self.statements.asked(self._wire, statement, parameters, schema)
        *_, results = await self._send(asked.message)
        return asked.rows(self._wire, results)

    def later(
        self,
        session: Session,
        statement: Executable,
        parameters: Parameters | None,
        schema: str | None,
        refused: Mapping[str, Exception] | None,
    ) -> None:
        """Let a statement wait for the next."""
        self.check(session)
        asked = self.statements.asked(self._wire, statement, parameters, schema, refused)
        self._waiting += [*self._becoming(), asked.message]

    async def finish(
        self, session: Session, statement: Executable, parameters: Parameters | None, schema: str | None
    ) -> Rows:
        """Run a statement as the session's role, and commit."""
        self.check(session)
        asked = self.statements.asked(self._wire, statement, parameters, schema)
        self._waiting += [*self._becoming(), asked.message]
        self.end()
        *_, results, _ = await self._committed()
        return asked.rows(self._wire, results)

    def check(self, session: Session) -> None:
        """Raise StaleSession for any session but the one that the transaction is at present."""
        if session is not self._current or asyncio.current_task() is not self._task:
            raise StaleSession("this session is no longer what its transaction is")

    async def _send(self, *messages: Message, is_as_somebody: bool = True) -> Answers:
        """Send what waits, then these; the results of all."""
        becoming = self._becoming() if is_as_somebody else []
        waiting, self._waiting = [*self._waiting, *becoming, *messages], []
        self._is_untouched = False
        try:
            return await self.statements.send(self._wire, waiting)
        except BaseException:
            self._role = None
            raise

    def _becoming(self) -> list[Message]:
        """What has to be sent before the next statement of whoever the transaction is to be."""
        role, self._role = self._role, self._wanted
        if role == self._wanted or self._wanted is None:
            return []
        self.roles.add(self._wanted)
        if not self._begin:
            return [Message(BECOME, [_said(self._wanted)], BECOME)]
        begin, self._begin = self._begin, ""
        timeouts = (self._timeouts["statement_timeout"], self._timeouts["lock_timeout"])
        return [Message(begin), Message(BEGIN_AS, [_said(self._wanted, self.actor[:63], *timeouts)], BEGIN_AS)]

    @asynccontextmanager
    async def as_merchant(self, merchant_id: UUID) -> AsyncIterator[MerchantSession]:
        """Become the merchant until the block ends or the transaction becomes somebody else."""
        session = MerchantSession(self, merchant_id)
        with self._being(session, session.schema):
            yield session

    @asynccontextmanager
    async def as_platform(self) -> AsyncIterator[PlatformSession]:
        """Become the platform."""
        session = PlatformSession(self)
        with self._being(session, PLATFORM):
            yield session

    @asynccontextmanager
    async def as_public(self) -> AsyncIterator[PublicSession]:
        """Become the public."""
        session = PublicSession(self)
        with self._being(session, PUBLIC):
            yield session

    @contextmanager
    def _being(self, session: Session, role: str) -> Iterator[None]:
        """The role is taken with the first statement that is sent."""
        if asyncio.current_task() is not self._task:
            raise StaleSession("a transaction belongs to the task that began it")
        if self._is_over:
            raise StaleSession("this transaction is over")
        self._current, self._wanted = session, role
        try:
            yield
        finally:
            if self._current is session:
                self._current = None

    @asynccontextmanager
    async def savepoint(self, session: Session) -> AsyncIterator[None]:
        """What is done inside is undone where the block raises."""
        self.check(session)
        self._savepoints += 1
        name = f"savepoint_{self._savepoints}"
        await self._send(Message(f"SAVEPOINT {name}"))
        role = self._role
        try:
            yield
            await self._send(Message(f"RELEASE SAVEPOINT {name}"), is_as_somebody=False)
        except Exception:
            self._waiting = []
            if not self.connection.closed:
                await self._send(Message(f"ROLLBACK TO SAVEPOINT {name}"), is_as_somebody=False)
                self._role = role  # one that was taken inside is taken back too
            raise

    def end(self) -> None:
        """No session is alive any more, and none begins."""
        self._current = None
        self._is_over = True

    def check_alive(self) -> None:
        """Raise CommitLost where COMMIT would silently roll back."""
        expected = TransactionStatus.IDLE if self._is_untouched or self._is_committed else TransactionStatus.INTRANS
        if self.connection.info.transaction_status is not expected:
            raise CommitLost("a database error was caught inside the transaction; nothing was stored")

    async def commit(self) -> None:
        """Unless there is nothing to commit. Raises CommitUnknown where the database did not answer."""
        if not self._begin and not self._is_committed:
            await self._committed()

    async def _committed(self) -> Answers:
        try:
            answers = await self.send_commit()
        except DBAPIError as error:
            if error.connection_invalidated or sqlstate(error) is None:
                raise CommitUnknown("the database did not answer COMMIT") from error
            raise
        self._is_committed = True
        return answers

    async def send_commit(self) -> Answers:
        """What happens of it is known when this returns, and only then."""
        return await self._send(Message("COMMIT"), is_as_somebody=False)

    async def roll_back(self) -> None:
        """Where that can't be done, the connection is closed, which does it too."""
        self._waiting = []
        if self.connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(DBAPIError):
                await self._send(Message("ROLLBACK"), is_as_somebody=False)


def _said(*words: str) -> Dumped:
    return Dumped([word.encode() for word in words], (), [])


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
        self.pool = Pool(logins.app, pool_size, "app")
        self.statements = Statements(self.pool.dialect)
        self.statements.watchers = self.pool.watchers
        self.analyst = Pool(logins.analyst, ANALYST_READS * 3, "analyst")
        self.analyst_slots = asyncio.Semaphore(ANALYST_READS)
        self.pages = Pool(logins.analyst, pool_size, "pages")
        self.woken_by: dict[str, Callable[[], None]] = {}
        self._timeouts = {"statement_timeout": str(statement_timeout_ms), "lock_timeout": str(lock_timeout_ms)}

    def write(self, actor: str) -> AbstractAsyncContextManager[Transaction]:
        """One READ COMMITTED transaction; commits at the end of the block.

        Raises CommitLost or CommitUnknown; everything else that is raised inside rolls back.
        """
        return self._transaction(WRITING, actor)

    def read(self, actor: str) -> AbstractAsyncContextManager[Transaction]:
        """One REPEATABLE READ, READ ONLY transaction: everything in the block sees one snapshot."""
        return self._transaction(READING, actor)

    async def run(self, actor: str, work: Callable[[Transaction], Awaitable[T]], *, attempts: int = 6) -> T:
        """Run ``work`` in a write transaction, again from the start after a deadlock, a serialization failure, or with
        a prepared statement that the server no longer has."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: sqlstate(error) in AGAIN),
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
        lease = await self.pool.take()
        transaction = Transaction(lease.wire, self.statements, begin, actor, self._timeouts)
        try:
            try:
                yield transaction
                transaction.check_alive()
                transaction.end()
                await transaction.commit()
            except Exception:
                await transaction.roll_back()
                raise
            finally:
                transaction.end()
        finally:
            lease.visited |= transaction.roles
            lease.give_back()
        for name in transaction.wakes & self.woken_by.keys():
            self.woken_by[name]()

    async def close(self) -> None:
        """Give all connections back."""
        await self.pool.close()
        await self.analyst.close()
        await self.pages.close()
