"""No field shows a merchant's data to anybody else: every field of the merchant, every node, every cursor.

Made from the schema. Each question is asked by its owner first, who must be answered, then by everybody else; no text
that only the owner can read may occur in any other answer, and what is foreign answers byte for byte like what does
not exist.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from merchantry.domain.permission import PlatformRole
from tests.isolation.generator import (
    below,
    connections_of,
    field_document,
    fields_of,
    node_document,
    node_types,
)
from tests.isolation.reading import BUYERS, PLATFORMS, PUBLIC, Read, read_victim
from tests.isolation.samples import arguments
from tests.isolation.world import Asker, Reply, World, elsewhere, forged, ids_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODES = [name for name in node_types() if name not in PUBLIC]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def read(world: World) -> AsyncIterator[Read]:
    """What the owner can read."""
    yield await read_victim(world)


def leaked(reply: Reply, read: Read, *sent: str) -> set[str]:
    """The victim's texts in an answer, but those that the asker sent."""
    _, text = reply.without(*sent)
    return {secret for secret in read.secrets if secret in text}


async def test_the_victim_has_something_to_hide(world: World, read: Read) -> None:
    assert len(read.secrets) > 100
    for part in ("victim-SKU-1", "victim secret 0", "83947.61", "victim-track", "victim carrier", "victim regrets"):
        assert any(part in secret for secret in read.secrets), part


@pytest.mark.parametrize("name", fields_of("Merchant"))
async def test_a_field_of_the_merchant_answers_its_owner_and_nobody_else(world: World, read: Read, name: str) -> None:
    document = field_document("merchant", "Merchant", name, arguments(world.victim))
    own = await world.send(world.owner_of(world.victim), document.text)
    assert own.body["data"]["merchant"][name], own.text
    for asker in world.strangers():
        assert not leaked(await world.send(asker, document.text), read, world.victim.order_number), asker
    for stopped, unknown in zip(world.stopped("victim"), world.stopped("no-such"), strict=True):
        foreign, missing = await world.send(stopped, document.text), await world.send(unknown, document.text)
        assert (foreign.status, foreign.text) == (missing.status, missing.text), stopped
        assert foreign.status == 403, stopped


async def test_a_suspended_merchants_owner_is_refused_like_a_stranger(world: World, read: Read) -> None:
    for document in below("merchant", "Merchant", arguments(world.asleep)):
        for asker in (
            Asker("by header", world.asleep.owner, "asleep"),
            Asker("by host", world.asleep.owner, host="asleep.mall.test"),
        ):
            reply = await world.send(asker, document.text)
            unknown = await world.send(Asker("unknown", world.asleep.owner, "no-such"), document.text)
            assert (reply.status, reply.text) == (403, unknown.text), document.name


async def test_every_field_is_refused_to_nobody_without_a_merchant(world: World) -> None:
    for document in below("merchant", "Merchant", arguments(world.victim)):
        assert (await world.send(Asker("nobody", None), document.text)).body == {"data": {"merchant": None}}


@pytest.mark.parametrize("kind", node_types())
async def test_every_kind_of_node_is_found_again_by_its_id(world: World, read: Read, kind: str) -> None:
    assert read.ids[kind], f"put a {kind} into the victim's world, so that it can be asked for by its id"
    asker = Asker("buyer", world.victim.buyer) if kind in BUYERS else world.owner_of(world.victim)
    if kind in PLATFORMS:
        asker = Asker("finance", world.platform_roles[PlatformRole.FINANCE])
    for text in read.ids[kind][:3]:
        reply = await world.send(asker, node_document(kind), {"id": text})
        assert "errors" not in reply.body, reply.text
        node, (again,) = reply.body["data"]["node"], reply.body["data"]["nodes"]
        assert node is not None, f"{kind} implements Node but node(id:) does not find it"
        assert (node["__typename"], node["id"], node) == (kind, text, again)


@pytest.mark.parametrize("kind", sorted(PUBLIC))
async def test_a_public_kind_is_shown_to_nobody_in_particular(world: World, read: Read, kind: str) -> None:
    reply = await world.send(Asker("nobody", None), node_document(kind), {"id": read.ids[kind][0]})
    assert reply.body["data"]["node"]["id"] == read.ids[kind][0]


@pytest.mark.parametrize("kind", NODES)
async def test_a_foreign_node_answers_as_one_that_does_not_exist(world: World, read: Read, kind: str) -> None:
    document, foreign = node_document(kind), read.ids[kind][0]
    missing = elsewhere(foreign)
    askers = world.strangers()
    if kind in BUYERS | PLATFORMS:
        askers.append(world.owner_of(world.victim))
    for asker in askers:
        for text in (foreign, forged(foreign, world.rival.merchant.id)):
            shown = await world.send(asker, document, {"id": text})
            unknown = await world.send(asker, document, {"id": missing})
            assert shown.without(text) == unknown.without(missing), asker
            assert shown.body == {"data": {"node": None, "nodes": [None]}}, asker


async def test_a_suspended_merchants_things_are_gone_for_its_owner(world: World) -> None:
    """The ids were kept from before."""
    texts = set(ids_in(world.asleep.subjects))
    assert len(texts) > 8
    for text in texts:
        for asker in (Asker("owner", world.asleep.owner), world.owner_of(world.victim)):
            reply = await world.send(asker, "query ($id: ID!) { node(id: $id) { __typename id } }", {"id": text})
            assert reply.body == {"data": {"node": None}}, asker


@pytest.mark.parametrize("name", connections_of("Merchant"))
async def test_a_cursor_taken_from_the_owner_shows_others_only_their_own(world: World, read: Read, name: str) -> None:
    samples = arguments(world.victim)
    taken = field_document("merchant", "Merchant", name, samples, first=1)
    own = await world.send(world.owner_of(world.victim), taken.text)
    cursor = own.body["data"]["merchant"][name]["pageInfo"]["endCursor"]
    assert cursor, own.text
    document = field_document("merchant", "Merchant", name, samples, after=cursor)
    assert "errors" not in (await world.send(world.owner_of(world.victim), document.text)).body
    for asker in world.strangers():
        assert not leaked(await world.send(asker, document.text), read, cursor), asker


@pytest.mark.parametrize("name", connections_of("Merchant"))
async def test_a_cursor_of_another_list_is_refused(world: World, name: str) -> None:
    samples, owner = arguments(world.victim), world.owner_of(world.victim)
    for other in connections_of("Merchant"):
        taken = await world.send(owner, field_document("merchant", "Merchant", other, samples, first=1).text)
        cursor = taken.body["data"]["merchant"][other]["pageInfo"]["endCursor"]
        reply = await world.send(owner, field_document("merchant", "Merchant", name, samples, after=cursor).text)
        assert ("errors" in reply.body) is (other != name), (name, other)


@pytest.mark.parametrize("name", connections_of("Viewer"))
async def test_a_buyers_list_shows_another_only_their_own(world: World, read: Read, name: str) -> None:
    taken = field_document("viewer", "Viewer", name, arguments(world.victim), first=1)
    own = await world.send(Asker("buyer", world.victim.buyer), taken.text)
    assert "data" in own.body, own.text
    cursor = own.body["data"]["viewer"][name]["pageInfo"]["endCursor"]
    assert cursor, own.text
    document = field_document("viewer", "Viewer", name, arguments(world.victim), after=cursor)
    for asker in world.strangers():
        assert not leaked(await world.send(asker, document.text), read, cursor), asker


@pytest.mark.parametrize("name", fields_of("Platform"))
async def test_a_field_of_the_platform_is_shut_to_whoever_has_no_role_there(
    world: World, read: Read, name: str
) -> None:
    document = field_document("platform", "Platform", name, arguments(world.victim))
    admin = await world.send(Asker("admin", "admin-person"), document.text)
    assert admin.body["data"]["platform"], admin.text
    for asker in [*world.strangers(), world.owner_of(world.victim), Asker("buyer", world.victim.buyer)]:
        if asker.who != "analyst-person":
            assert (await world.send(asker, document.text)).body == {"data": {"platform": None}}, asker


async def test_an_order_number_of_another_merchant_answers_as_one_that_does_not_exist(world: World) -> None:
    samples = arguments(world.victim)
    foreign = field_document("merchant", "Merchant", "order", samples)
    missing = field_document("merchant", "Merchant", "order", samples, number="999999-000001")
    for asker in world.strangers():
        shown, unknown = await world.send(asker, foreign.text), await world.send(asker, missing.text)
        assert (shown.status, shown.text) == (unknown.status, unknown.text), asker
