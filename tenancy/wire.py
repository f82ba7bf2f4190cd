"""What goes to PostgreSQL over one connection: several statements in one round trip, and prepared what comes often."""

from collections import OrderedDict
from collections.abc import Generator, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import PipelineAborted, error_from_result
from psycopg.generators import fetch_many, send
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from tenancy.dumping import Dumped
from tenancy.schemas import MARK

PREPARED: Final = 128
"""Statements that a connection has prepared at most, the latest used the longest: each takes memory in its backend."""
OFTEN: Final = 3
"""The time that a statement comes at which it is prepared."""
REMEMBERED: Final = 512
"""Of how many statements a connection knows how often they came."""
OUTDATED: Final = frozenset({"0A000", "26000"})
"""SQLSTATEs of a prepared statement whose tables have changed, or that the server doesn't have."""

FINE: Final = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK, ExecStatus.EMPTY_QUERY)
NO_VALUES: Final = Dumped([], (), [])

Answers: TypeAlias = list[list[PGresult]]


class Message(NamedTuple):
    """A statement to be sent, once for each of ``values``. ``shape`` says that it is the same as another; None of what
    is never prepared. ``refused`` is what to raise for an SQLSTATE that is an expected answer. In its text ``schema``
    stands for ``MARK``."""

    text: str
    values: Sequence[Dumped] = (NO_VALUES,)
    shape: Hashable = None
    refused: Mapping[str, Exception] | None = None
    schema: str | None = None

    @property
    def sql(self) -> str:
        """The text as it is sent: what is prepared is not sent again."""
        return self.text if self.schema is None else self.text.replace(MARK, self.schema)


class Failed(Exception):
    """A message was refused, or its answer never came; none of those after it was carried out."""

    def __init__(self, position: int, error: psycopg.Error) -> None:
        super().__init__(position, error)
        self.position = position
        self.error = error


class _Step(NamedTuple):
    """Something that is answered: for the message at this position, by what was asked."""

    position: int
    is_answer: bool = False
    prepares: Hashable = None
    closes: bytes | None = None


class Wire:
    """A connection, and what is prepared on it. It knows nothing of transactions.

    Through a pooler, which hands one server's process to many, nothing is prepared.
    """

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self.connection = connection
        self._adapting = Transformer(connection)
        self._names: OrderedDict[Hashable, bytes] = OrderedDict()
        self._seen: OrderedDict[Hashable, int] = OrderedDict()
        self._gone: list[bytes] = []
        self._made = 0
        self._is_direct: bool | None = None

    async def exchange(self, messages: Sequence[Message]) -> Answers:
        """The results of each message, in one round trip. Raises Failed for the first that was refused."""
        async with self.connection.lock:
            if self._is_direct is None and any(self._comes_often(each) for each in messages):
                self._is_direct = await self._found_direct()
            answers, failed = await self.connection.wait(self._exchanged(messages))
        if failed:
            raise failed
        return answers

    def _comes_often(self, message: Message) -> bool:
        return message.shape is not None and self._seen.get(message.shape, 0) + 1 >= OFTEN

    async def _found_direct(self) -> bool | None:
        """Whether the process that answers is the one that was connected to: a pooler makes up its number.
        None where nobody answers now."""
        answers, failed = await self.connection.wait(self._exchanged([Message("SELECT pg_backend_pid()")]))
        return None if failed else int(answers[0][0].get_value(0, 0) or b"0") == self.connection.pgconn.backend_pid

    def rows(self, results: Sequence[PGresult]) -> list[tuple[Any, ...]]:
        """All their rows, as Python's values."""
        found: list[tuple[Any, ...]] = []
        for each in results:
            self._adapting.set_pgresult(each)
            found += self._adapting.load_rows(0, each.ntuples, tuple)
        return found

    def dumped(self, value: Any) -> tuple[bytes | None, int, Format]:
        """A value as psycopg dumps it, its type and its format. Raises psycopg.Error where it can't be."""
        (data,) = self._adapting.dump_sequence([value], [PyFormat.AUTO])
        types, formats = self._adapting.types or (0,), self._adapting.formats or [Format.TEXT]
        return None if data is None else bytes(data), types[0], formats[0]

    def _exchanged(self, messages: Sequence[Message]) -> Generator[Any, Any, tuple[Answers, Failed | None]]:
        pgconn = self.connection.pgconn
        first, name = messages[0], self._name(messages[0])
        if len(messages) == len(first.values) == 1 and name != _NEW and not self._gone:
            self._send(first, first.values[0], name)
            yield from send(pgconn)
            return (yield from self._received(messages, [_Step(0, is_answer=True)]))
        try:
            pgconn.enter_pipeline_mode()
            steps = list(self._queued(0, first, name))
            for position, each in enumerate(messages[1:], 1):
                steps += self._queued(position, each, self._name(each))
            pgconn.pipeline_sync()
            yield from send(pgconn)
            answers, failed = yield from self._received(messages, steps)
            try:
                yield from fetch_many(pgconn)
            except psycopg.OperationalError as error:
                failed = failed or Failed(0, error)
            return answers, failed
        except psycopg.OperationalError as error:
            return [], Failed(0, error)
        finally:
            with suppress(psycopg.Error):  # it is broken, or whoever waited was cancelled
                pgconn.exit_pipeline_mode()

    def _name(self, message: Message) -> bytes | None:
        """Under which name a message is prepared; None where it isn't, _NEW where it is to be."""
        shape = message.shape
        if shape is None or self._is_direct is False:
            return None
        if (known := self._names.get(shape)) is not None:
            self._names.move_to_end(shape)
            return known
        seen = self._seen.pop(shape, 0) + 1
        if seen >= OFTEN and self._is_direct:
            return _NEW
        self._seen[shape] = seen
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return None

    def _queued(self, position: int, message: Message, name: bytes | None) -> Generator[_Step, None, None]:
        pgconn = self.connection.pgconn
        while self._gone:
            yield self._closed(position, self._gone.pop())
        if name == _NEW:
            name, self._made = b"m%d" % self._made, self._made + 1
            if len(self._names) >= PREPARED:
                yield self._closed(position, self._names.popitem(last=False)[1])
            self._names[message.shape] = name
            pgconn.send_prepare(name, message.sql.encode(), message.values[0].types or None)
            yield _Step(position, prepares=message.shape)
        for values in message.values:
            self._send(message, values, name)
            yield _Step(position, is_answer=True)

    def _closed(self, position: int, name: bytes) -> _Step:
        self.connection.pgconn.send_close_prepared(name)
        return _Step(position, closes=name)

    def _send(self, message: Message, values: Dumped, name: bytes | None) -> None:
        if name is not None:
            self.connection.pgconn.send_query_prepared(name, values.values, values.formats or None)
            return
        self.connection.pgconn.send_query_params(
            message.sql.encode(), values.values, param_types=values.types or None, param_formats=values.formats or None
        )

    def _received(
        self, messages: Sequence[Message], steps: Sequence[_Step]
    ) -> Generator[Any, Any, tuple[Answers, Failed | None]]:
        answers: Answers = [[] for _ in messages]
        failed: Failed | None = None
        for step in steps:
            try:
                results = yield from fetch_many(self.connection.pgconn)
            except psycopg.Error as error:
                return answers, failed or Failed(step.position, error)
            bad = [each for each in results if each.status not in FINE]
            if not bad and step.is_answer:
                answers[step.position] += results
            if bad:
                self._undone(step)
                failed = failed or self._failed(step.position, messages[step.position], bad[0])
        return answers, failed

    def _undone(self, step: _Step) -> None:
        if step.prepares is not None:
            self._names.pop(step.prepares, None)
        if step.closes is not None:
            self._gone.append(step.closes)

    def _failed(self, position: int, message: Message, result: PGresult) -> Failed:
        if result.status == ExecStatus.PIPELINE_ABORTED:
            return Failed(position, PipelineAborted("pipeline aborted"))
        error = error_from_result(result, encoding=self._adapting.encoding)
        if error.sqlstate in OUTDATED:  # what befell one has probably befallen others
            self._gone += self._names.values()
            self._names.clear()
        return Failed(position, error)


_NEW: Final = b""
"""The name of what is to be prepared."""
