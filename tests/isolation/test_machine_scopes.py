"""A machine's token does exactly what its scopes say: tried over every field and mutation of the matrix."""

from typing import Any
from uuid import UUID

import pytest

from merchantry.domain.permission import FOR_PEOPLE, Permission
from merchantry.services import machine_token
from merchantry.services.machine_token import NewMachineToken
from tests.builders import an_act
from tests.isolation.generator import field_document, mutation_document
from tests.isolation.samples import arguments
from tests.isolation.test_permissions import MERCHANT_FIELDS, MUTATIONS, PLATFORM_FIELDS, denied, idle_input
from tests.isolation.world import Reply, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def a_token(world: World, merchant_id: UUID | None, scopes: set[Permission]) -> str:
    """A machine's secret, made by the victim's owner; what a person alone may hold is left out."""
    new = NewMachineToken(merchant_id, "matrix", frozenset(scopes - FOR_PEOPLE), None)
    maker = await world.mall.account(world.victim.owner)
    async with world.mall.database.write("test") as tx, tx.as_platform() as session:
        made, secret = await machine_token.create(session, new, scopes, maker, an_act())
        await machine_token.find(session, merchant_id, made.id)
    return secret


async def pair(world: World, permission: Permission) -> tuple[str, str]:
    """A token with every scope but this one, and one with this alone (or, where it is for people, with all others)."""
    of_platform = permission.startswith("platform.")
    side = {each for each in Permission if each.startswith("platform.") == of_platform}
    merchant_id = None if of_platform else world.victim.merchant.id
    without = await a_token(world, merchant_id, side - {permission})
    with_it = without if permission in FOR_PEOPLE else await a_token(world, merchant_id, {permission})
    return without, with_it


async def send(world: World, secret: str, document: str, variables: Any = None, *, named: bool) -> Reply:
    headers = {"authorization": f"Bearer {secret}"} | ({"x-merchant": "victim"} if named else {})
    answer = await world.mall.http.post("/graphql", json={"query": document, "variables": variables}, headers=headers)
    return Reply(answer.status_code, answer.text, answer.json())


@pytest.fixture(autouse=True)
def _many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_token, "MAX_TOKENS", 10_000)


@pytest.mark.parametrize("name", [name for name, permission in MERCHANT_FIELDS.items() if permission])
async def test_a_merchants_field_asks_for_its_scope(world: World, name: str) -> None:
    permission = MERCHANT_FIELDS[name]
    assert permission
    document = field_document("merchant", "Merchant", name, arguments(world.victim), first=1).text
    without, with_it = await pair(world, permission)
    assert denied(await send(world, without, document, named=True), permission)
    assert denied(await send(world, with_it, document, named=True), permission) is (permission in FOR_PEOPLE)


@pytest.mark.parametrize("name", PLATFORM_FIELDS)
async def test_a_platforms_field_asks_for_its_scope(world: World, name: str) -> None:
    permission = PLATFORM_FIELDS[name]
    document = field_document("platform", "Platform", name, arguments(world.victim), first=1).text
    without, with_it = await pair(world, permission)
    assert denied(await send(world, without, document, named=False), permission)
    assert denied(await send(world, with_it, document, named=False), permission) is (permission in FOR_PEOPLE)


@pytest.mark.parametrize("mutation", [name for name, permission in MUTATIONS.items() if permission])
async def test_a_mutation_asks_for_its_scope(world: World, mutation: str) -> None:
    permission = MUTATIONS[mutation]
    assert permission
    named, document = not permission.startswith("platform."), mutation_document(mutation)
    without, with_it = await pair(world, permission)
    for secret, is_denied in ((without, True), (with_it, permission in FOR_PEOPLE)):
        given = {"input": idle_input(world, mutation)}
        reply = await send(world, secret, document, given, named=named)
        assert reply.body.get("data"), reply.text
        assert (reply.body["data"][mutation]["__typename"] == "NotPermitted") is is_denied, reply.text
