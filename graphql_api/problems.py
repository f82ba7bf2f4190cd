"""Expected failures of mutations as GraphQL types, made from the business's own errors.

One problem type stands for one error class and bears its name; its fields are the error's facts, its description the
error's docstring. A mutation declares which problems it may answer; an error that it has not declared is answered among
the `errors`, as readable as a problem.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from datetime import date, datetime
from enum import Enum
from functools import partial
from types import UnionType
from typing import Annotated, Any, ParamSpec, TypeVar, Union, get_args, get_type_hints
from uuid import UUID

import strawberry

from graphql_api.context import Context
from graphql_api.money import Money
from graphql_api.reader import language_of
from graphql_api.relay import encode_id
from graphql_api.trail import refused
from merchantry.domain import errors
from merchantry.domain.errors import MarketError, OutcomeUnknown
from merchantry.domain.worded import in_language
from merchantry.languages.catalogue import translated
from merchantry.languages.language import DEFAULT
from tenancy.database import CommitUnknown

P = ParamSpec("P")
T = TypeVar("T")

SHUT: tuple[type[MarketError], ...] = (errors.MerchantClosed, errors.MerchantQuarantined, errors.MerchantRestoring)
"""Why nothing can be done with what a merchant has; mutations that act on a merchant's books declare all three."""

ROW_KINDS = {"variant_id": "Variant", "line_id": "OrderLine"}
"""Which kind of thing a fact names, for ids that the client has not named itself."""


def _errors(root: type[MarketError]) -> Iterator[type[MarketError]]:
    for error_class in root.__subclasses__():
        if error_class.__module__ == errors.__name__:
            yield error_class
            yield from _errors(error_class)


_codes: Any = Enum("ProblemCode", [(error.code, error.code) for error in _errors(MarketError)])  # type: ignore[misc]
ProblemCode: Any = strawberry.enum(
    _codes, description="Which problem it is, for clients that do not know its type yet."
)


@strawberry.interface(description="Why a mutation did nothing, and what can be done about it.")
class Problem:
    code: ProblemCode
    message: str
    path: list[str] = strawberry.field(description="The input that caused it, from the outermost argument inwards.")


@strawberry.type(description="One mistake in a document, and its remedy.")
class Mistake:
    path: str
    remedy: str


def _facts(error_class: type[MarketError]) -> list[Field[Any]]:
    return [fact for fact in fields(error_class) if fact.name != "path"]


_PLAIN_TYPES: Mapping[object, Any] = {
    str: str,
    int: int,
    bool: bool,
    UUID: strawberry.ID,
    datetime: datetime,
    date: date,
    tuple[str, ...]: list[str],
    tuple[tuple[str, str], ...]: list[Mistake],
    tuple[MarketError, ...]: list[Problem],
}


def _field_types(error_class: type[MarketError]) -> dict[str, Any]:
    """The GraphQL fields of an error's facts: amounts become Money and take the currency with them."""
    hints = get_type_hints(error_class)
    facts = {fact.name: hints[fact.name] for fact in _facts(error_class)}
    amounts = [name for name in facts if name.endswith("_minor")]
    types: dict[str, Any] = {name.removesuffix("_minor"): Money for name in amounts}
    for name, hint in facts.items():
        if name.endswith("_id") and hint is str:
            types[name] = strawberry.ID
        elif name not in amounts and not (amounts and name == "currency"):
            types[name] = _PLAIN_TYPES[hint]
    return types


_FIELD_TYPES = {error_class: _field_types(error_class) for error_class in _errors(MarketError)}


def _problem_type(error_class: type[MarketError]) -> type[Problem]:
    namespace = {"__annotations__": _FIELD_TYPES[error_class], "__module__": __name__}
    made = type(error_class.__name__, (Problem,), namespace)
    description = inspect.cleandoc(error_class.__doc__ or "")
    typed: type[Problem] = strawberry.type(made, description=description)
    return typed


PROBLEMS: dict[type[MarketError], type[Problem]] = {error: _problem_type(error) for error in _errors(MarketError)}
"""Every expected error with the type that tells a client about it."""


def problem_of(error: MarketError, context: Context) -> Problem:
    """The problem that tells of an error. KeyError where the error's class is not one of the business's."""
    problem_type = PROBLEMS[type(error)]
    _name_as_given(error, context)
    values = {name: _value(error, name, context) for name in _FIELD_TYPES[type(error)]}
    path = [str(step) for step in error.path or _given_path(error, context)]
    message = error.said(partial(_translated, context))
    return problem_type(code=ProblemCode(error.code), message=message, path=path, **values)


def _translated(context: Context, text: str) -> str:
    return translated(text, context.language or DEFAULT)


def _name_as_given(error: MarketError, context: Context) -> None:
    """A row that is named in a text by its key is named as the client did, in the fact and in the message."""
    for name in ROW_KINDS:
        key = getattr(error, name, None)
        if isinstance(key, str):
            given = (text for row_id, text in context.given_ids.items() if str(row_id) == key)
            setattr(error, name, next(given, key))


def _given_path(error: MarketError, context: Context) -> tuple[str | int, ...]:
    """Where the client named the row that the error is about."""
    rows = (getattr(error, name, None) for name in ROW_KINDS)
    return next((context.given_paths[row] for row in rows if row in context.given_paths), ())


def _in_input(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Services name their own arguments (``("new_variants", 0, "sku")``); clients know the input's fields."""
    if not path or path[0] == "input":
        return path
    return ("input", *(_camel(step) if isinstance(step, str) else step for step in path))


@contextmanager
def within(*prefix: str | int) -> Iterator[None]:
    """What is done with one part of an input: problems name it by paths that begin there."""
    try:
        yield
    except MarketError as error:
        if error.path and error.path[0] != "input":
            error.path = ("input", *prefix, *_in_input(error.path)[1:])
        raise


def _given_there(path: tuple[str | int, ...], given: object) -> tuple[str | int, ...]:
    """As much of a path as leads through the input that was given; at least ``("input",)``.

    Its last step may be a field that was left out. Services don't know which door they were asked through: what they
    name beyond the input is dropped.
    """
    here, found = given, ["input"]
    for step in path[1:]:
        fields = _fields_of(here)
        if str(step) not in fields:
            break
        here = fields[str(step)]
        found.append(str(step))
    return tuple(found)


def _fields_of(value: object) -> dict[str, object]:
    """What is directly inside a part of an input, by the steps that lead there."""
    definition = getattr(value, "__strawberry_definition__", None)
    if definition is not None:
        return {
            field.graphql_name or _camel(field.python_name): getattr(value, field.python_name)
            for field in definition.fields
        }
    if isinstance(value, dict):
        return {str(name): each for name, each in value.items()}
    if isinstance(value, list | tuple):
        return {str(position): each for position, each in enumerate(value)}
    return {}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _value(error: MarketError, name: str, context: Context) -> Any:
    if not hasattr(error, name):
        return Money.of(getattr(error, f"{name}_minor"), error.currency)  # type: ignore[attr-defined]
    value = getattr(error, name)
    if isinstance(value, UUID):
        return _id_of(name, value, context)
    if name == "reason":
        return in_language(value, partial(_translated, context))
    if not isinstance(value, tuple):
        return value
    return [_item(item, context) for item in value]


def _item(item: object, context: Context) -> Any:
    if isinstance(item, MarketError):
        return problem_of(item, context)
    if isinstance(item, tuple):
        return Mistake(path=item[0], remedy=item[1])
    return item


def _id_of(fact: str, row_id: UUID, context: Context) -> strawberry.ID:
    """The opaque id of a row: as the client called it, else as a row of the merchant in whose name the request came."""
    if row_id in context.given_ids:
        return strawberry.ID(context.given_ids[row_id])
    merchant = context.caller.merchant
    return encode_id(ROW_KINDS[fact], *((merchant.id,) if merchant else ()), row_id)


def mutation(
    *, problems: Sequence[type[MarketError]], description: str | None = None
) -> Callable[[Callable[P, Awaitable[T]]], Any]:
    """Make a mutation of an async resolver that returns its success type (or one of some) and raises the errors listed.

    The field's type is the union `<Mutation>Result` of the success types and the problems, in this order. An error is
    turned into its problem outside the resolver, so a transaction opened within has rolled back by then.
    """

    def decorate(resolver: Callable[P, Awaitable[T]]) -> Any:
        expected = tuple(problems)

        @functools.wraps(resolver)
        async def answer(*args: P.args, **kwargs: P.kwargs) -> T | Problem:
            try:
                return await resolver(*args, **kwargs)
            except CommitUnknown as error:
                raise OutcomeUnknown from error
            except MarketError as error:
                context = _context(args, kwargs)
                await refused(context, _camel(resolver.__name__), error, _given(args, kwargs))
                if type(error) not in expected:
                    raise
                error.path = _in_input(error.path or _given_path(error, context))
                if "input" in kwargs and (error.path or isinstance(error, errors.InvalidInput)):
                    error.path = _given_there(error.path, kwargs["input"])
                await language_of(context)
                return problem_of(error, context)

        signature = inspect.signature(resolver)
        result = _union(resolver.__name__, get_type_hints(resolver)["return"], expected)
        answer.__signature__ = signature.replace(return_annotation=result)  # type: ignore[attr-defined]
        return strawberry.mutation(answer, description=description or inspect.getdoc(resolver))

    return decorate


def _union(field_name: str, success: Any, expected: Sequence[type[MarketError]]) -> Any:
    name = "".join(word.capitalize() for word in field_name.split("_")) + "Result"
    successes = get_args(success) if isinstance(success, UnionType) else (success,)
    members = (*successes, *(PROBLEMS[error] for error in expected))
    return Annotated[Union[members], strawberry.union(name)]  # noqa: UP007 - made of a tuple, which `|` can't be


def _context(args: tuple[object, ...], kwargs: Mapping[str, Any]) -> Context:
    info = next(a for a in (*args, *kwargs.values()) if isinstance(a, strawberry.Info))
    context: Context = info.context
    return context


def _given(args: tuple[object, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The input's fields as the client calls them."""
    given = kwargs.get("input")
    return {} if given is None else {_camel(name): value for name, value in vars(given).items()}
