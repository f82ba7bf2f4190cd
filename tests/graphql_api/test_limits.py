"""Documents that ask for too much are refused, in time linear in their text."""

import time

import pytest
from graphql import get_introspection_query, parse

from graphql_api.engine import MAX_REMEMBERED_LENGTH, MarketSchema
from graphql_api.limits import Limits, exceeded
from tests.graphql_api.a_schema import Query, a_context, a_market_schema

LIMITS = Limits(depth=5, fields=30, root_fields=4, aliases=3, directives=3)


def refusals(document: str, limits: Limits = LIMITS) -> list[str]:
    errors = exceeded(parse(document), limits)
    assert all(error.extensions == {"code": "LIMIT_EXCEEDED"} for error in errors)
    return [error.message.split("more than ")[1].split(". Ask")[0] for error in errors]


@pytest.mark.parametrize(
    ("document", "refused"),
    [
        ("{ a { b { c { d { e } } } } }", []),
        ("{ a { b { c { d { e { f } } } } } }", ["5 levels deep"]),
        ("{ a { ... { b { ... on X { c { d { e } } } } } } }", []),
        ("{ a { ...F } } fragment F on X { b { c { ...G } } } fragment G on X { d { e } }", []),
        ("{ a { ...F } } fragment F on X { b { c { ...G } } } fragment G on X { d { e { f } } }", ["5 levels deep"]),
        ("{ a b c d }", []),
        ("{ a b c d e }", ["4 fields at the root"]),
        ("{ a b ...F ... { ...F } } fragment F on X { c { x y z } }", []),
        ("{ a b ...F ... { ...F } } fragment F on X { c d }", ["4 fields at the root"]),
        ("{ x: a y: b z: c }", []),
        ("{ x: a y: b z { ...F ...F } } fragment F on X { z: c }", ["3 aliases"]),
        ("query @a { b @c d @e }", []),
        ("query @a { b @c d @e ... @f { g } }", ["3 directives"]),
        ("{ a ...F } fragment F on X @a { b { ...G @b } } fragment G on X { c @c d @d }", ["3 directives"]),
        ("{ a { " + " ".join(f"f{n}" for n in range(29)) + " } }", []),
        ("{ a { " + " ".join(f"f{n}" for n in range(30)) + " } }", ["30 fields"]),
        ("query A { a } query B { a b c d e }", ["4 fields at the root"]),
        ("{ a { b { c { d { x: e { y: f { z: g { w: h } } } } } } } }", ["5 levels deep", "3 aliases"]),
        ("{ ...Missing }", []),
        ("{ ...F } fragment F on X { a { ...F } }", []),
        ("{ ...F } fragment F on X { ...G a } fragment G on X { ...F b }", []),
    ],
)
def test_each_limit_counts_expanded_fragments(document: str, refused: list[str]) -> None:
    assert refusals(document) == refused


@pytest.mark.parametrize("name", ["operations", "fragments"])
def test_definitions_are_counted_where_nothing_uses_them(name: str) -> None:
    one = "query Q%d { a }" if name == "operations" else "fragment F%d on X { a }"
    held = " ".join(one % n for n in range(3))
    assert refusals(held, Limits(operations=3, fragments=3)) == []
    assert [error.message for error in exceeded(parse(held), Limits(operations=2, fragments=2))] == [
        f"The document is too large: more than 2 {name}. Send only what the operation uses."
    ]


@pytest.mark.parametrize(
    "document",
    ["{ order { " + "id " * 300 + "} }", "{ order { " + "...F " * 2 + "} } fragment F on Order { " + "id " * 300 + "}"],
    ids=["in an operation", "in a fragment"],
)
def test_what_is_compared_two_by_two_is_rationed(document: str) -> None:
    errors = a_market_schema().prepare(document).errors
    assert [error.extensions for error in errors] == [{"code": "LIMIT_EXCEEDED"}]
    assert "side by side" in errors[0].message
    assert not a_market_schema().prepare(document.replace("id " * 300, "id " * 30)).errors


def nested_fragments(levels: int) -> str:
    """A document of a few tokens per level that doubles at each."""
    chain = [f"fragment F{n} on Order {{ itself {{ ...F{n + 1} ...F{n + 1} }} }}" for n in range(levels)]
    return "{ order { ...F0 ...F0 } } " + " ".join(chain) + f" fragment F{levels} on Order {{ id }}"


def test_counting_is_linear_where_the_document_is_exponential() -> None:
    started = time.perf_counter()
    document = parse(nested_fragments(800))
    parsed = time.perf_counter()
    assert exceeded(document, LIMITS)
    assert time.perf_counter() - parsed < 10 * (parsed - started)


async def test_exponential_documents_are_refused_at_once() -> None:
    schema = a_market_schema()
    started = time.perf_counter()
    result = await schema.execute(nested_fragments(150), context_value=a_context())
    assert time.perf_counter() - started < 1
    assert result.errors is not None
    assert result.errors[0].extensions == {"code": "LIMIT_EXCEEDED"}


async def test_long_circles_of_fragments_are_refused() -> None:
    circle = " ".join(f"fragment F{n} on Order {{ itself {{ ...F{(n + 1) % 300} }} }}" for n in range(300))
    result = await a_market_schema().execute("{ order { ...F0 } } " + circle, context_value=a_context())
    assert result.errors
    assert not any("recursion" in error.message for error in result.errors)


async def test_too_many_tokens_are_refused() -> None:
    result = await a_market_schema().execute("{" + " hello" * 4000 + " }", context_value=a_context())
    assert result.errors
    assert "2500 tokens" in result.errors[0].message


def test_the_introspection_of_developers_tools_fits() -> None:
    for query in (
        get_introspection_query(),
        get_introspection_query(descriptions=True, specified_by_url=True, input_value_deprecation=True),
    ):
        assert a_market_schema().prepare(query).errors == []


def test_documents_are_remembered_within_bounds() -> None:
    schema = MarketSchema(query=Query, limits=Limits(length=2 * MAX_REMEMBERED_LENGTH + 100))
    first = schema.prepare("{ hello }")
    assert schema.prepare("{ hello }") is first
    for number in range(300):
        schema.prepare("{ hello } #" + str(number).rjust(2000))
    assert schema.prepare("{ hello }") is not first
    assert sum(map(len, schema._prepared)) <= MAX_REMEMBERED_LENGTH
    schema.prepare("{ hello } #" + "x" * 2 * MAX_REMEMBERED_LENGTH)
    assert len(schema._prepared) == 1
    schema.prepare("{ missing }")
    assert len(schema._prepared) == 1
