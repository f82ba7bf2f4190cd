"""Compiled execution answers what graphql-core answers, whatever it is asked and whatever it is given."""

import asyncio
import gc
import inspect
import os
import re
from random import Random
from typing import Any, ClassVar

import pytest
from graphql import ExecutionResult, GraphQLSchema, Undefined, execute, parse, validate
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from graphql_api.execution import MAX_VARIANTS, CompiledExecutor, compiled_executor
from graphql_api.schema import schema as mall_schema
from tests.graphql_api import strange_schema
from tests.graphql_api.random_documents import CONDITIONS, DocumentWriter, with_open_root
from tests.graphql_api.random_values import ValueMaker

EXAMPLES = int(os.environ.get("EXECUTION_EXAMPLES", "150"))
SCHEMAS = {"mall": with_open_root(mall_schema._schema), "strange": with_open_root(strange_schema.schema._schema)}
EXECUTOR = compiled_executor()


def answers(
    schema: GraphQLSchema, document: Any, values: ValueMaker, executor: type[Any], variables: dict[str, Any]
) -> tuple[str, list[Any]]:
    """Data with its order of keys, and all that an error tells."""
    root_type = schema.query_type
    assert root_type is not None
    root = {name: values.make(field.type) for name, field in root_type.fields.items() if name in values.names}

    async def run() -> Any:
        found: Any = execute(schema, document, root, None, variables, executor_class=executor)
        result = await found if inspect.isawaitable(found) else found
        for _ in range(20):  # for what graphql-core leaves to end in the background
            await asyncio.sleep(0)
        return result

    result = asyncio.run(run())
    errors = [
        (error.formatted, type(error.original_error).__name__, str(error.original_error), error.nodes)
        for error in result.errors or ()
    ]
    return _without_addresses(_shown(result.data)), [_without_addresses(repr(error)) for error in errors]


def _shown(value: Any) -> str:
    """The value with the order of its keys; objects that JSON was answered by need not have a text of their own."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    is_json = isinstance(value, str | int | float | None)
    return f"{type(value).__name__} {value!r}" if is_json else type(value).__name__


def _without_addresses(text: str) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize("name", SCHEMAS)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**63), trouble=st.sampled_from([0, 0, 0.01, 0.05, 0.2]))
def test_compiled_execution_answers_exactly_what_graphql_core_answers(name: str, seed: int, trouble: float) -> None:
    schema, random = SCHEMAS[name], Random(seed)
    writer = DocumentWriter(schema, random)
    document = parse(writer.write())
    if validate(schema, document):
        event("invalid")
        return
    for _ in range(2):  # the second time with what the first has compiled
        variables = {f"c{number}": random.random() < 0.5 for number in range(CONDITIONS)} | (
            {"d": random.random() < 0.5} if random.random() < 0.5 else {}
        )
        data = random.random()
        expected, found = (
            answers(schema, document, ValueMaker(schema, Random(data), writer.names, trouble), executor, variables)
            for executor in (StrawberryGraphQLCoreExecutionContext, EXECUTOR)
        )
        event(f"{'errors' if expected[1] else 'no errors'}")
        assert found == expected


THINGS = """
query ($named: Boolean! = true) {
  allShelf {
    __typename
    named { name ... on Stone { weight label @include(if: $named) } }
    things { ... on Stone { name } ... on Plant { rows } }
    stones { color }
  }
}
"""


def a_stone() -> strange_schema.Stone:
    stone = strange_schema.Stone.__new__(strange_schema.Stone)
    stone.name, stone.label, stone.weight, stone.color = "flint", None, strange_schema.Weight.HEAVY, None
    return stone


def shelves(count: int) -> dict[str, Any]:
    shelf = strange_schema.Shelf.__new__(strange_schema.Shelf)
    shelf.named = [a_stone() for _ in range(count)]
    shelf.things, shelf.stones = [a_stone()], [a_stone(), None]
    return {"allShelf": [shelf] * count}


class Counting(CompiledExecutor):
    """Counts the fields that graphql-core executes itself."""

    plans = EXECUTOR.plans
    executed: ClassVar[list[str]] = []

    def execute_field(self, *args: Any) -> Any:
        """As graphql-core's."""
        self.executed.append(args[0].name)
        return super().execute_field(*args)


@pytest.mark.parametrize("label", [None, "sharp", 7])
def test_graphql_core_executes_only_the_root_where_all_is_plain(label: Any) -> None:
    root = shelves(3)
    root["allShelf"][0].named[1].label = label
    assert executed(root) == {"Query"}


def test_graphql_core_executes_the_objects_around_what_is_unexpected() -> None:
    root = shelves(3)
    root["allShelf"][0].named[1].name = None
    assert executed(root) == {"Query", "Shelf", "Stone"}


@pytest.mark.parametrize("missing", [None, Undefined])
def test_what_is_missing_has_no_type_name(missing: Any) -> None:
    root = {"allBook": [missing]}
    document = parse("{ allBook { __typename } }")
    found = execute(SCHEMAS["strange"], document, root, executor_class=Counting)
    assert isinstance(found, ExecutionResult)
    assert found.data is None
    assert [error.path for error in found.errors or ()] == [["allBook", 0]]


def executed(root: dict[str, Any]) -> set[str]:
    """The types whose fields graphql-core executes itself; the answer is compared as well."""
    Counting.executed.clear()
    schema, document = SCHEMAS["strange"], parse(THINGS)
    found = execute(schema, document, root, executor_class=Counting)
    assert found == execute(schema, document, root, executor_class=StrawberryGraphQLCoreExecutionContext)
    return set(Counting.executed)


def test_what_is_compiled_of_an_operation_is_forgotten_with_it() -> None:
    executor = compiled_executor()
    document = parse(THINGS)
    for _ in range(3):
        execute(SCHEMAS["strange"], document, shelves(2), executor_class=executor)
    assert len(executor.plans) == 1
    del document
    gc.collect()
    assert len(executor.plans) == 0


def test_truths_of_conditions_are_remembered_up_to_a_bound() -> None:
    executor = compiled_executor()
    names = [f"v{number}" for number in range(6)]
    given = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: title @skip(if: ${name})" for name in names)
    document = parse(f"query ({given}) {{ allBook {{ {fields} }} }}")
    book = strange_schema.Book.__new__(strange_schema.Book)
    book.title = "Tea"
    for truth in range(2 ** len(names)):
        variables = {name: bool(truth >> at & 1) for at, name in enumerate(names)}
        found = execute(SCHEMAS["strange"], document, {"allBook": [book]}, None, variables, executor_class=executor)
        assert isinstance(found, ExecutionResult)
        assert found.data == {"allBook": [{name: "Tea" for name in names if not variables[name]}]}
    (variants,) = executor.plans.sizes()
    assert variants == MAX_VARIANTS
