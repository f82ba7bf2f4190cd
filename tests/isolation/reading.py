"""What the victim's owner reads, and which texts in it are the victim's alone."""

import re
from dataclasses import dataclass
from typing import Any

from graphql_api.schema import schema as served
from merchantry.domain.permission import PlatformRole
from tests.isolation.generator import below, node_types
from tests.isolation.samples import arguments
from tests.isolation.world import Asker, Sphere, World, leaves

NAME_OF_ACT = re.compile(r"[a-z_]+\.[a-z_]+|[a-z]+(_[a-z]+)+")
"""Such as ``order.ship``: of the program, though which of them a page of the audit trail shows is chance."""

PUBLIC = {"Listing", "Shop"}
"""Kinds that everybody may see; all others are somebody's."""

BUYERS = {"Checkout", "Payment"}
"""Kinds that are a buyer's, and no merchant's."""

PLATFORMS = {"BankStatement", "BankLine"}
"""Kinds that are the platform's, and no merchant's."""

QUERY_PLATFORM = """
{ platform { reconciliation { statements(first: 50) { nodes { __typename id } }
                              lines(first: 50) { nodes { __typename id } } } } }
"""
QUERY = """
{ viewer { checkouts(first: 50) { nodes { __typename id payments { __typename id } orders { __typename id } } }
           orders(first: 50) { nodes { __typename id number } } }
  listings(first: 50, shop: "%s") { nodes { __typename id } }  shop(slug: "%s") { __typename id } }
"""


@dataclass
class Read:
    """Everything that people may read of a merchant."""

    secrets: set[str]
    ids: dict[str, list[str]]


async def read_all(world: World, sphere: Sphere) -> tuple[set[str], dict[str, list[str]]]:
    """All texts that the owner and the buyer of a merchant read there, and the ids of nodes by their types."""
    answers: list[Any] = []
    for document in below("merchant", "Merchant", arguments(sphere)):
        reply = await world.send(world.owner_of(sphere), document.text)
        assert "errors" not in reply.body, (document.name, reply.text)
        answers.append(reply.body["data"])
    asked = await world.send(Asker("buyer", sphere.buyer), QUERY % (sphere.slug, sphere.slug))
    public = {"listings", "shop"}
    answers.append({name: each for name, each in asked.body["data"].items() if name not in public})
    ids: dict[str, list[str]] = {kind: [] for kind in node_types()}
    platforms = await world.send(Asker("finance", world.platform_roles[PlatformRole.FINANCE]), QUERY_PLATFORM)
    for answer in [*answers, asked.body["data"], platforms.body["data"]]:
        _collect(answer, ids)
    return leaves(answers), ids


async def read_victim(world: World) -> Read:
    """What is the victim's and not the rival's: ids, numbers, titles, SKUs, people, amounts."""
    texts, ids = await read_all(world, world.victim)
    common, _ = await read_all(world, world.rival)
    shop = await world.send(Asker("nobody", None), QUERY_PUBLIC % world.victim.slug)
    known = common | leaves(shop.body) | {world.victim.slug}
    sdl = served.as_str()
    return Read({text for text in texts - known if not NAME_OF_ACT.fullmatch(text) and text not in sdl}, ids)


QUERY_PUBLIC = '{ shop(slug: "%s") { id slug name legalName } }'


def _collect(value: Any, ids: dict[str, list[str]]) -> None:
    if isinstance(value, dict):
        kind = value.get("__typename")
        if kind in ids and value.get("id") not in ids[kind]:
            ids[kind].append(value["id"])
        for each in value.values():
            _collect(each, ids)
    elif isinstance(value, list):
        for each in value:
            _collect(each, ids)
