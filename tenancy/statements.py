"""From SQLAlchemy's statements to what psycopg sends, and from its rows to SQLAlchemy's results.

Statements are SQLAlchemy Core, compiled once for each shape and remembered. Running them needs nothing of its engine,
which would cost more than psycopg does (``python -m benchmarks statements``; decision 0030).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, NamedTuple, TypeAlias, cast
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult
from sqlalchemy import Dialect, Executable
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler

from tenancy.dumping import SAID, Dumped, Dumper, Text, dumper_of
from tenancy.metrics import Ended, Watcher
from tenancy.remembered import Remembered
from tenancy.wire import Answers, Failed, Message, Wire

Parameters: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]
Names: TypeAlias = tuple[str, ...]
SHAPES = 2_000
"""Texts whose numbered form is remembered, the latest used the longest."""
LENGTH = 1_000_000
"""Characters of the compiled statements that are remembered: each takes some 25 bytes for each of them."""
_PLACEHOLDER = re.compile(r"%\(([^)]+)\)s|%%")


class Rows(IteratorResult[Any]):
    """What a statement gave. ``rowcount`` is how many rows it returned or changed."""

    def __init__(self, metadata: SimpleResultMetaData, rows: Sequence[Any], rowcount: int) -> None:
        super().__init__(metadata, iter(rows))
        self.rowcount = rowcount


NOTHING = SimpleResultMetaData(())
NO_VALUES: Mapping[str, Any] = {}


class Usual(NamedTuple):
    """How the values of a statement are dumped, by their names; the types and formats that they always have then."""

    dumps: Sequence[tuple[str, Text]]
    types: tuple[int, ...]
    formats: list[Format]

    def dumped(self, given: Mapping[str, Any]) -> Dumped | None:
        """The values; None where one is of another Python type."""
        values: list[bytes | None] = []
        for name, dump in self.dumps:
            value = given[name]
            if value is not None:
                value = dump(value)
                if value is None:
                    return None
            values.append(value)
        return Dumped(values, self.types, self.formats)


def _after(processor: Callable[[Any], Any], dump: Text) -> Text:
    return lambda value: dump(processor(value))


class Prepared:
    """A compiled statement of one shape, for any values."""

    def __init__(self, compiled: SQLCompiler, dialect: Dialect) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise NotImplementedError("columns whose default Python makes: give the value with the statement")
        self._compiled = compiled
        self._dialect = dialect
        self._metadata: dict[Names, SimpleResultMetaData] = {}
        self._known_placeholders: list[tuple[str, Dumper | None, Any]] = []
        self.known_as = object()
        """What stands for it where it is to be forgotten nevertheless."""
        self.length = len(compiled.string)
        self.is_returning = bool(compiled.effective_returning)
        self.is_fixed = not (compiled.literal_execute_params or compiled.post_compile_params)
        self._is_plain = self.is_fixed and not compiled.escaped_bind_names

    @cached_property
    def _text(self) -> tuple[str, Names]:
        return numbered.__wrapped__(self._compiled.string)

    def text_and_values(
        self, parameters: Mapping[str, Any], extracted: Any, own: Any, wire: Wire
    ) -> tuple[str, Dumped]:
        """The text with numbered placeholders, and their values."""
        processors: Mapping[str, Any] = self._compiled._bind_processors
        if self._is_plain and parameters.keys() >= self._names_in_text:
            text, names = self._text
            return text, self._dumped(names, parameters, processors, wire)
        values = self._compiled.construct_params(
            parameters, extracted_parameters=extracted, escape_names=False, _collected_params=own
        )
        if self.is_fixed:
            text, names = self._text
        else:
            expanded = self._compiled._process_parameters_for_postcompile(dict(values))
            processors = {**processors, **expanded.processors}
            values = {**values, **expanded.additional_parameters}
            text, names = numbered(expanded.statement)
        return text, self._dumped(names, self._unescaped(values), processors, wire)

    @cached_property
    def _names_in_text(self) -> frozenset[str]:
        return frozenset(self._text[1])

    def _dumped(self, names: Names, given: Mapping[str, Any], processors: Mapping[str, Any], wire: Wire) -> Dumped:
        usual = self._usual if self.is_fixed else None
        found = usual.dumped(given) if usual else None
        return found or self._dumped_by_value(names, given, processors, wire)

    @cached_property
    def _usual(self) -> "Usual | None":
        """How values are dumped that all are of the usual Python types; None where psycopg has to look at some."""
        processors: Mapping[str, Any] = self._compiled._bind_processors
        placeholders = self._placeholders(self._text[1], processors)
        dumps, types, formats = [], [], []
        for name, dumper, processor in placeholders:
            if dumper is None:
                return None
            dumps.append((name, _after(processor, dumper.dump) if processor else dumper.dump))
            types.append(dumper.type)
            formats.append(dumper.format)
        return Usual(dumps, tuple(types), formats)

    def _dumped_by_value(
        self, names: Names, given: Mapping[str, Any], processors: Mapping[str, Any], wire: Wire
    ) -> Dumped:
        values, types, formats = list[bytes | None](), list[int](), list[Format]()
        for name, dumper, processor in self._placeholders(names, processors):
            value = given[name]
            if processor is not None:
                value = processor(value)
            if value is None:
                data, type_, format_ = None, SAID, Format.TEXT
            elif dumper and (data := dumper.dump(value)) is not None:
                type_, format_ = dumper.type, dumper.format
            else:
                data, type_, format_ = wire.dumped(value)
            values.append(data)
            types.append(type_)
            formats.append(format_)
        return Dumped(values, tuple(types), formats)

    def _placeholders(self, names: Names, processors: Mapping[str, Any]) -> list[tuple[str, Dumper | None, Any]]:
        """For each name how its values are dumped, and what SQLAlchemy does with them before."""
        if self.is_fixed and self._known_placeholders:
            return self._known_placeholders
        found = []
        for name in names:
            bind = self._compiled.binds.get(name)
            dumper = dumper_of(bind.type, self._dialect) if bind is not None else None
            found.append((name, dumper, None if dumper and dumper.is_raw else processors.get(name)))
        if self.is_fixed:
            self._known_placeholders = found
        return found

    def _unescaped(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        escaped = self._compiled.escaped_bind_names
        return {escaped.get(name, name): value for name, value in values.items()} if escaped else values

    def metadata_of(self, result: PGresult) -> SimpleResultMetaData:
        """What the rows of a result are made of."""
        number = result.nfields
        if number == len(self._compiled._result_columns):
            return self._known
        names = (result.fname(at) for at in range(number))
        return self._metadata_named(tuple([name.decode() if name else "" for name in names]))

    @cached_property
    def _known(self) -> SimpleResultMetaData:
        known = self._compiled._result_columns
        processors = [each.type._cached_result_processor(self._dialect, None) for each in known]
        return SimpleResultMetaData(
            [each.keyname for each in known],
            [tuple(each.objects) for each in known],
            _processors=processors if any(processors) else None,
        )

    def _metadata_named(self, columns: Names) -> SimpleResultMetaData:
        found = self._metadata.get(columns)
        if found is None:
            found = self._metadata[columns] = SimpleResultMetaData(columns)
        return found


class Statements:
    """The statements that a process has compiled, and whoever watches what is sent."""

    def __init__(self, dialect: Dialect) -> None:
        self.watchers: list[Watcher] = []
        self._dialect = dialect
        self._shapes: Remembered[Any, Prepared] = Remembered(LENGTH)
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
            copy = statement._clone()
            copy.__dict__.pop("_is_clone_of", None)  # which would be the statement
            prepared = self._compiled(copy, names, key)
            self._shapes.put((key.key, names), prepared, prepared.length)
        found = prepared, key.bindparams, key.params
        self._met.setdefault(statement, {})[names] = found
        return found

    def _compiled(self, statement: Any, names: Names, key: Any) -> Prepared:
        compiled = statement._compiler(
            self._dialect, cache_key=key, column_keys=list(names), for_executemany=False, schema_translate_map=None
        )
        return Prepared(compiled, self._dialect)

    def asked(
        self,
        wire: Wire,
        statement: Executable,
        parameters: Parameters | None,
        schema: str | None,
        refused: Mapping[str, Exception] | None = None,
    ) -> "Asked":
        """A statement ready to be sent; where ``parameters`` are many, once for each. ``schema`` stands for ``MARK``.

        Raises sqlalchemy.exc.DBAPIError for values that can't be sent.
        """
        given = _each(parameters)
        prepared, extracted, own = self._prepared(statement, tuple(sorted(given[0])))
        bound = []
        try:
            for each in given:
                text, values = prepared.text_and_values(each, extracted, own, wire)
                bound.append(values)
        except psycopg.Error as error:
            raise failure(error, self._dialect) from error
        shape = (prepared.known_as, schema, values.types) if prepared.is_fixed and _is_one_form(bound) else None
        return Asked(Message(text, bound, shape, refused, schema), prepared)

    async def send(self, wire: Wire, messages: Sequence[Message]) -> Answers:
        """Send them together, and tell whoever watches.

        Raises sqlalchemy.exc.DBAPIError for the first that fails, or what its message says instead.
        """
        ends = [[begun(message.text) for begun in self.watchers] for message in messages]
        try:
            answers = await wire.exchange(messages)
        except Failed as failed:
            _tell(ends[failed.position : failed.position + 1], failed.error)
            _tell([*ends[: failed.position], *ends[failed.position + 1 :]], None)  # or skipped, which is no error
            message = messages[failed.position]
            if refused := (message.refused or {}).get(failed.error.sqlstate or ""):
                raise refused from failed.error
            is_broken = wire.connection.closed
            raise failure(failed.error, self._dialect, message.sql, is_broken=is_broken) from failed.error
        except BaseException as error:
            _tell(ends, error)
            if isinstance(error, psycopg.Error):
                is_broken = wire.connection.closed
                raise failure(error, self._dialect, messages[0].sql, is_broken=is_broken) from error
            raise
        _tell(ends, None)
        return answers


class Asked(NamedTuple):
    """A statement as it is sent, and what makes rows of its answer."""

    message: Message
    prepared: Prepared

    def rows(self, wire: Wire, results: Sequence[PGresult]) -> Rows:
        """What was answered."""
        if results[0].status != ExecStatus.TUPLES_OK:
            return Rows(NOTHING, (), sum(each.command_tuples or 0 for each in results))
        found = wire.rows(results)
        return Rows(self.prepared.metadata_of(results[0]), found, len(found))


def _each(parameters: Parameters | None) -> Sequence[Mapping[str, Any]]:
    """The values of each time that a statement is sent, once at least."""
    if isinstance(parameters, (list, tuple)):  # told faster than any sequence
        return parameters or [NO_VALUES]
    return [cast("Mapping[str, Any]", parameters or NO_VALUES)]


def _is_one_form(bound: Sequence[Dumped]) -> bool:
    """Whether all have the same types: what is prepared takes no others."""
    return len(bound) == 1 or all(each.types == bound[0].types for each in bound)


def _tell(ends: Iterable[Iterable[Ended]], error: BaseException | None) -> None:
    for each in ends:
        for ended in each:
            ended(error)


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
