"""From SQLAlchemy's statements to what psycopg sends, and from its rows to SQLAlchemy's results.

Statements are SQLAlchemy Core, compiled once for each shape and remembered. Running them needs nothing of its engine,
which would cost more than psycopg does (``python -m benchmarks statements``; decision 0030).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from sqlalchemy import Dialect, Executable
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import LRUCache

from tenancy.metrics import Watcher
from tenancy.schemas import MARK

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Names: TypeAlias = tuple[str, ...]
SHAPES = 2_000
"""Compiled statements that are remembered, the latest used the longest."""
_PLACEHOLDER = re.compile(r"%\(([^)]+)\)s|%%")


class Rows(IteratorResult[Any]):
    """What a statement gave. ``rowcount`` is how many rows it returned or changed."""

    def __init__(self, metadata: SimpleResultMetaData, rows: Sequence[Any], rowcount: int) -> None:
        super().__init__(metadata, iter(rows))
        self.rowcount = rowcount


NOTHING = SimpleResultMetaData(())


class Prepared:
    """A compiled statement of one shape, for any values."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise NotImplementedError("columns whose default Python makes: give the value with the statement")
        self._compiled = compiled
        self._dialect = dialect
        self._metadata: dict[Names, SimpleResultMetaData] = {}
        self.is_returning = bool(compiled.effective_returning)
        self._is_fixed = not (compiled.literal_execute_params or compiled.post_compile_params)

    @cached_property
    def _text(self) -> tuple[str, Names]:
        return numbered(self._compiled.string)

    def bound(self, parameters: Mapping[str, Any], extracted: Any, own: Any) -> tuple[str, list[Any]]:
        """The text with numbered placeholders, and their values."""
        values = self._compiled.construct_params(
            parameters, extracted_parameters=extracted, escape_names=False, _collected_params=own
        )
        processors: Mapping[str, Any] = self._compiled._bind_processors
        if self._is_fixed:
            text, names = self._text
        else:
            expanded = self._compiled._process_parameters_for_postcompile(dict(values))
            processors = {**processors, **expanded.processors}
            values = {**values, **expanded.additional_parameters}
            text, names = numbered(expanded.statement)
        given = self._unescaped(values)
        return text, [processors[name](given[name]) if name in processors else given[name] for name in names]

    def _unescaped(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        escaped = self._compiled.escaped_bind_names
        return {escaped.get(name, name): value for name, value in values.items()} if escaped else values

    def metadata(self, columns: Names) -> SimpleResultMetaData:
        """What rows with these columns are made of."""
        found = self._metadata.get(columns)
        if found is None:
            found = self._metadata[columns] = self._describe(columns)
        return found

    def _describe(self, columns: Names) -> SimpleResultMetaData:
        known = self._compiled._result_columns
        if len(known) != len(columns):
            return SimpleResultMetaData(columns)
        processors = [each.type._cached_result_processor(self._dialect, None) for each in known]
        return SimpleResultMetaData(
            [each.keyname for each in known],
            [tuple(each.objects) for each in known],
            _processors=processors if any(processors) else None,
        )


class Statements:
    """The statements that a process has compiled, and whoever watches what is sent."""

    def __init__(self, dialect: Dialect) -> None:
        self.watchers: list[Watcher] = []
        self._dialect = dialect
        self._shapes: LRUCache[Any, Prepared] = LRUCache(SHAPES)
        self._met: WeakKeyDictionary[Executable, dict[Names, tuple[Prepared, Any, Any]]] = WeakKeyDictionary()

    def _prepared(self, statement: Any, names: Names) -> tuple[Prepared, Any, Any]:
        """The statement compiled, and the values that are in it. A statement met before is known by itself."""
        met = self._met.get(statement)
        if met is not None and names in met:
            return met[names]
        key = statement._generate_cache_key()
        if key is None:
            return self._compiled(statement, names, None), None, None
        prepared = self._shapes.get((key.key, names))
        if prepared is None:
            # What is remembered of a statement holds its copy, or nothing that has been met would ever be forgotten.
            prepared = self._shapes[key.key, names] = self._compiled(statement._clone(), names, key)
        found = prepared, key.bindparams, key.params
        self._met.setdefault(statement, {})[names] = found
        return found

    def _compiled(self, statement: Any, names: Names, key: Any) -> Prepared:
        compiled = statement._compiler(
            self._dialect, cache_key=key, column_keys=list(names), for_executemany=False, schema_translate_map=None
        )
        return Prepared(compiled, self._dialect)

    async def run(
        self, connection: AsyncConnection[Any], statement: Executable, parameters: Parameters | None, schema: str | None
    ) -> Rows:
        """Run a statement; where ``parameters`` are many, once for each of them. ``schema`` stands for ``MARK``.

        Raises sqlalchemy.exc.DBAPIError.
        """
        many = parameters if isinstance(parameters, Sequence) and len(parameters) > 1 else None
        first = (parameters[0] if parameters else None) if isinstance(parameters, Sequence) else parameters
        prepared, extracted, own = self._prepared(statement, tuple(sorted(first)) if first else ())
        text, values = prepared.bound(first or {}, extracted, own)
        query = text if schema is None else text.replace(MARK, schema)
        cursor = AsyncRawCursor(connection)
        with self.watched(query, connection):
            if many:
                given = [prepared.bound(each, extracted, own)[1] for each in many]
                await cursor.executemany(query, given, returning=prepared.is_returning)
            else:
                await cursor.execute(query, values)
            description = cursor.description
            if description is None:
                return Rows(NOTHING, (), cursor.rowcount)
            metadata = prepared.metadata(tuple([column.name for column in description]))
            rows = await cursor.fetchall()
            while many and cursor.nextset():
                rows += await cursor.fetchall()
            return Rows(metadata, rows, len(rows))

    @contextmanager
    def watched(self, query: str, connection: AsyncConnection[Any]) -> Iterator[None]:
        """While a query is sent and answered. Raises sqlalchemy.exc.DBAPIError for psycopg's errors."""
        ends = [begun(query) for begun in self.watchers]
        try:
            yield
        except BaseException as error:
            for ended in ends:
                ended(error)
            if isinstance(error, psycopg.Error):
                raise failure(error, self._dialect, query, is_broken=connection.closed) from error
            raise
        for ended in ends:
            ended(None)


def failure(error: psycopg.Error, dialect: Dialect, query: str | None = None, *, is_broken: bool = False) -> DBAPIError:
    """The error as SQLAlchemy names it, without the statement's values."""
    made = DBAPIError.instance(
        query,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_broken,
        dialect=dialect,
    )
    if not isinstance(made, DBAPIError):
        raise error
    return made


@lru_cache(maxsize=SHAPES)
def numbered(text: str) -> tuple[str, Names]:
    """``%(name)s`` as ``$1``, and the names in the order of their numbers."""
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        return f"${numbers.setdefault(match[1], len(numbers) + 1)}"

    return _PLACEHOLDER.sub(number, text), tuple(numbers)
