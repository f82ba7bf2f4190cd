"""Which fields count as wanted."""

import time
from typing import Any, cast

import pytest

from graphql_api.limits import Limits
from tests.graphql_api.a_schema import a_context, a_market_schema


async def seen(document: str, **variables: Any) -> list[set[str]]:
    """What the resolver of `order` found wanted below itself, and below `itself { total }`."""
    context = a_context(database=[])
    result = await a_market_schema(Limits(fields=2**70)).execute(
        document, variable_values=variables, context_value=context
    )
    assert result.errors is None
    return cast(list[set[str]], context.database)


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        ("id number", {"id", "number"}),
        ("a: number b: number", {"number"}),
        ("id @skip(if: true) number @skip(if: false)", {"number"}),
        ("id @include(if: false) number @include(if: true)", {"number"}),
        ("id @include(if: $yes) number @skip(if: $yes)", {"id"}),
        ("id @include(if: $default) number @skip(if: $default)", {"id"}),
        ("id @include(if: true) @skip(if: true) number", {"number"}),
        ("... on Order { id } ... { number }", {"id", "number"}),
        ("... @skip(if: true) { id } number", {"number"}),
        ("...F", {"number", "total", "id"}),
        ("...F @include(if: false) id", {"id"}),
        ("...F @skip(if: true) ...F", {"number", "total", "id"}),
        ("id itself { number }", {"id", "itself"}),
    ],
)
async def test_selected_fields_are_wanted(selection: str, wanted: set[str]) -> None:
    fragments = "fragment F on Order { number ...G } fragment G on Order { total { amount } id }"
    head = "query($yes: Boolean! = false, $default: Boolean! = true)"
    document = (
        f"{head} {{ order {{ __typename @skip(if: $default) @include(if: $yes) id @skip(if: true) {selection} }} }}"
    )
    document += fragments if "...F" in selection else ""
    found = await seen(document, yes=True)
    assert found[0] == wanted


async def test_a_path_leads_to_what_is_wanted_below() -> None:
    nested = "itself { total { amount } } again: itself { total { currency } id }"
    assert await seen(f"{{ order {{ {nested} }} }}") == [{"itself"}, {"amount", "currency"}]
    assert await seen("{ order { id } }") == [{"id"}, set()]


async def test_nested_fragments_take_no_time() -> None:
    chain = " ".join(f"fragment F{n} on Order {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    started = time.perf_counter()
    found = await seen("{ order { ...F0 ...F0 } } " + chain + " fragment F60 on Order { id }")
    assert time.perf_counter() - started < 1
    assert found[0] == {"id"}
