"""No subscription tells anybody of what is not theirs: every one that the schema has, from the oldest event on.

Each is opened by those whose it may be first, of whom one must be told something of the victim's; then by everybody
else, at the same time. Nobody of them may have been told anything that only the victim's people can read.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import pytest
import pytest_asyncio
from graphql import get_named_type
from starlette.applications import Starlette

from graphql_api.hub import Hub
from graphql_api.relay import encode_cursor
from merchantry.domain.permission import MerchantRole, PlatformRole
from merchantry.services import staff
from merchantry.services.outbox import OLDEST
from tests.builders import an_act
from tests.graphql_api.a_schema import served
from tests.isolation.generator import fields_of, object_type, subscription_document
from tests.isolation.reading import Read, read_victim
from tests.isolation.samples import arguments
from tests.isolation.world import Asker, World, elsewhere

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBSCRIPTIONS = [name for name, each in object_type("Subscription").fields.items() if "after" in each.args]
NUMBERS = sorted(set(fields_of("Subscription")) - set(SUBSCRIPTIONS))
"""Those that tell of no events; they may hold nothing but a number."""
OF_ONE = [name for name in SUBSCRIPTIONS if "id" in object_type("Subscription").fields[name].args]
ABOUT = {"orderChanged": ("orderConfirmReceipt", "orderId"), "payoutChanged": ("payoutRelease", "payoutId")}
"""Where samples have the id of what a subscription can be narrowed to."""
FROM_THE_BEGINNING = encode_cursor("events", (OLDEST,))
WAIT_SECONDS = 240


@dataclass
class Stream:
    """What one asker was told."""

    asker: Asker
    status: int = 0
    said: list[dict[str, Any]] = field(default_factory=list)
    is_over: bool = False

    @property
    def text(self) -> str:
        """All of it."""
        return json.dumps(self.said, ensure_ascii=False)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Those of the messages that are events."""
        return [each for each in self.said if each.get("data")]


@dataclass
class Scene:
    """The world behind a port, where answers come bit by bit."""

    world: World
    read: Read
    address: str

    @property
    def hub(self) -> Hub:
        """Where subscribers wait."""
        found: Hub = cast(Starlette, self.world.mall.app).state.hub
        return found

    async def listen(self, stream: Stream, document: str) -> None:
        """Note what is told, until the stream ends or the listener is cancelled."""
        asker, headers = stream.asker, {"accept": "text/event-stream"}
        headers |= {"authorization": f"Bearer {self.world.mall.token(asker.who)}"} if asker.who else {}
        headers |= {"x-merchant": asker.header} if asker.header else {}
        headers |= {"host": asker.host} if asker.host else {}
        async with (
            httpx.AsyncClient(base_url=f"http://{self.address}", timeout=WAIT_SECONDS) as client,
            client.stream("POST", "/graphql", json={"query": document}, headers=headers) as answer,
        ):
            stream.status = answer.status_code
            if answer.status_code != 200:
                stream.said.append(json.loads(await answer.aread()))
            else:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        stream.said.append(json.loads(line.removeprefix("data: ")))
        stream.is_over = True

    @asynccontextmanager
    async def heard(
        self, document: str, *askers: Asker, enough: Callable[[Stream], bool] = lambda _: False
    ) -> AsyncIterator[list[Stream]]:
        """Everybody's streams, once each has ended or was told all that there is for it by now, or one enough."""
        streams = [Stream(asker) for asker in askers]
        tasks = [asyncio.create_task(self.listen(each, document)) for each in streams]
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not (all(each.status for each in streams) and self.is_quiet(streams)):
                    if any(map(enough, streams)):
                        break
                    await asyncio.sleep(0.1)
                await self.arrived()
            yield streams
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def is_quiet(self, streams: list[Stream]) -> bool:
        """Whether all that still listen wait for the next event, and nothing waits for them."""
        places = [place for places in self.hub._places.values() for place in places]
        waiting = [place for place in places if place.news._waiters and not (place.is_behind or place.queue)]
        return len(waiting) == len(places) == len([each for each in streams if not each.is_over])

    async def arrived(self) -> None:
        """Until what the server has sent so far is there: the same loop has then read all other sockets too."""
        async with httpx.AsyncClient(base_url=f"http://{self.address}") as client:
            await client.post("/graphql", json={"query": "{ __typename }"})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(world: World) -> AsyncIterator[Scene]:
    """The world's application behind a port of its own."""
    read = await read_victim(world)
    async with served(cast(Starlette, world.mall.app)) as address:
        yield Scene(world, read, address)


def of_victim(world: World, name: str) -> str:
    return subscription_document(name, arguments(world.victim), after=FROM_THE_BEGINNING)


def leaked(stream: Stream, read: Read, sent: str) -> set[str]:
    """The victim's texts in what somebody was told, but those that they sent."""
    return {secret for secret in read.secrets if secret in stream.text and secret not in sent}


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_a_subscription_tells_whose_it_is_and_nobody_else(scene: Scene, name: str) -> None:
    world, document = scene.world, of_victim(scene.world, name)
    admin = Asker("admin", world.platform_roles[PlatformRole.ADMIN])
    own = [world.owner_of(world.victim), Asker("buyer", world.victim.buyer), admin]
    async with scene.heard(document, *own, enough=lambda each: bool(leaked(each, scene.read, document))) as streams:
        assert any(leaked(each, scene.read, document) for each in streams), "tell of something of the victim's"
    others = [each for each in world.strangers() if name != "platformEvents" or each.who != "analyst-person"]
    async with scene.heard(document, *others) as streams:
        for stream in streams:
            assert not leaked(stream, scene.read, document), stream.asker


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_who_may_not_act_for_a_merchant_is_stopped_as_where_there_is_none(scene: Scene, name: str) -> None:
    world, document = scene.world, of_victim(scene.world, name)
    stopped, unknown = world.stopped("victim"), world.stopped("no-such")
    async with scene.heard(document, *stopped, *unknown) as streams:
        for foreign, missing in zip(streams[: len(stopped)], streams[len(stopped) :], strict=True):
            assert (foreign.status, foreign.text) == (403, missing.text), foreign.asker


@pytest.mark.parametrize("name", NUMBERS)
async def test_what_tells_of_no_events_tells_a_number(name: str) -> None:
    named = get_named_type(object_type("Subscription").fields[name].type)
    assert named.name == "Int", "give it `after`, so that it is asked as everybody above"


@pytest.mark.parametrize("name", OF_ONE)
async def test_a_foreign_subject_answers_as_one_that_does_not_exist(scene: Scene, name: str) -> None:
    world = scene.world
    mutation, key = ABOUT[name]
    foreign_id = world.victim.subjects[mutation][key]
    foreign, missing = (
        subscription_document(name, arguments(world.victim), after=FROM_THE_BEGINNING, id=each)
        for each in (foreign_id, elsewhere(foreign_id))
    )
    strangers = world.strangers()
    async with scene.heard(foreign, *strangers) as shown, scene.heard(missing, *strangers) as unknown:
        for one, other in zip(shown, unknown, strict=True):
            assert one.is_over, one.asker
            assert (one.status, one.text, one.events) == (other.status, other.text, []), one.asker


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_a_stream_ends_with_its_listeners_right(scene: Scene, name: str) -> None:
    world = scene.world
    merchant, who = world.rival.merchant, f"leaver-of-{name}"
    await world.mall.hire(who, merchant, MerchantRole.OWNER)
    document = subscription_document(name, arguments(world.rival), after=FROM_THE_BEGINNING)
    async with scene.heard(document, Asker("leaver", who, merchant.slug)) as [stream]:
        account = await world.mall.account(who)
        async with world.mall.database.write("test") as tx, tx.as_platform() as session:
            await staff.revoke_role(session, account, merchant.id, MerchantRole.OWNER, an_act())
        async with asyncio.timeout(WAIT_SECONDS):
            while not stream.is_over:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert "errors" in stream.said[-1], stream.said[-1]
        assert name in ("myOrders", "platformEvents") or stream.events
