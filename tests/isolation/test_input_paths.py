"""Every InvalidInput points into the input that it is about: the path leads through what was sent.

Made from the schema: of every mutation's sample, each value is spoilt in turn, and sent by whoever may.
"""

import copy
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from graphql import GraphQLInputObjectType, get_named_type

from merchantry.domain.permission import PlatformRole
from tests.cluster import Cluster
from tests.isolation.generator import fields_of, input_of, object_type
from tests.isolation.samples import inputs
from tests.isolation.test_writes import MUTATIONS, OF_PLATFORM, Whose
from tests.isolation.world import Asker, World, a_world

pytestmark = pytest.mark.asyncio(loop_scope="session")

SPOILT: tuple[Any, ...] = ("", "\u202e" * 30_000, -1, 2**31 - 1, [], {})
AT_MOST = 24
"""Spoilt inputs of one mutation."""

Path = tuple[str | int, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One of its own: of what is spoilt, some is nevertheless done."""
    async with a_world(cluster, tmp_path_factory) as world:
        yield world


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where a value can be put into an input instead of what is there; the deepest places first."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in below:
        yield from places(each, (*path, step))
    if path:
        yield path


def spoilt(given: Any, path: Path, value: Any) -> Any:
    """The input with one place of it changed."""
    found = copy.deepcopy(given)
    here = found
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return found


def leads_there(path: list[str], given: dict[str, Any], mutation: str) -> bool:
    """Whether the path leads through what was sent, or ends at a field of it that was left out."""
    here: Any = {"input": given}
    of: Any = None
    for position, step in enumerate(path):
        items = here if isinstance(here, list) else [here]  # GraphQL makes a list of a value that stands for one
        inside = here if isinstance(here, dict) else dict(enumerate(items))
        by_text = {str(name): each for name, each in inside.items()}
        if isinstance(of, GraphQLInputObjectType) and step in of.fields and step not in by_text:
            return position == len(path) - 1
        if step not in by_text:
            return False
        here = by_text[step]
        if position == 0:
            of = get_named_type(object_type("Mutation").fields[mutation].args["input"].type)
        elif isinstance(of, GraphQLInputObjectType) and step in of.fields:
            of = get_named_type(of.fields[step].type)
    return bool(path)


def whoever_may(world: World, mutation: str) -> Asker:
    whose = MUTATIONS[mutation]
    if whose in OF_PLATFORM:
        role = PlatformRole.REVIEWER if mutation.startswith("reviewRules") else PlatformRole.ADMIN
        return Asker("platform", world.platform_roles[role])
    if whose in (Whose.MERCHANT, Whose.SELECTED):
        return world.owner_of(world.victim)
    return Asker("buyer", world.victim.buyer)


@pytest.mark.parametrize("mutation", [name for name in fields_of("Mutation") if name not in ("viewerErase",)])
async def test_what_is_wrong_with_an_input_is_said_of_a_place_in_it(world: World, mutation: str) -> None:
    document = (
        f"mutation ($input: {object_type('Mutation').fields[mutation].args['input'].type}) {{ {mutation}(input: $input)"
        " { __typename ... on Problem { message path } } }"
    )
    asker, given = whoever_may(world, mutation), input_of(mutation, inputs(world.victim))
    tried = [(path, value) for path in places(given) for value in SPOILT if path[-1] != "idempotencyKey" or value == ""]
    for path, value in tried[:: max(1, len(tried) // AT_MOST)]:
        sent = spoilt(given, path, value)
        reply = await world.send(asker, document, {"input": sent})
        answer = (reply.body.get("data") or {}).get(mutation) or {}
        if answer.get("__typename") != "InvalidInput":
            continue
        assert leads_there(answer["path"], sent, mutation), (path, str(value)[:20], answer["path"], answer["message"])
